//! Finds every literal key in a text at once.
//!
//! Keys stand sorted, each with a link to the longest other key of its group that it begins with. A group
//! is the keys that begin with the same bytes: eight, or four, or all of a shorter key; for keys that are
//! whole words, their first word. At a place of the text, its bytes lead to the groups; the last key of a
//! group that is not behind the text in order, and the keys along its links, are all that can stand there.
//! So a text costs its length and its hits, however many keys there are; and building costs one sort, a
//! fraction of what an Aho–Corasick automaton over the same keys costs, which a changed book waits for.

mod grams;

use std::ops::Range;

use grams::{CLASSES, Code, Grams, Group, LONGEST, class_of, first_word, head_of};

/// Bytes of the longest key that is looked for: what one place of a text can cost is bounded by it.
pub(super) const MAX_KEY: usize = 512;

/// What a scan may cost in all; a unit is about a byte looked at.
#[derive(Debug)]
pub(super) struct Work {
    left: u64,
    pub spent: bool,
}

impl Work {
    pub(super) const fn new(units: u64) -> Self {
        Self {
            left: units,
            spent: false,
        }
    }

    /// False, now and ever after, if there is not so much left.
    pub(super) const fn take(&mut self, units: u64) -> bool {
        match self.left.checked_sub(units) {
            Some(left) if !self.spent => {
                self.left = left;
                true
            }
            _ => {
                self.spent = true;
                false
            }
        }
    }
}

/// A key to be looked for.
struct Raw {
    table: u8,
    whole: bool,
    /// Bytes that make its group.
    shared: u8,
    /// The first eight bytes as a number, so that sorting seldom looks further.
    head: u64,
    start: usize,
    len: usize,
    /// Whom a hit concerns.
    owner: Option<u32>,
    id: u32,
}

/// Collects keys for a [`Matcher`].
#[derive(Default)]
pub(super) struct Builder {
    raws: Vec<Raw>,
    bytes: Vec<u8>,
}

/// Letter case counts in tables 2 and 3; keys of tables 1 and 3 stand at beginnings of words only.
const TABLES: usize = 4;
const CASE_SENSITIVE: u8 = 2;
const AT_WORDS: u8 = 1;

impl Builder {
    /// `text`: trimmed, not empty, folded unless `sensitive`. Gives the place of its slot in
    /// what [`Self::finish`] returns; `None` if the key is too long.
    pub(super) fn add(&mut self, text: &str, sensitive: bool, whole: bool, owner: Option<u32>) -> Option<u32> {
        if text.is_empty() || text.len() > MAX_KEY {
            return None;
        }
        let id = u32::try_from(self.raws.len()).ok()?;
        let start = self.bytes.len();
        u32::try_from(start + MAX_KEY).ok()?;
        self.bytes.extend_from_slice(text.as_bytes());
        let at_words = whole && text.bytes().next().is_some_and(is_word);
        self.raws.push(Raw {
            table: if sensitive { CASE_SENSITIVE } else { 0 } + if at_words { AT_WORDS } else { 0 },
            whole,
            shared: if at_words {
                first_word(text.as_bytes())
            } else {
                class_of(text.len())
            },
            head: head_of(text.as_bytes()).swap_bytes(),
            start,
            len: text.len(),
            owner,
            id,
        });
        Some(id)
    }

    /// The matcher, and the slot of each key by what [`Self::add`] gave.
    pub(super) fn finish(self) -> (Matcher, Vec<u32>) {
        let Self { mut raws, bytes } = self;
        let text = |raw: &Raw| bytes.get(raw.start..raw.start + raw.len).unwrap_or_default();
        raws.sort_unstable_by(|a, b| {
            (a.table, a.shared, a.head)
                .cmp(&(b.table, b.shared, b.head))
                .then_with(|| text(a).cmp(text(b)))
                .then_with(|| (a.whole, a.id).cmp(&(b.whole, b.id)))
        });
        let mut matcher = Matcher::default();
        let mut slots = vec![0; raws.len()];
        let mut last: Option<&Raw> = None;
        for raw in &raws {
            let same =
                last.is_some_and(|last| (last.table, last.whole) == (raw.table, raw.whole) && text(last) == text(raw));
            if !same {
                matcher.push(raw, text(raw));
            }
            last = Some(raw);
            if let Some(slot) = slots.get_mut(raw.id as usize) {
                *slot = matcher.last_slot();
            }
            matcher.owners.extend(raw.owner);
            if let Some(end) = matcher.owner_ends.last_mut() {
                *end = matcher.owners.len();
            }
        }
        matcher.index();
        (matcher, slots)
    }
}

/// A key in its table.
struct Item {
    start: u32,
    len: u16,
    whole: bool,
    /// The longest other key of the group that this one begins with.
    shorter: Option<u32>,
}

#[derive(Default)]
struct Table {
    grams: Grams,
    /// Bit n: there are groups of n bytes.
    lengths: u16,
}

/// Finds keys; a key with its options is a slot.
#[derive(Default)]
pub(super) struct Matcher {
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// Table and length of the group of each key, while the matcher is made.
    groups_of: Vec<(u8, u8)>,
    tables: [Table; TABLES],
    owners: Vec<u32>,
    owner_ends: Vec<usize>,
}

impl Matcher {
    pub(super) const fn slots(&self) -> usize {
        self.items.len()
    }

    /// Whom a hit of `slot` concerns.
    pub(super) fn owners(&self, slot: u32) -> &[u32] {
        let slot = slot as usize;
        let start = slot
            .checked_sub(1)
            .and_then(|before| self.owner_ends.get(before))
            .copied();
        let end = self.owner_ends.get(slot).copied().unwrap_or_default();
        self.owners.get(start.unwrap_or_default()..end).unwrap_or_default()
    }

    pub(super) fn weight(&self) -> usize {
        let grams: usize = self.tables.iter().map(|table| table.grams.weight()).sum();
        self.bytes.capacity()
            + self.items.capacity() * size_of::<Item>()
            + self.owners.capacity() * size_of::<u32>()
            + self.owner_ends.capacity() * size_of::<usize>()
            + grams
    }

    fn last_slot(&self) -> u32 {
        u32::try_from(self.items.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    fn push(&mut self, raw: &Raw, text: &[u8]) {
        self.items.push(Item {
            start: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            len: u16::try_from(text.len()).unwrap_or(u16::MAX),
            whole: raw.whole,
            shorter: None,
        });
        self.bytes.extend_from_slice(text);
        self.groups_of.push((raw.table, raw.shared));
        self.owner_ends.push(self.owners.len());
    }

    fn text(&self, item: &Item) -> &[u8] {
        let start = item.start as usize;
        self.bytes.get(start..start + usize::from(item.len)).unwrap_or_default()
    }

    /// Links the keys, and groups them by how they begin.
    fn index(&mut self) {
        let mut groups: [Vec<Group>; TABLES] = Default::default();
        let mut chain: Vec<u32> = Vec::new();
        let mut links = vec![None; self.items.len()];
        for (place, (item, (table, shared))) in self.items.iter().zip(&self.groups_of).enumerate() {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            let text = self.text(item);
            let code = Code::new(head_of(text), *shared);
            let Some(groups) = groups.get_mut(usize::from(*table)) else {
                continue;
            };
            match groups.last_mut().filter(|group| group.code == code) {
                Some(group) => group.end = place + 1,
                None => {
                    // Another beginning: no key before is one of this key's.
                    chain.clear();
                    groups.push(Group {
                        code,
                        start: place,
                        end: place + 1,
                    });
                }
            }
            while let Some(last) = chain.last() {
                let shorter = self.items.get(*last as usize).map(|item| self.text(item));
                if shorter.is_some_and(|shorter| text.starts_with(shorter)) {
                    break;
                }
                chain.pop();
            }
            if let Some(link) = links.get_mut(place as usize) {
                *link = chain.last().copied();
            }
            chain.push(place);
        }
        for (item, link) in self.items.iter_mut().zip(links) {
            item.shorter = link;
        }
        for (table, groups) in self.tables.iter_mut().zip(groups) {
            table.lengths = groups.iter().fold(0, |lengths, group| lengths | 1 << group.code.length);
            table.grams = Grams::new(&groups);
        }
        self.groups_of = Vec::new();
    }

    /// Calls `hit` with the slot of every key in a text, given as it is and with its case folded.
    pub(super) fn scan(&self, raw: &[u8], folded: &[u8], work: &mut Work, mut hit: impl FnMut(u32)) {
        for (number, table) in self.tables.iter().enumerate() {
            if table.lengths == 0 {
                continue;
            }
            let text = if number >= usize::from(CASE_SENSITIVE) {
                raw
            } else {
                folded
            };
            let at_words = number % 2 == usize::from(AT_WORDS);
            let runs = if at_words {
                1
            } else {
                u64::from(table.lengths.count_ones())
            };
            if !work.take(u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_mul(runs)) {
                return;
            }
            let goes_on = if at_words {
                self.scan_words(table, text, work, &mut hit)
            } else {
                self.scan_all(table, text, work, &mut hit)
            };
            if goes_on.is_none() {
                return;
            }
        }
    }

    /// At the beginnings of words only. `None` if the work is spent.
    fn scan_words(&self, table: &Table, text: &[u8], work: &mut Work, hit: &mut impl FnMut(u32)) -> Option<()> {
        let mut at = 0;
        while let Some(rest) = text.get(at..) {
            let Some(gap) = rest.iter().position(|byte| is_word(*byte)) else {
                break;
            };
            let here = rest.get(gap..).unwrap_or_default();
            let length = here.iter().position(|byte| !is_word(*byte)).unwrap_or(here.len());
            let shared = u8::try_from(length.min(LONGEST)).unwrap_or(0);
            let group = table.grams.get(Code::new(head_of(here), shared));
            if !group.is_empty() {
                self.keys_of(group, shared, here, false, work, hit)?;
            }
            at += gap + length;
        }
        Some(())
    }

    /// At every place. `None` if the work is spent.
    fn scan_all(&self, table: &Table, text: &[u8], work: &mut Work, hit: &mut impl FnMut(u32)) -> Option<()> {
        let classes = CLASSES.into_iter().filter(|class| table.lengths & (1 << class) != 0);
        // One run for each length that there is; mostly there is one.
        for shared in classes {
            let places = (text.len() + 1).saturating_sub(usize::from(shared));
            for at in 0..places {
                let here = text.get(at..).unwrap_or_default();
                let group = table.grams.get(Code::new(head_of(here), shared));
                if !group.is_empty() {
                    let before = at.checked_sub(1).and_then(|before| text.get(before));
                    self.keys_of(
                        group,
                        shared,
                        here,
                        before.is_some_and(|byte| is_word(*byte)),
                        work,
                        hit,
                    )?;
                }
            }
        }
        Some(())
    }

    /// The keys of a group at the beginning of `here`, which begins with the bytes that make the group;
    /// `goes_on`: a letter of a word stands before it. `None` if the work is spent.
    fn keys_of(
        &self,
        group: Range<u32>,
        shared: u8,
        here: &[u8],
        goes_on: bool,
        work: &mut Work,
        hit: &mut impl FnMut(u32),
    ) -> Option<()> {
        let stands = |item: &Item| {
            let behind = here.get(usize::from(item.len));
            !item.whole || (!goes_on && !behind.is_some_and(|byte| is_word(*byte)))
        };
        let mut next = self.last_not_behind(group, usize::from(shared), here);
        let mut found = false;
        while let Some((place, item)) = next.and_then(|place| Some((place, self.items.get(place as usize)?))) {
            work.take(1).then_some(())?;
            // What the found one begins with stands here, too.
            found = found || here.starts_with(self.text(item));
            if found && stands(item) {
                hit(place);
            }
            next = item.shorter;
        }
        Some(())
    }

    /// The last key of a group that is not behind `here` in order, a key that `here` begins with being
    /// before it. All keys that `here` begins with are the beginnings of that one.
    fn last_not_behind(&self, group: Range<u32>, shared: usize, here: &[u8]) -> Option<u32> {
        let (mut low, mut high) = (group.start, group.end);
        // How many leading bytes the keys next to the two bounds share with `here`, and so all between.
        let (mut shared_low, mut shared_high) = (shared, shared);
        while low < high {
            let middle = low + (high - low) / 2;
            let key = self.items.get(middle as usize).map_or(&[][..], |item| self.text(item));
            let skip = shared_low.min(shared_high).min(key.len());
            let shared = skip
                + key
                    .iter()
                    .skip(skip)
                    .zip(here.iter().skip(skip))
                    .take_while(|(key, here)| key == here)
                    .count();
            let behind = match (key.get(shared), here.get(shared)) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(key), Some(here)) => key > here,
            };
            if behind {
                high = middle;
                shared_high = shared;
            } else {
                low = middle + 1;
                shared_low = shared;
            }
        }
        low.checked_sub(1).filter(|place| *place >= group.start)
    }
}

/// What `\w` is in JavaScript: a word is bounded by everything else, letters with accents among it.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

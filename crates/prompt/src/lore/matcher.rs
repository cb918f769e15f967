//! Finds every literal key in a text at once.
//!
//! Keys stand in sorted tables, each with a link to the longest other key that it begins with. At a place
//! of the text, the first four bytes lead to the keys that begin with them; the last of those that is not
//! behind the text in order, and the keys along its links, are all that can stand there. So a text costs
//! its length and its hits, however many keys there are; and building costs one sort, a tenth of what an
//! Aho–Corasick automaton over the same keys costs, which is what a changed book waits for.

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
        let mut head = [0; 8];
        head.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
        let at_words = whole && text.bytes().next().is_some_and(is_word);
        self.raws.push(Raw {
            table: if sensitive { CASE_SENSITIVE } else { 0 } + if at_words { AT_WORDS } else { 0 },
            whole,
            head: u64::from_be_bytes(head),
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
            (a.table, a.head)
                .cmp(&(b.table, b.head))
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
                matcher.push(raw.table, text(raw), raw.whole);
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
    /// The longest other key that this one begins with, within the same leading four bytes.
    shorter: Option<u32>,
}

#[derive(Default)]
struct Table {
    grams: Grams,
    /// Bit n: there are keys of n bytes (n < 4); bit 4: there are longer ones.
    lengths: u8,
}

/// Finds keys; a key with its options is a slot.
#[derive(Default)]
pub(super) struct Matcher {
    bytes: Vec<u8>,
    items: Vec<Item>,
    table_of: Vec<u8>,
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

    fn push(&mut self, table: u8, text: &[u8], whole: bool) {
        self.items.push(Item {
            start: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            len: u16::try_from(text.len()).unwrap_or(u16::MAX),
            whole,
            shorter: None,
        });
        self.bytes.extend_from_slice(text);
        self.table_of.push(table);
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
        for (place, (item, table)) in self.items.iter().zip(&self.table_of).enumerate() {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            let text = self.text(item);
            let code = code_of(text);
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
            table.lengths = groups
                .iter()
                .fold(0, |lengths, group| lengths | 1 << (group.code >> 32));
            table.grams = Grams::new(&groups);
        }
        self.table_of = Vec::new();
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
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            if !work.take(length) {
                return;
            }
            let at_words = number % 2 == usize::from(AT_WORDS);
            let mut before = false;
            for (at, byte) in text.iter().enumerate() {
                let word = is_word(*byte);
                let begins = word && !before;
                if at_words && !begins {
                    before = word;
                    continue;
                }
                let goes_on = before;
                before = word;
                let here = text.get(at..).unwrap_or_default();
                if !self.keys_at(table, here, goes_on, work, &mut hit) {
                    return;
                }
            }
        }
    }

    /// The keys at the beginning of `here`; `goes_on`: a letter of a word stands before it.
    /// False if the work is spent.
    #[inline]
    fn keys_at(&self, table: &Table, here: &[u8], goes_on: bool, work: &mut Work, hit: &mut impl FnMut(u32)) -> bool {
        let window = match here {
            [a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
            [a, b, c] => u32::from_le_bytes([*a, *b, *c, 0]),
            [a, b] => u32::from_le_bytes([*a, *b, 0, 0]),
            [a] => u32::from_le_bytes([*a, 0, 0, 0]),
            [] => 0,
        };
        let stands = |item: &Item| {
            let behind = here.get(usize::from(item.len));
            !item.whole || (!goes_on && !behind.is_some_and(|byte| is_word(*byte)))
        };
        for length in 1..4_u8 {
            if table.lengths & (1 << length) == 0 || here.len() < usize::from(length) {
                continue;
            }
            let code = u64::from(length) << 32 | u64::from(window & (u32::MAX >> (32 - 8 * u32::from(length))));
            for place in table.grams.get(code) {
                if self.items.get(place as usize).is_some_and(stands) {
                    hit(place);
                }
            }
        }
        if table.lengths & (1 << 4) == 0 || here.len() < 4 {
            return true;
        }
        let group = table.grams.get(LONG | u64::from(window));
        if group.is_empty() {
            return true;
        }
        let mut next = self.last_not_behind(group.start, group.end, here);
        let mut found = false;
        while let Some(item) = next.and_then(|place| self.items.get(place as usize)) {
            if !work.take(1) {
                return false;
            }
            // What the found one begins with stands here, too.
            found = found || here.starts_with(self.text(item));
            if found && stands(item) {
                hit(next.unwrap_or_default());
            }
            next = item.shorter;
        }
        true
    }

    /// The last key of a group that is not behind `here` in order, a key that `here` begins with being
    /// before it. All keys that `here` begins with are the beginnings of that one.
    fn last_not_behind(&self, start: u32, end: u32, here: &[u8]) -> Option<u32> {
        let (mut low, mut high) = (start, end);
        // How many leading bytes the keys next to the two bounds share with `here`, and so all between.
        let (mut shared_low, mut shared_high) = (4, 4);
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
        low.checked_sub(1).filter(|place| *place >= start)
    }
}

/// What `\w` is in JavaScript: a word is bounded by everything else, letters with accents among it.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Keys that begin alike.
struct Group {
    code: u64,
    start: u32,
    end: u32,
}

/// The mark of keys of four bytes and more; shorter ones have their length there.
const LONG: u64 = 4 << 32;

fn code_of(text: &[u8]) -> u64 {
    match text {
        [a, b, c, d, ..] => LONG | u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        [a, b, c] => 3 << 32 | u64::from(u32::from_le_bytes([*a, *b, *c, 0])),
        [a, b] => 2 << 32 | u64::from(u32::from_le_bytes([*a, *b, 0, 0])),
        [a] => 1 << 32 | u64::from(*a),
        [] => 0,
    }
}

/// From the first bytes to the keys that begin with them: open addressing at half load, behind a filter
/// of bits that stays in the fastest cache.
#[derive(Default)]
struct Grams {
    filter: Vec<u64>,
    cells: Vec<(u64, u32, u32)>,
}

impl Grams {
    fn new(groups: &[Group]) -> Self {
        if groups.is_empty() {
            return Self::default();
        }
        let cells = (groups.len() * 2).next_power_of_two();
        let mut grams = Self {
            filter: vec![0; (groups.len() / 4).next_power_of_two()],
            cells: vec![(0, 0, 0); cells],
        };
        for group in groups {
            let (word, bit) = grams.bit(group.code);
            if let Some(word) = grams.filter.get_mut(word) {
                *word |= 1 << bit;
            }
            let mut at = grams.home(group.code);
            while grams.cells.get(at).is_some_and(|cell| cell.0 != 0) {
                at = (at + 1) & (cells - 1);
            }
            if let Some(cell) = grams.cells.get_mut(at) {
                *cell = (group.code, group.start, group.end);
            }
        }
        grams
    }

    const fn hash(code: u64) -> u64 {
        code.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[inline]
    fn bit(&self, code: u64) -> (usize, u64) {
        let hash = Self::hash(code) >> 40;
        (((hash >> 6) & (self.filter.len() as u64 - 1)) as usize, hash & 63)
    }

    #[inline]
    fn home(&self, code: u64) -> usize {
        ((Self::hash(code) >> 32) & (self.cells.len() as u64 - 1)) as usize
    }

    /// Empty if no key begins so. Not to be asked of an empty table.
    #[inline]
    fn get(&self, code: u64) -> std::ops::Range<u32> {
        let (word, bit) = self.bit(code);
        if self.filter.get(word).is_none_or(|word| word & (1 << bit) == 0) {
            return 0..0;
        }
        let mut at = self.home(code);
        while let Some((other, start, end)) = self.cells.get(at) {
            if *other == code {
                return *start..*end;
            }
            if *other == 0 {
                break;
            }
            at = (at + 1) & (self.cells.len() - 1);
        }
        0..0
    }

    fn weight(&self) -> usize {
        self.filter.capacity() * size_of::<u64>() + self.cells.capacity() * size_of::<(u64, u32, u32)>()
    }
}

//! How books become an index.

use std::collections::HashMap;
use std::collections::hash_map::Entry::Vacant;
use std::ops::Range;
use std::sync::Arc;

use tavern_domain::lore::{LoreEntry, LoreSettings, LoreStrategy};

use super::{Book, Decorated, DynamicKey, Entry, Inner, Key, KeyKind, Parsed, Rare, Style};
use crate::js_regex::JsRegex;
use crate::lore::chance::entry_hash;
use crate::lore::decorators::{self, Decorators};
use crate::lore::haystack::field_bits;
use crate::lore::matcher::{Builder, MAX_KEY};
use crate::lore::text::{fold, trim};
use crate::lore::{BookKind, BookRef, EntryRef};
use crate::macros::has_macros;

/// Bytes of all keys of an index; keys beyond are not looked for.
const MAX_KEYS: usize = 64 * 1024 * 1024;
/// Different patterns of an index, those with macros apart: each is compiled, and kept.
const MAX_PATTERNS: usize = 1_000;
/// Bytes of them all.
const MAX_PATTERN_BYTES: usize = 64 * 1024 * 1024;

impl Inner {
    pub(in crate::lore) fn new(books: &[BookRef<'_>], settings: &LoreSettings) -> Self {
        let (books, candidates) = collect(books, settings.strategy);
        let mut making = Making::new(settings);
        let mut entries = Vec::with_capacity(candidates.len());
        let mut ranks = HashMap::with_capacity(candidates.len());
        for candidate in &candidates {
            let key: Arc<str> = candidate.entry.key.into();
            if let Vacant(place) = ranks.entry(Arc::clone(&key)) {
                place.insert(making.rank);
                entries.push(making.entry(candidate, key));
            }
        }
        making.finish(books, entries, ranks, settings)
    }
}

struct Candidate<'a> {
    book: u32,
    scan_depth: Option<u32>,
    entry: &'a EntryRef<'a>,
}

/// Leaves out what is there twice, and puts the entries in the order they are considered: the chat's,
/// the persona's, then the character's and the global ones; of each, higher `order` first.
///
/// A book is known by its name: one that is there globally is not there again for the chat, nor one of
/// those for the persona, nor one of these for the character. Within a kind, an entry is known by its key.
fn collect<'a>(refs: &'a [BookRef<'a>], strategy: LoreStrategy) -> (Vec<Book>, Vec<Candidate<'a>>) {
    let mut books = Vec::new();
    let mut names: HashMap<&str, BookKind> = HashMap::new();
    let mut lists: [Vec<Candidate<'a>>; 4] = Default::default();
    let kinds = [BookKind::Global, BookKind::Chat, BookKind::Persona, BookKind::Character];
    for (kind, list) in kinds.into_iter().zip(&mut lists) {
        for book in refs.iter().filter(|book| book.kind == kind) {
            if *names.entry(book.name).or_insert(kind) != kind {
                continue;
            }
            let number = u32::try_from(books.len()).unwrap_or(u32::MAX);
            books.push(Book {
                name: book.name.into(),
                token_budget: book.token_budget.filter(|budget| *budget > 0),
                recursive: book.recursive,
            });
            list.extend(book.entries.iter().map(|entry| Candidate {
                book: number,
                scan_depth: book.scan_depth,
                entry,
            }));
        }
    }
    let [mut global, chat, persona, mut character] = lists;
    let mut candidates = sorted(chat);
    candidates.extend(sorted(persona));
    candidates.extend(match strategy {
        LoreStrategy::Evenly => {
            global.append(&mut character);
            sorted(global)
        }
        LoreStrategy::CharacterFirst => [sorted(character), sorted(global)].into_iter().flatten().collect(),
        LoreStrategy::GlobalFirst => [sorted(global), sorted(character)].into_iter().flatten().collect(),
    });
    (books, candidates)
}

fn sorted(mut candidates: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.entry.entry.order));
    candidates
}

/// An index under construction.
struct Making<'s> {
    settings: &'s LoreSettings,
    builder: Builder,
    keys: Vec<Key>,
    key_text: String,
    /// Literals by what the builder calls them; put right once it is done.
    patterns: Vec<JsRegex>,
    by_pattern: HashMap<String, Option<u32>>,
    pattern_bytes: usize,
    dynamic: Vec<DynamicKey>,
    always: Vec<u32>,
    timed: Vec<u32>,
    levels: Vec<u32>,
    own_depth: u32,
    own_token_depth: Option<u32>,
    rank: u32,
    left_out: usize,
}

impl<'s> Making<'s> {
    fn new(settings: &'s LoreSettings) -> Self {
        Self {
            settings,
            builder: Builder::default(),
            keys: Vec::new(),
            key_text: String::new(),
            patterns: Vec::new(),
            by_pattern: HashMap::new(),
            pattern_bytes: 0,
            dynamic: Vec::new(),
            always: Vec::new(),
            timed: Vec::new(),
            levels: Vec::new(),
            own_depth: 0,
            own_token_depth: None,
            rank: 0,
            left_out: 0,
        }
    }

    fn entry(&mut self, candidate: &Candidate<'_>, key: Arc<str>) -> Entry {
        let entry = candidate.entry.entry;
        let style = Style::of(entry, self.settings);
        let (chat, content) = decorators::parse(&entry.content, false);
        let (instruct, _) = decorators::parse(&entry.content, true);
        // The keys of a disabled entry cost nothing.
        let (primary, secondary) = if entry.enabled {
            let secondary: &[String] = if entry.selective && !entry.use_regex {
                &entry.secondary_keys
            } else {
                &[]
            };
            (self.keys(&entry.keys, style, true), self.keys(secondary, style, false))
        } else {
            (0..0, 0..0)
        };
        let decorators = (chat != Decorators::default() || instruct != Decorators::default())
            .then(|| [self.decorated(chat, style), self.decorated(instruct, style)]);
        let scan_depth = entry.scan_depth.or(candidate.scan_depth);
        if entry.enabled {
            self.note_for_scans(entry, decorators.as_ref(), scan_depth, primary.clone());
        }
        self.rank = self.rank.saturating_add(1);
        Entry {
            key,
            comment: entry.comment.as_str().into(),
            book: candidate.book,
            content: content.into(),
            enabled: entry.enabled,
            constant: is_constant(entry),
            logic: entry.logic,
            order: entry.order,
            priority: entry.priority.unwrap_or(entry.order),
            position: entry.position,
            depth: entry.depth,
            role: entry.role,
            probability: entry
                .use_probability
                .then_some(entry.probability)
                .filter(|percent| percent.is_nan() || *percent < 100.0),
            ignore_budget: entry.ignore_budget,
            exclude_recursion: entry.exclude_recursion,
            prevent_recursion: entry.prevent_recursion,
            level: entry.delay_until_recursion,
            scan_depth,
            group_scoring: entry.use_group_scoring.unwrap_or(self.settings.use_group_scoring),
            fields: field_bits(entry.scan_also),
            primary,
            secondary,
            rare: rare(entry, decorators),
        }
    }

    fn note_for_scans(
        &mut self,
        entry: &LoreEntry,
        decorators: Option<&[Decorated; 2]>,
        scan_depth: Option<u32>,
        primary: Range<u32>,
    ) {
        let says = || decorators.into_iter().flatten().map(|decorated| &decorated.says);
        let mut keys = self
            .keys
            .get(primary.start as usize..primary.end as usize)
            .unwrap_or_default()
            .iter();
        // A dynamic key may turn out to be a pattern.
        let patterns = keys.any(|key| matches!(key.kind, KeyKind::Pattern(_) | KeyKind::Dynamic(_)));
        if is_constant(entry) || patterns || says().any(|says| says.activate) {
            self.always.push(self.rank);
        }
        let for_ever = says().any(|says| says.keep_activate_after_match || says.dont_activate_after_match);
        if for_ever || entry.sticky.unwrap_or(0) > 0 || entry.cooldown.unwrap_or(0) > 0 {
            self.timed.push(self.rank);
        }
        if entry.delay_until_recursion > 0 {
            self.levels.push(entry.delay_until_recursion);
        }
        let depths = says().filter_map(|says| says.scan_depth).chain(scan_depth);
        self.own_depth = depths.fold(self.own_depth, u32::max);
        let in_tokens = says().filter_map(|says| says.instruct_scan_depth).max();
        self.own_token_depth = self.own_token_depth.max(in_tokens);
    }

    fn decorated(&mut self, says: Decorators, style: Style) -> Decorated {
        let style = Style {
            use_regex: false,
            ..style
        };
        let additional = says
            .additional_keys
            .iter()
            .map(|keys| self.keys(keys, style, false))
            .collect();
        let exclude = self.keys(&says.exclude_keys, style, false);
        Decorated {
            says,
            additional,
            exclude,
        }
    }

    /// `primary`: a hit makes the entry be considered.
    fn keys(&mut self, keys: &[String], style: Style, primary: bool) -> Range<u32> {
        let start = self.count();
        for key in keys {
            let owner = primary.then_some(self.rank);
            let kind = self.kind(key, style, owner);
            self.keys.push(Key {
                kind,
                start: u32::try_from(self.key_text.len()).unwrap_or(u32::MAX),
                len: u32::try_from(key.len()).unwrap_or(0),
            });
            if self.key_text.len() + key.len() <= MAX_KEYS {
                self.key_text.push_str(key);
            }
        }
        start..self.count()
    }

    fn count(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }

    fn kind(&mut self, key: &str, style: Style, owner: Option<u32>) -> KeyKind {
        if self.key_text.len() + key.len() > MAX_KEYS {
            self.left_out += 1;
            return KeyKind::Never;
        }
        if has_macros(key) {
            self.dynamic.push(DynamicKey {
                text: key.to_owned(),
                style,
            });
            return KeyKind::Dynamic(u32::try_from(self.dynamic.len() - 1).unwrap_or(u32::MAX));
        }
        match style.parse(key) {
            Parsed::Empty => KeyKind::Never,
            Parsed::Literal { text, whole } => self.literal(text, whole, style, owner),
            Parsed::Pattern { pattern, bare } => match (self.pattern(pattern, bare, style), bare) {
                (Some(pattern), _) => KeyKind::Pattern(pattern),
                (None, true) => KeyKind::Never,
                (None, false) => match style.literal(pattern) {
                    Parsed::Literal { text, whole } => self.literal(text, whole, style, owner),
                    _ => KeyKind::Never,
                },
            },
        }
    }

    fn literal(&mut self, text: &str, whole: bool, style: Style, owner: Option<u32>) -> KeyKind {
        match style.add(&mut self.builder, text, whole, owner) {
            Some(id) => KeyKind::Literal(id),
            None => {
                self.left_out += 1;
                KeyKind::Never
            }
        }
    }

    fn pattern(&mut self, pattern: &str, bare: bool, style: Style) -> Option<u32> {
        let name = format!("{}{}{pattern}", u8::from(bare), u8::from(style.sensitive));
        if let Some(known) = self.by_pattern.get(&name) {
            return *known;
        }
        let regex = style.compile(pattern, bare)?;
        let weight = self.pattern_bytes + regex.weight();
        if self.patterns.len() >= MAX_PATTERNS || weight > MAX_PATTERN_BYTES {
            self.left_out += 1;
            return None;
        }
        self.pattern_bytes = weight;
        let number = u32::try_from(self.patterns.len()).ok();
        self.patterns.push(regex);
        self.by_pattern.insert(name, number);
        number
    }

    fn finish(
        self,
        books: Vec<Book>,
        entries: Vec<Entry>,
        ranks: HashMap<Arc<str>, u32>,
        settings: &LoreSettings,
    ) -> Inner {
        let Self {
            builder,
            mut keys,
            key_text,
            patterns,
            pattern_bytes,
            dynamic,
            always,
            timed,
            mut levels,
            own_depth,
            own_token_depth,
            left_out,
            ..
        } = self;
        let (matcher, slots) = builder.finish();
        for key in &mut keys {
            if let KeyKind::Literal(id) = key.kind {
                key.kind = slots
                    .get(id as usize)
                    .map_or(KeyKind::Never, |slot| KeyKind::Literal(*slot));
            }
        }
        levels.sort_unstable();
        levels.dedup();
        let recursive = settings.recursive || books.iter().any(|book| book.recursive == Some(true));
        let warnings = (left_out > 0)
            .then(|| format!("{left_out} lore keys are not looked for: longer than {MAX_KEY} bytes, or too many."));
        let weight = matcher.weight()
            + key_text.capacity()
            + keys.capacity() * size_of::<Key>()
            + pattern_bytes
            + dynamic
                .iter()
                .map(|key| key.text.len() + size_of::<DynamicKey>())
                .sum::<usize>()
            + entries.iter().map(entry_weight).sum::<usize>();
        Inner {
            settings: settings.clone(),
            books,
            entries,
            ranks,
            keys,
            key_text,
            matcher,
            patterns,
            dynamic,
            always,
            timed,
            levels,
            own_depth,
            own_token_depth,
            recursive,
            warnings: warnings.into_iter().collect(),
            weight,
        }
    }
}

fn rare(entry: &LoreEntry, decorators: Option<[Decorated; 2]>) -> Option<Box<Rare>> {
    let groups: Vec<_> = entry
        .group
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let count = |messages: Option<u32>| messages.unwrap_or(0);
    let times = [entry.sticky, entry.cooldown, entry.delay].map(count);
    let is_filtered = !entry.character_filter.names.is_empty() || !entry.character_filter.tags.is_empty();
    let is_plain = groups.is_empty()
        && times == [0; 3]
        && !is_filtered
        && entry.triggers.is_empty()
        && entry.outlet.is_empty()
        && decorators.is_none();
    if is_plain {
        return None;
    }
    let [sticky, cooldown, delay] = times;
    let for_ever = decorators
        .iter()
        .flatten()
        .any(|decorated| decorated.says.keep_activate_after_match || decorated.says.dont_activate_after_match);
    let is_timed = sticky > 0 || cooldown > 0 || for_ever;
    Some(Box::new(Rare {
        outlet: entry.outlet.trim().to_owned(),
        groups: groups.into_iter().map(str::to_owned).collect(),
        group_override: entry.group_override,
        group_weight: entry.group_weight,
        sticky,
        cooldown,
        delay,
        hash: if is_timed { entry_hash(entry) } else { 0 },
        filter: entry.character_filter.clone(),
        triggers: entry
            .triggers
            .iter()
            .map(|name| fold(trim(name)).into_owned())
            .collect(),
        decorators,
    }))
}

/// An entry whose keys are patterns heeds these alone (V3).
const fn is_constant(entry: &LoreEntry) -> bool {
    entry.constant && !entry.use_regex
}

fn entry_weight(entry: &Entry) -> usize {
    // The names twice: in the entry, and in the map of ranks with its own overhead.
    size_of::<Entry>()
        + 64
        + entry.key.len()
        + entry.comment.len()
        + entry.content.len()
        + entry.rare.as_ref().map_or(0, |_| size_of::<Rare>() + 256)
}

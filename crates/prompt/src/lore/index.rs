//! Books made ready to be scanned: entries in the order they are considered, keys sorted by how they are
//! matched, everything a scan needs in dense arrays.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use tavern_domain::chat::ChatRole;
use tavern_domain::lore::{LoreCharacterFilter, LoreEntry, LorePosition, LoreSettings, LoreStrategy, SelectiveLogic};

use super::chance::entry_hash;
use super::decorators::{self, Decorators};
use super::matcher::{Builder, MAX_KEY, Matcher};
use super::text::{fold, is_space, trim};
use super::{BookKind, BookRef, EntryRef};
use crate::js_regex::JsRegex;
use crate::macros::has_macros;

/// Bytes of all keys of an index; keys beyond are not looked for.
const MAX_KEYS: usize = 64 * 1024 * 1024;
/// Different patterns of an index, those with macros apart: each is compiled, and kept.
pub(super) const MAX_PATTERNS: usize = 1_000;
/// What a compiled pattern weighs, about.
const PATTERN_WEIGHT: usize = 32 * 1024;

/// What an index owns.
pub(super) struct Inner {
    pub settings: LoreSettings,
    pub books: Vec<Book>,
    /// In the order of consideration: what says where an entry stands here is its rank.
    pub entries: Vec<Entry>,
    pub ranks: HashMap<Arc<str>, u32>,
    pub keys: Vec<Key>,
    key_text: String,
    pub matcher: Matcher,
    pub patterns: Vec<JsRegex>,
    pub dynamic: Vec<DynamicKey>,
    /// Ranks of those that can activate without a literal key, ascending.
    pub always: Vec<u32>,
    /// Ranks of those with timed effects, ascending.
    pub timed: Vec<u32>,
    /// Levels that entries wait for, ascending, each once.
    pub levels: Vec<u32>,
    /// The largest depth that an entry or a book names.
    pub own_depth: u32,
    /// Whether entries may activate others at all.
    pub recursive: bool,
    pub warnings: Vec<String>,
    pub weight: usize,
}

pub(super) struct Book {
    pub name: Arc<str>,
    pub token_budget: Option<u32>,
    pub recursive: Option<bool>,
}

/// An entry as scanning needs it.
pub(super) struct Entry {
    pub key: Arc<str>,
    pub comment: Arc<str>,
    pub book: u32,
    /// Decorators taken off.
    pub content: Box<str>,
    pub enabled: bool,
    pub constant: bool,
    pub logic: SelectiveLogic,
    pub order: i32,
    /// For the book's own budget.
    pub priority: i32,
    pub position: LorePosition,
    pub depth: u32,
    pub role: ChatRole,
    /// In percent; `None` = always.
    pub probability: Option<f64>,
    pub ignore_budget: bool,
    pub exclude_recursion: bool,
    pub prevent_recursion: bool,
    pub level: u32,
    /// Its own or its book's.
    pub scan_depth: Option<u32>,
    pub group_scoring: bool,
    /// Bits of [`super::haystack::Field`].
    pub fields: u8,
    /// Into [`Inner::keys`].
    pub primary: Range<u32>,
    /// Empty if they do not count.
    pub secondary: Range<u32>,
    /// What few entries have.
    pub rare: Option<Box<Rare>>,
}

#[derive(Default)]
pub(super) struct Rare {
    pub outlet: String,
    pub groups: Vec<String>,
    pub group_override: bool,
    pub group_weight: f64,
    pub sticky: u32,
    pub cooldown: u32,
    pub delay: u32,
    /// With timed effects only.
    pub hash: u64,
    pub filter: LoreCharacterFilter,
    pub triggers: Vec<String>,
    /// For chat models, and for models that complete a text.
    pub decorators: Option<[Decorated; 2]>,
}

/// Decorators with their keys made ready.
pub(super) struct Decorated {
    pub says: Decorators,
    pub additional: Vec<Range<u32>>,
    pub exclude: Range<u32>,
}

/// A key, and where it stands in the text of all keys.
pub(super) struct Key {
    pub kind: KeyKind,
    start: u32,
    len: u32,
}

/// How a key is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// By the matcher.
    Literal(u32),
    /// Into [`Inner::patterns`].
    Pattern(u32),
    /// It has macros: into [`Inner::dynamic`].
    Dynamic(u32),
    Never,
}

/// A key that is another text with each scan.
pub(super) struct DynamicKey {
    pub text: String,
    pub style: Style,
}

/// How an entry's keys are meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub sensitive: bool,
    pub whole_words: bool,
    /// All keys are patterns.
    pub use_regex: bool,
}

/// A key once its text is known.
pub(super) enum Parsed<'a> {
    Literal { text: &'a str, whole: bool },
    Pattern { pattern: &'a str, bare: bool },
    Empty,
}

impl Style {
    fn of(entry: &LoreEntry, settings: &LoreSettings) -> Self {
        Self {
            sensitive: entry.case_sensitive.unwrap_or(settings.case_sensitive),
            whole_words: entry.match_whole_words.unwrap_or(settings.match_whole_words),
            use_regex: entry.use_regex,
        }
    }

    pub(super) fn parse<'a>(&self, key: &'a str) -> Parsed<'a> {
        let text = trim(key);
        if text.is_empty() {
            Parsed::Empty
        } else if self.use_regex || text.starts_with('/') {
            Parsed::Pattern {
                pattern: text,
                bare: self.use_regex,
            }
        } else {
            self.literal(text)
        }
    }

    /// Several words are found anywhere, a single one where no letter touches it.
    pub(super) fn literal<'a>(&self, text: &'a str) -> Parsed<'a> {
        Parsed::Literal {
            text,
            whole: self.whole_words && !text.contains(is_space),
        }
    }

    /// `None` if it is no pattern: then it is a text, or (if `bare`) nothing.
    pub(super) fn compile(&self, pattern: &str, bare: bool) -> Option<JsRegex> {
        JsRegex::parse(pattern).or_else(|| {
            let flags = if self.sensitive { "" } else { "i" };
            bare.then(|| JsRegex::new(pattern, flags)).flatten()
        })
    }

    /// Puts a literal into a matcher under construction; `None` if it is too long to be looked for.
    pub(super) fn add(&self, builder: &mut Builder, text: &str, whole: bool, owner: Option<u32>) -> Option<u32> {
        if self.sensitive {
            builder.add(text, true, whole, owner)
        } else {
            builder.add(&fold(text), false, whole, owner)
        }
    }
}

impl Inner {
    pub(super) fn new(books: &[BookRef<'_>], settings: &LoreSettings) -> Self {
        let (books, candidates) = collect(books, settings.strategy);
        let mut making = Making::new(settings);
        let entries: Vec<Entry> = candidates
            .iter()
            .map(|candidate| making.entry(candidate, &books))
            .collect();
        making.finish(books, entries, settings)
    }

    /// A key as its entry has it.
    pub(super) fn key_text(&self, key: u32) -> &str {
        let text = self.keys.get(key as usize).and_then(|key| {
            let start = key.start as usize;
            self.key_text.get(start..start + key.len as usize)
        });
        text.unwrap_or_default()
    }

    pub(super) fn book(&self, entry: &Entry) -> Option<&Book> {
        self.books.get(entry.book as usize)
    }
}

impl Entry {
    pub(super) fn decorated(&self, instruct: bool) -> Option<&Decorated> {
        let both = self.rare.as_ref()?.decorators.as_ref()?;
        both.get(usize::from(instruct))
    }

    pub(super) fn says(&self, instruct: bool) -> Option<&Decorators> {
        self.decorated(instruct).map(|decorated| &decorated.says)
    }

    pub(super) fn groups(&self) -> &[String] {
        self.rare.as_ref().map(|rare| &rare.groups[..]).unwrap_or_default()
    }

    /// Messages it stays active; for ever with its decorator.
    pub(super) fn sticky(&self, instruct: bool) -> u32 {
        let for_ever = self.says(instruct).is_some_and(|says| says.keep_activate_after_match);
        let own = self.rare.as_ref().map_or(0, |rare| rare.sticky);
        if for_ever { u32::MAX } else { own }
    }

    /// Messages it rests once activated; for ever with its decorator.
    pub(super) fn cooldown(&self, instruct: bool) -> u32 {
        let for_ever = self.says(instruct).is_some_and(|says| says.dont_activate_after_match);
        let own = self.rare.as_ref().map_or(0, |rare| rare.cooldown);
        if for_ever { u32::MAX } else { own }
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
    let mut seen = std::collections::HashSet::new();
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
            let fresh = book.entries.iter().filter(|entry| seen.insert(entry.key));
            list.extend(fresh.map(|entry| Candidate {
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
    dynamic: Vec<DynamicKey>,
    always: Vec<u32>,
    timed: Vec<u32>,
    levels: Vec<u32>,
    own_depth: u32,
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
            dynamic: Vec::new(),
            always: Vec::new(),
            timed: Vec::new(),
            levels: Vec::new(),
            own_depth: 0,
            rank: 0,
            left_out: 0,
        }
    }

    fn entry(&mut self, candidate: &Candidate<'_>, books: &[Book]) -> Entry {
        let entry = candidate.entry.entry;
        let style = Style::of(entry, self.settings);
        let (chat, content) = decorators::parse(&entry.content, false);
        let (instruct, _) = decorators::parse(&entry.content, true);
        // The keys of a disabled entry cost nothing.
        let (primary, secondary) = if entry.enabled {
            let secondary: &[String] = if entry.selective { &entry.secondary_keys } else { &[] };
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
            key: candidate.entry.key.into(),
            comment: entry.comment.as_str().into(),
            book: candidate.book.min(u32::try_from(books.len()).unwrap_or(u32::MAX)),
            content: content.into(),
            enabled: entry.enabled,
            constant: entry.constant,
            logic: entry.logic,
            order: entry.order,
            priority: entry.priority.unwrap_or(entry.order),
            position: entry.position,
            depth: entry.depth,
            role: entry.role,
            probability: Some(entry.probability).filter(|percent| entry.use_probability && *percent < 100.0),
            ignore_budget: entry.ignore_budget,
            exclude_recursion: entry.exclude_recursion,
            prevent_recursion: entry.prevent_recursion,
            level: entry.delay_until_recursion,
            scan_depth,
            group_scoring: entry.use_group_scoring.unwrap_or(self.settings.use_group_scoring),
            fields: super::haystack::field_bits(entry.scan_also),
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
        if entry.constant || patterns || says().any(|says| says.activate) {
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
        if self.patterns.len() >= MAX_PATTERNS {
            self.left_out += 1;
            return None;
        }
        let number = u32::try_from(self.patterns.len()).ok();
        self.patterns.push(regex);
        self.by_pattern.insert(name, number);
        number
    }

    fn finish(self, books: Vec<Book>, entries: Vec<Entry>, settings: &LoreSettings) -> Inner {
        let Self {
            builder,
            mut keys,
            key_text,
            patterns,
            dynamic,
            always,
            timed,
            mut levels,
            own_depth,
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
        let ranks = (0..)
            .zip(&entries)
            .map(|(rank, entry)| (Arc::clone(&entry.key), rank))
            .collect();
        let recursive = books.iter().any(|book| book.recursive.unwrap_or(settings.recursive));
        let warnings = (left_out > 0)
            .then(|| format!("{left_out} lore keys are not looked for: longer than {MAX_KEY} bytes, or too many."));
        let weight = matcher.weight()
            + key_text.capacity()
            + keys.capacity() * size_of::<Key>()
            + patterns.len() * PATTERN_WEIGHT
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

fn entry_weight(entry: &Entry) -> usize {
    // The names twice: in the entry, and in the map of ranks with its own overhead.
    size_of::<Entry>()
        + 64
        + entry.key.len()
        + entry.comment.len()
        + entry.content.len()
        + entry.rare.as_ref().map_or(0, |_| size_of::<Rare>() + 256)
}

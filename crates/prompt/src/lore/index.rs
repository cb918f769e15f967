//! Books made ready to be scanned: entries in the order they are considered, keys sorted by how they are
//! matched, everything a scan needs in dense arrays.

mod making;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use tavern_domain::chat::ChatRole;
use tavern_domain::lore::{LoreCharacterFilter, LoreEntry, LorePosition, LoreSettings, SelectiveLogic};

use super::decorators::Decorators;
use super::matcher::{Builder, Matcher};
use super::text::{fold, is_space, trim};
use crate::js_regex::JsRegex;

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
    /// The largest depth in tokens that a decorator names.
    pub own_token_depth: Option<u32>,
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

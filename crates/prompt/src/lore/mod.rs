//! Lore activation: which entries of which world books enter a prompt.

pub mod formats;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tavern_domain::chat::ChatRole;
use tavern_domain::lore::{LoreEntry, LorePosition, LoreSettings};

use crate::macros::Macros;
use crate::tokens::Counter;

/// A book to be scanned.
#[derive(Debug, Clone)]
pub struct BookRef<'a> {
    pub kind: BookKind,
    /// Told apart by this; also what people read in the report.
    pub name: &'a str,
    pub scan_depth: Option<u32>,
    pub token_budget: Option<u32>,
    pub recursive: Option<bool>,
    pub entries: Vec<EntryRef<'a>>,
}

/// Where a book comes from, which decides its place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BookKind {
    Chat,
    Persona,
    Character,
    Global,
}

/// An entry under the key it is known by (an id).
#[derive(Debug, Clone)]
pub struct EntryRef<'a> {
    pub key: &'a str,
    pub entry: &'a LoreEntry,
}

/// Books made ready to be scanned: build once, use for every turn until a book or the settings change.
/// Owns what it needs of the books.
pub struct LoreIndex {
    _settings: LoreSettings,
}

impl LoreIndex {
    #[must_use]
    pub fn build(_books: &[BookRef<'_>], settings: &LoreSettings) -> Self {
        Self {
            _settings: settings.clone(),
        }
    }

    /// Bytes it takes in memory, about; for the cache that keeps it.
    #[must_use]
    pub fn weight(&self) -> usize {
        0
    }

    /// Finds what enters the prompt.
    #[must_use]
    pub fn activate(&self, _scan: &LoreScan<'_>, _macros: &mut Macros<'_>, _counter: &Counter) -> Activation {
        Activation::default()
    }
}

/// What is scanned, and the state of the chat.
#[derive(Debug, Clone, Default)]
pub struct LoreScan<'a> {
    /// Visible messages, newest first, regex scripts applied.
    pub messages: Vec<ScanMessage<'a>>,
    pub persona_description: &'a str,
    pub character_description: &'a str,
    pub character_personality: &'a str,
    pub character_depth_prompt: &'a str,
    pub scenario: &'a str,
    pub creator_notes: &'a str,
    /// Other texts of the prompt that are scanned: author's note, guidance, …
    pub injections: Vec<&'a str>,
    /// The speaker's name (and file name, if its card was imported) and tags, for character filters.
    pub character_names: Vec<&'a str>,
    pub character_tags: Vec<&'a str>,
    /// As SillyTavern names it.
    pub trigger: &'a str,
    /// Tokens of the prompt: context less reply.
    pub prompt_budget: u32,
    pub timed: TimedEffects,
    /// Keys of entries to be activated whatever their keys say (hits by meaning, extensions), and why.
    pub forced: Vec<(String, String)>,
    pub seed: u64,
    /// Nothing is to be stored afterwards: timed effects stay as they are.
    pub dry_run: bool,
}

/// A message to be scanned.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScanMessage<'a> {
    pub name: &'a str,
    pub text: &'a str,
    pub is_user: bool,
}

/// Sticky and cooldown effects of a chat, by entry key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimedEffects {
    pub sticky: BTreeMap<String, TimedEffect>,
    pub cooldown: BTreeMap<String, TimedEffect>,
}

/// From one message count to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimedEffect {
    /// Of the entry when the effect began: an edit ends it.
    pub hash: u64,
    pub start: u32,
    pub end: u32,
    #[serde(default)]
    pub protected: bool,
}

/// What a scan found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activation {
    /// In prompt order within each place.
    pub entries: Vec<Activated>,
    /// Every entry considered, in the order of consideration.
    pub decisions: Vec<Decision>,
    /// To be stored once the turn is accepted.
    pub timed: TimedEffects,
    pub tokens: u32,
    pub budget: u32,
    pub warnings: Vec<String>,
}

/// An entry that enters the prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Activated {
    pub key: String,
    pub book: String,
    pub comment: String,
    /// Macros expanded, decorators taken off; never blank.
    pub content: String,
    pub place: LorePlace,
    pub order: i32,
    pub tokens: u32,
}

/// Where an entry goes, with what its decorators say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LorePlace {
    pub position: LorePosition,
    pub depth: u32,
    pub role: ChatRole,
    pub outlet: String,
}

/// Why an entry is in or out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub key: String,
    pub book: String,
    pub comment: String,
    pub activated: bool,
    /// As the entry has it.
    pub matched_key: Option<String>,
    /// `message 3` (from the end, 0 = newest), `character description`, `lore: <comment>`, …
    pub matched_in: Option<String>,
    /// 0 = the first scan.
    pub pass: u32,
    pub tokens: u32,
    /// One short phrase: `key`, `constant`, `sticky`, `no key matched`, `cooldown until message 12`, `over budget`, …
    pub reason: String,
}

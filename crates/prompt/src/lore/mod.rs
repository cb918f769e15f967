//! Lore activation: which entries of which world books enter a prompt.
//!
//! [`LoreIndex::build`] makes books ready once; [`LoreIndex::activate`] is asked every turn. The rules are
//! SillyTavern's, with the decorators of Character Card V3 and the budgets of V2's books; where they
//! differ, docs/PROMPT.md says so. The same index, scan and seed give the same result, no input makes
//! anything in here panic, and what a scan may cost is bounded.

mod chance;
mod decorators;
mod engine;
mod groups;
mod haystack;
mod index;
mod matcher;
mod report;
mod text;
mod timed;

pub mod formats;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tavern_domain::chat::ChatRole;
use tavern_domain::lore::{LoreEntry, LorePosition, LoreSettings};

pub use decorators::{CardField, Depth, UiPrompt};
pub use report::{Candidate, Decision, Decisions, MatchedIn, Reason, ScannedField};

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
/// Owns what it needs of the books; cheap to clone.
#[derive(Clone)]
pub struct LoreIndex(Arc<index::Inner>);

impl LoreIndex {
    #[must_use]
    pub fn build(books: &[BookRef<'_>], settings: &LoreSettings) -> Self {
        Self(Arc::new(index::Inner::new(books, settings)))
    }

    /// Bytes it takes in memory, about; for the cache that keeps it.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.weight
    }

    /// Finds what enters the prompt.
    #[must_use]
    pub fn activate(&self, scan: &LoreScan<'_>, macros: &mut Macros<'_>, counter: &Counter) -> Activation {
        engine::activate(&self.0, scan, macros, counter)
    }
}

/// What is scanned, and the state of the chat.
#[derive(Debug, Clone, Default)]
pub struct LoreScan<'a> {
    /// All visible messages, newest first, regex scripts applied; the texts below with macros expanded.
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
    /// Which greeting the chat began with, 0 = the first message; `None` if it is not known.
    pub greeting: Option<u32>,
    /// The model completes a text: decorators with depths in tokens count.
    pub instruct: bool,
    /// Tokens of the prompt: context less reply.
    pub prompt_budget: u32,
    pub timed: TimedEffects,
    /// Keys of entries to be activated whatever their keys say (hits by meaning, extensions), and why.
    pub forced: Vec<(String, String)>,
    /// Keys of entries that stay out whatever their keys say, and why. They go before [`Self::forced`].
    pub silenced: Vec<(String, String)>,
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
    /// Every entry, in the order of consideration; made when asked for.
    pub decisions: Decisions,
    /// To be stored once the turn is accepted.
    pub timed: TimedEffects,
    /// Of all entries; those that ignore the budget may take this above it.
    pub tokens: u32,
    pub budget: u32,
    /// The user icon that an active entry asks for (`@@is_user_icon`), by the asset's name.
    pub user_icon: Option<String>,
    /// Prompts of the user's that are to be left out (`@@disable_ui_prompt`), each once.
    pub disabled_prompts: Vec<UiPrompt>,
    pub warnings: Vec<String>,
}

/// An entry that enters the prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Activated {
    pub key: String,
    pub book: String,
    pub comment: String,
    /// Macros expanded, decorators taken off, regex scripts not applied; never blank.
    pub content: String,
    pub place: LorePlace,
    pub order: i32,
    pub tokens: u32,
    /// To be left out before anything else when the prompt does not fit (`@@ignore_on_max_context`).
    pub ignore_on_max_context: bool,
}

/// Where an entry goes, with what its decorators say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LorePlace {
    pub position: LorePosition,
    /// Messages behind it, 0 = behind the last one; with [`LorePosition::AtDepth`] only.
    pub depth: u32,
    pub role: ChatRole,
    pub outlet: String,
    /// `depth` counts from the beginning of the chat instead (`@@reverse_depth`).
    pub from_start: bool,
    /// A place in tokens, which goes before all the others; only if [`LoreScan::instruct`].
    pub instruct_depth: Option<Depth>,
    /// Beside this field of the card (`@@position`); whoever cannot do that follows `position`.
    pub beside: Option<CardField>,
}

#[cfg(test)]
mod tests;

//! World books (lorebooks) and their entries, and the settings of their activation.
//!
//! Field names are SillyTavern's in snake case; meanings and defaults: its world-info editor.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::ChatRole;
use crate::clock::Timestamp;
use crate::generation::GenerationKind;
use crate::id::{UserId, WorldBookId, WorldEntryId};

/// A world book without its entries.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldBook {
    pub id: WorldBookId,
    pub owner: UserId,
    pub text: WorldBookText,
    pub is_public: bool,
    /// Grows by one with each change of the book or of any of its entries.
    pub version: i32,
    pub entry_count: i32,
    /// Sum of [`LoreEntry::bytes`].
    pub bytes: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a book says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorldBookText {
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    /// Messages scanned for this book's entries; the settings' depth if `None`.
    pub scan_depth: Option<u32>,
    /// Tokens this book alone may use; lowest priority is left out first (Character Card V2).
    pub token_budget: Option<u32>,
    /// Whether this book's entries may activate others; the settings' rule if `None`.
    pub recursive: Option<bool>,
    /// What the format it came in has beside these, as an object; kept for export.
    pub extensions: Value,
    /// The book as imported, without its entries; `None` for one made here.
    pub source: Option<LoreSource>,
}

/// Raw JSON as imported, and the format it was read as: what an export in that format starts from,
/// so that nothing is lost or changed but what was edited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoreSource {
    pub format: LoreFormat,
    pub json: Value,
    /// What an entry stood under in an object of entries, if that is not its `uid`; what a book that
    /// does not name itself was called when it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Formats of world books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoreFormat {
    /// SillyTavern's world file: `{"entries": {"0": {…}}}`.
    SillyTavern,
    /// `character_book` of Character Card V2.
    CardV2,
    /// `character_book` of Character Card V3, or a file with `spec: "lorebook_v3"`.
    CardV3,
    /// RisuAI's lorebook file.
    Risu,
    /// Agnai's memory book.
    Agnai,
    /// NovelAI's `.lorebook`.
    NovelAi,
}

/// An entry with its place in a book.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldEntry {
    pub id: WorldEntryId,
    pub book: WorldBookId,
    /// Grows by one with each change of the entry.
    pub version: i32,
    pub entry: LoreEntry,
}

/// An entry: what is added to a prompt, when, and where. Percentages are 0.0–100.0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoreEntry {
    /// The title, for people only.
    pub comment: String,
    /// Any of these activates: text, or `/pattern/flags`.
    pub keys: Vec<String>,
    pub secondary_keys: Vec<String>,
    /// With decorators (`@@name value` lines at its start) as written.
    pub content: String,
    pub enabled: bool,
    /// Activates without a key.
    pub constant: bool,
    /// Whether `secondary_keys` count.
    pub selective: bool,
    pub logic: SelectiveLogic,
    /// Lower comes earlier in the prompt; higher is considered first for the budget.
    pub order: i32,
    /// What a book's own `token_budget` leaves out first: the lowest (V2); `order` if `None`.
    pub priority: Option<i32>,
    pub position: LorePosition,
    /// Messages from the end, 0 = behind the last one; with [`LorePosition::AtDepth`] only.
    pub depth: u32,
    /// Whose voice; with [`LorePosition::AtDepth`] only.
    pub role: ChatRole,
    /// With [`LorePosition::Outlet`] only.
    pub outlet: String,
    /// Of activating once its keys match, in percent.
    pub probability: f64,
    pub use_probability: bool,
    /// Not counted against the budget, and added even when it is used up.
    pub ignore_budget: bool,
    /// Not activated by other entries' content.
    pub exclude_recursion: bool,
    /// Its content activates no other entries.
    pub prevent_recursion: bool,
    /// Activated by recursion only, from this level on; 0 = at once.
    pub delay_until_recursion: u32,
    /// Messages scanned; the settings' depth if `None`.
    pub scan_depth: Option<u32>,
    pub case_sensitive: Option<bool>,
    pub match_whole_words: Option<bool>,
    pub use_group_scoring: Option<bool>,
    /// Names of inclusion groups, separated by commas: of each only one entry is added.
    pub group: String,
    /// Wins in its group by `order` instead of by chance.
    pub group_override: bool,
    /// Of winning in its group, relative to the others.
    pub group_weight: f64,
    /// Messages it stays active once activated.
    pub sticky: Option<u32>,
    /// Messages it cannot be activated again.
    pub cooldown: Option<u32>,
    /// Messages that must be in the chat before it can be activated.
    pub delay: Option<u32>,
    pub automation_id: String,
    /// To be found by similarity of meaning, too.
    pub vectorized: bool,
    /// What is scanned besides the chat.
    pub scan_also: ScanAlso,
    pub character_filter: LoreCharacterFilter,
    /// Kinds of generation it is for, as SillyTavern names them (`normal`, `continue`, `impersonate`,
    /// `swipe`, `regenerate`, `quiet`); empty = all.
    pub triggers: Vec<String>,
    /// All keys are patterns, without slashes around them (Character Card V3).
    pub use_regex: bool,
    /// What has no field of its own, as an object.
    pub extensions: Value,
    /// `None` for an entry made here.
    pub source: Option<LoreSource>,
}

impl Default for LoreEntry {
    fn default() -> Self {
        Self {
            comment: String::new(),
            keys: Vec::new(),
            secondary_keys: Vec::new(),
            content: String::new(),
            enabled: true,
            constant: false,
            selective: true,
            logic: SelectiveLogic::AndAny,
            order: 100,
            priority: None,
            position: LorePosition::BeforeCharacter,
            depth: 4,
            role: ChatRole::System,
            outlet: String::new(),
            probability: 100.0,
            use_probability: true,
            ignore_budget: false,
            exclude_recursion: false,
            prevent_recursion: false,
            delay_until_recursion: 0,
            scan_depth: None,
            case_sensitive: None,
            match_whole_words: None,
            use_group_scoring: None,
            group: String::new(),
            group_override: false,
            group_weight: 100.0,
            sticky: None,
            cooldown: None,
            delay: None,
            automation_id: String::new(),
            vectorized: false,
            scan_also: ScanAlso::default(),
            character_filter: LoreCharacterFilter::default(),
            triggers: Vec::new(),
            use_regex: false,
            extensions: Value::Object(serde_json::Map::new()),
            source: None,
        }
    }
}

impl LoreEntry {
    /// Bytes of its texts and extensions: what a book's size is the sum of. The source is not counted
    /// again, since the texts are what it says.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [
            &self.comment,
            &self.content,
            &self.outlet,
            &self.group,
            &self.automation_id,
        ];
        let lists = [
            &self.keys,
            &self.secondary_keys,
            &self.character_filter.names,
            &self.character_filter.tags,
            &self.triggers,
        ];
        let extensions = match &self.extensions {
            Value::Object(members) if members.is_empty() => 0,
            other => other.to_string().len(),
        };
        texts
            .into_iter()
            .chain(lists.into_iter().flatten())
            .map(String::len)
            .sum::<usize>()
            + extensions
    }
}

/// What the secondary keys must do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectiveLogic {
    #[default]
    AndAny,
    NotAll,
    NotAny,
    AndAll,
}

/// Where an entry's content goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LorePosition {
    #[default]
    BeforeCharacter,
    AfterCharacter,
    NoteTop,
    NoteBottom,
    AtDepth,
    ExamplesTop,
    ExamplesBottom,
    /// Only where `{{outlet::name}}` stands.
    Outlet,
}

/// What an entry's keys are looked for in besides the chat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScanAlso {
    pub persona_description: bool,
    pub character_description: bool,
    pub character_personality: bool,
    pub character_depth_prompt: bool,
    pub scenario: bool,
    pub creator_notes: bool,
}

/// For, or not for, these characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoreCharacterFilter {
    pub exclude: bool,
    pub names: Vec<String>,
    pub tags: Vec<String>,
}

/// How world books are scanned; the defaults are those that SillyTavern ships.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoreSettings {
    /// Messages scanned, newest first.
    pub depth: u32,
    /// Percent of the prompt's budget that lore may use.
    pub budget_percent: f64,
    /// Tokens at the most; 0 = no cap.
    pub budget_cap: u32,
    pub min_activations: u32,
    /// How far back minimum activations may look; 0 = the whole chat.
    pub min_activations_depth_max: u32,
    /// 0 = as many as it takes.
    pub max_recursion_steps: u32,
    pub include_names: bool,
    pub recursive: bool,
    pub case_sensitive: bool,
    pub match_whole_words: bool,
    pub use_group_scoring: bool,
    pub strategy: LoreStrategy,
}

impl Default for LoreSettings {
    fn default() -> Self {
        Self {
            depth: 2,
            budget_percent: 25.0,
            budget_cap: 0,
            min_activations: 0,
            min_activations_depth_max: 0,
            max_recursion_steps: 0,
            include_names: true,
            recursive: true,
            case_sensitive: false,
            match_whole_words: true,
            use_group_scoring: false,
            strategy: LoreStrategy::CharacterFirst,
        }
    }
}

/// Whose books come first, those of the character or the global ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoreStrategy {
    Evenly,
    #[default]
    CharacterFirst,
    GlobalFirst,
}

/// What a kind of generation is called in `triggers`.
#[must_use]
pub const fn trigger_name(kind: GenerationKind) -> &'static str {
    match kind {
        GenerationKind::Normal => "normal",
        GenerationKind::Continue => "continue",
        GenerationKind::Regenerate => "regenerate",
        GenerationKind::Swipe => "swipe",
        GenerationKind::Impersonate => "impersonate",
        GenerationKind::Quiet => "quiet",
    }
}

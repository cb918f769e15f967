//! World books and their entries.

use async_graphql::{Enum, ID, InputObject, Json, MaybeUndefined, OneofObject, SimpleObject, Upload};
use serde_json::Value;
use tavern_domain::lore as domain;

use crate::message::Role;
use crate::scalar::DateTime;

/// Where an entry's content goes.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::LorePosition")]
pub enum LorePosition {
    BeforeCharacter,
    AfterCharacter,
    /// Before the author's note.
    NoteTop,
    /// Behind the author's note.
    NoteBottom,
    /// Between the messages, `depth` from the end.
    AtDepth,
    ExamplesTop,
    ExamplesBottom,
    /// Only where `{{outlet::name}}` stands.
    Outlet,
}

/// What the secondary keys must do besides a key that matches.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::SelectiveLogic")]
pub enum SelectiveLogic {
    AndAny,
    NotAll,
    NotAny,
    AndAll,
}

/// Formats of world books.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::LoreFormat")]
pub enum WorldBookFormat {
    /// SillyTavern's world file.
    SillyTavern,
    /// `character_book` of Character Card V2.
    CardV2,
    /// `character_book` of Character Card V3, in a file of its own.
    CardV3,
    /// RisuAI's lorebook.
    Risu,
    /// Agnai's memory book.
    Agnai,
    /// NovelAI's `.lorebook`.
    NovelAi,
}

/// The plain fields of `WorldBook`.
#[derive(SimpleObject, Debug, Clone)]
pub struct WorldBookFields {
    pub name: String,
    pub description: String,
    pub is_public: bool,
    pub tags: Vec<String>,
    /// Messages scanned for this book; null as the preset has it.
    pub scan_depth: Option<i32>,
    /// Tokens this book alone may use; the lowest `priority` is left out first.
    pub token_budget: Option<i32>,
    /// Whether its entries may activate others; null as the preset has it.
    pub recursive: Option<bool>,
    /// What the format it came in has beside these.
    pub extensions: Json<Value>,
    /// The format it was imported from; null for a book made here.
    pub source_format: Option<WorldBookFormat>,
    pub entry_count: i32,
    /// Grows by one with each change of the book or of an entry; a change names the version it was made from.
    pub version: i32,
    pub created_at: DateTime,
    pub updated_at: DateTime,
}

impl From<domain::WorldBook> for WorldBookFields {
    fn from(book: domain::WorldBook) -> Self {
        Self {
            name: book.text.name,
            description: book.text.description,
            is_public: book.is_public,
            tags: book.text.tags,
            scan_depth: book.text.scan_depth.map(int),
            token_budget: book.text.token_budget.map(int),
            recursive: book.text.recursive,
            extensions: Json(book.text.extensions),
            source_format: book.text.source.map(|source| source.format.into()),
            entry_count: book.entry_count,
            version: book.version,
            created_at: book.created_at.into(),
            updated_at: book.updated_at.into(),
        }
    }
}

/// For, or not for, these characters.
#[derive(SimpleObject, Debug, Clone)]
pub struct LoreCharacterFilter {
    pub is_exclude: bool,
    pub names: Vec<String>,
    pub tags: Vec<String>,
}

/// What is added to a prompt, when, and where.
#[derive(SimpleObject, Debug, Clone)]
pub struct WorldEntry {
    pub id: ID,
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
    /// Whether the secondary keys count.
    pub selective: bool,
    pub selective_logic: SelectiveLogic,
    /// Lower comes earlier in the prompt; higher is considered first for the budget.
    pub order: i32,
    /// What the book's own `tokenBudget` leaves out first: the lowest; null is `order`.
    pub priority: Option<i32>,
    pub position: LorePosition,
    /// Messages from the end, 0 = behind the last one; with AT_DEPTH only.
    pub depth: i32,
    /// Whose voice; with AT_DEPTH only.
    pub role: Role,
    /// With OUTLET only.
    pub outlet_name: String,
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
    pub delay_until_recursion: i32,
    /// Messages scanned; null as the book has it.
    pub scan_depth: Option<i32>,
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
    pub sticky: Option<i32>,
    /// Messages it cannot be activated again.
    pub cooldown: Option<i32>,
    /// Messages that must be in the chat before it can be activated.
    pub delay: Option<i32>,
    pub automation_id: String,
    /// To be found by similarity of meaning, too.
    pub vectorized: bool,
    /// Keys are looked for in these as well as in the chat.
    pub match_persona_description: bool,
    pub match_character_description: bool,
    pub match_character_personality: bool,
    pub match_character_depth_prompt: bool,
    pub match_scenario: bool,
    pub match_creator_notes: bool,
    pub character_filter: LoreCharacterFilter,
    /// Kinds of generation it is for (`normal`, `continue`, `impersonate`, `swipe`, `regenerate`, `quiet`); empty = all.
    pub triggers: Vec<String>,
    /// All keys are patterns, without slashes around them.
    pub use_regex: bool,
    /// What has no field of its own.
    pub extensions: Json<Value>,
    /// Grows by one with each change; a change names the version it was made from.
    pub version: i32,
}

impl From<domain::WorldEntry> for WorldEntry {
    fn from(stored: domain::WorldEntry) -> Self {
        let entry = stored.entry;
        Self {
            id: stored.id.to_string().into(),
            comment: entry.comment,
            keys: entry.keys,
            secondary_keys: entry.secondary_keys,
            content: entry.content,
            enabled: entry.enabled,
            constant: entry.constant,
            selective: entry.selective,
            selective_logic: entry.logic.into(),
            order: entry.order,
            priority: entry.priority,
            position: entry.position.into(),
            depth: int(entry.depth),
            role: entry.role.into(),
            outlet_name: entry.outlet,
            probability: entry.probability,
            use_probability: entry.use_probability,
            ignore_budget: entry.ignore_budget,
            exclude_recursion: entry.exclude_recursion,
            prevent_recursion: entry.prevent_recursion,
            delay_until_recursion: int(entry.delay_until_recursion),
            scan_depth: entry.scan_depth.map(int),
            case_sensitive: entry.case_sensitive,
            match_whole_words: entry.match_whole_words,
            use_group_scoring: entry.use_group_scoring,
            group: entry.group,
            group_override: entry.group_override,
            group_weight: entry.group_weight,
            sticky: entry.sticky.map(int),
            cooldown: entry.cooldown.map(int),
            delay: entry.delay.map(int),
            automation_id: entry.automation_id,
            vectorized: entry.vectorized,
            match_persona_description: entry.scan_also.persona_description,
            match_character_description: entry.scan_also.character_description,
            match_character_personality: entry.scan_also.character_personality,
            match_character_depth_prompt: entry.scan_also.character_depth_prompt,
            match_scenario: entry.scan_also.scenario,
            match_creator_notes: entry.scan_also.creator_notes,
            character_filter: LoreCharacterFilter {
                is_exclude: entry.character_filter.exclude,
                names: entry.character_filter.names,
                tags: entry.character_filter.tags,
            },
            triggers: entry.triggers,
            use_regex: entry.use_regex,
            extensions: Json(entry.extensions),
            version: stored.version,
        }
    }
}

/// Files may hold numbers beyond the range of `Int`.
fn int(value: u32) -> i32 {
    value.try_into().unwrap_or(i32::MAX)
}

#[derive(InputObject)]
pub struct CreateWorldBookInput {
    pub name: String,
    pub description: Option<String>,
    pub tags: Option<Vec<String>>,
    /// False if not given.
    pub is_public: Option<bool>,
    pub scan_depth: Option<i32>,
    pub token_budget: Option<i32>,
    pub recursive: Option<bool>,
    pub extensions: Option<Json<Value>>,
}

/// What is not given stays; null clears what may be null.
#[derive(InputObject)]
pub struct UpdateWorldBookInput {
    pub id: ID,
    /// The version the change was made from; a lost update is refused.
    pub expected_version: i32,
    pub name: Option<String>,
    pub description: Option<String>,
    pub tags: Option<Vec<String>>,
    pub is_public: Option<bool>,
    pub scan_depth: MaybeUndefined<i32>,
    pub token_budget: MaybeUndefined<i32>,
    pub recursive: MaybeUndefined<bool>,
    pub extensions: Option<Json<Value>>,
}

#[derive(InputObject)]
pub struct DeleteWorldBookInput {
    pub id: ID,
}

#[derive(InputObject)]
pub struct LoreCharacterFilterInput {
    #[graphql(default)]
    pub is_exclude: bool,
    #[graphql(default)]
    pub names: Vec<String>,
    #[graphql(default)]
    pub tags: Vec<String>,
}

/// What is not given stays, or is the default of a new entry; null clears what may be null.
#[derive(InputObject)]
pub struct SaveWorldEntryInput {
    pub world_book_id: ID,
    /// The entry to be changed; without it, a new one is added behind the others.
    pub id: Option<ID>,
    /// The version of the entry that the change was made from; needed with `id`. A lost update is refused.
    pub expected_version: Option<i32>,
    pub comment: Option<String>,
    pub keys: Option<Vec<String>>,
    pub secondary_keys: Option<Vec<String>>,
    pub content: Option<String>,
    pub enabled: Option<bool>,
    pub constant: Option<bool>,
    pub selective: Option<bool>,
    pub selective_logic: Option<SelectiveLogic>,
    pub order: Option<i32>,
    pub priority: MaybeUndefined<i32>,
    pub position: Option<LorePosition>,
    pub depth: Option<i32>,
    pub role: Option<Role>,
    pub outlet_name: Option<String>,
    pub probability: Option<f64>,
    pub use_probability: Option<bool>,
    pub ignore_budget: Option<bool>,
    pub exclude_recursion: Option<bool>,
    pub prevent_recursion: Option<bool>,
    pub delay_until_recursion: Option<i32>,
    pub scan_depth: MaybeUndefined<i32>,
    pub case_sensitive: MaybeUndefined<bool>,
    pub match_whole_words: MaybeUndefined<bool>,
    pub use_group_scoring: MaybeUndefined<bool>,
    pub group: Option<String>,
    pub group_override: Option<bool>,
    pub group_weight: Option<f64>,
    pub sticky: MaybeUndefined<i32>,
    pub cooldown: MaybeUndefined<i32>,
    pub delay: MaybeUndefined<i32>,
    pub automation_id: Option<String>,
    pub vectorized: Option<bool>,
    pub match_persona_description: Option<bool>,
    pub match_character_description: Option<bool>,
    pub match_character_personality: Option<bool>,
    pub match_character_depth_prompt: Option<bool>,
    pub match_scenario: Option<bool>,
    pub match_creator_notes: Option<bool>,
    pub character_filter: Option<LoreCharacterFilterInput>,
    pub triggers: Option<Vec<String>>,
    pub use_regex: Option<bool>,
    pub extensions: Option<Json<Value>>,
}

#[derive(InputObject)]
pub struct DeleteWorldEntriesInput {
    pub world_book_id: ID,
    pub ids: Vec<ID>,
}

#[derive(InputObject)]
pub struct ImportWorldBookInput {
    pub source: WorldBookSource,
    /// What the book is to be called; by default as it says, or as its file is called.
    pub name: Option<String>,
}

/// Where a book comes from: exactly one of these.
#[derive(OneofObject)]
pub enum WorldBookSource {
    /// A JSON file, by the GraphQL multipart request specification.
    File(Upload),
    /// A book's JSON.
    Json(Json<Value>),
}

#[derive(InputObject)]
pub struct ExportWorldBookInput {
    pub id: ID,
    /// The format it was imported from, or SILLY_TAVERN, if not given.
    pub format: Option<WorldBookFormat>,
}

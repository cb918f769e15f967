//! Characters.

use async_graphql::{Enum, ID, InputObject, Json, MaybeUndefined, OneofObject, SimpleObject, Upload};
use serde_json::Value;
use tavern_domain::character as domain;
use tavern_domain::character::{CharacterSummary, CharacterText};

use crate::scalar::DateTime;

/// Who may see a character besides its creator and moderators.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::Visibility")]
pub enum Visibility {
    /// Nobody.
    Private,
    /// Whoever has the id; it stands in no list.
    Unlisted,
    /// Everybody.
    Public,
}

/// All are descending.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::CharacterOrder")]
pub enum CharacterOrder {
    /// By number of chats.
    Popular,
    Rating,
    Created,
    Updated,
    /// By how well the query fits; without a query, as POPULAR.
    Relevance,
    /// By chats, the newer the heavier.
    Trending,
}

#[derive(InputObject, Default)]
pub struct CharacterFilter {
    /// Words to be found in name, tags, description or creator's notes.
    pub query: Option<String>,
    /// All of these.
    pub tags: Option<Vec<String>>,
    /// None of these.
    pub exclude_tags: Option<Vec<String>>,
    /// The creator's username.
    pub creator: Option<String>,
    /// Only safe ones, only the others, or (null) both.
    #[graphql(default_with = "Some(false)")]
    pub nsfw: Option<bool>,
    pub min_rating: Option<f64>,
}

impl From<CharacterFilter> for domain::CharacterFilter {
    fn from(filter: CharacterFilter) -> Self {
        Self {
            query: filter.query.filter(|query| !query.trim().is_empty()),
            tags: filter.tags.unwrap_or_default(),
            exclude_tags: filter.exclude_tags.unwrap_or_default(),
            creator: filter.creator,
            nsfw: filter.nsfw,
            min_rating: filter.min_rating,
        }
    }
}

/// The plain fields of `Character` that a list has at hand.
#[derive(SimpleObject, Debug, Clone)]
pub struct CharacterSummaryFields {
    pub name: String,
    pub tags: Vec<String>,
    pub visibility: Visibility,
    pub is_nsfw: bool,
    /// Mean of all ratings, 0 without any.
    pub rating: f64,
    pub rating_count: i32,
    pub chat_count: i32,
    pub favorite_count: i32,
    /// Grows by one with each change; a change names the version it was made from.
    pub version: i32,
    pub created_at: DateTime,
    pub updated_at: DateTime,
}

impl From<CharacterSummary> for CharacterSummaryFields {
    fn from(summary: CharacterSummary) -> Self {
        Self {
            name: summary.name,
            tags: summary.tags,
            visibility: summary.visibility.into(),
            is_nsfw: summary.is_nsfw,
            rating: summary.rating,
            rating_count: summary.rating_count,
            chat_count: summary.chat_count,
            favorite_count: summary.favorite_count,
            version: summary.version,
            created_at: summary.created_at.into(),
            updated_at: summary.updated_at.into(),
        }
    }
}

/// The plain fields of `Character` that are its text, as the card spells them.
#[derive(SimpleObject, Debug, Clone, Default)]
pub struct CharacterTextFields {
    pub nickname: Option<String>,
    pub description: String,
    pub personality: String,
    pub scenario: String,
    pub first_message: String,
    pub alternate_greetings: Vec<String>,
    pub group_only_greetings: Vec<String>,
    pub example_dialogue: String,
    pub system_prompt: String,
    pub post_history_instructions: String,
    /// The card's own version, free text.
    pub character_version: String,
    /// The specification the card came in: "1.0", "2.0", "3.0".
    pub spec_version: String,
}

impl From<CharacterText> for CharacterTextFields {
    fn from(text: CharacterText) -> Self {
        Self {
            nickname: text.nickname,
            description: text.description,
            personality: text.personality,
            scenario: text.scenario,
            first_message: text.first_message,
            alternate_greetings: text.alternate_greetings,
            group_only_greetings: text.group_only_greetings,
            example_dialogue: text.example_dialogue,
            system_prompt: text.system_prompt,
            post_history_instructions: text.post_history_instructions,
            character_version: text.character_version,
            spec_version: text.spec_version,
        }
    }
}

/// The text fields' names: a list reads the text only if one of these is selected.
pub const TEXT_FIELDS: [&str; 14] = [
    "nickname",
    "description",
    "personality",
    "scenario",
    "firstMessage",
    "alternateGreetings",
    "groupOnlyGreetings",
    "exampleDialogue",
    "systemPrompt",
    "postHistoryInstructions",
    "creatorNotes",
    "characterVersion",
    "specVersion",
    "worldBook",
];

#[derive(InputObject)]
pub struct CreateCharacterInput {
    pub name: String,
    pub description: Option<String>,
    pub personality: Option<String>,
    pub scenario: Option<String>,
    pub first_message: Option<String>,
    pub alternate_greetings: Option<Vec<String>>,
    pub example_dialogue: Option<String>,
    pub system_prompt: Option<String>,
    pub post_history_instructions: Option<String>,
    pub creator_notes: Option<String>,
    pub tags: Option<Vec<String>>,
    pub is_nsfw: Option<bool>,
    /// PRIVATE if not given.
    pub visibility: Option<Visibility>,
    /// A world book that the caller may see.
    pub world_book_id: Option<ID>,
}

#[derive(InputObject)]
pub struct UpdateCharacterInput {
    pub id: ID,
    /// The version the change was made from; a lost update is refused.
    pub expected_version: i32,
    pub name: Option<String>,
    pub description: Option<String>,
    pub personality: Option<String>,
    pub scenario: Option<String>,
    pub first_message: Option<String>,
    pub alternate_greetings: Option<Vec<String>>,
    pub example_dialogue: Option<String>,
    pub system_prompt: Option<String>,
    pub post_history_instructions: Option<String>,
    pub creator_notes: Option<String>,
    pub tags: Option<Vec<String>>,
    pub is_nsfw: Option<bool>,
    /// A world book that the caller may see; null takes it away.
    pub world_book_id: MaybeUndefined<ID>,
}

#[derive(InputObject)]
pub struct DeleteCharacterInput {
    pub id: ID,
}

#[derive(InputObject)]
pub struct SetCharacterVisibilityInput {
    pub id: ID,
    pub visibility: Visibility,
}

#[derive(InputObject)]
pub struct ImportCharacterInput {
    pub source: CharacterSource,
}

/// Where a card comes from: exactly one of these.
#[derive(OneofObject)]
pub enum CharacterSource {
    /// A PNG, APNG, WEBP, CHARX, JSON or YAML file, by the GraphQL multipart request specification.
    File(Upload),
    /// A card's JSON.
    Json(Json<Value>),
}

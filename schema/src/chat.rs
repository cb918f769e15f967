//! Chat sessions.

use async_graphql::{Enum, ID, InputObject, Json, MaybeUndefined, SimpleObject};
use serde_json::Value;
use tavern_domain::chat as domain;

use crate::message::Role;
use crate::scalar::{BigInt, DateTime};

/// Where an author's note goes.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::NotePosition")]
pub enum NotePosition {
    BeforePrompt,
    AfterPrompt,
    /// Between the messages, `depth` from the end.
    InChat,
}

/// Text put into every prompt at a place of its own, every so many messages.
#[derive(SimpleObject, Debug, Clone)]
pub struct AuthorsNote {
    pub content: String,
    pub position: NotePosition,
    /// Messages from the end; with IN_CHAT only.
    pub depth: i32,
    /// Whose voice; with IN_CHAT only.
    pub role: Role,
    /// Every how many of the user's messages it is added; 1 = always, 0 = never.
    pub interval: i32,
}

impl From<domain::AuthorsNote> for AuthorsNote {
    fn from(note: domain::AuthorsNote) -> Self {
        Self {
            content: note.content,
            position: note.position.into(),
            depth: note.depth.try_into().unwrap_or(i32::MAX),
            role: note.role.into(),
            interval: note.interval.try_into().unwrap_or(i32::MAX),
        }
    }
}

/// What is not given is IN_CHAT, at depth 4, by SYSTEM, always.
#[derive(InputObject)]
pub struct AuthorsNoteInput {
    pub content: String,
    pub position: Option<NotePosition>,
    pub depth: Option<i32>,
    pub role: Option<Role>,
    pub interval: Option<i32>,
}

/// Who answers next in a group.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::GroupStrategy")]
pub enum GroupStrategy {
    /// Whoever is mentioned, and whoever feels like it.
    Natural,
    /// Everybody, in the order of the chat.
    List,
    /// Nobody unless asked to.
    Manual,
    /// One who has not spoken since the user did.
    Pooled,
}

/// Whose cards are in the prompt of a group.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::GroupMode")]
pub enum GroupMode {
    /// The speaker's only.
    Swap,
    /// Everybody's but the muted members'.
    Join,
    /// Everybody's.
    JoinMuted,
}

/// How several characters share a chat.
#[derive(SimpleObject, Debug, Clone)]
pub struct GroupSettings {
    pub strategy: GroupStrategy,
    pub mode: GroupMode,
    /// Members who answer only when asked to.
    pub muted_character_ids: Vec<ID>,
    /// Whether the last speaker may answer itself.
    pub self_responses: bool,
    /// Before each member's field in the joined modes; `<FIELDNAME>` and `{{char}}` are replaced.
    pub join_prefix: String,
    pub join_suffix: String,
}

impl From<&domain::GroupSettings> for GroupSettings {
    fn from(group: &domain::GroupSettings) -> Self {
        Self {
            strategy: group.strategy.into(),
            mode: group.mode.into(),
            muted_character_ids: group.muted.iter().map(|id| id.to_string().into()).collect(),
            self_responses: group.self_responses,
            join_prefix: group.join_prefix.clone(),
            join_suffix: group.join_suffix.clone(),
        }
    }
}

/// What is not given stays.
#[derive(InputObject)]
pub struct GroupSettingsInput {
    pub strategy: Option<GroupStrategy>,
    pub mode: Option<GroupMode>,
    /// All of them; they must be in the chat.
    pub muted_character_ids: Option<Vec<ID>>,
    pub self_responses: Option<bool>,
    pub join_prefix: Option<String>,
    pub join_suffix: Option<String>,
}

/// The plain fields of `ChatSession`.
#[derive(SimpleObject, Debug, Clone)]
pub struct ChatSessionFields {
    pub title: String,
    /// The name of a configured model.
    pub model: String,
    pub message_count: i32,
    /// Tokens of all replies so far, prompts included.
    pub total_tokens: BigInt,
    pub is_archived: bool,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    pub last_message_at: Option<DateTime>,
    pub authors_note: Option<AuthorsNote>,
    pub group: GroupSettings,
    /// Stands for that of the characters' cards.
    pub scenario: Option<String>,
    /// What `{{setvar}}` and its like have set: name to text.
    pub variables: Json<Value>,
}

impl From<&domain::ChatSession> for ChatSessionFields {
    fn from(session: &domain::ChatSession) -> Self {
        Self {
            title: session.title.clone(),
            model: session.model.clone(),
            message_count: session.message_count,
            total_tokens: BigInt(session.total_tokens),
            is_archived: session.is_archived,
            created_at: session.created_at.into(),
            updated_at: session.updated_at.into(),
            last_message_at: session.last_message_at.map(DateTime),
            authors_note: session.setup.authors_note.clone().map(Into::into),
            group: (&session.setup.group).into(),
            scenario: session.setup.scenario.clone(),
            variables: Json(
                session
                    .state
                    .variables
                    .iter()
                    .map(|(name, text)| (name.clone(), Value::String(text.clone())))
                    .collect(),
            ),
        }
    }
}

#[derive(InputObject)]
pub struct CreateChatSessionInput {
    pub character_ids: Vec<ID>,
    pub title: Option<String>,
    /// The default model if not given.
    pub model: Option<String>,
    /// Which greeting is shown first: 0 is the first message, then the alternates.
    #[graphql(default_with = "Some(0)")]
    pub greeting: Option<i32>,
    pub preset_id: Option<ID>,
    /// The default persona if not given; nobody if null.
    pub persona_id: MaybeUndefined<ID>,
    /// Books of one's own, or such as one may see.
    pub world_book_ids: Option<Vec<ID>>,
    pub authors_note: Option<AuthorsNoteInput>,
    /// An object of texts, numbers and booleans.
    pub variables: Option<Json<Value>>,
}

/// What is not given stays; null clears what may be null.
#[derive(InputObject)]
pub struct UpdateChatSessionInput {
    pub id: ID,
    pub title: Option<String>,
    pub model: Option<String>,
    pub is_archived: Option<bool>,
    pub preset_id: MaybeUndefined<ID>,
    pub persona_id: MaybeUndefined<ID>,
    /// All of them, in the order they are to be used.
    pub world_book_ids: Option<Vec<ID>>,
    pub authors_note: MaybeUndefined<AuthorsNoteInput>,
    pub group: Option<GroupSettingsInput>,
    pub scenario: MaybeUndefined<String>,
    /// All of them: an object of texts, numbers and booleans.
    pub variables: Option<Json<Value>>,
}

#[derive(InputObject)]
pub struct ForkChatSessionInput {
    /// The last message of the new chat's beginning.
    pub message_id: ID,
    /// The first chat's if not given.
    pub title: Option<String>,
}

#[derive(InputObject)]
pub struct DeleteChatSessionInput {
    pub id: ID,
}

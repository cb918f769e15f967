//! Messages.

use async_graphql::{Enum, ID, InputObject, Json, SimpleObject};
use serde_json::Value;
use tavern_domain::chat as domain;

use crate::generation::GenerationOptions;
use crate::scalar::DateTime;

/// Whose voice a message has for the model.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::ChatRole")]
pub enum Role {
    User,
    Assistant,
    System,
    Tool,
}

/// One of the alternative contents of a message.
#[derive(SimpleObject, Debug, Clone)]
pub struct Swipe {
    pub index: i32,
    pub content: String,
    pub reasoning: Option<String>,
    pub tokens: i32,
    pub model: Option<String>,
    pub created_at: DateTime,
}

/// The plain fields of `Message`.
#[derive(SimpleObject, Debug, Clone)]
pub struct MessageFields {
    /// Ascending within the session; gaps are possible.
    pub sequence: i32,
    pub role: Role,
    /// The active swipe. While a reply is being written, as far as it has come.
    pub content: String,
    pub swipes: Vec<Swipe>,
    /// Index of the swipe that is shown.
    pub active_swipe: i32,
    /// The model's reasoning for the active swipe.
    pub reasoning: Option<String>,
    /// Of the active swipe; an estimate.
    pub tokens: i32,
    pub is_edited: bool,
    /// Hidden messages are kept and shown, but not sent to the model.
    pub is_hidden: bool,
    /// What extensions say of the active swipe, an object for each, by its name; `suggestions` for what to say next;
    /// `tools` for functions that were called.
    pub annotations: Json<Value>,
    /// Grows by one with each change.
    pub version: i32,
    pub created_at: DateTime,
    pub updated_at: DateTime,
}

impl From<domain::Message> for MessageFields {
    fn from(message: domain::Message) -> Self {
        let domain::Message { row, body } = message;
        let active = body.active_swipe().clone();
        let annotations = body.shown_annotations();
        let index = |index: usize| i32::try_from(index).unwrap_or(i32::MAX);
        Self {
            sequence: row.sequence,
            role: row.role.into(),
            content: active.content,
            reasoning: active.reasoning,
            tokens: active.tokens,
            active_swipe: index(body.active),
            swipes: body
                .swipes
                .into_iter()
                .enumerate()
                .map(|(at, swipe)| Swipe {
                    index: index(at),
                    content: swipe.content,
                    reasoning: swipe.reasoning,
                    tokens: swipe.tokens,
                    model: swipe.model,
                    created_at: swipe.created_at.into(),
                })
                .collect(),
            is_edited: body.is_edited,
            is_hidden: row.is_hidden,
            annotations: Json(annotations),
            version: body.version,
            created_at: row.created_at.into(),
            updated_at: body.updated_at.into(),
        }
    }
}

#[derive(InputObject)]
pub struct SendMessageInput {
    pub session_id: ID,
    pub content: String,
    /// Who is to answer; the session's first character if not given.
    pub character_id: Option<ID>,
    /// Advice to the model for this reply only.
    pub guidance: Option<String>,
    /// The same key sends the message once, however often the request is repeated within 24 hours.
    pub idempotency_key: Option<String>,
    pub options: Option<GenerationOptions>,
    /// Whether a reply is wanted.
    #[graphql(default_with = "Some(true)")]
    pub generate: Option<bool>,
}

#[derive(InputObject)]
pub struct EditMessageInput {
    pub id: ID,
    /// The new content of the active swipe.
    pub content: String,
    /// The version the change was made from; without it the last writer wins.
    pub expected_version: Option<i32>,
}

#[derive(InputObject)]
pub struct DeleteMessagesInput {
    pub session_id: ID,
    pub ids: Vec<ID>,
}

#[derive(InputObject)]
pub struct SetMessageHiddenInput {
    pub id: ID,
    pub is_hidden: bool,
}

#[derive(InputObject)]
pub struct SelectSwipeInput {
    pub message_id: ID,
    /// From 0.
    pub index: i32,
}

//! Chat sessions.

use async_graphql::{ID, InputObject, SimpleObject};
use tavern_domain::chat as domain;

use crate::scalar::{BigInt, DateTime};

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
}

#[derive(InputObject)]
pub struct UpdateChatSessionInput {
    pub id: ID,
    pub title: Option<String>,
    pub model: Option<String>,
    pub is_archived: Option<bool>,
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

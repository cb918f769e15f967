//! Personas: who the user is in a chat.

use serde::{Deserialize, Serialize};

use crate::chat::ChatRole;
use crate::clock::Timestamp;
use crate::id::{PersonaId, UserId, WorldBookId};

/// A persona of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Persona {
    pub id: PersonaId,
    pub owner: UserId,
    pub text: PersonaText,
    /// Taken for new chats that name none; at most one of an account.
    pub is_default: bool,
    pub version: i32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a persona brings into a prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PersonaText {
    /// What `{{user}}` stands for.
    pub name: String,
    /// A note behind the name, for people only.
    pub title: String,
    pub description: String,
    pub position: PersonaPosition,
    /// With [`PersonaPosition::AtDepth`] only.
    pub depth: u32,
    pub role: PersonaRole,
    pub world_book: Option<WorldBookId>,
}

/// Where a persona's description goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonaPosition {
    #[default]
    InPrompt,
    NoteTop,
    NoteBottom,
    AtDepth,
    /// Nowhere but for `{{persona}}`.
    None,
}

/// The voice of a description at depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonaRole(pub ChatRole);

impl Default for PersonaRole {
    fn default() -> Self {
        Self(ChatRole::System)
    }
}

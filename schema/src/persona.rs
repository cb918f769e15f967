//! Personas.

use async_graphql::{Enum, ID, InputObject, MaybeUndefined, SimpleObject};
use tavern_domain::persona as domain;

use crate::message::Role;
use crate::scalar::DateTime;

/// Where a persona's description goes.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::PersonaPosition")]
pub enum PersonaPosition {
    InPrompt,
    /// Before the author's note.
    NoteTop,
    /// Behind the author's note.
    NoteBottom,
    /// Between the messages, `depth` from the end.
    AtDepth,
    /// Nowhere but for `{{persona}}`.
    None,
}

/// The plain fields of `Persona`.
#[derive(SimpleObject, Debug, Clone)]
pub struct PersonaFields {
    /// What `{{user}}` stands for.
    pub name: String,
    /// A note behind the name, for people only.
    pub title: String,
    pub description: String,
    pub position: PersonaPosition,
    /// Messages from the end; with AT_DEPTH only.
    pub depth: i32,
    /// Whose voice; with AT_DEPTH only.
    pub role: Role,
    /// Taken for new chats that name none; at most one of an account.
    pub is_default: bool,
    /// Grows by one with each change; a change names the version it was made from.
    pub version: i32,
    pub created_at: DateTime,
    pub updated_at: DateTime,
}

impl From<domain::Persona> for PersonaFields {
    fn from(persona: domain::Persona) -> Self {
        let text = persona.text;
        Self {
            name: text.name,
            title: text.title,
            description: text.description,
            position: text.position.into(),
            depth: text.depth.try_into().unwrap_or(i32::MAX),
            role: text.role.0.into(),
            is_default: persona.is_default,
            version: persona.version,
            created_at: persona.created_at.into(),
            updated_at: persona.updated_at.into(),
        }
    }
}

/// What is not given stays, or is the default of a new persona.
#[derive(InputObject)]
pub struct SavePersonaInput {
    /// The persona to be changed; without it, a new one is made.
    pub id: Option<ID>,
    /// The version the change was made from; needed with `id`. A lost update is refused.
    pub expected_version: Option<i32>,
    /// Needed for a new persona.
    pub name: Option<String>,
    pub title: Option<String>,
    pub description: Option<String>,
    /// IN_PROMPT if never given.
    pub position: Option<PersonaPosition>,
    pub depth: Option<i32>,
    pub role: Option<Role>,
    /// A world book that the caller may see; null takes it away.
    pub world_book_id: MaybeUndefined<ID>,
    /// True takes the place of the former default.
    pub is_default: Option<bool>,
}

#[derive(InputObject)]
pub struct DeletePersonaInput {
    pub id: ID,
}

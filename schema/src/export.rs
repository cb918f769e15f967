//! Files to take elsewhere.

use async_graphql::{Enum, ID, InputObject};

/// The form of a card's file.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardFormat {
    /// In a picture.
    Png,
    Json,
    /// An archive, of V3 always.
    Charx,
}

/// The specification of a card.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardSpec {
    /// In a PNG: a `chara` chunk alone.
    #[graphql(name = "V2")]
    V2,
    /// In a PNG: a `ccv3` chunk, and a `chara` one for those who know V2 only.
    #[graphql(name = "V3")]
    V3,
}

#[derive(InputObject)]
pub struct ExportCharacterInput {
    pub id: ID,
    /// Of no meaning for `original`.
    pub format: CardFormat,
    /// The one the character came in if not given.
    pub spec: Option<CardSpec>,
    /// The file the character came in, byte for byte, instead of the character as it is now.
    #[graphql(default_with = "Some(false)")]
    pub original: Option<bool>,
}

#[derive(InputObject)]
pub struct ExportChatInput {
    pub session_id: ID,
    /// An archive with a file for the chat, each one it goes on from, and each that goes on from it.
    #[graphql(default_with = "Some(false)")]
    pub branches: Option<bool>,
}

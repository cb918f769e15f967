//! Characters: who can be talked to, and how lists of them are asked for.

use crate::clock::Timestamp;
use crate::id::{CharacterId, UserId, WorldBookId};

/// Who may see a character besides its creator and moderators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Nobody.
    Private,
    /// Whoever has the id; it stands in no list.
    Unlisted,
    /// Everybody.
    Public,
}

impl Visibility {
    pub const ALL: [Self; 3] = [Self::Private, Self::Unlisted, Self::Public];
    /// As stored.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Private => 0,
            Self::Unlisted => 1,
            Self::Public => 2,
        }
    }
    #[must_use]
    pub const fn from_code(code: i16) -> Self {
        match code {
            2 => Self::Public,
            1 => Self::Unlisted,
            _ => Self::Private,
        }
    }
}

/// The text a card gives the model, and what surrounds it. All fields as the card spells them, unprocessed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CharacterText {
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
    pub creator_notes: String,
    /// `creator_notes_multilingual` of V3: ISO 639-1 code to text, in the card's order.
    pub creator_notes_by_language: Vec<(String, String)>,
    /// The card's own version, free text.
    pub character_version: String,
    /// The specification it came in: "1.0", "2.0", "3.0".
    pub spec_version: String,
}

/// What a list shows of a character: everything but its text.
#[derive(Debug, Clone, PartialEq)]
pub struct CharacterSummary {
    pub id: CharacterId,
    /// `None` once the creator's account is gone.
    pub creator: Option<UserId>,
    pub name: String,
    pub tags: Vec<String>,
    pub visibility: Visibility,
    pub is_nsfw: bool,
    /// Mean of all ratings, 0.0 without any.
    pub rating: f64,
    pub rating_count: i32,
    pub chat_count: i32,
    pub favorite_count: i32,
    /// SHA-256 (hex) of the avatar's file, which is also its object's name; `None` without a picture.
    pub avatar: Option<String>,
    /// Grows by one with each change; a change names the version it was made from.
    pub version: i32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A whole character, less what only its original card holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Character {
    pub summary: CharacterSummary,
    pub text: CharacterText,
    /// The character's own lore.
    pub world_book: Option<WorldBookId>,
}

/// The orders of a list of characters. All are descending and end in the id, so that they are total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CharacterOrder {
    /// By number of chats.
    Popular,
    Rating,
    Created,
    Updated,
    /// By full-text rank; only with a query, otherwise as [`Self::Popular`].
    Relevance,
    /// By chats, discounted by age.
    Trending,
}

/// Which characters a list holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CharacterFilter {
    /// Words to be found in name, tags, description or creator's notes.
    pub query: Option<String>,
    /// All of these.
    pub tags: Vec<String>,
    /// None of these.
    pub exclude_tags: Vec<String>,
    /// The creator's username.
    pub creator: Option<String>,
    /// `Some(false)`: only safe ones; `Some(true)`: only the others; `None`: both.
    pub nsfw: Option<bool>,
    pub min_rating: Option<f64>,
}

/// The form in which two spellings of a tag are one.
#[must_use]
pub fn tag_key(tag: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    tag.trim().nfkc().flat_map(char::to_lowercase).collect()
}

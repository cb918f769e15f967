//! Chat sessions and their messages.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{CharacterId, GenerationId, MessageId, PersonaId, PresetId, SessionId, UserId, WorldBookId};

/// Whose voice a message has for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatRole {
    User,
    Assistant,
    System,
    Tool,
}

impl ChatRole {
    /// As stored.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::User => 0,
            Self::Assistant => 1,
            Self::System => 2,
            Self::Tool => 3,
        }
    }
    #[must_use]
    pub const fn from_code(code: i16) -> Self {
        match code {
            0 => Self::User,
            1 => Self::Assistant,
            3 => Self::Tool,
            _ => Self::System,
        }
    }
}

/// A chat session.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatSession {
    pub id: SessionId,
    pub owner: UserId,
    pub title: String,
    /// In the order they were added; never empty when made, though characters may be deleted later.
    pub characters: Vec<CharacterId>,
    /// The name of a configured model.
    pub model: String,
    pub is_archived: bool,
    pub message_count: i32,
    pub total_tokens: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_message_at: Option<Timestamp>,
    pub setup: SessionSetup,
    pub state: SessionState,
}

/// What the prompts of a session are made with, besides its characters and its model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionSetup {
    pub preset: Option<PresetId>,
    pub persona: Option<PersonaId>,
    /// Those of the session itself; its characters and its persona bring their own.
    pub world_books: Vec<WorldBookId>,
    pub authors_note: Option<AuthorsNote>,
    pub group: GroupSettings,
}

/// What the turns of a session leave behind for those that follow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionState {
    pub variables: Variables,
    /// Whatever else is carried from turn to turn, by name.
    #[serde(flatten)]
    pub other: serde_json::Map<String, Value>,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    User(UserId),
    Character(CharacterId),
}

/// One of the alternative contents of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Swipe {
    pub content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    pub tokens: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub created_at: Timestamp,
    /// The generation that writes, or wrote, this swipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<GenerationId>,
    /// Bytes of `content` that were there before `generation` began: what it writes comes behind them.
    #[serde(default)]
    pub kept: usize,
}

impl Swipe {
    /// Puts what its generation wrote in its place, once or again.
    pub fn write(&mut self, text: &str) {
        if !text.is_empty() && self.content.is_char_boundary(self.kept) {
            self.content.truncate(self.kept);
            self.content.push_str(text);
        }
    }
}

/// The document of a message: what is in it, as against where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageBody {
    /// Grows by one with each change.
    pub version: i32,
    /// Never empty.
    pub swipes: Vec<Swipe>,
    /// Index into `swipes`.
    pub active: usize,
    pub is_edited: bool,
    pub annotations: Value,
    pub updated_at: Timestamp,
}

impl MessageBody {
    #[must_use]
    pub fn of(swipe: Swipe) -> Self {
        let updated_at = swipe.created_at;
        Self {
            version: 1,
            swipes: vec![swipe],
            active: 0,
            is_edited: false,
            annotations: Value::Object(serde_json::Map::new()),
            updated_at,
        }
    }
    /// The swipe that is shown.
    #[must_use]
    pub fn active_swipe(&self) -> &Swipe {
        self.swipes
            .get(self.active)
            .or_else(|| self.swipes.last())
            .expect("a message has at least one swipe")
    }
    #[must_use]
    pub fn swipe_of(&self, generation: GenerationId) -> Option<usize> {
        self.swipes
            .iter()
            .position(|swipe| swipe.generation == Some(generation))
    }
}

/// Where a message stands: the relational row that makes its document real.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageRow {
    pub id: MessageId,
    pub session: SessionId,
    /// Ascending within the session; gaps are possible.
    pub sequence: i32,
    pub role: ChatRole,
    /// `None` for system messages and for authors that are gone.
    pub author: Option<Author>,
    /// The newest generation that wrote into this message.
    pub generation: Option<GenerationId>,
    /// Hidden messages are kept and shown, but not sent to the model.
    pub is_hidden: bool,
    pub created_at: Timestamp,
}

/// A message: its row and its document.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub row: MessageRow,
    pub body: MessageBody,
}

/// Text put into every prompt at a place of its own, every so many messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorsNote {
    pub content: String,
    pub position: NotePosition,
    /// Messages from the end; with [`NotePosition::InChat`] only.
    pub depth: u32,
    pub role: ChatRole,
    /// Every how many of the user's messages it is added; 1 = always, 0 = never.
    pub interval: u32,
}

impl Default for AuthorsNote {
    fn default() -> Self {
        Self {
            content: String::new(),
            position: NotePosition::InChat,
            depth: 4,
            role: ChatRole::System,
            interval: 1,
        }
    }
}

/// Where an author's note goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotePosition {
    BeforePrompt,
    AfterPrompt,
    #[default]
    InChat,
}

/// How several characters share a chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupSettings {
    pub strategy: GroupStrategy,
    pub mode: GroupMode,
    /// Members who do not answer unless asked to.
    pub muted: Vec<CharacterId>,
    /// Whether the last speaker may answer itself.
    pub self_responses: bool,
    /// Put around each member's field in the joined modes; `{{char}}` and `<FIELDNAME>` are replaced.
    pub join_prefix: String,
    pub join_suffix: String,
}

/// Who answers next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupStrategy {
    #[default]
    Natural,
    List,
    Manual,
    Pooled,
}

/// Whose cards are in the prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupMode {
    /// The speaker's only.
    #[default]
    Swap,
    /// Everybody's but the muted members'.
    Join,
    /// Everybody's.
    JoinMuted,
}

/// Variables of a chat or an account: name to text, in order of name.
pub type Variables = std::collections::BTreeMap<String, String>;

//! Chat sessions and their messages.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    /// The message of another chat that this one goes on from; it may be gone.
    pub forked_from: Option<MessageId>,
    pub setup: SessionSetup,
    pub state: SessionState,
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
    /// What extensions say of this content: an object for each, by its name, and `suggestions`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
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
    /// What is said of the message, whichever swipe is shown.
    pub annotations: Value,
    pub updated_at: Timestamp,
    /// The message's JSON in the file it was imported from. Text, because the hot reads decode every
    /// body and need none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
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
            annotations: Value::Object(Map::new()),
            updated_at,
            source: None,
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
    /// What is said of the message as it is shown.
    #[must_use]
    pub fn shown_annotations(&self) -> Value {
        let mut shown = match &self.annotations {
            Value::Object(annotations) => annotations.clone(),
            _ => Map::new(),
        };
        shown.extend(self.active_swipe().annotations.clone());
        Value::Object(shown)
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

/// What a chat is set up with besides its characters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionSetup {
    pub preset: Option<PresetId>,
    pub persona: Option<PersonaId>,
    /// Scanned besides those of the characters and the persona.
    pub world_books: Vec<WorldBookId>,
    pub authors_note: Option<AuthorsNote>,
    pub group: GroupSettings,
    /// Stands for that of the characters' cards.
    pub scenario: Option<String>,
}

/// What a chat remembers from turn to turn. It changes with the turns that were accepted only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionState {
    /// What stable picks are drawn from; forks share it. The session's id if `None`.
    pub seed: Option<u64>,
    pub variables: Variables,
    /// Sticky and cooldown effects of lore, as the prompt engine has them.
    pub lore: Value,
    /// The message that an outgrown history starts with.
    pub anchor: Option<MessageId>,
    /// What was remembered before the turn that wrote the newest reply, for those who replace it.
    pub before: Option<Box<Before>>,
}

/// A state that a turn started from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// What the turn wrote into.
    pub message: MessageId,
    pub variables: Variables,
    pub lore: Value,
}

/// What a turn does to the memory of its chat and its account, once it is accepted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TurnEffects {
    /// By name: the new value, or `None` for a variable that is gone.
    pub variables: std::collections::BTreeMap<String, Option<String>>,
    pub account_variables: std::collections::BTreeMap<String, Option<String>>,
    pub lore: Value,
    pub anchor: Option<MessageId>,
    /// What the turn wrote into; `None` if it made no message.
    pub message: Option<MessageId>,
    /// The turn replaces the reply in `message`, and so starts from what was before that.
    pub replaces: bool,
}

impl SessionState {
    /// What a turn that writes into `message` starts from.
    #[must_use]
    pub fn base(&self, message: Option<MessageId>, replaces: bool) -> (&Variables, &Value) {
        match &self.before {
            Some(before) if replaces && Some(before.message) == message => (&before.variables, &before.lore),
            _ => (&self.variables, &self.lore),
        }
    }

    /// Remembers what a turn has done.
    pub fn accept(&mut self, effects: &TurnEffects) {
        let (variables, lore) = self.base(effects.message, effects.replaces);
        let (mut variables, lore) = (variables.clone(), lore.clone());
        self.before = effects.message.map(|message| {
            Box::new(Before {
                message,
                variables: variables.clone(),
                lore,
            })
        });
        merge(&mut variables, &effects.variables);
        self.variables = variables;
        self.lore = effects.lore.clone();
        self.anchor = effects.anchor;
    }
}

/// Applies changes of variables.
pub fn merge(variables: &mut Variables, changes: &std::collections::BTreeMap<String, Option<String>>) {
    for (name, value) in changes {
        match value {
            Some(value) => variables.insert(name.clone(), value.clone()),
            None => variables.remove(name),
        };
    }
}

/// What leads from one set of variables to another.
#[must_use]
pub fn changes(from: &Variables, to: &Variables) -> std::collections::BTreeMap<String, Option<String>> {
    let set = to.iter().filter(|(name, value)| from.get(*name) != Some(value));
    let gone = from.keys().filter(|name| !to.contains_key(*name));
    set.map(|(name, value)| (name.clone(), Some(value.clone())))
        .chain(gone.map(|name| (name.clone(), None)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn turn(message: MessageId, replaces: bool, from: &Variables, to: &Variables) -> TurnEffects {
        TurnEffects {
            variables: changes(from, to),
            message: Some(message),
            replaces,
            ..TurnEffects::default()
        }
    }

    #[test]
    fn changes_lead_from_one_set_to_the_other() {
        let (from, to) = (
            variables(&[("a", "1"), ("b", "2")]),
            variables(&[("b", "3"), ("c", "4")]),
        );
        let mut merged = from.clone();
        merge(&mut merged, &changes(&from, &to));
        assert_eq!(merged, to);
    }

    #[test]
    fn a_reply_that_is_replaced_leaves_nothing_behind() {
        let message = MessageId::new();
        let mut state = SessionState::default();
        let (zero, one) = (variables(&[]), variables(&[("gold", "1")]));
        state.accept(&turn(message, false, &zero, &one));
        assert_eq!(state.variables, one);
        for _ in 0..3 {
            let from = state.base(Some(message), true).0.clone();
            assert_eq!(from, zero, "a swipe starts where the reply started");
            state.accept(&turn(message, true, &from, &one));
            assert_eq!(state.variables, one);
        }
        let two = variables(&[("gold", "2")]);
        state.accept(&turn(MessageId::new(), false, &one, &two));
        assert_eq!(state.variables, two);
        assert_eq!(state.base(Some(message), true).0, &two, "older replies are not undone");
    }
}

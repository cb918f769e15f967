//! What is known of a turn, and what the hooks of all its extensions give together.

use std::sync::Arc;

use serde_json::Value;
use tavern_domain::Timestamp;

use super::{Addition, Character, Message, Note};
use crate::manifest::ToolDeclaration;

/// What is known of a turn. Each extension is shown what it may see of it.
#[derive(Clone)]
pub struct TurnFacts {
    /// Ids as the house knows them; extensions are given pseudonyms.
    pub turn: String,
    pub chat: String,
    pub user: String,
    pub user_name: String,
    pub persona: String,
    pub character: Option<Character>,
    pub kind: String,
    pub locale: String,
    pub model: String,
    pub context_tokens: u32,
    pub reply_tokens: u32,
    pub variables: Vec<(String, String)>,
    pub seed: u64,
    pub now: Timestamp,
    pub dry_run: bool,
    /// Tokens as the model counts them.
    pub count: Arc<dyn Fn(&str) -> u32 + Send + Sync>,
}

/// What `before-prompt` hooks have done, all of them together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BeforePrompt {
    /// With the name of the extension each is from; higher priority first, then in the order of the chain.
    pub notes: Vec<(String, Note)>,
    pub variables: Vec<Setting>,
    pub sampling: Vec<Setting>,
    /// What the user is told in place of a reply.
    pub abort: Option<Abort>,
}

/// What an extension sets. A later extension's value stands for an earlier one's; only of stop strings there may be
/// several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub extension: String,
    pub key: String,
    pub value: String,
}

/// An extension has stopped the turn, or failed and must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    pub extension: String,
    pub message: String,
    /// It failed, and the operator wants it to work or nothing.
    pub is_failure: bool,
}

/// What `world-info` hooks have decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Candidates that are to be in the prompt, or are not to be, each once.
    pub activate: Vec<String>,
    pub silence: Vec<String>,
    /// With the name of the extension each is from.
    pub additions: Vec<(String, Addition)>,
    pub abort: Option<Abort>,
}

/// A prompt that `prompt-transform` hooks have changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transformed {
    pub messages: Vec<TransformedMessage>,
    /// Ids of messages that are not there any more, and who took them out.
    pub removed: Vec<(String, String)>,
    pub stops: Vec<String>,
    /// Whether anything was changed.
    pub changed: bool,
    pub abort: Option<Abort>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TransformedMessage {
    pub message: Message,
    /// Who put it there.
    pub inserted_by: Option<String>,
    /// Who wrote it anew, last.
    pub replaced_by: Option<String>,
}

/// A macro that an extension has to expand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MacroCall {
    /// In lower case.
    pub name: String,
    pub arguments: Vec<String>,
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferedTool {
    pub extension: String,
    /// As the model sees it; unique in the turn.
    pub name: String,
    pub declaration: ToolDeclaration,
}

/// What `after-reply` hooks have made of a reply.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AfterReply {
    /// Extension, key and JSON.
    pub annotations: Vec<(String, String, Value)>,
    /// With the name of the extension each is from.
    pub suggestions: Vec<(String, String)>,
    pub variables: Vec<Setting>,
}

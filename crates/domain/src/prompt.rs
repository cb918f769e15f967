//! Prompts that explain themselves: what was, or would be, sent to a model, piece by piece.

use serde::{Deserialize, Serialize};

use crate::chat::ChatRole;
use crate::extension::PluginTrace;

/// A prompt with the account of how it came about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptPreview {
    /// In the order they are sent. For a model that completes a text, the text as one message.
    pub messages: Vec<PromptMessage>,
    pub token_count: u32,
    /// Tokens a prompt may have: the model's context less the reply.
    pub budget: u32,
    /// The configured name.
    pub model: String,
    pub tokenizer: String,
    pub blocks: Vec<PromptBlock>,
    pub lore: Vec<LoreActivation>,
    /// Hooks of extensions that were run for it.
    #[serde(default)]
    pub plugins: Vec<PluginTrace>,
    pub warnings: Vec<String>,
    /// What `{{random}}`, `{{roll}}` and lore's chances were drawn from.
    pub seed: u64,
}

/// A message for the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    pub role: ChatRole,
    pub name: Option<String>,
    pub content: String,
    pub tokens: u32,
}

/// A piece of a prompt, kept or dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptBlock {
    /// What kind of thing it is: `main`, `charDescription`, `worldInfoBefore`, `chatHistory`, …
    pub source: String,
    /// For people.
    pub label: String,
    pub role: ChatRole,
    /// Messages from the end, if it stands within the chat.
    pub depth: Option<u32>,
    pub tokens: u32,
    pub included: bool,
    /// Why it was left out, or why it is where it is.
    pub reason: Option<String>,
    pub text: String,
}

/// An entry of a world book that was considered, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoreActivation {
    /// The entry's id.
    pub entry: String,
    pub book: String,
    pub comment: String,
    pub activated: bool,
    pub matched_key: Option<String>,
    pub matched_in: Option<String>,
    /// 0 = the first scan of the chat; later ones are recursion or minimum activations.
    pub pass: u32,
    pub tokens: u32,
    pub reason: String,
}

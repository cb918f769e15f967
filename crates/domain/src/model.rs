//! Models as clients see them: a configured name, behind which deployments are tried in order.

use serde::{Deserialize, Serialize};

/// A model that a client can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub name: String,
    pub context_tokens: i32,
    pub max_output_tokens: i32,
    /// Whether at least one deployment is configured and not known to be down.
    pub available: bool,
    /// Micro-credits per 1,000 tokens.
    pub prompt_price: i64,
    /// Micro-credits per 1,000 tokens.
    pub completion_price: i64,
    pub prompt: PromptForm,
    /// The vocabulary to count with, as configured; otherwise known by `served_as`.
    pub tokenizer: Option<String>,
    /// What the first provider calls it.
    pub served_as: String,
}

/// What a model takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptForm {
    /// A list of messages.
    #[default]
    Chat,
    /// One text, which it completes.
    Text,
}

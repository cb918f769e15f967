//! What a caller asks a model for, and what comes back.

use tavern_domain::chat::ChatRole;
use tavern_domain::generation::{GenerationError, GenerationKind, GenerationOptions};

/// A finished prompt with the wishes of the turn.
#[derive(Debug, Clone)]
pub struct CompletionRequest {
    pub messages: Vec<PromptMessage>,
    /// The prompt as one text, for models that complete a text instead of answering messages;
    /// `messages` is then empty.
    pub text: Option<String>,
    /// Sampling. Its `max_tokens`, `stop` and `seed` are not read: the fields below are what counts.
    pub options: GenerationOptions,
    /// The reply ends before the first of these; enforced here, whatever the provider does.
    pub stop: Vec<String>,
    /// At most the model's `max_output_tokens`, which is also the default.
    pub max_tokens: Option<i32>,
    pub seed: Option<i64>,
    pub cast: Cast,
    pub kind: GenerationKind,
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptMessage {
    pub role: ChatRole,
    pub name: Option<String>,
    pub content: String,
}

/// Who speaks with whom. Only the demo model reads it; others find it in the messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cast {
    pub character: CharacterBrief,
    pub user_name: String,
}

/// The texts of a card that give a character its voice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CharacterBrief {
    pub name: String,
    pub description: String,
    pub personality: String,
    pub scenario: String,
    pub first_message: String,
    pub example_dialogue: String,
}

/// One step of a reply. The stream ends after [`Self::Finished`] or [`Self::Failed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelEvent {
    /// A provider is being called; `number` counts from 1 across retries and fallbacks.
    AttemptStarted {
        number: i32,
        provider: String,
        model: String,
    },
    /// That call failed. Another attempt or [`Self::Failed`] follows.
    AttemptFailed { number: i32, error: GenerationError },
    /// The next piece of the reply; never empty.
    Text(String),
    /// The next piece of the model's reasoning; never empty.
    Reasoning(String),
    /// What the provider counted; at most once, before the end.
    Usage(ProviderUsage),
    /// The reply is complete. `reason` is the provider's word, or `length` where our cap cut it,
    /// or `stop` at a stop string; `None` if the provider closed without saying why.
    Finished { reason: Option<String> },
    /// No reply, or, after content, an interrupted one.
    Failed(GenerationError),
}

/// Tokens as the provider counted them: non-negative, `cached` part of `prompt` and `reasoning`
/// part of `completion`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProviderUsage {
    pub prompt: i32,
    pub completion: i32,
    pub reasoning: i32,
    pub cached: i32,
}

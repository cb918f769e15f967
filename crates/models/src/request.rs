//! What a caller asks a model for, and what comes back.

use tavern_domain::chat::ChatRole;
use tavern_domain::generation::{GenerationError, GenerationKind, GenerationOptions};

use crate::tool::{ToolCall, ToolSpec};

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
    /// Functions the model may call; a prompt that is one text has none.
    pub tools: Vec<ToolSpec>,
    /// They are named only because the messages speak of them: no more calls.
    pub tools_closed: bool,
}

impl CompletionRequest {
    /// The same for a model that knows nothing of functions: what they have said stands among the
    /// messages as a note.
    pub(crate) fn without_tools(&self) -> Self {
        let plain = self.messages.iter().filter_map(|message| {
            if message.tool_call_id.is_some() {
                let name = message.name.as_deref().unwrap_or_default();
                let note = format!("The function `{name}` was called. It said: {}", message.content);
                return Some(PromptMessage::new(ChatRole::System, note));
            }
            let is_only_calls = !message.tool_calls.is_empty() && message.content.is_empty();
            (!is_only_calls).then(|| PromptMessage {
                name: message.name.clone(),
                ..PromptMessage::new(message.role, message.content.clone())
            })
        });
        Self {
            messages: plain.collect(),
            tools: Vec::new(),
            ..self.clone()
        }
    }
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptMessage {
    pub role: ChatRole,
    /// Who speaks; with [`Self::tool_call_id`], the function that was called.
    pub name: Option<String>,
    pub content: String,
    /// What the assistant called in this message. Each call is answered by a message further down.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a message of the role `tool` answers.
    pub tool_call_id: Option<String>,
    /// What the assistant thought before its calls: some providers want it back with them.
    pub reasoning: Option<String>,
}

impl PromptMessage {
    /// A message that only says something.
    #[must_use]
    pub fn new(role: ChatRole, content: impl Into<String>) -> Self {
        Self {
            role,
            name: None,
            content: content.into(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            reasoning: None,
        }
    }
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
    /// The model calls a function. Calls come whole and last, before the usage and the end.
    ToolCall(ToolCall),
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

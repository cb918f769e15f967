//! One attempt to produce a reply: it outlives the client that asked for it, and ends exactly once.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{CharacterId, GenerationId, MessageId, SessionId, UserId};

/// What a generation is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum GenerationKind {
    /// A new message in answer to the last one.
    Normal,
    /// Go on where the last reply stopped.
    Continue,
    /// Replace the last reply.
    Regenerate,
    /// Another alternative of the last reply.
    Swipe,
    /// Write the user's next message; no message is made of it.
    Impersonate,
    /// Answer out of sight; no message is made of it.
    Quiet,
}

impl GenerationKind {
    pub const ALL: [Self; 6] = [
        Self::Normal,
        Self::Continue,
        Self::Regenerate,
        Self::Swipe,
        Self::Impersonate,
        Self::Quiet,
    ];
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }
    #[must_use]
    pub fn from_code(code: i16) -> Self {
        usize::try_from(code)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
            .unwrap_or(Self::Normal)
    }
}

/// QUEUED → CONNECTING → STREAMING → one of the four ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum GenerationStatus {
    Queued,
    Connecting,
    Streaming,
    Completed,
    /// The provider or the node failed after text had come; what came is kept.
    Interrupted,
    /// Somebody stopped it; what came is kept.
    Cancelled,
    /// Nothing came.
    Failed,
}

impl GenerationStatus {
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Connecting,
        Self::Streaming,
        Self::Completed,
        Self::Interrupted,
        Self::Cancelled,
        Self::Failed,
    ];
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }
    #[must_use]
    pub fn from_code(code: i16) -> Self {
        usize::try_from(code)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
            .unwrap_or(Self::Failed)
    }
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Interrupted | Self::Cancelled | Self::Failed
        )
    }
}

/// What a generation cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: i32,
    pub completion_tokens: i32,
    pub reasoning_tokens: i32,
    pub cached_tokens: i32,
    pub source: UsageSource,
    pub cost_micro_credits: i64,
}

/// Who counted the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum UsageSource {
    /// The provider said so.
    Provider,
    /// We counted the text.
    Counted,
}

/// Why a generation, or one attempt of it, failed. Safe to show: it never holds a provider's raw answer or a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationError {
    /// From the API's closed list, mostly UPSTREAM_ERROR.
    pub code: String,
    pub message: String,
    pub retryable: bool,
}

/// One call of one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationAttempt {
    /// From 1.
    pub number: i32,
    pub provider: String,
    pub model: String,
    /// `running`, `completed`, `interrupted`, `cancelled`, `failed`.
    pub outcome: String,
    pub started_at: Timestamp,
    pub first_token_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub error: Option<GenerationError>,
}

/// How a reply is to be sampled; what is `None` is the model's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GenerationOptions {
    pub model: Option<String>,
    #[serde(default)]
    pub fallback_models: Vec<String>,
    pub max_tokens: Option<i32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<i32>,
    pub min_p: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub repetition_penalty: Option<f64>,
    pub seed: Option<i64>,
    #[serde(default)]
    pub stop: Vec<String>,
    /// Further fields of the provider's request, as they are.
    pub extra: Option<Value>,
}

/// A generation as stored: the authority over a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    pub id: GenerationId,
    pub session: SessionId,
    /// Who asked, and pays.
    pub user: UserId,
    /// The message it writes into; `None` for kinds that make none.
    pub message: Option<MessageId>,
    pub character: Option<CharacterId>,
    pub kind: GenerationKind,
    pub status: GenerationStatus,
    /// The model's configured name.
    pub model: String,
    pub provider: Option<String>,
    pub options: GenerationOptions,
    pub attempts: Vec<GenerationAttempt>,
    pub usage: Option<Usage>,
    pub finish_reason: Option<String>,
    pub error: Option<GenerationError>,
    /// Of the text as persisted, hex; set with the terminal status.
    pub sha256: Option<String>,
    /// UTF-8 bytes of the text as persisted; set with the terminal status.
    pub length: i32,
    /// Grows by one whenever another writer takes the generation over; a writer with an older one is refused.
    pub fence: i32,
    pub lease_until: Timestamp,
    pub cancel_requested: bool,
    pub created_at: Timestamp,
    pub first_token_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// Text that came so far, checkpointed while a reply streams, and the text as persisted once it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationText {
    pub text: String,
    pub reasoning: String,
}

/// A place in a reply's stream: which stretch of it, and how much of text and reasoning was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPosition {
    pub generation: GenerationId,
    /// Changes whenever the text starts anew; offsets of another epoch mean nothing.
    pub epoch: u32,
    /// UTF-8 bytes of text.
    pub text: u32,
    /// UTF-8 bytes of reasoning.
    pub reasoning: u32,
    /// The terminal event was seen.
    pub ended: bool,
}

impl StreamPosition {
    /// Reads a cursor that [`fmt::Display`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (generation, rest) = text.split_once('.')?;
        let mut parts = rest.split('.');
        let mut number = || u32::from_str_radix(parts.next()?, 16).ok();
        let (epoch, text, reasoning) = (number()?, number()?, number()?);
        let ended = match parts.next() {
            None => false,
            Some("e") => true,
            Some(_) => return None,
        };
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            generation: generation.parse().ok()?,
            epoch,
            text,
            reasoning,
            ended,
        })
    }
}

impl fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:x}.{:x}.{:x}{}",
            self.generation,
            self.epoch,
            self.text,
            self.reasoning,
            if self.ended { ".e" } else { "" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_cursor() {
        for ended in [false, true] {
            let position = StreamPosition {
                generation: GenerationId::new(),
                epoch: 3,
                text: 70_000,
                reasoning: 12,
                ended,
            };
            assert_eq!(StreamPosition::parse(&position.to_string()), Some(position));
        }
        for wrong in ["", ".", "gen_.0.0.0", "x.1.2.3", "gen_01JZZZZZZZZZZZZZZZZZZZZZZZ.0.0"] {
            assert_eq!(StreamPosition::parse(wrong), None, "{wrong}");
        }
    }
}

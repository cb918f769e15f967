//! Generations: attempts to produce a reply, and the events of their streams.

use async_graphql::{Enum, ID, InputObject, Json, SimpleObject};
use serde_json::Value;
use tavern_domain::generation as domain;

use crate::scalar::{BigInt, DateTime};

/// What a generation is to do.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::GenerationKind")]
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

#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::GenerationStatus")]
pub enum GenerationStatus {
    Queued,
    Connecting,
    Streaming,
    Completed,
    /// The provider or the server failed after text had come; what came is kept.
    Interrupted,
    /// Somebody stopped it; what came is kept.
    Cancelled,
    /// Nothing came.
    Failed,
}

/// Who counted the tokens.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::UsageSource")]
pub enum UsageSource {
    Provider,
    Counted,
}

#[derive(SimpleObject, Debug, Clone)]
pub struct Usage {
    pub prompt_tokens: i32,
    pub completion_tokens: i32,
    pub reasoning_tokens: i32,
    pub cached_tokens: i32,
    pub source: UsageSource,
    pub cost_micro_credits: BigInt,
}

impl From<&domain::Usage> for Usage {
    fn from(usage: &domain::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            cached_tokens: usage.cached_tokens,
            source: usage.source.into(),
            cost_micro_credits: BigInt(usage.cost_micro_credits),
        }
    }
}

#[derive(SimpleObject, Debug, Clone)]
pub struct GenerationError {
    /// From the same list as `extensions.code` of errors.
    pub code: String,
    pub message: String,
    pub retryable: bool,
}

impl From<&domain::GenerationError> for GenerationError {
    fn from(error: &domain::GenerationError) -> Self {
        Self {
            code: error.code.clone(),
            message: error.message.clone(),
            retryable: error.retryable,
        }
    }
}

/// One call of one provider.
#[derive(SimpleObject, Debug, Clone)]
pub struct GenerationAttempt {
    /// From 1.
    pub number: i32,
    pub provider: String,
    pub model: String,
    /// `running`, `completed`, `interrupted`, `cancelled` or `failed`.
    pub outcome: String,
    pub started_at: DateTime,
    pub first_token_at: Option<DateTime>,
    pub ended_at: Option<DateTime>,
    pub error: Option<GenerationError>,
}

impl From<&domain::GenerationAttempt> for GenerationAttempt {
    fn from(attempt: &domain::GenerationAttempt) -> Self {
        Self {
            number: attempt.number,
            provider: attempt.provider.clone(),
            model: attempt.model.clone(),
            outcome: attempt.outcome.clone(),
            started_at: attempt.started_at.into(),
            first_token_at: attempt.first_token_at.map(DateTime),
            ended_at: attempt.ended_at.map(DateTime),
            error: attempt.error.as_ref().map(Into::into),
        }
    }
}

/// The plain fields of `Generation`.
#[derive(SimpleObject, Debug, Clone)]
pub struct GenerationFields {
    pub kind: GenerationKind,
    pub status: GenerationStatus,
    /// The configured name of the model.
    pub model: String,
    pub provider: Option<String>,
    pub attempts: Vec<GenerationAttempt>,
    pub usage: Option<Usage>,
    pub finish_reason: Option<String>,
    pub error: Option<GenerationError>,
    pub created_at: DateTime,
    pub first_token_at: Option<DateTime>,
    pub ended_at: Option<DateTime>,
}

impl From<&domain::Generation> for GenerationFields {
    fn from(generation: &domain::Generation) -> Self {
        Self {
            kind: generation.kind.into(),
            status: generation.status.into(),
            model: generation.model.clone(),
            provider: generation.provider.clone(),
            attempts: generation.attempts.iter().map(Into::into).collect(),
            usage: generation.usage.as_ref().map(Into::into),
            finish_reason: generation.finish_reason.clone(),
            error: generation.error.as_ref().map(Into::into),
            created_at: generation.created_at.into(),
            first_token_at: generation.first_token_at.map(DateTime),
            ended_at: generation.ended_at.map(DateTime),
        }
    }
}

/// The whole text so far.
#[derive(SimpleObject, Debug, Clone)]
pub struct GenerationSnapshot {
    pub cursor: String,
    pub generation_id: ID,
    pub length: i32,
    pub text: String,
    pub reasoning: Option<String>,
    pub status: GenerationStatus,
}

/// What came since the event before; it continues the text at `length` less its own bytes.
#[derive(SimpleObject, Debug, Clone)]
pub struct GenerationDelta {
    pub cursor: String,
    pub generation_id: ID,
    pub length: i32,
    pub text: String,
    pub reasoning: Option<String>,
}

/// The text starts anew: what was received before is void.
#[derive(SimpleObject, Debug, Clone)]
pub struct GenerationReset {
    pub cursor: String,
    pub generation_id: ID,
    pub length: i32,
    pub reason: String,
    pub attempt: i32,
}

/// How a reply is to be sampled; what is null is the model's default.
#[derive(InputObject, Default)]
pub struct GenerationOptions {
    /// A configured model instead of the session's.
    pub model: Option<String>,
    /// Tried in this order if the model fails before its first word.
    pub fallback_models: Option<Vec<String>>,
    pub max_tokens: Option<i32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<i32>,
    pub min_p: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub repetition_penalty: Option<f64>,
    pub seed: Option<i32>,
    /// The reply ends before the first of these.
    pub stop: Option<Vec<String>>,
    /// Further fields of the provider's request, as they are.
    pub extra: Option<Json<Value>>,
}

impl From<GenerationOptions> for domain::GenerationOptions {
    fn from(options: GenerationOptions) -> Self {
        Self {
            model: options.model,
            fallback_models: options.fallback_models.unwrap_or_default(),
            max_tokens: options.max_tokens,
            temperature: options.temperature,
            top_p: options.top_p,
            top_k: options.top_k,
            min_p: options.min_p,
            frequency_penalty: options.frequency_penalty,
            presence_penalty: options.presence_penalty,
            repetition_penalty: options.repetition_penalty,
            seed: options.seed.map(i64::from),
            stop: options.stop.unwrap_or_default(),
            extra: options.extra.map(|Json(extra)| extra),
        }
    }
}

#[derive(InputObject)]
pub struct GenerateReplyInput {
    pub session_id: ID,
    pub kind: GenerationKind,
    pub character_id: Option<ID>,
    /// The message to continue, replace or vary; the session's last one if not given.
    pub message_id: Option<ID>,
    /// Advice to the model for this reply only.
    pub guidance: Option<String>,
    /// The same key starts one reply, however often the request is repeated within 24 hours.
    pub idempotency_key: Option<String>,
    pub options: Option<GenerationOptions>,
}

#[derive(InputObject)]
pub struct StopGenerationInput {
    pub generation_id: ID,
}

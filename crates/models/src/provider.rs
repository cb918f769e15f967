//! The seam between the router and the wire formats.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use tavern_domain::Code;
use tavern_domain::generation::GenerationError;

use crate::request::{CompletionRequest, ProviderUsage};
use crate::tool::ToolCall;

/// Something that can be asked for a reply. It makes one call and never retries.
#[async_trait]
pub(crate) trait Provider: Send + Sync {
    /// Opens a reply of `model`; `request.max_tokens` is set. Dropping the future or the stream
    /// ends the call at once.
    async fn open(&self, model: &str, request: &CompletionRequest) -> Result<ChunkStream, ProviderError>;
}

pub(crate) type ChunkStream = BoxStream<'static, Result<Chunk, ProviderError>>;

/// One thing a provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chunk {
    Text(String),
    Reasoning(String),
    /// Whole; what comes of calls before they are whole is [`Self::Alive`].
    ToolCall(ToolCall),
    Usage(ProviderUsage),
    /// The model stopped; only usage may still follow.
    Finished(Option<String>),
    /// A sign of life without content.
    Alive,
}

/// What to do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// May pass: try again.
    Transient,
    /// The deployment is set up wrongly or out of funds: try another one, and leave this one alone.
    Misconfigured,
    /// The request itself was refused: only another model may take it.
    Refused,
}

/// A failed call. The message is written by us and fit to be shown.
#[derive(Debug, Clone)]
pub(crate) struct ProviderError {
    pub fault: Fault,
    pub code: Code,
    pub message: String,
    pub retry_after: Option<Duration>,
    /// It speaks of functions: without them the request may be taken.
    pub names_tools: bool,
}

impl ProviderError {
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            code: Code::UpstreamError,
            message: message.into(),
            retry_after: None,
            names_tools: false,
        }
    }

    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Fault::Transient, message)
    }

    pub fn timeout(message: impl Into<String>) -> Self {
        Self {
            code: Code::RequestTimeout,
            ..Self::transient(message)
        }
    }

    pub fn to_generation_error(&self) -> GenerationError {
        GenerationError {
            code: self.code.as_str().to_owned(),
            message: self.message.clone(),
            retryable: self.fault == Fault::Transient,
        }
    }
}

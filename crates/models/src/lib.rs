//! Language models behind one door: the router picks a deployment, its provider streams the reply.
//!
//! [`Router`] promises that a reply is one attempt's text: it retries and falls back freely before
//! the first content arrives and never afterwards, so two answers are never spliced. What it sends
//! to callers is bounded and free of keys and of raw provider answers.

mod backoff;
mod breaker;
pub mod config;
mod demo;
mod openai;
mod provider;
mod request;
mod router;
pub mod sse;
mod stops;
mod tool;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use openai::fuzzing;

pub use config::{DeploymentConfig, ModelConfig, ModelsConfig, ProviderConfig, ProviderKind, Secret, Timeouts};
pub use request::{Cast, CharacterBrief, CompletionRequest, ModelEvent, PromptMessage, ProviderUsage};
pub use router::{Price, Router, RouterError};
pub use tool::{ToolCall, ToolSpec};

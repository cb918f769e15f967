//! What `?` makes of errors in hooks.

use crate::HookError;
use crate::http::HttpError;
use crate::kv::KvError;
use crate::model::ModelError;

/// What hooks give.
pub type Result<T> = std::result::Result<T, HookError>;

impl From<String> for HookError {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl From<&str> for HookError {
    fn from(why: &str) -> Self {
        Self::Failed(why.to_owned())
    }
}

impl From<serde_json::Error> for HookError {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<KvError> for HookError {
    fn from(error: KvError) -> Self {
        match error {
            KvError::Conflict | KvError::Unavailable => Self::Retryable(format!("key-value: {error}")),
            KvError::Denied | KvError::Quota | KvError::TooLarge => Self::Failed(format!("key-value: {error}")),
        }
    }
}

impl From<HttpError> for HookError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(_) | HttpError::TooLarge | HttpError::Quota => Self::Failed(format!("http: {error}")),
            _ => Self::Retryable(format!("http: {error}")),
        }
    }
}

impl From<ModelError> for HookError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Timeout | ModelError::Unavailable(_) => Self::Retryable(format!("model: {error}")),
            ModelError::Denied | ModelError::Budget | ModelError::TooLarge => Self::Failed(format!("model: {error}")),
        }
    }
}

//! Functions that are offered to a model, and its calls of them.

use serde_json::Value;

/// A function as the model is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSpec {
    /// 1 to 64 of `a-z A-Z 0-9 _ -`; unique in a request.
    pub name: String,
    pub description: String,
    /// JSON schema of an object.
    pub parameters: Value,
}

/// A model's call of a function, fit to be sent back to it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// What the answer refers to; unique in a conversation. Made up where the provider gave none.
    pub id: String,
    /// 1 to 64 of `a-z A-Z 0-9 _ -`, though not always the name of a function that was offered.
    pub name: String,
    /// The text of a JSON object, at most 64 KiB.
    pub arguments: String,
    /// Why this is no good call, for the model to read; its arguments are then `{}`.
    pub fault: Option<String>,
    /// What the provider wants back with the call, unread: Gemini's `extra_content`.
    pub extra: Option<Value>,
}

/// Whether a name can stand on the wire: functions and speakers alike.
pub(crate) fn is_wire_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

//! Calls of the turn's model, paid out of the installation's own budget of tokens. With the permission
//! `model:TOKENS`, which is that budget for a day.

use crate::{Role, host};

pub use crate::bindings::tavern::extension::model::{Completion, ModelError, PromptMessage, Request};

/// Asks the model, for at most so many tokens.
///
/// # Errors
/// When it is not permitted, the budget does not suffice, or there is no answer.
pub fn complete(instruction: &str, text: &str, max_tokens: u32) -> Result<Completion, ModelError> {
    let message = |role, text: &str| PromptMessage {
        role,
        text: text.to_owned(),
    };
    send(&Request {
        messages: vec![message(Role::System, instruction), message(Role::User, text)],
        max_tokens,
        temperature: None,
    })
}

/// # Errors
/// As [`complete`].
pub fn send(request: &Request) -> Result<Completion, ModelError> {
    host::model::complete(request)
}

//! A call of the turn's model out of the installation's budget.

use tavern_domain::extension::Capability;

use crate::bindings::tavern::extension::model::{Completion, Host, ModelError, Request};
use crate::bindings::tavern::extension::types::Role;
use crate::ports::{ModelFault, ModelRequest};
use crate::store::State;

/// Messages of a request.
const MESSAGES: usize = 64;

impl Host for State {
    async fn complete(&mut self, request: Request) -> wasmtime::Result<Result<Completion, ModelError>> {
        let bytes = request.messages.iter().map(|message| message.text.len()).sum();
        self.admit(bytes)?;
        let budgets = self.member.granted.iter().filter_map(|granted| match granted {
            Capability::Model(tokens) => Some(*tokens),
            _ => None,
        });
        let Some(daily_tokens) = budgets.max() else {
            return Ok(Err(ModelError::Denied));
        };
        if request.messages.len() > MESSAGES || bytes > self.limits().result_bytes {
            return Ok(Err(ModelError::TooLarge));
        }
        let unusable = |what: &str| Ok(Err(ModelError::Unavailable(what.to_owned())));
        if request.messages.is_empty() {
            return unusable("A request needs a message.");
        }
        if request.max_tokens == 0 {
            return unusable("`max-tokens` must be at least 1.");
        }
        if request.temperature.is_some_and(|heat| !(0.0..=2.0).contains(&heat)) {
            return unusable("`temperature` must be between 0 and 2.");
        }
        if self.facts.dry_run {
            return unusable("This is a preview, in which nobody is asked.");
        }
        let mut messages = Vec::with_capacity(request.messages.len());
        for message in request.messages {
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => return unusable("Messages of `tool` cannot be sent."),
            };
            messages.push((role.to_owned(), message.text));
        }
        let request = ModelRequest {
            messages,
            max_tokens: request.max_tokens,
            temperature: request.temperature,
            model: self.facts.model.clone(),
            daily_tokens,
        };
        let reply = self
            .host
            .inner()
            .ports
            .complete(self.member.installation, request)
            .await;
        Ok(match reply {
            Ok(reply) => Ok(Completion {
                text: reply.text,
                prompt_tokens: reply.prompt_tokens,
                completion_tokens: reply.completion_tokens,
                budget_left: reply.budget_left,
            }),
            Err(ModelFault::Budget) => Err(ModelError::Budget),
            Err(ModelFault::TooLarge) => Err(ModelError::TooLarge),
            Err(ModelFault::Unavailable(why)) => Err(ModelError::Unavailable(why)),
        })
    }
}

#[cfg(test)]
mod tests;

//! What leaves the executor, made fit for clients.
//!
//! Every error gets a code of the closed list; what nobody meant to tell is logged and replaced by a
//! general message; no more errors are reported than the limit.

use std::any::Any;
use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Pos, Response, ServerError, Value};
use tavern_domain::{Code, Limits};

use crate::document::Document;
use crate::error::{ErrorCode, RequestError};

const INTERNAL_MESSAGE: &str = "Something went wrong on our side.";

/// The executor's messages repeat what clients send: so much of them is told.
const MESSAGE_BYTES: usize = 1024;

/// Finishes the responses of one operation.
pub(crate) struct Finish {
    document: Arc<Document>,
    request_id: Arc<str>,
    reported_errors: usize,
    complexity: usize,
}

impl Finish {
    pub(crate) fn new(document: Arc<Document>, request_id: Arc<str>, limits: &Limits) -> Self {
        Self {
            document,
            request_id,
            reported_errors: limits.reported_errors,
            complexity: limits.complexity,
        }
    }

    /// The response to send for what execution came to; `Err` is a panic.
    pub(crate) fn outcome(&self, outcome: Result<Response, Box<dyn Any + Send>>) -> Response {
        let mut response = outcome.unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(request_id = %self.request_id, panic = text.unwrap_or("not a text"), "a resolver panicked");
            RequestError::document(ErrorCode::House(Code::Internal), INTERNAL_MESSAGE).into_response()
        });
        if !response.errors.is_empty() {
            response.errors.truncate(self.reported_errors);
            for error in &mut response.errors {
                self.finish(error);
            }
        }
        response
    }

    fn finish(&self, error: &mut ServerError) {
        if code_of(error).is_none() {
            let code = self.classify(error);
            if code == ErrorCode::QueryTooComplex {
                error.message = format!("The operation costs more than {} points, the limit.", self.complexity);
            }
            if code == ErrorCode::House(Code::Internal) {
                tracing::error!(request_id = %self.request_id, error = %error.message, path = ?error.path, "a resolver failed without saying how");
                INTERNAL_MESSAGE.clone_into(&mut error.message);
            }
            error.message.truncate(error.message.floor_char_boundary(MESSAGE_BYTES));
            set_code(error, code);
        }
        if code_of(error) == Some(Code::Internal.as_str()) {
            error
                .extensions
                .get_or_insert_default()
                .set("requestId", &*self.request_id);
        }
    }

    /// The code of an error of the executor itself. Its messages are all there is to go by.
    fn classify(&self, error: &ServerError) -> ErrorCode {
        let message = error.message.as_str();
        let bad_value = message.starts_with("Failed to parse \"") || message.starts_with("Expected input type \"");
        if !error.path.is_empty() {
            return ErrorCode::House(if bad_value { Code::BadUserInput } else { Code::Internal });
        }
        let of_a_variable = || {
            message.starts_with("Invalid value for argument")
                && error
                    .locations
                    .iter()
                    .any(|&position| uses_variable(&self.document.ast, position))
        };
        if message == "Query is too complex." {
            ErrorCode::QueryTooComplex
        } else if bad_value || of_a_variable() {
            ErrorCode::House(Code::BadUserInput)
        } else {
            ErrorCode::ValidationFailed
        }
    }
}

/// Whether nothing was executed: such a response has no `data`.
#[must_use]
pub fn is_request_error(response: &Response) -> bool {
    !response.errors.is_empty()
        && response.data == Value::Null
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// `extensions.code`.
pub(crate) fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

fn set_code(error: &mut ServerError, code: ErrorCode) {
    error.extensions.get_or_insert_default().set("code", code.as_str());
}

/// Whether the argument whose name stands at `position` has a variable in its value.
fn uses_variable(document: &ExecutableDocument, position: Pos) -> bool {
    fn in_set(set: &SelectionSet, position: Pos) -> bool {
        set.items.iter().any(|selection| {
            let directives = selection
                .node
                .directives()
                .iter()
                .flat_map(|directive| &directive.node.arguments);
            let (arguments, below) = match &selection.node {
                Selection::Field(field) => (&field.node.arguments[..], Some(&field.node.selection_set.node)),
                Selection::InlineFragment(inline) => (&[][..], Some(&inline.node.selection_set.node)),
                Selection::FragmentSpread(_) => (&[][..], None),
            };
            directives
                .chain(arguments)
                .any(|(name, value)| name.pos == position && value.node.clone().into_const().is_none())
                || below.is_some_and(|set| in_set(set, position))
        })
    }
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document
        .fragments
        .values()
        .map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).any(|set| in_set(set, position))
}

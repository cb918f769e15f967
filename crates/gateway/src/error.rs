//! Why a request is answered without being executed.

use std::borrow::Cow;
use std::fmt;

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError};
use http::StatusCode;
use tavern_domain::Code;

/// `extensions.code` of what the fronts themselves refuse; together with [`Code`] the API's closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    ParseFailed,
    ValidationFailed,
    OperationResolution,
    PersistedQueryNotFound,
    QueryTooComplex,
    House(Code),
}

impl ErrorCode {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::OperationResolution => "OPERATION_RESOLUTION_FAILURE",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::House(code) => code.as_str(),
        }
    }
}

/// A request error of the GraphQL specification: the response has `errors` and no `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    pub code: ErrorCode,
    pub message: Cow<'static, str>,
    pub locations: Vec<Pos>,
    /// The HTTP status if the request itself is wrong. `None` if it is a well-formed request whose
    /// document or variables are wrong: 400, or 200 for clients that accept only `application/json`.
    pub status: Option<StatusCode>,
}

impl RequestError {
    /// The document, the operation's name or the variables are wrong.
    #[must_use]
    pub fn document(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            locations: Vec::new(),
            status: None,
        }
    }

    /// The HTTP request is wrong.
    #[must_use]
    pub fn http(status: StatusCode, code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: ErrorCode::House(code),
            message: message.into(),
            locations: Vec::new(),
            status: Some(status),
        }
    }

    /// A parameter of the request is wrong: 400.
    #[must_use]
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::http(StatusCode::BAD_REQUEST, Code::BadUserInput, message)
    }

    /// `actual` exceeds a limit on documents; `what` is a plural noun.
    #[must_use]
    pub fn too_complex(what: &str, actual: usize, limit: usize) -> Self {
        Self::document(
            ErrorCode::QueryTooComplex,
            format!("The document has {actual} {what}; the limit is {limit}."),
        )
    }

    #[must_use]
    pub fn at(mut self, position: Pos) -> Self {
        self.locations.push(position);
        self
    }

    /// The response to execute nothing with: one error, no data.
    #[must_use]
    pub fn into_response(self) -> Response {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", self.code.as_str());
        let mut error = ServerError::new(self.message, None);
        error.locations = self.locations;
        error.extensions = Some(extensions);
        Response::from_errors(vec![error])
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RequestError {}

/// As much of a client's text as a message repeats.
pub(crate) fn shorten(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

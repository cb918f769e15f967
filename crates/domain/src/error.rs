//! One transport-free error for the whole house.
//!
//! It carries a code of the API's closed list, a message that the caller may read, the input
//! fields it is about, and, apart from those, the internal source and the place it arose, which go
//! to the log only. The mapping to GraphQL and HTTP happens at the edge.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The part of the API's closed list of error codes that the house below the edge can produce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    BadUserInput,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    RateLimited,
    InsufficientCredits,
    QuotaExceeded,
    Overloaded,
    RequestTimeout,
    PluginError,
    UpstreamError,
    Unavailable,
    Internal,
}

impl Code {
    /// The name clients see in `extensions.code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::InsufficientCredits => "INSUFFICIENT_CREDITS",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::Overloaded => "OVERLOADED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::PluginError => "PLUGIN_ERROR",
            Self::UpstreamError => "UPSTREAM_ERROR",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL_SERVER_ERROR",
        }
    }
}

/// What is wrong with one field of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's place below `input`, outermost first, in the API's spelling; empty for the input as a whole.
    pub path: Vec<String>,
    pub code: Code,
    pub message: String,
}

/// An error with a public face and an internal cause.
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    message: Cow<'static, str>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    at: &'static Location<'static>,
}

impl Error {
    #[track_caller]
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            fields: Vec::new(),
            retry_after: None,
            source: None,
            at: Location::caller(),
        }))
    }

    /// One field of the input is wrong. `field` is its place below `input`, dots between the parts.
    #[track_caller]
    #[must_use]
    pub fn bad_input(field: &str, message: impl Into<String>) -> Self {
        Self::of_field(Code::BadUserInput, field, message)
    }

    /// The state contradicts the request: a taken name, a lost update, a reused key.
    #[track_caller]
    #[must_use]
    pub fn conflict(field: &str, message: impl Into<String>) -> Self {
        Self::of_field(Code::Conflict, field, message)
    }

    #[track_caller]
    #[must_use]
    pub fn of_field(code: Code, field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let path = field
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        Self::from_fields(vec![FieldError { path, code, message }])
    }

    /// Several fields at once; the first one gives the code.
    ///
    /// # Panics
    /// If `fields` is empty.
    #[track_caller]
    #[must_use]
    pub fn from_fields(fields: Vec<FieldError>) -> Self {
        let first = fields.first().expect("an error of fields names at least one");
        let (code, message) = (first.code, first.message.clone());
        let mut error = Self::new(code, message);
        error.0.fields = fields;
        error
    }

    /// The caller may not know more than that something failed; `source` goes to the log.
    #[track_caller]
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(Code::Internal, "Something went wrong on our side.").with_source(source)
    }

    #[track_caller]
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated, "Sign in to do this.")
    }

    #[track_caller]
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    #[track_caller]
    #[must_use]
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Forbidden, message)
    }

    #[track_caller]
    #[must_use]
    pub fn rate_limited(message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        let mut error = Self::new(Code::RateLimited, message);
        error.0.retry_after = Some(retry_after);
        error
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }
    /// What the caller may read.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
    /// Where it arose: for the log.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.0.at
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        f.debug_struct("Error")
            .field("code", &inner.code)
            .field("message", &inner.message)
            .field("fields", &inner.fields)
            .field("source", &inner.source)
            .field("at", &inner.at.to_string())
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Gathers what is wrong with an input, so that all of it is told at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<FieldError>);

impl Problems {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// `field` is the place below `input`, dots between the parts.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.extend(Error::bad_input(field, message).0.fields);
    }
    /// Refuses U+0000, which PostgreSQL's texts cannot hold.
    pub fn refuse_nul(&mut self, field: &str, text: &str) {
        if text.contains('\0') {
            self.add(field, "The character U+0000 cannot be kept.");
        }
    }
    /// Takes what `error` says of its fields; hands back an error that is not about fields.
    ///
    /// # Errors
    /// `error` itself, if it names no field.
    pub fn absorb<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.0.fields.is_empty() => Err(error),
            Err(error) => {
                self.0.extend(error.0.fields);
                Ok(None)
            }
        }
    }
    /// # Errors
    /// All that was gathered, if anything was.
    #[track_caller]
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::from_fields(self.0))
        }
    }
}

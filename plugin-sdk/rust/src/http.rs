//! Requests to hosts that the owner has permitted. TLS only, no redirects, no private addresses. With the
//! permission `http:HOST`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{HookError, Pair, Result, host};

pub use crate::bindings::tavern::extension::http::{HttpError, Request, Response};

impl Request {
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            auth: None,
            timeout_ms: 0,
        }
    }

    /// A POST of JSON.
    ///
    /// # Errors
    /// When there is no JSON for it.
    pub fn post_json<T: Serialize + ?Sized>(url: impl Into<String>, body: &T) -> Result<Self> {
        let mut request = Self::get(url).header("content-type", "application/json");
        request.method = "POST".into();
        request.body = serde_json::to_vec(body)?;
        Ok(request)
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Pair::new(name, value));
        self
    }

    /// With a secret, which the host puts in.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>) -> Self {
        self.auth = Some(name.into());
        self
    }

    /// # Errors
    /// Why there is no response. A status of 400 or more is a response.
    pub fn send(&self) -> std::result::Result<Response, HttpError> {
        host::http::send(self)
    }
}

/// Sends all at once; the responses are in the order of the requests.
#[must_use]
pub fn send_all(requests: &[Request]) -> Vec<std::result::Result<Response, HttpError>> {
    host::http::send_many(requests)
}

impl Response {
    /// The body of a response that says success.
    ///
    /// # Errors
    /// [`HookError::Retryable`] for a status of 429, or of 500 or more; [`HookError::Failed`] for others that
    /// are no success, and for a body that is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        match self.status {
            200..=299 => Ok(serde_json::from_slice(&self.body)?),
            status @ (429 | 500..) => Err(HookError::Retryable(format!("http: status {status}"))),
            status => Err(HookError::Failed(format!("http: status {status}"))),
        }
    }
}

//! What goes back: the bytes, their label and the status.

use async_graphql::{Response, ServerError, Value};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tavern_domain::Code;

use super::accept::MediaType;
use crate::error::RequestError;
use crate::outcome::{code_of, is_request_error};

/// What an answer of usual size fits in without growing.
const USUAL_BYTES: usize = 1024;

/// The JSON of a response: `errors` if there are any, then `data` unless nothing was executed.
#[must_use]
pub fn encode(response: &Response) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, &Encoded(response))
        .expect("names are strings, and memory does not fail to be written");
    bytes
}

struct Encoded<'a>(&'a Response);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Response {
            errors,
            data,
            extensions,
            ..
        } = self.0;
        let mut map = serializer.serialize_map(None)?;
        if !errors.is_empty() {
            map.serialize_entry::<_, [ServerError]>("errors", errors)?;
        }
        if !is_request_error(self.0) {
            map.serialize_entry::<_, Value>("data", data)?;
        }
        if !extensions.is_empty() {
            map.serialize_entry("extensions", extensions)?;
        }
        map.end()
    }
}

/// The answer to an operation that was executed, or refused by the executor.
pub fn of_response(response: &Response, media: MediaType) -> http::Response<Body> {
    let status = if is_request_error(response) {
        refused(code_of(&response.errors[0]), media)
    } else {
        StatusCode::OK
    };
    json(status, media, encode(response))
}

/// The answer to a request that was refused before the executor saw it.
pub fn of_error(error: RequestError, media: MediaType) -> http::Response<Body> {
    let status = error
        .status
        .unwrap_or_else(|| refused(Some(error.code.as_str()), media));
    let mut answer = json(status, media, encode(&error.into_response()));
    let extra = match status {
        StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
        StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
        _ => None,
    };
    answer
        .headers_mut()
        .extend(extra.map(|(name, value)| (name, HeaderValue::from_static(value))));
    answer
}

/// The status of a well-formed request without a result. Clients of `application/json` take anything
/// but 200 for the word of something on the way that knows no GraphQL, so they get 200, except for
/// failures of ours, which those who watch the server must be able to count.
fn refused(code: Option<&str>, media: MediaType) -> StatusCode {
    let is = |other: Code| code == Some(other.as_str());
    if is(Code::Internal) {
        StatusCode::INTERNAL_SERVER_ERROR
    } else if is(Code::RequestTimeout) {
        StatusCode::GATEWAY_TIMEOUT
    } else if is(Code::Unavailable) || is(Code::Overloaded) {
        StatusCode::SERVICE_UNAVAILABLE
    } else if media == MediaType::Json {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    }
}

fn json(status: StatusCode, media: MediaType, body: Vec<u8>) -> http::Response<Body> {
    let mut answer = http::Response::new(Body::from(Bytes::from(body)));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media.as_str()));
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

//! What strangers send, read as the transports read it but without a socket or a schema: for fuzz targets.

use axum::body::Body;
use http::{HeaderMap, HeaderValue};
use tavern_domain::Limits;

use crate::document::Document;
use crate::error::RequestError;
use crate::http::MemoryPool;
use crate::http::multipart;
use crate::http::params::Params;
use crate::ws::protocol::{self, ClientMessage};

/// The boundary of [`form`]'s parts.
pub const BOUNDARY: &str = "b";

/// A document, up to where the executor would get it, and its operation of that name.
///
/// # Errors
/// What the client is told.
pub fn document(text: &str, operation: Option<&str>, limits: &Limits) -> Result<(), RequestError> {
    Document::parse(text, limits)?.operation(operation).map(drop)
}

/// The body of a POST.
///
/// # Errors
/// What the client is told.
pub fn json_body(body: &[u8], limits: &Limits) -> Result<(), RequestError> {
    Params::from_json(body, limits).map(drop)
}

/// The query string of a GET.
///
/// # Errors
/// What the client is told.
pub fn query_string(text: &str, limits: &Limits) -> Result<(), RequestError> {
    Params::from_query_string(text, limits).map(drop)
}

/// A multipart body whose parts [`BOUNDARY`] separates; the sizes of its files. Needs a Tokio runtime.
///
/// # Errors
/// What the client is told.
pub async fn form(body: Vec<u8>, limits: &Limits) -> Result<Vec<usize>, RequestError> {
    let mut headers = HeaderMap::new();
    headers.insert("graphql-require-preflight", HeaderValue::from_static("1"));
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let pool = MemoryPool::new(limits.upload_memory_bytes);
    let mut form = multipart::read(&headers, &content_type, Body::from(body), &pool, limits).await?;
    let operations = std::mem::take(&mut form.operations);
    let mut params = Params::from_json(&operations, limits)?;
    let (files, _memory) = form.place(&mut params.variables)?;
    Ok(files.iter().map(|file| file.content.len()).collect())
}

/// A message of a WebSocket's client.
///
/// # Errors
/// The reason in the close frame.
pub fn socket_message(text: &str) -> Result<(), String> {
    ClientMessage::parse(text)
        .map(drop)
        .map_err(|reason| protocol::close(4400, &reason).reason.to_string())
}

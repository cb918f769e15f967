//! Uploads, after the GraphQL multipart request specification: a part `operations` (the request, with
//! null where files go), a part `map` (which file goes where), then the files.
//!
//! Files are kept in memory: what takes them (cards, avatars, extension packages) reads them whole.
//! One file, their number, a request, and all requests together are bounded.

use std::collections::HashMap;
use std::time::Duration;

use async_graphql::{UploadValue, Value, Variables};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::stream;
use http::{HeaderMap, StatusCode};
use hyper::body::Body as _;
use multer::{Field, Multipart};
use tavern_domain::{Code, Limits};
use tokio::time::Instant;

use super::body::{next_chunk, too_large, too_slow};
use super::memory::{MemoryPool, Share};
use crate::error::{RequestError, shorten};
use crate::uploads::reference;

/// Bytes for the part `map`, and for the headers and boundaries of all parts.
const OVERHEAD: usize = 64 * 1024;

/// Headers one of which a multipart request must carry: a page of another origin cannot send one
/// without asking first, and could otherwise make a browser run mutations from its user's address.
const PREFLIGHT_HEADERS: [&str; 3] = [
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
];

/// A multipart request, read.
pub struct Form {
    /// The part `operations`: JSON as in a request without files.
    pub operations: Bytes,
    /// Each file with the places it goes to.
    files: Vec<(Vec<String>, UploadValue)>,
    /// Of the bytes that were read; to be kept as long as the files.
    pub memory: Share,
}

/// # Errors
/// 403 without a preflight header; 413 for what is too large; 408 for a body that is too slow;
/// 503 if all uploads together take too much memory; 400 for what is not a multipart request of GraphQL.
pub async fn read(
    headers: &HeaderMap,
    content_type: &str,
    body: Body,
    pool: &MemoryPool,
    limits: &Limits,
) -> Result<Form, RequestError> {
    if !PREFLIGHT_HEADERS
        .into_iter()
        .any(|name| headers.get(name).is_some_and(|value| !value.is_empty()))
    {
        let message = format!(
            "A multipart request needs one of the headers {}.",
            PREFLIGHT_HEADERS.join(", ")
        );
        return Err(RequestError::http(StatusCode::FORBIDDEN, Code::Forbidden, message));
    }
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| RequestError::bad_request("`multipart/form-data` needs a `boundary`."))?;
    let mut memory = pool.share();
    let body = collect(body, &mut memory, limits).await?;
    // All of it at once: fed piecemeal, the reader would search headers without an end again and again.
    let mut parts = Multipart::new(stream::iter([Ok::<_, std::io::Error>(body)]), boundary);

    let operations = leading_part(&mut parts, "operations", limits.body_bytes).await?;
    let map = leading_part(&mut parts, "map", OVERHEAD).await?;
    let mut map: HashMap<String, Vec<String>> = serde_json::from_slice(&map).map_err(|error| {
        RequestError::bad_request(format!(
            "`map` must be a JSON object of lists of paths: {}.",
            shorten(&error.to_string(), 200)
        ))
    })?;
    if map.len() > limits.upload_files {
        return Err(RequestError::bad_request(format!(
            "The request has {} files; the limit is {}.",
            map.len(),
            limits.upload_files
        )));
    }
    let mut files = Vec::with_capacity(map.len());
    while let Some(mut field) = parts.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        let paths = map.remove(&name).ok_or_else(|| {
            RequestError::bad_request(format!(
                "The part `{}` is not in `map`, or comes twice.",
                shorten(&name, 64)
            ))
        })?;
        let content = content(&mut field, limits.upload_bytes).await?;
        let upload = UploadValue {
            filename: field.file_name().unwrap_or_default().to_owned(),
            content_type: field.content_type().map(ToString::to_string),
            content,
        };
        files.push((paths, upload));
    }
    if let Some(name) = map.keys().next() {
        return Err(RequestError::bad_request(format!(
            "The part `{}`, which is in `map`, is missing.",
            shorten(name, 64)
        )));
    }
    Ok(Form {
        operations,
        files,
        memory,
    })
}

/// The whole body. Each `limits.body_bytes` of it may take `limits.body_timeout_ms`.
async fn collect(mut body: Body, memory: &mut Share, limits: &Limits) -> Result<Bytes, RequestError> {
    let limit = limits.body_bytes + limits.upload_files * limits.upload_bytes + OVERHEAD;
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large("The body", limit));
    }
    let (start, mut all) = (Instant::now(), BytesMut::new());
    loop {
        let allowed = limits
            .body_timeout_ms
            .saturating_mul(1 + (all.len() / limits.body_bytes.max(1)) as u64);
        let deadline = start + Duration::from_millis(allowed);
        let chunk = tokio::time::timeout_at(deadline, next_chunk(&mut body))
            .await
            .map_err(|_| too_slow(allowed))??;
        let Some(chunk) = chunk else { return Ok(all.freeze()) };
        if all.len() + chunk.len() > limit {
            return Err(too_large("The body", limit));
        }
        if !memory.grow(chunk.len()) {
            return Err(RequestError::http(
                StatusCode::SERVICE_UNAVAILABLE,
                Code::Overloaded,
                "Too much is being uploaded at the moment.",
            ));
        }
        all.extend_from_slice(&chunk);
    }
}

async fn leading_part(parts: &mut Multipart<'static>, name: &str, limit: usize) -> Result<Bytes, RequestError> {
    let field = parts.next_field().await.map_err(malformed)?;
    let Some(mut field) = field.filter(|field| field.name() == Some(name)) else {
        return Err(RequestError::bad_request(format!(
            "The part `{name}` is missing: first `operations`, then `map`, then the files."
        )));
    };
    content(&mut field, limit).await
}

/// The content of a part: one chunk, as the reader has the whole body.
async fn content(field: &mut Field<'static>, limit: usize) -> Result<Bytes, RequestError> {
    let content = field.chunk().await.map_err(malformed)?.unwrap_or_default();
    if content.len() > limit {
        return Err(too_large(
            &format!("The part `{}`", shorten(field.name().unwrap_or_default(), 64)),
            limit,
        ));
    }
    Ok(content)
}

fn malformed(error: multer::Error) -> RequestError {
    RequestError::bad_request(format!(
        "The multipart body is malformed: {}.",
        shorten(&error.to_string(), 200)
    ))
}

impl Form {
    /// Puts references to the files into `variables`, and hands out what they refer to.
    ///
    /// # Errors
    /// BAD_USER_INPUT if a file goes nowhere, or to a place that is not null or not there.
    pub fn place(self, variables: &mut Variables) -> Result<(Vec<UploadValue>, Share), RequestError> {
        let mut uploads = Vec::with_capacity(self.files.len());
        for (paths, upload) in self.files {
            if paths.is_empty() {
                return Err(RequestError::bad_request("`map` has a file that goes nowhere."));
            }
            for path in &paths {
                // Two files for one place, or one twice, meet a place that is not null any more.
                let Some(place) = place_of(variables, path).filter(|place| **place == Value::Null) else {
                    return Err(RequestError::bad_request(format!(
                        "`{}` in `map` is not a null of `operations`.",
                        shorten(path, 64)
                    )));
                };
                *place = reference(uploads.len());
            }
            uploads.push(upload);
        }
        Ok((uploads, self.memory))
    }
}

fn place_of<'a>(variables: &'a mut Variables, path: &str) -> Option<&'a mut Value> {
    let mut keys = path.strip_prefix("variables.")?.split('.');
    let first = variables.get_mut(keys.next()?)?;
    keys.try_fold(first, |place, key| match place {
        Value::List(items) => items.get_mut(key.parse::<usize>().ok()?),
        Value::Object(members) => members.get_mut(key),
        _ => None,
    })
}

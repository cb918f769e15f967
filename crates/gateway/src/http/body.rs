//! The body of a request, bounded while it is read: in bytes and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tavern_domain::{Code, Limits};

use crate::error::RequestError;

/// # Errors
/// 413 if the body has more than `limits.body_bytes`, which is told without reading on;
/// 408 if it takes longer than `limits.body_timeout_ms`; 400 if it breaks off.
pub async fn read(body: Body, limits: &Limits) -> Result<Bytes, RequestError> {
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large("The body", limits.body_bytes));
    }
    let (ms, reading) = (limits.body_timeout_ms, collect(body, limits.body_bytes));
    tokio::time::timeout(Duration::from_millis(ms), reading)
        .await
        .unwrap_or_else(|_| Err(too_slow(ms)))
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, RequestError> {
    let first = next_chunk(&mut body).await?.unwrap_or_default();
    if first.len() > limit {
        return Err(too_large("The body", limit));
    }
    let mut next = next_chunk(&mut body).await?;
    if next.is_none() {
        // Usually: the body is handed on as it came.
        return Ok(first);
    }
    let mut all = BytesMut::from(first);
    while let Some(chunk) = next {
        if all.len() + chunk.len() > limit {
            return Err(too_large("The body", limit));
        }
        all.extend_from_slice(&chunk);
        next = next_chunk(&mut body).await?;
    }
    Ok(all.freeze())
}

/// The next bytes of a body; `None` at its end.
///
/// # Errors
/// 400 if it breaks off.
pub async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, RequestError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| RequestError::bad_request("The body broke off."))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

pub fn too_large(what: &str, limit: usize) -> RequestError {
    RequestError::http(
        StatusCode::PAYLOAD_TOO_LARGE,
        Code::BadUserInput,
        format!("{what} has more than {limit} bytes, the limit."),
    )
}

pub fn too_slow(ms: u64) -> RequestError {
    RequestError::http(
        StatusCode::REQUEST_TIMEOUT,
        Code::RequestTimeout,
        format!("The body took more than {ms} ms."),
    )
}

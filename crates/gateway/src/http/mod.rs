//! GraphQL over HTTP: GET and POST, multipart uploads, and server-sent events by `Accept`.
//!
//! Status codes follow what released clients and the `graphql-http` audits expect: 400 for a request
//! that is not well-formed; for a well-formed one whose document is wrong 400 as
//! `application/graphql-response+json` and 200 as `application/json`.
//!
//! No page of another origin can act through its visitor's browser: identity is a bearer token, never
//! a cookie, so that nothing a browser sends by itself says who the visitor is; GET executes queries
//! and subscriptions only, and their answers stay unreadable to other origins; POST takes JSON, which
//! browsers do not send to other origins without asking first; a multipart POST, which they do send,
//! needs a header they do not. That is why a plain GET needs no such header.

mod accept;
mod answer;
mod body;
mod memory;
pub(crate) mod multipart;
pub(crate) mod params;
mod sse;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tavern_domain::Code;

use self::accept::{Accepted, MediaType};
use self::params::Params;
use crate::error::RequestError;
use crate::front::{Front, Operation, OperationKind, Prepared};
use crate::house::House;
use crate::request_id::RequestId;

pub use self::answer::encode;
pub(crate) use self::memory::MemoryPool;

/// Answers one request to `/graphql`, whatever it is.
pub(crate) async fn handle<H: House>(front: Front<H>, request: Request) -> http::Response<Body> {
    let accepted = Accepted::of(request.headers());
    let media = accepted.single.unwrap_or(MediaType::Json);
    let allow = if request.method() == Method::GET {
        "POST"
    } else {
        "GET, POST"
    };
    let mut answer = match respond(&front, request, accepted, media).await {
        Ok(answer) => answer,
        Err(error) => answer::of_error(error, media),
    };
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        answer
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    answer
}

async fn respond<H: House>(
    front: &Front<H>,
    request: Request,
    accepted: Accepted,
    media: MediaType,
) -> Result<http::Response<Body>, RequestError> {
    let (mut head, body) = request.into_parts();
    let query_string = head.uri.query().unwrap_or_default();
    if head.method == Method::GET && accepted.html && query_string.is_empty() {
        return Ok(to_the_playground());
    }
    if accepted.single.is_none() && !accepted.events {
        let message =
            "`Accept` must allow `application/graphql-response+json`, `application/json` or `text/event-stream`.";
        return Err(RequestError::http(
            StatusCode::NOT_ACCEPTABLE,
            Code::BadUserInput,
            message,
        ));
    }
    let address = head
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    let request_id = head.extensions.remove::<RequestId>().unwrap_or_else(RequestId::fresh);
    let authorization = head
        .headers
        .get(header::AUTHORIZATION)
        .map(|value| value.to_str().unwrap_or_default());
    let caller = front.caller(authorization, address, request_id)?;

    let operation = match head.method {
        Method::GET => from_get(front, query_string),
        Method::POST => from_post(front, &head.headers, body).await,
        _ => Err(RequestError::http(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::BadUserInput,
            "GraphQL takes GET and POST.",
        )),
    };
    let subscribes = operation
        .as_ref()
        .is_ok_and(|operation| operation.kind() == OperationKind::Subscription);
    let well_formed = operation.as_ref().err().is_none_or(|error| error.status.is_none());
    if well_formed && accepted.events && (subscribes || accepted.prefers_events || accepted.single.is_none()) {
        return Ok(sse::answer(front, operation, caller));
    }
    let operation = operation?;
    if subscribes {
        let message =
            "A subscription is answered as `text/event-stream`, which `Accept` does not allow, or over a WebSocket.";
        return Err(RequestError::http(
            StatusCode::NOT_ACCEPTABLE,
            Code::BadUserInput,
            message,
        ));
    }
    Ok(answer::of_response(&front.execute(operation, &caller).await, media))
}

fn from_get<H: House>(front: &Front<H>, query_string: &str) -> Result<Operation, RequestError> {
    let limits = front.limits();
    if query_string.len() > limits.query_string_bytes {
        let message = format!(
            "The query string has {} bytes; the limit is {}.",
            query_string.len(),
            limits.query_string_bytes
        );
        return Err(RequestError::http(
            StatusCode::URI_TOO_LONG,
            Code::BadUserInput,
            message,
        ));
    }
    let params = Params::from_query_string(query_string, limits)?;
    let prepared = prepare(front, &params)?;
    if prepared.kind() == OperationKind::Mutation {
        return Err(RequestError::http(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::BadUserInput,
            "Mutations need POST.",
        ));
    }
    prepared.bind(params.variables)
}

async fn from_post<H: House>(front: &Front<H>, headers: &HeaderMap, body: Body) -> Result<Operation, RequestError> {
    let limits = front.limits();
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match ContentType::of(content_type)? {
        ContentType::Json => {
            let body = body::read(body, limits).await?;
            let params = Params::from_json(&body, limits)?;
            prepare(front, &params)?.bind(params.variables)
        }
        ContentType::Multipart => {
            let mut form = multipart::read(headers, content_type, body, front.upload_memory(), limits).await?;
            let operations = std::mem::take(&mut form.operations);
            let mut params = Params::from_json(&operations, limits)?;
            let prepared = prepare(front, &params)?;
            let (uploads, memory) = form.place(&mut params.variables)?;
            let mut operation = prepared.bind_with_uploads(params.variables, uploads)?;
            // The files live as long as the request's data.
            operation.request.data.insert(memory);
            Ok(operation)
        }
    }
}

fn prepare<H: House>(front: &Front<H>, params: &Params<'_>) -> Result<Prepared, RequestError> {
    front.prepare(
        params.query.as_deref(),
        params.operation_name.as_deref(),
        params.persisted.as_ref(),
    )
}

enum ContentType {
    Json,
    Multipart,
}

impl ContentType {
    /// # Errors
    /// 415 for anything but JSON in UTF-8 and multipart forms.
    fn of(text: &str) -> Result<Self, RequestError> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        if name.eq_ignore_ascii_case("multipart/form-data") {
            return Ok(Self::Multipart);
        }
        let charset = parts
            .filter_map(|part| part.split_once('='))
            .find(|(key, _)| key.eq_ignore_ascii_case("charset"));
        let utf8 = charset.is_none_or(|(_, charset)| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"));
        if name.eq_ignore_ascii_case("application/json") && utf8 {
            return Ok(Self::Json);
        }
        let message = "`Content-Type` must be `application/json` in UTF-8, or `multipart/form-data` for uploads.";
        Err(RequestError::http(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::BadUserInput,
            message,
        ))
    }
}

/// A person who opens the endpoint in a browser wants to see something.
fn to_the_playground() -> http::Response<Body> {
    let mut answer = http::Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    answer
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_static("/playground"));
    answer
}

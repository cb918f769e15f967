//! What every answer has in common: a request id, security headers, CORS, compression, a line in
//! the log, and an answer at all when a handler panics.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::MatchedPath;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderName};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate as _, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::origins::Origins;
use crate::request_id::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a request id that a client or proxy brings along; others are replaced.
const MAX_REQUEST_ID: usize = 64;
/// Below this, compressing costs more than it saves.
const MIN_COMPRESSED_BYTES: u64 = 1024;
/// How long a browser remembers what it may send; browsers cap it at two hours or less.
const PREFLIGHT_AGE: Duration = Duration::from_secs(7200);

/// An answer that is no document loads nothing and is framed by nobody.
const API_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
/// The playground is served whole from here: its scripts, its styles, and the API it talks to.
const PLAYGROUND_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// What the operator decides.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    pub origins: Origins,
    /// Tell browsers to come back over TLS only, for a year. Only where TLS really ends before us.
    pub hsts: bool,
}

/// Puts the common layers around all routes of `app`.
pub fn dress(app: Router, edge: &Edge) -> Router {
    let dress = DressLayer { hsts: edge.hsts };
    let catch = CatchPanicLayer::custom(panicked);
    let compress = CompressionLayer::new().compress_when(SizeAbove::new(MIN_COMPRESSED_BYTES).and(is_text));
    // One call, not one for each: every call boxes the route once more.
    if edge.origins.is_empty() {
        app.layer((dress, catch, compress))
    } else {
        app.layer((dress, cors(&edge.origins), catch, compress))
    }
}

/// Exact origins only, and never with credentials: a token is put into a header by the page itself.
fn cors(origins: &Origins) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.as_slice().iter().cloned()))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            REQUEST_ID,
            HeaderName::from_static("apollo-require-preflight"),
            HeaderName::from_static("graphql-require-preflight"),
            HeaderName::from_static("x-apollo-operation-name"),
        ])
        .expose_headers([REQUEST_ID, header::RETRY_AFTER])
        .max_age(PREFLIGHT_AGE)
}

/// Images are compressed already; an event stream must not wait in a compressor.
fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim_end();
    match kind.split_once('/') {
        Some(("text", subtype)) => subtype != "event-stream",
        Some(("application", subtype)) => {
            matches!(subtype, "json" | "javascript" | "wasm") || subtype.ends_with("+json")
        }
        Some(("image", subtype)) => subtype == "svg+xml",
        _ => false,
    }
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    // The panic hook has told the log already, with the place.
    const BODY: &str =
        r#"{"errors":[{"message":"Something went wrong on our side.","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#;
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        [(header::CONTENT_TYPE, "application/json")],
        BODY,
    )
        .into_response()
}

/// The id that came with the request if it is harmless in a log, else a new one.
fn request_id(headers: &HeaderMap) -> RequestId {
    let is_sane = |id: &&str| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_sane) {
        Some(id) => RequestId(id.into()),
        None => RequestId::fresh(),
    }
}

#[derive(Clone, Copy)]
struct DressLayer {
    hsts: bool,
}

impl<S> Layer<S> for DressLayer {
    type Service = Dress<S>;
    fn layer(&self, inner: S) -> Dress<S> {
        Dress { inner, hsts: self.hsts }
    }
}

/// Gives the request its id, and the answer its id, its security headers and its line in the log.
#[derive(Clone)]
struct Dress<S> {
    inner: S,
    hsts: bool,
}

impl<S, B, C> Service<Request<B>> for Dress<S>
where
    S: Service<Request<B>, Response = http::Response<C>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Dressed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = request_id(request.headers());
        let about = About {
            id: id.clone(),
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            policy: if request.uri().path().starts_with("/playground") {
                PLAYGROUND_POLICY
            } else {
                API_POLICY
            },
            hsts: self.hsts,
            since: Instant::now(),
        };
        request.extensions_mut().insert(id);
        Dressed {
            answer: self.inner.call(request),
            about,
        }
    }
}

struct About {
    id: RequestId,
    method: Method,
    route: Option<MatchedPath>,
    policy: HeaderValue,
    hsts: bool,
    since: Instant,
}

pin_project! {
    struct Dressed<F> {
        #[pin]
        answer: F,
        about: About,
    }
}

impl<F, C, E> Future for Dressed<F>
where
    F: Future<Output = Result<http::Response<C>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.answer.poll(cx))?;
        this.about.log(response.status());
        this.about.dress(response.headers_mut());
        Poll::Ready(Ok(response))
    }
}

impl About {
    fn dress(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        );
        headers.insert(
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
        );
        if self.hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
        headers.insert(
            REQUEST_ID,
            HeaderValue::from_str(&self.id.0).expect("a request id is letters, digits, - and _"),
        );
    }

    /// The route, not the path: paths of objects and callbacks carry what logs must not.
    fn log(&self, status: StatusCode) {
        let route = self.route.as_ref().map_or("(none)", MatchedPath::as_str);
        let micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        if status.is_server_error() {
            tracing::info!(
                request_id = &*self.id.0,
                method = self.method.as_str(),
                route,
                status = status.as_u16(),
                micros,
                "answered"
            );
        } else {
            tracing::debug!(
                request_id = &*self.id.0,
                method = self.method.as_str(),
                route,
                status = status.as_u16(),
                micros,
                "answered"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(given: &str) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(given.as_bytes()).expect("a header"));
        request_id(&headers)
    }

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_is_replaced() {
        let longest = "a".repeat(MAX_REQUEST_ID);
        for sane in ["7f3_A-9", longest.as_str()] {
            assert_eq!(&*id_for(sane).0, sane);
        }
        for wrong in ["", "a b", "a\"b", "ä", &"a".repeat(MAX_REQUEST_ID + 1)] {
            assert_ne!(&*id_for(wrong).0, wrong);
        }
    }

    #[test]
    fn two_requests_without_an_id_get_two() {
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[test]
    fn text_is_compressed_and_streams_and_images_are_not() {
        let compressed = |kind: &'static str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            is_text(StatusCode::OK, Version::HTTP_11, &headers, &Extensions::new())
        };
        for text in [
            "application/json",
            "application/graphql-response+json; charset=utf-8",
            "text/html",
            "image/svg+xml",
            "text/javascript",
        ] {
            assert!(compressed(text), "{text}");
        }
        for other in [
            "text/event-stream",
            "text/event-stream; charset=utf-8",
            "image/png",
            "application/octet-stream",
            "",
        ] {
            assert!(!compressed(other), "{other}");
        }
    }
}

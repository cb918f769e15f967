//! Sends requests to the routes without a socket.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tavern_domain::Limits;
use tavern_gateway::ws::Sockets;
use tavern_gateway::{Front, Origins, graphql_routes};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::ToyHouse;

pub struct Toy {
    pub house: Arc<ToyHouse>,
    pub front: Front<ToyHouse>,
    router: Router,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a header of ASCII"))
    }
    /// `extensions.code` of the first error.
    pub fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
    /// The message of the first error.
    pub fn message(&self) -> String {
        self.json()["errors"][0]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
    /// Refused before execution: this code, no data, a message that contains `part`.
    pub fn assert_refused(&self, status: u16, code: &str, part: &str) {
        assert_eq!(
            (self.status.as_u16(), self.code().as_str()),
            (status, code),
            "{}",
            self.text
        );
        assert!(self.json().get("data").is_none(), "there is data: {}", self.text);
        assert!(
            self.message().contains(part),
            "{:?} does not say {part:?}",
            self.message()
        );
    }
    /// Executed without errors, to this data.
    pub fn assert_data(&self, data: Value) {
        assert_eq!((self.status.as_u16(), self.json()), (200, json!({ "data": data })));
    }
}

impl Toy {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let house = ToyHouse::new(limits);
        let front = Front::new(house.clone());
        let sockets = Sockets::new(front.clone(), Origins::default(), CancellationToken::new());
        let router = graphql_routes(front.clone(), sockets);
        Self { house, front, router }
    }

    /// The answer once its head is there.
    pub async fn open(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("routes do not fail")
    }

    /// Sends from a task, so that the client can go away: by aborting it.
    pub fn start(&self, request: Request<Body>) -> JoinHandle<Result<Response<Body>, Infallible>> {
        tokio::spawn(self.router.clone().oneshot(request))
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.open(request).await.into_parts();
        let body: Bytes = body.collect().await.expect("a body that ends well").to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(body.into()).expect("UTF-8"),
        }
    }

    /// POSTs JSON and asks for `application/graphql-response+json`.
    pub async fn post(&self, body: Value) -> Answer {
        self.send(post(body.to_string())).await
    }

    pub async fn query(&self, query: &str) -> Answer {
        self.post(json!({ "query": query })).await
    }
}

/// A POST of JSON that accepts `application/graphql-response+json`.
pub fn post(body: impl Into<Body>) -> Request<Body> {
    request(
        "POST",
        &[
            ("content-type", "application/json"),
            ("accept", "application/graphql-response+json"),
        ],
        body,
    )
}

pub fn get(query_string: &str, accept: &str) -> Request<Body> {
    let uri = format!(
        "/graphql{}{query_string}",
        if query_string.is_empty() { "" } else { "?" }
    );
    Request::get(uri)
        .header("accept", accept)
        .body(Body::empty())
        .expect("a request")
}

pub fn request(method: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let builder = headers.iter().fold(
        Request::builder().method(method).uri("/graphql"),
        |builder, (name, value)| builder.header(*name, *value),
    );
    builder.body(body.into()).expect("a request")
}

/// Percent-encodes a query string.
pub fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

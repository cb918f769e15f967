//! Who gets a socket at all.

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use tavern_domain::Limits;
use tavern_gateway::ws::Sockets;
use tavern_gateway::{Front, Origins};
use tokio_util::sync::CancellationToken;

use crate::client::Toy;
use crate::support::ToyHouse;

/// The answer to a proper upgrade request with some headers changed. Without a connection below it,
/// 426 is what a request gets that passed every check.
fn answer_to(changes: &[(&'static str, &'static str)], shutdown: bool) -> Response {
    let token = CancellationToken::new();
    if shutdown {
        token.cancel();
    }
    let origins = Origins::parse(&["https://app.example"]).expect("an origin");
    let sockets = Sockets::new(Front::new(ToyHouse::new(Limits::default())), origins, token);
    let mut request = Request::get("/graphql").body(Body::empty()).expect("a request");
    let proper = [
        ("host", "tavern.example"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "chat, graphql-transport-ws"),
    ];
    for (name, value) in proper.iter().chain(changes) {
        if value.is_empty() {
            request.headers_mut().remove(*name);
        } else {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
    }
    sockets.upgrade(request)
}

fn status(changes: &[(&'static str, &'static str)]) -> StatusCode {
    answer_to(changes, false).status()
}

const PASSED: StatusCode = StatusCode::UPGRADE_REQUIRED;

#[tokio::test]
async fn a_client_that_offers_our_subprotocol_gets_a_socket() {
    Toy::new().connect().await;
}

#[test]
fn clients_of_other_subprotocols_are_refused_before_the_upgrade() {
    assert_eq!(status(&[]), PASSED);
    for offered in ["graphql-ws", "graphql-transport-wss", ""] {
        assert_eq!(
            status(&[("sec-websocket-protocol", offered)]),
            StatusCode::BAD_REQUEST,
            "{offered}"
        );
    }
}

#[test]
fn pages_of_foreign_origins_are_refused() {
    for allowed in ["https://app.example", "https://tavern.example"] {
        assert_eq!(status(&[("origin", allowed)]), PASSED, "{allowed}");
    }
    for foreign in ["https://evil.example", "null"] {
        assert_eq!(status(&[("origin", foreign)]), StatusCode::FORBIDDEN, "{foreign}");
    }
}

#[test]
fn half_a_websocket_request_is_refused() {
    for missing in ["connection", "upgrade", "sec-websocket-key"] {
        assert_eq!(status(&[(missing, "")]), StatusCode::BAD_REQUEST, "{missing}");
    }
}

#[test]
fn another_websocket_version_is_told_ours() {
    let refusal = answer_to(&[("sec-websocket-version", "8")], false);
    assert_eq!(
        (refusal.status(), &refusal.headers()["sec-websocket-version"]),
        (StatusCode::UPGRADE_REQUIRED, &"13".parse().expect("a header"))
    );
}

#[test]
fn a_server_that_shuts_down_opens_no_more_sockets() {
    assert_eq!(answer_to(&[], true).status(), StatusCode::SERVICE_UNAVAILABLE);
}

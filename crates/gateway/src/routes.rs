//! The one endpoint of the API.

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use http::{Method, header};

use crate::front::Front;
use crate::house::House;
use crate::ws::Sockets;

/// `/graphql`: GET and POST, WebSocket, and server-sent events by `Accept`.
pub fn graphql_routes<H: House>(front: Front<H>, sockets: Sockets<H>) -> Router {
    let answer = move |request: Request| {
        let (front, sockets) = (front.clone(), sockets.clone());
        async move {
            if opens_a_socket(&request) {
                sockets.upgrade(request)
            } else {
                crate::http::handle(front, request).await
            }
        }
    };
    Router::new().route("/graphql", any(answer))
}

fn opens_a_socket(request: &Request) -> bool {
    request.method() == Method::GET
        && request
            .headers()
            .get(header::UPGRADE)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

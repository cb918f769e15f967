//! GraphQL over WebSocket: the subprotocol `graphql-transport-ws`, for queries, mutations and subscriptions.
//!
//! One task per socket owns everything the socket has, so an idle socket costs little and a busy one
//! takes no locks. The promises:
//! - Every operation gets its turn: one that always has something to say starves neither the others
//!   nor the client's own messages.
//! - Memory is bounded by bytes. While a client does not read, its subscriptions are not asked for
//!   more; their sources merge what happens meanwhile, so a slow reader gets news, not history.
//! - A socket ends with a close code that says whether to come back, below.
//!
//! | code | why | come back |
//! |---|---|---|
//! | 1001 | pings were not answered | yes |
//! | 1002, 1007, 1009 | broken frames; text that is not UTF-8; a message over the limit | no |
//! | 1012 | this server restarts | yes, at once: another node takes over |
//! | 4400 | a message that is none of the protocol's | no |
//! | 4401 | `subscribe` before `connection_ack` | no |
//! | 4403 | the token does not hold, or has expired | with a new token |
//! | 4408 | no `connection_init` in time | yes |
//! | 4409 | two operations with one id | no |
//! | 4429 | a second `connection_init`, too many messages, or too many sockets of one account | no |

mod operations;
mod outbox;
mod pace;
pub(crate) mod protocol;
mod session;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use parking_lot::Mutex;
use tavern_domain::UserId;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::sync::CancellationToken;

use crate::front::Front;
use crate::house::House;
use crate::origins::Origins;
use crate::request_id::RequestId;

use session::{Arrival, Session};

const SUBPROTOCOL: &str = "graphql-transport-ws";

/// All sockets of this server. Cheap to clone.
pub struct Sockets<H: House>(Arc<Shared<H>>);

struct Shared<H: House> {
    front: Front<H>,
    origins: Origins,
    shutdown: CancellationToken,
    users: Mutex<HashMap<UserId, usize>>,
}

impl<H: House> Clone for Sockets<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: House> Sockets<H> {
    /// When `shutdown` is cancelled, open sockets close with 1012 and no new one is opened.
    #[must_use]
    pub fn new(front: Front<H>, origins: Origins, shutdown: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            front,
            origins,
            shutdown,
            users: Mutex::default(),
        }))
    }

    /// Answers a GET with `Upgrade: websocket`: 101, and a task serves the socket, or why not.
    ///
    /// The address comes from the extension `ConnectInfo<SocketAddr>`, the id from [`RequestId`].
    pub fn upgrade(&self, mut request: Request<Body>) -> Response {
        let accept = match self.check(&request) {
            Ok(accept) => accept,
            Err(refusal) => return refusal.into_response(),
        };
        let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
            return Refusal(StatusCode::UPGRADE_REQUIRED, "This connection cannot be upgraded.").into_response();
        };
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let arrival = Arrival {
            address: address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip()),
            request_id: request.extensions_mut().remove().unwrap_or_else(RequestId::fresh),
            authorization: request
                .headers()
                .get(header::AUTHORIZATION)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into()),
        };
        let sockets = self.clone();
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let stream = session::stream(upgraded, sockets.0.front.limits()).await;
                    let mut session = Session::new(sockets, stream, arrival);
                    let ending = session.serve().await;
                    // Boxed: most of a socket's life should not carry the room its last moments need.
                    Box::pin(session.end(ending)).await;
                }
                Err(error) => tracing::debug!(%error, "the client left during the upgrade"),
            }
        });
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    }

    /// The value of `Sec-WebSocket-Accept`.
    fn check(&self, request: &Request<Body>) -> Result<HeaderValue, Refusal> {
        let refuse = |status, why| Err(Refusal(status, why));
        let headers = request.headers();
        if request.method() != Method::GET
            || !lists(headers, &header::CONNECTION, "upgrade")
            || !lists(headers, &header::UPGRADE, "websocket")
        {
            let why = "A WebSocket begins with GET, `Connection: upgrade` and `Upgrade: websocket`.";
            return refuse(StatusCode::BAD_REQUEST, why);
        }
        if headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .is_none_or(|version| version != "13")
        {
            return refuse(
                StatusCode::UPGRADE_REQUIRED,
                "Only WebSocket version 13 is spoken here.",
            );
        }
        let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
            return refuse(StatusCode::BAD_REQUEST, "`Sec-WebSocket-Key` is missing.");
        };
        if !self.0.origins.allow(headers) {
            return refuse(StatusCode::FORBIDDEN, "Pages of this origin may not open sockets here.");
        }
        if !lists(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
            let why = "Only the subprotocol `graphql-transport-ws` is spoken here; the older `graphql-ws` is not.";
            return refuse(StatusCode::BAD_REQUEST, why);
        }
        if self.0.shutdown.is_cancelled() {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "This server is shutting down.");
        }
        Ok(HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is a header value"))
    }

    /// Counts one more socket of `user`, until the slot is dropped. `None` if it is one too many.
    fn claim(&self, user: UserId) -> Option<Slot<H>> {
        let mut users = self.0.users.lock();
        let count = users.entry(user).or_default();
        if *count >= self.0.front.limits().sockets_per_user {
            if *count == 0 {
                users.remove(&user);
            }
            return None;
        }
        *count += 1;
        Some(Slot {
            sockets: self.clone(),
            user,
        })
    }
}

/// One socket of an account.
struct Slot<H: House> {
    sockets: Sockets<H>,
    user: UserId,
}

impl<H: House> Drop for Slot<H> {
    fn drop(&mut self) {
        let mut users = self.sockets.0.users.lock();
        if let Some(count) = users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.user);
            }
        }
    }
}

/// Whether a header that is a list of tokens has `token`, in any case.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// Why there is no socket.
struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, why) = self;
        match status {
            StatusCode::UPGRADE_REQUIRED => (status, [(header::SEC_WEBSOCKET_VERSION, "13")], why).into_response(),
            StatusCode::SERVICE_UNAVAILABLE => (status, [(header::RETRY_AFTER, "1")], why).into_response(),
            _ => (status, why).into_response(),
        }
    }
}

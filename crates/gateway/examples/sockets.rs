//! A toy house behind the real fronts, to look at sockets from outside: `cargo run --example sockets`
//! prints the address; `/memory` answers with the bytes this process has resident.

use std::net::SocketAddr;
use std::sync::Arc;

use async_graphql::{EmptyMutation, Object, Request, Schema, Subscription};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures::Stream;
use tavern_domain::actor::SignedIn;
use tavern_domain::{Actor, Clock as _, Error, Limits, RefreshFamilyId, Result, Role, SystemClock, Timestamp, UserId};
use tavern_gateway::layers::{Edge, dress};
use tavern_gateway::ws::Sockets;
use tavern_gateway::{Authenticated, Caller, Front, House, Origins, server};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }
}

struct Events(broadcast::Sender<i32>);

#[Subscription]
impl Events {
    async fn news(&self) -> impl Stream<Item = i32> {
        let news = self.0.subscribe();
        futures::stream::unfold(news, |mut news| async move {
            news.recv().await.ok().map(|item| (item, news))
        })
    }

    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        futures::stream::iter(1..=to)
    }
}

type Toys = Schema<Query, EmptyMutation, Events>;

struct Toy {
    schema: Toys,
    limits: Limits,
}

impl House for Toy {
    type Schema = Toys;

    fn schema(&self) -> &Toys {
        &self.schema
    }

    fn authenticate(&self, token: &str) -> Result<Authenticated> {
        if token != "good" {
            return Err(Error::unauthenticated());
        }
        let signed_in = SignedIn {
            user: UserId::new(),
            login: RefreshFamilyId::new(),
            roles: vec![Role::User],
        };
        Ok(Authenticated {
            actor: Actor::User(Arc::new(signed_in)),
            expires_at: Timestamp(i64::MAX),
        })
    }

    fn with_context(&self, request: Request, caller: &Caller) -> Request {
        request.data(caller.clone())
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

async fn memory() -> String {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let resident: u64 = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("the second number is the resident pages");
    (resident * 4096).to_string()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let limits = Limits {
        connections: 100_000,
        connections_per_address: 100_000,
        ..Limits::default()
    };
    let schema = Schema::new(Query, EmptyMutation, Events(broadcast::channel(16).0));
    let shutdown = CancellationToken::new();
    let front = Front::new(Arc::new(Toy {
        schema,
        limits: limits.clone(),
    }));
    let sockets = Sockets::new(front, Origins::default(), shutdown.clone());
    let upgrade = move |request: http::Request<Body>| std::future::ready(sockets.upgrade(request));
    let app = Router::new()
        .route("/graphql", get(upgrade))
        .route("/memory", get(memory));
    let listener = server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    println!("{}", listener.local_addr().expect("it listens"));
    let app = dress(app, &Edge::default());
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            tokio::signal::ctrl_c().await.expect("a signal handler");
            shutdown.cancel();
        }
    });
    server::serve(listener, app, Arc::new(limits), shutdown).await;
}

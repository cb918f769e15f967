//! A client that does not read costs a bounded queue, and then its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{EmptyMutation, Object, Request, Schema, Subscription};
use futures::Stream;
use serde_json::json;
use tavern_domain::{Clock as _, Error, Limits, Result, SystemClock, Timestamp};
use tavern_gateway::{Authenticated, Caller, House};
use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::client::{Toy, within};

const ITEM_BYTES: usize = 1024;

struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }
}

/// Tells how often it was asked, and when it was dropped.
#[derive(Clone)]
struct Source {
    asked: Arc<AtomicUsize>,
    gone: watch::Sender<bool>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.gone.send_replace(true);
    }
}

struct Events(watch::Sender<bool>, Arc<AtomicUsize>);

#[Subscription]
impl Events {
    /// A kilobyte whenever it is asked.
    async fn flood(&self) -> impl Stream<Item = String> {
        let source = Source {
            asked: self.1.clone(),
            gone: self.0.clone(),
        };
        futures::stream::repeat_with(move || {
            source.asked.fetch_add(1, Ordering::SeqCst);
            "x".repeat(ITEM_BYTES)
        })
    }
}

struct Flooding {
    schema: Schema<Query, EmptyMutation, Events>,
    limits: Limits,
}

impl House for Flooding {
    type Schema = Schema<Query, EmptyMutation, Events>;
    fn schema(&self) -> &Self::Schema {
        &self.schema
    }
    fn authenticate(&self, _: &str) -> Result<Authenticated> {
        Err(Error::unauthenticated())
    }
    fn with_context(&self, request: Request, _: &Caller) -> Request {
        request
    }
    fn limits(&self) -> &Limits {
        &self.limits
    }
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_asked_for_no_more_than_the_bound_and_cut() {
    let (gone, asked) = (watch::Sender::new(false), Arc::new(AtomicUsize::new(0)));
    let limits = Limits {
        write_stall_ms: 500,
        socket_queue_bytes: 64 * 1024,
        ..Limits::default()
    };
    let most = limits.socket_queue_bytes / ITEM_BYTES;
    let toy = Toy::of(Arc::new(Flooding {
        schema: Schema::new(Query, EmptyMutation, Events(gone.clone(), asked.clone())),
        limits,
    }));
    let tcp = TcpSocket::new_v4().expect("a socket");
    // The kernel's share of what waits, kept small so that ours shows.
    tcp.set_recv_buffer_size(4096).expect("a buffer size");
    let tcp = tcp.connect(toy.address).await.expect("the server listens");
    let mut client = toy.connect_over(tcp, &[]).await;
    client.send(json!({ "type": "connection_init" })).await;
    client.next().await;
    client.subscribe("1", "subscription { flood }").await;
    within("the cut", gone.subscribe().wait_for(|gone| *gone))
        .await
        .expect("the sender lives");
    let asked = asked.load(Ordering::SeqCst);
    // Our queue, the socket's write buffer, and what two kernels hold.
    assert!(
        asked > most / 2 && asked < 8 * most,
        "{asked} kilobytes for a queue of {most}"
    );
}

#[tokio::test]
async fn a_slow_client_gets_everything_of_a_source_that_waits() {
    let toy = Toy::with(|limits| limits.socket_queue_bytes = 256);
    let mut client = toy.ready().await;
    client.subscribe("1", "subscription { count(to: 2000) }").await;
    for n in 1..=2000 {
        client.expect_data("1", json!({ "count": n })).await;
    }
    client.expect_complete("1").await;
}

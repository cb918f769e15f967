//! What a connection may not do for ever, too often, or too much of.

use tavern_domain::Limits;
use tavern_gateway::layers::Edge;
use tokio::io::AsyncReadExt as _;

use crate::client::{Site, within};

fn with(change: impl FnOnce(&mut Limits)) -> Site {
    Site::with(change, &Edge::default())
}

#[tokio::test]
async fn handlers_know_the_peer() {
    let site = Site::new();
    let mut client = site.connect().await;
    let own = client.0.get_ref().local_addr().expect("it is connected").to_string();
    assert_eq!(client.get("/peer", &[]).await.text(), own);
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection() {
    let site = with(|limits| limits.header_timeout_ms = 100);
    let mut client = site.connect().await;
    client.write("GET / HTTP/1.1\r\nhost: tavern.example\r\nx-slow").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_client_that_asks_nothing_loses_its_connection() {
    let site = with(|limits| limits.header_timeout_ms = 100);
    site.connect().await.expect_end().await;
}

#[tokio::test]
async fn a_head_too_large_is_refused() {
    let site = Site::new();
    let answer = site
        .get(
            "/",
            &[("x-large", &"x".repeat(Limits::default().query_string_bytes + 32 * 1024))],
        )
        .await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn sixty_four_header_fields_pass_and_one_more_is_refused() {
    let site = Site::new();
    let fields = |count: usize| vec![("x-many", "1"); count - 1];
    assert_eq!(site.get("/", &fields(64)).await.status, 200);
    assert_eq!(site.get("/", &fields(65)).await.status, 431);
}

#[tokio::test]
async fn a_connection_over_the_cap_is_told_to_come_back_and_may() {
    let site = with(|limits| limits.connections = 2);
    let (mut first, mut second) = (site.connect().await, site.connect().await);
    assert_eq!(first.get("/", &[]).await.status, 200);
    assert_eq!(second.get("/", &[]).await.status, 200);
    let refusal = site.get("/", &[]).await;
    assert_eq!((refusal.status, refusal.header("retry-after")), (503, "5"));
    assert_eq!(first.get("/", &[("connection", "close")]).await.status, 200);
    first.expect_end().await;
    // The place is free once the server has seen both sides closed.
    drop(first);
    within("a free place", async {
        while site.get("/", &[]).await.status == 503 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

// Only Linux has the whole of 127.0.0.0/8 on its loopback.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_has_so_many_connections_and_others_have_theirs() {
    let site = with(|limits| limits.connections_per_address = 2);
    let (mut first, mut second) = (site.connect().await, site.connect().await);
    assert_eq!(first.get("/", &[]).await.status, 200);
    assert_eq!(second.get("/", &[]).await.status, 200);
    assert_eq!(site.get("/", &[]).await.status, 503);
    let mut neighbour = site.connect_from([127, 0, 0, 2].into()).await;
    assert_eq!(neighbour.get("/", &[]).await.status, 200);
}

#[tokio::test]
async fn a_connection_serves_so_many_requests() {
    let site = with(|limits| limits.requests_per_connection = 3);
    let mut client = site.connect().await;
    for _ in 0..2 {
        assert_eq!(client.get("/", &[]).await.header("connection"), "");
    }
    let last = client.get("/", &[]).await;
    assert_eq!((last.status, last.header("connection")), (200, "close"));
    client.expect_end().await;
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_loses_its_connection() {
    let site = with(|limits| limits.write_stall_ms = 100);
    let mut client = site.connect().await;
    client.ask("GET", "/huge", &[]).await;
    // It ends without anybody having read, so that nothing is left for the shutdown to wait for.
    site.shutdown.cancel();
    within("the server", site.served).await.expect("it ends well");
    let mut received = Vec::new();
    let _ = client.0.read_to_end(&mut received).await;
    assert!(received.len() < 64 * 1024 * 1024, "{} bytes", received.len());
}

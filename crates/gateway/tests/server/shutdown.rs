//! How a server stops.

use tavern_gateway::layers::Edge;
use tokio::net::TcpStream;

use crate::client::{Site, within};

#[tokio::test]
async fn a_request_under_way_gets_its_answer_and_its_connection_ends() {
    let site = Site::new();
    let mut client = site.connect().await;
    client.ask("GET", "/gate", &[]).await;
    site.until_waiting(1).await;
    site.shutdown.cancel();
    site.gate.add_permits(1);
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.text(), answer.header("connection")),
        (200, "passed", "close")
    );
    client.expect_end().await;
    within("the server", site.served).await.expect("it ends well");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_a_shutdown_up() {
    let site = Site::new();
    let mut client = site.connect().await;
    assert_eq!(client.get("/", &[]).await.status, 200);
    site.shutdown.cancel();
    client.expect_end().await;
    within("the server", site.served).await.expect("it ends well");
}

#[tokio::test]
async fn nobody_is_accepted_once_a_shutdown_has_ended() {
    let site = Site::new();
    site.shutdown.cancel();
    within("the server", site.served).await.expect("it ends well");
    assert!(TcpStream::connect(site.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_in_time() {
    let site = Site::with(|limits| limits.shutdown_ms = 100, &Edge::default());
    let mut client = site.connect().await;
    client.ask("GET", "/gate", &[]).await;
    site.until_waiting(1).await;
    site.shutdown.cancel();
    within("the server", site.served).await.expect("it ends well");
    client.expect_end().await;
}

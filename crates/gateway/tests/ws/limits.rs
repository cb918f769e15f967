//! Every cap of a socket, on both sides.

use serde_json::{Value, json};
use tavern_domain::Limits;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Toy};
use crate::support::TOKEN;

/// A ping of exactly `bytes`.
fn ping_of(bytes: usize) -> Message {
    let frame = json!({ "type": "ping", "payload": { "pad": "" } }).to_string().len();
    Message::text(json!({ "type": "ping", "payload": { "pad": "x".repeat(bytes - frame) } }).to_string())
}

#[tokio::test]
async fn a_message_of_the_limit_passes_and_one_byte_more_closes() {
    let toy = Toy::new();
    let most = Limits::default().socket_message_bytes;
    let mut client = toy.ready().await;
    client.frame(ping_of(most)).await;
    assert_eq!(client.next().await["type"], "pong");
    client.frame(ping_of(most + 1)).await;
    let (code, reason) = client.closed().await;
    assert!(code == 1009 && reason.contains(&most.to_string()), "{code} {reason}");
}

#[tokio::test]
async fn an_id_of_the_limit_passes_and_one_byte_more_closes() {
    let toy = Toy::new();
    let most = Limits::default().socket_id_bytes;
    let mut client = toy.ready().await;
    client.subscribe(&"i".repeat(most), "{ hello }").await;
    assert_eq!(client.next().await["type"], "next");
    client.subscribe(&"i".repeat(most + 1), "{ hello }").await;
    let (code, reason) = client.closed().await;
    assert!(
        code == 4400 && reason.contains("`id`") && reason.contains(&most.to_string()),
        "{code} {reason}"
    );
}

#[tokio::test]
async fn one_operation_too_many_gets_an_error_and_the_others_go_on() {
    let toy = Toy::with(|limits| limits.socket_operations = 3);
    let mut client = toy.ready().await;
    for id in ["1", "2", "3"] {
        client.subscribe(id, "subscription { silent }").await;
    }
    client.subscribe("4", "subscription { silent }").await;
    assert!(client.expect_error("4", "QUOTA_EXCEEDED").await.contains('3'));
    toy.house.world.until_waiting(3).await;
    client.complete("2").await;
    client.subscribe("4", "{ hello }").await;
    client.expect_data("4", json!({ "hello": "world" })).await;
    assert_eq!(*toy.house.world.dropped.borrow(), 1);
}

#[tokio::test]
async fn ten_seconds_worth_of_messages_pass_at_once_and_one_more_closes() {
    let toy = Toy::with(|limits| limits.socket_messages_per_second = 1);
    let mut client = toy.ready().await;
    for _ in 0..9 {
        client.send(json!({ "type": "ping" })).await;
        assert_eq!(client.next().await, json!({ "type": "pong" }));
    }
    // A second of the ten may have come back meanwhile; more than that has not.
    for _ in 0..15 {
        let _ = futures::SinkExt::send(&mut client.socket, Message::text(r#"{"type":"pong"}"#)).await;
    }
    assert_eq!(client.closed().await.0, 4429);
}

#[tokio::test]
async fn frames_that_are_no_messages_count_too() {
    let toy = Toy::with(|limits| limits.socket_messages_per_second = 1);
    let mut client = toy.connect().await;
    for _ in 0..30 {
        let _ = futures::SinkExt::send(&mut client.socket, Message::Ping(bytes::Bytes::new())).await;
    }
    assert_eq!(client.closed().await.0, 4429);
}

async fn claim(toy: &Toy) -> Client {
    let mut client = toy.connect().await;
    client
        .send(json!({ "type": "connection_init", "payload": { "authorization": TOKEN } }))
        .await;
    client
}

#[tokio::test]
async fn an_account_has_so_many_sockets_and_gets_a_place_back_when_one_closes() {
    let toy = Toy::with(|limits| limits.sockets_per_user = 2);
    let mut first = toy.signed_in().await;
    let _second = toy.signed_in().await;
    let (code, reason) = claim(&toy).await.closed().await;
    assert!(code == 4429 && reason.contains('2'), "{code} {reason}");
    first.socket.close(None).await.expect("a close frame leaves");
    first.expect_close_reply().await;
    first.expect_end().await;
    let ack: Value = claim(&toy).await.next().await;
    assert_eq!(ack, json!({ "type": "connection_ack" }));
}

#[tokio::test]
async fn sockets_of_nobody_are_not_counted_against_an_account() {
    let toy = Toy::with(|limits| limits.sockets_per_user = 1);
    let _anonymous = (toy.ready().await, toy.ready().await);
    toy.signed_in().await;
}

//! The life of a connection: its beginning, its pings, its end.

use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::client::{Toy, within};

#[tokio::test]
async fn a_client_that_says_nothing_is_closed_in_time() {
    let toy = Toy::with(|limits| limits.socket_init_ms = 50);
    let mut client = toy.connect().await;
    assert_eq!(
        client.closed().await,
        (4408, "Connection initialisation timeout".into())
    );
    client.expect_end().await;
}

#[tokio::test]
async fn an_acknowledged_connection_outlives_the_time_for_its_beginning() {
    let toy = Toy::with(|limits| (limits.socket_init_ms, limits.socket_ping_ms) = (500, 600));
    let mut client = toy.ready().await;
    client.pinged().await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_second_init_closes() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.send(json!({ "type": "connection_init" })).await;
    assert_eq!(client.closed().await, (4429, "Too many initialisation requests".into()));
}

#[tokio::test]
async fn an_operation_before_the_acknowledgement_closes() {
    let toy = Toy::new();
    let mut client = toy.connect().await;
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.closed().await, (4401, "Unauthorized".into()));
}

#[tokio::test]
async fn a_message_of_no_protocol_closes_and_says_why() {
    let toy = Toy::new();
    for (wrong, named) in [
        ("", "JSON"),
        ("{}", "`type`"),
        (r#"{"type":"start","id":"1","payload":{"query":"{ hello }"}}"#, "`type`"),
        (r#"{"type":"subscribe","payload":{"query":"{ hello }"}}"#, "`id`"),
    ] {
        let mut client = toy.ready().await;
        client.frame(Message::text(wrong)).await;
        let (code, reason) = client.closed().await;
        assert!(code == 4400 && reason.contains(named), "{code} {reason}");
    }
}

#[tokio::test]
async fn a_binary_message_closes() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.frame(Message::binary(&br#"{"type":"ping"}"#[..])).await;
    assert_eq!(client.closed().await.0, 4400);
}

#[tokio::test]
async fn text_that_is_not_utf8_closes() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client
        .frame(Message::Frame(Frame::message(
            Bytes::from_static(b"\xff\xfe"),
            OpCode::Data(Data::Text),
            true,
        )))
        .await;
    assert_eq!(client.closed().await.0, 1007);
}

#[tokio::test]
async fn a_broken_frame_closes() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client
        .frame(Message::Frame(Frame::message(
            Bytes::new(),
            OpCode::Data(Data::Continue),
            true,
        )))
        .await;
    assert_eq!(client.closed().await.0, 1002);
}

#[tokio::test]
async fn a_message_in_fragments_is_one_message() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client
        .frame(Message::Frame(Frame::message(
            Bytes::from_static(br#"{"type":"#),
            OpCode::Data(Data::Text),
            false,
        )))
        .await;
    client
        .frame(Message::Frame(Frame::message(
            Bytes::from_static(br#""ping"}"#),
            OpCode::Data(Data::Continue),
            true,
        )))
        .await;
    assert_eq!(client.next().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload_even_before_the_beginning() {
    let toy = Toy::new();
    let mut client = toy.connect().await;
    client
        .send(json!({ "type": "ping", "payload": { "it": ["s", 1] } }))
        .await;
    assert_eq!(
        client.next().await,
        json!({ "type": "pong", "payload": { "it": ["s", 1] } })
    );
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.next().await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn a_pong_that_nobody_asked_for_is_fine() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.send(json!({ "type": "pong", "payload": { "beat": 1 } })).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_connected() {
    let toy = Toy::with(|limits| (limits.socket_ping_ms, limits.socket_pong_ms) = (50, 1_000));
    let mut client = toy.ready().await;
    for _ in 0..30 {
        client.pinged().await;
    }
    client.expect_silence().await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed_to_come_back() {
    let toy = Toy::with(|limits| (limits.socket_ping_ms, limits.socket_pong_ms) = (20, 40));
    let client = toy.connect().await;
    let mut received = Vec::new();
    // Below the WebSocket library, so that nobody answers.
    within("the end", client.socket.into_inner().read_to_end(&mut received))
        .await
        .expect("a connection that ends well");
    let close = [&[0x88, 25][..], &1001_u16.to_be_bytes(), b"Pings were not answered"].concat();
    assert!(received.ends_with(&close), "{received:?}");
}

#[tokio::test]
async fn a_client_that_closes_gets_its_code_back() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("1", "subscription { silent }").await;
    toy.house.world.until_waiting(1).await;
    client.socket.close(None).await.expect("a close frame leaves");
    client.expect_close_reply().await;
    toy.house.world.until_dropped(1).await;
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("1", "subscription { silent }").await;
    toy.house.world.until_waiting(1).await;
    drop(client);
    toy.house.world.until_dropped(1).await;
}

#[tokio::test]
async fn a_restart_closes_sockets_to_come_back_and_waits_for_them() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("1", "subscription { silent }").await;
    toy.house.world.until_waiting(1).await;
    toy.shutdown.cancel();
    assert_eq!(client.closed().await, (1012, "Service restart".into()));
    client.expect_end().await;
    drop(client);
    within("the server", toy.served).await.expect("it ends well");
    toy.house.world.until_dropped(1).await;
}

#[tokio::test]
async fn a_half_closed_connection_is_over() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("1", "subscription { silent }").await;
    toy.house.world.until_waiting(1).await;
    client.socket.get_mut().shutdown().await.expect("half a close");
    toy.house.world.until_dropped(1).await;
}

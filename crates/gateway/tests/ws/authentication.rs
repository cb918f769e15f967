//! Who a socket speaks for.

use serde_json::{Value, json};

use crate::client::{Client, Toy};
use crate::support::{BRIEF_TOKEN, TOKEN};

async fn who(client: &mut Client) -> Value {
    client.subscribe("who", "{ whoami }").await;
    client.next().await["payload"]["data"]["whoami"].take()
}

#[tokio::test]
async fn a_token_is_taken_from_the_payload_in_every_common_spelling() {
    let toy = Toy::new();
    for payload in [
        json!({ "authorization": format!("Bearer {TOKEN}") }),
        json!({ "Authorization": format!("bearer {TOKEN}") }),
        json!({ "authorization": TOKEN }),
    ] {
        assert_eq!(who(&mut toy.init(payload).await).await, toy.house.user().to_string());
    }
}

#[tokio::test]
async fn without_a_token_the_socket_is_nobodys() {
    let toy = Toy::new();
    for payload in [
        json!(null),
        json!({}),
        json!({ "authorization": null }),
        json!({ "other": 1 }),
    ] {
        assert_eq!(who(&mut toy.init(payload).await).await, Value::Null);
    }
}

#[tokio::test]
async fn a_client_that_can_set_headers_may_send_its_token_there() {
    let toy = Toy::new();
    let mut client = toy
        .connect_over(toy.tcp().await, &[("authorization", "Bearer good")])
        .await;
    client.send(json!({ "type": "connection_init" })).await;
    client.next().await;
    assert_eq!(who(&mut client).await, toy.house.user().to_string());
}

#[tokio::test]
async fn a_token_in_the_payload_goes_before_the_header() {
    let toy = Toy::new();
    let mut client = toy
        .connect_over(toy.tcp().await, &[("authorization", "Bearer bad")])
        .await;
    client
        .send(json!({ "type": "connection_init", "payload": { "authorization": TOKEN } }))
        .await;
    assert_eq!(client.next().await, json!({ "type": "connection_ack" }));
}

#[tokio::test]
async fn a_token_that_does_not_hold_closes_with_forbidden() {
    let toy = Toy::new();
    for wrong in [
        json!("bad"),
        json!("Bearer bad"),
        json!("Basic good"),
        json!(""),
        json!(1),
    ] {
        let mut client = toy.connect().await;
        client
            .send(json!({ "type": "connection_init", "payload": { "authorization": wrong } }))
            .await;
        assert_eq!(client.closed().await, (4403, "Forbidden".into()), "{wrong}");
    }
}

#[tokio::test]
async fn a_header_that_does_not_hold_closes_with_forbidden() {
    let toy = Toy::new();
    let mut client = toy
        .connect_over(toy.tcp().await, &[("authorization", "Bearer bad")])
        .await;
    client.send(json!({ "type": "connection_init" })).await;
    assert_eq!(client.closed().await.0, 4403);
}

#[tokio::test]
async fn a_socket_does_not_outlive_its_token() {
    let toy = Toy::new();
    let mut client = toy.init(json!({ "authorization": BRIEF_TOKEN })).await;
    client.subscribe("1", "subscription { silent }").await;
    assert_eq!(client.closed().await, (4403, "token expired".into()));
    toy.house.world.until_dropped(1).await;
}

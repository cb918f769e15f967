//! What an operation says, and when it says no more.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::client::{Toy, within};

#[tokio::test]
async fn a_query_gives_one_result_and_its_end() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("q", "{ hello }").await;
    client.expect_data("q", json!({ "hello": "world" })).await;
    client.expect_complete("q").await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_mutation_gives_one_result_and_its_end() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("m", "mutation { bump }").await;
    client.expect_data("m", json!({ "bump": 1 })).await;
    client.expect_complete("m").await;
}

#[tokio::test]
async fn a_subscription_gives_every_result_in_order_and_its_end() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("s", "subscription { count(to: 100) }").await;
    for n in 1..=100 {
        client.expect_data("s", json!({ "count": n })).await;
    }
    client.expect_complete("s").await;
    client.expect_silence().await;
}

#[tokio::test]
async fn variables_and_the_operations_name_are_taken() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    let query = "query A { hello } subscription B($to: Int!) { count(to: $to) }";
    client.send(json!({ "type": "subscribe", "id": "1", "payload": { "query": query, "operationName": "B", "variables": { "to": 1 } } })).await;
    client.expect_data("1", json!({ "count": 1 })).await;
    client.expect_complete("1").await;
}

#[tokio::test]
async fn a_persisted_query_is_found_by_its_hash() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    let query = "{ hello }";
    let hash = format!("{:x}", Bytes::from(Sha256::digest(query).to_vec()));
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    client
        .send(json!({ "type": "subscribe", "id": "1", "payload": { "extensions": extensions } }))
        .await;
    client.expect_error("1", "PERSISTED_QUERY_NOT_FOUND").await;
    client
        .send(json!({ "type": "subscribe", "id": "2", "payload": { "query": query, "extensions": extensions } }))
        .await;
    client.expect_data("2", json!({ "hello": "world" })).await;
    client.expect_complete("2").await;
    client
        .send(json!({ "type": "subscribe", "id": "3", "payload": { "extensions": extensions } }))
        .await;
    client.expect_data("3", json!({ "hello": "world" })).await;
}

#[tokio::test]
async fn a_document_that_is_wrong_gets_an_error_and_nothing_more() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($n: Int!) { number(n: $n) }", "BAD_USER_INPUT"),
    ] {
        client.subscribe("e", query).await;
        client.expect_error("e", code).await;
        client.expect_silence().await;
    }
}

#[tokio::test]
async fn a_subscribe_without_a_document_gets_an_error() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client
        .send(json!({ "type": "subscribe", "id": "1", "payload": {} }))
        .await;
    assert!(client.expect_error("1", "BAD_USER_INPUT").await.contains("`query`"));
}

#[tokio::test]
async fn a_field_that_fails_is_part_of_a_result() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("1", "{ hello forbidden }").await;
    let message = client.next().await;
    assert_eq!(
        (&message["type"], &message["payload"]["errors"][0]["extensions"]["code"]),
        (&json!("next"), &json!("FORBIDDEN"))
    );
    client.expect_complete("1").await;
}

#[tokio::test]
async fn a_panic_ends_its_operation_and_nothing_else() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("quiet", "subscription { silent }").await;
    client.subscribe("loud", "{ panics }").await;
    assert!(
        !client
            .expect_error("loud", "INTERNAL_SERVER_ERROR")
            .await
            .contains("secret")
    );
    client.subscribe("late", "subscription { panics }").await;
    client.expect_data("late", json!({ "panics": 1 })).await;
    assert!(
        !client
            .expect_error("late", "INTERNAL_SERVER_ERROR")
            .await
            .contains("secret")
    );
    client.expect_silence().await;
    assert_eq!(*toy.house.world.dropped.borrow(), 0);
}

#[tokio::test]
async fn an_id_in_use_closes() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("twice", "subscription { silent }").await;
    client.subscribe("twice", "{ hello }").await;
    assert_eq!(
        client.closed().await,
        (4409, "Subscriber for twice already exists".into())
    );
}

#[tokio::test]
async fn an_id_may_be_used_again_after_a_result_an_error_and_a_completion() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("1", "{ hello }").await;
    client.next().await;
    client.expect_complete("1").await;
    client.subscribe("1", "{ nothing }").await;
    client.expect_error("1", "GRAPHQL_VALIDATION_FAILED").await;
    client.subscribe("1", "subscription { silent }").await;
    client.complete("1").await;
    client.subscribe("1", "{ hello }").await;
    client.expect_data("1", json!({ "hello": "world" })).await;
}

#[tokio::test]
async fn a_completed_subscription_is_dropped_in_silence() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("1", "subscription { silent }").await;
    toy.house.world.until_waiting(1).await;
    client.complete("1").await;
    toy.house.world.until_dropped(1).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_completed_query_gives_no_result() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("1", "{ atGate }").await;
    toy.house.world.until_waiting(1).await;
    client.complete("1").await;
    toy.house.world.until_dropped(1).await;
    toy.house.world.gate.add_permits(1);
    client.expect_silence().await;
}

#[tokio::test]
async fn completing_what_does_not_run_is_ignored() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.complete("nothing").await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_mutation_ends_even_if_its_client_has_gone() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("silent", "subscription { silent }").await;
    client.subscribe("mutation", "mutation { bumpAtGate }").await;
    toy.house.world.until_waiting(2).await;
    drop(client);
    // The socket is gone when its subscription is.
    toy.house.world.until_dropped(1).await;
    toy.house.world.gate.add_permits(1);
    within("the mutation", async {
        while toy.house.world.bumps() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_operation_that_never_stops_talking_starves_nobody() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("endless", "subscription { endless }").await;
    client.subscribe("count", "subscription { count(to: 50) }").await;
    client.subscribe("query", "{ hello }").await;
    client.send(json!({ "type": "ping" })).await;
    let mut awaited: HashSet<&str> = HashSet::from(["count", "query", "pong"]);
    while !awaited.is_empty() {
        let message = client.next().await;
        match (message["type"].as_str(), message["id"].as_str()) {
            (Some("pong"), _) => awaited.remove("pong"),
            (Some("complete"), Some(id)) => awaited.remove(id),
            _ => false,
        };
    }
    client.complete("endless").await;
}

#[tokio::test]
async fn a_long_result_arrives_whole() {
    let toy = Toy::new();
    let mut client = toy.ready().await;
    client.subscribe("1", "{ rows(count: 5000) { id name tags } }").await;
    assert_eq!(
        client.next().await["payload"]["data"]["rows"].as_array().map(Vec::len),
        Some(5000)
    );
    client.expect_complete("1").await;
}

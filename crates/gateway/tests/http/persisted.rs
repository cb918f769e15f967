//! Automatic persisted queries.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Toy, form, get};

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn extension(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

#[tokio::test]
async fn a_document_is_known_by_its_hash_once_it_was_sent_with_it() {
    let (toy, text) = (Toy::new(), "query($t: String!) { echo(text: $t) }");
    let extensions = extension(&hash(text));
    let ask = json!({ "extensions": extensions, "variables": { "t": "a" } });
    toy.post(ask.clone())
        .await
        .assert_refused(400, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound");
    toy.post(json!({ "query": text, "extensions": extensions, "variables": { "t": "b" } }))
        .await
        .assert_data(json!({ "echo": "b" }));
    toy.post(ask).await.assert_data(json!({ "echo": "a" }));
    let by_get = form(&[("extensions", &extensions.to_string()), ("variables", "{\"t\":\"c\"}")]);
    toy.send(get(&by_get, "application/json"))
        .await
        .assert_data(json!({ "echo": "c" }));
}

#[tokio::test]
async fn the_error_of_an_unknown_hash_is_the_one_clients_look_for() {
    let answer = Toy::new().post(json!({ "extensions": extension(&hash("x")) })).await;
    assert_eq!(answer.message(), "PersistedQueryNotFound");
}

#[tokio::test]
async fn a_hash_of_another_text_is_refused() {
    let toy = Toy::new();
    let extensions = extension(&hash("{ other }"));
    toy.post(json!({ "query": "{ hello }", "extensions": extensions }))
        .await
        .assert_refused(400, "BAD_USER_INPUT", "`sha256Hash`");
    toy.post(json!({ "extensions": extensions }))
        .await
        .assert_refused(400, "PERSISTED_QUERY_NOT_FOUND", "");
}

#[tokio::test]
async fn what_does_not_pass_the_guard_is_not_kept() {
    let (toy, text) = (Toy::new(), "{ ...A } fragment A on Query { ...A }");
    let extensions = extension(&hash(text));
    toy.post(json!({ "query": text, "extensions": extensions }))
        .await
        .assert_refused(400, "GRAPHQL_VALIDATION_FAILED", "spreads itself");
    toy.post(json!({ "extensions": extensions }))
        .await
        .assert_refused(400, "PERSISTED_QUERY_NOT_FOUND", "");
}

#[tokio::test]
async fn a_hash_has_64_hexadecimal_digits_of_either_case() {
    let toy = Toy::new();
    let good = hash("{ hello }");
    toy.post(json!({ "query": "{ hello }", "extensions": extension(&good.to_uppercase()) }))
        .await
        .assert_data(json!({ "hello": "world" }));
    for bad in [
        &good[1..],
        &format!("{good}0"),
        &format!("+{}", &good[1..]),
        &"é".repeat(32),
    ] {
        toy.post(json!({ "extensions": extension(bad) })).await.assert_refused(
            400,
            "BAD_USER_INPUT",
            "64 hexadecimal digits",
        );
    }
}

#[tokio::test]
async fn another_version_is_refused() {
    let extensions = json!({ "persistedQuery": { "version": 2, "sha256Hash": hash("{ hello }") } });
    Toy::new()
        .post(json!({ "query": "{ hello }", "extensions": extensions }))
        .await
        .assert_refused(400, "BAD_USER_INPUT", "must be 1, not 2");
}

#[tokio::test]
async fn an_extension_of_the_wrong_shape_is_refused() {
    Toy::new()
        .post(json!({ "query": "{ hello }", "extensions": { "persistedQuery": 5 } }))
        .await
        .assert_refused(400, "BAD_USER_INPUT", "The body is wrong");
}

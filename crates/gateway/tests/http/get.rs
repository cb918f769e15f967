//! GET: queries in the query string, and what a browser sees.

use http::Request;
use serde_json::json;

use crate::client::{Toy, form, get};

const JSON: &str = "application/graphql-response+json";

#[tokio::test]
async fn a_query_may_come_by_get() {
    let query = form(&[
        ("query", "query A($t: String!) { echo(text: $t) } query B { hello }"),
        ("operationName", "A"),
        ("variables", "{\"t\":\"ä+b\"}"),
        ("extensions", "{}"),
    ]);
    Toy::new()
        .send(get(&query, JSON))
        .await
        .assert_data(json!({ "echo": "ä+b" }));
}

#[tokio::test]
async fn a_mutation_may_not_come_by_get() {
    let toy = Toy::new();
    let answer = toy.send(get(&form(&[("query", "mutation { bump }")]), JSON)).await;
    answer.assert_refused(405, "BAD_USER_INPUT", "POST");
    assert_eq!((answer.header("allow"), toy.house.world.bumps()), ("POST", 0));
}

#[tokio::test]
async fn parameters_that_are_not_json_are_refused() {
    for (name, value, says) in [
        ("variables", "{", "`variables` is not JSON"),
        ("variables", "[1]", "expected `variables` to be an object"),
        ("variables", "{} x", "`variables` is not JSON"),
        ("extensions", "\"a\"", "expected `extensions` to be an object"),
    ] {
        Toy::new()
            .send(get(&form(&[("query", "{ hello }"), (name, value)]), JSON))
            .await
            .assert_refused(400, "BAD_USER_INPUT", says);
    }
}

#[tokio::test]
async fn the_depth_of_json_in_a_parameter_is_limited() {
    let toy = Toy::with(|limits| limits.json_depth = 2);
    let ask = |variables| get(&form(&[("query", "{ hello }"), ("variables", variables)]), JSON);
    toy.send(ask("{\"a\":[]}"))
        .await
        .assert_data(json!({ "hello": "world" }));
    toy.send(ask("{\"a\":[[]]}"))
        .await
        .assert_refused(400, "BAD_USER_INPUT", "nests 3 levels deep; the limit is 2");
}

#[tokio::test]
async fn an_empty_parameter_counts_as_absent() {
    Toy::new()
        .send(get(
            &form(&[("query", "{ hello }"), ("operationName", ""), ("variables", "")]),
            JSON,
        ))
        .await
        .assert_data(json!({ "hello": "world" }));
}

#[tokio::test]
async fn a_parameter_that_comes_twice_is_refused() {
    Toy::new()
        .send(get("query={hello}&query={hello}", JSON))
        .await
        .assert_refused(400, "BAD_USER_INPUT", "`query` is given twice");
}

#[tokio::test]
async fn the_size_of_a_query_string_is_limited() {
    let query = "query=%7Bhello%7D";
    Toy::with(|limits| limits.query_string_bytes = query.len())
        .send(get(query, JSON))
        .await
        .assert_data(json!({ "hello": "world" }));
    let answer = Toy::with(|limits| limits.query_string_bytes = query.len() - 1)
        .send(get(query, JSON))
        .await;
    answer.assert_refused(414, "BAD_USER_INPUT", "has 17 bytes; the limit is 16");
}

#[tokio::test]
async fn a_browser_is_sent_to_the_playground() {
    let answer = Toy::new()
        .send(get("", "text/html,application/xhtml+xml,*/*;q=0.8"))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/playground")
    );
}

#[tokio::test]
async fn a_browser_that_asks_something_gets_its_answer() {
    Toy::new()
        .send(get("query=%7Bhello%7D", "text/html,application/xhtml+xml,*/*;q=0.8"))
        .await
        .assert_data(json!({ "hello": "world" }));
}

#[tokio::test]
async fn a_get_without_a_query_is_refused() {
    Toy::new()
        .send(get("", JSON))
        .await
        .assert_refused(400, "BAD_USER_INPUT", "`query` is missing");
}

#[tokio::test]
async fn an_upgrade_goes_to_the_sockets() {
    let request = Request::get("/graphql")
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .body(String::new().into())
        .expect("a request");
    let answer = Toy::new().send(request).await;
    assert!(
        answer.status.is_client_error(),
        "not a whole handshake: {}",
        answer.status
    );
    assert!(!answer.text.contains("query"), "answered as a GET: {}", answer.text);
}

//! What clients are told when something fails, and what not.

use axum::body::Body;
use serde_json::json;
use tavern_gateway::RequestId;

use crate::client::{Toy, post};

fn with_id(query: &str) -> http::Request<Body> {
    let mut request = post(json!({ "query": query }).to_string());
    request.extensions_mut().insert(RequestId("req-1".into()));
    request
}

#[tokio::test]
async fn a_panic_is_an_internal_error_with_the_id_of_the_request() {
    let answer = Toy::new().send(with_id("{ panics }")).await;
    answer.assert_refused(500, "INTERNAL_SERVER_ERROR", "went wrong on our side");
    assert_eq!(answer.json()["errors"][0]["extensions"]["requestId"], "req-1");
    assert!(!answer.text.contains("secret"), "{}", answer.text);
}

#[tokio::test]
async fn a_panic_in_a_mutation_is_an_internal_error() {
    Toy::new().query("mutation { panics }").await.assert_refused(
        500,
        "INTERNAL_SERVER_ERROR",
        "went wrong on our side",
    );
}

#[tokio::test]
async fn an_error_without_a_code_is_masked() {
    let answer = Toy::new().send(with_id("{ fails }")).await;
    let expected = json!([{
        "message": "Something went wrong on our side.",
        "locations": [{ "line": 1, "column": 3 }],
        "path": ["fails"],
        "extensions": { "code": "INTERNAL_SERVER_ERROR", "requestId": "req-1" },
    }]);
    assert_eq!((answer.status.as_u16(), &answer.json()["errors"]), (200, &expected));
}

#[tokio::test]
async fn an_error_with_a_code_is_told_as_it_is() {
    let answer = Toy::new().query("{ forbidden }").await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.code().as_str(),
            answer.message().as_str()
        ),
        (200, "FORBIDDEN", "Not yours.")
    );
}

#[tokio::test]
async fn an_error_of_a_field_comes_with_data() {
    assert!(Toy::new().query("{ forbidden }").await.json().get("data").is_some());
}

#[tokio::test]
async fn a_variable_without_a_value_is_named() {
    for variables in [json!({}), json!({ "t": null })] {
        let answer = Toy::new()
            .post(json!({ "query": "query($t: String!) { echo(text: $t) }", "variables": variables }))
            .await;
        answer.assert_refused(
            400,
            "BAD_USER_INPUT",
            "Variable `$t` of required type `String!` has no value.",
        );
    }
}

#[tokio::test]
async fn a_variable_with_a_default_needs_no_value() {
    Toy::new()
        .query("query($t: String! = \"d\") { echo(text: $t) }")
        .await
        .assert_data(json!({ "echo": "d" }));
}

#[tokio::test]
async fn a_variable_of_the_wrong_type_is_bad_input() {
    let answer = Toy::new()
        .post(json!({ "query": "query($n: Int!) { number(n: $n) }", "variables": { "n": "five" } }))
        .await;
    answer.assert_refused(400, "BAD_USER_INPUT", "\"n\"");
}

#[tokio::test]
async fn a_literal_of_the_wrong_type_is_an_invalid_document() {
    Toy::new()
        .query("{ number(n: \"five\") }")
        .await
        .assert_refused(400, "GRAPHQL_VALIDATION_FAILED", "\"n\"");
}

#[tokio::test]
async fn a_value_that_a_field_refuses_is_bad_input() {
    let answer = Toy::new().query("{ number(n: 11) }").await;
    assert_eq!(
        (answer.code().as_str(), answer.json()["errors"][0]["path"].clone()),
        ("BAD_USER_INPUT", json!(["number"])),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn no_more_errors_are_reported_than_the_limit() {
    let fields = |count: usize| (0..count).map(|n| format!("nothing{n} ")).collect::<String>();
    let reported = async |count| {
        Toy::with(|limits| limits.reported_errors = 3)
            .query(&format!("{{ {} }}", fields(count)))
            .await
            .json()["errors"]
            .as_array()
            .map(Vec::len)
    };
    assert_eq!((reported(3).await, reported(4).await), (Some(3), Some(3)));
}

#[tokio::test]
async fn a_message_repeats_little_of_a_document() {
    let name = |length| format!("{{ {} }}", "a".repeat(length));
    assert!(Toy::new().query(&name(900)).await.message().contains(&"a".repeat(900)));
    assert_eq!(Toy::new().query(&name(9_000)).await.message().len(), 1024);
}

#[tokio::test]
async fn a_reference_to_an_upload_that_is_not_there_is_refused() {
    for forged in ["#__graphql_file__:0", "#__graphql_file__:x", "#__graphql_file__:-1"] {
        let answer = Toy::new()
            .post(json!({ "query": "mutation($f: [Upload!]!) { upload(files: $f) }", "variables": { "f": [forged] } }))
            .await;
        answer.assert_refused(400, "BAD_USER_INPUT", "not part of the request");
        Toy::new()
            .query(&format!("mutation {{ upload(files: [\"{forged}\"]) }}"))
            .await
            .assert_refused(400, "GRAPHQL_VALIDATION_FAILED", "upload");
    }
}

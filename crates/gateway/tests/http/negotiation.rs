//! `Accept` and what follows from it.

use serde_json::json;

use crate::client::{Toy, request};

const JSON: &str = "application/json; charset=utf-8";
const GRAPHQL: &str = "application/graphql-response+json; charset=utf-8";

async fn content_type(accept: &[(&str, &str)]) -> (u16, String) {
    let headers = [&[("content-type", "application/json")], accept].concat();
    let answer = Toy::new()
        .send(request("POST", &headers, "{\"query\":\"{ hello }\"}"))
        .await;
    (answer.status.as_u16(), answer.header("content-type").to_owned())
}

#[tokio::test]
async fn the_answer_has_the_type_that_is_liked_best() {
    for (accept, expected) in [
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json, application/graphql-response+json", GRAPHQL),
        ("application/graphql-response+json;q=0.5, application/json", JSON),
        (
            "application/json;q=0.5, APPLICATION/graphql-response+json; charset=utf-8; q=0.6",
            GRAPHQL,
        ),
        ("application/graphql-response+json, */*", GRAPHQL),
        ("application/json;q=0, */*", GRAPHQL),
        ("text/html, */*;q=0.1", JSON),
    ] {
        assert_eq!(
            content_type(&[("accept", accept)]).await,
            (200, expected.to_owned()),
            "{accept}"
        );
    }
}

#[tokio::test]
async fn without_accept_it_is_json() {
    assert_eq!(content_type(&[]).await, (200, JSON.to_owned()));
}

#[tokio::test]
async fn several_accept_headers_count_as_one() {
    assert_eq!(
        content_type(&[("accept", "text/html"), ("accept", "application/graphql-response+json")]).await,
        (200, GRAPHQL.to_owned())
    );
}

#[tokio::test]
async fn what_nobody_can_read_is_not_sent() {
    for accept in [
        "text/html",
        "image/*",
        "application/json;q=0",
        "application/json;q=x",
        "",
    ] {
        let answer = Toy::new()
            .send(request(
                "POST",
                &[("content-type", "application/json"), ("accept", accept)],
                "{\"query\":\"{ hello }\"}",
            ))
            .await;
        answer.assert_refused(406, "BAD_USER_INPUT", "`Accept`");
    }
}

#[tokio::test]
async fn a_wrong_document_is_200_as_json_and_400_as_graphql_response() {
    for (accept, status) in [("application/json", 200), ("application/graphql-response+json", 400)] {
        for body in [
            json!({ "query": "{" }),
            json!({ "query": "{ nothing }" }),
            json!({ "query": "query($t: String!) { echo(text: $t) }" }),
        ] {
            let answer = Toy::new()
                .send(request(
                    "POST",
                    &[("content-type", "application/json"), ("accept", accept)],
                    body.to_string(),
                ))
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.json().get("data")),
                (status, None),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_wrong_request_is_400_as_json_too() {
    let answer = Toy::new()
        .send(request(
            "POST",
            &[("content-type", "application/json"), ("accept", "application/json")],
            "{",
        ))
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn answers_are_not_kept_by_caches() {
    assert_eq!(Toy::new().query("{ hello }").await.header("cache-control"), "no-store");
}

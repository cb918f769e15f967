//! Server-sent events.

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::client::{Toy, form, get, request};
use crate::support::BRIEF_TOKEN;

const EVENTS: &str = "text/event-stream";

fn ask(query: &str) -> Request<Body> {
    request(
        "POST",
        &[("content-type", "application/json"), ("accept", EVENTS)],
        json!({ "query": query }).to_string(),
    )
}

/// The results of all `next` events; the last event must be `complete`.
fn results(text: &str) -> Vec<Value> {
    let events = text
        .strip_suffix("event: complete\ndata: \n\n")
        .unwrap_or_else(|| panic!("not complete: {text}"));
    let events = events.split_terminator("\n\n").filter(|event| *event != ":");
    events
        .map(|event| {
            serde_json::from_str(
                event
                    .strip_prefix("event: next\ndata: ")
                    .unwrap_or_else(|| panic!("not a next: {event}")),
            )
            .expect("JSON")
        })
        .collect()
}

async fn frame(response: &mut Response<Body>) -> String {
    let frame = response
        .body_mut()
        .frame()
        .await
        .expect("not over")
        .expect("no failure");
    String::from_utf8(frame.into_data().expect("data").into()).expect("UTF-8")
}

#[tokio::test]
async fn a_subscription_is_a_stream_of_results() {
    let answer = Toy::new().send(ask("subscription { count(to: 3) }")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, EVENTS));
    assert_eq!(
        results(&answer.text),
        [1, 2, 3].map(|n| json!({ "data": { "count": n } }))
    );
}

#[tokio::test]
async fn a_subscription_may_come_by_get() {
    let answer = Toy::new()
        .send(get(&form(&[("query", "subscription { count(to: 1) }")]), EVENTS))
        .await;
    assert_eq!(results(&answer.text), [json!({ "data": { "count": 1 } })]);
}

#[tokio::test]
async fn queries_and_mutations_are_streams_of_one_result() {
    let toy = Toy::new();
    assert_eq!(
        results(&toy.send(ask("{ hello }")).await.text),
        [json!({ "data": { "hello": "world" } })]
    );
    assert_eq!(
        results(&toy.send(ask("mutation { bump }")).await.text),
        [json!({ "data": { "bump": 1 } })]
    );
}

#[tokio::test]
async fn a_mutation_may_not_come_by_get() {
    let toy = Toy::new();
    toy.send(get(&form(&[("query", "mutation { bump }")]), EVENTS))
        .await
        .assert_refused(405, "BAD_USER_INPUT", "POST");
    assert_eq!(toy.house.world.bumps(), 0);
}

#[tokio::test]
async fn a_wrong_document_is_told_in_the_stream() {
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($n: Int!) { count(to: $n) }", "BAD_USER_INPUT"),
    ] {
        let answer = Toy::new().send(ask(query)).await;
        let results = results(&answer.text);
        assert_eq!(
            (
                answer.status.as_u16(),
                results.len(),
                &results[0]["errors"][0]["extensions"]["code"]
            ),
            (200, 1, &json!(code))
        );
        assert_eq!(results[0].get("data"), None);
    }
}

#[tokio::test]
async fn a_wrong_request_is_told_by_the_status() {
    Toy::new()
        .send(request(
            "POST",
            &[("content-type", "application/json"), ("accept", EVENTS)],
            "{",
        ))
        .await
        .assert_refused(400, "BAD_USER_INPUT", "not JSON");
}

#[tokio::test]
async fn a_client_that_takes_both_gets_events_for_subscriptions_only() {
    let both = |query: &str| {
        request(
            "POST",
            &[
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
            ],
            json!({ "query": query }).to_string(),
        )
    };
    Toy::new()
        .send(both("{ hello }"))
        .await
        .assert_data(json!({ "hello": "world" }));
    assert_eq!(
        results(&Toy::new().send(both("subscription { count(to: 1) }")).await.text),
        [json!({ "data": { "count": 1 } })]
    );
}

#[tokio::test]
async fn a_subscription_without_events_is_refused() {
    Toy::new()
        .query("subscription { count(to: 1) }")
        .await
        .assert_refused(406, "BAD_USER_INPUT", "text/event-stream");
}

#[tokio::test]
async fn the_root_field_of_a_subscription_may_stand_in_a_fragment() {
    let answer = Toy::new()
        .send(ask(
            "subscription { ... on Subscription { ...A } } fragment A on Subscription { count(to: 1) }",
        ))
        .await;
    assert_eq!(results(&answer.text), [json!({ "data": { "count": 1 } })]);
}

#[tokio::test]
async fn a_subscription_has_one_root_field_that_is_no_introspection() {
    for (query, says) in [
        (
            "subscription { count(to: 1) a: count(to: 1) }",
            "exactly one root field; this one has 2",
        ),
        (
            "subscription { count(to: 1) ...A } fragment A on Subscription { count(to: 1) }",
            "exactly one root field; this one has 2",
        ),
        ("subscription { __typename }", "introspection"),
        ("subscription { count(to: 1) @include(if: true) }", "@include"),
        ("subscription { ... on Query { count(to: 1) } }", "fragment on `Query`"),
    ] {
        let result = &results(&Toy::new().send(ask(query)).await.text)[0];
        assert_eq!(result["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
        assert!(
            result["errors"][0]["message"]
                .as_str()
                .is_some_and(|message| message.contains(says)),
            "{result}"
        );
    }
}

#[tokio::test]
async fn an_error_of_a_subscription_is_its_result() {
    let results = results(&Toy::new().send(ask("subscription { forbidden }")).await.text);
    assert_eq!(
        (results.len(), &results[0]["errors"][0]["extensions"]["code"]),
        (1, &json!("FORBIDDEN"))
    );
}

#[tokio::test]
async fn a_panic_of_a_subscription_is_its_last_result() {
    let results = results(&Toy::new().send(ask("subscription { panics }")).await.text);
    assert_eq!(
        (results.len(), &results[1]["errors"][0]["extensions"]["code"]),
        (2, &json!("INTERNAL_SERVER_ERROR"))
    );
    assert!(!results[1].to_string().contains("secret"));
}

#[tokio::test]
async fn a_subscription_ends_when_its_client_goes() {
    let toy = Toy::new();
    let mut response = toy.open(ask("subscription { silent }")).await;
    tokio::select! {
        frame = frame(&mut response) => panic!("said {frame}"),
        () = toy.house.world.until_waiting(1) => {}
    }
    drop(response);
    toy.house.world.until_dropped(1).await;
}

#[tokio::test]
async fn a_stream_is_asked_only_as_fast_as_its_client_reads() {
    let mut response = Toy::new().open(ask("subscription { endless }")).await;
    for n in 0..3 {
        assert_eq!(
            frame(&mut response).await,
            format!("event: next\ndata: {{\"data\":{{\"endless\":{n}}}}}\n\n")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_kept_alive() {
    let mut response = Toy::new().open(ask("subscription { silent }")).await;
    assert_eq!(
        [frame(&mut response).await, frame(&mut response).await],
        [":\n\n", ":\n\n"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_expires() {
    let toy = Toy::new();
    let mut request = ask("subscription { silent }");
    request.headers_mut().insert(
        "authorization",
        format!("Bearer {BRIEF_TOKEN}").parse().expect("a header"),
    );
    let results = results(&toy.send(request).await.text);
    assert_eq!(
        (results.len(), &results[0]["errors"][0]["extensions"]["code"]),
        (1, &json!("UNAUTHENTICATED"))
    );
    toy.house.world.until_dropped(1).await;
}

//! POST: content types, bodies and their members.

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use serde_json::json;

use crate::client::{Toy, post, request};

const BAD: &str = "BAD_USER_INPUT";

#[tokio::test]
async fn variables_arrive() {
    let body =
        json!({ "query": "query($t: String!) { echo(text: $t) }", "variables": { "t": "Run🏃Swim🏊", "unused": 1 } });
    Toy::new()
        .post(body)
        .await
        .assert_data(json!({ "echo": "Run🏃Swim🏊" }));
}

#[tokio::test]
async fn null_members_count_as_absent_and_unknown_ones_are_ignored() {
    let body =
        json!({ "query": "{ hello }", "operationName": null, "variables": null, "extensions": null, "else": [1] });
    Toy::new().post(body).await.assert_data(json!({ "hello": "world" }));
}

#[tokio::test]
async fn only_json_in_utf8_is_taken() {
    for (content_type, status) in [
        ("application/json", 200),
        ("Application/JSON; Charset=\"UTF-8\"", 200),
        ("application/json; charset=utf-16", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/graphql", 415),
    ] {
        let answer = Toy::new()
            .send(request(
                "POST",
                &[("content-type", content_type)],
                "{\"query\":\"{ hello }\"}",
            ))
            .await;
        assert_eq!(answer.status, status, "{content_type}");
    }
}

#[tokio::test]
async fn a_content_type_is_needed() {
    Toy::new()
        .send(request("POST", &[], "{\"query\":\"{ hello }\"}"))
        .await
        .assert_refused(415, BAD, "`Content-Type`");
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    for (body, says) in [
        ("{ \"not a JSON", "is not JSON"),
        ("", "is empty"),
        ("\"text\"", "must be a JSON object"),
        ("{\"query\":\"{ hello }\"} x", "is not JSON"),
    ] {
        Toy::new().send(post(body)).await.assert_refused(400, BAD, says);
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_refused() {
    Toy::new()
        .send(post(&b"{\"query\":\"{ echo(text: \\\"\xff\\\") }\"}"[..]))
        .await
        .assert_refused(400, BAD, "is not JSON");
}

#[tokio::test]
async fn a_batch_is_refused() {
    Toy::new()
        .post(json!([{ "query": "{ hello }" }]))
        .await
        .assert_refused(400, BAD, "Batches are not supported");
}

#[tokio::test]
async fn a_missing_query_is_refused() {
    Toy::new()
        .post(json!({ "qeury": "{ hello }" }))
        .await
        .assert_refused(400, BAD, "`query` is missing");
}

#[tokio::test]
async fn a_member_of_the_wrong_type_is_named() {
    for member in ["query", "operationName"] {
        for wrong in [json!(0), json!(false), json!({}), json!(["a"])] {
            let mut body = json!({ "query": "{ hello }" });
            body[member] = wrong;
            Toy::new()
                .post(body)
                .await
                .assert_refused(400, BAD, &format!("expected `{member}` to be a string"));
        }
    }
    for member in ["variables", "extensions"] {
        for wrong in [json!(0), json!(false), json!("a"), json!(["a"])] {
            let mut body = json!({ "query": "{ hello }" });
            body[member] = wrong;
            Toy::new()
                .post(body)
                .await
                .assert_refused(400, BAD, &format!("expected `{member}` to be an object"));
        }
    }
}

#[tokio::test]
async fn a_member_that_comes_twice_is_refused() {
    Toy::new()
        .send(post("{\"query\":\"{ hello }\",\"query\":\"{ hello }\"}"))
        .await
        .assert_refused(400, BAD, "duplicate field `query`");
}

#[tokio::test]
async fn a_message_repeats_little_of_a_wrong_value() {
    let answer = Toy::new()
        .post(json!({ "query": "{ hello }", "variables": "é".repeat(10_000) }))
        .await;
    assert!(answer.text.len() < 1_000, "{} bytes", answer.text.len());
}

#[tokio::test]
async fn the_depth_of_json_is_limited() {
    let toy = Toy::with(|limits| limits.json_depth = 3);
    let body = |value: &str| {
        format!("{{\"query\":\"query($v: JSON!) {{ any(value: $v) }}\",\"variables\":{{\"v\":{value}}}}}")
    };
    toy.send(post(body("[[\"]]}}[[\\\"[[\"]]")))
        .await
        .assert_data(json!({ "any": "[[\"]]}}[[\\\"[[\"]]" }));
    toy.send(post(body("[[[0]]]")))
        .await
        .assert_refused(400, BAD, "nests 5 levels deep; the limit is 4");
}

#[tokio::test]
async fn very_deep_json_is_refused() {
    let deep = format!(
        "{{\"query\":\"{{ hello }}\",\"variables\":{{\"v\":{}}}}}",
        "[".repeat(500_000)
    );
    Toy::new()
        .send(post(deep))
        .await
        .assert_refused(400, BAD, "the limit is 33");
}

#[tokio::test]
async fn the_size_of_a_body_is_limited() {
    let body = "{\"query\":\"{ hello }\"}";
    Toy::with(|limits| limits.body_bytes = body.len())
        .send(post(body))
        .await
        .assert_data(json!({ "hello": "world" }));
    let answer = Toy::with(|limits| limits.body_bytes = body.len() - 1)
        .send(post(body))
        .await;
    answer.assert_refused(413, BAD, &format!("more than {} bytes", body.len() - 1));
}

#[tokio::test]
async fn a_body_in_pieces_arrives_whole() {
    let pieces = ["{\"query\"", ":\"{ he", "llo }\"}"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    Toy::new()
        .send(post(Body::from_stream(stream::iter(pieces))))
        .await
        .assert_data(json!({ "hello": "world" }));
}

#[tokio::test]
async fn a_body_without_an_end_is_not_read_to_its_end() {
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1024])));
    Toy::new()
        .send(post(Body::from_stream(endless)))
        .await
        .assert_refused(413, BAD, "more than 1048576 bytes");
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let stalled = stream::iter([Ok::<_, std::io::Error>(Bytes::from("{\"query\""))]).chain(stream::pending());
    let toy = Toy::with(|limits| limits.body_timeout_ms = 20);
    toy.send(post(Body::from_stream(stalled)))
        .await
        .assert_refused(408, "REQUEST_TIMEOUT", "more than 20 ms");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken = stream::iter([Ok(Bytes::from("{\"query\"")), Err(std::io::Error::other("reset"))]);
    Toy::new()
        .send(post(Body::from_stream(broken)))
        .await
        .assert_refused(400, BAD, "broke off");
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = Toy::new().send(request(method, &[], "")).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET, POST"));
    }
}

//! Who calls.

use http::Request;
use serde_json::json;

use crate::client::{Toy, post};
use crate::support::TOKEN;

fn with_authorization(value: impl TryInto<http::HeaderValue, Error: Into<http::Error>>) -> Request<axum::body::Body> {
    let mut request = post("{\"query\":\"{ whoami }\"}");
    request
        .headers_mut()
        .insert("authorization", value.try_into().map_err(Into::into).expect("a header"));
    request
}

#[tokio::test]
async fn without_a_token_the_caller_is_nobody() {
    Toy::new()
        .query("{ whoami }")
        .await
        .assert_data(json!({ "whoami": null }));
}

#[tokio::test]
async fn a_token_says_who_calls() {
    let toy = Toy::new();
    let user = toy.house.user().to_string();
    toy.send(with_authorization(format!("bearer  {TOKEN}")))
        .await
        .assert_data(json!({ "whoami": user }));
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused() {
    let answer = Toy::new().send(with_authorization("Bearer forged")).await;
    answer.assert_refused(401, "UNAUTHENTICATED", "does not hold");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn another_scheme_is_refused() {
    for value in ["Basic Z29vZDo=", "good", "", "Bearer"] {
        Toy::new()
            .send(with_authorization(value))
            .await
            .assert_refused(401, "UNAUTHENTICATED", "`Authorization`");
    }
    Toy::new()
        .send(with_authorization(&b"Bearer \xff"[..]))
        .await
        .assert_refused(401, "UNAUTHENTICATED", "`Authorization`");
}

#[tokio::test]
async fn a_forged_token_is_refused_before_the_body_is_read() {
    let body = axum::body::Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let mut request = with_authorization("Bearer forged");
    *request.body_mut() = body;
    Toy::new()
        .send(request)
        .await
        .assert_refused(401, "UNAUTHENTICATED", "");
}

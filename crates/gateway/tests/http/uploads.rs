//! Multipart requests.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::client::{Answer, Toy, request};

const BAD: &str = "BAD_USER_INPUT";
const OPERATIONS: &str = r#"{"query":"mutation($f: [Upload!]!) { upload(files: $f) }","variables":{"f":[null,null]}}"#;

/// A form of these parts: name, file name (or none), content.
fn form(parts: &[(&str, &str, &str)]) -> String {
    let mut body = String::new();
    for (name, file, content) in parts {
        let file = if file.is_empty() {
            String::new()
        } else {
            format!("; filename=\"{file}\"\r\nContent-Type: text/plain")
        };
        body += &format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n");
    }
    body + "--x--\r\n"
}

fn upload(body: impl Into<Body>) -> Request<Body> {
    let headers = [
        ("content-type", "multipart/form-data; boundary=x"),
        ("accept", "application/graphql-response+json"),
        ("graphql-require-preflight", "1"),
    ];
    request("POST", &headers, body)
}

async fn send(toy: &Toy, map: &str, files: &[(&str, &str, &str)]) -> Answer {
    let parts = [&[("operations", "", OPERATIONS), ("map", "", map)], files].concat();
    toy.send(upload(form(&parts))).await
}

const MAP: &str = r#"{"0":["variables.f.0"],"1":["variables.f.1"]}"#;

#[tokio::test]
async fn files_go_where_the_map_says() {
    let answer = send(
        &Toy::new(),
        MAP,
        &[("1", "b.txt", "four"), ("0", "a.txt", "one\r\n--two")],
    )
    .await;
    answer.assert_data(json!({ "upload": ["a.txt 10", "b.txt 4"] }));
}

#[tokio::test]
async fn a_file_may_go_to_several_places() {
    let answer = send(
        &Toy::new(),
        r#"{"0":["variables.f.0","variables.f.1"]}"#,
        &[("0", "a.txt", "one")],
    )
    .await;
    answer.assert_data(json!({ "upload": ["a.txt 3", "a.txt 3"] }));
}

#[tokio::test]
async fn a_form_needs_a_header_that_browsers_ask_about() {
    let body = form(&[
        ("operations", "", OPERATIONS),
        ("map", "", MAP),
        ("0", "a", "a"),
        ("1", "b", "b"),
    ]);
    for name in [
        "graphql-require-preflight",
        "apollo-require-preflight",
        "x-apollo-operation-name",
    ] {
        let ask = |value| {
            request(
                "POST",
                &[("content-type", "multipart/form-data; boundary=x"), (name, value)],
                body.clone(),
            )
        };
        assert_eq!(Toy::new().send(ask("1")).await.status, 200);
        Toy::new().send(ask("")).await.assert_refused(403, "FORBIDDEN", name);
    }
}

#[tokio::test]
async fn places_must_be_null_and_there() {
    for map in [
        r#"{"0":["variables.g"]}"#,
        r#"{"0":["variables.f.2"]}"#,
        r#"{"0":["variables.f"]}"#,
        r#"{"0":["f.0"]}"#,
        r#"{"0":["variables.f.0","variables.f.0"]}"#,
        r#"{"0":["0.variables.f.0"]}"#,
    ] {
        send(&Toy::new(), map, &[("0", "a", "a")])
            .await
            .assert_refused(400, BAD, "is not a null of `operations`");
    }
    send(&Toy::new(), r#"{"0":[]}"#, &[("0", "a", "a")])
        .await
        .assert_refused(400, BAD, "goes nowhere");
}

#[tokio::test]
async fn parts_and_map_must_agree() {
    send(&Toy::new(), MAP, &[("0", "a", "a")])
        .await
        .assert_refused(400, BAD, "`1`, which is in `map`, is missing");
    send(&Toy::new(), MAP, &[("0", "a", "a"), ("1", "b", "b"), ("2", "c", "c")])
        .await
        .assert_refused(400, BAD, "`2` is not in `map`");
    send(&Toy::new(), MAP, &[("0", "a", "a"), ("0", "b", "b")])
        .await
        .assert_refused(400, BAD, "comes twice");
    send(&Toy::new(), "[]", &[])
        .await
        .assert_refused(400, BAD, "`map` must be a JSON object");
}

#[tokio::test]
async fn operations_come_first_and_map_second() {
    let toy = Toy::new();
    toy.send(upload(form(&[("map", "", MAP)])))
        .await
        .assert_refused(400, BAD, "`operations` is missing");
    toy.send(upload(form(&[("operations", "", OPERATIONS), ("0", "a", "a")])))
        .await
        .assert_refused(400, BAD, "`map` is missing");
}

#[tokio::test]
async fn a_malformed_form_is_refused() {
    for body in [
        "",
        "--x",
        "--x\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{",
        "garbage",
    ] {
        Toy::new().send(upload(body)).await.assert_refused(400, BAD, "");
    }
    Toy::new()
        .send(request(
            "POST",
            &[
                ("content-type", "multipart/form-data"),
                ("graphql-require-preflight", "1"),
            ],
            "",
        ))
        .await
        .assert_refused(400, BAD, "`boundary`");
}

#[tokio::test]
async fn the_size_of_a_file_is_limited() {
    let toy = Toy::with(|limits| limits.upload_bytes = 4);
    send(&toy, MAP, &[("0", "a", "four"), ("1", "b", "")])
        .await
        .assert_data(json!({ "upload": ["a 4", "b 0"] }));
    send(&toy, MAP, &[("0", "a", "fives"), ("1", "b", "")])
        .await
        .assert_refused(413, BAD, "`0` has more than 4 bytes");
}

#[tokio::test]
async fn the_number_of_files_is_limited() {
    let files = [("0", "a", "a"), ("1", "b", "b")];
    assert_eq!(
        send(&Toy::with(|limits| limits.upload_files = 2), MAP, &files)
            .await
            .status,
        200
    );
    send(&Toy::with(|limits| limits.upload_files = 1), MAP, &files)
        .await
        .assert_refused(400, BAD, "has 2 files; the limit is 1");
}

#[tokio::test]
async fn the_size_of_operations_is_limited() {
    let files = [("0", "a", "a"), ("1", "b", "b")];
    assert_eq!(
        send(&Toy::with(|limits| limits.body_bytes = OPERATIONS.len()), MAP, &files)
            .await
            .status,
        200
    );
    let answer = send(
        &Toy::with(|limits| limits.body_bytes = OPERATIONS.len() - 1),
        MAP,
        &files,
    )
    .await;
    answer.assert_refused(413, BAD, "`operations` has more than");
}

#[tokio::test]
async fn a_form_without_an_end_is_not_read_to_its_end() {
    let toy = Toy::with(|limits| {
        limits.body_bytes = 1024;
        limits.upload_bytes = 1024;
        limits.upload_files = 1;
    });
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[b' '; 1024])));
    toy.send(upload(Body::from_stream(endless)))
        .await
        .assert_refused(413, BAD, "more than 67584 bytes");
}

#[tokio::test]
async fn all_uploads_together_are_limited_and_give_back_what_they_took() {
    let toy = Toy::with(|limits| limits.upload_memory_bytes = 2048);
    let big = "a".repeat(2048);
    let answer = send(&toy, MAP, &[("0", "a", &big), ("1", "b", "")]).await;
    answer.assert_refused(503, "OVERLOADED", "Too much is being uploaded");
    assert_eq!(answer.header("retry-after"), "1");
    for _ in 0..3 {
        assert_eq!(
            send(&toy, MAP, &[("0", "a", &big[..1024]), ("1", "b", "")])
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn a_form_that_stalls_is_given_up() {
    use futures::StreamExt;
    let stalled = futures::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from("--x\r\n"))])
        .chain(futures::stream::pending());
    let toy = Toy::with(|limits| limits.body_timeout_ms = 20);
    toy.send(upload(Body::from_stream(stalled)))
        .await
        .assert_refused(408, "REQUEST_TIMEOUT", "more than 20 ms");
}

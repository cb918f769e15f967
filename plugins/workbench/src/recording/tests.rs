use serde_json::{Value, json};
use tavern_plugins::egress::{EgressError, Recorded};

use super::{Answer, Recording};

fn recording(answers: Value) -> anyhow::Result<Recording> {
    let answers: Vec<Answer> = serde_json::from_value(answers).expect("answers");
    Recording::new(&answers, false)
}

fn request(method: &str, url: &str, body: &str) -> reqwest::Request {
    let mut request = reqwest::Request::new(method.parse().expect("a method"), url.parse().expect("an address"));
    if !body.is_empty() {
        *request.body_mut() = Some(body.to_owned().into());
    }
    request
}

/// The status and the body of an answer.
fn asked(recording: &Recording, request: &reqwest::Request) -> Result<(u16, String), EgressError> {
    let answer = recording.answer(request).expect("it is not sent")?;
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    Ok((answer.status().as_u16(), body))
}

#[test]
fn a_request_is_answered_by_method_and_address_and_by_its_query_where_one_is_named() {
    let recording = recording(json!([
        { "url": "https://a.example/one", "body": { "any": true } },
        { "url": "https://a.example/one?page=2", "body": "two", "status": 404 },
        { "method": "POST", "url": "https://a.example/one", "error": "timeout" },
    ]));
    let recording = recording.expect("it holds");
    let said = |method, url| asked(&recording, &request(method, url, ""));
    assert_eq!(
        said("GET", "https://a.example/one?page=1"),
        Ok((200, r#"{"any":true}"#.to_owned()))
    );
    assert_eq!(said("GET", "https://a.example/one?page=2"), Ok((404, "two".to_owned())));
    assert_eq!(said("POST", "https://a.example/one"), Err(EgressError::Timeout));
    assert_eq!(recording.faults(), [""; 0]);
}

#[test]
fn answers_to_the_same_request_come_in_order_and_the_last_stays() {
    let recording = recording(json!([
        { "url": "https://a.example/", "body": "first" },
        { "url": "https://a.example/", "body": "then" },
    ]));
    let recording = recording.expect("it holds");
    let bodies = [(); 3].map(|()| asked(&recording, &request("GET", "https://a.example/", "")).map(|said| said.1));
    assert_eq!(bodies, ["first", "then", "then"].map(|body| Ok(body.to_owned())));
}

#[test]
fn what_nobody_answers_says_what_to_add_and_what_nobody_asked_for_is_told() {
    let recording = recording(json!([{ "url": "https://a.example/one" }])).expect("it holds");
    let denied = asked(&recording, &request("PUT", "https://a.example/one?q=1", ""));
    let told = "no answer is recorded for PUT https://a.example/one?q=1: add \
                {\"method\":\"PUT\",\"url\":\"https://a.example/one?q=1\",\"body\":\"…\"} to `http` of the case";
    assert_eq!(denied, Err(EgressError::Protocol(told.into())));
    assert_eq!(
        recording.faults(),
        [told, "http[0]: nobody has asked for GET https://a.example/one"]
    );
    let sending = Recording::new(&[], true).expect("it holds");
    assert!(sending.answer(&request("GET", "https://a.example/", "")).is_none());
}

#[test]
fn a_request_is_compared_with_what_it_should_have_sent() {
    let wanted = json!({ "headers": { "authorization": "Bearer k" }, "body": { "text": { "contains": "Lisbon" } } });
    let answers = json!([{ "method": "POST", "url": "https://a.example/", "sent": wanted }]);
    for (key, text, faults) in [
        ("Bearer k", "In Lisbon.", 0),
        ("Bearer x", "In Lisbon.", 1),
        ("Bearer k", "In Rome.", 1),
    ] {
        let recording = recording(answers.clone()).expect("it holds");
        let mut request = request("POST", "https://a.example/", &json!({ "text": text }).to_string());
        request
            .headers_mut()
            .insert("Authorization", key.parse().expect("a value"));
        assert_eq!(asked(&recording, &request), Ok((200, String::new())));
        let found = recording.faults();
        assert_eq!(found.len(), faults, "{found:?}");
        assert!(
            found.iter().all(|fault| fault.starts_with("http[0].sent.")),
            "{found:?}"
        );
    }
}

#[test]
fn an_answer_that_can_be_none_is_named_with_its_place() {
    for (answer, at) in [
        (json!({ "url": "a.example" }), "http[1]: url: "),
        (json!({ "url": "http://a.example/" }), "http[1]: url: "),
        (
            json!({ "url": "https://a.example/", "method": "get" }),
            "http[1]: method: ",
        ),
        (
            json!({ "url": "https://a.example/", "status": 199 }),
            "http[1]: status: ",
        ),
        (
            json!({ "url": "https://a.example/", "status": 1000 }),
            "http[1]: status: ",
        ),
        (
            json!({ "url": "https://a.example/", "headers": { "a b": "" } }),
            "http[1]: headers: ",
        ),
        (
            json!({ "url": "https://a.example/", "headers": { "a": "\n" } }),
            "http[1]: headers: ",
        ),
    ] {
        let refused = recording(json!([{ "url": "https://a.example/" }, answer]));
        let told = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(told.starts_with(at), "{told}");
    }
    for status in [200, 999] {
        assert!(recording(json!([{ "url": "https://a.example/", "status": status }])).is_ok());
    }
}

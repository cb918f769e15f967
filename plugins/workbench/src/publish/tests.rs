use serde_json::json;

use super::{address, read};

fn payload(version: serde_json::Value, passed: bool, errors: serde_json::Value) -> serde_json::Value {
    let checks = json!([{ "name": "signature", "passed": passed, "message": "By key 1." }]);
    let report = json!({ "checks": checks, "warnings": ["No icon."] });
    json!({ "data": { "publishExtension": { "version": version, "report": report, "userErrors": errors } } })
}

#[test]
fn every_check_is_shown_whether_it_was_taken_or_not() {
    let taken = read(&payload(json!({ "version": "0.1.0" }), true, json!([]))).expect("an answer");
    assert!(taken.accepted);
    assert_eq!(taken.lines, ["ok    signature: By key 1.", "note  No icon."]);
    let error = json!([{ "field": ["package"], "message": "The package does not hold." }]);
    let refused = read(&payload(json!(null), false, error)).expect("an answer");
    assert!(!refused.accepted);
    assert_eq!(
        refused.lines,
        [
            "FAIL  signature: By key 1.",
            "note  No icon.",
            "FAIL  The package does not hold."
        ]
    );
}

#[test]
fn what_the_server_refuses_is_told_in_its_words() {
    let answer = json!({ "errors": [{ "message": "Log in first." }], "data": null });
    let told = read(&answer).expect_err("an error").to_string();
    assert_eq!(told, "the server refused: Log in first.");
    assert!(read(&json!({})).is_err());
    let answer = json!({ "errors": [{ "message": "Too long.", "extensions": { "code": "REQUEST_TIMEOUT" } }] });
    let told = read(&answer).expect_err("an error").to_string();
    assert!(told.contains("publish it once more"), "{told}");
}

#[test]
fn a_check_that_fails_is_told_once_and_a_missing_key_with_what_to_do() {
    let checks = json!([{ "name": "signature.key", "passed": false, "message": "There is none." }]);
    let errors = json!([{ "field": ["package"], "message": "There is none." }]);
    let payload = json!({ "version": null, "report": { "checks": checks, "warnings": [] }, "userErrors": errors });
    let refused = read(&json!({ "data": { "publishExtension": payload } })).expect("an answer");
    assert_eq!(refused.lines.len(), 2, "{:?}", refused.lines);
    assert_eq!(refused.lines[0], "FAIL  signature.key: There is none.");
    assert!(refused.lines[1].contains("--public-key"), "{:?}", refused.lines);
}

#[test]
fn an_address_has_its_scheme() {
    let url = address("http://127.0.0.1:4000/").expect("an address");
    assert_eq!(url.as_str(), "http://127.0.0.1:4000/graphql");
    for wrong in [
        "127.0.0.1:4000",
        "localhost:4000",
        "tavern.example",
        "ftp://tavern.example",
    ] {
        let told = address(wrong).expect_err("no address").to_string();
        assert!(told.contains("http://"), "{told}");
    }
}

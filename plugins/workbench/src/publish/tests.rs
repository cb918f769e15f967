use serde_json::json;

use super::read;

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
}

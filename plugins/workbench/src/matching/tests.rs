use serde_json::json;

use super::difference;

#[test]
fn what_is_not_named_does_not_matter_and_what_is_does() {
    let found = json!({ "add-note": { "text": "It is night.", "depth": 2, "role": "system" } });
    for expected in [
        json!({}),
        json!({ "add-note": {} }),
        json!({ "add-note": { "depth": 2.0 } }),
        json!({ "add-note": { "text": { "contains": "night" } } }),
        json!({ "add-note": { "text": "It is night.", "absent": null } }),
    ] {
        assert_eq!(difference(&expected, &found, ""), None, "{expected}");
    }
    for (expected, at) in [
        (json!({ "add-note": { "depth": 3 } }), "add-note.depth"),
        (json!({ "abort": "no" }), "abort"),
        (
            json!({ "add-note": { "text": { "contains": "day" } } }),
            "add-note.text",
        ),
        (json!({ "add-note": [] }), "add-note"),
    ] {
        let told = difference(&expected, &found, "").unwrap_or_default();
        assert!(told.starts_with(&format!("{at}: expected ")), "{told}");
    }
}

#[test]
fn lists_have_as_many_items_as_expected() {
    assert_eq!(difference(&json!([1, {}]), &json!([1, { "a": 1 }]), "edits"), None);
    let told = difference(&json!([]), &json!([1]), "edits");
    assert_eq!(told.as_deref(), Some("edits: expected 0 items, found 1: [1]"));
    let told = difference(&json!([1, 2]), &json!([1, 3]), "edits");
    assert_eq!(told.as_deref(), Some("edits[1]: expected 2, found 3"));
}

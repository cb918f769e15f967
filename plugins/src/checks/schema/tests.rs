use serde_json::json;

use super::*;

#[test]
fn a_schema_is_of_an_object_and_refers_to_itself_alone() {
    let nested = |depth: usize| (0..depth).fold(json!({}), |inner, _| json!({"not": inner}));
    let in_object = |inner: Value| json!({"type": "object", "properties": {"a": inner}});
    let patterns = |count: usize| json!({"type": "object", "allOf": vec![json!({"pattern": "a"}); count]});
    let wide = |count: usize| json!({"type": "object", "enum": vec![1; count]});
    // Four times as many with each level: 4^8 values in a schema of a few hundred bytes.
    let mut multiplying = json!({"type": "object", "$ref": "#/$defs/a0", "$defs": {"a8": {}}});
    for level in 0..8 {
        let next = json!({"$ref": format!("#/$defs/a{}", level + 1)});
        multiplying["$defs"][format!("a{level}")] = json!({"allOf": [next, next, next, next]});
    }
    let rows = [
        (json!({"type": "object"}), Ok(())),
        (
            json!({"type": "object", "$schema": "https://json-schema.org/draft/2020-12/schema"}),
            Ok(()),
        ),
        (
            json!({"type": "object", "$schema": "http://json-schema.org/draft-04/schema#"}),
            Err("draft 2020-12"),
        ),
        (
            json!({"type": "object", "properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}}),
            Ok(()),
        ),
        (
            json!({"type": "object", "$defs": {"a": {}}, "properties": {"a": {"$ref": "#/$defs/a"}}}),
            Ok(()),
        ),
        (in_object(json!({"$ref": "#/$defs/missing"})), Err("refer to")),
        (in_object(json!({"$ref": "https://example.org/a"})), Err("refer to")),
        (in_object(json!({"$ref": "file:///etc/passwd"})), Err("refer to")),
        (in_object(json!({"$ref": "#"})), Err("refer to")),
        (in_object(json!({"$id": "https://example.org/a"})), Err("`$id`")),
        (in_object(json!({"$dynamicRef": "#a"})), Err("`$dynamicRef`")),
        (
            json!({"type": "object", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}),
            Err("refer to themselves"),
        ),
        (multiplying, Err("more than 2000 values")),
        (in_object(nested(29)), Ok(())),
        (in_object(nested(31)), Err("deeper than 32")),
        (wide(1997), Ok(())),
        (wide(1998), Err("more than 2000 values")),
        (patterns(32), Ok(())),
        (patterns(33), Err("more than 32 patterns")),
        (in_object(json!({"pattern": "("})), Err("no valid JSON schema")),
        (
            in_object(json!({"pattern": r"(\w{50}){50}"})),
            Err("no valid JSON schema"),
        ),
        (in_object(json!({"pattern": "(?=a)"})), Err("no valid JSON schema")),
        (in_object(json!({"type": "text"})), Err("no valid JSON schema")),
        (json!({"type": "array"}), Err("do not say")),
        (json!({}), Err("do not say")),
        (json!(true), Err("no JSON object")),
    ];
    for (schema, expected) in rows {
        match (examine(&schema), expected) {
            (Ok(()), Ok(())) => {}
            (Err(found), Err(expected)) => assert!(found.contains(expected) && found.len() < 500, "{found}"),
            (found, _) => panic!("{schema}: {found:?}"),
        }
    }
}

#[test]
fn secrets_are_optional_texts_at_the_top() {
    let rows = [
        (
            json!({"type": "object", "properties": {"key": {"type": "string", "x-secret": true}}}),
            true,
        ),
        (
            json!({"type": "object", "properties": {"key": {"type": "integer", "x-secret": true}}}),
            false,
        ),
        (
            json!({"type": "object", "properties": {"key": {"type": "string", "x-secret": "yes"}}}),
            false,
        ),
        (
            json!({"type": "object", "required": ["key"], "properties": {"key": {"type": "string", "x-secret": true}}}),
            false,
        ),
        (
            json!({"type": "object", "properties": {"a": {"properties": {"key": {"type": "string", "x-secret": true}}}}}),
            false,
        ),
    ];
    for (schema, expected) in rows {
        assert_eq!(examine_config(&schema).is_ok(), expected, "{schema}");
    }
}

#[test]
fn a_configuration_is_told_where_it_does_not_fit() {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["tone"],
        "properties": {"tone": {"enum": ["dry", "warm"]}, "words": {"type": "array", "items": {"type": "string"}}},
    });
    assert_eq!(check_config(&schema, &json!({"tone": "dry", "words": ["a"]})), []);
    let found = check_config(&schema, &json!({"tone": "loud", "words": ["a", 7], "more": 1}));
    let mut places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["", "/tone", "/words/1"]);
    assert!(check_config(&schema, &json!({}))[0].1.contains("tone"));
    // What was typed in the wrong field may be a key.
    let found = check_config(&schema, &json!({"tone": "sk-very-secret"}));
    assert!(!found[0].1.contains("sk-very-secret"), "{found:?}");
    assert!(!check_config(&schema, &json!("text")).is_empty());
}

#[test]
fn checking_costs_little_whatever_is_checked() {
    let schema = json!({"type": "object", "properties": {"a": {"items": {"allOf": vec![json!(false); 1000]}}}});
    assert_eq!(check_config(&schema, &json!({"a": vec![0; 100]})).len(), MAX_MISTAKES);
    // A million mistakes: one is told.
    assert_eq!(check_config(&schema, &json!({"a": vec![0; 1000]})).len(), 1);

    let text = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
    let any = json!({"type": "object"});
    assert_eq!(check_config(&any, &text(MAX_CONFIG_BYTES)), []);
    assert!(check_config(&any, &text(MAX_CONFIG_BYTES + 1))[0].1.contains("32768"));
}

#[test]
fn secrets_are_taken_out_of_a_configuration() {
    let schema = json!({"type": "object", "properties": {
        "key": {"type": "string", "x-secret": true},
        "pin": {"type": "string", "x-secret": true},
        "tone": {"type": "string"},
    }});
    let (rest, secrets) = split_secrets(&schema, &json!({"key": "hush", "pin": 7, "tone": "dry"}));
    assert_eq!(rest, json!({"tone": "dry"}));
    assert_eq!(secrets, [("key".to_owned(), "hush".to_owned())]);
    assert_eq!(split_secrets(&schema, &json!("hush")), (json!("hush"), vec![]));
    assert_eq!(split_secrets(&json!({}), &json!({"key": "hush"})).1, []);
}

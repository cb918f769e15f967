use serde_json::json;
use tavern_domain::chat::ChatRole;

use super::*;

/// What comes of a stream of pieces: id, name, arguments and fault of each call.
fn calls(pieces: &[Value]) -> Vec<(String, String, String, bool)> {
    let mut calls = Calls::default();
    for piece in pieces {
        calls.push(piece);
    }
    let calls = calls.finish().into_iter();
    calls
        .map(|call| (call.id, call.name, call.arguments, call.fault.is_some()))
        .collect()
}

fn good(id: &str, name: &str, arguments: &str) -> (String, String, String, bool) {
    (id.into(), name.into(), arguments.into(), false)
}

#[test]
fn a_call_is_joined_from_pieces_that_name_it_by_index() {
    let pieces = [
        json!([{ "index": 0, "id": "a", "type": "function", "function": { "name": "roll", "arguments": "" } }]),
        json!([{ "index": 0, "function": { "arguments": "{\"dice\"" } }]),
        json!([{ "index": 0, "function": { "arguments": ":\"2d6\"}" } }]),
    ];
    assert_eq!(calls(&pieces), [good("a", "roll", r#"{"dice":"2d6"}"#)]);
}

#[test]
fn parallel_calls_are_kept_apart_even_when_their_pieces_mix() {
    let pieces = [
        json!([{ "index": 0, "id": "a", "function": { "name": "roll", "arguments": "{" } },
               { "index": 1, "id": "b", "function": { "name": "look", "arguments": "{" } }]),
        json!([{ "index": 1, "function": { "arguments": "\"at\":1}" } }]),
        json!([{ "index": 0, "function": { "arguments": "}" } }]),
    ];
    assert_eq!(
        calls(&pieces),
        [good("a", "roll", "{}"), good("b", "look", r#"{"at":1}"#)]
    );
}

#[test]
fn odd_pieces_of_real_servers_are_understood() {
    let cases = [
        // No index, and all at once.
        (
            json!([{ "id": "a", "function": { "name": "roll", "arguments": "{}" } }, { "id": "b", "function": { "name": "roll", "arguments": "{}" } }]),
            json!([]),
            vec![good("a", "roll", "{}"), good("b", "roll", "{}")],
        ),
        // Neither index nor id.
        (
            json!([{ "function": { "name": "roll", "arguments": "{" } }]),
            json!([{ "function": { "arguments": "}" } }]),
            vec![good("call00000", "roll", "{}")],
        ),
        // Every call is number 0.
        (
            json!([{ "index": 0, "id": "a", "function": { "name": "roll", "arguments": "{}" } }]),
            json!([{ "index": 0, "id": "b", "function": { "name": "roll", "arguments": "{}" } }]),
            vec![good("a", "roll", "{}"), good("b", "roll", "{}")],
        ),
        // Id and name come with each piece.
        (
            json!([{ "index": 0, "id": "a", "function": { "name": "roll", "arguments": "{" } }]),
            json!([{ "index": 0, "id": "a", "function": { "name": "roll", "arguments": "}" } }]),
            vec![good("a", "roll", "{}")],
        ),
        // The index is a text; later pieces have an empty id.
        (
            json!([{ "index": "1", "id": "a", "function": { "name": "roll", "arguments": "{" } }]),
            json!([{ "index": "1", "id": "", "function": { "name": null, "arguments": "}" } }]),
            vec![good("a", "roll", "{}")],
        ),
        // Arguments that are no text, and none.
        (
            json!([{ "id": "a", "function": { "name": "roll", "arguments": { "n": 1 } } }, { "id": "b", "function": { "name": "roll" } }, { "id": "c", "function": { "name": "roll", "arguments": null } }]),
            json!(null),
            vec![
                good("a", "roll", r#"{"n":1}"#),
                good("b", "roll", "{}"),
                good("c", "roll", "{}"),
            ],
        ),
        // Nothing that is a call.
        (json!([{ "index": 0 }, 3, { "function": 4 }]), json!({}), vec![]),
    ];
    for (first, second, expected) in cases {
        assert_eq!(calls(&[first.clone(), second]), expected, "{first}");
    }
}

#[test]
fn ids_are_unique_in_the_conversation() {
    let call = |id: &str| json!([{ "id": id, "function": { "name": "roll", "arguments": "{}" } }]);
    let earlier = ToolCall {
        id: "a".into(),
        name: "roll".into(),
        arguments: "{}".into(),
        fault: None,
        extra: None,
    };
    let messages = [PromptMessage {
        tool_calls: vec![earlier],
        ..PromptMessage::new(ChatRole::Assistant, "")
    }];
    let mut calls = Calls::after(&messages);
    for id in ["a", "", "call00001", &"x".repeat(MAX_ID), &"y".repeat(MAX_ID + 1)] {
        calls.push(&call(id));
    }
    let ids: Vec<_> = calls.finish().into_iter().map(|call| call.id).collect();
    assert_eq!(ids.len(), ids.iter().collect::<HashSet<_>>().len(), "{ids:?}");
    assert!(
        !ids.contains(&"a".to_owned()) && ids.contains(&"x".repeat(MAX_ID)),
        "{ids:?}"
    );
    assert!(ids.iter().all(|id| !id.is_empty() && id.len() <= MAX_ID));
}

#[test]
fn bad_calls_say_what_is_wrong_and_can_be_sent_back() {
    let of = |name: &str, arguments: &str| {
        let piece = json!([{ "id": "a", "function": { "name": name, "arguments": arguments } }]);
        calls(&[piece]).remove(0)
    };
    let bad = |name: &str| ("a".into(), name.into(), "{}".into(), true);
    assert_eq!(of("roll", "{\"dice\":"), bad("roll"));
    assert_eq!(of("roll", "[]"), bad("roll"));
    assert_eq!(of("", "{}"), bad("unnamed"));
    assert_eq!(of("würfle!", "{}"), bad("w_rfle_"));
    assert_eq!(of(&"n".repeat(64), "{}"), good("a", &"n".repeat(64), "{}"));
    assert_eq!(of(&"n".repeat(65), "{}"), bad(&"n".repeat(64)));
    let filled = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert_eq!(of("roll", &filled(MAX_ARGUMENTS)).2.len(), MAX_ARGUMENTS);
    assert_eq!(of("roll", &filled(MAX_ARGUMENTS + 1)), bad("roll"));
}

#[test]
fn an_answer_has_up_to_sixteen_calls() {
    let call =
        |n: usize| json!([{ "index": n, "id": n.to_string(), "function": { "name": "roll", "arguments": "{" } }]);
    let mut pieces: Vec<_> = (0..=MAX_CALLS).map(call).collect();
    // The end of the one too many is not taken for that of the last one.
    pieces.push(json!([{ "function": { "arguments": "oops" } }]));
    pieces.extend((0..=MAX_CALLS).map(|n| json!([{ "index": n, "function": { "arguments": "}" } }])));
    let calls = calls(&pieces);
    assert_eq!(calls.len(), MAX_CALLS);
    assert!(
        calls
            .iter()
            .all(|(_, _, arguments, is_bad)| arguments == "{}" && !is_bad)
    );
}

#[test]
fn what_a_provider_wants_back_is_kept_within_its_bound() {
    let with = |bytes: usize| {
        let extra = json!({ "google": { "thought_signature": "s".repeat(bytes) } });
        let mut calls = Calls::default();
        calls.push(&json!([{ "id": "a", "extra_content": extra, "function": { "name": "roll" } }]));
        calls.finish().remove(0).extra
    };
    assert!(with(1_000).is_some_and(|extra| extra.pointer("/google/thought_signature").is_some()));
    assert_eq!(with(MAX_EXTRA), None);
}

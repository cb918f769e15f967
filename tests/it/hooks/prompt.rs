//! Edits of the prompt as it would be sent.

use serde_json::{Value, json};
use tavern::config::Config;

use super::noted;
use crate::support::{Stage, says};

const ALL: [&str; 3] = ["prompt.insert", "prompt.replace", "prompt.system"];

/// Roles and texts.
fn messages(prompt: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    let messages = prompt["messages"].as_array().expect("messages").iter();
    messages
        .map(|message| {
            let content = message["content"].as_str().unwrap_or_default().to_owned();
            (text(&message["role"]), content)
        })
        .collect()
}

fn pair(role: &str, text: &str) -> (String, String) {
    (role.to_owned(), text.to_owned())
}

async fn transforming(grants: &[&str], changes: Value) -> Stage {
    Stage::new(grants, json!({ "prompt-transform": changes })).await
}

fn trace(seen: &Value) -> &Value {
    let calls = seen["plugins"].as_array().expect("calls");
    calls
        .iter()
        .find(|call| call["hook"] == "prompt-transform")
        .expect("a call")
}

#[tokio::test]
async fn messages_are_inserted_replaced_and_removed_in_what_is_sent_and_in_nothing_else() {
    let stage = transforming(&[&ALL[..], &["sampling"]].concat(), json!([])).await;
    stage.say("One.").await;
    let plain = messages(&stage.preview(json!({ "content": "Two." })).await);
    let last: Vec<_> = plain[plain.len() - 4..].to_vec();
    let greeting = "*waves* Hello, player.";
    assert_eq!(
        last,
        [
            pair("assistant", greeting),
            pair("user", "One."),
            pair("assistant", "Hello."),
            pair("user", "Two.")
        ]
    );
    stage
        .configure(json!({ "prompt-transform": [
            { "insert-before": [0, "system", "At the very beginning."] },
            { "replace-text": [-3, "Uno."] },
            { "remove": -4 },
            { "insert-after": [-1, "user", "Behind it all."] },
            { "insert-before": [-1, "assistant", "Before the question."] },
            { "stop-sequence": "CURTAIN" },
        ] }))
        .await;
    let seen = stage.preview(json!({ "content": "Two." })).await;
    let mut expected = plain.clone();
    expected.truncate(plain.len() - 4);
    expected.insert(0, pair("system", "At the very beginning."));
    expected.extend([
        pair("user", "Uno."),
        pair("assistant", "Hello."),
        pair("assistant", "Before the question."),
        pair("user", "Two."),
        pair("user", "Behind it all."),
    ]);
    assert_eq!(messages(&seen), expected, "{seen:#}");
    assert_eq!(
        (&trace(&seen)["outcome"], &trace(&seen)["edits"]),
        (&json!("ok"), &json!(6)),
        "{seen:#}"
    );
    for (text, reason) in [
        (greeting, "removed by acme/puppet"),
        ("One.", "rewritten by acme/puppet"),
    ] {
        let mut blocks = seen["blocks"].as_array().expect("blocks").iter();
        let block = blocks.find(|block| block["text"] == text).expect("a block");
        assert_eq!((&block["included"], &block["reason"]), (&json!(false), &json!(reason)));
    }
    let blocks = seen["blocks"].as_array().expect("blocks").iter();
    let own: Vec<_> = blocks
        .filter(|block| block["source"] == "extension")
        .map(|block| (block["reason"].clone(), block["text"].clone(), block["label"].clone()))
        .collect();
    for (reason, text) in [
        ("inserted", "At the very beginning."),
        ("rewritten", "Uno."),
        ("inserted", "Before the question."),
        ("inserted", "Behind it all."),
    ] {
        assert!(
            own.contains(&(json!(reason), json!(text), json!("acme/puppet"))),
            "{text}: {own:#?}"
        );
    }

    stage.say("Two.").await;
    let sent = stage.sent().await;
    assert_eq!(messages(&sent), expected, "{sent:#}");
    assert!(
        sent["stop"]
            .as_array()
            .is_some_and(|stops| stops.contains(&json!("CURTAIN"))),
        "{sent:#}"
    );
    let stored = stage.session("messages(last: 9) { nodes { content } }").await;
    let stored: Vec<_> = stored["nodes"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| &message["content"])
        .collect();
    assert_eq!(
        stored,
        [greeting, "One.", "Hello.", "Two.", "Hello."],
        "what is stored stays"
    );
}

#[tokio::test]
async fn what_may_not_be_touched_is_not() {
    let changes = json!([
        { "replace-text": [0, "No more rules."] },
        { "insert-before": [0, "system", "New rules."] },
        { "remove": 99 },
        { "replace-text": [-1, "A word."] },
        { "insert-after": [-1, "user", "Another word."] },
    ]);
    let stage = transforming(&[&ALL[..], &["sampling"]].concat(), json!([])).await;
    stage.say("One.").await;
    let plain = messages(&stage.preview(json!({ "content": "Two." })).await);
    assert_eq!(plain[0].0, "system");
    stage.configure(json!({ "prompt-transform": changes })).await;

    stage.grant(&["prompt.insert", "prompt.replace"]).await;
    let seen = stage.preview(json!({ "content": "Two." })).await;
    let mut expected = plain.clone();
    let last = expected.len() - 1;
    expected[last].1 = "A word.".into();
    expected.push(pair("user", "Another word."));
    assert_eq!(messages(&seen), expected, "{seen:#}");
    let told = trace(&seen);
    assert_eq!(told["edits"], 2, "{told:#}");
    for words in [
        "replace-text: needs the permission `prompt.system`",
        "insert: needs the permission `prompt.system`",
        "remove: there is no message `nobody`",
    ] {
        assert!(noted(told, words), "{words}: {told:#}");
    }

    stage.grant(&["prompt.insert", "prompt.system"]).await;
    let seen = stage.preview(json!({ "content": "Two." })).await;
    let mut expected = plain.clone();
    expected.insert(0, pair("system", "New rules."));
    expected.push(pair("user", "Another word."));
    assert_eq!(messages(&seen), expected, "{seen:#}");

    stage.grant(&["prompt.replace", "prompt.system"]).await;
    let seen = stage.preview(json!({ "content": "Two." })).await;
    let mut expected = plain.clone();
    expected[0].1 = "No more rules.".into();
    expected[last].1 = "A word.".into();
    assert_eq!(messages(&seen), expected, "{seen:#}");

    stage.grant(&[]).await;
    let seen = stage.preview(json!({ "content": "Two." })).await;
    assert_eq!(messages(&seen), plain, "{seen:#}");
    assert_eq!(trace(&seen)["edits"], 0);
}

#[tokio::test]
async fn what_a_reply_goes_on_from_is_the_platforms() {
    let stage = transforming(&[&ALL[..], &["sampling"]].concat(), json!([])).await;
    stage.say("One.").await;
    let plain = messages(&stage.preview(json!({ "kind": "CONTINUE" })).await);
    let changes = json!([{ "replace-text": [-1, "Something else."] }, { "remove": -1 }, { "insert-after": [-1, "user", "Stop."] }]);
    stage.configure(json!({ "prompt-transform": changes })).await;
    let seen = stage.preview(json!({ "kind": "CONTINUE" })).await;
    let told = trace(&seen);
    assert!(
        noted(told, "replace-text: `platform:prefill` is the platform's"),
        "{told:#}"
    );
    assert!(noted(told, "remove: `platform:prefill` is the platform's"), "{told:#}");
    let now = messages(&seen);
    assert_eq!(now.last(), plain.last(), "nothing stands behind it: {seen:#}");
    assert_eq!(now[now.len() - 2], pair("user", "Stop."));
}

#[tokio::test]
async fn insertions_have_to_fit_into_the_budget() {
    let small = |config: &mut Config| {
        config.models[0].context_tokens = 2_000;
        config.models[0].max_output_tokens = 200;
    };
    let stage = Stage::with(small, json!({ "grants": ALL, "config": {} })).await;
    let plain = stage.preview(json!({ "content": "One." })).await;
    let left = plain["budget"].as_u64().expect("a budget") - plain["tokenCount"].as_u64().expect("a count");
    // A word is a token.
    let words = |words: u64| "word ".repeat(usize::try_from(words).expect("a size"));
    for (long, fits) in [(left + 1, false), (left / 2, true)] {
        let changes =
            json!([{ "insert-after": [-1, "user", words(long)] }, { "insert-after": [-1, "user", "Short."] }]);
        stage.configure(json!({ "prompt-transform": changes })).await;
        let seen = stage.preview(json!({ "content": "One." })).await;
        assert_eq!(says(&seen, "word word"), fits, "{seen:#}");
        assert!(says(&seen, "Short."), "{seen:#}");
        assert_eq!(noted(trace(&seen), "the prompt has no room"), !fits, "{seen:#}");
    }
}

#[tokio::test]
async fn texts_are_shown_to_whoever_may_change_or_see_them() {
    let stage = Stage::new(&["prompt.insert"], json!({ "tells": ["prompt-transform"] })).await;
    let shown = async |grants: &[&str]| {
        stage.grant(grants).await;
        let said = stage.say("A secret word.").await;
        stage.trace(&said.generation, "prompt-transform").await["log"].to_string()
    };
    let blind = shown(&["prompt.insert"]).await;
    assert!(!blind.contains("secret word") && !blind.contains("waves"), "{blind}");
    let last = shown(&["history:1"]).await;
    assert!(last.contains("secret word") && !last.contains("waves"), "{last}");
    let changing = shown(&["prompt.replace"]).await;
    assert!(
        changing.contains("secret word") && changing.contains("waves"),
        "{changing}"
    );
}

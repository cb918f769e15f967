//! What filters say of a reply, and functions that fail in the middle of one.

use serde_json::{Value, json};

use crate::support::{Script, Stage};

/// A reply that was filtered: how it ended, and the call of the filter.
async fn filtered(stage: &Stage, pieces: &[&'static str]) -> (Value, Value) {
    stage.fake.next(Script::Say(pieces.to_vec())).await;
    let said = stage.say("Hello?").await;
    let trace = stage.trace(&said.generation, "stream-filter").await;
    (said.ended, trace)
}

/// Without spaces: to which piece the one between two sentences belongs depends on how fast they come.
fn squeezed(ended: &Value) -> String {
    let content = ended["message"]["content"].as_str().expect("a reply");
    content.split_whitespace().collect()
}

#[tokio::test]
async fn a_filter_passes_replaces_drops_and_ends_what_comes() {
    let stage = Stage::new(
        &["stream.modify"],
        json!({ "filter": [
            ["Tom", { "replace": " Tim waves." }],
            ["Secret", "drop"],
            ["Curtain", { "stop": " The end." }],
        ] }),
    )
    .await;
    let (ended, trace) = filtered(&stage, &["All is well. ", "Tom waves. ", "Secret! ", "On we go. "]).await;
    assert_eq!(ended["status"], "COMPLETED", "{ended:#}");
    assert_eq!(squeezed(&ended), "Alliswell.Timwaves.Onwego.");
    assert_eq!(
        (&trace["outcome"], &trace["edits"]),
        (&json!("ok"), &json!(2)),
        "{trace:#}"
    );

    let (ended, trace) = filtered(&stage, &["All is well. ", "Curtain! ", "Nobody reads this."]).await;
    assert_eq!(
        (&ended["status"], &ended["finishReason"]),
        (&json!("COMPLETED"), &json!("stop")),
        "{ended:#}"
    );
    assert_eq!(squeezed(&ended), "Alliswell.Theend.");
    assert_eq!(trace["outcome"], "ok", "{trace:#}");
}

#[tokio::test]
async fn what_a_filter_holds_comes_with_what_follows_or_by_itself() {
    let stage = Stage::new(
        &["stream.modify"],
        json!({ "filter": [["a shiver of fear", { "replace": "nothing." }], ["a shiver", "hold"]] }),
    )
    .await;
    let (ended, trace) = filtered(&stage, &["I feel a shiver.", " Then a shiver of fear. "]).await;
    assert_eq!(squeezed(&ended), "nothing.", "{ended:#} {trace:#}");
    let (ended, _) = filtered(&stage, &["All is well. ", "I feel a shiver. "]).await;
    assert_eq!(squeezed(&ended), "Alliswell.Ifeelashiver.", "{ended:#}");
}

#[tokio::test]
async fn a_filter_that_may_only_look_changes_nothing() {
    let stage = Stage::new(&["stream.observe"], json!({ "filter": [["Tom", "drop"]] })).await;
    let (ended, trace) = filtered(&stage, &["Tom waves. "]).await;
    assert_eq!(ended["message"]["content"], "Tom waves.", "{ended:#}");
    assert_eq!(
        (&trace["outcome"], &trace["edits"]),
        (&json!("ok"), &json!(0)),
        "{trace:#}"
    );
}

#[tokio::test]
async fn a_function_that_fails_is_told_to_the_model_and_the_reply_goes_on() {
    let stage = Stage::new(&["tools"], json!({})).await;
    for (how, outcome) in [
        (Value::Null, "ok"),
        (json!("error"), "guest_error"),
        (json!("trap"), "trap"),
    ] {
        let fails = if how.is_null() {
            json!({})
        } else {
            json!({ "tool": how })
        };
        stage.configure(json!({ "fails": fails })).await;
        stage.fake.next(Script::Call("", vec![r#"{"of":"rain"}"#])).await;
        stage.fake.next(Script::Say(vec!["So be it."])).await;
        let said = stage.say("What do you see?").await;
        assert_eq!(said.ended["status"], "COMPLETED", "{:#}", said.ended);
        assert_eq!(said.ended["message"]["content"], "So be it.");
        let annotations = stage.annotations().await;
        let failed = outcome != "ok";
        assert_eq!(annotations["tools"][0]["failed"], failed, "{annotations:#}");
        let messages = stage.sent().await["messages"].take();
        let messages = messages.as_array().expect("messages").iter();
        let told: Vec<_> = messages.filter(|message| message["role"] == "tool").collect();
        let told = told.last().expect("what the function said")["content"].to_string();
        assert_eq!(told.contains(r#"omen\":\"rain"#), !failed, "{told}");
        assert_eq!(stage.trace(&said.generation, "tool").await["outcome"], outcome);
    }
}

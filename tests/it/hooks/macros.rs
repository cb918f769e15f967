//! Macros of extensions in what the user types.

use serde_json::{Value, json};

use crate::support::{INSTALL, ROLLBACK, Stage, done, says, text};

const GRANTS: [&str; 2] = ["macros", "kv:installation"];

async fn content(stage: &Stage, message: &str) -> Value {
    let query = "query($m: ID!) { node(id: $m) { ... on Message { content } } }";
    let mut data = stage.client.data(query, json!({ "m": message })).await;
    data["node"]["content"].take()
}

#[tokio::test]
async fn a_typed_macro_is_settled_when_it_is_sent() {
    let stage = Stage::new(&GRANTS, json!({})).await;
    let said = stage
        .say("I draw {{fate::the tower}} as {{user}}; {{tally}} and {{tally}}.")
        .await;
    let settled = "I draw <the tower> as player; 1 and 1.";
    assert_eq!(content(&stage, &said.message).await, settled);
    assert!(says(&stage.sent().await, settled));
    let said = stage.say("Once more: {{tally}}.").await;
    assert_eq!(content(&stage, &said.message).await, "Once more: 2.");

    stage.grant(&[]).await;
    let said = stage.say("{{fate::the sun}}").await;
    assert_eq!(content(&stage, &said.message).await, "{{fate::the sun}}");
}

#[tokio::test]
async fn a_look_at_typed_macros_keeps_no_values() {
    let stage = Stage::new(&GRANTS, json!({})).await;
    for _ in 0..2 {
        let seen = stage.preview(json!({ "content": "Call {{tally}}." })).await;
        assert!(says(&seen, "Call 1."), "{seen:#}");
    }
    let said = stage.say("Call {{tally}}.").await;
    assert_eq!(content(&stage, &said.message).await, "Call 1.");
}

#[tokio::test]
async fn calls_for_typed_macros_are_told_of() {
    let stage = Stage::new(&GRANTS, json!({})).await;
    let seen = stage.preview(json!({ "content": "I draw {{fate::the tower}}." })).await;
    let calls = seen["plugins"].as_array().expect("calls");
    let of_macros = calls.iter().filter(|call| call["hook"] == "macro-provider");
    assert_eq!(of_macros.count(), 1, "{seen:#}");
    let said = stage.say("I draw {{fate::the tower}}.").await;
    let trace = stage.trace(&said.generation, "macro-provider").await;
    assert_eq!(
        (&trace["extension"], &trace["outcome"]),
        (&json!("acme/puppet"), &json!("ok"))
    );
}

#[tokio::test]
async fn a_fork_begins_with_what_extensions_keep_for_its_source_and_goes_its_own_way() {
    let mut stage = Stage::new(&["macros", "kv:chat"], json!({})).await;
    stage.say("Chapter {{chapter}}.").await;
    let said = stage.say("Chapter {{chapter}}.").await;
    assert_eq!(content(&stage, &said.message).await, "Chapter 2.");
    let fork =
        "mutation($m: ID!) { forkChatSession(input: { messageId: $m }) { chatSession { id } userErrors { message } } }";
    let forked = stage.client.data(fork, json!({ "m": said.message })).await;
    let fork = text(&forked["forkChatSession"]["chatSession"]["id"], &forked);
    let source = std::mem::replace(&mut stage.session, fork);
    for chapter in ["Chapter 3.", "Chapter 4."] {
        let said = stage.say("Chapter {{chapter}}.").await;
        assert_eq!(content(&stage, &said.message).await, chapter);
    }
    stage.session = source;
    let said = stage.say("Chapter {{chapter}}.").await;
    assert_eq!(content(&stage, &said.message).await, "Chapter 3.");
}

#[tokio::test]
async fn what_is_installed_again_remembers_nothing() {
    let stage = Stage::new(&GRANTS, json!({})).await;
    let said = stage.say("{{tally}}").await;
    assert_eq!(content(&stage, &said.message).await, "1");
    let uninstall = "mutation($i: ID!) { uninstallExtension(input: { id: $i }) { deletedId } }";
    stage.client.data(uninstall, json!({ "i": stage.installation })).await;
    let said = stage.say("{{tally}}").await;
    assert_eq!(content(&stage, &said.message).await, "{{tally}}");
    done(
        &stage.client,
        INSTALL,
        json!({ "name": "acme/puppet", "grants": GRANTS }),
    )
    .await;
    let said = stage.say("{{tally}}").await;
    assert_eq!(content(&stage, &said.message).await, "1");
}

#[tokio::test]
async fn values_go_back_with_the_version_that_wrote_them() {
    let stage = Stage::new(&GRANTS, json!({})).await;
    let tally = async || {
        let said = stage.say("{{tally}}").await;
        content(&stage, &said.message).await
    };
    assert_eq!([tally().await, tally().await], ["1", "2"]);
    stage.upgrade("1.1.0").await;
    assert_eq!(
        [tally().await, tally().await],
        ["3", "4"],
        "the next version goes on with them"
    );
    let back = done(&stage.client, ROLLBACK, json!({ "id": stage.installation })).await;
    assert_eq!(back["version"], "1.0.0", "{back:#}");
    assert_eq!(tally().await, "3", "they are as they were");
}

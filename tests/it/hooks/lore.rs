//! Lore that extensions choose.

use serde_json::{Value, json};

use super::noted;
use crate::support::{Stage, says, user_errors};

/// Gives the chat a book of these entries.
pub(super) async fn book(stage: &Stage, entries: &[Value]) {
    let book = stage.client.world_book("Lore", json!({})).await;
    for entry in entries {
        let mut input = entry.clone();
        input["worldBookId"] = json!(book);
        let saved = stage
            .client
            .data("mutation($i: SaveWorldEntryInput!) { saveWorldEntry(input: $i) { userErrors { message field code } } }", json!({ "i": input }))
            .await;
        assert!(user_errors(&saved["saveWorldEntry"]).is_empty(), "{saved:#}");
    }
    let used = stage
        .client
        .data("mutation($i: UpdateChatSessionInput!) { updateChatSession(input: $i) { userErrors { message field code } } }", json!({ "i": { "id": stage.session, "worldBookIds": [book] } }))
        .await;
    assert!(user_errors(&used["updateChatSession"]).is_empty(), "{used:#}");
}

async fn beasts(grants: &[&str]) -> Stage {
    let config = json!({
        "tells": ["world-info"],
        "world-info": { "activate": ["unicorn"], "silence": ["dragon"], "add": [["storm", "A storm is coming."]] },
    });
    let stage = Stage::new(grants, config).await;
    let entries = [
        json!({ "comment": "dragon", "keys": ["dragon"], "content": "Dragons hoard teapots." }),
        json!({ "comment": "unicorn", "keys": ["unicorn"], "content": "Unicorns are shy." }),
        json!({ "comment": "moon", "constant": true, "content": "The moon is a lantern." }),
    ];
    book(&stage, &entries).await;
    stage
}

/// What stands of these in a prompt: dragons, unicorns, the moon, the storm.
fn lore(prompt: &Value) -> [bool; 4] {
    [
        "Dragons hoard teapots.",
        "Unicorns are shy.",
        "The moon is a lantern.",
        "A storm is coming.",
    ]
    .map(|text| says(prompt, text))
}

#[tokio::test]
async fn entries_are_activated_silenced_and_added_and_the_account_says_by_whom() {
    let stage = beasts(&["lore.read", "lore.edit"]).await;
    let seen = stage.preview(json!({ "content": "A dragon?" })).await;
    assert_eq!(lore(&seen), [false, true, true, true], "{seen:#}");
    let entry = |title: &str| {
        let mut account = seen["lore"].as_array().expect("lore").iter();
        account
            .find(|entry| entry["comment"] == title)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(entry("unicorn")["activated"], true);
    assert_eq!(entry("dragon")["activated"], false);
    for title in ["unicorn", "dragon"] {
        let entry = entry(title);
        assert!(
            entry["reason"].as_str().is_some_and(|why| why.contains("extension")),
            "{entry:#}"
        );
    }
    let blocks = seen["blocks"].as_array().expect("blocks");
    let storm = blocks
        .iter()
        .find(|block| block["text"] == "A storm is coming.")
        .expect("its block");
    assert_eq!(
        (&storm["label"], &storm["included"]),
        (&json!("acme/puppet: storm"), &json!(true))
    );

    let said = stage.say("A dragon?").await;
    assert_eq!(lore(&stage.sent().await), [false, true, true, true]);
    let trace = stage.trace(&said.generation, "world-info").await;
    assert_eq!(
        (&trace["outcome"], &trace["edits"]),
        (&json!("ok"), &json!(3)),
        "{trace:#}"
    );
    let line = trace["log"][0].as_str().expect("a line");
    let shown = line.strip_prefix("info world-info ").expect("what it was shown");
    assert_eq!(
        serde_json::from_str::<Value>(shown).expect("JSON"),
        json!({ "dragon": true, "unicorn": false, "moon": true }),
        "it is shown what the keys have chosen, and what they have not"
    );
    // For that turn alone.
    stage.configure(json!({})).await;
    stage.say("A dragon?").await;
    assert_eq!(lore(&stage.sent().await), [true, false, true, false]);
}

#[tokio::test]
async fn whoever_may_not_choose_lore_changes_none_and_whoever_may_not_read_it_is_not_called() {
    let stage = beasts(&["lore.read"]).await;
    let seen = stage.preview(json!({ "content": "A dragon?" })).await;
    assert_eq!(lore(&seen), [true, false, true, false], "{seen:#}");
    let call = |seen: &Value| {
        let mut calls = seen["plugins"].as_array().expect("calls").iter();
        calls.find(|call| call["hook"] == "world-info").cloned()
    };
    let trace = call(&seen).expect("it was called");
    assert_eq!(trace["edits"], 0);
    assert!(noted(&trace, "needs the permission `lore.edit`"), "{trace:#}");
    stage.grant(&["lore.edit"]).await;
    let seen = stage.preview(json!({ "content": "A dragon?" })).await;
    assert_eq!(lore(&seen), [true, false, true, false], "{seen:#}");
    assert_eq!(call(&seen), None, "{seen:#}");
}

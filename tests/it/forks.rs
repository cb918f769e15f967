//! Forks: a chat that goes on from any message of another one.

use serde_json::{Value, json};

use crate::support::{Client, Tavern, text, user_errors};

const FORK: &str = "mutation($m: ID!, $t: String) { forkChatSession(input: { messageId: $m, title: $t }) { chatSession { id title messageCount forkedFrom { id } messages(first: 100) { nodes { id content activeSwipe swipes { content } author { __typename } } } } userErrors { message field code } } }";
const MESSAGES: &str = "query($s: ID!) { chatSession(id: $s) { messages(first: 100) { nodes { id content activeSwipe swipes { content } author { __typename } } } } }";

/// As short as the demo model can be.
fn brief() -> Value {
    json!({ "extra": { "demo": { "words": 4, "delayMs": 0 } } })
}

async fn messages(client: &Client, session: &str) -> Vec<Value> {
    let answer = client.data(MESSAGES, json!({ "s": session })).await;
    let nodes = answer["chatSession"]["messages"]["nodes"].as_array();
    nodes.unwrap_or_else(|| panic!("{answer:#}")).clone()
}

fn without_ids(messages: &[Value]) -> Vec<Value> {
    messages
        .iter()
        .map(|message| {
            let mut message = message.clone();
            message["id"] = Value::Null;
            message
        })
        .collect()
}

#[tokio::test]
async fn a_fork_begins_as_its_source_did_and_goes_its_own_way() {
    let tavern = Tavern::start().await;
    let client = tavern.user("forker").await;
    let session = client.chat().await;
    for word in ["one", "two"] {
        let (_, generation) = client.send(&session, word, brief()).await;
        client.ended(&generation).await;
    }
    let source = messages(&client, &session).await;
    let made = client
        .data(FORK, json!({ "m": source[2]["id"], "t": " Elsewhere " }))
        .await;
    let fork = &made["forkChatSession"]["chatSession"];
    assert_eq!(fork["title"], "Elsewhere");
    assert_eq!(fork["messageCount"], 3);
    assert_eq!(fork["forkedFrom"]["id"], source[2]["id"]);
    let copied = fork["messages"]["nodes"].as_array().expect("messages");
    assert_eq!(without_ids(copied), without_ids(&source[..3]));

    let id = text(&fork["id"], fork);
    let (_, generation) = client.send(&id, "three", brief()).await;
    client.ended(&generation).await;
    assert_eq!(messages(&client, &id).await.len(), 5);
    assert_eq!(messages(&client, &session).await, source);

    let delete = "mutation($s: ID!) { deleteChatSession(input: { id: $s }) { deletedId } }";
    client.data(delete, json!({ "s": session })).await;
    assert_eq!(messages(&client, &id).await.len(), 5);
    let from = client
        .data(
            "query($s: ID!) { chatSession(id: $s) { forkedFrom { id } } }",
            json!({ "s": id }),
        )
        .await;
    assert_eq!(from["chatSession"]["forkedFrom"], Value::Null);
}

#[tokio::test]
async fn a_fork_counts_as_a_chat_of_the_account_and_not_of_its_characters() {
    let tavern = Tavern::with(|config| config.limits.sessions_per_user = 2).await;
    let client = tavern.user("forker").await;
    let character = client.character("Counted", json!({})).await;
    let session = client.chat_with(&character).await;
    let first = messages(&client, &session).await.remove(0);
    let fork = || client.data(FORK, json!({ "m": first["id"] }));
    assert!(user_errors(&fork().await["forkChatSession"]).is_empty());
    let refused = fork().await;
    assert_eq!(refused["forkChatSession"]["userErrors"][0]["code"], "QUOTA_EXCEEDED");
    let counted = client
        .data(
            "query($c: ID!) { character(id: $c) { chatCount } }",
            json!({ "c": character }),
        )
        .await;
    assert_eq!(counted["character"]["chatCount"], 1);
}

//! Prompts: what goes in and why, what is really sent, and what it leaves behind.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Fake, Script, Tavern, text, user_errors};

const PREVIEW: &str = "query($i: PromptPreviewInput!) { promptPreview(input: $i) { tokenCount budget model tokenizer warnings messages { role name content } blocks { source label included reason tokens text } lore { entryId book activated matchedKey matchedIn pass reason } plugins { hook } } }";
const UPDATE: &str = "mutation($i: UpdateChatSessionInput!) { updateChatSession(input: $i) { chatSession { id } userErrors { message field code } } }";
const SENT: &str = "query($g: ID!) { generation(id: $g) { prompt { messages { role content } tokenCount seed lore { activated matchedKey } blocks { source included } } } }";
const VARIABLES: &str = "query($s: ID!) { chatSession(id: $s) { variables } }";

async fn book(client: &Client, entries: &[Value]) -> String {
    let made = client
        .data(
            "mutation { createWorldBook(input: { name: \"Lore\" }) { worldBook { id } } }",
            json!({}),
        )
        .await;
    let id = text(&made["createWorldBook"]["worldBook"]["id"], &made);
    for entry in entries {
        let mut input = entry.clone();
        input["worldBookId"] = json!(id);
        let saved = client
            .data("mutation($i: SaveWorldEntryInput!) { saveWorldEntry(input: $i) { userErrors { message field code } } }", json!({ "i": input }))
            .await;
        assert!(user_errors(&saved["saveWorldEntry"]).is_empty(), "{saved:#}");
    }
    id
}

async fn preset(client: &Client, data: Value) -> String {
    let saved = client
        .data("mutation($i: SavePresetInput!) { savePreset(input: $i) { preset { id } userErrors { message field code } } }", json!({ "i": { "name": "P", "data": data } }))
        .await;
    text(&saved["savePreset"]["preset"]["id"], &saved)
}

async fn update(client: &Client, session: &str, more: Value) {
    let mut input = more;
    input["id"] = json!(session);
    let updated = client.data(UPDATE, json!({ "i": input })).await;
    assert!(user_errors(&updated["updateChatSession"]).is_empty(), "{updated:#}");
}

async fn swipe(client: &Client, session: &str) {
    let started = client
        .data("mutation($s: ID!) { generateReply(input: { sessionId: $s, kind: SWIPE }) { generation { id } userErrors { message field code } } }", json!({ "s": session }))
        .await;
    client
        .ended(&text(&started["generateReply"]["generation"]["id"], &started))
        .await;
}

/// A server whose default model is a fake one, somebody who uses it, and a chat.
async fn house() -> (Fake, Tavern, Client, String) {
    let fake = Fake::start().await;
    let tavern = Tavern::with(|config| fake.configure(config)).await;
    let client = tavern.user("teller").await;
    let session = client.chat().await;
    (fake, tavern, client, session)
}

fn contents(messages: &Value) -> Vec<&str> {
    let messages = messages.as_array().expect("messages");
    messages
        .iter()
        .filter_map(|message| message["content"].as_str())
        .collect()
}

#[tokio::test]
async fn a_preview_tells_every_piece_and_every_entry_and_changes_nothing() {
    let (fake, _tavern, client, session) = house().await;
    let entries = [
        json!({ "comment": "dragon", "keys": ["dragon"], "content": "Dragons hoard {{user}}'s teapots." }),
        json!({ "comment": "unicorn", "keys": ["unicorn"], "content": "Unicorns are shy." }),
        json!({ "comment": "teapot", "keys": ["teapots"], "content": "Teapots are blue.", "position": "AFTER_CHARACTER" }),
    ];
    let book = book(&client, &entries).await;
    update(&client, &session, json!({ "worldBookIds": [book] })).await;
    let input = json!({ "i": { "sessionId": session, "content": "A Dragon?", "guidance": "Be brief." } });
    let preview = client.data(PREVIEW, input.clone()).await["promptPreview"].clone();

    let all = contents(&preview["messages"]).join("\n");
    for expected in [
        "Dragons hoard teller's teapots.",
        "Teapots are blue.",
        "A Dragon?",
        "Be brief.",
    ] {
        assert!(all.contains(expected), "{expected} is missing in {preview:#}");
    }
    assert!(!all.contains("Unicorns"));
    let lore = preview["lore"].as_array().expect("lore");
    let entry = |index: usize| {
        (
            &lore[index]["activated"],
            &lore[index]["matchedKey"],
            &lore[index]["matchedIn"],
        )
    };
    assert_eq!(lore.len(), 3);
    assert_eq!(entry(0), (&json!(true), &json!("dragon"), &json!("message 0")));
    assert_eq!(
        (&lore[1]["activated"], &lore[1]["reason"]),
        (&json!(false), &json!("no key matched"))
    );
    assert_eq!(entry(2), (&json!(true), &json!("teapots"), &json!("lore: dragon")));
    assert_eq!(lore[2]["pass"], 1);
    let included: i64 = preview["blocks"]
        .as_array()
        .expect("blocks")
        .iter()
        .filter(|block| block["included"] == true)
        .filter_map(|block| block["tokens"].as_i64())
        .sum();
    let count = preview["tokenCount"].as_i64().expect("a count");
    assert!(included <= count && count <= included + 3, "{included} of {count}");
    assert!(count <= preview["budget"].as_i64().expect("a budget"));

    assert!(fake.requests().await.is_empty(), "nothing was sent");
    let after = client
        .data(
            "query($s: ID!) { chatSession(id: $s) { messageCount } }",
            json!({ "s": session }),
        )
        .await;
    assert_eq!(after["chatSession"]["messageCount"], 1);
}

#[tokio::test]
async fn what_was_really_sent_is_kept_with_the_generation() {
    let (fake, _tavern, client, session) = house().await;
    let book = book(
        &client,
        &[json!({ "keys": ["moon"], "content": "The moon is a lantern." })],
    )
    .await;
    update(&client, &session, json!({ "worldBookIds": [book] })).await;
    let (_, generation) = client.send(&session, "Look, the moon!", json!({})).await;
    client.ended(&generation).await;
    let kept = client.data(SENT, json!({ "g": generation })).await;
    let prompt = &kept["generation"]["prompt"];
    let sent = fake.requests().await.remove(0);
    assert_eq!(contents(&prompt["messages"]), contents(&sent["messages"]));
    assert!(
        contents(&sent["messages"])
            .join("\n")
            .contains("The moon is a lantern.")
    );
    assert_eq!(prompt["lore"][0], json!({ "activated": true, "matchedKey": "moon" }));
}

#[tokio::test]
async fn variables_change_with_accepted_replies_only_and_a_swipe_starts_over() {
    let (fake, _tavern, client, session) = house().await;
    let count = json!({ "constant": true, "content": "Visit {{incvar::visits}}." });
    let book = book(&client, &[count]).await;
    update(&client, &session, json!({ "worldBookIds": [book] })).await;
    let visits =
        async || client.data(VARIABLES, json!({ "s": session })).await["chatSession"]["variables"]["visits"].clone();

    let preview = client.data(PREVIEW, json!({ "i": { "sessionId": session } })).await;
    assert!(
        contents(&preview["promptPreview"]["messages"])
            .join("\n")
            .contains("Visit 1.")
    );
    assert_eq!(visits().await, Value::Null, "a look changes nothing");

    let (_, generation) = client.send(&session, "Hello.", json!({})).await;
    client.ended(&generation).await;
    assert_eq!(visits().await, "1");
    swipe(&client, &session).await;
    assert_eq!(visits().await, "1", "the reply that was replaced does not count");
    fake.next(Script::Fail(400)).await;
    let (_, failed) = client.send(&session, "Again.", json!({})).await;
    assert_eq!(client.ended(&failed).await["status"], "FAILED");
    assert_eq!(visits().await, "1", "nothing came of it");
    let (_, generation) = client.send(&session, "And again.", json!({})).await;
    client.ended(&generation).await;
    assert_eq!(visits().await, "2");
}

#[tokio::test]
async fn macros_in_what_the_user_types_are_settled_when_it_is_sent() {
    let (_fake, _tavern, client, session) = house().await;
    let wish = json!({ "i": { "sessionId": session, "content": "I roll {{roll:1d1}} as {{user}}." } });
    let preview = client.data(PREVIEW, wish).await;
    assert!(
        contents(&preview["promptPreview"]["messages"]).contains(&"I roll 1 as teller."),
        "{preview:#}"
    );
    let input = json!({ "i": { "sessionId": session, "content": "I roll {{roll:1d1}} as {{user}}.{{setvar::luck::good}}", "generate": false } });
    let sent = client
        .data("mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { content } generation { id } userErrors { message field code } } }", input)
        .await;
    assert_eq!(sent["sendMessage"]["message"]["content"], "I roll 1 as teller.");
    assert_eq!(sent["sendMessage"]["generation"], Value::Null);
    let kept = client.data(VARIABLES, json!({ "s": session })).await;
    assert_eq!(kept["chatSession"]["variables"]["luck"], "good");
}

#[tokio::test]
async fn a_preset_shapes_the_prompt_the_sampling_and_what_is_stored() {
    let (fake, _tavern, client, session) = house().await;
    let preset = preset(
        &client,
        json!({
            "chat": {
                "temperature": 0.25,
                "prompts": [
                    { "identifier": "main", "name": "Main", "role": "system", "content": "Tell it as a ballad.", "system_prompt": true },
                    { "identifier": "chatHistory", "name": "History", "marker": true, "system_prompt": true },
                    { "identifier": "close", "name": "Close", "role": "system", "content": "Mind {{char}}'s temper.", "injection_position": 1, "injection_depth": 0 }
                ],
                "prompt_order": [{ "character_id": 100_001, "order": [
                    { "identifier": "main", "enabled": true },
                    { "identifier": "chatHistory", "enabled": true },
                    { "identifier": "close", "enabled": true }
                ] }]
            },
            "regexScripts": [{ "scriptName": "shout", "findRegex": "/loud/g", "replaceString": "LOUD", "placement": [1, 2], "disabled": false }]
        }),
    )
    .await;
    update(&client, &session, json!({ "presetId": preset })).await;
    fake.next(Script::Say(vec!["A lo", "ud song.\nteller: And", " I too!"]))
        .await;
    let (_, generation) = client.send(&session, "Sing loud.", json!({})).await;
    let ended = client.ended(&generation).await;
    assert_eq!(
        ended["message"]["content"], "A LOUD song.",
        "scripts run, and nobody speaks for the user"
    );
    let sent = fake.requests().await.remove(0);
    let messages = contents(&sent["messages"]);
    assert_eq!(messages.first(), Some(&"Tell it as a ballad."));
    assert!(
        messages.last().is_some_and(|last| last.starts_with("Mind ")),
        "{messages:?}"
    );
    assert!(
        messages.contains(&"Sing LOUD."),
        "what the user types is rewritten, too: {messages:?}"
    );
    assert_eq!(sent["temperature"], 0.25);
}

#[tokio::test]
async fn a_model_that_completes_text_gets_one_text() {
    let fake = Fake::start().await;
    let tavern = Tavern::with(|config| {
        fake.configure(config);
        config.models[0].prompt = tavern_domain::model::PromptForm::Text;
    })
    .await;
    let client = tavern.user("teller").await;
    let session = client.chat().await;
    let (_, generation) = client.send(&session, "Once upon a time?", json!({})).await;
    assert_eq!(client.ended(&generation).await["status"], "COMPLETED");
    let sent = fake.requests().await.remove(0);
    let prompt = sent["prompt"].as_str().expect("a text");
    assert!(prompt.contains("Once upon a time?"), "{prompt}");
    assert_eq!(sent.get("messages"), None);
}

#[tokio::test]
async fn in_a_group_everybody_answers_in_turn_where_its_strategy_is_the_list() {
    let (fake, _tavern, client, _) = house().await;
    let one = client.character("Anna", json!({})).await;
    let two = client.character("Berta", json!({})).await;
    let made = client
        .data("mutation($c: [ID!]!) { createChatSession(input: { characterIds: $c }) { chatSession { id } userErrors { message field code } } }", json!({ "c": [one, two] }))
        .await;
    let session = text(&made["createChatSession"]["chatSession"]["id"], &made);
    update(
        &client,
        &session,
        json!({ "group": { "strategy": "LIST", "mode": "JOIN" } }),
    )
    .await;
    fake.next(Script::Say(vec!["I am first."])).await;
    fake.next(Script::Say(vec!["And I am second."])).await;
    let (_, generation) = client.send(&session, "Who is there?", json!({})).await;
    client.ended(&generation).await;
    // The second reply starts by itself; its end is an event of the session.
    let messages = "query($s: ID!) { chatSession(id: $s) { activeGenerations { id } messages(last: 2) { nodes { content author { ... on Character { name } } } } } }";
    let both = async {
        loop {
            let answer = client.data(messages, json!({ "s": session })).await;
            let nodes = answer["chatSession"]["messages"]["nodes"].clone();
            if nodes[1]["content"] == "And I am second." {
                return nodes;
            }
        }
    };
    let said = tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .expect("the second one answers, too");
    assert_eq!(said[0]["author"]["name"], "Anna");
    assert_eq!(said[1]["author"]["name"], "Berta");
}

#[tokio::test]
async fn a_prompt_that_cannot_fit_is_told_with_its_parts() {
    let fake = Fake::start().await;
    let tavern = Tavern::with(|config| {
        fake.configure(config);
        config.models[0].context_tokens = 300;
        config.models[0].max_output_tokens = 100;
    })
    .await;
    let client = tavern.user("teller").await;
    let character = client
        .character("Wordy", json!({ "description": "word ".repeat(1_000) }))
        .await;
    let session = client.chat_with(&character).await;
    let answer = client.run(PREVIEW, json!({ "i": { "sessionId": session } })).await;
    let message = answer["errors"][0]["message"].as_str().expect("an error");
    assert!(message.contains("description"), "{message}");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "QUOTA_EXCEEDED");
}

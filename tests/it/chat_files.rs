//! Chats in from files, and out as files again.

use serde_json::{Value, json};

use crate::support::{Client, Tavern, text, user_errors};

const IMPORT: &str = "mutation($i: ImportChatInput!) { importChat(input: $i) { chatSession { id title messageCount messages(first: 100) { nodes { content isHidden reasoning activeSwipe swipes { content } author { __typename } createdAt } } } warnings userErrors { message field code } } }";
const EXPORT: &str = "mutation($i: ExportChatInput!) { exportChat(input: $i) { url fileName contentType expiresAt userErrors { message field code } } }";

fn chat() -> Vec<Value> {
    vec![
        json!({ "user_name": "Ann", "character_name": "Mira", "create_date": "2024-10-18@04h05m06s", "chat_metadata": { "integrity": "x", "main_chat": "y" } }),
        json!({ "name": "Mira", "is_user": false, "is_system": false, "send_date": "October 18, 2024 4:05pm", "mes": "Ho.", "swipe_id": 1, "swipes": ["Hi.", "Ho."], "swipe_info": [{ "send_date": "x", "extra": {} }, { "send_date": "October 18, 2024 4:05pm", "extra": { "reasoning": "Hm." } }], "extra": { "reasoning": "Hm." } }),
        json!({ "name": "Ann", "is_user": true, "is_system": true, "send_date": 1_729_267_560_000_i64, "mes": "Hello?", "extra": { "bookmark_link": "z" } }),
    ]
}

fn lines(lines: &[Value]) -> String {
    lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

/// Imports a chat by multipart upload.
async fn upload(client: &Client, character: &str, bytes: Vec<u8>) -> Value {
    let operations = json!({
        "query": IMPORT,
        "variables": { "i": { "source": { "file": null }, "characterIds": [character] } }
    });
    let form = reqwest::multipart::Form::new()
        .text("operations", operations.to_string())
        .text("map", r#"{"0":["variables.i.source.file"]}"#)
        .part("0", reqwest::multipart::Part::bytes(bytes).file_name("chat.jsonl"));
    let request = client
        .http
        .post(format!("{}/graphql", client.url))
        .header("apollo-require-preflight", "1")
        .bearer_auth(client.token.as_deref().expect("a token"))
        .multipart(form);
    request.send().await.expect("an answer").json().await.expect("JSON")
}

#[tokio::test]
async fn a_chat_of_sillytavern_comes_in_is_seen_and_goes_out_the_same() {
    let tavern = Tavern::start().await;
    let client = tavern.user("mover").await;
    let character = client.character("Mira", json!({})).await;
    let answer = upload(&client, &character, lines(&chat()).into_bytes()).await;
    let imported = &answer["data"]["importChat"];
    assert_eq!(user_errors(imported), [""; 0], "{answer:#}");
    let session = &imported["chatSession"];
    assert_eq!(
        (&session["title"], &session["messageCount"]),
        (&json!("Mira"), &json!(2))
    );
    assert_eq!(
        session["messages"]["nodes"],
        json!([
            { "content": "Ho.", "isHidden": false, "reasoning": "Hm.", "activeSwipe": 1, "swipes": [{ "content": "Hi." }, { "content": "Ho." }], "author": { "__typename": "Character" }, "createdAt": "2024-10-18T16:05:00.000Z" },
            { "content": "Hello?", "isHidden": true, "reasoning": null, "activeSwipe": 0, "swipes": [{ "content": "Hello?" }], "author": { "__typename": "User" }, "createdAt": "2024-10-18T16:06:00.000Z" },
        ])
    );
    let exported = client
        .data(EXPORT, json!({ "i": { "sessionId": session["id"] } }))
        .await;
    let link = &exported["exportChat"];
    assert_eq!(
        (&link["fileName"], &link["contentType"]),
        (&json!("Mira.jsonl"), &json!("application/jsonl"))
    );
    let url = format!("{}{}", tavern.url, text(&link["url"], link));
    let file = client
        .http
        .get(url)
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    let written: Vec<Value> = file
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(written, chat());
}

#[tokio::test]
async fn an_imported_chat_goes_on() {
    let tavern = Tavern::start().await;
    let client = tavern.user("mover").await;
    let character = client.character("Mira", json!({})).await;
    let input = json!({ "source": { "text": lines(&chat()) }, "characterIds": [character], "title": " Elsewhere " });
    let answer = client.data(IMPORT, json!({ "i": input })).await;
    let session = text(&answer["importChat"]["chatSession"]["id"], &answer);
    let brief = json!({ "extra": { "demo": { "words": 4, "delayMs": 0 } } });
    let (_, generation) = client.send(&session, "Shall we?", brief).await;
    let ended = client.ended(&generation).await;
    assert_eq!(ended["status"], "COMPLETED");
    let exported = client
        .data(EXPORT, json!({ "i": { "sessionId": session, "branches": true } }))
        .await;
    assert_eq!(exported["exportChat"]["fileName"], "Elsewhere.zip");
}

#[tokio::test]
async fn what_is_wrong_with_an_import_is_told_by_field() {
    let tavern = Tavern::with(|config| {
        config.limits.sessions_per_user = 1;
        config.limits.messages_per_session = 2;
    })
    .await;
    let client = tavern.user("mover").await;
    let character = client.character("Mira", json!({})).await;
    let good = lines(&chat());
    let mut three = chat();
    three.push(chat()[2].clone());
    let cases = [
        (
            json!({ "source": { "text": "{}" }, "characterIds": [character] }),
            "BAD_USER_INPUT source.text",
        ),
        (
            json!({ "source": { "text": lines(&three) }, "characterIds": [character] }),
            "BAD_USER_INPUT source.text",
        ),
        (
            json!({ "source": { "text": good }, "characterIds": [] }),
            "BAD_USER_INPUT characterIds",
        ),
        (
            json!({ "source": { "text": good }, "characterIds": [character], "title": "" }),
            "BAD_USER_INPUT title",
        ),
    ];
    for (input, expected) in cases {
        let answer = client.data(IMPORT, json!({ "i": input })).await;
        assert_eq!(user_errors(&answer["importChat"]), [expected], "{answer:#}");
    }
    let input = json!({ "i": { "source": { "text": good }, "characterIds": [character] } });
    let first = client.data(IMPORT, input.clone()).await;
    assert_eq!(
        user_errors(&first["importChat"]),
        [""; 0],
        "two messages are no more than two"
    );
    let second = client.data(IMPORT, input).await;
    assert_eq!(user_errors(&second["importChat"]), ["QUOTA_EXCEEDED"]);
}

#[tokio::test]
async fn a_file_with_a_chat_has_a_largest_size() {
    let file = lines(&chat());
    for (limit, fits) in [(file.len(), true), (file.len() - 1, false)] {
        let tavern = Tavern::with(|config| config.limits.chat_file_bytes = limit).await;
        let client = tavern.user("mover").await;
        let character = client.character("Mira", json!({})).await;
        let answer = upload(&client, &character, file.clone().into_bytes()).await;
        let errors = user_errors(&answer["data"]["importChat"]);
        let expected: &[&str] = if fits { &[] } else { &["BAD_USER_INPUT source.file"] };
        assert_eq!(errors, expected, "{answer:#}");
    }
}

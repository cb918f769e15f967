//! Chats: greetings, turns, swipes, edits.

use serde_json::{Value, json};

use crate::support::{Client, Fake, Script, Tavern, text, user_errors};

const SEND: &str = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id content sequence } generation { id status kind } userErrors { message field code } } }";
const REPLY: &str = "mutation($i: GenerateReplyInput!) { generateReply(input: $i) { generation { id } userErrors { message field code } } }";
const MESSAGES: &str = "query($s: ID!) { chatSession(id: $s) { messageCount messages(first: 100) { totalCount nodes { id role content activeSwipe isEdited isHidden version swipes { index content } author { __typename ... on User { username } ... on Character { name } } } } } }";
/// As short as the demo model can be.
fn brief() -> Value {
    json!({ "extra": { "demo": { "words": 4, "delayMs": 0 } } })
}

async fn messages(client: &Client, session: &str) -> Vec<Value> {
    let answer = client.data(MESSAGES, json!({ "s": session })).await;
    answer["chatSession"]["messages"]["nodes"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer:#}"))
        .clone()
}

async fn reply(client: &Client, session: &str, kind: &str) -> Value {
    let started = client
        .data(
            REPLY,
            json!({ "i": { "sessionId": session, "kind": kind, "options": brief() } }),
        )
        .await;
    client
        .ended(&text(&started["generateReply"]["generation"]["id"], &started))
        .await
}

#[tokio::test]
async fn a_chat_opens_with_the_greeting_and_its_alternates_as_swipes() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let character = client
        .character(
            "Greeter",
            json!({ "alternateGreetings": ["Second, {{user}}.", "Third from {{char}}."] }),
        )
        .await;
    let made = client
        .data("mutation($c: ID!) { createChatSession(input: { characterIds: [$c], greeting: 2 }) { chatSession { id title characters { name } } userErrors { message field } } }", json!({ "c": character }))
        .await;
    let session = &made["createChatSession"]["chatSession"];
    assert_eq!(session["title"], "Greeter");
    let greeting = messages(&client, session["id"].as_str().expect("an id"))
        .await
        .remove(0);
    assert_eq!(greeting["content"], "Third from Greeter.");
    assert_eq!(greeting["swipes"][0]["content"], "*waves* Hello, talker.");
    assert_eq!(
        greeting["author"],
        json!({ "__typename": "Character", "name": "Greeter" })
    );
}

#[tokio::test]
async fn a_message_gets_a_reply_that_is_kept() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let (_, generation) = client.send(&session, "Who are you?", json!({})).await;
    let ended = client.ended(&generation).await;
    assert_eq!(ended["status"], "COMPLETED");
    let all = messages(&client, &session).await;
    assert_eq!(
        all.iter()
            .map(|message| message["role"].as_str().expect("a role"))
            .collect::<Vec<_>>(),
        ["ASSISTANT", "USER", "ASSISTANT"]
    );
    assert_eq!(all[2]["content"], ended["message"]["content"]);
    assert_eq!(all[1]["author"], json!({ "__typename": "User", "username": "talker" }));
    let kept = client.data("query($g: ID!) { generation(id: $g) { status text usage { completionTokens source } attempts { number outcome provider } message { id } endedAt firstTokenAt } }", json!({ "g": generation })).await;
    assert_eq!(kept["generation"]["text"], all[2]["content"]);
    assert_eq!(kept["generation"]["attempts"][0]["outcome"], "completed");
}

#[tokio::test]
async fn the_demo_model_speaks_in_character_says_what_it_is_and_repeats_itself_under_a_seed() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let character = client
        .character("Isolde", json!({ "description": "Isolde tends the observatory." }))
        .await;
    let mut said = Vec::new();
    for _ in 0..2 {
        let session = client.chat_with(&character).await;
        let (_, generation) = client
            .send(
                &session,
                "Good evening.",
                json!({ "seed": 7, "extra": { "demo": { "delayMs": 0 } } }),
            )
            .await;
        said.push(text(
            &client.ended(&generation).await["message"]["content"],
            &Value::Null,
        ));
    }
    assert_eq!(said[0], said[1]);
    assert!(said[0].contains("Isolde"), "{}", said[0]);
    assert!(said[0].contains("demo model"), "{}", said[0]);
}

#[tokio::test]
async fn the_same_key_sends_a_message_once_however_often() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let input =
        json!({ "i": { "sessionId": session, "content": "Once.", "idempotencyKey": "k-1", "options": brief() } });
    let tries = futures::future::join_all((0..8).map(|_| client.data(SEND, input.clone()))).await;
    for answer in &tries {
        assert_eq!(
            answer["sendMessage"]["message"]["id"],
            tries[0]["sendMessage"]["message"]["id"]
        );
        assert_eq!(
            answer["sendMessage"]["generation"]["id"],
            tries[0]["sendMessage"]["generation"]["id"]
        );
    }
    client
        .ended(tries[0]["sendMessage"]["generation"]["id"].as_str().expect("an id"))
        .await;
    assert_eq!(messages(&client, &session).await.len(), 3);
    let again = client.data(SEND, input).await;
    assert_eq!(
        again["sendMessage"]["message"]["id"],
        tries[0]["sendMessage"]["message"]["id"]
    );
}

#[tokio::test]
async fn a_key_used_for_something_else_is_a_conflict() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let with = |content: &str| json!({ "i": { "sessionId": session, "content": content, "idempotencyKey": "k", "generate": false } });
    client.data(SEND, with("One.")).await;
    let refused = client.data(SEND, with("Two.")).await;
    assert_eq!(user_errors(&refused["sendMessage"]), ["CONFLICT idempotencyKey"]);
    assert_eq!(messages(&client, &session).await.len(), 2);
}

#[tokio::test]
async fn one_reply_at_a_time_is_written_in_a_chat() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let (_, generation) = client
        .send(
            &session,
            "Slowly.",
            json!({ "extra": { "demo": { "words": 2000, "delayMs": 50 } } }),
        )
        .await;
    let refused = client
        .data(SEND, json!({ "i": { "sessionId": session, "content": "Impatient." } }))
        .await;
    assert_eq!(user_errors(&refused["sendMessage"]), ["CONFLICT sessionId"]);
    let stop = "mutation($g: ID!) { stopGeneration(input: { generationId: $g }) { generation { status } userErrors { code } } }";
    let stopped = client.data(stop, json!({ "g": generation })).await;
    assert_eq!(stopped["stopGeneration"]["generation"]["status"], "CANCELLED");
    let again = client.data(stop, json!({ "g": generation })).await;
    assert_eq!(again["stopGeneration"]["generation"]["status"], "CANCELLED");
    let sent = client
        .data(
            SEND,
            json!({ "i": { "sessionId": session, "content": "Now.", "options": brief() } }),
        )
        .await;
    assert!(user_errors(&sent["sendMessage"]).is_empty(), "{sent}");
}

#[tokio::test]
async fn what_came_before_a_stop_is_kept() {
    let fake = Fake::start().await;
    let tavern = Tavern::with(|config| fake.configure(config)).await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let (say, said) = tokio::sync::mpsc::channel(4);
    fake.next(Script::Follow(said)).await;
    let (_, generation) = client.send(&session, "Go on.", json!({})).await;
    let mut socket = client.socket().await;
    socket
        .subscribe(&crate::support::stream_query(), json!({ "id": generation }))
        .await;
    say.send("Half a sentence".into()).await.expect("the server listens");
    while socket.event().await["generationStream"]["length"] == 0 {}
    client.data("mutation($g: ID!) { stopGeneration(input: { generationId: $g }) { generation { status } userErrors { code } } }", json!({ "g": generation })).await;
    assert_eq!(messages(&client, &session).await[2]["content"], "Half a sentence");
    assert!(say.is_closed(), "the provider's connection is dropped");
}

#[tokio::test]
async fn a_swipe_adds_an_alternative_and_another_can_be_shown_again() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let (_, generation) = client.send(&session, "Hello.", brief()).await;
    let first = client.ended(&generation).await;
    let second = reply(&client, &session, "SWIPE").await;
    let message = messages(&client, &session).await.remove(2);
    assert_eq!(message["activeSwipe"], 1);
    assert_eq!(message["swipes"].as_array().map(Vec::len), Some(2));
    assert_eq!(message["content"], second["message"]["content"]);
    let select = "mutation($m: ID!, $n: Int!) { selectSwipe(input: { messageId: $m, index: $n }) { message { content activeSwipe } userErrors { message field code } } }";
    let back = client.data(select, json!({ "m": message["id"], "n": 0 })).await;
    assert_eq!(back["selectSwipe"]["message"]["content"], first["message"]["content"]);
    for wrong in [-1, 2] {
        let refused = client.data(select, json!({ "m": message["id"], "n": wrong })).await;
        assert_eq!(user_errors(&refused["selectSwipe"]), ["BAD_USER_INPUT index"]);
    }
}

#[tokio::test]
async fn regenerating_replaces_and_continuing_appends() {
    let fake = Fake::start().await;
    let tavern = Tavern::with(|config| fake.configure(config)).await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    for (kind, piece, expected) in [
        ("", "One.", "One."),
        ("REGENERATE", "Two,", "Two,"),
        ("CONTINUE", " and three.", "Two, and three."),
    ] {
        fake.next(Script::Say(vec![piece])).await;
        if kind.is_empty() {
            let (_, generation) = client.send(&session, "Count.", json!({})).await;
            client.ended(&generation).await;
        } else {
            reply(&client, &session, kind).await;
        }
        let all = messages(&client, &session).await;
        assert_eq!(all[2]["content"], expected, "after {kind}");
        assert_eq!(all.len(), 3);
    }
}

#[tokio::test]
async fn impersonating_writes_for_the_user_and_makes_no_message() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let ended = reply(&client, &session, "IMPERSONATE").await;
    assert_eq!(ended["status"], "COMPLETED");
    assert!(ended["message"].is_null() && ended["length"].as_i64().is_some_and(|length| length > 0));
    assert_eq!(messages(&client, &session).await.len(), 1);
}

#[tokio::test]
async fn only_a_characters_message_can_be_varied() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let sent = client
        .data(
            SEND,
            json!({ "i": { "sessionId": session, "content": "Mine.", "generate": false } }),
        )
        .await;
    for message in [Value::Null, sent["sendMessage"]["message"]["id"].clone()] {
        let refused = client
            .data(
                REPLY,
                json!({ "i": { "sessionId": session, "kind": "SWIPE", "messageId": message } }),
            )
            .await;
        assert_eq!(user_errors(&refused["generateReply"]), ["BAD_USER_INPUT messageId"]);
    }
}

#[tokio::test]
async fn an_edit_changes_the_shown_swipe_and_a_lost_edit_is_refused() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let greeting = messages(&client, &session).await.remove(0);
    let edit = "mutation($m: ID!, $c: String!, $v: Int) { editMessage(input: { id: $m, content: $c, expectedVersion: $v }) { message { content isEdited version } userErrors { message field code } } }";
    let edited = client
        .data(edit, json!({ "m": greeting["id"], "c": "Changed.", "v": 1 }))
        .await;
    assert_eq!(
        edited["editMessage"]["message"],
        json!({ "content": "Changed.", "isEdited": true, "version": 2 })
    );
    let lost = client
        .data(edit, json!({ "m": greeting["id"], "c": "Lost.", "v": 1 }))
        .await;
    assert_eq!(user_errors(&lost["editMessage"]), ["CONFLICT expectedVersion"]);
    let empty = client.data(edit, json!({ "m": greeting["id"], "c": "  " })).await;
    assert_eq!(user_errors(&empty["editMessage"]), ["BAD_USER_INPUT content"]);
    assert_eq!(messages(&client, &session).await[0]["content"], "Changed.");
}

#[tokio::test]
async fn hidden_messages_are_kept_and_not_sent_to_the_model() {
    let fake = Fake::start().await;
    let tavern = Tavern::with(|config| fake.configure(config)).await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let (message, generation) = client.send(&session, "The password is heron.", json!({})).await;
    client.ended(&generation).await;
    client.data("mutation($m: ID!) { setMessageHidden(input: { id: $m, isHidden: true }) { message { isHidden } userErrors { code } } }", json!({ "m": message })).await;
    let (_, generation) = client.send(&session, "What is it?", json!({})).await;
    client.ended(&generation).await;
    let requests = fake.requests().await;
    assert!(requests[0].to_string().contains("heron"));
    assert!(!requests[1].to_string().contains("heron"), "{:#}", requests[1]);
    assert_eq!(
        messages(&client, &session).await[1]["content"],
        "The password is heron."
    );
}

#[tokio::test]
async fn deleted_messages_are_gone_and_others_sessions_are_not_touched() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let (session, other) = (client.chat().await, client.chat().await);
    let (mine, theirs) = (
        messages(&client, &session).await.remove(0),
        messages(&client, &other).await.remove(0),
    );
    let delete = "mutation($s: ID!, $m: [ID!]!) { deleteMessages(input: { sessionId: $s, ids: $m }) { ids chatSession { messageCount } userErrors { message field code } } }";
    let deleted = client
        .data(delete, json!({ "s": session, "m": [mine["id"], theirs["id"]] }))
        .await;
    assert_eq!(deleted["deleteMessages"]["ids"], json!([mine["id"]]));
    assert_eq!(deleted["deleteMessages"]["chatSession"]["messageCount"], 0);
    assert_eq!(messages(&client, &other).await.len(), 1);
    let none = client.data(delete, json!({ "s": session, "m": [] })).await;
    assert_eq!(user_errors(&none["deleteMessages"]), ["BAD_USER_INPUT ids"]);
}

#[tokio::test]
async fn messages_are_paged_from_both_ends() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    for number in 0..5 {
        client
            .data(
                SEND,
                json!({ "i": { "sessionId": session, "content": format!("m{number}"), "generate": false } }),
            )
            .await;
    }
    let page = "query($s: ID!, $l: Int, $b: String, $f: Int, $a: String) { chatSession(id: $s) { messages(last: $l, before: $b, first: $f, after: $a) { nodes { content } pageInfo { hasPreviousPage hasNextPage startCursor endCursor } } } }";
    let contents = |page: &Value| {
        page["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| text(&node["content"], page))
            .collect::<Vec<_>>()
    };
    let newest = client.data(page, json!({ "s": session, "l": 2 })).await["chatSession"]["messages"].take();
    assert_eq!(contents(&newest), ["m3", "m4"]);
    assert_eq!(newest["pageInfo"]["hasPreviousPage"], true);
    let older = client
        .data(
            page,
            json!({ "s": session, "l": 2, "b": newest["pageInfo"]["startCursor"] }),
        )
        .await["chatSession"]["messages"]
        .take();
    assert_eq!(contents(&older), ["m1", "m2"]);
    let newer = client
        .data(
            page,
            json!({ "s": session, "f": 2, "a": older["pageInfo"]["endCursor"] }),
        )
        .await["chatSession"]["messages"]
        .take();
    assert_eq!(contents(&newer), ["m3", "m4"]);
}

#[tokio::test]
async fn a_deleted_chat_is_gone_and_a_reply_in_it_is_stopped() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let (message, generation) = client
        .send(
            &session,
            "Slowly.",
            json!({ "extra": { "demo": { "words": 2000, "delayMs": 50 } } }),
        )
        .await;
    client
        .data(
            "mutation($s: ID!) { deleteChatSession(input: { id: $s }) { deletedId userErrors { code } } }",
            json!({ "s": session }),
        )
        .await;
    let after = client.data("query($s: ID!, $m: ID!, $g: ID!) { chatSession(id: $s) { id } generation(id: $g) { id } node(id: $m) { id } viewer { chatSessions { totalCount } } }", json!({ "s": session, "m": message, "g": generation })).await;
    assert_eq!(
        after,
        json!({ "chatSession": null, "generation": null, "node": null, "viewer": { "chatSessions": { "totalCount": 0 } } })
    );
}

#[tokio::test]
async fn a_chat_is_renamed_archived_and_listed_where_it_belongs() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let (one, _two) = (client.chat().await, client.chat().await);
    let update = "mutation($i: UpdateChatSessionInput!) { updateChatSession(input: $i) { chatSession { title isArchived } userErrors { message field code } } }";
    let updated = client
        .data(
            update,
            json!({ "i": { "id": one, "title": "The long night", "isArchived": true } }),
        )
        .await;
    assert_eq!(
        updated["updateChatSession"]["chatSession"],
        json!({ "title": "The long night", "isArchived": true })
    );
    let lists = client.data("{ viewer { chatSessions { totalCount } kept: chatSessions(archived: true) { totalCount nodes { title } } } }", json!({})).await;
    assert_eq!(lists["viewer"]["chatSessions"]["totalCount"], 1);
    assert_eq!(lists["viewer"]["kept"]["nodes"][0]["title"], "The long night");
    let refused = client
        .data(
            update,
            json!({ "i": { "id": one, "title": "t".repeat(201), "model": "nonesuch" } }),
        )
        .await;
    assert_eq!(
        user_errors(&refused["updateChatSession"]),
        ["BAD_USER_INPUT model", "BAD_USER_INPUT title"]
    );
}

#[tokio::test]
async fn all_wrong_fields_of_a_turn_are_told_at_once_and_nothing_happens() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let input = json!({ "sessionId": session, "content": " ", "guidance": "g".repeat(8 * 1024 + 1), "idempotencyKey": "k".repeat(129), "options": { "model": "nonesuch", "temperature": 9.0, "stop": [""] } });
    let refused = client.data(SEND, json!({ "i": input })).await;
    let told = user_errors(&refused["sendMessage"]);
    for field in [
        "content",
        "guidance",
        "idempotencyKey",
        "options.model",
        "options.temperature",
        "options.stop",
    ] {
        assert!(told.contains(&format!("BAD_USER_INPUT {field}")), "{field} in {told:?}");
    }
    assert_eq!(messages(&client, &session).await.len(), 1);
}

#[tokio::test]
async fn the_limits_of_a_message_and_a_chat_hold_on_both_sides() {
    let tavern = Tavern::with(|config| {
        config.limits.messages_per_session = 3;
        config.limits.sessions_per_user = 1;
        config.limits.characters_per_session = 2;
    })
    .await;
    let client = tavern.user("talker").await;
    let mut cast = Vec::new();
    for name in ["A", "B", "C"] {
        cast.push(client.character(name, json!({ "firstMessage": "" })).await);
    }
    let create = "mutation($c: [ID!]!) { createChatSession(input: { characterIds: $c }) { chatSession { id } userErrors { message field code } } }";
    assert_eq!(
        user_errors(&client.data(create, json!({ "c": cast })).await["createChatSession"]),
        ["BAD_USER_INPUT characterIds"]
    );
    assert_eq!(
        user_errors(&client.data(create, json!({ "c": [] })).await["createChatSession"]),
        ["BAD_USER_INPUT characterIds"]
    );
    assert_eq!(
        user_errors(&client.data(create, json!({ "c": [cast[0], cast[0]] })).await["createChatSession"]),
        ["BAD_USER_INPUT characterIds.1"]
    );
    let made = client.data(create, json!({ "c": &cast[..2] })).await;
    let session = text(&made["createChatSession"]["chatSession"]["id"], &made);
    assert_eq!(
        user_errors(&client.data(create, json!({ "c": &cast[..1] })).await["createChatSession"]),
        ["QUOTA_EXCEEDED"]
    );
    let send = async |content: String| {
        user_errors(
            &client
                .data(
                    SEND,
                    json!({ "i": { "sessionId": session, "content": content, "generate": false } }),
                )
                .await["sendMessage"],
        )
    };
    assert_eq!(send("m".repeat(64 * 1024)).await, [""; 0]);
    assert_eq!(send("m".repeat(64 * 1024 + 1)).await, ["BAD_USER_INPUT content"]);
    assert_eq!(send("two".into()).await, [""; 0]);
    assert_eq!(send("three".into()).await, [""; 0]);
    assert_eq!(send("four".into()).await, ["QUOTA_EXCEEDED sessionId"]);
}

#[tokio::test]
async fn replies_of_one_account_at_once_are_limited() {
    let tavern = Tavern::with(|config| config.limits.generations_per_user = 1).await;
    let client = tavern.user("talker").await;
    let (one, two) = (client.chat().await, client.chat().await);
    client
        .send(
            &one,
            "Slowly.",
            json!({ "extra": { "demo": { "words": 2000, "delayMs": 50 } } }),
        )
        .await;
    let refused = client
        .data(SEND, json!({ "i": { "sessionId": two, "content": "Too." } }))
        .await;
    assert_eq!(user_errors(&refused["sendMessage"]), ["QUOTA_EXCEEDED sessionId"]);
    assert_eq!(
        messages(&client, &two).await.len(),
        1,
        "nothing of the refused turn is left"
    );
}

#[tokio::test]
async fn the_limits_of_a_turns_texts_hold_on_both_sides() {
    let tavern = Tavern::start().await;
    let client = tavern.user("talker").await;
    let session = client.chat().await;
    let stops = |count: usize| json!({ "stop": vec!["~"; count] });
    let cases = [
        (
            "guidance",
            json!("g".repeat(8 * 1024)),
            json!("g".repeat(8 * 1024 + 1)),
            "guidance",
        ),
        (
            "idempotencyKey",
            json!("k".repeat(128)),
            json!("k".repeat(129)),
            "idempotencyKey",
        ),
        ("options", stops(16), stops(17), "options.stop"),
    ];
    for (field, fits, exceeds, place) in cases {
        let send = async |value: &Value| {
            let mut input = json!({ "sessionId": session, "content": "Within bounds?", "generate": false });
            input[field] = value.clone();
            user_errors(&client.data(SEND, json!({ "i": input })).await["sendMessage"])
        };
        assert_eq!(send(&fits).await, [""; 0], "{field} at its limit");
        assert_eq!(send(&exceeds).await, [format!("BAD_USER_INPUT {place}")]);
    }
    let rename = "mutation($s: ID!, $t: String!) { updateChatSession(input: { id: $s, title: $t }) { chatSession { id } userErrors { message field code } } }";
    for (length, expected) in [(200, Vec::new()), (201, vec!["BAD_USER_INPUT title".to_owned()])] {
        let answer = client
            .data(rename, json!({ "s": session, "t": "t".repeat(length) }))
            .await;
        assert_eq!(user_errors(&answer["updateChatSession"]), expected);
    }
}

//! Limits of the whole server and of what grows turn by turn, on both sides; others stand with what they limit.

use serde_json::{Value, json};

use crate::support::{Client, Tavern, code_of, text, user_errors};

const SEND: &str = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { generation { id } userErrors { message field code } } }";
const LOGIN: &str =
    "mutation($l: String!) { login(input: { login: $l, password: \"not the password\" }) { userErrors { code } } }";

/// Starts a reply that takes minutes; its id.
async fn write_slowly(client: &Client) -> String {
    let session = client.chat().await;
    let slowly = json!({ "extra": { "demo": { "words": 2000, "delayMs": 50 } } });
    client.send(&session, "Slowly.", slowly).await.1
}

#[tokio::test]
async fn replies_of_the_whole_server_at_once_are_limited() {
    let tavern = Tavern::with(|config| config.limits.generations = 2).await;
    let (one, two, three) = (
        tavern.user("first").await,
        tavern.user("second").await,
        tavern.user("third").await,
    );
    let slow = write_slowly(&one).await;
    write_slowly(&two).await;
    let session = three.chat().await;
    let input = json!({ "i": { "sessionId": session, "content": "Too." } });
    assert_eq!(code_of(&three.run(SEND, input.clone()).await), "OVERLOADED");
    let chat = three
        .data(
            "query($s: ID!) { chatSession(id: $s) { messageCount } }",
            json!({ "s": session }),
        )
        .await;
    assert_eq!(
        chat["chatSession"]["messageCount"], 1,
        "nothing of the refused turn is left"
    );
    one.data(
        "mutation($g: ID!) { stopGeneration(input: { generationId: $g }) { userErrors { code } } }",
        json!({ "g": slow }),
    )
    .await;
    // The place is free a moment after the reply has ended.
    let sent = loop {
        let answer = three.run(SEND, input.clone()).await;
        if answer.get("errors").is_none() {
            break answer;
        }
        assert_eq!(code_of(&answer), "OVERLOADED");
    };
    assert_eq!(user_errors(&sent["data"]["sendMessage"]), [""; 0]);
}

#[tokio::test]
async fn a_message_has_so_many_swipes() {
    let tavern = Tavern::with(|config| config.limits.swipes = 2).await;
    let client = tavern.user("swiper").await;
    let session = client.chat().await;
    let brief = json!({ "extra": { "demo": { "words": 4, "delayMs": 0 } } });
    let (_, generation) = client.send(&session, "Hello.", brief.clone()).await;
    client.ended(&generation).await;
    let swipe = async || -> Value {
        let input = json!({ "i": { "sessionId": session, "kind": "SWIPE", "options": brief } });
        client.data("mutation($i: GenerateReplyInput!) { generateReply(input: $i) { generation { id } userErrors { message field code } } }", input).await
    };
    let started = swipe().await;
    let generation = text(&started["generateReply"]["generation"]["id"], &started);
    assert_eq!(client.ended(&generation).await["status"], "COMPLETED");
    let refused = swipe().await;
    assert_eq!(
        user_errors(&refused["generateReply"]),
        ["BAD_USER_INPUT messageId"],
        "{refused:#}"
    );
    let kept = client
        .data(
            "query($s: ID!) { chatSession(id: $s) { messages(last: 1) { nodes { swipes { index } } } } }",
            json!({ "s": session }),
        )
        .await;
    let swipes = &kept["chatSession"]["messages"]["nodes"][0]["swipes"];
    assert_eq!(swipes.as_array().map(Vec::len), Some(2), "{kept:#}");
}

#[tokio::test]
async fn attempts_to_sign_in_are_limited_for_an_address() {
    let tavern = Tavern::with(|config| config.limits.logins_per_address = 2).await;
    let client = tavern.anonymous();
    for login in ["one", "two"] {
        let tried = client.data(LOGIN, json!({ "l": login })).await;
        assert_eq!(user_errors(&tried["login"]), ["UNAUTHENTICATED"], "{login}");
    }
    assert_eq!(client.code(LOGIN, json!({ "l": "three" })).await, "RATE_LIMITED");
}

#[tokio::test]
async fn a_list_without_a_wish_has_a_page_of_the_default_size() {
    let tavern = Tavern::with(|config| config.limits.default_page_size = 2).await;
    let client = tavern.user("lister").await;
    let list = "{ viewer { characters { nodes { name } pageInfo { hasNextPage } } } }";
    for (characters, shown, more) in [(1, 1, false), (2, 2, false), (3, 2, true)] {
        client.character(&format!("C{characters}"), json!({})).await;
        let page = client.data(list, json!({})).await["viewer"]["characters"].take();
        assert_eq!(page["nodes"].as_array().map(Vec::len), Some(shown), "of {characters}");
        assert_eq!(page["pageInfo"]["hasNextPage"], more, "of {characters}");
    }
}

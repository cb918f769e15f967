//! Functions of extensions that the model calls in the middle of a reply.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{
    Assembled, Author, Client, Draft, Fake, INSTALL, Script, Tavern, done, published, stream_query, tool,
};

const RESULT: &str = r#"{"total":7}"#;

/// A model that does as it is told, and somebody with dice and a chat.
async fn player() -> (Fake, Tavern, Client, String) {
    let fake = Fake::start().await;
    let tavern = Tavern::with(|config| fake.configure(config)).await;
    let client = tavern.user("player").await;
    let dice = Draft {
        id: "acme/dice",
        hook: ("tool", "tools = \"To roll.\""),
        more: "[[tools]]\nname = \"roll\"\ndescription = \"Rolls dice.\"\n[tools.parameters]\ntype = \"object\"\n",
        component: Some(tool(RESULT)),
        ..Draft::default()
    };
    published(&client, &Author::new(), &dice).await;
    done(&client, INSTALL, json!({ "name": "acme/dice", "grants": ["tools"] })).await;
    let session = client.chat().await;
    (fake, tavern, client, session)
}

/// A generation as it is kept.
async fn kept(client: &Client, generation: &str) -> Value {
    let query = "query($g: ID!) { generation(id: $g) { status finishReason text usage { promptTokens completionTokens source } attempts { number outcome } message { content annotations } } }";
    client.data(query, json!({ "g": generation })).await["generation"].take()
}

/// What the model was told in a request that functions have said.
fn results(request: &Value) -> Vec<&str> {
    let messages = request["messages"].as_array().expect("messages").iter();
    let results = messages.filter(|message| message["role"] == "tool");
    results.filter_map(|message| message["content"].as_str()).collect()
}

/// Reads a reply's stream from where `so_far` is, at most `most` events, over a connection of its own.
async fn read(client: &Client, generation: &str, so_far: &mut Assembled, most: usize) {
    let mut socket = client.socket().await;
    let variables = json!({ "id": generation, "after": so_far.cursor });
    socket.subscribe(&stream_query(), variables).await;
    for _ in 0..most {
        let message = socket.read().await.expect("a message");
        match message["type"].as_str() {
            Some("next") => so_far.apply(&message["payload"]["data"]["generationStream"]),
            Some("complete") => return,
            _ => panic!("{message:#}"),
        }
    }
}

#[tokio::test]
async fn a_model_calls_what_an_extension_offers_and_goes_on_with_what_it_said() {
    let (fake, _tavern, client, session) = player().await;
    fake.next(Script::Call("The dice fall.", vec![r#"{"dice":"2d6"}"#, "{}"]))
        .await;
    fake.next(Script::Say(vec!["A seven", " and a seven!"])).await;
    let (_, generation) = client.send(&session, "Roll.", json!({})).await;
    let ended = client.ended(&generation).await;
    assert_eq!(ended["status"], "COMPLETED", "{ended:#}");
    let whole = "The dice fall.\n\nA seven and a seven!";
    assert_eq!(ended["message"]["content"], whole);
    let requests = fake.requests().await;
    assert_eq!(requests[0]["tools"][0]["function"]["description"], "Rolls dice.");
    assert_eq!(results(&requests[1]), [RESULT, RESULT]);
    let kept = kept(&client, &generation).await;
    assert_eq!(kept["text"], whole);
    assert_eq!(
        kept["usage"],
        json!({ "promptTokens": 22, "completionTokens": 14, "source": "PROVIDER" })
    );
    assert_eq!(
        kept["attempts"],
        json!([{ "number": 1, "outcome": "completed" }, { "number": 2, "outcome": "completed" }])
    );
    let called = |arguments: &str| {
        json!({
            "generation": generation, "extension": "acme/dice", "name": "roll",
            "arguments": arguments, "result": RESULT, "failed": false,
        })
    };
    assert_eq!(
        kept["message"]["annotations"]["tools"],
        json!([called(r#"{"dice":"2d6"}"#), called("{}")])
    );
    // The next turn is told what was said, and not what was called.
    client.send(&session, "And now?", json!({})).await;
    while fake.requests().await.len() < 3 {
        tokio::task::yield_now().await;
    }
    let next = fake.requests().await.remove(2);
    assert!(
        results(&next).is_empty() && next.to_string().contains("The dice fall."),
        "{next:#}"
    );
}

#[tokio::test]
async fn a_model_that_does_nothing_but_call_has_to_answer_after_four_rounds() {
    let (fake, _tavern, client, session) = player().await;
    for _ in 0..5 {
        fake.next(Script::Call("x", vec!["{}"])).await;
    }
    let (_, generation) = client.send(&session, "Roll.", json!({})).await;
    let ended = client.ended(&generation).await;
    assert_eq!(ended["message"]["content"], "x\n\nx\n\nx\n\nx\n\nx", "{ended:#}");
    let requests = fake.requests().await;
    let closed: Vec<_> = requests
        .iter()
        .map(|request| request["tool_choice"] == "none")
        .collect();
    assert_eq!(closed, [false, false, false, false, true]);
}

#[tokio::test]
async fn a_reply_stopped_in_its_second_round_keeps_both() {
    let (fake, _tavern, client, session) = player().await;
    let (say, said) = mpsc::channel(4);
    fake.next(Script::Call("One.", vec!["{}"])).await;
    fake.next(Script::Follow(said)).await;
    let (_, generation) = client.send(&session, "Roll.", json!({})).await;
    say.send("Two.".into()).await.expect("it listens");
    let mut seen = Assembled::default();
    while seen.text != "One.\n\nTwo." {
        read(&client, &generation, &mut seen, 1).await;
    }
    let stop = "mutation($g: ID!) { stopGeneration(input: { generationId: $g }) { generation { status } userErrors { code } } }";
    client.data(stop, json!({ "g": generation })).await;
    let ended = client.ended(&generation).await;
    assert_eq!(
        (&ended["status"], &ended["message"]["content"]),
        (&json!("CANCELLED"), &json!("One.\n\nTwo."))
    );
    say.closed().await;
    assert_eq!(
        kept(&client, &generation).await["message"]["annotations"]["tools"][0]["name"],
        "roll"
    );
}

#[tokio::test]
async fn a_reader_who_reconnects_between_rounds_gets_every_byte_once() {
    let (fake, _tavern, client, session) = player().await;
    let (say, said) = mpsc::channel(4);
    fake.next(Script::Call("Ich würfle 🎲", vec!["{}"])).await;
    fake.next(Script::Call("Und noch einmal.", vec!["{}"])).await;
    fake.next(Script::Follow(said)).await;
    let (_, generation) = client.send(&session, "Würfle.", json!({})).await;
    let mut all = Assembled::default();
    for piece in ["Sieben", "! 🎉", ""] {
        if !piece.is_empty() {
            say.send(piece.into()).await.expect("it listens");
        }
        while !all.text.ends_with(piece) {
            read(&client, &generation, &mut all, 1).await;
        }
    }
    drop(say);
    while all.ended.is_none() {
        read(&client, &generation, &mut all, 1).await;
    }
    assert_eq!(all.text, "Ich würfle 🎲\n\nUnd noch einmal.\n\nSieben! 🎉");
    assert!(all.is_whole());
}

#[tokio::test]
async fn whoever_has_no_extension_is_offered_nothing_of_it() {
    let (fake, tavern, client, session) = player().await;
    let stranger = tavern.user("stranger").await;
    let other = stranger.chat().await;
    for (client, session, offered) in [(&stranger, &other, false), (&client, &session, true)] {
        let (_, generation) = client.send(session, "Roll.", json!({})).await;
        client.ended(&generation).await;
        let request = fake.requests().await.pop().expect("a request");
        assert_eq!(request.get("tools").is_some(), offered);
    }
}

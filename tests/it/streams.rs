//! Streams of replies and of what happens in a session: every byte once, one end, from anywhere.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::support::{Assembled, Client, Fake, Script, Socket, Tavern, stream_query};

const EVENTS: &str = "subscription($s: ID!, $a: String) { sessionEvents(sessionId: $s, after: $a) { __typename cursor sessionId at \
    ... on MessageCreated { message { id content } } ... on MessageUpdated { message { id content isHidden } } ... on MessagesDeleted { ids } \
    ... on GenerationStarted { generation { id } } ... on GenerationFinished { generation { id status } } } }";

/// A server, somebody on it, and a chat of theirs.
async fn reader() -> (Tavern, Client, String) {
    reader_on(Tavern::start().await).await
}

/// The same with a model that does as it is told.
async fn reader_of_fake() -> (Fake, Tavern, Client, String) {
    let fake = Fake::start().await;
    let (tavern, client, session) = reader_on(Tavern::with(|config| fake.configure(config)).await).await;
    (fake, tavern, client, session)
}

async fn reader_on(tavern: Tavern) -> (Tavern, Client, String) {
    let client = tavern.user("reader").await;
    let session = client.chat().await;
    (tavern, client, session)
}

/// How much the demo model says, and how fast.
fn demo(words: u32, delay_ms: u32) -> Value {
    json!({ "extra": { "demo": { "words": words, "delayMs": delay_ms } } })
}

/// Reads a reply's stream from where `so_far` is, at most `most` events.
async fn read(client: &Client, generation: &str, so_far: &mut Assembled, most: usize) {
    let mut socket = client.socket().await;
    let id = socket
        .subscribe(&stream_query(), json!({ "id": generation, "after": so_far.cursor }))
        .await;
    for _ in 0..most {
        let message = socket.read().await.expect("a message");
        assert_eq!(message["id"], id.as_str());
        match message["type"].as_str() {
            Some("next") => so_far.apply(&message["payload"]["data"]["generationStream"]),
            Some("complete") => return,
            _ => panic!("{message:#}"),
        }
    }
}

#[tokio::test]
async fn a_reader_from_the_start_gets_every_byte_and_one_end() {
    let (_tavern, client, session) = reader().await;
    let (_, generation) = client.send(&session, "Tell me.", demo(60, 2)).await;
    let mut all = Assembled::default();
    read(&client, &generation, &mut all, usize::MAX).await;
    assert!(all.is_whole());
}

#[tokio::test]
async fn a_reader_who_comes_after_the_end_gets_the_whole_reply() {
    let (_tavern, client, session) = reader().await;
    let (_, generation) = client.send(&session, "Tell me.", demo(20, 0)).await;
    client.ended(&generation).await;
    let mut late = Assembled::default();
    read(&client, &generation, &mut late, usize::MAX).await;
    assert!(late.is_whole());
    // Whoever has seen the end has nothing to come.
    let mut socket = client.socket().await;
    assert!(
        socket
            .collect(&stream_query(), json!({ "id": generation, "after": late.cursor }))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_reader_who_reconnects_in_the_middle_gets_every_byte_once() {
    let tavern = Tavern::start().await;
    let client = tavern.user("reader").await;
    let mut random = SmallRng::seed_from_u64(11);
    for _ in 0..4 {
        let session = client.chat().await;
        let (_, generation) = client.send(&session, "Tell me.", demo(80, 3)).await;
        let mut all = Assembled::default();
        while all.ended.is_none() {
            read(&client, &generation, &mut all, random.random_range(1..6)).await;
        }
        assert!(all.is_whole());
    }
}

#[tokio::test]
async fn a_reply_goes_on_when_its_reader_leaves() {
    let (fake, _tavern, client, session) = reader_of_fake().await;
    let (say, said) = tokio::sync::mpsc::channel(4);
    fake.next(Script::Follow(said)).await;
    let (_, generation) = client.send(&session, "Go on.", json!({})).await;
    let mut all = Assembled::default();
    say.send("first ".into()).await.expect("it listens");
    while all.text.is_empty() {
        read(&client, &generation, &mut all, 1).await;
    }
    say.send("second".into())
        .await
        .expect("nobody watches, and it listens still");
    drop(say);
    read(&client, &generation, &mut all, usize::MAX).await;
    assert_eq!(all.text, "first second");
    assert!(all.is_whole());
}

#[tokio::test]
async fn characters_split_between_pieces_of_the_provider_arrive_whole() {
    let (fake, _tavern, client, session) = reader_of_fake().await;
    fake.next(Script::Say(vec!["日本", "語 🏮", " é", "\r\n", "{{user}}", "\u{0}"]))
        .await;
    let (_, generation) = client.send(&session, "Go.", json!({})).await;
    let mut all = Assembled::default();
    read(&client, &generation, &mut all, usize::MAX).await;
    assert!(all.text.starts_with("日本語 🏮 é\r\n{{user}}"), "{:?}", all.text);
    assert!(all.is_whole());
}

#[tokio::test]
async fn a_provider_that_breaks_in_the_middle_interrupts_the_reply_and_what_came_is_kept() {
    let (fake, _tavern, client, session) = reader_of_fake().await;
    let (say, said) = tokio::sync::mpsc::channel(4);
    fake.next(Script::Break(said)).await;
    let (_, generation) = client.send(&session, "Go.", json!({})).await;
    say.send("Half of".into()).await.expect("it listens");
    let mut seen = Assembled::default();
    while seen.text.is_empty() {
        read(&client, &generation, &mut seen, 1).await;
    }
    drop(say);
    let ended = client.ended(&generation).await;
    assert_eq!(ended["status"], "INTERRUPTED");
    assert_eq!(ended["message"]["content"], "Half of");
    assert_eq!(ended["error"]["code"], "UPSTREAM_ERROR");
    assert!(!ended.to_string().contains("sk-secret"), "{ended}");
}

#[tokio::test]
async fn a_provider_that_refuses_fails_the_reply_without_telling_its_secrets() {
    let (fake, _tavern, client, session) = reader_of_fake().await;
    fake.next(Script::Fail(401)).await;
    let (_, generation) = client.send(&session, "Go.", json!({})).await;
    let ended = client.ended(&generation).await;
    assert_eq!(ended["status"], "FAILED");
    assert!(!ended.to_string().contains("sk-secret"), "{ended}");
}

#[tokio::test]
async fn cursors_that_are_none_are_refused() {
    let (_tavern, client, session) = reader().await;
    let (_, generation) = client.send(&session, "Tell me.", demo(3, 0)).await;
    let (_, other) = {
        let session = client.chat().await;
        client.send(&session, "Tell me.", demo(3, 0)).await
    };
    for wrong in [
        "",
        "x",
        "1.2.3",
        &format!("{other}.1.0.0"),
        &format!("{generation}.1.0"),
        &format!("{generation}.zz.0.0"),
    ] {
        let code = client
            .socket()
            .await
            .refused(&stream_query(), json!({ "id": generation, "after": wrong }))
            .await;
        assert_eq!(code, "BAD_USER_INPUT", "{wrong}");
    }
    // A place that is not in the text is none to go on from: the whole text comes instead.
    let mut socket = client.socket().await;
    let events = socket
        .collect(
            &stream_query(),
            json!({ "id": generation, "after": format!("{generation}.1.ffff.0") }),
        )
        .await;
    assert_eq!(events[0]["generationStream"]["__typename"], "GenerationSnapshot");
}

#[tokio::test]
async fn ids_that_are_none_are_refused() {
    let (_tavern, client, session) = reader().await;
    let stream = |id: &str| json!({ "id": id });
    assert_eq!(
        client.socket().await.refused(&stream_query(), stream("nonsense")).await,
        "BAD_USER_INPUT"
    );
    assert_eq!(
        client.socket().await.refused(&stream_query(), stream(&session)).await,
        "BAD_USER_INPUT"
    );
    assert_eq!(
        client
            .socket()
            .await
            .refused(&stream_query(), stream("gen_01M82R05V5EC3TCY0H807ECJB1"))
            .await,
        "NOT_FOUND"
    );
}

#[tokio::test]
async fn a_session_tells_what_happens_in_it_in_order() {
    let (_tavern, client, session) = reader().await;
    let mut socket = client.socket().await;
    socket.subscribe(EVENTS, json!({ "s": session })).await;
    stand(&client, &mut socket, &session).await;
    let (message, generation) = client.send(&session, "Hello.", demo(3, 0)).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|kind| kind != "GenerationFinished") {
        let event = socket.event().await["sessionEvents"].take();
        assert_eq!(event["sessionId"], session.as_str());
        match event["__typename"].as_str().expect("a type") {
            "MessageCreated" if seen.is_empty() => assert_eq!(event["message"]["id"], message.as_str()),
            "GenerationStarted" | "GenerationFinished" => assert_eq!(event["generation"]["id"], generation.as_str()),
            _ => {}
        }
        seen.push(event["__typename"].as_str().expect("a type").to_owned());
    }
    assert_eq!(
        seen,
        [
            "MessageCreated",
            "MessageCreated",
            "GenerationStarted",
            "MessageUpdated",
            "GenerationFinished"
        ]
    );
}

#[tokio::test]
async fn a_session_is_followed_from_a_cursor_without_a_gap() {
    let (_tavern, client, session) = reader().await;
    let mut socket = client.socket().await;
    socket.subscribe(EVENTS, json!({ "s": session })).await;
    let cursor = stand(&client, &mut socket, &session).await;
    drop(socket);
    for number in 0..3 {
        send(&client, &session, &format!("m{number}")).await;
    }
    let mut socket = client.socket().await;
    socket.subscribe(EVENTS, json!({ "s": session, "a": cursor })).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = socket.event().await["sessionEvents"].take();
        assert_eq!(event["__typename"], "MessageCreated");
        seen.push(event["message"]["content"].as_str().expect("content").to_owned());
    }
    assert_eq!(seen, ["m0", "m1", "m2"]);
}

#[tokio::test]
async fn whoever_missed_more_than_is_kept_is_told_to_read_again() {
    let tavern = Tavern::with(|config| config.limits.session_events = 4).await;
    let (_tavern, client, session) = reader_on(tavern).await;
    let greeting = greeting(&client, &session).await;
    let mut socket = client.socket().await;
    socket.subscribe(EVENTS, json!({ "s": session })).await;
    let cursor = stand(&client, &mut socket, &session).await;
    drop(socket);
    for _ in 0..10 {
        set_hidden(&client, &greeting).await;
    }
    let mut socket = client.socket().await;
    socket.subscribe(EVENTS, json!({ "s": session, "a": cursor })).await;
    assert_eq!(socket.event().await["sessionEvents"]["__typename"], "SessionResync");
    let code = client
        .socket()
        .await
        .refused(EVENTS, json!({ "s": session, "a": "nonsense" }))
        .await;
    assert_eq!(code, "BAD_USER_INPUT");
}

async fn greeting(client: &Client, session: &str) -> String {
    let answer = client
        .data(
            "query($s: ID!) { chatSession(id: $s) { messages(first: 1) { nodes { id } } } }",
            json!({ "s": session }),
        )
        .await;
    crate::support::text(&answer["chatSession"]["messages"]["nodes"][0]["id"], &answer)
}

async fn set_hidden(client: &Client, message: &str) {
    client.data("mutation($m: ID!) { setMessageHidden(input: { id: $m, isHidden: true }) { message { id } userErrors { code } } }", json!({ "m": message })).await;
}

/// Waits until the subscription stands; the cursor behind everything that has happened so far.
async fn stand(client: &Client, socket: &mut Socket, session: &str) -> Value {
    let message = greeting(client, session).await;
    loop {
        tokio::select! {
            _ = socket.event() => break,
            () = tokio::time::sleep(std::time::Duration::from_millis(50)) => set_hidden(client, &message).await,
        }
    }
    send(client, session, "from here on").await;
    loop {
        let event = socket.event().await["sessionEvents"].take();
        if event["message"]["content"] == "from here on" {
            return event["cursor"].clone();
        }
    }
}

async fn send(client: &Client, session: &str, content: &str) {
    client
        .data(
            "mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id } userErrors { code } } }",
            json!({ "i": { "sessionId": session, "content": content, "generate": false } }),
        )
        .await;
}

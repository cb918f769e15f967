//! Extensions in turns: what they put into a prompt, make of a reply, and say of it afterwards.

use std::time::Duration;

use serde_json::{Value, json};
use tavern_domain::Role;
use tavern_workbench::{build, keys::Key, pack};

use crate::support::{
    Assembled, Author, CONFIGURE, Client, Draft, Fake, INSTALL, Script, Tavern, done, installed, published,
    stream_query, text, user_errors, with_lantern, with_lantern_on,
};

const TRACE: &str =
    "fragment T on PluginTrace { extension version hook outcome edits notes fuel micros memory hostCalls log }";
const PREVIEW: &str = "query($s: ID!, $c: String) { promptPreview(input: { sessionId: $s, content: $c }) { messages { content } blocks { source text included } plugins { ...T } } }";

async fn preview(client: &Client, session: &str) -> Value {
    let variables = json!({ "s": session, "c": "Hello?" });
    let mut data = client.data(&format!("{PREVIEW}{TRACE}"), variables).await;
    data["promptPreview"].take()
}

fn says(prompt: &Value, what: &str) -> bool {
    let messages = prompt["messages"].as_array().expect("messages");
    messages.iter().any(|message| {
        message["content"]
            .as_str()
            .is_some_and(|content| content.contains(what))
    })
}

#[tokio::test]
async fn a_note_is_in_the_preview_and_in_what_is_sent_with_a_trace_of_who_put_it_there() {
    let fake = Fake::start().await;
    let (tavern, ..) = with_lantern_on(|config| fake.configure(config)).await;
    let client = tavern.user("player").await;
    let session = client.chat().await;
    assert!(!says(&preview(&client, &session).await, "The lantern is lit."));
    installed(&client).await;
    let seen = preview(&client, &session).await;
    assert!(says(&seen, "The lantern is lit."), "{seen:#}");
    let trace = &seen["plugins"][0];
    assert_eq!(
        (
            &trace["extension"],
            &trace["version"],
            &trace["hook"],
            &trace["outcome"],
            &trace["edits"]
        ),
        (
            &json!("acme/lantern"),
            &json!("1.0.0"),
            &json!("before-prompt"),
            &json!("ok"),
            &json!(1)
        ),
        "{seen:#}"
    );
    assert_ne!(trace["fuel"], "0");
    assert_ne!(trace["memory"], "0");

    let (_, generation) = client.send(&session, "Hello?", json!({})).await;
    assert_eq!(client.ended(&generation).await["status"], "COMPLETED");
    let sent = fake.requests().await.pop().expect("a request").to_string();
    assert!(sent.contains("The lantern is lit."), "{sent}");
    let query = format!(
        "query($g: ID!) {{ generation(id: $g) {{ plugins {{ ...T }} prompt {{ plugins {{ ...T }} }} }} }}{TRACE}"
    );
    let kept = client.data(&query, json!({ "g": generation })).await;
    assert_eq!(
        kept["generation"]["plugins"].as_array().map(Vec::len),
        Some(1),
        "{kept:#}"
    );
    assert_eq!(kept["generation"]["plugins"][0]["hook"], "before-prompt");
    assert_eq!(kept["generation"]["prompt"]["plugins"][0]["edits"], 1);

    // To others it says nothing.
    let stranger = tavern.user("stranger").await;
    let other = stranger.chat().await;
    let theirs = preview(&stranger, &other).await;
    assert_eq!(theirs["plugins"], json!([]));
    assert!(!says(&theirs, "The lantern is lit."));
}

#[tokio::test]
async fn what_is_not_granted_is_not_done_and_the_trace_says_so() {
    let (tavern, ..) = with_lantern().await;
    let client = tavern.user("player").await;
    let session = client.chat().await;
    let id = installed(&client).await["id"].clone();
    done(&client, CONFIGURE, json!({ "id": id, "grants": [] })).await;
    let seen = preview(&client, &session).await;
    assert!(!says(&seen, "The lantern is lit."));
    assert_eq!(seen["plugins"][0]["edits"], 0, "{seen:#}");
    assert!(
        seen["plugins"][0]["notes"][0]
            .as_str()
            .is_some_and(|note| note.contains("prompt.insert")),
        "{seen:#}"
    );
    done(&client, CONFIGURE, json!({ "id": id, "enabled": false })).await;
    assert_eq!(
        preview(&client, &session).await["plugins"],
        json!([]),
        "what is off is not called"
    );
}

#[tokio::test]
async fn another_version_takes_part_from_the_next_turn_on() {
    let (tavern, maker, author) = with_lantern().await;
    let client = tavern.user("player").await;
    let session = client.chat().await;
    let id = installed(&client).await["id"].clone();
    let next = Draft {
        version: "1.1.0",
        note: "The lantern flickers.",
        ..Draft::default()
    };
    published(&maker, &author, &next).await;
    assert!(
        says(&preview(&client, &session).await, "The lantern is lit."),
        "nothing changes by itself"
    );
    done(&client, crate::support::UPGRADE, json!({ "id": id })).await;
    assert!(says(&preview(&client, &session).await, "The lantern flickers."));
    done(&client, crate::support::ROLLBACK, json!({ "id": id })).await;
    assert!(says(&preview(&client, &session).await, "The lantern is lit."));
}

#[tokio::test]
async fn a_guest_that_never_returns_ends_in_the_trace_and_the_reply_arrives() {
    let tavern = Tavern::start().await;
    let client = tavern.user("player").await;
    let draft = Draft {
        hangs: true,
        ..Draft::default()
    };
    published(&client, &Author::new(), &draft).await;
    let installation = installed(&client).await;
    assert_eq!(installation["enabled"], true);
    let session = client.chat().await;
    let brief = json!({ "extra": { "demo": { "words": 4, "delayMs": 0 } } });
    let (_, generation) = client.send(&session, "Hello?", brief).await;
    assert_eq!(client.ended(&generation).await["status"], "COMPLETED");
    let query = format!("query($g: ID!) {{ generation(id: $g) {{ plugins {{ ...T }} }} }}{TRACE}");
    let kept = client.data(&query, json!({ "g": generation })).await;
    let outcome = text(&kept["generation"]["plugins"][0]["outcome"], &kept);
    assert!(
        ["out_of_fuel", "interrupted", "wall_timeout"].contains(&outcome.as_str()),
        "{kept:#}"
    );
}

#[tokio::test]
async fn what_an_operator_stops_runs_nowhere_until_it_may_again() {
    const STOP: &str = "mutation($r: String) { stopExtension(input: { name: \"acme/lantern\", version: \"1.0.0\", reason: $r }) { extension { latestVersion { stoppedReason } } userErrors { message field code } } }";
    let (tavern, ..) = with_lantern().await;
    let client = tavern.user("player").await;
    let session = client.chat().await;
    installed(&client).await;
    let operator = tavern.staff("operator", Role::Moderator).await;
    let stopped = operator.data(STOP, json!({ "r": "It burns." })).await;
    let version = &stopped["stopExtension"]["extension"]["latestVersion"];
    assert_eq!(version["stoppedReason"], "It burns.", "{stopped:#}");
    assert!(!says(&preview(&client, &session).await, "The lantern is lit."));
    operator.data(STOP, json!({ "r": null })).await;
    assert!(says(&preview(&client, &session).await, "The lantern is lit."));
}

/// Publishes extensions that ship with the product, built from source, and installs them with all they ask for.
async fn bundled(client: &Client, key: &Key, name: &str, config: Value) {
    let dir = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/bundled")).join(name);
    let package = {
        let (dir, name) = (dir.clone(), name.to_owned());
        let component = tokio::task::spawn_blocking(move || build::bundled(&name))
            .await
            .expect("no panic");
        let component = std::fs::read(component.expect("the guest builds")).expect("a component");
        pack::pack(&dir, &component, Some(key)).expect("a package")
    };
    let query = "mutation($f: Upload!, $k: String) { publishExtension(input: { package: $f, publicKey: $k }) { version { permissions { capability } } report { checks { name passed message } } userErrors { message field code } } }";
    let variables = json!({ "k": key.public().expect("a public key") });
    let answer = client
        .upload_with(query, variables, "extension.tavext", package.into())
        .await;
    let published = &answer["data"]["publishExtension"];
    assert_eq!(user_errors(published), [""; 0], "{answer:#}");
    let asked = published["version"]["permissions"].as_array().expect("permissions");
    let grants: Vec<_> = asked
        .iter()
        .map(|permission| permission["capability"].clone())
        .collect();
    let input = json!({ "name": format!("tavern/{name}"), "grants": grants, "config": config });
    done(client, INSTALL, input).await;
}

#[tokio::test]
async fn bundled_extensions_take_part_in_a_turn_from_the_first_word_to_the_last() {
    let fake = Fake::start().await;
    let tavern = Tavern::with(|config| fake.configure(config)).await;
    // The names are the house's own.
    let client = tavern.staff("player", Role::Moderator).await;
    let key = Key::generate().expect("a key");
    bundled(&client, &key, "dice", json!({})).await;
    bundled(&client, &key, "memory-notes", json!({})).await;
    bundled(
        &client,
        &key,
        "style-guard",
        json!({ "replace": { "a shiver": "a chill" } }),
    )
    .await;
    bundled(&client, &key, "emotion-tagger", json!({})).await;
    let session = client.chat().await;

    // A macro, in what is said.
    fake.next(Script::Say(vec![
        "She felt a sh",
        "iver down her spine. ",
        "How wonderful, I am so happy and full of joy!",
    ]))
    .await;
    let said = "I roll {{dice::2d1+1}}. My sister lives in Lisbon.";
    let (message, generation) = client.send(&session, said, json!({})).await;
    // A filter, in the reply as it comes in.
    let mut socket = client.socket().await;
    let mut reply = Assembled::default();
    for event in socket.collect(&stream_query(), json!({ "id": generation })).await {
        reply.apply(&event["generationStream"]);
    }
    assert_eq!(
        reply.text,
        "She felt a chill down her spine. How wonderful, I am so happy and full of joy!"
    );
    assert!(reply.is_whole());
    let ended = reply.ended.expect("an end");
    let written = text(&ended["message"]["id"], &ended);
    let read = client
        .data(
            "query($m: ID!) { node(id: $m) { ... on Message { content } } }",
            json!({ "m": message }),
        )
        .await;
    assert_eq!(read["node"]["content"], "I roll 3. My sister lives in Lisbon.");

    // What comes after the reply comes in its own time.
    let annotated = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let query = format!(
                "query($m: ID!, $g: ID!) {{ node(id: $m) {{ ... on Message {{ annotations }} }} generation(id: $g) {{ plugins {{ ...T }} }} }}{TRACE}"
            );
            let seen = client.data(&query, json!({ "m": written, "g": generation })).await;
            let calls = seen["generation"]["plugins"].as_array().expect("calls");
            if calls.iter().filter(|call| call["hook"] == "after-reply").count() == 2 {
                break seen;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let seen = annotated.await.expect("hooks after the reply are called");
    assert_eq!(
        seen["node"]["annotations"]["tavern/emotion-tagger"]["emotion"], "joy",
        "{seen:#}"
    );
    let hooks: Vec<_> = seen["generation"]["plugins"]
        .as_array()
        .expect("calls")
        .iter()
        .map(|call| format!("{} {} {}", call["extension"], call["hook"], call["outcome"]).replace('"', ""))
        .collect();
    for call in [
        "tavern/dice macro-provider ok",
        "tavern/style-guard stream-filter ok",
        "tavern/emotion-tagger after-reply ok",
        "tavern/memory-notes after-reply ok",
    ] {
        assert!(hooks.iter().any(|told| told == call), "{call}: {hooks:?}");
    }

    // What was noted comes back when it matters.
    let next = client
        .data(
            &format!("{PREVIEW}{TRACE}"),
            json!({ "s": session, "c": "Tell me, where does my sister live?" }),
        )
        .await;
    assert!(
        says(&next["promptPreview"], "Remember what happened before:"),
        "{next:#}"
    );
    assert!(says(&next["promptPreview"], "Lisbon"), "{next:#}");
    let note = next["promptPreview"]["plugins"].as_array().expect("calls").iter();
    let note = note.filter(|call| call["extension"] == "tavern/memory-notes" && call["edits"] == 1);
    assert_eq!(note.count(), 1, "{next:#}");
}

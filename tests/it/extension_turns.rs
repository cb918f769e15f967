//! Extensions in turns: what they put into a prompt, make of a reply, and say of it afterwards.

use serde_json::{Value, json};
use tavern_domain::Role;

use crate::support::{
    Author, CONFIGURE, Client, Draft, Fake, HANGS, INSTALL, TRACE, Tavern, done, installed, published, says,
    with_lantern, with_lantern_on,
};

const PREVIEW: &str = "query($s: ID!, $c: String) { promptPreview(input: { sessionId: $s, content: $c }) { messages { content } blocks { source text included } plugins { ...T } } }";

async fn preview(client: &Client, session: &str) -> Value {
    let variables = json!({ "s": session, "c": "Hello?" });
    let mut data = client.data(&format!("{PREVIEW}{TRACE}"), variables).await;
    data["promptPreview"].take()
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
async fn who_is_called_first_is_its_owners_to_say() {
    let tavern = Tavern::start().await;
    let client = tavern.user("player").await;
    let author = Author::new();
    let mut installations = Vec::new();
    for id in ["acme/first", "acme/second"] {
        let draft = Draft { id, ..Draft::default() };
        published(&client, &author, &draft).await;
        let input = json!({ "name": id, "grants": ["prompt.insert"] });
        installations.push(done(&client, INSTALL, input).await["id"].take());
    }
    let session = client.chat().await;
    let called = async || {
        let seen = preview(&client, &session).await;
        let calls = seen["plugins"].as_array().expect("calls").iter();
        calls.map(|call| call["extension"].clone()).collect::<Vec<_>>()
    };
    let [first, second] = ["acme/first", "acme/second"].map(|name| json!(name));
    assert_eq!(called().await, [first.clone(), second.clone()], "by name");
    done(&client, CONFIGURE, json!({ "id": installations[1], "priority": 10 })).await;
    assert_eq!(called().await, [second, first]);
}

/// All memory there is.
const BOMB: &str = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable";

#[tokio::test]
async fn whatever_a_guest_does_the_reply_arrives_and_its_trace_tells() {
    let tavern = Tavern::with(|config| {
        let limits = &mut config.extensions.limits;
        // So that fuel is what it runs out of, however busy the machine is.
        (limits.fuel_nanos, limits.wall_ms, limits.wall_chain_ms) = (1_000, 20_000, 60_000);
    })
    .await;
    let client = tavern.user("player").await;
    let author = Author::new();
    let (session, brief) = (
        client.chat().await,
        json!({ "extra": { "demo": { "words": 4, "delayMs": 0 } } }),
    );
    let good = Draft {
        id: "acme/well-behaved",
        ..Draft::default()
    };
    published(&client, &author, &good).await;
    done(
        &client,
        INSTALL,
        json!({ "name": good.id, "grants": ["prompt.insert"] }),
    )
    .await;
    for (id, misbehaves, outcome) in [
        ("acme/hangs", HANGS, "out_of_fuel"),
        ("acme/traps", "unreachable", "trap"),
        ("acme/recurses", "(drop (call $hook (local.get 0)))", "trap"),
        ("acme/bomb", BOMB, "out_of_memory"),
        ("acme/points-elsewhere", "(return (i32.const -4))", "output_invalid"),
        (
            "acme/says-what-is-not",
            "(i32.store (i32.const 1024) (i32.const 2))",
            "output_invalid",
        ),
    ] {
        let draft = Draft {
            id,
            misbehaves: Some(misbehaves),
            ..Draft::default()
        };
        published(&client, &author, &draft).await;
        let input = json!({ "name": id, "grants": ["prompt.insert"] });
        let installation = done(&client, INSTALL, input).await["id"].take();
        let (_, generation) = client.send(&session, "Hello?", brief.clone()).await;
        let ended = client.ended(&generation).await;
        assert_eq!(ended["status"], "COMPLETED", "{id}: {ended:#}");
        let query = format!("query($g: ID!) {{ generation(id: $g) {{ plugins {{ ...T }} }} }}{TRACE}");
        let kept = client.data(&query, json!({ "g": generation })).await;
        let calls = kept["generation"]["plugins"].as_array().expect("calls");
        let outcome_of = |id: &str| {
            calls
                .iter()
                .find(|call| call["extension"] == id)
                .map(|call| &call["outcome"])
        };
        assert_eq!(outcome_of(id), Some(&json!(outcome)), "{kept:#}");
        assert_eq!(outcome_of(good.id), Some(&json!("ok")), "{id}: {kept:#}");
        let uninstall = "mutation($i: ID!) { uninstallExtension(input: { id: $i }) { deletedId } }";
        client.data(uninstall, json!({ "i": installation })).await;
    }
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

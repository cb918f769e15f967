//! The extensions that ship with the product, built from source, in turns: those in Rust wherever tests run, and all
//! seven of them where the tools of JavaScript and Python are, in the lane of guests.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tavern_domain::Role;
use tavern_plugins::package;
use tavern_workbench::{keys::Key, pack};

use crate::support::{
    Assembled, Client, Draft, Fake, HANGS, INSTALL, Script, TRACE, Tavern, UPGRADE, done, stream_query, text,
    user_errors,
};

const PREVIEW: &str = "query($s: ID!, $c: String) { promptPreview(input: { sessionId: $s, content: $c }) { messages { role content } blocks { label included } lore { comment activated reason } plugins { ...T } } }";

/// All of them, each with settings that its part in the story needs.
fn all() -> [(&'static str, Value); 7] {
    [
        ("dice", json!({})),
        ("emotion-tagger", json!({})),
        ("lore-librarian", json!({ "messages": 1 })),
        ("memory-notes", json!({ "depth": 4 })),
        ("name-keeper", json!({ "names": ["Mira"] })),
        ("scene-clock", json!({ "start": "08:00" })),
        ("style-guard", json!({ "replace": { "a shiver": "a chill" } })),
    ]
}

/// Somebody who plays with extensions, and the model that answers them.
struct House {
    fake: Fake,
    _tavern: Tavern,
    client: Client,
    key: Arc<Key>,
}

impl House {
    async fn with(extensions: &[(&str, Value)]) -> Self {
        let fake = Fake::start().await;
        let tavern = Tavern::with(|config| {
            fake.configure(config);
            // Interpreters are compiled while they are published, on a machine that has more to do.
            config.limits.mutation_timeout_ms = 300_000;
        });
        let tavern = tavern.await;
        let house = Self {
            // The names are the house's own.
            client: tavern.staff("player", Role::Moderator).await,
            _tavern: tavern,
            fake,
            key: Arc::new(Key::generate().expect("a key")),
        };
        for (name, config) in extensions {
            house.install(name, config).await;
        }
        house
    }

    /// Publishes an extension and installs it with all it asks for.
    async fn install(&self, name: &str, config: &Value) {
        let package = {
            let (name, key) = (name.to_owned(), Arc::clone(&self.key));
            let packed = tokio::task::spawn_blocking(move || pack::bundled(&name, Some(&key)));
            packed.await.expect("no panic").expect("the guest builds")
        };
        let version = self.publish(package.into()).await;
        let asked = version["permissions"].as_array().expect("permissions").iter();
        let grants: Vec<_> = asked.map(|permission| permission["capability"].clone()).collect();
        let input = json!({ "name": format!("tavern/{name}"), "grants": grants, "config": config });
        done(&self.client, INSTALL, input).await;
    }

    async fn publish(&self, package: Vec<u8>) -> Value {
        let query = "mutation($f: Upload!, $k: String) { publishExtension(input: { package: $f, publicKey: $k }) { version { permissions { capability } } report { checks { name passed message } } userErrors { message field code } } }";
        let variables = json!({ "k": self.key.public().expect("a public key") });
        let upload = self.client.upload_with(query, variables, "extension.tavext", package);
        let mut answer = upload.await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        let published = &mut answer["data"]["publishExtension"];
        assert_eq!(user_errors(published), [""; 0], "{published:#}");
        published["version"].take()
    }

    async fn preview(&self, session: &str, content: &str) -> Value {
        let variables = json!({ "s": session, "c": content });
        let mut data = self.client.data(&format!("{PREVIEW}{TRACE}"), variables).await;
        data["promptPreview"].take()
    }

    /// Says something; the generation, and its reply as it came in.
    async fn say(&self, session: &str, content: &str) -> (String, Assembled) {
        let (_, generation) = self.client.send(session, content, json!({})).await;
        let mut socket = self.client.socket().await;
        let mut reply = Assembled::default();
        for event in socket.collect(&stream_query(), json!({ "id": generation })).await {
            reply.apply(&event["generationStream"]);
        }
        assert!(reply.is_whole());
        (generation, reply)
    }

    /// A reply's message and calls, once so many of them were made after it: they are made in their own time.
    async fn settled(&self, generation: &str, after_reply: usize) -> Value {
        let query = format!(
            "query($g: ID!) {{ generation(id: $g) {{ message {{ content annotations }} plugins {{ ...T }} prompt {{ messages {{ role content }} }} }} }}{TRACE}"
        );
        let settled = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                let mut seen = self.client.data(&query, json!({ "g": generation })).await;
                let calls = calls(&seen["generation"]["plugins"]);
                if calls.iter().filter(|call| call.contains(" after-reply ")).count() == after_reply {
                    break seen["generation"].take();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        settled.await.expect("hooks after the reply are called")
    }
}

/// `EXTENSION HOOK OUTCOME EDITS` of each call, in order.
fn calls(traces: &Value) -> Vec<String> {
    let calls = traces.as_array().expect("calls").iter();
    let call = calls.map(|call| {
        let said = |field: &str| text(&call[field], call);
        let extension = said("extension");
        let name = extension.trim_start_matches("tavern/");
        format!("{name} {} {} {}", said("hook"), said("outcome"), call["edits"])
    });
    call.collect()
}

/// `ROLE: CONTENT` of each message.
fn lines(messages: &Value) -> Vec<String> {
    let messages = messages.as_array().expect("messages").iter();
    let line = messages.map(|message| {
        format!(
            "{}: {}",
            text(&message["role"], message),
            text(&message["content"], message)
        )
    });
    line.collect()
}

#[tokio::test]
async fn extensions_in_rust_take_part_in_a_turn_from_the_first_word_to_the_last() {
    let rust = [
        "dice",
        "emotion-tagger",
        "lore-librarian",
        "memory-notes",
        "style-guard",
    ];
    let house = House::with(
        &all()
            .into_iter()
            .filter(|(name, _)| rust.contains(name))
            .collect::<Vec<_>>(),
    )
    .await;
    let session = house.client.chat().await;
    script(&house.fake).await;
    let (generation, reply) = house
        .say(&session, "I roll {{dice::2d1+1}}. My sister lives in Lisbon.")
        .await;
    assert_eq!(reply.text, REPLY);
    let sent = house.fake.requests().await.pop().expect("a request").to_string();
    assert!(sent.contains("I roll 3. My sister lives in Lisbon."), "{sent}");
    let seen = house.settled(&generation, 2).await;
    assert_eq!(
        calls(&seen["plugins"]),
        [
            "dice macro-provider ok 1",
            "memory-notes before-prompt skipped 0",
            "lore-librarian world-info skipped 0",
            "dice tool ok 1",
            "style-guard stream-filter ok 1",
            "emotion-tagger after-reply ok 2",
            "memory-notes after-reply ok 0",
        ],
        "{seen:#}"
    );
    assert_eq!(
        seen["message"]["annotations"]["tavern/emotion-tagger"]["emotion"], "joy",
        "{seen:#}"
    );
    // What was noted comes back when it matters.
    let next = house.preview(&session, "Tell me, where does my sister live?").await;
    let remembered = "SYSTEM: Remember what happened before:\n- player said: My sister lives in Lisbon.";
    assert!(
        lines(&next["messages"]).iter().any(|line| line == remembered),
        "{next:#}"
    );
}

/// A harbour at night, with all seven; the chat after its first turn, in which there was something to remember.
async fn harbour() -> (House, String) {
    let house = House::with(&all()).await;
    let client = &house.client;
    let keeper =
        json!({ "description": "Keeps the harbour. The clock strikes {{scene-time}}, and {{dice::2d1}} bells ring." });
    let character = client.character("Ann", keeper).await;
    let book = client.world_book("Coast", json!({})).await;
    for (comment, key, content) in [
        (
            "Lantern boat",
            "lantern",
            "By night nobody is out on the water but the lantern boat.",
        ),
        ("Bakery", "bread", "The bakery opens before dawn."),
    ] {
        let entry = json!({ "worldBookId": book, "comment": comment, "keys": [key], "content": content });
        let save =
            "mutation($i: SaveWorldEntryInput!) { saveWorldEntry(input: $i) { userErrors { message field code } } }";
        let saved = client.data(save, json!({ "i": entry })).await;
        assert_eq!(user_errors(&saved["saveWorldEntry"]), [""; 0], "{saved:#}");
    }
    let create = "mutation($c: ID!, $b: ID!) { createChatSession(input: { characterIds: [$c], worldBookIds: [$b] }) { chatSession { id } userErrors { message field code } } }";
    let created = client.data(create, json!({ "c": character, "b": book })).await;
    let session = text(&created["createChatSession"]["chatSession"]["id"], &created);
    house.fake.next(Script::Say(vec!["Mira waves back."])).await;
    let (generation, _) = house
        .say(&session, "I walk to the quay with Mira. My sister lives in Lisbon.")
        .await;
    house.settled(&generation, 3).await;
    (house, session)
}

/// What is said in the second turn: it sets the clock, rolls dice, and asks for what was noted and what is in the book.
const SAID: &str = "[clock 21:40] I roll {{dice::2d1+1}}. Is anybody out on the water? Where does my sister live?";

/// The model rolls dice, and then says what the guard and the tagger have to do with.
async fn script(fake: &Fake) {
    fake.next(Script::Call("", vec![r#"{"dice":"2d1+5"}"#])).await;
    let said = vec![
        "Mira feels a sh",
        "iver. ",
        "How wonderful, she is so happy and full of joy!",
    ];
    fake.next(Script::Say(said)).await;
}

const REPLY: &str = "Mira feels a chill. How wonderful, she is so happy and full of joy!";

#[tokio::test]
#[ignore = "needs Node.js and Python: `cargo xtask test --lane guests` runs it"]
async fn all_seven_do_their_part_of_a_turn_and_its_trace_names_each_call() {
    let (house, session) = harbour().await;
    let before_reply = [
        // The first is in what was said, which is read before anything else.
        "dice macro-provider ok 1",
        "memory-notes before-prompt ok 1",
        "name-keeper before-prompt ok 1",
        "scene-clock before-prompt ok 2",
        "dice macro-provider ok 1",
        "scene-clock macro-provider ok 1",
        "lore-librarian world-info ok 1",
    ];
    let story = [
        "SYSTEM: Remember what happened before:\n- player said: My sister lives in Lisbon.",
        "ASSISTANT: *waves* Hello, player.",
        "USER: I walk to the quay with Mira. My sister lives in Lisbon.",
        "SYSTEM: Also in the scene: Mira.",
        "ASSISTANT: Mira waves back.",
        "SYSTEM: It is evening in the story: 21:40 on day 1.",
        "USER: [clock 21:40] I roll 3. Is anybody out on the water? Where does my sister live?",
    ];
    let is_right = |prompt: &Value| {
        let lines = lines(&prompt["messages"]);
        let told = &prompt["plugins"];
        assert!(lines.ends_with(&story.map(str::to_owned)), "{lines:#?} {told:#}");
        let setting = lines[..lines.len() - story.len()].join("\n");
        for part in [
            "By night nobody is out on the water",
            "The clock strikes 21:40, and 2 bells ring.",
        ] {
            assert!(setting.contains(part), "{part}: {setting}");
        }
        assert!(!setting.contains("bakery"), "{setting}");
    };
    let preview = house.preview(&session, SAID).await;
    is_right(&preview);
    assert_eq!(calls(&preview["plugins"]), before_reply, "{preview:#}");
    let chosen = json!({ "comment": "Lantern boat", "activated": true, "reason": "forced: by an extension" });
    assert!(
        preview["lore"].as_array().expect("lore").contains(&chosen),
        "{preview:#}"
    );
    let blocks = preview["blocks"].as_array().expect("blocks");
    for name in ["memory-notes", "name-keeper", "scene-clock"] {
        let block = json!({ "label": format!("tavern/{name}: note"), "included": true });
        assert!(blocks.contains(&block), "{name}: {blocks:#?}");
    }

    script(&house.fake).await;
    let (generation, reply) = house.say(&session, SAID).await;
    assert_eq!(reply.text, REPLY);
    let requests = house.fake.requests().await;
    let rolled = requests.last().expect("a request").to_string();
    assert!(rolled.contains(r#"\"total\":7"#), "{rolled}");
    let seen = house.settled(&generation, 3).await;
    is_right(&json!({ "messages": seen["prompt"]["messages"], "plugins": seen["plugins"] }));
    let after_reply = [
        "dice tool ok 1",
        "style-guard stream-filter ok 1",
        "emotion-tagger after-reply ok 2",
        "memory-notes after-reply ok 0",
        "name-keeper after-reply ok 0",
    ];
    assert_eq!(
        calls(&seen["plugins"]),
        [&before_reply[..], &after_reply].concat(),
        "{seen:#}"
    );
    assert_eq!(seen["message"]["content"], REPLY);
    let annotations = &seen["message"]["annotations"];
    assert_eq!(
        annotations["tavern/emotion-tagger"]["emotion"], "joy",
        "{annotations:#}"
    );
    assert_eq!(annotations["tools"][0]["name"], "roll_dice", "{annotations:#}");

    // What was kept of it: values of Rust and Python, and a variable of JavaScript.
    let next = house
        .preview(&session, "[[remember: nothing]] Who is here? What of my sister?")
        .await;
    let lines = lines(&next["messages"]);
    for kept in [
        "- player said: My sister lives in Lisbon.",
        "Also in the scene: Mira.",
        "It is evening in the story: 21:45 on day 1.",
        "The clock strikes 21:45, and 2 bells ring.",
    ] {
        assert!(lines.iter().any(|line| line.contains(kept)), "{kept}: {lines:#?}");
    }
}

#[tokio::test]
#[ignore = "needs Node.js and Python: `cargo xtask test --lane guests` runs it"]
async fn with_one_of_the_seven_turned_hostile_the_reply_arrives_and_the_trace_tells_of_it() {
    let (house, session) = harbour().await;
    // One that is called early, with most of the turn still to come.
    let hostile = Draft {
        id: "tavern/name-keeper",
        version: "0.2.0",
        schema: Some(json!({ "type": "object" })),
        misbehaves: Some(HANGS),
        ..Draft::default()
    };
    let files = house.key.sign(hostile.files()).expect("a package");
    house.publish(package::write(&files).expect("a package").into()).await;
    let installed = house
        .client
        .data("{ viewer { installedExtensions { id name } } }", json!({}))
        .await;
    let installed = installed["viewer"]["installedExtensions"]
        .as_array()
        .expect("installations");
    let keeper = installed.iter().find(|one| one["name"] == "tavern/name-keeper");
    done(
        &house.client,
        UPGRADE,
        json!({ "id": keeper.expect("it is installed")["id"] }),
    )
    .await;

    script(&house.fake).await;
    let (generation, reply) = house.say(&session, SAID).await;
    assert_eq!(reply.text, REPLY);
    let seen = house.settled(&generation, 2).await;
    let story = lines(&seen["prompt"]["messages"]);
    assert!(
        !story.iter().any(|line| line.contains("Also in the scene")),
        "{story:#?}"
    );
    for part in [
        "Remember what happened before:",
        "It is evening in the story: 21:40 on day 1.",
    ] {
        assert!(story.iter().any(|line| line.contains(part)), "{part}: {story:#?}");
    }
    assert_eq!(
        calls(&seen["plugins"]),
        [
            "dice macro-provider ok 1",
            "memory-notes before-prompt ok 1",
            "scene-clock before-prompt ok 2",
            "name-keeper before-prompt out_of_fuel 0",
            "dice macro-provider ok 1",
            "scene-clock macro-provider ok 1",
            "lore-librarian world-info ok 1",
            "dice tool ok 1",
            "style-guard stream-filter ok 1",
            "emotion-tagger after-reply ok 2",
            "memory-notes after-reply ok 0",
        ],
        "{seen:#}"
    );
    let notes = &seen["plugins"][3]["notes"];
    assert!(notes.to_string().contains("fuel"), "{notes:#}");
    assert_eq!(
        seen["message"]["annotations"]["tavern/emotion-tagger"]["emotion"],
        "joy"
    );
}

//! An extension that does as its configuration says (`tests/it/guests/puppet`), and a stage to play it on: a
//! server with a model that does as it is told, somebody with the puppet installed, and a chat.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tavern::config::Config;
use tavern_plugins::package::Files;
use tavern_workbench::build;

use super::{
    Author, CONFIGURE, Client, Fake, INSTALL, TRACE, Tavern, UPGRADE, done, publish_bytes, run, text, user_errors,
};

/// The puppet's component, built from source once.
async fn component() -> Bytes {
    let built = tokio::task::spawn_blocking(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = root.join("tests/it/guests/puppet");
        let own = ["Cargo.toml", "Cargo.lock", "src"].map(|name| dir.join(name));
        let sdk = ["wit", "rust", "rust-derive"].map(|name| root.join("plugin-sdk").join(name));
        let sources: Vec<PathBuf> = own.into_iter().chain(sdk).collect();
        let component = build::cached("puppet", &sources, || build::build_rust(&dir, &mut std::io::stderr()));
        std::fs::read(component.expect("the guest builds")).expect("a component")
    });
    built.await.expect("no panic").into()
}

/// The puppet's package, signed.
pub async fn puppet(author: &Author, version: &str) -> Vec<u8> {
    let manifest = include_str!("../guests/puppet/extension.toml").replace("1.0.0", version);
    let files = Files::from([
        ("extension.toml".to_owned(), manifest.into()),
        ("extension.wasm".to_owned(), component().await),
        (
            "README.md".to_owned(),
            include_str!("../guests/puppet/README.md").into(),
        ),
        (
            "LICENSE".to_owned(),
            "Licensed under the Apache License, Version 2.0.".into(),
        ),
        ("config.schema.json".to_owned(), r#"{ "type": "object" }"#.into()),
    ]);
    author.package_of(files, &format!("acme/puppet {version}"))
}

/// Times that hold on a machine with much else to do.
fn patient(config: &mut Config) {
    let settings = &mut config.extensions;
    (settings.load_wait_ms, settings.queue_wait_ms) = (60_000, 60_000);
    let limits = &mut settings.limits;
    (limits.wall_ms, limits.wall_http_ms, limits.wall_flush_ms) = (20_000, 20_000, 20_000);
    (limits.wall_chain_ms, limits.wall_after_reply_ms) = (60_000, 20_000);
    (limits.http_ms, limits.fuel_nanos) = (10_000, 1_000);
}

pub struct Stage {
    pub fake: Fake,
    pub tavern: Tavern,
    pub client: Client,
    pub session: String,
    author: Author,
    /// The id of the puppet's installation.
    pub installation: Value,
}

/// A message that was sent, and the reply to it.
pub struct Said {
    pub message: String,
    pub generation: String,
    /// How the stream of the reply ended.
    pub ended: Value,
}

impl Stage {
    /// With the puppet installed.
    pub async fn new(grants: &[&str], config: Value) -> Self {
        Self::with(|_| {}, json!({ "grants": grants, "config": config })).await
    }

    /// On a server whose configuration was changed, with the puppet installed with this input.
    pub async fn with(change: impl FnOnce(&mut Config), input: Value) -> Self {
        let fake = Fake::start().await;
        let tavern = Tavern::with(|config| {
            fake.configure(config);
            patient(config);
            config.extensions.allow_loopback = true;
            change(config);
        })
        .await;
        let client = tavern.user("player").await;
        let author = Author::new();
        let published = publish_bytes(&client, Some(&author), puppet(&author, "1.0.0").await).await;
        assert_eq!(user_errors(&published), [""; 0], "{published:#}");
        let mut input = input;
        input["name"] = json!("acme/puppet");
        let installation = done(&client, INSTALL, input).await["id"].take();
        let session = client.chat().await;
        Self {
            fake,
            tavern,
            client,
            session,
            author,
            installation,
        }
    }

    /// Starts the server again with its configuration changed.
    pub async fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        self.tavern = self.tavern.restart_with(change).await;
        self.client = self.tavern.again(&self.client);
        self
    }

    /// Publishes the puppet once more, and goes to that version.
    pub async fn upgrade(&self, version: &str) {
        let package = puppet(&self.author, version).await;
        let published = publish_bytes(&self.client, Some(&self.author), package).await;
        assert_eq!(user_errors(&published), [""; 0], "{published:#}");
        let upgraded = done(&self.client, UPGRADE, json!({ "id": self.installation })).await;
        assert_eq!(upgraded["version"], version, "{upgraded:#}");
    }

    /// Gives the puppet another configuration.
    pub async fn configure(&self, config: Value) {
        self.change(json!({ "config": config })).await;
    }

    pub async fn grant(&self, grants: &[&str]) {
        self.change(json!({ "grants": grants })).await;
    }

    /// Sets the puppet's secret, or takes it away.
    pub async fn secret(&self, value: Option<&str>) {
        self.change(json!({ "secrets": [{ "name": "api-key", "value": value }] }))
            .await;
    }

    async fn change(&self, mut input: Value) {
        input["id"] = self.installation.clone();
        let changed = run(&self.client, CONFIGURE, input).await;
        assert_eq!(user_errors(&changed), [""; 0], "{changed:#}");
    }

    /// What would be sent.
    pub async fn preview(&self, input: Value) -> Value {
        let mut answer = self.try_preview(input).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["promptPreview"].take()
    }

    /// The whole answer.
    pub async fn try_preview(&self, mut input: Value) -> Value {
        input["sessionId"] = json!(self.session);
        let query = "query($i: PromptPreviewInput!) { promptPreview(input: $i) { budget tokenCount messages { role content } blocks { source label role reason included text } lore { comment activated reason } plugins { ...T } } } ";
        self.client.run(&format!("{query}{TRACE}"), json!({ "i": input })).await
    }

    /// Sends a message and waits for the end of the reply.
    pub async fn say(&self, content: &str) -> Said {
        self.say_with(content, json!({})).await
    }

    pub async fn say_with(&self, content: &str, options: Value) -> Said {
        let (message, generation) = self.client.send(&self.session, content, options).await;
        let ended = self.client.ended(&generation).await;
        Said {
            message,
            generation,
            ended,
        }
    }

    /// Another reply in place of the last; how it ended, and its generation.
    pub async fn swipe(&self) -> (Value, String) {
        let started = self
            .client
            .data("mutation($s: ID!) { generateReply(input: { sessionId: $s, kind: SWIPE }) { generation { id } userErrors { message field code } } }", json!({ "s": self.session }))
            .await;
        let generation = text(&started["generateReply"]["generation"]["id"], &started);
        (self.client.ended(&generation).await, generation)
    }

    /// The calls of extensions for a reply.
    pub async fn traces(&self, generation: &str) -> Vec<Value> {
        let query = format!("query($g: ID!) {{ generation(id: $g) {{ plugins {{ ...T }} }} }} {TRACE}");
        let mut kept = self.client.data(&query, json!({ "g": generation })).await;
        let traces = kept["generation"]["plugins"].as_array_mut();
        std::mem::take(traces.expect("traces"))
    }

    /// The one call of a hook for a reply, once it was made.
    pub async fn trace(&self, generation: &str, hook: &str) -> Value {
        eventually(async || one(&self.traces(generation).await, hook)).await
    }

    /// A field of a session.
    pub async fn session(&self, field: &str) -> Value {
        let query = format!("query($s: ID!) {{ chatSession(id: $s) {{ {field} }} }}");
        let mut data = self.client.data(&query, json!({ "s": self.session })).await;
        let session = data["chatSession"].as_object_mut().expect("a session");
        session.values_mut().next().expect("a field").take()
    }

    /// What is said of the last message.
    pub async fn annotations(&self) -> Value {
        self.session("messages(last: 1) { nodes { annotations } }").await["nodes"][0]["annotations"].take()
    }

    /// What happened to the installation, as far as it is stored.
    pub async fn logs(&self) -> Vec<Value> {
        let query = "query($id: ID!) { node(id: $id) { ... on Installation { logs(first: 100) { event } } } }";
        let mut data = self.client.data(query, json!({ "id": self.installation })).await;
        std::mem::take(data["node"]["logs"].as_array_mut().expect("logs"))
    }

    /// Watches the installation; what is kept of it comes first.
    pub async fn watch(&self) -> super::Socket {
        let mut socket = self.client.socket().await;
        let query = "subscription($id: ID!) { extensionEvents(installationId: $id) }";
        socket.subscribe(query, json!({ "id": self.installation })).await;
        let first = socket.event().await;
        assert_eq!(first["extensionEvents"]["kind"], "changed", "{first:#}");
        socket
    }

    /// The last request that the model got.
    pub async fn sent(&self) -> Value {
        self.fake.requests().await.pop().expect("a request")
    }
}

/// The call of a hook among traces, if there was exactly one.
fn one(traces: &[Value], hook: &str) -> Option<Value> {
    let mut called = traces.iter().filter(|trace| trace["hook"] == hook);
    let trace = called.next()?;
    assert!(called.next().is_none(), "{hook} was called twice: {traces:#?}");
    Some(trace.clone())
}

/// Waits until there is something, for what comes in its own time.
pub async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let seen = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    seen.await.expect("it comes")
}

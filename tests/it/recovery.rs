//! What survives a server that stops or is killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tavern::app;
use tavern::config::Config;
use tavern_domain::GenerationId;
use tavern_storage::Store;

use crate::support::{Assembled, Client, Fake, Script, Tavern, stream_query};

#[tokio::test]
async fn a_stop_in_good_order_interrupts_replies_and_keeps_what_came() {
    let fake = Fake::start().await;
    let tavern = Tavern::with(|config| fake.configure(config)).await;
    let client = tavern.user("reader").await;
    let session = client.chat().await;
    let (say, said) = tokio::sync::mpsc::channel(4);
    fake.next(Script::Follow(said)).await;
    let (_, generation) = client.send(&session, "Go on.", json!({})).await;
    let mut socket = client.socket().await;
    socket.subscribe(&stream_query(), json!({ "id": generation })).await;
    say.send("Half a".into()).await.expect("it listens");
    while socket.event().await["generationStream"]["length"] == 0 {}
    let tavern = tavern.restart().await;
    let client = Client {
        url: tavern.url.clone(),
        ..client
    };
    let mut all = Assembled::default();
    for event in client
        .socket()
        .await
        .collect(&stream_query(), json!({ "id": generation }))
        .await
    {
        all.apply(&event["generationStream"]);
    }
    assert_eq!(all.text, "Half a");
    assert!(all.is_whole());
    assert_eq!(all.ended.expect("an end")["status"], "INTERRUPTED");
}

/// The binary as it ships, in a process of its own.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(data: &Path, config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tavern"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .arg("--config")
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let url = lines
            .find_map(|line| line.ok()?.strip_prefix("listening on ").map(str::to_owned))
            .expect("it says where it listens");
        Self { child, url }
    }

    /// With SIGKILL: nothing is finished, nothing is flushed.
    fn kill(self) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it is gone");
    }
}

#[tokio::test]
async fn a_reply_survives_kill_9_and_ends() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tavern.toml");
    let config = format!(
        "[[providers]]\nname = \"fake\"\nkind = \"openai\"\nbase_url = \"{}\"\n[[models]]\nname = \"story\"\ndeployments = [{{ provider = \"fake\", model = \"m\" }}]\n",
        fake.url
    );
    std::fs::write(&file, config).expect("a file");
    let data = folder.path().join("data");
    let process = Process::start(&data, &file);
    // The accounts of the in-process harness work against any server.
    let client = register(&process.url).await;
    let session = client.chat().await;
    let (say, said) = tokio::sync::mpsc::channel(4);
    fake.next(Script::Follow(said)).await;
    let (message, generation) = client.send(&session, "Go on.", json!({})).await;
    say.send("What came before".into()).await.expect("it listens");
    within("a checkpoint", checkpointed(&data, &generation, "What came before")).await;
    process.kill();

    let process = Process::start(&data, &file);
    let client = Client {
        url: process.url.clone(),
        ..client
    };
    let mut socket = client.socket().await;
    let mut all = Assembled::default();
    for event in within("the end", socket.collect(&stream_query(), json!({ "id": generation }))).await {
        all.apply(&event["generationStream"]);
    }
    assert_eq!(all.text, "What came before");
    assert!(all.is_whole());
    assert_eq!(all.ended.expect("an end")["status"], "INTERRUPTED");
    let kept = client
        .data(
            "query($m: ID!) { node(id: $m) { ... on Message { content } } }",
            json!({ "m": message }),
        )
        .await;
    assert_eq!(kept["node"]["content"], "Go on.");
    process.kill();
}

/// Longer than anything here takes; what hangs fails instead of hanging the suite.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Waits until the store of a running server holds this text of a reply: only then can it not be lost.
async fn checkpointed(data: &Path, generation: &str, text: &str) {
    let config = Config {
        data_dir: data.to_owned(),
        ..Config::default()
    };
    let store = Store::open(&app::store_config(&config), &config.limits)
        .await
        .expect("the store opens beside the server");
    let id: GenerationId = generation.parse().expect("an id");
    while store
        .documents
        .text(id)
        .await
        .expect("read")
        .is_none_or(|record| record.text.text != text)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.close().await;
}

async fn register(url: &str) -> Client {
    let mut client = Client {
        url: url.to_owned(),
        http: crate::support::http(),
        token: None,
        refresh: None,
        name: "survivor".into(),
    };
    let answer = client
        .data(
            "mutation($p: String!) { register(input: { username: \"survivor\", email: \"s@example.org\", password: $p }) { tokens { accessToken } userErrors { message } } }",
            json!({ "p": crate::support::PASSWORD }),
        )
        .await;
    client.token = answer["register"]["tokens"]["accessToken"].as_str().map(str::to_owned);
    client
}

#[test]
fn the_command_line_checks_and_prints_the_configuration_without_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tavern.toml");
    let run = |text: &str, what: &str| {
        std::fs::write(&file, text).expect("a file");
        Command::new(env!("CARGO_BIN_EXE_tavern"))
            .args(["config", what, "--config"])
            .arg(&file)
            .output()
            .expect("the binary runs")
    };
    let bad = run("colour = 1\n[server]\nlisten = \"x\"\n", "check");
    assert!(!bad.status.success());
    let told = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(told.contains("colour") && told.contains("server.listen"), "{told}");
    let printed = run("[database]\nurl = \"postgres://u:hunter2@localhost/x\"\n", "print");
    let shown = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(
        printed.status.success() && shown.contains("[redacted]") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(run("", "check").status.success());
}

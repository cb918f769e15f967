//! What survives a server that stops or is killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tavern::app;
use tavern::config::Config;
use tavern_domain::GenerationId;
use tavern_storage::Store;

use crate::support::{
    Assembled, Author, Client, Fake, INSTALL, Script, Tavern, done, publish_bytes, puppet, stream_query, user_errors,
};

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
    let file = configuration(folder.path(), &fake, "");
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

#[tokio::test]
async fn what_extensions_say_of_a_reply_survives_kill_9() {
    let fake = Fake::start().await;
    let (host, mut asked) = host_that_answers_at_the_second_time().await;
    let folder = tempfile::tempdir().expect("a folder");
    let limits = "wall_after_reply_ms = 60000\nwall_http_ms = 60000\nhttp_ms = 60000";
    let extensions = format!("[extensions]\nallow_loopback = true\n[extensions.limits]\n{limits}\n");
    let file = configuration(folder.path(), &fake, &extensions);
    let data = folder.path().join("data");
    let process = Process::start(&data, &file);
    let client = register(&process.url).await;
    let author = Author::new();
    let published = publish_bytes(&client, Some(&author), puppet(&author, "1.0.0").await).await;
    assert_eq!(user_errors(&published), [""; 0], "{published:#}");
    let config = json!({ "http-after": host, "after-reply": [{ "annotate": ["mood", "calm"] }] });
    let grants = ["annotate", "http:127.0.0.1"];
    done(
        &client,
        INSTALL,
        json!({ "name": "acme/puppet", "grants": grants, "config": config }),
    )
    .await;
    let session = client.chat().await;
    let (_, generation) = client.send(&session, "Hello?", json!({})).await;
    assert_eq!(client.ended(&generation).await["status"], "COMPLETED");
    within("the hook", asked.recv()).await.expect("it asks");
    // Between the reply, which is acknowledged, and what is said of it.
    process.kill();

    let process = Process::start(&data, &file);
    let client = Client {
        url: process.url.clone(),
        ..client
    };
    let query = "query($s: ID!) { chatSession(id: $s) { messages(last: 1) { nodes { content annotations } } } }";
    let said = within("the annotation", async {
        loop {
            let mut data = client.data(query, json!({ "s": session })).await;
            let message = data["chatSession"]["messages"]["nodes"][0].take();
            if message["annotations"] != json!({}) {
                return message;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    assert_eq!(
        said.await,
        json!({ "content": "Hello.", "annotations": { "acme/puppet": { "mood": "calm" } } })
    );
    process.kill();
}

/// A host on this machine that leaves the first request without an answer. Its address, and each request.
async fn host_that_answers_at_the_second_time() -> (String, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let (tell, asked) = tokio::sync::mpsc::unbounded_channel();
    let requests = Arc::new(AtomicUsize::new(0));
    let app = axum::Router::new().fallback(async move || {
        let earlier = requests.fetch_add(1, Ordering::Relaxed);
        let _ = tell.send(());
        if earlier == 0 {
            std::future::pending::<()>().await;
        }
        "It rains."
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, asked)
}

/// A file with the model that a server asks, and more.
fn configuration(folder: &Path, fake: &Fake, more: &str) -> PathBuf {
    let file = folder.join("tavern.toml");
    let config = format!(
        "[[providers]]\nname = \"fake\"\nkind = \"openai\"\nbase_url = \"{}\"\n[[models]]\nname = \"story\"\ndeployments = [{{ provider = \"fake\", model = \"m\" }}]\n{more}",
        fake.url
    );
    std::fs::write(&file, config).expect("a file");
    file
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

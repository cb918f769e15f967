//! Requests to hosts, and the secrets in them.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::support::{Stage, says};

const SECRET: &str = "hunter2-of-the-test";

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A host on this machine that remembers which headers it got.
#[derive(Clone, Default)]
struct Host {
    port: u16,
    got: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Host {
    async fn start() -> Self {
        async fn answer(State(got): State<Arc<Mutex<Vec<HeaderMap>>>>, headers: HeaderMap) -> &'static str {
            locked(&got).push(headers);
            "It rains."
        }
        let got = Arc::default();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&got));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port, got }
    }

    fn at(&self, name: &str) -> String {
        format!("http://{name}:{}/weather", self.port)
    }

    fn requests(&self) -> usize {
        locked(&self.got).len()
    }
}

/// All that the server writes to its log on this thread, at any level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        locked(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_secret_goes_to_its_host_and_is_told_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let host = Host::start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}/", closed.local_addr().expect("an address"));
    drop(closed);
    let asks = json!([
        { "url": host.at("127.0.0.1"), "secret": "api-key" },
        { "url": host.at("127.0.0.1") },
        { "url": host.at("localhost"), "secret": "api-key" },
        { "url": nobody, "secret": "api-key" },
    ]);
    let grants = ["prompt.insert", "http:127.0.0.1", "http:localhost", "secret:api-key"];
    let input = json!({
        "grants": grants, "secrets": [{ "name": "api-key", "value": SECRET }],
        "config": { "http": asks, "tells": ["before-prompt"] },
    });
    let stage = Stage::with(|_| {}, input).await;
    let mut socket = stage.watch().await;
    let said = stage.say("How is the weather?").await;
    assert_eq!(said.ended["status"], "COMPLETED");

    let headers = locked(&host.got).clone();
    let sent: Vec<_> = headers.iter().map(|headers| headers.get("authorization")).collect();
    assert_eq!(sent.len(), 2, "what may not go to a host is not sent: {headers:?}");
    assert_eq!(
        sent[0].and_then(|value| value.to_str().ok()),
        Some("Bearer hunter2-of-the-test")
    );
    assert_eq!(sent[1], None, "it goes where it is asked for");
    let prompt = stage.sent().await;
    for answer in [
        "secrets: api-key",
        "http: 200 It rains.",
        "The secret may not go to `localhost`.",
        "http: HttpError::Connect",
    ] {
        assert!(says(&prompt, answer), "{answer}: {prompt:#}");
    }

    let trace = stage.trace(&said.generation, "before-prompt").await;
    assert!(
        trace["log"].as_array().is_some_and(|lines| lines.len() > 4),
        "{trace:#}"
    );
    let mut events = Vec::new();
    while events
        .last()
        .is_none_or(|event: &Value| event["kind"] != "called" || event["trace"]["hook"] != "after-reply")
    {
        events.push(socket.event().await["extensionEvents"].take());
    }
    let kept = stage
        .client
        .data(
            "query($id: ID!, $g: ID!) { node(id: $id) { ... on Installation { config secrets { name isSet } logs(first: 100) { event } } } generation(id: $g) { plugins { notes log } prompt { messages { content } plugins { notes log } } } }",
            json!({ "id": stage.installation, "g": said.generation }),
        )
        .await;
    assert_eq!(kept["node"]["secrets"], json!([{ "name": "api-key", "isSet": true }]));
    let seen = [prompt, trace, events.into(), kept, said.ended];
    for seen in &seen {
        assert!(!seen.to_string().contains("hunter2"), "{seen:#}");
    }
    let log = String::from_utf8_lossy(&locked(&log.0)).into_owned();
    assert!(!log.is_empty() && !log.contains("hunter2"), "the log has the secret");
    // Nor in the clear on the disk.
    let mut folders = vec![stage.tavern.config().data_dir.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                let has_it = bytes.windows(7).any(|window| window == b"hunter2");
                assert!(!has_it, "{}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_not_set_or_not_granted_sends_nothing() {
    let host = Host::start().await;
    let config = json!({ "http": [{ "url": host.at("127.0.0.1"), "secret": "api-key" }] });
    let stage = Stage::new(&["prompt.insert", "http:127.0.0.1", "secret:api-key"], config).await;
    let answer = async |words: &str| {
        stage.say("How is the weather?").await;
        let sent = stage.sent().await;
        assert!(says(&sent, words), "{words}: {sent:#}");
    };
    answer("the secret is not set").await;
    stage.secret(Some(SECRET)).await;
    answer("http: 200").await;
    stage.grant(&["prompt.insert", "http:127.0.0.1"]).await;
    answer("the secret is not granted").await;
    stage
        .grant(&["prompt.insert", "http:127.0.0.1", "secret:api-key"])
        .await;
    stage.secret(None).await;
    answer("the secret is not set").await;
    assert_eq!(host.requests(), 1);
}

#[tokio::test]
async fn a_host_that_was_not_granted_gets_nothing() {
    let host = Host::start().await;
    let config = json!({ "http": [{ "url": host.at("127.0.0.1") }, { "url": host.at("localhost") }] });
    let stage = Stage::new(&["prompt.insert", "http:127.0.0.1"], config).await;
    let said = stage.say("How is the weather?").await;
    let sent = stage.sent().await;
    assert!(says(&sent, "http: 200 It rains."), "{sent:#}");
    assert!(
        says(&sent, "The host `localhost` is not among those that are permitted."),
        "{sent:#}"
    );
    assert_eq!(host.requests(), 1);
    assert_eq!(stage.trace(&said.generation, "before-prompt").await["outcome"], "ok");

    stage.grant(&["prompt.insert"]).await;
    stage.say("How is the weather?").await;
    let sent = stage.sent().await;
    assert!(says(&sent, "no host is permitted"), "{sent:#}");
    assert_eq!(host.requests(), 1);
}

#[tokio::test]
async fn a_host_that_the_operator_denies_gets_nothing() {
    let host = Host::start().await;
    let config = json!({ "http": [{ "url": host.at("127.0.0.1") }] });
    let grants = ["prompt.insert", "http:127.0.0.1", "http:localhost"];
    let deny = |config: &mut tavern::config::Config| config.extensions.denied_hosts = vec!["127.0.0.1".into()];
    let stage = Stage::with(deny, json!({ "grants": grants, "config": config })).await;
    stage.say("How is the weather?").await;
    let sent = stage.sent().await;
    assert!(!says(&sent, "http: 200") && says(&sent, "http: "), "{sent:#}");
    assert_eq!(host.requests(), 0);
}

//! A provider that does what a test tells it, byte for byte, misbehaviour included.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use serde_json::{Value, json};
use tavern_domain::chat::ChatRole;
use tavern_domain::generation::{GenerationKind, GenerationOptions};
use tavern_models::{Cast, CompletionRequest, ModelEvent, ModelsConfig, PromptMessage, Router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the provider does with one connection, after it has read the request.
#[derive(Clone)]
pub enum Step {
    Write(Vec<u8>),
    /// Says nothing more until the client goes away.
    Stall,
    /// Breaks the connection with a TCP reset.
    Reset,
    /// Writes so many bytes without a line end, or as many as the client takes.
    Flood(usize),
}

pub struct FakeProvider {
    pub base_url: String,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
    flooded: watch::Receiver<usize>,
    gone: watch::Receiver<usize>,
}

impl FakeProvider {
    /// Answers the first connection with the first script, and so on; the last one is repeated.
    pub async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("it is bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (flooded_to, flooded) = watch::channel(0);
        let (gone_to, gone) = watch::channel(0);
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut scripts = VecDeque::from(scripts);
            while let Ok((mut socket, _)) = listener.accept().await {
                let script = if scripts.len() > 1 {
                    scripts.pop_front()
                } else {
                    scripts.front().cloned()
                };
                let (seen, flooded_to, gone_to) = (Arc::clone(&seen), flooded_to.clone(), gone_to.clone());
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut socket).await else {
                        return;
                    };
                    seen.lock().expect("no test panics while it holds this").push(request);
                    play(socket, script.unwrap_or_default(), &flooded_to, &gone_to).await;
                });
            }
        });
        Self {
            base_url,
            requests,
            flooded,
            gone,
        }
    }

    /// The head and the JSON body of each request so far.
    pub fn requests(&self) -> Vec<(String, Value)> {
        self.requests
            .lock()
            .expect("no test panics while it holds this")
            .clone()
    }

    /// Bytes a client took of a flood, once it has stopped taking them.
    pub async fn flooded(&mut self) -> usize {
        *self
            .flooded
            .wait_for(|bytes| *bytes > 0)
            .await
            .expect("the provider runs")
    }

    /// Waits until a client went away from a stalled connection.
    pub async fn client_gone(&mut self) {
        self.gone.wait_for(|count| *count > 0).await.expect("the provider runs");
    }
}

async fn read_request(socket: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)?
                .lines()
                .next()?
                .parse::<usize>()
                .ok()?;
            if bytes.len() >= end + 4 + length {
                return Some((head, serde_json::from_slice(&bytes[end + 4..]).ok()?));
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn play(mut socket: TcpStream, script: Vec<Step>, flooded: &watch::Sender<usize>, gone: &watch::Sender<usize>) {
    for step in script {
        match step {
            Step::Write(bytes) => {
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::Stall => {
                let mut byte = [0];
                let _ = socket.read(&mut byte).await;
                gone.send_modify(|count| *count += 1);
            }
            Step::Reset => {
                socket.set_zero_linger().expect("a live socket");
                return;
            }
            Step::Flood(bytes) => {
                let block = vec![b'x'; 64 * 1024];
                let mut sent = 0;
                while sent < bytes && socket.write_all(&block).await.is_ok() {
                    sent += block.len();
                }
                flooded.send_replace(sent);
            }
        }
    }
}

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";

/// The head of a stream that only the closing of the connection ends.
pub fn head() -> Step {
    Step::Write(format!("{STREAM_HEAD}\r\n").into_bytes())
}

/// The head of a stream in HTTP chunks, which shows where it was broken off.
pub fn chunked_head() -> Step {
    Step::Write(format!("{STREAM_HEAD}transfer-encoding: chunked\r\n\r\n").into_bytes())
}

pub fn chunk(bytes: &[u8]) -> Step {
    Step::Write([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
}

pub fn write(bytes: impl AsRef<[u8]>) -> Step {
    Step::Write(bytes.as_ref().to_vec())
}

pub fn data(json: &Value) -> String {
    format!("data: {json}\n\n")
}

/// One piece of a reply as an event.
pub fn delta(text: &str) -> String {
    data(&json!({ "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }] }))
}

pub fn finish(reason: &str) -> String {
    data(&json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }))
}

/// A whole good reply.
pub fn reply(text: &str) -> Vec<Step> {
    vec![
        head(),
        write(delta(text)),
        write(finish("stop")),
        write("data: [DONE]\n\n"),
    ]
}

/// An answer that is no stream.
pub fn document(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![write(format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    ))]
}

/// A router whose model `story` is served by these providers, in order.
pub fn router(providers: &[&FakeProvider]) -> Router {
    router_with(
        providers,
        json!({ "connect": 5000, "first_token": 10_000, "idle": 10_000 }),
        256 * 1024,
    )
}

pub fn router_with(providers: &[&FakeProvider], timeouts: Value, reply_bytes: usize) -> Router {
    let names: Vec<String> = (0..providers.len()).map(|index| format!("p{index}")).collect();
    let config = json!({
        "providers": names.iter().zip(providers).map(|(name, fake)| json!({
            "name": name, "kind": "openai", "base_url": fake.base_url, "api_key": "sk-test", "timeouts": timeouts,
        })).collect::<Vec<_>>(),
        "models": [{
            "name": "story", "max_output_tokens": 500,
            "deployments": names.iter().map(|name| json!({ "provider": name, "model": "gemma" })).collect::<Vec<_>>(),
        }],
    });
    let config: ModelsConfig = serde_json::from_value(config).expect("the right shape");
    Router::new(&config, reply_bytes).expect("a good config")
}

pub fn request() -> CompletionRequest {
    CompletionRequest {
        text: None,
        messages: vec![PromptMessage::new(ChatRole::User, "Hello!")],
        options: GenerationOptions::default(),
        stop: Vec::new(),
        max_tokens: None,
        seed: Some(7),
        cast: Cast::default(),
        kind: GenerationKind::Normal,
        tools: Vec::new(),
        tools_closed: false,
    }
}

pub async fn events(router: &Router) -> Vec<ModelEvent> {
    events_of(router, &["story"], request()).await
}

pub async fn events_of(router: &Router, models: &[&str], request: CompletionRequest) -> Vec<ModelEvent> {
    let models: Vec<String> = models.iter().map(ToString::to_string).collect();
    router.stream(&models, request).collect().await
}

pub fn text(events: &[ModelEvent]) -> String {
    events
        .iter()
        .filter_map(|event| {
            if let ModelEvent::Text(text) = event {
                Some(text.as_str())
            } else {
                None
            }
        })
        .collect()
}

/// The providers of the attempts, in order.
pub fn attempts(events: &[ModelEvent]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| {
            if let ModelEvent::AttemptStarted { provider, .. } = event {
                Some(provider.as_str())
            } else {
                None
            }
        })
        .collect()
}

pub fn finished(reason: Option<&str>) -> ModelEvent {
    ModelEvent::Finished {
        reason: reason.map(str::to_owned),
    }
}

/// The error a reply ended in.
#[track_caller]
pub fn failure(events: &[ModelEvent]) -> &tavern_domain::generation::GenerationError {
    match events.last() {
        Some(ModelEvent::Failed(error)) => error,
        other => panic!("the reply did not fail: {other:?}"),
    }
}

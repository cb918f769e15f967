//! An OpenAI-compatible server that does as it is told.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};
use tavern::config::Config;
use tokio::sync::{Mutex, mpsc};

/// What the server answers next.
pub enum Script {
    /// These pieces of text, then the end.
    Say(Vec<&'static str>),
    /// This text, then calls of the first function that was offered, with these arguments.
    Call(&'static str, Vec<&'static str>),
    /// Whatever is sent here, until it is closed.
    Follow(mpsc::Receiver<String>),
    /// This status.
    Fail(u16),
    /// Whatever is sent here; when it is closed the connection breaks.
    Break(mpsc::Receiver<String>),
}

#[derive(Clone)]
pub struct Fake {
    pub url: String,
    state: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    scripts: Mutex<std::collections::VecDeque<Script>>,
    requests: Mutex<Vec<Value>>,
}

impl Fake {
    pub async fn start() -> Self {
        let state = Arc::new(Inner::default());
        let app = Router::new()
            .route("/v1/chat/completions", post(answer))
            .route("/v1/completions", post(answer))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, state }
    }

    /// Makes it the default model of a server.
    pub fn configure(&self, config: &mut Config) {
        let settings = json!({
            "providers": [{ "name": "fake", "kind": "openai", "base_url": self.url, "api_key": "sk-secret-of-the-test", "timeouts": { "connect": 2000, "first_token": 10000, "idle": 10000 } }],
            "models": [{ "name": "story", "deployments": [{ "provider": "fake", "model": "fake-1" }] }]
        });
        config.providers = serde_json::from_value(settings["providers"].clone()).expect("providers");
        config.models = serde_json::from_value(settings["models"].clone()).expect("models");
    }

    pub async fn next(&self, script: Script) {
        self.state.scripts.lock().await.push_back(script);
    }

    /// What it was asked, in order.
    pub async fn requests(&self) -> Vec<Value> {
        self.state.requests.lock().await.clone()
    }
}

fn chunk(text: &str) -> String {
    format!(
        "data: {}\n\n",
        json!({ "choices": [{ "index": 0, "delta": { "content": text } }] })
    )
}

const END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}\n\ndata: [DONE]\n\n";

/// Calls of a function as they are streamed: first who is called, then with what, in two pieces.
fn calls(text: &str, name: &Value, arguments: &[&str]) -> Vec<String> {
    let piece = |delta: Value| format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta }] }));
    let mut pieces = vec![chunk(text)];
    for (index, arguments) in arguments.iter().enumerate() {
        let (first, second) = arguments.split_at(arguments.len() / 2);
        let id = format!("call_{index}");
        pieces.push(piece(
            json!({ "tool_calls": [{ "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": "" } }] }),
        ));
        for half in [first, second] {
            pieces.push(piece(
                json!({ "tool_calls": [{ "index": index, "function": { "arguments": half } }] }),
            ));
        }
    }
    pieces.push(END.replace("\"stop\"", "\"tool_calls\""));
    pieces
}

async fn answer(State(state): State<Arc<Inner>>, body: String) -> Response {
    let request: Value = serde_json::from_str(&body).expect("JSON");
    let function = request["tools"][0]["function"]["name"].clone();
    state.requests.lock().await.push(request);
    let script = state
        .scripts
        .lock()
        .await
        .pop_front()
        .unwrap_or(Script::Say(vec!["Hello."]));
    let stream = match script {
        Script::Fail(status) => {
            return Response::builder()
                .status(status)
                .body(Body::from(
                    "{\"error\":{\"message\":\"sk-secret-of-the-test is wrong\"}}",
                ))
                .expect("a response");
        }
        Script::Say(pieces) => {
            let text: Vec<_> = pieces
                .into_iter()
                .map(chunk)
                .chain([END.to_owned()])
                .map(Ok::<_, std::io::Error>)
                .collect();
            futures::stream::iter(text).boxed()
        }
        Script::Call(text, arguments) => {
            let pieces = calls(text, &function, &arguments).into_iter();
            futures::stream::iter(pieces.map(Ok)).boxed()
        }
        Script::Break(pieces) => said(pieces)
            .chain(futures::stream::iter([Err(std::io::Error::other("broken on purpose"))]))
            .boxed(),
        Script::Follow(pieces) => said(pieces).chain(futures::stream::iter([Ok(END.to_owned())])).boxed(),
    };
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::from_stream(stream))
        .expect("a response")
}

fn said(pieces: mpsc::Receiver<String>) -> impl Stream<Item = Result<String, std::io::Error>> + Send {
    futures::stream::unfold(pieces, |mut pieces| async move {
        pieces.recv().await.map(|piece| (Ok(chunk(&piece)), pieces))
    })
}

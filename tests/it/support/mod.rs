//! A real server on a free port with its own data, and clients that speak to it.

mod card;
mod extension;
mod installation;
mod provider;
mod puppet;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tavern::app::{self, Running};
use tavern::config::Config;
use tavern_domain::{Actor, Role};

pub use card::{png_card, png_with_chunk, v2_card};
pub use extension::{Author, Draft, HANGS, tool};
pub use installation::{
    CONFIGURE, FIELDS, INSTALL, PUBLISH, ROLLBACK, TRACE, UPGRADE, done, installed, publish, publish_bytes, published,
    run, says, with_lantern, with_lantern_on,
};
pub use provider::{Fake, Script};
pub use puppet::{Said, Stage, eventually, puppet};
pub use socket::Socket;

/// A server of its own for one test.
pub struct Tavern {
    pub url: String,
    running: Option<Running>,
    config: Config,
    _folder: Arc<tempfile::TempDir>,
}

impl Tavern {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server whose configuration was changed by `change`.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let mut config = Config {
            data_dir: folder.path().join("data"),
            ..Config::default()
        };
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.extensions.worker = env!("CARGO_BIN_EXE_tavern").into();
        if let Ok(base) = std::env::var("TAVERN_TEST_POSTGRES_URL") {
            config.database.url = new_database(&base);
        }
        change(&mut config);
        Self::on(folder, config).await
    }

    async fn on(folder: Arc<tempfile::TempDir>, config: Config) -> Self {
        let running = Box::pin(app::start(&config)).await.expect("the server starts");
        Self {
            url: format!("http://{}", running.address),
            running: Some(running),
            config,
            _folder: folder,
        }
    }

    /// Stops the server in good order and starts it again over the same data.
    pub async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The same, with a configuration, or files, that `change` changes while it is down.
    pub async fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        self.running.take().expect("it runs").stop().await.expect("it stops");
        let folder = Arc::clone(&self._folder);
        let mut config = self.config.clone();
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        change(&mut config);
        Self::on(folder, config).await
    }

    /// What it runs with.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Somebody's client of this server, after a restart.
    pub fn again(&self, client: &Client) -> Client {
        Client {
            url: self.url.clone(),
            ..client.clone()
        }
    }

    pub fn services(&self) -> &tavern_services::Services {
        &self.running.as_ref().expect("it runs").services
    }

    /// Somebody without a token.
    pub fn anonymous(&self) -> Client {
        Client {
            url: self.url.clone(),
            http: http(),
            token: None,
            refresh: None,
            name: "anonymous".into(),
        }
    }

    /// Somebody new with an account.
    pub async fn user(&self, name: &str) -> Client {
        let mut client = self.anonymous();
        let email = format!("{name}@example.org");
        let answer = client
            .data(
                "mutation($i: RegisterInput!) { register(input: $i) { tokens { accessToken refreshToken } userErrors { message field code } } }",
                json!({ "i": { "username": name, "email": email, "password": PASSWORD } }),
            )
            .await;
        client.name = name.to_owned();
        client.token = Some(text(&answer["register"]["tokens"]["accessToken"], &answer));
        client.refresh = Some(text(&answer["register"]["tokens"]["refreshToken"], &answer));
        client
    }

    /// Somebody new with these roles.
    pub async fn staff(&self, name: &str, role: Role) -> Client {
        let mut client = self.user(name).await;
        self.services()
            .accounts
            .set_roles(&Actor::System, name, &[role])
            .await
            .expect("roles are set");
        // Roles travel in the token.
        let answer = client
            .data(
                "mutation($t: String!) { refreshTokens(input: { refreshToken: $t }) { tokens { accessToken } } }",
                json!({ "t": client.refresh }),
            )
            .await;
        client.token = Some(text(&answer["refreshTokens"]["tokens"]["accessToken"], &answer));
        client
    }
}

pub const PASSWORD: &str = "a lantern over the harbour";

/// A PostgreSQL database that no other test uses, on the server of `base`.
fn new_database(base: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!(
        "tavern_it_{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let made = std::process::Command::new("psql")
        .args([base, "-q", "-c", &format!("CREATE DATABASE {name}")])
        .status();
    assert!(made.is_ok_and(|status| status.success()), "no database for the test");
    let (server, _) = base.rsplit_once('/').expect("a URL with a database");
    format!("{server}/{name}")
}

/// An HTTP client; the crypto library it never needs here has to be named all the same.
pub fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Somebody who speaks GraphQL over HTTP.
#[derive(Clone)]
pub struct Client {
    pub url: String,
    pub http: reqwest::Client,
    pub token: Option<String>,
    pub refresh: Option<String>,
    pub name: String,
}

impl Client {
    /// The whole answer of an operation.
    pub async fn run(&self, query: &str, variables: Value) -> Value {
        let mut request = self
            .http
            .post(format!("{}/graphql", self.url))
            .json(&json!({ "query": query, "variables": variables }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// The data of an operation that has no errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.run(query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}\n{answer:#}");
        answer["data"].take()
    }

    /// The code of the first error of an operation.
    pub async fn code(&self, query: &str, variables: Value) -> String {
        code_of(&self.run(query, variables).await)
    }

    /// A new character with this name and further fields; its id.
    pub async fn character(&self, name: &str, more: Value) -> String {
        let mut input =
            json!({ "name": name, "description": "Somebody for a test.", "firstMessage": "*waves* Hello, {{user}}." });
        for (key, value) in more.as_object().expect("an object") {
            input[key] = value.clone();
        }
        let answer = self.data("mutation($i: CreateCharacterInput!) { createCharacter(input: $i) { character { id } userErrors { message field } } }", json!({ "i": input })).await;
        text(&answer["createCharacter"]["character"]["id"], &answer)
    }

    /// A new world book with this name and further fields; its id.
    pub async fn world_book(&self, name: &str, more: Value) -> String {
        let mut input = json!({ "name": name });
        for (key, value) in more.as_object().expect("an object") {
            input[key] = value.clone();
        }
        let answer = self.data("mutation($i: CreateWorldBookInput!) { createWorldBook(input: $i) { worldBook { id } userErrors { message field } } }", json!({ "i": input })).await;
        text(&answer["createWorldBook"]["worldBook"]["id"], &answer)
    }

    /// A new chat with a new character; its id.
    pub async fn chat(&self) -> String {
        let character = self.character("Tester", json!({})).await;
        self.chat_with(&character).await
    }

    pub async fn chat_with(&self, character: &str) -> String {
        let answer = self.data("mutation($c: [ID!]!) { createChatSession(input: { characterIds: $c }) { chatSession { id } userErrors { message field } } }", json!({ "c": [character] })).await;
        text(&answer["createChatSession"]["chatSession"]["id"], &answer)
    }

    /// Sends a message; the ids of the message and of the generation.
    pub async fn send(&self, session: &str, content: &str, options: Value) -> (String, String) {
        let answer = self
            .data(
                "mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id } generation { id } userErrors { message field code } } }",
                json!({ "i": { "sessionId": session, "content": content, "options": options } }),
            )
            .await;
        (
            text(&answer["sendMessage"]["message"]["id"], &answer),
            text(&answer["sendMessage"]["generation"]["id"], &answer),
        )
    }

    /// Waits for the end of a reply; the terminal event.
    pub async fn ended(&self, generation: &str) -> Value {
        let mut socket = self.socket().await;
        let events = socket.collect(&stream_query(), json!({ "id": generation })).await;
        events.last().expect("a terminal event")["generationStream"].clone()
    }

    pub async fn socket(&self) -> Socket {
        Socket::connect(&self.url, self.token.as_deref()).await
    }

    /// Imports a card from bytes by multipart upload; the whole answer.
    pub async fn import(&self, file_name: &str, bytes: Vec<u8>) -> Value {
        let query = "mutation($f: Upload!) { importCharacter(input: { source: { file: $f } }) { character { id name firstMessage specVersion tags avatarUrl(size: 64) cardExtensions visibility } warnings userErrors { message field code } } }";
        self.upload(query, file_name, bytes).await
    }

    /// Runs an operation whose `$f` is a file, by multipart upload; the whole answer.
    pub async fn upload(&self, query: &str, file_name: &str, bytes: Vec<u8>) -> Value {
        self.upload_with(query, json!({}), file_name, bytes).await
    }

    /// The same with more variables.
    pub async fn upload_with(&self, query: &str, mut variables: Value, file_name: &str, bytes: Vec<u8>) -> Value {
        variables["f"] = Value::Null;
        let operations = json!({ "query": query, "variables": variables });
        let form = reqwest::multipart::Form::new()
            .text("operations", operations.to_string())
            .text("map", r#"{"0":["variables.f"]}"#)
            .part(
                "0",
                reqwest::multipart::Part::bytes(bytes).file_name(file_name.to_owned()),
            );
        let mut request = self
            .http
            .post(format!("{}/graphql", self.url))
            .header("apollo-require-preflight", "1")
            .multipart(form);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request.send().await.expect("an answer").json().await.expect("JSON")
    }
}

/// All there is to know of a reply's stream.
pub fn stream_query() -> String {
    "subscription($id: ID!, $after: String) { generationStream(generationId: $id, after: $after) { __typename cursor length \
     ... on GenerationSnapshot { text status } ... on GenerationDelta { text } ... on GenerationReset { reason } \
     ... on GenerationEnded { status sha256 finishReason message { id content } usage { completionTokens source } error { code message retryable } } } }"
        .to_owned()
}

/// The text of a stream's events, put together as a client must: a delta counts only if it continues.
#[derive(Default, Debug, Clone)]
pub struct Assembled {
    pub text: String,
    pub cursor: Option<String>,
    pub ended: Option<Value>,
}

impl Assembled {
    pub fn apply(&mut self, event: &Value) {
        assert!(self.ended.is_none(), "an event came after the end: {event}");
        let length = usize::try_from(event["length"].as_u64().expect("a length")).expect("a size");
        match event["__typename"].as_str().expect("a type") {
            "GenerationSnapshot" => event["text"].as_str().expect("text").clone_into(&mut self.text),
            "GenerationDelta" => self.text.push_str(event["text"].as_str().expect("text")),
            "GenerationReset" => self.text.clear(),
            "GenerationEnded" => self.ended = Some(event.clone()),
            other => panic!("{other} is no event of a stream"),
        }
        assert_eq!(self.text.len(), length, "a byte was lost or doubled: {event}");
        self.cursor = Some(event["cursor"].as_str().expect("a cursor").to_owned());
    }

    /// Whether every byte is there, by the server's own hash.
    pub fn is_whole(&self) -> bool {
        use sha2::Digest as _;
        let hash: String = sha2::Sha256::digest(self.text.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.ended
            .as_ref()
            .is_some_and(|ended| ended["sha256"] == hash.as_str())
    }
}

pub fn code_of(answer: &Value) -> String {
    answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no error in {answer:#}"))
        .to_owned()
}

/// The codes of a payload's user errors with their fields, `CODE field.path`.
pub fn user_errors(payload: &Value) -> Vec<String> {
    let errors = payload["userErrors"]
        .as_array()
        .unwrap_or_else(|| panic!("no userErrors in {payload:#}"));
    errors
        .iter()
        .map(|error| {
            let field: Vec<_> = error["field"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|part| part.as_str().expect("a name"))
                .collect();
            format!("{} {}", error["code"].as_str().unwrap_or(""), field.join("."))
                .trim()
                .to_owned()
        })
        .collect()
}

pub fn text(value: &Value, answer: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text in {answer:#}"))
        .to_owned()
}

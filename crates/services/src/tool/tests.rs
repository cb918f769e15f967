//! A model that calls functions, over the wire: a server that says what it is told to, and functions that
//! tell what they were called with.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tavern_domain::Timestamp;
use tavern_domain::chat::Swipe;
use tavern_domain::generation::GenerationOptions;
use tavern_models::{Cast, ModelsConfig};
use tavern_plugins::manifest::ToolDeclaration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;

/// What a function does.
pub(crate) type Function = fn(&str) -> Result<String, String>;

/// `roll`, with what it was called with.
pub(crate) struct Dice {
    function: Function,
    called: Vec<String>,
    /// It never comes to an end.
    pub hangs: bool,
}

#[async_trait]
impl Tools for Dice {
    fn offered(&self) -> Vec<OfferedTool> {
        let declaration = ToolDeclaration {
            name: "roll".into(),
            description: "Rolls dice.".into(),
            parameters: json!({ "type": "object" }),
        };
        vec![OfferedTool {
            extension: "tavern/dice".into(),
            name: "roll".into(),
            declaration,
        }]
    }

    async fn call(&mut self, name: &str, arguments: &str) -> Result<String, String> {
        assert_eq!(name, "roll");
        self.called.push(arguments.to_owned());
        if self.hangs {
            std::future::pending::<()>().await;
        }
        (self.function)(arguments)
    }
}

pub(crate) fn dice(function: Function) -> Dice {
    Dice {
        function,
        called: Vec::new(),
        hangs: false,
    }
}

/// A model of a context of a million tokens that gives these answers in turn, the last one again and again.
pub(crate) struct Model {
    pub config: ModelsConfig,
    router: Router,
    requests: Arc<Mutex<Vec<Value>>>,
    gone: Arc<Notify>,
}

/// Stands at the end of an answer behind which nothing comes.
const STALL: &str = ": and now nothing\n\n";

impl Model {
    pub async fn saying(answers: Vec<String>) -> Self {
        Self::with_context(answers, 1_000_000).await
    }

    async fn with_context(answers: Vec<String>, context_tokens: i32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/v1", listener.local_addr().expect("it is bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let gone = Arc::new(Notify::new());
        let (seen, noted) = (Arc::clone(&requests), Arc::clone(&gone));
        tokio::spawn(async move {
            let mut answers = answers.into_iter().peekable();
            let mut last = String::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                let Some(request) = read_request(&mut socket).await else {
                    continue;
                };
                seen.lock().expect("no test panics in here").push(request);
                last = answers.next().unwrap_or(last);
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
                let _ = socket.write_all(format!("{head}{last}").as_bytes()).await;
                if last.ends_with(STALL) {
                    let _ = socket.read(&mut [0]).await;
                    noted.notify_one();
                }
            }
        });
        let config: ModelsConfig = serde_json::from_value(json!({
            "providers": [{ "name": "fake", "kind": "openai", "base_url": url }],
            "models": [{ "name": "story", "context_tokens": context_tokens, "deployments": [{ "provider": "fake", "model": "m" }] }],
        }))
        .expect("the right shape");
        Self {
            router: Router::new(&config, REPLY_BYTES).expect("a good config"),
            config,
            requests,
            gone,
        }
    }

    /// All that comes of a reply, and the calls that were made for it.
    async fn talk(&self, tools: &mut Dice) -> (Vec<ModelEvent>, ToolLog) {
        let names = ["story".to_owned()];
        let mut log = ToolLog::default();
        let asking = Asking {
            models: &self.router,
            names: &names,
            generation: GenerationId::new(),
            prompt_tokens: 100,
            reply_bytes: REPLY_BYTES,
        };
        let events = talk(asking, request(), Some(tools), &mut log).collect().await;
        (events, log)
    }

    /// Waits until the client has left an answer that stalls.
    pub async fn left(&self) {
        self.gone.notified().await;
    }

    fn requests(&self) -> Vec<Value> {
        self.requests.lock().expect("no test panics in here").clone()
    }
}

const REPLY_BYTES: usize = 1000;

async fn read_request(socket: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1)?.lines().next()?;
            if bytes.len() >= end + 4 + length.parse::<usize>().ok()? {
                return serde_json::from_slice(&bytes[end + 4..]).ok();
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn request() -> CompletionRequest {
    CompletionRequest {
        messages: vec![PromptMessage::new(ChatRole::User, "Go.")],
        text: None,
        options: GenerationOptions::default(),
        stop: Vec::new(),
        max_tokens: None,
        seed: None,
        cast: Cast::default(),
        kind: GenerationKind::Normal,
        tools: Vec::new(),
        tools_closed: false,
    }
}

/// An answer with a text, calls (id and arguments of `roll`), and two tokens of prompt and one of reply.
pub(crate) fn answer(text: &str, calls: &[(&str, &str)]) -> String {
    let calls: Vec<_> = calls
        .iter()
        .enumerate()
        .map(|(index, (id, arguments))| json!({ "index": index, "id": id, "function": { "name": "roll", "arguments": arguments } }))
        .collect();
    let delta = json!({ "choices": [{ "index": 0, "delta": { "content": text, "tool_calls": calls }, "finish_reason": "stop" }] });
    format!("data: {delta}\n\n{USAGE}data: [DONE]\n\n")
}

/// The beginning of an answer that never ends.
pub(crate) fn beginning(text: &str) -> String {
    let delta = json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
    format!("data: {delta}\n\n{STALL}")
}

const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1}}\n\n";

fn text(events: &[ModelEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        ModelEvent::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn usage(events: &[ModelEvent]) -> Vec<ProviderUsage> {
    let usages = events.iter().filter_map(|event| match event {
        ModelEvent::Usage(usage) => Some(*usage),
        _ => None,
    });
    usages.collect()
}

/// What the functions of the round before said, as the model was told.
fn results(request: &Value) -> Vec<String> {
    let messages = request["messages"].as_array().expect("messages").iter();
    let results = messages.filter(|message| message["role"] == "tool");
    results
        .map(|message| message["content"].as_str().expect("a text").to_owned())
        .collect()
}

#[tokio::test]
async fn what_functions_say_goes_to_the_model_and_the_reply_goes_on() {
    let model = Model::saying(vec![
        answer("I roll.", &[("a", r#"{"dice":"2d6"}"#), ("b", "{}")]),
        answer("Seven!", &[]),
    ])
    .await;
    let mut tools = dice(|arguments| Ok(format!("said of {arguments}")));
    let (events, log) = model.talk(&mut tools).await;
    assert_eq!(text(&events), "I roll.\n\nSeven!");
    assert_eq!(tools.called, [r#"{"dice":"2d6"}"#, "{}"]);
    let requests = model.requests();
    assert_eq!(requests[0]["tools"][0]["function"]["name"], "roll");
    assert_eq!(
        requests[1]["messages"],
        json!([
            { "role": "user", "content": "Go." },
            { "role": "assistant", "content": "I roll.", "tool_calls": [
                { "id": "a", "type": "function", "function": { "name": "roll", "arguments": "{\"dice\":\"2d6\"}" } },
                { "id": "b", "type": "function", "function": { "name": "roll", "arguments": "{}" } },
            ] },
            { "role": "tool", "tool_call_id": "a", "content": "said of {\"dice\":\"2d6\"}" },
            { "role": "tool", "tool_call_id": "b", "content": "said of {}" },
        ])
    );
    assert_eq!(log.uses.len(), 2);
    assert_eq!(
        (log.uses[0].extension.as_str(), log.uses[0].failed),
        ("tavern/dice", false)
    );
    assert!(log.prompt_tokens > 100);
}

#[tokio::test]
async fn rounds_are_one_reply_to_its_reader() {
    let model = Model::saying(vec![answer("", &[("a", "{}")]), answer("Done.", &[])]).await;
    let (events, _) = model.talk(&mut dice(|_| Ok("7".into()))).await;
    let attempts: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::AttemptStarted { number, .. } => Some(*number),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [1, 2]);
    let sum = ProviderUsage {
        prompt: 4,
        completion: 2,
        ..ProviderUsage::default()
    };
    assert_eq!(usage(&events), [sum]);
    let ends = events
        .iter()
        .filter(|event| matches!(event, ModelEvent::Finished { .. } | ModelEvent::Failed(_)));
    assert_eq!(ends.count(), 1);
    assert_eq!(text(&events), "Done.");
    assert!(!events.iter().any(|event| matches!(event, ModelEvent::ToolCall(_))));
}

#[tokio::test]
async fn usage_that_is_not_known_of_every_round_is_not_told() {
    let silent = answer("", &[("a", "{}")]).replace(USAGE, "");
    let model = Model::saying(vec![silent, answer("Done.", &[])]).await;
    let (events, _) = model.talk(&mut dice(|_| Ok("7".into()))).await;
    assert_eq!(usage(&events), []);
}

#[tokio::test]
async fn white_space_between_rounds_is_the_models_own() {
    for (first, second, whole) in [("a ", "b", "a b"), ("a", "\nb", "a\nb"), ("", "b", "b"), ("a", "", "a")] {
        let model = Model::saying(vec![answer(first, &[("a", "{}")]), answer(second, &[])]).await;
        let (events, _) = model.talk(&mut dice(|_| Ok("7".into()))).await;
        assert_eq!(text(&events), whole);
    }
}

#[tokio::test]
async fn after_four_rounds_the_model_has_to_answer() {
    let model = Model::saying(vec![answer("x", &[("a", "{}")])]).await;
    let mut tools = dice(|_| Ok("7".into()));
    let (events, log) = model.talk(&mut tools).await;
    let requests = model.requests();
    assert_eq!((requests.len(), tools.called.len(), log.uses.len()), (5, 4, 4));
    let closed: Vec<_> = requests
        .iter()
        .map(|request| request["tool_choice"] == "none")
        .collect();
    assert_eq!(closed, [false, false, false, false, true]);
    assert!(matches!(events.last(), Some(ModelEvent::Finished { .. })));
}

#[tokio::test]
async fn eight_calls_are_made_for_a_reply_and_no_more() {
    for (asked, made, closed) in [(7, 7, false), (8, 8, true), (9, 8, true)] {
        let ids: Vec<_> = (0..asked).map(|number| number.to_string()).collect();
        let calls: Vec<_> = ids.iter().map(|id| (id.as_str(), "{}")).collect();
        let model = Model::saying(vec![answer("", &calls), answer("Done.", &[])]).await;
        let mut tools = dice(|_| Ok("7".into()));
        model.talk(&mut tools).await;
        assert_eq!(tools.called.len(), made);
        let told = &model.requests()[1];
        assert_eq!(told["tool_choice"] == "none", closed);
        let refused = |result: &&String| result.starts_with("Error: No more functions");
        assert_eq!(results(told).iter().filter(refused).count(), asked - made);
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told_to_the_model() {
    let unknown = answer("", &[("c", "{}")]).replace("\"roll\"", "\"fly\"");
    let model = Model::saying(vec![
        answer("", &[("a", "{\"dice\":"), ("b", "{}")]),
        unknown,
        answer("Done.", &[]),
    ])
    .await;
    let mut tools = dice(|_| Err("the dice fell off the table".into()));
    let (events, log) = model.talk(&mut tools).await;
    assert_eq!(tools.called.len(), 1);
    let requests = model.requests();
    assert_eq!(
        results(&requests[2]),
        [
            "Error: The arguments of a call are a JSON object, and these are not.",
            "Error: the dice fell off the table",
            "Error: There is no function `fly`.",
        ]
    );
    // What is sent back can be read by any server.
    assert_eq!(
        requests[1]["messages"][1]["tool_calls"][0]["function"]["arguments"],
        "{}"
    );
    assert!(log.uses.iter().all(|one| one.failed) && log.uses[2].extension.is_empty());
    assert_eq!(text(&events), "Done.");
}

#[tokio::test]
async fn a_function_says_up_to_thirty_two_kibibytes() {
    let whole: Function = |_| Ok("x".repeat(MAX_RESULT));
    let more: Function = |_| Ok("é".repeat(MAX_RESULT));
    for (function, is_cut) in [(whole, false), (more, true)] {
        let model = Model::saying(vec![answer("", &[("a", "{}")]), answer("Done.", &[])]).await;
        let (_, log) = model.talk(&mut dice(function)).await;
        let result = results(&model.requests()[1]).remove(0);
        assert!(
            result.len() <= MAX_RESULT && result.len() > MAX_RESULT - 8,
            "{}",
            result.len()
        );
        assert_eq!(result.ends_with(CUT_OFF), is_cut);
        assert!(log.uses[0].result.len() <= MAX_NOTE);
    }
}

#[tokio::test]
async fn all_functions_of_a_reply_say_no_more_than_the_model_has_room_for() {
    let calls = [("a", "{}"), ("b", "{}")];
    let model = Model::with_context(vec![answer("", &calls), answer("Done.", &[])], 8_000).await;
    model.talk(&mut dice(|_| Ok("x".repeat(2_000)))).await;
    let results = results(&model.requests()[1]);
    assert_eq!(results[0].len(), 2_000);
    assert_eq!(
        results[0].len() + results[1].len(),
        8_000 / ROOM as usize * BYTES_PER_TOKEN
    );
}

#[tokio::test]
async fn a_reply_in_rounds_is_no_longer_than_any_other() {
    let piece = "x".repeat(REPLY_BYTES / 2);
    let model = Model::saying(vec![answer(&piece, &[("a", "{}")])]).await;
    let (events, _) = model.talk(&mut dice(|_| Ok("7".into()))).await;
    assert_eq!(text(&events).len(), REPLY_BYTES);
    let end = ModelEvent::Finished {
        reason: Some("length".into()),
    };
    assert_eq!(events.last(), Some(&end));
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn a_reply_that_cannot_call_is_offered_nothing() {
    let model = Model::saying(vec![answer("Done.", &[])]).await;
    let names = ["story".to_owned()];
    for (kind, text) in [
        (GenerationKind::Impersonate, None),
        (GenerationKind::Normal, Some("Once")),
    ] {
        let request = CompletionRequest {
            kind,
            text: text.map(Into::into),
            ..request()
        };
        let asking = Asking {
            models: &model.router,
            names: &names,
            generation: GenerationId::new(),
            prompt_tokens: 1,
            reply_bytes: REPLY_BYTES,
        };
        let mut log = ToolLog::default();
        let _: Vec<_> = talk(asking, request, Some(&mut dice(|_| Ok("7".into()))), &mut log)
            .collect()
            .await;
    }
    assert!(model.requests().iter().all(|request| request.get("tools").is_none()));
}

fn swipe(generation: GenerationId) -> Swipe {
    Swipe {
        content: String::new(),
        reasoning: None,
        tokens: 0,
        model: None,
        created_at: Timestamp(0),
        generation: Some(generation),
        kept: 0,
        annotations: serde_json::Map::new(),
    }
}

fn used(generation: GenerationId, name: &str) -> ToolUse {
    ToolUse {
        generation,
        extension: "tavern/dice".into(),
        name: name.into(),
        arguments: "{}".into(),
        result: "7".into(),
        failed: false,
    }
}

#[test]
fn a_message_knows_the_newest_calls_of_the_replies_it_has() {
    let (first, second) = (GenerationId::new(), GenerationId::new());
    let mut body = MessageBody::of(swipe(first));
    let names = |body: &MessageBody| -> Vec<String> {
        let all = body.annotations[ANNOTATION].as_array().into_iter().flatten();
        all.map(|one| one["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    note(&mut body, first, &[]);
    assert_eq!(body.annotations, json!({}));
    // Settling may be repeated.
    for _ in 0..2 {
        note(&mut body, first, &[used(first, "one")]);
    }
    assert_eq!(names(&body), ["one"]);
    body.swipes.push(swipe(second));
    note(&mut body, second, &[used(second, "two")]);
    assert_eq!(names(&body), ["one", "two"]);
    body.swipes.remove(0);
    note(&mut body, second, &vec![used(second, "three"); MAX_NOTED + 1]);
    assert_eq!(names(&body), vec!["three"; MAX_NOTED]);
    note(&mut body, second, &[]);
    assert_eq!(body.annotations, json!({}));
}

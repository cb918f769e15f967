//! The JSON of chat completions: ours to them, and theirs to us, read with great patience.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tavern_domain::chat::ChatRole;

use super::error;
use crate::provider::{Chunk, ProviderError};
use crate::request::{CompletionRequest, PromptMessage, ProviderUsage};

/// More than this is refused by the format's author; the router enforces all of them anyway.
const MAX_STOPS: usize = 4;
/// Fields of the request that `options.extra` cannot change.
const OURS: [&str; 9] = [
    "model",
    "messages",
    "prompt",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "demo",
];
/// A count beyond this is a mistake of the provider.
const MAX_TOKENS: i64 = 100_000_000;

pub(super) fn request_body(model: &str, request: &CompletionRequest) -> Value {
    let mut body = Map::new();
    if let Some(Value::Object(extra)) = &request.options.extra {
        let theirs = extra.iter().filter(|(key, _)| !OURS.contains(&key.as_str()));
        body.extend(theirs.map(|(key, value)| (key.clone(), value.clone())));
    }
    let options = &request.options;
    let wishes = [
        ("max_tokens", request.max_tokens.map(Value::from)),
        ("temperature", options.temperature.map(Value::from)),
        ("top_p", options.top_p.map(Value::from)),
        ("top_k", options.top_k.map(Value::from)),
        ("min_p", options.min_p.map(Value::from)),
        ("frequency_penalty", options.frequency_penalty.map(Value::from)),
        ("presence_penalty", options.presence_penalty.map(Value::from)),
        ("repetition_penalty", options.repetition_penalty.map(Value::from)),
        ("seed", request.seed.map(Value::from)),
    ];
    body.extend(
        wishes
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?))),
    );
    if !request.stop.is_empty() {
        body.insert("stop".into(), request.stop.iter().take(MAX_STOPS).cloned().collect());
    }
    body.insert("model".into(), model.into());
    match &request.text {
        Some(text) => body.insert("prompt".into(), text.as_str().into()),
        None => body.insert("messages".into(), request.messages.iter().map(message).collect()),
    };
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({ "include_usage": true }));
    Value::Object(body)
}

fn message(message: &PromptMessage) -> Value {
    let role = match message.role {
        ChatRole::User => "user",
        ChatRole::Assistant => "assistant",
        // A tool's message needs the id of a call, which prompts do not have.
        ChatRole::System | ChatRole::Tool => "system",
    };
    let mut value = json!({ "role": role, "content": message.content });
    if let Some(name) = message.name.as_deref().filter(|name| is_wire_name(name)) {
        value["name"] = name.into();
    }
    value
}

/// The format takes no other names, and refuses the request for them.
fn is_wire_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Turns answers into chunks, and remembers what comes piecemeal.
pub(super) struct Decoder {
    provider: String,
    usage: Option<ProviderUsage>,
    done: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: Option<Value>,
    /// Of a stream.
    #[serde(default)]
    delta: Option<Delta>,
    /// Of a whole answer.
    #[serde(default)]
    message: Option<Delta>,
    /// Of text completions.
    #[serde(default)]
    text: Option<Value>,
    #[serde(default, alias = "finishReason")]
    finish_reason: Option<Value>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    reasoning_content: Option<Value>,
    #[serde(default)]
    reasoning: Option<Value>,
}

impl Decoder {
    pub fn new(provider: String) -> Self {
        Self {
            provider,
            usage: None,
            done: false,
        }
    }

    /// Whether the stream said that it is over.
    pub const fn is_done(&self) -> bool {
        self.done
    }

    pub fn decode_event(&mut self, event: &str, data: &str) -> Result<Vec<Chunk>, ProviderError> {
        let data = data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(Vec::new());
        }
        if data.is_empty() {
            return Ok(vec![Chunk::Alive]);
        }
        if event == "error" {
            let value: Value = serde_json::from_str(data).unwrap_or_else(|_| data.into());
            return Err(error::in_band(&self.provider, value.get("error").unwrap_or(&value)));
        }
        self.decode(data)
    }

    /// One JSON answer: a piece of a stream, or the whole reply of a server that does not stream.
    pub fn decode(&mut self, json: &str) -> Result<Vec<Chunk>, ProviderError> {
        let answer: Answer = serde_json::from_str(json).map_err(|_| error::malformed(&self.provider))?;
        if let Some(error) = answer.error.filter(|error| !error.is_null()) {
            return Err(error::in_band(&self.provider, &error));
        }
        // Some servers send it with each piece, counting up.
        if let Some(usage) = answer.usage.as_ref().and_then(read_usage) {
            self.usage = Some(usage);
        }
        let mut chunks = Vec::new();
        // Further choices are alternatives nobody asked for.
        let first = answer
            .choices
            .into_iter()
            .flatten()
            .find(|choice| choice.index.as_ref().and_then(Value::as_i64).unwrap_or(0) == 0);
        if let Some(choice) = first {
            let (mut reasoning, mut text) = (String::new(), String::new());
            if let Some(delta) = choice.delta.or(choice.message) {
                let thought = delta
                    .reasoning_content
                    .filter(|value| !value.is_null())
                    .or(delta.reasoning);
                append_text(thought.as_ref(), &mut reasoning);
                append_text(delta.content.as_ref(), &mut text);
            }
            append_text(choice.text.as_ref(), &mut text);
            if !reasoning.is_empty() {
                chunks.push(Chunk::Reasoning(reasoning));
            }
            if !text.is_empty() {
                chunks.push(Chunk::Text(text));
            }
            if let Some(reason) = choice
                .finish_reason
                .as_ref()
                .and_then(Value::as_str)
                .filter(|reason| !reason.is_empty())
            {
                // Users see it: anything longer than a word is not a reason.
                let reason = reason.chars().take(64).collect();
                chunks.push(Chunk::Finished(Some(reason)));
            }
        }
        if chunks.is_empty() {
            chunks.push(Chunk::Alive);
        }
        Ok(chunks)
    }

    /// What is known only at the end.
    pub fn finish(&mut self) -> Option<Chunk> {
        self.usage.take().map(Chunk::Usage)
    }
}

/// A content is a text, or a list of parts of which some are text.
fn append_text(content: Option<&Value>, into: &mut String) {
    match content {
        Some(Value::String(text)) => into.push_str(text),
        Some(Value::Array(parts)) => {
            for part in parts {
                into.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
            }
        }
        _ => {}
    }
}

/// `None` for counts that cannot be true, so that nobody is billed by them.
fn read_usage(usage: &Value) -> Option<ProviderUsage> {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_i64);
    let sane = |count: i64| {
        (0..=MAX_TOKENS)
            .contains(&count)
            .then(|| i32::try_from(count).ok())
            .flatten()
    };
    let prompt = sane(count("/prompt_tokens")?)?;
    let completion = sane(count("/completion_tokens").unwrap_or(0))?;
    let reasoning = sane(count("/completion_tokens_details/reasoning_tokens").unwrap_or(0))?;
    let cached = count("/prompt_tokens_details/cached_tokens").or_else(|| count("/prompt_cache_hit_tokens"));
    let cached = sane(cached.unwrap_or(0))?;
    Some(ProviderUsage {
        prompt,
        completion,
        reasoning: reasoning.min(completion),
        cached: cached.min(prompt),
    })
}

#[cfg(test)]
mod tests {
    use tavern_domain::generation::{GenerationKind, GenerationOptions};

    use super::*;
    use crate::request::Cast;

    fn request(options: GenerationOptions) -> CompletionRequest {
        let message = |role, name: Option<&str>| PromptMessage {
            role,
            name: name.map(Into::into),
            content: "hi".into(),
        };
        CompletionRequest {
            messages: vec![
                message(ChatRole::System, None),
                message(ChatRole::User, Some("Ann_1")),
                message(ChatRole::Assistant, Some("No Wire Name")),
            ],
            text: None,
            options,
            stop: (0..6).map(|n| format!("s{n}")).collect(),
            max_tokens: Some(100),
            seed: None,
            cast: Cast::default(),
            kind: GenerationKind::Normal,
        }
    }

    #[test]
    fn only_what_was_wished_is_sent() {
        let options = GenerationOptions {
            temperature: Some(0.5),
            ..GenerationOptions::default()
        };
        assert_eq!(
            request_body("m", &request(options)),
            json!({
                "model": "m", "stream": true, "stream_options": { "include_usage": true },
                "max_tokens": 100, "temperature": 0.5, "stop": ["s0", "s1", "s2", "s3"],
                "messages": [
                    { "role": "system", "content": "hi" },
                    { "role": "user", "content": "hi", "name": "Ann_1" },
                    { "role": "assistant", "content": "hi" },
                ],
            })
        );
    }

    #[test]
    fn extra_fields_are_passed_on_but_cannot_change_ours() {
        let extra = json!({ "top_a": 0.2, "model": "x", "messages": [], "stream": false, "max_tokens": 9, "max_completion_tokens": 9, "n": 5, "demo": {} });
        let body = request_body(
            "m",
            &request(GenerationOptions {
                extra: Some(extra),
                ..GenerationOptions::default()
            }),
        );
        assert_eq!(body["top_a"], 0.2);
        assert_eq!(body["model"], "m");
        assert_eq!(body["max_tokens"], 100);
        for absent in ["n", "demo", "max_completion_tokens"] {
            assert!(body.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn a_text_is_sent_as_a_prompt_without_messages() {
        let body = request_body(
            "m",
            &CompletionRequest {
                messages: Vec::new(),
                text: Some("Once".into()),
                ..request(GenerationOptions::default())
            },
        );
        assert_eq!(body["prompt"], "Once");
        assert!(body.get("messages").is_none());
    }

    fn decode(json: Value) -> Vec<Chunk> {
        let mut decoder = Decoder::new("p".into());
        let mut chunks = decoder.decode(&json.to_string()).expect("a good answer");
        chunks.extend(decoder.finish());
        chunks
    }

    #[test]
    fn odd_answers_of_real_servers_are_understood() {
        let text = |text: &str| Chunk::Text(text.into());
        let cases = [
            (
                json!({"choices": [{"delta": {"role": null, "content": "a"}, "finish_reason": ""}]}),
                vec![text("a")],
            ),
            (
                json!({"choices": [{"index": 0, "delta": {"content": null}}]}),
                vec![Chunk::Alive],
            ),
            (json!({"choices": [], "usage": null}), vec![Chunk::Alive]),
            (json!({"choices": null, "error": null}), vec![Chunk::Alive]),
            (
                json!({"choices": [{"index": 1, "delta": {"content": "b"}}]}),
                vec![Chunk::Alive],
            ),
            (
                json!({"choices": [{"delta": {"reasoning": "r", "content": "a"}}]}),
                vec![Chunk::Reasoning("r".into()), text("a")],
            ),
            (
                json!({"choices": [{"delta": {"reasoning_content": "r", "reasoning": "r"}}]}),
                vec![Chunk::Reasoning("r".into())],
            ),
            (
                json!({"choices": [{"delta": {}, "finishReason": "stop"}]}),
                vec![Chunk::Finished(Some("stop".into()))],
            ),
            (json!({"choices": [{"text": "t"}]}), vec![text("t")]),
            (
                json!({"choices": [{"message": {"role": "assistant", "content": [{"type": "text", "text": "x"}, {"type": "image"}]}, "finish_reason": "stop"}]}),
                vec![text("x"), Chunk::Finished(Some("stop".into()))],
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(decode(json.clone()), expected, "{json}");
        }
    }

    #[test]
    fn usage_is_believed_only_where_it_can_be_true() {
        let of = |usage: Value| decode(json!({ "choices": [], "usage": usage }));
        let good = json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 90}, "completion_tokens_details": {"reasoning_tokens": 3}});
        assert_eq!(
            of(good)[1],
            Chunk::Usage(ProviderUsage {
                prompt: 10,
                completion: 5,
                reasoning: 3,
                cached: 10
            })
        );
        for wrong in [
            json!({"prompt_tokens": -1}),
            json!({"prompt_tokens": 100_000_001}),
            json!({"prompt_tokens": "many"}),
            json!([]),
        ] {
            assert_eq!(of(wrong.clone()), [Chunk::Alive], "{wrong}");
        }
        assert_eq!(of(json!({"prompt_tokens": 100_000_000})).len(), 2);
    }
}

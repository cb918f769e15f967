//! The JSON of chat completions: ours to them, and theirs to us, read with great patience.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tavern_domain::chat::ChatRole;

use super::calls::Calls;
use super::error;
use crate::provider::{Chunk, ProviderError};
use crate::request::{CompletionRequest, PromptMessage, ProviderUsage};
use crate::tool::{ToolCall, is_wire_name};

/// More than this is refused by the format's author; the router enforces all of them anyway.
const MAX_STOPS: usize = 4;
/// Fields of the request that `options.extra` cannot change.
const OURS: [&str; 11] = [
    "model",
    "messages",
    "prompt",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "tools",
    "tool_choice",
    "demo",
];
/// A count beyond this is a mistake of the provider.
const MAX_TOKENS: i64 = 100_000_000;

/// `with_reasoning`: what the model thought before its calls is sent back, which most servers take for a
/// mistake.
pub(super) fn request_body(model: &str, request: &CompletionRequest, with_reasoning: bool) -> Value {
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
        None => {
            let messages = request.messages.iter().map(|said| message(said, with_reasoning));
            body.insert("messages".into(), messages.collect())
        }
    };
    if request.text.is_none() && !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function",
                "function": { "name": tool.name, "description": tool.description, "parameters": tool.parameters },
            })
        });
        body.insert("tools".into(), tools.collect());
        if request.tools_closed {
            body.insert("tool_choice".into(), "none".into());
        }
    }
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({ "include_usage": true }));
    Value::Object(body)
}

fn message(message: &PromptMessage, with_reasoning: bool) -> Value {
    if let Some(id) = &message.tool_call_id {
        return json!({ "role": "tool", "tool_call_id": id, "content": message.content });
    }
    let role = match message.role {
        ChatRole::User => "user",
        ChatRole::Assistant => "assistant",
        // A tool's message needs the id of a call, which this one does not have.
        ChatRole::System | ChatRole::Tool => "system",
    };
    let mut value = json!({ "role": role, "content": message.content });
    if let Some(name) = message.name.as_deref().filter(|name| is_wire_name(name)) {
        value["name"] = name.into();
    }
    if !message.tool_calls.is_empty() {
        value["tool_calls"] = message.tool_calls.iter().map(call).collect();
        if message.content.is_empty() {
            value["content"] = Value::Null;
        }
        if let Some(reasoning) = message.reasoning.as_deref().filter(|_| with_reasoning) {
            value["reasoning_content"] = reasoning.into();
        }
    }
    value
}

fn call(call: &ToolCall) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments });
    let mut value = json!({ "id": call.id, "type": "function", "function": function });
    if let Some(extra) = &call.extra {
        value["extra_content"] = extra.clone();
    }
    value
}

/// Turns answers into chunks, and remembers what comes piecemeal.
pub(super) struct Decoder {
    provider: String,
    calls: Calls,
    usage: Option<ProviderUsage>,
    done: bool,
    /// Reasoning came in the field in which it is wanted back.
    has_reasoned: bool,
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
    #[serde(default)]
    tool_calls: Option<Value>,
}

impl Decoder {
    pub fn new(provider: String, calls: Calls) -> Self {
        Self {
            provider,
            calls,
            usage: None,
            done: false,
            has_reasoned: false,
        }
    }

    pub const fn has_reasoned(&self) -> bool {
        self.has_reasoned
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
                let thought = delta.reasoning_content.filter(|value| !value.is_null());
                self.has_reasoned |= thought.is_some();
                let thought = thought.or(delta.reasoning);
                append_text(thought.as_ref(), &mut reasoning);
                append_text(delta.content.as_ref(), &mut text);
                if let Some(pieces) = &delta.tool_calls {
                    self.calls.push(pieces);
                }
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
                chunks.extend(self.calls.finish().into_iter().map(Chunk::ToolCall));
                chunks.push(Chunk::Finished(Some(reason)));
            }
        }
        if chunks.is_empty() {
            chunks.push(Chunk::Alive);
        }
        Ok(chunks)
    }

    /// What is known only at the end.
    pub fn finish(&mut self) -> impl Iterator<Item = Chunk> + use<> {
        let calls = self.calls.finish().into_iter().map(Chunk::ToolCall);
        calls.chain(self.usage.take().map(Chunk::Usage))
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
mod tests;

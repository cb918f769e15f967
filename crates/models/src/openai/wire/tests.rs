use tavern_domain::generation::{GenerationKind, GenerationOptions};

use super::*;
use crate::request::Cast;
use crate::tool::ToolSpec;

fn request(options: GenerationOptions) -> CompletionRequest {
    let message = |role, name: Option<&str>| PromptMessage {
        name: name.map(Into::into),
        ..PromptMessage::new(role, "hi")
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
        tools: Vec::new(),
        tools_closed: false,
    }
}

fn tool() -> ToolSpec {
    ToolSpec {
        name: "roll".into(),
        description: "Rolls dice.".into(),
        parameters: json!({ "type": "object" }),
    }
}

fn called(id: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.into(),
        name: "roll".into(),
        arguments: arguments.into(),
        fault: None,
        extra: None,
    }
}

#[test]
fn functions_their_calls_and_what_they_said_stand_on_the_wire() {
    let calls = PromptMessage {
        tool_calls: vec![
            called("a", r#"{"dice":"2d6"}"#),
            ToolCall {
                extra: Some(json!({ "google": 1 })),
                ..called("b", "{}")
            },
        ],
        reasoning: Some("Hm.".into()),
        ..PromptMessage::new(ChatRole::Assistant, "")
    };
    let answer = PromptMessage {
        name: Some("roll".into()),
        tool_call_id: Some("a".into()),
        ..PromptMessage::new(ChatRole::Tool, "7")
    };
    let mut request = CompletionRequest {
        messages: vec![calls, answer, PromptMessage::new(ChatRole::Tool, "of no call")],
        tools: vec![tool()],
        stop: Vec::new(),
        max_tokens: None,
        ..request(GenerationOptions::default())
    };
    let body = request_body("m", &request, false);
    assert_eq!(
        body["tools"],
        json!([{ "type": "function", "function": { "name": "roll", "description": "Rolls dice.", "parameters": { "type": "object" } } }])
    );
    assert!(body.get("tool_choice").is_none());
    assert_eq!(
        body["messages"],
        json!([
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "a", "type": "function", "function": { "name": "roll", "arguments": "{\"dice\":\"2d6\"}" } },
                { "id": "b", "type": "function", "function": { "name": "roll", "arguments": "{}" }, "extra_content": { "google": 1 } },
            ] },
            { "role": "tool", "tool_call_id": "a", "content": "7" },
            { "role": "system", "content": "of no call" },
        ])
    );
    request.tools_closed = true;
    let body = request_body("m", &request, true);
    assert_eq!(body["tool_choice"], "none");
    assert_eq!(body["messages"][0]["reasoning_content"], "Hm.");
}

#[test]
fn a_model_without_functions_is_told_in_words_what_they_said() {
    let said = PromptMessage {
        tool_calls: vec![called("a", "{}")],
        ..PromptMessage::new(ChatRole::Assistant, "Let me see.")
    };
    let silent = PromptMessage {
        content: String::new(),
        ..said.clone()
    };
    let answer = PromptMessage {
        name: Some("roll".into()),
        tool_call_id: Some("a".into()),
        ..PromptMessage::new(ChatRole::Tool, "7")
    };
    let request = CompletionRequest {
        messages: vec![PromptMessage::new(ChatRole::User, "Go."), said, answer, silent],
        tools: vec![tool()],
        ..request(GenerationOptions::default())
    };
    let body = request_body("m", &request.without_tools(), false);
    assert!(body.get("tools").is_none());
    assert_eq!(
        body["messages"],
        json!([
            { "role": "user", "content": "Go." },
            { "role": "assistant", "content": "Let me see." },
            { "role": "system", "content": "The function `roll` was called. It said: 7" },
        ])
    );
}

#[test]
fn only_what_was_wished_is_sent() {
    let options = GenerationOptions {
        temperature: Some(0.5),
        ..GenerationOptions::default()
    };
    assert_eq!(
        request_body("m", &request(options), false),
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
    let extra = json!({ "top_a": 0.2, "model": "x", "messages": [], "stream": false, "max_tokens": 9, "max_completion_tokens": 9, "n": 5, "tools": [], "tool_choice": "required", "demo": {} });
    let body = request_body(
        "m",
        &request(GenerationOptions {
            extra: Some(extra),
            ..GenerationOptions::default()
        }),
        false,
    );
    assert_eq!(body["top_a"], 0.2);
    assert_eq!(body["model"], "m");
    assert_eq!(body["max_tokens"], 100);
    for absent in ["n", "tools", "tool_choice", "demo", "max_completion_tokens"] {
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
            tools: vec![tool()],
            ..request(GenerationOptions::default())
        },
        false,
    );
    assert_eq!(body["prompt"], "Once");
    assert!(body.get("messages").is_none() && body.get("tools").is_none());
}

fn decode(json: Value) -> Vec<Chunk> {
    let mut decoder = Decoder::new("p".into(), Calls::default());
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

#[test]
fn calls_come_whole_and_before_the_end_whatever_the_reason_is_called() {
    let piece =
        |arguments: &str| json!([{ "index": 0, "id": "a", "function": { "name": "roll", "arguments": arguments } }]);
    let call = |arguments| Chunk::ToolCall(called("a", arguments));
    for reason in ["tool_calls", "stop"] {
        let mut decoder = Decoder::new("p".into(), Calls::default());
        let mut take = |choice: Value| {
            decoder
                .decode(&json!({ "choices": [choice] }).to_string())
                .expect("good")
        };
        assert_eq!(
            take(json!({ "delta": { "tool_calls": piece("{\"n\":") } })),
            [Chunk::Alive]
        );
        assert_eq!(
            take(json!({ "delta": { "tool_calls": piece("1}") }, "finish_reason": reason })),
            [call(r#"{"n":1}"#), Chunk::Finished(Some(reason.into()))]
        );
        assert_eq!(decoder.finish().count(), 0);
    }
    // A server that does not stream, and one that closes without a word.
    let whole = json!({ "choices": [{ "message": { "content": null, "tool_calls": piece("{}") }, "finish_reason": "tool_calls" }] });
    assert_eq!(decode(whole), [call("{}"), Chunk::Finished(Some("tool_calls".into()))]);
    let closed = json!({ "choices": [{ "delta": { "tool_calls": piece("{}") } }] });
    assert_eq!(decode(closed), [Chunk::Alive, call("{}")]);
}

#[test]
fn it_is_noted_in_which_field_reasoning_came() {
    for (field, expected) in [("reasoning_content", true), ("reasoning", false)] {
        let mut decoder = Decoder::new("p".into(), Calls::default());
        let answer = json!({ "choices": [{ "delta": { field: "Hm." } }] });
        decoder.decode(&answer.to_string()).expect("a good answer");
        assert_eq!(decoder.has_reasoned(), expected);
    }
}

//! The router against providers that behave, and against those that do not.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use futures::StreamExt;
use serde_json::{Value, json};
use support::*;
use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationOptions;
use tavern_models::{
    CompletionRequest, ModelEvent, ModelsConfig, PromptMessage, ProviderUsage, Router, ToolCall, ToolSpec,
};

fn status(code: u16) -> Vec<Step> {
    document(code, "", "{}")
}

#[tokio::test]
async fn a_reply_is_streamed_with_its_usage() {
    let usage = json!({ "choices": [], "usage": { "prompt_tokens": 9, "completion_tokens": 2 } });
    let fake = FakeProvider::start(vec![vec![
        head(),
        write(delta("Hel")),
        write(delta("lo")),
        write(finish("stop")),
        write(data(&usage)),
        write("data: [DONE]\n\n"),
    ]])
    .await;
    assert_eq!(
        events(&router(&[&fake])).await,
        [
            ModelEvent::AttemptStarted {
                number: 1,
                provider: "p0".into(),
                model: "gemma".into()
            },
            ModelEvent::Text("Hel".into()),
            ModelEvent::Text("lo".into()),
            ModelEvent::Usage(ProviderUsage {
                prompt: 9,
                completion: 2,
                ..ProviderUsage::default()
            }),
            finished(Some("stop")),
        ]
    );
}

#[tokio::test]
async fn the_request_carries_key_model_and_limit() {
    let fake = FakeProvider::start(vec![reply("Hi")]).await;
    let over = CompletionRequest {
        max_tokens: Some(9_999),
        ..request()
    };
    events_of(&router(&[&fake]), &["story"], over).await;
    let (head, body) = fake.requests().remove(0);
    assert!(head.starts_with("post /v1/chat/completions "), "{head}");
    assert!(head.contains("authorization: bearer sk-test"), "{head}");
    assert!(!head.contains("accept-encoding"), "{head}");
    assert_eq!(
        (&body["model"], &body["max_tokens"], &body["stream"]),
        (&json!("gemma"), &json!(500), &json!(true))
    );
}

#[tokio::test]
async fn a_prompt_that_is_one_text_goes_to_the_completions_endpoint() {
    let told = data(&json!({ "choices": [{ "index": 0, "text": "upon a time", "finish_reason": "stop" }] }));
    let fake = FakeProvider::start(vec![vec![head(), write(told), write("data: [DONE]\n\n")]]).await;
    let request = CompletionRequest {
        messages: Vec::new(),
        text: Some("Once ".into()),
        ..request()
    };
    let events = events_of(&router(&[&fake]), &["story"], request).await;
    assert_eq!(text(&events), "upon a time");
    let (head, body) = fake.requests().remove(0);
    assert!(head.starts_with("post /v1/completions "), "{head}");
    assert_eq!(body["prompt"], "Once ");
}

#[tokio::test]
async fn too_many_requests_is_retried_after_the_time_the_provider_names() {
    let fake = FakeProvider::start(vec![document(429, "retry-after: 0\r\n", "{}"), reply("Hi")]).await;
    let events = events(&router(&[&fake])).await;
    assert_eq!((text(&events).as_str(), attempts(&events).len()), ("Hi", 2));
}

#[tokio::test]
async fn a_long_retry_after_is_no_reason_to_wait_while_another_can_answer() {
    let busy = FakeProvider::start(vec![document(429, "retry-after: 9\r\n", "{}")]).await;
    let free = FakeProvider::start(vec![reply("Hi")]).await;
    assert_eq!(attempts(&events(&router(&[&busy, &free])).await), ["p0", "p1"]);
}

#[tokio::test]
async fn after_three_attempts_the_next_deployment_is_asked() {
    let broken = FakeProvider::start(vec![status(500)]).await;
    let well = FakeProvider::start(vec![reply("Hi")]).await;
    let events = events(&router(&[&broken, &well])).await;
    assert_eq!(attempts(&events), ["p0", "p0", "p0", "p1"]);
    assert_eq!(text(&events), "Hi");
}

#[tokio::test]
async fn when_all_deployments_fail_the_next_model_answers() {
    let broken = FakeProvider::start(vec![status(401)]).await;
    let mut short = request();
    short.options.extra = Some(json!({ "demo": { "delayMs": 0, "words": 3 } }));
    let events = events_of(&router(&[&broken]), &["unknown", "story", "demo"], short).await;
    assert_eq!(attempts(&events), ["p0", "demo"]);
    assert_eq!(events.last(), Some(&finished(Some("stop"))));
}

#[tokio::test]
async fn a_wrong_key_is_not_retried_and_the_deployment_rests() {
    let fake = FakeProvider::start(vec![status(401)]).await;
    let router = router(&[&fake]);
    assert!(router.model("story").is_some_and(|model| model.available));
    assert_eq!(attempts(&events(&router).await).len(), 1);
    assert!(router.model("story").is_some_and(|model| !model.available));
    let again = events(&router).await;
    assert_eq!(
        (attempts(&again).len(), failure(&again).code.as_str()),
        (0, "UNAVAILABLE")
    );
}

#[tokio::test]
async fn a_refused_request_is_neither_retried_nor_sent_to_another_deployment() {
    let fake = FakeProvider::start(vec![status(400)]).await;
    let other = FakeProvider::start(vec![reply("Hi")]).await;
    let events = events(&router(&[&fake, &other])).await;
    assert_eq!(attempts(&events), ["p0"]);
    assert!(!failure(&events).retryable);
}

#[tokio::test]
async fn nothing_of_the_providers_own_words_is_shown() {
    let body = r#"{"error":{"message":"bad key sk-test for prompt Hello!","type":"sk-test"}}"#;
    let fake = FakeProvider::start(vec![document(400, "", body)]).await;
    let shown = format!("{:?}", events(&router(&[&fake])).await);
    assert!(!shown.contains("sk-test") && !shown.contains("Hello!"), "{shown}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = FakeProvider::start(vec![reply("stolen")]).await;
    let location = format!("location: {}/chat/completions\r\n", target.base_url);
    let fake = FakeProvider::start(vec![document(307, &location, "")]).await;
    failure(&events(&router(&[&fake])).await);
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_passed_over() {
    let mut gone = FakeProvider::start(vec![]).await;
    // Nobody listens on port 1 of the loopback.
    gone.base_url = "http://127.0.0.1:1/v1".into();
    let well = FakeProvider::start(vec![reply("Hi")]).await;
    assert_eq!(text(&events(&router(&[&gone, &well])).await), "Hi");
}

#[tokio::test]
async fn a_stall_before_the_first_token_is_retried() {
    for head in [vec![], vec![head()], vec![head(), write(delta(""))]] {
        let stalling = [head, vec![Step::Stall]].concat();
        let fake = FakeProvider::start(vec![stalling, reply("Hi")]).await;
        let router = router_with(&[&fake], json!({ "first_token": 1000 }), 1024);
        let events = events(&router).await;
        assert_eq!((text(&events).as_str(), attempts(&events).len()), ("Hi", 2));
    }
}

#[tokio::test]
async fn a_stall_in_the_middle_interrupts_and_is_never_retried() {
    let fake = FakeProvider::start(vec![vec![head(), write(delta("Once")), Step::Stall], reply("Hi")]).await;
    let events = events(&router_with(&[&fake], json!({ "idle": 150 }), 1024)).await;
    assert_eq!((text(&events).as_str(), attempts(&events).len()), ("Once", 1));
    assert_eq!(failure(&events).code, "REQUEST_TIMEOUT");
}

#[tokio::test]
async fn a_reset_in_the_middle_interrupts() {
    let fake = FakeProvider::start(vec![
        vec![
            chunked_head(),
            chunk(delta("Once").as_bytes()),
            chunk(b": \n"),
            Step::Reset,
        ],
        reply("Hi"),
    ])
    .await;
    let events = events(&router(&[&fake])).await;
    // A reset may overtake text that was not read yet; then nothing was shown, and a retry is right.
    match text(&events).as_str() {
        "Once" => assert!(failure(&events).retryable),
        other => assert_eq!((other, attempts(&events).len()), ("Hi", 2)),
    }
}

#[tokio::test]
async fn a_stream_broken_off_between_its_chunks_interrupts() {
    let fake = FakeProvider::start(vec![vec![chunked_head(), chunk(delta("Once").as_bytes())], reply("Hi")]).await;
    let events = events(&router(&[&fake])).await;
    assert_eq!(text(&events), "Once");
    failure(&events);
}

#[tokio::test]
async fn an_error_inside_the_stream_before_content_is_retried() {
    let error = json!({ "error": { "type": "overloaded_error", "message": "busy" } });
    for event in [
        data(&error),
        format!("event: error\n{}", data(&error["error"])),
        "event: error\ndata: boom\n\n".into(),
    ] {
        let fake = FakeProvider::start(vec![vec![head(), write(event)], reply("Hi")]).await;
        let events = events(&router(&[&fake])).await;
        assert_eq!((text(&events).as_str(), attempts(&events).len()), ("Hi", 2));
    }
}

#[tokio::test]
async fn an_error_inside_the_stream_after_content_interrupts() {
    let error = data(&json!({ "error": { "message": "busy", "code": 529 } }));
    let fake = FakeProvider::start(vec![vec![head(), write(delta("Once")), write(error)], reply("Hi")]).await;
    let events = events(&router(&[&fake])).await;
    assert_eq!((text(&events).as_str(), attempts(&events).len()), ("Once", 1));
    failure(&events);
}

#[tokio::test]
async fn garbage_and_empty_replies_are_failures_and_not_empty_messages() {
    for script in [
        vec![head()],
        vec![head(), write("data: [DONE]\n\n")],
        vec![head(), write("<html>502 Bad Gateway</html>")],
        vec![head(), write("data: {\"choices\": oops\n\n")],
        vec![write("not even HTTP")],
        vec![head(), write(delta("")), write("data: [DONE]\n\n")],
        document(200, "", "{\"choices\":[]}"),
    ] {
        let fake = FakeProvider::start(vec![script, reply("Hi")]).await;
        let events = events(&router(&[&fake])).await;
        assert_eq!((text(&events).as_str(), attempts(&events).len()), ("Hi", 2));
    }
}

#[tokio::test]
async fn a_line_of_a_hundred_megabytes_is_refused_after_one() {
    let mut fake = FakeProvider::start(vec![vec![head(), write("data: "), Step::Flood(100 << 20)], reply("Hi")]).await;
    assert_eq!(text(&events(&router(&[&fake])).await), "Hi");
    let taken = fake.flooded().await;
    assert!(taken < 32 << 20, "{taken} bytes were taken, socket buffers included");
}

#[tokio::test]
async fn streams_of_lenient_servers_are_whole_replies() {
    let crlf = delta("Grüße 🐉").replace('\n', "\r\n");
    let split_at = crlf.find('🐉').expect("it is there") + 2;
    let whole =
        json!({ "choices": [{ "message": { "role": "assistant", "content": "Grüße 🐉" }, "finish_reason": "stop" }] });
    for (script, reason) in [
        // No [DONE], no finish_reason.
        (vec![head(), write(delta("Grüße 🐉"))], None),
        // No blank line at the end.
        (vec![head(), write(delta("Grüße 🐉").trim_end())], None),
        // CRLF, and a character split over two packets.
        (
            vec![
                chunked_head(),
                chunk(&crlf.as_bytes()[..split_at]),
                chunk(&crlf.as_bytes()[split_at..]),
                write("0\r\n\r\n"),
            ],
            None,
        ),
        (document(200, "", &whole.to_string()), Some("stop")),
    ] {
        let fake = FakeProvider::start(vec![script]).await;
        let events = events(&router(&[&fake])).await;
        assert_eq!(text(&events), "Grüße 🐉");
        assert_eq!(events.last(), Some(&finished(reason)));
    }
}

#[tokio::test]
async fn a_finished_reply_does_not_fail_because_the_connection_does() {
    let fake = FakeProvider::start(vec![vec![
        chunked_head(),
        chunk(delta("Hi").as_bytes()),
        chunk(finish("stop").as_bytes()),
    ]])
    .await;
    assert_eq!(events(&router(&[&fake])).await.last(), Some(&finished(Some("stop"))));
}

#[tokio::test]
async fn a_reply_is_taken_up_to_the_cap_and_cut_beyond_it() {
    let fits = FakeProvider::start(vec![reply("12345é")]).await;
    let taken = events(&router_with(&[&fits], Value::Object(serde_json::Map::new()), 7)).await;
    assert_eq!(
        (text(&taken).as_str(), taken.last()),
        ("12345é", Some(&finished(Some("stop"))))
    );
    let cut = events(&router_with(&[&fits], Value::Object(serde_json::Map::new()), 6)).await;
    assert_eq!(
        (text(&cut).as_str(), cut.last()),
        ("12345", Some(&finished(Some("length"))))
    );
}

#[tokio::test]
async fn a_stop_string_ends_the_reply_even_if_the_provider_ignores_it() {
    let fake = FakeProvider::start(vec![vec![
        head(),
        write(delta("Good.\nTo")),
        write(delta("m: no")),
        Step::Stall,
    ]])
    .await;
    let stopping = CompletionRequest {
        stop: vec!["\nTom:".into()],
        ..request()
    };
    let events = events_of(&router(&[&fake]), &["story"], stopping).await;
    assert_eq!(
        (text(&events).as_str(), events.last()),
        ("Good.", Some(&finished(Some("stop"))))
    );
}

#[tokio::test]
async fn reasoning_counts_as_content() {
    let thought = data(&json!({ "choices": [{ "delta": { "reasoning_content": "Hm." } }] }));
    let fake = FakeProvider::start(vec![vec![head(), write(thought), write("data: oops\n\n")], reply("Hi")]).await;
    let events = events(&router(&[&fake])).await;
    assert!(events.contains(&ModelEvent::Reasoning("Hm.".into())));
    assert_eq!(attempts(&events).len(), 1);
    failure(&events);
}

#[tokio::test]
async fn dropping_the_stream_drops_the_connection() {
    let mut fake = FakeProvider::start(vec![vec![head(), write(delta("Once")), Step::Stall]]).await;
    let mut stream = router(&[&fake]).stream(&["story".into()], request());
    while let Some(event) = stream.next().await {
        if matches!(event, ModelEvent::Text(_)) {
            break;
        }
    }
    drop(stream);
    fake.client_gone().await;
}

#[tokio::test]
async fn without_configuration_the_demo_answers() {
    let router = Router::new(&ModelsConfig::default(), 1 << 20).expect("nothing can be wrong");
    assert_eq!(router.default_model(), "demo");
    assert!(router.has("demo") && router.price("demo").is_some_and(|price| price.prompt == 0));
    let mut short = request();
    short.options.extra = Some(json!({ "demo": { "delayMs": 0 } }));
    let events = events_of(&router, &["demo"], short).await;
    assert!(text(&events).contains("demo model"));
    assert_eq!(events.last(), Some(&finished(Some("stop"))));
}

fn demo(demo: Value) -> CompletionRequest {
    CompletionRequest {
        options: GenerationOptions {
            extra: Some(json!({ "demo": demo })),
            ..GenerationOptions::default()
        },
        ..request()
    }
}

#[tokio::test]
async fn the_demo_keeps_to_the_token_limit() {
    let router = Router::new(&ModelsConfig::default(), 1 << 20).expect("nothing can be wrong");
    for (words, reason) in [(10, "stop"), (11, "length")] {
        let request = CompletionRequest {
            max_tokens: Some(10),
            ..demo(json!({ "words": words, "delayMs": 0 }))
        };
        let events = events_of(&router, &["demo"], request).await;
        assert_eq!(text(&events).split_whitespace().count(), 10);
        assert_eq!(events.last(), Some(&finished(Some(reason))));
    }
}

#[tokio::test]
async fn the_demo_breaks_off_where_it_is_told() {
    let router = Router::new(&ModelsConfig::default(), 1 << 20).expect("nothing can be wrong");
    let events = events_of(&router, &["demo"], demo(json!({ "failAfter": 3, "delayMs": 0 }))).await;
    assert_eq!(text(&events).split_whitespace().count(), 3);
    failure(&events);
}

#[tokio::test]
async fn a_key_comes_from_its_file_and_a_missing_file_is_told() {
    let fake = FakeProvider::start(vec![reply("Hi")]).await;
    let path = std::env::temp_dir().join(format!("tavern-key-{}", std::process::id()));
    std::fs::write(&path, " sk-from-file\n").expect("a writable directory");
    let config = |path: &std::path::Path| -> ModelsConfig {
        serde_json::from_value(json!({
            "providers": [{ "name": "home", "kind": "openai", "base_url": fake.base_url, "api_key_file": path }],
            "models": [{ "name": "story", "deployments": [{ "provider": "home", "model": "m" }] }],
        }))
        .expect("the right shape")
    };
    let router = Router::new(&config(&path), 1024).expect("the file is there");
    events(&router).await;
    std::fs::remove_file(&path).expect("it was there");
    assert!(fake.requests()[0].0.contains("bearer sk-from-file"));
    let error = Router::new(&config(&path), 1024)
        .err()
        .expect("the file is gone")
        .to_string();
    assert!(error.starts_with("providers[0].api_key_file: cannot read"), "{error}");
}

fn with_tools() -> CompletionRequest {
    let tool = ToolSpec {
        name: "roll".into(),
        description: "Rolls dice.".into(),
        parameters: json!({ "type": "object" }),
    };
    CompletionRequest {
        tools: vec![tool],
        ..request()
    }
}

fn call_piece(arguments: &str) -> Step {
    let call = json!({ "index": 0, "id": "a", "function": { "name": "roll", "arguments": arguments } });
    write(data(
        &json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [call] } }] }),
    ))
}

fn called(arguments: &str) -> ModelEvent {
    ModelEvent::ToolCall(ToolCall {
        id: "a".into(),
        name: "roll".into(),
        arguments: arguments.into(),
        fault: None,
        extra: None,
    })
}

#[tokio::test]
async fn a_call_of_a_function_comes_whole_before_the_end() {
    let fake = FakeProvider::start(vec![vec![
        head(),
        write(delta("I roll.")),
        call_piece("{\"n\""),
        call_piece(":2}"),
        write(finish("tool_calls")),
        write("data: [DONE]\n\n"),
    ]])
    .await;
    let events = events_of(&router(&[&fake]), &["story"], with_tools()).await;
    assert_eq!(
        events[1..],
        [
            ModelEvent::Text("I roll.".into()),
            called("{\"n\":2}"),
            finished(Some("tool_calls"))
        ]
    );
    assert_eq!(fake.requests()[0].1["tools"][0]["function"]["name"], "roll");
}

#[tokio::test]
async fn a_provider_that_breaks_within_a_call_is_asked_again() {
    let broken = vec![chunked_head(), chunk(b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"z\",\"function\":{\"name\":\"roll\",\"arguments\":\"{\"}}]}}]}\n\n"), Step::Reset];
    let well = vec![head(), call_piece("{}"), write(finish("stop"))];
    let fake = FakeProvider::start(vec![broken, well]).await;
    let events = events_of(&router(&[&fake]), &["story"], with_tools()).await;
    assert_eq!(attempts(&events).len(), 2);
    assert_eq!(
        events
            .iter()
            .filter(|event| matches!(event, ModelEvent::ToolCall(_)))
            .count(),
        1
    );
    assert!(events.contains(&called("{}")));
}

#[tokio::test]
async fn a_provider_that_refuses_functions_is_asked_once_without_them() {
    let refusal = || document(400, "", r#"{"error":{"message":"gemma does not support tools"}}"#);
    let fake = FakeProvider::start(vec![refusal(), reply("Hi")]).await;
    let router_ = router(&[&fake]);
    let events = events_of(&router_, &["story"], with_tools()).await;
    assert_eq!((text(&events).as_str(), attempts(&events).len()), ("Hi", 2));
    let requests = fake.requests();
    assert!(requests[0].1.get("tools").is_some() && requests[1].1.get("tools").is_none());
    // Whoever refuses the request for its own sake is believed, once.
    let stubborn = FakeProvider::start(vec![refusal()]).await;
    let events = events_of(&router(&[&stubborn]), &["story"], with_tools()).await;
    assert_eq!(attempts(&events).len(), 2);
    assert!(!failure(&events).retryable);
    // Without functions there is nothing to leave out.
    let plain = FakeProvider::start(vec![refusal()]).await;
    let plain_router = router(&[&plain]);
    assert_eq!(
        attempts(&events_of(&plain_router, &["story"], request()).await).len(),
        1
    );
}

#[tokio::test]
async fn a_server_without_a_parser_for_functions_stays_in_use() {
    let refusal = document(500, "", r#"{"error":{"message":"tools param requires --jinja flag"}}"#);
    let fake = FakeProvider::start(vec![refusal, reply("Hi")]).await;
    let router = router(&[&fake]);
    assert_eq!(text(&events_of(&router, &["story"], with_tools()).await), "Hi");
    assert!(router.model("story").is_some_and(|model| model.available));
}

#[tokio::test]
async fn a_deployment_that_cannot_call_functions_is_not_told_of_them() {
    let fake = FakeProvider::start(vec![reply("Hi")]).await;
    let config: ModelsConfig = serde_json::from_value(json!({
        "providers": [{ "name": "home", "kind": "openai", "base_url": fake.base_url }],
        "models": [{ "name": "story", "deployments": [{ "provider": "home", "model": "m", "tools": false }] }],
    }))
    .expect("the right shape");
    let router = Router::new(&config, 1024).expect("a good config");
    events_of(&router, &["story"], with_tools()).await;
    assert!(fake.requests()[0].1.get("tools").is_none());
}

#[tokio::test]
async fn the_demo_calls_a_function_and_says_what_it_said() {
    let router = Router::new(&ModelsConfig::default(), 1 << 20).expect("nothing can be wrong");
    let mut asked = with_tools();
    asked.messages[0].content = "Please roll.".into();
    asked.options.extra = Some(json!({ "demo": { "delayMs": 0 } }));
    let calls = events_of(&router, &["demo"], asked.clone()).await;
    let Some(ModelEvent::ToolCall(call)) = calls.iter().find(|event| matches!(event, ModelEvent::ToolCall(_))) else {
        panic!("no call: {calls:?}");
    };
    let mut answer = PromptMessage::new(ChatRole::Tool, "a seven");
    (answer.name, answer.tool_call_id) = (Some("roll".into()), Some(call.id.clone()));
    asked.messages.push(answer);
    assert!(text(&events_of(&router, &["demo"], asked).await).starts_with("`roll` says: a seven"));
}

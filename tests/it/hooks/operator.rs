//! What an operator has set about extensions.

use serde_json::{Value, json};
use tavern::config::Config;

use crate::support::{Script, Stage, says};

const NOTE: &str = "The puppet was here.";
const NAME: &str = "acme/puppet";

async fn noting() -> Stage {
    Stage::new(&["prompt.insert"], json!({ "before-prompt": [{ "note": NOTE }] })).await
}

fn needed(config: &mut Config) {
    config.extensions.fail_closed = vec![NAME.into()];
}

/// What the user is told where an extension is needed and did not work.
fn failure() -> Value {
    let message = format!("The extension `{NAME}` is needed and did not work.");
    json!({ "code": "PLUGIN_ERROR", "message": message, "retryable": false })
}

#[tokio::test]
async fn an_extension_that_was_killed_is_not_called_and_the_trace_says_so() {
    let mut stage = noting().await;
    for (killed, outcome) in [
        (NAME, "killed"),
        ("acme/puppet@1.0.0", "killed"),
        ("acme/puppet@1.0.1", "ok"),
    ] {
        // What is stopped on purpose is not waited for, however much it is needed.
        stage = stage
            .restart_with(|config| {
                needed(config);
                config.extensions.killed = vec![killed.into()];
            })
            .await;
        let said = stage.say("Hello?").await;
        assert_eq!(said.ended["status"], "COMPLETED", "{killed}: {:#}", said.ended);
        assert_eq!(says(&stage.sent().await, NOTE), outcome == "ok", "{killed}");
        let trace = stage.trace(&said.generation, "before-prompt").await;
        assert_eq!(trace["outcome"], outcome, "{trace:#}");
    }
}

#[tokio::test]
async fn where_extensions_are_off_none_is_called() {
    let mut stage = noting().await;
    for enabled in [false, true] {
        stage = stage.restart_with(|config| config.extensions.enabled = enabled).await;
        let seen = stage.preview(json!({ "content": "Hello?" })).await;
        assert_eq!(says(&seen, NOTE), enabled, "{seen:#}");
        let said = stage.say("Hello?").await;
        assert_eq!(said.ended["status"], "COMPLETED");
        assert_eq!(says(&stage.sent().await, NOTE), enabled);
        let traces = stage.traces(&said.generation).await;
        assert_eq!(traces.is_empty(), !enabled, "{traces:#?}");
    }
}

#[tokio::test]
async fn a_turn_stops_where_an_extension_that_is_needed_fails_before_the_prompt() {
    let mut stage = noting().await.restart_with(needed).await;
    assert_eq!(stage.say("Hello?").await.ended["status"], "COMPLETED");
    for hook in ["before-prompt", "world-info", "prompt-transform"] {
        stage.grant(&["prompt.insert", "lore.read"]).await;
        stage.configure(json!({ "fails": { hook: "trap" } })).await;
        let asked = stage.fake.requests().await.len();
        let said = stage.say("Hello?").await;
        assert_eq!(said.ended["status"], "FAILED", "{hook}: {:#}", said.ended);
        assert_eq!(said.ended["error"], failure(), "{hook}");
        assert_eq!(stage.fake.requests().await.len(), asked, "{hook}: the model was asked");
        assert_eq!(stage.trace(&said.generation, hook).await["outcome"], "trap");
        let looked = stage.try_preview(json!({ "content": "Hello?" })).await;
        assert_eq!(looked["errors"][0]["extensions"]["code"], "PLUGIN_ERROR", "{looked:#}");
    }
    // Elsewhere, the same is left out.
    stage = stage.restart_with(|config| config.extensions.fail_closed.clear()).await;
    assert_eq!(stage.say("Hello?").await.ended["status"], "COMPLETED");
}

#[tokio::test]
async fn a_reply_ends_where_a_filter_that_is_needed_fails() {
    let mut stage = Stage::with(
        needed,
        json!({ "grants": ["stream.modify"], "config": { "breaks-at": "Boom" } }),
    )
    .await;
    for is_needed in [true, false] {
        if !is_needed {
            stage = stage.restart_with(|config| config.extensions.fail_closed.clear()).await;
        }
        stage
            .fake
            .next(Script::Say(vec!["All is well. ", "Boom! ", "And on."]))
            .await;
        let said = stage.say("Hello?").await;
        let (status, error, content) = match is_needed {
            true => ("INTERRUPTED", failure(), "All is well."),
            false => ("COMPLETED", Value::Null, "All is well. Boom! And on."),
        };
        let ended = &said.ended;
        assert_eq!(
            (&ended["status"], &ended["error"]),
            (&json!(status), &error),
            "{ended:#}"
        );
        assert_eq!(ended["message"]["content"], content, "{ended:#}");
        assert_eq!(stage.trace(&said.generation, "stream-filter").await["outcome"], "trap");
    }
}

#[tokio::test]
async fn a_needed_extension_whose_code_is_gone_stops_the_turn() {
    let mut stage = noting().await;
    let data = stage.tavern.config().data_dir.clone();
    stage = stage
        .restart_with(|config| {
            needed(config);
            // The packages, and what was compiled of them.
            for folder in ["objects/extensions", "extensions"] {
                std::fs::remove_dir_all(data.join(folder)).expect("a folder");
            }
        })
        .await;
    let said = stage.say("Hello?").await;
    assert_eq!(said.ended["status"], "FAILED", "{:#}", said.ended);
    assert_eq!(said.ended["error"], failure());
    assert_eq!(
        stage.trace(&said.generation, "before-prompt").await["outcome"],
        "host_error"
    );

    stage = stage.restart_with(|config| config.extensions.fail_closed.clear()).await;
    let said = stage.say("Hello?").await;
    assert_eq!(said.ended["status"], "COMPLETED", "{:#}", said.ended);
    assert_eq!(
        stage.trace(&said.generation, "before-prompt").await["outcome"],
        "host_error"
    );
}

#[tokio::test]
async fn a_needed_extension_that_is_not_what_was_accepted_stops_the_turn() {
    let mut stage = noting().await;
    let key = stage.tavern.config().data_dir.join("keys/extensions/registry.pk8");
    // With another key, nothing that was accepted before can be told from what was not.
    stage = stage
        .restart_with(|config| {
            needed(config);
            std::fs::remove_file(&key).expect("a key");
        })
        .await;
    let said = stage.say("Hello?").await;
    assert_eq!(said.ended["status"], "FAILED", "{:#}", said.ended);
    assert_eq!(said.ended["error"]["code"], "PLUGIN_ERROR", "{:#}", said.ended);
    assert!(stage.fake.requests().await.is_empty());

    stage = stage.restart_with(|config| config.extensions.fail_closed.clear()).await;
    assert_eq!(
        stage.say("Hello?").await.ended["status"],
        "COMPLETED",
        "the others run without it"
    );
}

#[tokio::test]
async fn an_extension_that_keeps_trapping_rests_and_the_replies_go_on() {
    let stage = noting().await;
    stage.configure(json!({ "fails": { "before-prompt": "trap" } })).await;
    for outcome in ["trap", "trap", "trap", "breaker_open"] {
        let said = stage.say("Hello?").await;
        assert_eq!(said.ended["status"], "COMPLETED", "{outcome}: {:#}", said.ended);
        let trace = stage.trace(&said.generation, "before-prompt").await;
        assert_eq!(trace["outcome"], outcome, "{trace:#}");
    }
    // Its other hooks are not at fault.
    stage.grant(&["annotate", "prompt.insert"]).await;
    stage
        .configure(json!({ "after-reply": [{ "annotate": ["mood", "calm"] }] }))
        .await;
    let said = stage.say("Hello?").await;
    assert_eq!(stage.trace(&said.generation, "after-reply").await["outcome"], "ok");
}

#[tokio::test]
async fn what_an_operator_denies_nobody_gets() {
    let grants = ["prompt.insert", "http:127.0.0.1", "model:1000"];
    let config = json!({
        "http": [{ "url": "http://127.0.0.1:9/" }],
        "model": { "text": "Hello?", "max-tokens": 8 },
        "before-prompt": [{ "note": NOTE }],
    });
    let mut stage = Stage::new(&grants, config).await;
    stage = stage
        .restart_with(|config| config.extensions.denied = ["http", "model"].map(Into::into).into())
        .await;
    let said = stage.say("Hello?").await;
    let trace = stage.trace(&said.generation, "before-prompt").await;
    let log = trace["log"].to_string();
    assert!(
        log.contains("HttpError::Denied") && log.contains("ModelError::Denied"),
        "{trace:#}"
    );
    assert!(says(&stage.sent().await, NOTE), "what it may is not touched");
}

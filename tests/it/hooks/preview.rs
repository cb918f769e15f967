//! A look at a prompt changes nothing and calls nobody.

use axum::Router;
use serde_json::json;

use super::noted;
use crate::support::{Stage, says};

#[tokio::test]
async fn in_a_preview_nobody_is_asked_and_nothing_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let app = Router::new().fallback(move || {
        let told = told.clone();
        async move { told.send(()).map_err(|_| "nobody listens") }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = json!({
        "http": [{ "url": url }], "model": { "text": "Sum it up.", "max-tokens": 8 }, "tells": ["before-prompt"],
        "before-prompt": [{ "note": "The puppet was here." }],
    });
    let stage = Stage::new(&["prompt.insert", "http:127.0.0.1", "model:100"], config).await;
    let mut socket = stage.watch().await;
    for _ in 0..2 {
        let seen = stage.preview(json!({ "content": "Hello?" })).await;
        assert!(!says(&seen, "http: 200") && !says(&seen, "model: Hello."), "{seen:#}");
    }
    assert!(heard.try_recv().is_err(), "a host was asked");
    assert!(stage.fake.requests().await.is_empty(), "the model was asked");

    // The first that is told of is the turn.
    let said = stage.say("Hello?").await;
    assert_eq!(said.ended["status"], "COMPLETED");
    assert!(heard.try_recv().is_ok(), "the host was asked");
    assert_eq!(stage.fake.requests().await.len(), 2);
    let event = socket.event().await["extensionEvents"].take();
    assert_eq!(event["kind"], "log", "{event:#}");
    assert!(
        event["message"]
            .as_str()
            .is_some_and(|line| line.contains(r#""preview":false"#)),
        "{event:#}"
    );
}

#[tokio::test]
async fn what_is_left_out_leaves_a_note() {
    let set = |pairs: &[(&str, &str)]| -> Vec<_> { pairs.iter().map(|pair| json!({ "set-sampling": pair })).collect() };
    let stage = Stage::new(
        &["sampling", "variables"],
        json!({ "before-prompt": set(&[("temperature", "5.1"), ("top-p", "0.5")]) }),
    )
    .await;
    let seen = stage.preview(json!({ "content": "Hello?" })).await;
    assert!(noted(&seen["plugins"][0], "temperature"), "{seen:#}");
    assert!(!noted(&seen["plugins"][0], "top-p"), "{seen:#}");
    let said = stage.say("Hello?").await;
    let trace = stage.trace(&said.generation, "before-prompt").await;
    assert!(noted(&trace, "temperature"), "{trace:#}");

    // Variables have 256 KiB in all: seven of 32 KiB with names of two bytes leave 32,754 of them.
    let names = ["v1", "v2", "v3", "v4", "v5", "v6", "v7"];
    let fills: Vec<_> = names
        .iter()
        .map(|name| json!({ "fill-variable": [name, 32 << 10] }))
        .collect();
    stage.configure(json!({ "before-prompt": fills })).await;
    stage.say("Hello?").await;
    let kept = stage.session("variables").await;
    assert_eq!(kept.as_object().map(serde_json::Map::len), Some(7));
    for (bytes, fits) in [(32_754, false), (32_753, true)] {
        stage
            .configure(json!({ "before-prompt": [{ "fill-variable": ["w", bytes] }] }))
            .await;
        let said = stage.say("Hello?").await;
        let trace = stage.trace(&said.generation, "before-prompt").await;
        assert_eq!(noted(&trace, "`w`"), !fits, "{bytes}: {trace:#}");
        let kept = stage.session("variables").await;
        assert_eq!(kept.get("w").is_some(), fits, "{bytes}");
    }
}

#[tokio::test]
async fn a_seed_is_what_the_model_is_asked_with_unless_the_user_has_one() {
    let stage = Stage::new(
        &["sampling"],
        json!({ "before-prompt": [{ "set-sampling": ["seed", "42"] }] }),
    )
    .await;
    stage.say("Hello?").await;
    assert_eq!(stage.sent().await["seed"], 42);
    stage.say_with("Hello?", json!({ "seed": 7 })).await;
    assert_eq!(stage.sent().await["seed"], 7);
}

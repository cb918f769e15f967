//! What the server does for extensions beside turns: compiling them, having them ready, switching off what
//! does harm, and keeping their secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use tavern::config::Config;

use crate::support::{
    Author, CONFIGURE, Client, Draft, HANGS, INSTALL, PUBLISH, Tavern, code_of, done, installed, published,
    with_lantern,
};

/// The answer to a package, whatever it is.
async fn offered(client: &Client, author: &Author, draft: &Draft) -> Value {
    let variables = json!({ "k": author.public_key() });
    client
        .upload_with(PUBLISH, variables, "extension.tavext", author.package(draft))
        .await
}

/// A version that was never compiled.
fn next() -> Draft {
    Draft {
        version: "1.1.0",
        note: "The lantern flickers.",
        ..Draft::default()
    }
}

#[tokio::test]
async fn publishing_has_a_time_of_its_own() {
    let (tavern, maker, author) = with_lantern().await;
    let tavern = tavern.restart_with(|config| config.limits.publish_timeout_ms = 1).await;
    let answer = offered(&tavern.again(&maker), &author, &next()).await;
    assert_eq!(code_of(&answer), "REQUEST_TIMEOUT", "{answer:#}");
    let tavern = tavern
        .restart_with(|config| {
            config.limits.publish_timeout_ms = 180_000;
            config.limits.mutation_timeout_ms = 1;
        })
        .await;
    let client = tavern.again(&maker);
    published(&client, &author, &next()).await;
    let told = client
        .data("{ serviceLimits { mutationTimeoutMs publishTimeoutMs } }", json!({}))
        .await;
    assert_eq!(
        told["serviceLimits"],
        json!({ "mutationTimeoutMs": 1, "publishTimeoutMs": 180_000 })
    );
}

#[tokio::test]
async fn a_package_is_not_blamed_for_a_compiler_that_cannot_be_started() {
    let (tavern, maker, author) = with_lantern().await;
    let tavern = tavern
        .restart_with(|config| config.extensions.worker = "/nonexistent/compiler".into())
        .await;
    let answer = offered(&tavern.again(&maker), &author, &next()).await;
    assert_eq!(code_of(&answer), "UNAVAILABLE", "{answer:#}");
    assert!(!answer.to_string().contains("/nonexistent"), "{answer:#}");
    let tavern = tavern
        .restart_with(|config| config.extensions.worker = env!("CARGO_BIN_EXE_tavern").into())
        .await;
    published(&tavern.again(&maker), &author, &next()).await;
}

/// Where compiled code is.
fn code(config: &Config) -> PathBuf {
    config.data_dir.join("extensions")
}

/// Loses what was compiled, and makes compiling slow.
fn lose_code(config: &mut Config) {
    let _ = std::fs::remove_dir_all(code(config));
    let script = config.data_dir.join("slow-compiler");
    let compiler = env!("CARGO_BIN_EXE_tavern");
    std::fs::write(&script, format!("#!/bin/sh\n/bin/sleep 1\nexec '{compiler}' \"$@\"\n")).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("a program");
    config.extensions.worker = script;
    // A turn does not wait for it.
    config.extensions.load_wait_ms = 1;
}

async fn outcome(client: &Client, session: &str) -> Value {
    let query = "query($s: ID!) { promptPreview(input: { sessionId: $s, content: \"Hello?\" }) { plugins { extension outcome notes } } }";
    let mut seen = client.data(query, json!({ "s": session })).await;
    seen["promptPreview"]["plugins"].take()
}

#[tokio::test]
async fn an_extension_takes_part_in_the_first_turn_after_it_is_installed() {
    let (tavern, ..) = with_lantern().await;
    let tavern = tavern.restart_with(lose_code).await;
    let client = tavern.user("player").await;
    let session = client.chat().await;
    let id = installed(&client).await["id"].clone();
    let first = outcome(&client, &session).await;
    assert_eq!(first[0]["outcome"], "ok", "{first:#}");

    // And after it is switched on.
    done(&client, CONFIGURE, json!({ "id": id, "enabled": false })).await;
    let tavern = tavern.restart_with(lose_code).await;
    let client = tavern.again(&client);
    done(&client, CONFIGURE, json!({ "id": id, "enabled": true })).await;
    let first = outcome(&client, &session).await;
    assert_eq!(first[0]["outcome"], "ok", "{first:#}");
}

#[tokio::test]
async fn an_installation_stands_though_its_code_cannot_be_made_ready() {
    let (tavern, ..) = with_lantern().await;
    let tavern = tavern
        .restart_with(|config| {
            lose_code(config);
            config.extensions.worker = "/nonexistent/compiler".into();
        })
        .await;
    let client = tavern.user("player").await;
    let session = client.chat().await;
    assert_eq!(installed(&client).await["enabled"], true);
    let seen = outcome(&client, &session).await;
    assert!(
        ["host_error", "pool_busy"].contains(&seen[0]["outcome"].as_str().unwrap_or("")),
        "{seen:#}"
    );
    assert!(!seen.to_string().contains("/nonexistent"), "{seen:#}");
}

#[tokio::test]
async fn what_is_switched_on_is_ready_some_time_after_the_server_has_started() {
    let (tavern, ..) = with_lantern().await;
    let client = tavern.user("player").await;
    let session = client.chat().await;
    installed(&client).await;
    let tavern = tavern.restart_with(lose_code).await;
    let folder = code(tavern.config());
    let is_there = |folder: &Path| {
        std::fs::read_dir(folder).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.path().extension().is_some_and(|end| end == "code")))
        })
    };
    // Nobody has asked for it.
    until("it is compiled", async || is_there(&folder)).await;
    let client = tavern.again(&client);
    until("it runs", async || {
        outcome(&client, &session).await[0]["outcome"] == "ok"
    })
    .await;
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1_200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within a minute: {what}");
}

#[tokio::test]
async fn an_extension_that_goes_on_taking_too_much_is_switched_off_and_its_owner_is_told() {
    const OFFENCES: usize = 5;
    let tavern = Tavern::with(|config| {
        config.extensions.limits.fuel_prompt = 1_000_000;
        // So that fuel is what it runs out of, however busy the machine is.
        config.extensions.limits.wall_ms = 20_000;
        config.extensions.limits.wall_chain_ms = 20_000;
        config.extensions.limits.fuel_nanos = 20_000;
    })
    .await;
    let client = tavern.user("player").await;
    let draft = Draft {
        misbehaves: Some(HANGS),
        ..Draft::default()
    };
    published(&client, &Author::new(), &draft).await;
    let id = installed(&client).await["id"].clone();
    let mut socket = client.socket().await;
    let events = "subscription($id: ID!) { extensionEvents(installationId: $id) }";
    socket.subscribe(events, json!({ "id": id })).await;
    let session = client.chat().await;
    let brief = json!({ "extra": { "demo": { "words": 4, "delayMs": 0 } } });
    let installation = "query($id: ID!) { node(id: $id) { ... on Installation { enabled disabledReason } } }";
    for turn in 1..=OFFENCES {
        let now = client.data(installation, json!({ "id": id })).await;
        assert_eq!(
            now["node"],
            json!({ "enabled": true, "disabledReason": null }),
            "before turn {turn}"
        );
        let (_, generation) = client.send(&session, "Hello?", brief.clone()).await;
        assert_eq!(client.ended(&generation).await["status"], "COMPLETED");
    }
    let mut calls = 0;
    loop {
        let event = socket.event().await["extensionEvents"].take();
        match (event["kind"].as_str(), event["what"].as_str()) {
            (Some("called"), _) => calls += 1,
            (Some("changed"), Some("stopped")) => break,
            _ => {}
        }
    }
    assert_eq!(calls, OFFENCES);
    let mut now = client.data(installation, json!({ "id": id })).await["node"].take();
    assert_eq!(now["enabled"], false);
    let reason = now["disabledReason"].take();
    assert!(
        reason.as_str().is_some_and(|reason| reason.contains("out_of_fuel")),
        "{reason:#}"
    );
    assert_eq!(outcome(&client, &session).await, json!([]), "it is not called any more");
    let on = done(&client, CONFIGURE, json!({ "id": id, "enabled": true })).await;
    assert_eq!((&on["enabled"], &on["disabledReason"]), (&json!(true), &Value::Null));
}

/// The program as an operator calls it, beside the server.
async fn rotate(config: &Config) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tavern"));
    program
        .args(["admin", "rotate-extension-key", "--data-dir"])
        .arg(&config.data_dir)
        .current_dir(&config.data_dir)
        .env("TAVERN__DATABASE__URL", &config.database.url);
    let run = tokio::task::spawn_blocking(move || program.output());
    run.await.expect("no panic").expect("it is run")
}

#[tokio::test]
async fn secrets_get_a_new_key_and_the_old_one_can_go() {
    let (tavern, client) = (Tavern::start().await, "player");
    let client = tavern.user(client).await;
    let draft = Draft {
        permissions: "\"http:api.example.org\" = \"To ask for the colour.\"\n\"secret:api-key\" = \"To be let in.\"",
        more: "[[secrets]]\nname = \"api-key\"\ntitle = \"Key\"\nhosts = [\"api.example.org\"]\nheader = \"x-key\"",
        ..Draft::default()
    };
    published(&client, &Author::new(), &draft).await;
    let secret = json!([{ "name": "api-key", "value": "hunter2" }]);
    let id = done(
        &client,
        INSTALL,
        json!({ "name": "acme/lantern", "grants": [], "secrets": secret }),
    )
    .await["id"]
        .clone();
    let keys = tavern.config().data_dir.join("keys/extensions");
    let said = |output: &Output| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let anew = |number: u32| {
        let (new, old) = (number, number - 1);
        format!("vault-000{new} seals now; secrets sealed anew: 1\nvault-000{old} is not needed any more\n")
    };
    let (ok, out, err) = said(&rotate(tavern.config()).await);
    assert!(ok, "{err}");
    assert_eq!(out, anew(2));
    std::fs::remove_file(keys.join("vault-0001.key")).expect("it was there");
    // Without the old one all open: they are sealed anew once more.
    let (ok, out, err) = said(&rotate(tavern.config()).await);
    assert!(ok, "{err}");
    assert_eq!(out, anew(3));
    std::fs::remove_file(keys.join("vault-0002.key")).expect("it was there");

    // The server seals with the new key, too.
    let other = json!([{ "name": "api-key", "value": "hunter3" }]);
    done(&client, CONFIGURE, json!({ "id": id, "secrets": other })).await;
    let right = std::fs::read(keys.join("vault-0003.key")).expect("the key");

    // A key that is another is told, and nothing changes.
    std::fs::write(keys.join("vault-0003.key"), [7; 32]).expect("written");
    let (ok, _, err) = said(&rotate(tavern.config()).await);
    assert!(
        !ok && err.contains("`api-key`") && err.contains("does not open with vault-0003"),
        "{err}"
    );
    assert!(!keys.join("vault-0004.key").exists());
    std::fs::write(keys.join("vault-0003.key"), [7; 31]).expect("written");
    let (ok, _, err) = said(&rotate(tavern.config()).await);
    assert!(!ok && err.contains("32 bytes"), "{err}");
    std::fs::write(keys.join("vault-0003.key"), right).expect("written");
    let (ok, out, err) = said(&rotate(tavern.config()).await);
    assert!(ok, "{err}");
    assert_eq!(out, anew(4));
}

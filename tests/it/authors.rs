//! What docs/EXTENSIONS.md takes an author through, with the program that people have.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::support::{INSTALL, Tavern, done, says};

/// Runs `tavern extension …` in a folder; what it said, if it ends well.
async fn shell(folder: PathBuf, token: &str, arguments: &[&str]) -> String {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_tavern"));
    tool.current_dir(folder)
        .arg("extension")
        .args(arguments)
        .env("TAVERN_TOKEN", token);
    let output = tokio::task::spawn_blocking(move || tool.output());
    let output = output.await.expect("no panic").expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}\n{errors}");
    said
}

#[tokio::test]
#[ignore = "needs Node.js: `cargo xtask test --lane guests` runs it"]
async fn an_author_comes_from_nothing_to_a_published_extension_in_a_chat() {
    let tavern = Tavern::with(|config| {
        // An interpreter is compiled while it is published, on a machine that has more to do.
        config.limits.publish_timeout_ms = 300_000;
    })
    .await;
    let ann = tavern.user("ann").await;
    let token = ann.token.as_deref().expect("a token");
    let folder = tempfile::tempdir().expect("a folder");
    let (here, project) = (folder.path().to_owned(), folder.path().join("night-watch"));

    shell(
        here.clone(),
        token,
        &["new", "ann/night-watch", "--language", "javascript"],
    )
    .await;
    let tested = shell(project.clone(), token, &["test"]).await;
    assert!(tested.lines().any(|line| line.starts_with("ok  ")), "{tested}");
    shell(here, token, &["keygen", "author.key", "--no-password"]).await;
    shell(project.clone(), token, &["pack", "--key", "../author.key"]).await;
    let package = "target/night-watch-0.1.0.tavext";
    let publish = [
        "publish",
        package,
        "--server",
        &ann.url,
        "--public-key",
        "../author.key.pub",
    ];
    let published = shell(project, token, &publish).await;
    assert!(published.ends_with("published\n"), "{published}");

    let grants = ["prompt.insert", "prompt.system"];
    let input = json!({ "name": "ann/night-watch", "grants": grants, "config": { "text": "Keep it short." } });
    done(&ann, INSTALL, input).await;
    let session = ann.chat().await;
    let query = "query($s: ID!) { promptPreview(input: { sessionId: $s, content: \"Good evening.\" }) { messages { content } plugins { extension outcome } } }";
    let seen = ann.data(query, json!({ "s": session })).await;
    assert!(says(&seen["promptPreview"], "Keep it short."), "{seen:#}");
    assert_eq!(
        seen["promptPreview"]["plugins"],
        json!([{ "extension": "ann/night-watch", "outcome": "ok" }])
    );
}

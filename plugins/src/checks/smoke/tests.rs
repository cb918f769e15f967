use std::io::Cursor;

use bytes::Bytes;
use minisign::KeyPair;

use super::*;
use crate::checks;
use crate::package::{Files, checksums, read, trusted_comment, write};
use crate::settings::PluginLimits;
use crate::testing::House;
use crate::testing::guest::Guest;

const MANIFEST: &str = "\
[extension]
id = 'quiet-river/night-watch'
version = '1.0.0'
title = 'Night Watch'
summary = 'Keeps the story in the dark.'
api = '^0.1'
license = 'MIT'
[hooks.before-prompt]
";

fn files(component: &[u8]) -> Files {
    let readme = format!("# Night Watch\n\n{}\n", "It keeps the story in the dark. ".repeat(5));
    [
        ("extension.toml", MANIFEST.as_bytes()),
        ("extension.wasm", component),
        ("README.md", readme.as_bytes()),
        ("LICENSE", b"Permission is hereby granted, free of charge."),
    ]
    .into_iter()
    .map(|(name, content)| (name.to_owned(), Bytes::copy_from_slice(content)))
    .collect()
}

fn package(component: &[u8]) -> Package {
    let bytes = write(&files(component)).expect("the names are known");
    read(&bytes, &PluginLimits::default()).expect("it is whole").0
}

async fn report(body: &str) -> Report {
    let guest = Guest::before_prompt(body).build();
    let house = House::new();
    // Its code is in the cache, since no worker compiles for tests.
    house.member(Hook::BeforePrompt, &guest, &[]);
    let mut report = Report::default();
    checks::run(&house.host, &package(&guest), &mut report)
        .await
        .expect("it is compiled");
    house.assert_all_free();
    report
}

#[tokio::test]
async fn a_hook_that_runs_passes_and_says_what_it_took() {
    let report = report("(call $ok)").await;
    let names: Vec<_> = report.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["component.compiles", "smoke.before-prompt"]);
    assert!(report.passed() && report.warnings.is_empty(), "{report:?}");
    assert!(
        report.checks[1].message.contains("of 50000000 units of fuel, 64 KiB"),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_hook_that_breaks_is_refused_with_how_it_ended() {
    for (body, expected) in [
        ("(unreachable)", "trap"),
        ("(loop $again (br $again)) (unreachable)", "out_of_fuel"),
    ] {
        let report = report(body).await;
        let last = report.checks.last().expect("it was tried");
        assert!(!last.passed && last.name == "smoke.before-prompt", "{report:?}");
        assert!(last.message.contains(expected), "{report:?}");
    }
}

#[tokio::test]
async fn an_error_on_made_up_inputs_is_a_warning() {
    let report = report("(call $fail (i32.const 3) (i32.const 1024) (i32.const 0))").await;
    assert!(
        report.passed() && report.warnings[0].contains("made-up inputs"),
        "{report:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_compiled_is_not_called() {
    let house = House::new();
    let mut report = Report::default();
    let package = package(&wat::parse_str("(module)").expect("a module"));
    checks::run(&house.host, &package, &mut report)
        .await
        .expect("it is the component's fault");
    let last = report.checks.last().expect("it was tried");
    assert!(!last.passed && last.name == "component.compiles", "{report:?}");
}

#[tokio::test]
async fn a_package_is_not_blamed_for_a_compiler_that_is_not_there() {
    let house = House::new();
    let mut report = Report::default();
    let guest = Guest::before_prompt("(call $ok)").build();
    let failed = checks::run(&house.host, &package(&guest), &mut report).await;
    assert!(failed.expect_err("there is none").contains("compiler"));
    assert_eq!(report, Report::default());
}

#[tokio::test]
async fn only_what_is_signed_is_compiled_and_run() {
    let key = KeyPair::generate_unencrypted_keypair().expect("there is randomness");
    let keys = [key.pk.to_base64()];
    let guest = Guest::before_prompt("(call $ok)").build();
    let house = House::new();
    house.member(Hook::BeforePrompt, &guest, &[]);
    let mut files = files(&guest);
    let unsigned = write(&files).expect("the names are known");
    let (unsigned, mut report) = checks::read(&unsigned, house.host.settings());
    assert!(!checks::signature(&unsigned.expect("it is whole"), &keys, &mut report));
    checks::run(&house.host, &package(&guest), &mut report)
        .await
        .expect("nothing to do");
    assert_eq!(report.checks.last().expect("it was checked").name, "signature.missing");

    let comment = trusted_comment(&package(&guest).manifest, &package(&guest).component_sha256);
    let sums = Cursor::new(checksums(&files));
    let signature = minisign::sign(None, &key.sk, sums, Some(&comment), None).expect("the key is at hand");
    files.insert("signature".into(), signature.into_string().into());
    let signed = write(&files).expect("the names are known");
    let (signed, mut report) = checks::read(&signed, house.host.settings());
    let signed = signed.expect("it is whole");
    assert!(checks::signature(&signed, &keys, &mut report));
    checks::run(&house.host, &signed, &mut report)
        .await
        .expect("it is compiled");
    assert!(report.passed(), "{report:?}");
    let names: Vec<_> = report
        .checks
        .iter()
        .rev()
        .map(|check| check.name.as_str())
        .take(3)
        .collect();
    assert_eq!(names, ["smoke.before-prompt", "component.compiles", "signature"]);
}

fn run(said: &str, outcome: Option<Outcome>) -> Run {
    Run {
        said: said.into(),
        failure: outcome.map(|outcome| Failure {
            outcome,
            message: "So it was.".into(),
            retryable: false,
        }),
        fuel: 5,
        memory: 1 << 16,
    }
}

#[test]
fn a_hook_that_changes_its_mind_is_warned_of() {
    let most = CallLimits {
        fuel: 10,
        wall: Duration::from_secs(1),
    };
    let judged = |first, second| {
        let mut report = Report::default();
        judge(Hook::Tool, first, second, most, &mut report);
        (report.passed(), report.warnings.len())
    };
    assert_eq!(judged(run("a", None), run("a", None)), (true, 0));
    assert_eq!(judged(run("a", None), run("b", None)), (true, 1));
    assert_eq!(
        judged(run("", Some(Outcome::Skipped)), run("", Some(Outcome::Skipped))),
        (true, 0)
    );
    assert_eq!(judged(run("", None), run("", Some(Outcome::Skipped))), (true, 1));
    // Once is enough.
    assert_eq!(judged(run("a", None), run("a", Some(Outcome::Trap))), (false, 0));
    assert_eq!(judged(run("a", None), run("", Some(Outcome::PoolBusy))), (true, 1));
}

#[test]
fn it_is_called_with_the_defaults_of_its_schema_and_nothing_to_reach() {
    let schema = serde_json::json!({"type": "object", "properties": {
        "tone": {"type": "string", "default": "dry"}, "words": {"type": "array"},
    }});
    assert_eq!(defaults(Some(&schema)), serde_json::json!({"tone": "dry"}));
    assert_eq!(defaults(None), serde_json::json!({}));
}

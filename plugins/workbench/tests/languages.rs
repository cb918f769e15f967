//! Authors' projects in each language, from nothing to a package, with the tools an author has; and the bundled
//! extensions against their own cases. These build guests, and fetch what they are built with: `cargo xtask test
//! --lane guests` runs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tavern_domain::extension::Hook;
use tavern_workbench::build::bundled_dir;

/// Runs the tool; what it printed.
fn tool(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tavern-extension"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the tool starts");
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{arguments:?}\n{said}\n{errors}");
    said.into_owned()
}

/// A project with all hooks: it builds, its cases hold, it is packed and signed.
fn from_nothing_to_a_package(language: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let hooks: Vec<&str> = Hook::ALL.iter().flat_map(|hook| ["--hook", hook.as_str()]).collect();
    tool(
        folder.path(),
        &[&["new", "ann/everything", "--language", language], &hooks[..]].concat(),
    );
    let project = folder.path().join("everything");
    let tested = tool(&project, &["test"]);
    let passed = tested.lines().filter(|line| line.starts_with("ok  ")).count();
    assert_eq!(passed, 15, "{tested}");
    tool(&project, &["keygen", "author.key", "--no-password"]);
    tool(&project, &["pack", "--key", "author.key"]);
    let package = std::fs::read(project.join("target/everything-0.1.0.tavext")).expect("a package");
    let package = tavern_workbench::pack::read(&package).expect("it holds");
    let public = std::fs::read_to_string(project.join("author.key.pub")).expect("a key");
    tavern_plugins::package::verify(&package, &public).expect("its signature holds");
    let run = tool(&project, &["run", "--case", "tests/tool.json"]);
    assert!(run.contains(r#""words": 3"#), "{run}");
}

#[test]
#[ignore = "builds guests for minutes; run with --ignored"]
fn a_project_in_rust_builds_tests_and_packs() {
    from_nothing_to_a_package("rust");
}

#[test]
#[ignore = "builds guests for minutes; run with --ignored"]
fn a_project_in_javascript_builds_tests_and_packs() {
    from_nothing_to_a_package("javascript");
}

#[test]
#[ignore = "builds guests for minutes; run with --ignored"]
fn a_project_in_python_builds_tests_and_packs() {
    from_nothing_to_a_package("python");
}

#[test]
#[ignore = "builds guests for minutes; run with --ignored"]
fn the_cases_of_all_bundled_extensions_hold() {
    let folders = bundled_dir("").read_dir().expect("the bundled extensions");
    let mut dirs: Vec<PathBuf> = folders.map(|entry| entry.expect("an entry").path()).collect();
    dirs.retain(|dir| dir.join("extension.toml").is_file());
    assert_eq!(dirs.len(), 7);
    for dir in dirs {
        tool(&dir, &["test"]);
        tool(&dir, &["pack"]);
    }
}

/// A mistake that only shows when it is called: where it was has to be told.
fn an_error_says_where_it_was(language: &str, source: &str, broken: &str, told: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    tool(folder.path(), &["new", "broken", "--language", language]);
    let project = folder.path().join("broken");
    std::fs::write(project.join(source), broken).expect("a file");
    let run = tool(&project, &["run", "--case", "tests/before-prompt.json"]);
    assert!(
        run.contains(r#""outcome": "guest_error""#) && run.contains(told),
        "{run}"
    );
}

#[test]
#[ignore = "builds guests for minutes; run with --ignored"]
fn an_exception_in_javascript_says_where_it_was() {
    let broken = "export function beforePrompt(turn) {\n  return turn.nothing.here;\n}\n";
    an_error_says_where_it_was("javascript", "src/extension.js", broken, "src/extension.js:2");
}

#[test]
#[ignore = "builds guests for minutes; run with --ignored"]
fn an_exception_in_python_says_where_it_was() {
    let broken = "def before_prompt(turn, history):\n    return turn.nothing.here\n";
    an_error_says_where_it_was(
        "python",
        "src/extension.py",
        broken,
        "extension.py, line 2, in before_prompt",
    );
}

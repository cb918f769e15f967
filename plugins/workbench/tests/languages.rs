//! Authors' projects in each language, from nothing to a package, with the tools an author has; and the bundled
//! extensions against their own cases. What these are built with is fetched: `cargo xtask test --lane guests` runs them.

use std::path::Path;
use std::process::{Command, Output};

use tavern_domain::extension::Hook;
use tavern_workbench::bench::{Bench, Worker};
use tavern_workbench::build::{bundled, bundled_dir, guests_dir};
use tavern_workbench::project::Project;
use tavern_workbench::{case, pack, trial};

const TOOL: &str = env!("CARGO_BIN_EXE_tavern-extension");

/// Runs the tool in a project; what it said, if it ends well, and otherwise all it said.
fn tried(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut tool = Command::new(TOOL);
    // All projects compile what they have in common once.
    let target = std::path::absolute(guests_dir().join("projects")).expect("a path");
    tool.env("CARGO_TARGET_DIR", target);
    let output = tool.current_dir(folder).args(arguments).output();
    let Output { status, stdout, stderr } = output.expect("the tool starts");
    let (said, errors) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    if status.success() {
        Ok(said.into_owned())
    } else {
        Err(format!("{said}\n{errors}"))
    }
}

fn tool(folder: &Path, arguments: &[&str]) -> String {
    tried(folder, arguments).unwrap_or_else(|said| panic!("{arguments:?}\n{said}"))
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
    let component = std::fs::read(project.join("target/extension.wasm")).expect("a component");
    tool(&project, &["keygen", "author.key", "--no-password"]);
    tool(&project, &["pack", "--key", "author.key"]);
    let package = std::fs::read(project.join("target/everything-0.1.0.tavext")).expect("a package");
    let package = pack::read(&package).expect("it holds");
    assert!(package.component == component, "what was tested is what is packed");
    let public = std::fs::read_to_string(project.join("author.key.pub")).expect("a key");
    tavern_plugins::package::verify(&package, &public).expect("its signature holds");
    let run = tool(&project, &["run", "--case", "tests/tool.json"]);
    assert!(run.contains(r#""words": 3"#), "{run}");
}

#[test]
#[ignore = "compiles guests for a minute; the lane of guests runs it"]
fn a_project_in_rust_builds_tests_and_packs() {
    from_nothing_to_a_package("rust");
}

#[test]
#[ignore = "compiles guests for a minute; the lane of guests runs it"]
fn projects_of_one_name_that_compile_in_one_folder_get_their_own_components() {
    let component = |project: &Path| {
        tool(project, &["build"]);
        std::fs::read(project.join("target/extension.wasm")).expect("a component")
    };
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    for (folder, hook) in folders.iter().zip(["tool", "search-rank"]) {
        let arguments = ["new", "ann/twin", "--language", "rust", "--hook", hook];
        tool(folder.path(), &arguments);
    }
    let [one, other] = folders.each_ref().map(|folder| folder.path().join("twin"));
    let (first, second) = (component(&one), component(&other));
    assert!(first != second, "they have different hooks");
    assert!(
        component(&one) == first,
        "what the other has made is not taken for its own"
    );
}

#[test]
#[ignore = "needs Node.js; the lane of guests runs it"]
fn a_project_in_javascript_builds_tests_and_packs() {
    from_nothing_to_a_package("javascript");
}

#[test]
#[ignore = "needs Python; the lane of guests runs it"]
fn a_project_in_python_builds_tests_and_packs() {
    from_nothing_to_a_package("python");
}

#[tokio::test]
#[ignore = "needs Node.js and Python; the lane of guests runs it"]
async fn the_cases_of_all_bundled_extensions_hold() {
    let folders = bundled_dir("").read_dir().expect("the bundled extensions");
    let mut dirs: Vec<_> = folders.map(|entry| entry.expect("an entry").path()).collect();
    dirs.retain(|dir| dir.join("extension.toml").is_file());
    assert_eq!(dirs.len(), 7);
    for dir in dirs {
        let name = dir.file_name().and_then(|name| name.to_str()).expect("a name");
        let project = Project::open(&dir).expect("a project");
        let component = std::fs::read(bundled(name).expect("it builds")).expect("a component");
        pack::check(&pack::pack(&dir, &component, None).expect("a package")).expect("it holds");
        let worker = Worker {
            program: TOOL.into(),
            arguments: vec!["compile-extension".into()],
        };
        let compiled = guests_dir().join("compiled");
        let bench = Bench::new(project.clone(), component, worker, compiled).expect("a bench");
        let cases = case::read_all(&dir.join("tests")).expect("cases");
        assert!(!cases.is_empty(), "{name}");
        let trials = trial::run_all(&bench, &cases).await;
        let report = trial::report(&project.manifest, &bench.settings.limits, &trials, false);
        assert!(trials.iter().all(trial::Trial::passed), "{name}\n{report}");
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
#[ignore = "needs Node.js; the lane of guests runs it"]
fn an_exception_in_javascript_says_where_it_was() {
    let broken = "export function beforePrompt(turn) {\n  return turn.nothing.here;\n}\n";
    an_error_says_where_it_was("javascript", "src/extension.js", broken, "src/extension.js:2");
}

#[test]
#[ignore = "needs Python; the lane of guests runs it"]
fn an_exception_in_python_says_where_it_was() {
    let broken = "def before_prompt(turn, history):\n    return turn.nothing.here\n";
    an_error_says_where_it_was(
        "python",
        "src/extension.py",
        broken,
        "extension.py, line 2, in before_prompt",
    );
}

#[test]
#[ignore = "needs Python; the lane of guests runs it"]
fn requests_are_answered_by_the_case_and_what_it_lacks_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    tool(folder.path(), &["new", "weather", "--language", "python"]);
    let project = folder.path().join("weather");
    let write = |name: &str, text: &str| std::fs::write(project.join(name), text).expect("a file");
    let manifest = std::fs::read_to_string(project.join("extension.toml")).expect("a manifest");
    let asks = "[permissions]\n\"http:api.example.org\" = \"Asks for the weather\"\n";
    write("extension.toml", &manifest.replace("[permissions]\n", asks));
    write(
        "src/extension.py",
        "import json\n\nfrom tavern import note\nfrom tavern.http import request\n\n\n\
         def before_prompt(turn, history):\n    \
             answer = request(\"https://api.example.org/weather?place=Lisbon\")\n    \
             return [note(json.loads(answer.body)[\"sky\"])]\n",
    );
    write(
        "tests/before-prompt.json",
        r#"{
            "hook": "before-prompt",
            "http": [{ "url": "https://api.example.org/weather", "body": { "sky": "It rains." } }],
            "expect": { "outcome": "ok", "edits": [{ "add-note": { "text": "It rains." } }] }
        }"#,
    );
    tool(&project, &["test"]);
    write("tests/before-prompt.json", r#"{ "hook": "before-prompt" }"#);
    let failed = tried(&project, &["test"]).expect_err("nobody answers");
    let told = "no answer is recorded for GET https://api.example.org/weather?place=Lisbon: add";
    assert!(failed.contains(told), "{failed}");
}

//! Extensions: the SDK and the bundled ones. They are a workspace of their own, plugins/bundled, because they compile
//! to WebAssembly.

use anyhow::Result;

use crate::lanes::{self, Tests};
use crate::machine::{self, NODE, PYTHON, WEBASSEMBLY};
use crate::shell;

const MANIFEST: &str = "plugins/bundled/Cargo.toml";
/// In the workspace by path alone, so that its tests are run by name.
const SDK: &str = "tavern-extension";
/// Where tests are that need the tools of other languages, or compile for long: the other lanes ignore them.
const SANDBOXED: [&str; 5] = ["--workspace", "--test", "languages", "--test", "it"];
const BUNDLED: [&str; 7] = [
    "dice",
    "emotion-tagger",
    "lore-librarian",
    "memory-notes",
    "name-keeper",
    "scene-clock",
    "style-guard",
];

/// `cargo xtask guests`: components of the bundled extensions, in target/guests.
///
/// # Errors
/// When a language cannot be compiled to WebAssembly here, or an extension does not build.
pub fn build() -> Result<()> {
    ensure_languages()?;
    let mut build = shell::cargo(&["run", "--quiet", "--package", "tavern-workbench"]);
    build.args(["--example", "guests", "--"]).args(BUNDLED);
    shell::run(&mut build)
}

fn ensure_languages() -> Result<()> {
    for need in [&WEBASSEMBLY, &NODE, &PYTHON] {
        machine::ensure(need)?;
    }
    Ok(())
}

/// Lints and unit tests of the SDK and of the bundled extensions on this machine's own target; then, in the sandbox,
/// the cases of the bundled extensions, turns with all of them, and projects of authors in each language.
///
/// # Errors
/// At the first step that fails.
pub fn test() -> Result<Vec<String>> {
    let target = shell::target().join("guests/native");
    let cargo = |arguments: &[&str]| {
        let mut cargo = shell::cargo(arguments);
        cargo
            .args(["--manifest-path", MANIFEST])
            .env("CARGO_TARGET_DIR", &target);
        cargo
    };
    shell::run(cargo(&["clippy", "--locked", "--quiet", "--all-targets"]).args(["--", "-D", "warnings"]))?;
    let mut counts = Vec::new();
    for selection in [&["--workspace"][..], &["--package", SDK]] {
        counts.extend(shell::run_keeping(
            cargo(&["test", "--locked", "--quiet"]).args(selection),
            |line| line.starts_with("test result:") && !line.contains(" 0 passed"),
        )?);
    }
    ensure_languages()?;
    counts.extend(lanes::cargo_test(&SANDBOXED, Tests::Ignored, None)?);
    Ok(counts)
}

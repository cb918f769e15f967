//! Extensions: the SDK and the bundled ones. They are a workspace of their own, plugins/bundled, because they compile
//! to WebAssembly.

use anyhow::Result;

use crate::machine::{self, WEBASSEMBLY};
use crate::shell;

const MANIFEST: &str = "plugins/bundled/Cargo.toml";
/// In the workspace by path alone, so that its tests are run by name.
const SDK: &str = "tavern-extension";
/// Those in Rust.
const BUNDLED: [&str; 5] = [
    "dice",
    "emotion-tagger",
    "lore-librarian",
    "memory-notes",
    "style-guard",
];

/// `cargo xtask guests`: components of the bundled extensions in Rust, in target/guests.
///
/// # Errors
/// When Rust cannot compile to WebAssembly here, or an extension does not build.
pub fn build() -> Result<()> {
    machine::ensure(&WEBASSEMBLY)?;
    let mut build = shell::cargo(&["run", "--quiet", "--package", "tavern-workbench"]);
    build.args(["--example", "guests", "--"]).args(BUNDLED);
    shell::run(&mut build)
}

/// Lints and unit tests of the SDK and of the bundled extensions, on this machine's own target.
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
    Ok(counts)
}

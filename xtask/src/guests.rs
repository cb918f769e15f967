//! Extensions: the SDK and the bundled ones. They are a workspace of their own, plugins/bundled, because they compile
//! to WebAssembly.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

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

#[derive(Args)]
pub struct Guests {
    /// Publish them on this server, as whoever TAVERN_TOKEN is an access token of: a moderator, because they are under
    /// the server's own name.
    #[arg(long, value_name = "URL", requires = "key")]
    publish: Option<String>,
    /// The key to sign them with, of `tavern extension keygen FILE`; FILE.pub lies beside it.
    #[arg(long, value_name = "FILE", requires = "publish")]
    key: Option<PathBuf>,
}

impl Guests {
    /// `cargo xtask guests`: components of the bundled extensions, in target/guests, or their packages on a server.
    ///
    /// # Errors
    /// When a language cannot be compiled to WebAssembly here, an extension does not build, or the server does not
    /// take one of them.
    pub fn run(&self) -> Result<()> {
        ensure_languages()?;
        if let (Some(server), Some(key)) = (&self.publish, &self.key) {
            return publish(server, key);
        }
        let mut build = shell::cargo(&["run", "--quiet", "--package", "tavern-workbench"]);
        build.args(["--example", "guests", "--"]).args(BUNDLED);
        shell::run(&mut build)
    }
}

/// Publishes all that the server takes: what it has already, it refuses.
fn publish(server: &str, key: &Path) -> Result<()> {
    let author = || {
        let mut author = shell::cargo(&["run", "--quiet", "--package", "tavern-workbench"]);
        author.args(["--bin", "tavern-extension", "--"]);
        author
    };
    let mut refused = Vec::new();
    for name in BUNDLED {
        let folder = Path::new("plugins/bundled").join(name);
        let packed = shell::run_keeping(author().arg("pack").arg(&folder).arg("--key").arg(key), |line| {
            line.contains(".tavext  ")
        })?;
        let Some((package, _)) = packed.last().and_then(|line| line.split_once("  ")) else {
            bail!("there is no package of {name}");
        };
        let mut send = author();
        send.args(["publish", package, "--server", server, "--public-key"]);
        if shell::run(send.arg(key.with_added_extension("pub"))).is_err() {
            refused.push(name);
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false => bail!("{server} has not taken {}", refused.join(", ")),
    }
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

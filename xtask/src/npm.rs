//! The parts in JavaScript: packages from the lock files, the web UI and its reproducible build.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::machine::{self, NODE};
use crate::shell;

/// `npm` in a folder, after making sure that there is one.
///
/// # Errors
/// When Node.js is missing.
pub fn npm(folder: &Path, arguments: &[&str]) -> Result<Command> {
    machine::ensure(&NODE)?;
    let mut command = Command::new("npm");
    command.current_dir(folder).args(arguments);
    Ok(command)
}

/// Exactly the packages of the lock file.
///
/// # Errors
/// When they cannot be installed, or package.json and its lock disagree.
pub fn install(folder: &Path) -> Result<()> {
    println!("packages of {}", folder.display());
    shell::run(&mut npm(
        folder,
        &["ci", "--no-audit", "--no-fund", "--loglevel=error"],
    )?)
}

/// `cargo xtask playground`
///
/// # Errors
/// When it does not build.
pub fn build_playground() -> Result<()> {
    let folder = Path::new("playground");
    install(folder)?;
    shell::run(&mut npm(folder, &["run", "build"])?)
}

/// Builds the web UI in a clean copy and compares it with the committed one.
///
/// # Errors
/// When a file differs, is missing or is too many: names each.
pub fn check_playground_is_reproducible() -> Result<()> {
    let copy = tempfile::tempdir_in(shell::target())?;
    let folder = copy.path().join("playground");
    let tracked = shell::read(Command::new("git").args(["ls-files", "-z", "playground", "schema/schema.graphql"]))?;
    for file in tracked
        .split('\0')
        .filter(|file| !file.is_empty() && !file.starts_with("playground/dist/"))
    {
        let to = copy.path().join(file);
        fs::create_dir_all(to.parent().expect("a tracked file is in a folder"))?;
        fs::copy(file, to)?;
    }
    install(&folder)?;
    shell::run(&mut npm(&folder, &["run", "build"])?)?;
    let committed = files(Path::new("playground/dist"))?;
    let rebuilt = files(&folder.join("dist"))?;
    let differing: Vec<_> = committed
        .keys()
        .chain(rebuilt.keys())
        .filter(|name| committed.get(*name) != rebuilt.get(*name))
        .map(|name| name.display().to_string())
        .collect();
    if !differing.is_empty() {
        bail!(
            "playground/dist is not what its sources build; run `cargo xtask playground` and commit: {}",
            differing.join(", ")
        );
    }
    println!("playground/dist is what its sources build: {} files", committed.len());
    Ok(())
}

fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder)?.to_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

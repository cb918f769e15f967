//! The world of an extension, and its sources beside it: what tools of languages without an SDK are given.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tavern_domain::extension::Capability;
use tavern_plugins::manifest::Manifest;

use crate::embedded;
use crate::project::Project;

/// The name of the world.
pub const WORLD: &str = "guest";

/// A world that exports the manifest's hooks, and imports what its permissions are about: what an extension
/// may not do is not even there.
pub fn world(manifest: &Manifest, version: &str) -> String {
    let asks = |wanted: fn(&Capability) -> bool| manifest.permissions.keys().any(wanted);
    let imports = [
        ("log", true),
        ("config", true),
        ("text", true),
        ("metrics", true),
        ("key-value", asks(|asked| matches!(asked, Capability::Kv(_)))),
        ("http", asks(|asked| matches!(asked, Capability::Http(_)))),
        ("secrets", asks(|asked| matches!(asked, Capability::Secret(_)))),
        ("model", asks(|asked| matches!(asked, Capability::Model(_)))),
    ];
    let mut text = format!("package local:extension;\n\nworld {WORLD} {{\n");
    for (import, _) in imports.iter().filter(|(_, asked)| *asked) {
        let _ = writeln!(text, "  import tavern:extension/{import}@{version};");
    }
    for hook in manifest.hooks.keys() {
        let _ = writeln!(text, "  export tavern:extension/{hook}@{version};");
    }
    text.push_str("}\n");
    text
}

/// Copies the sources to `target/build`, with the world in `wit` and the language's helpers in `sdk`. A project
/// that has an `sdk` of its own is built with it.
pub fn stage(project: &Project) -> Result<PathBuf> {
    let stage = project.target().join("build");
    if stage.exists() {
        fs::remove_dir_all(&stage).with_context(|| format!("{} cannot be emptied", stage.display()))?;
    }
    let own = project.dir.join("sdk");
    let wit = stage.join("wit/deps/tavern-extension");
    if own.is_dir() {
        copy(&own.join("wit"), &wit)?;
        copy(&own, &stage.join("sdk"))?;
    } else {
        for (path, contents) in embedded::files("wit") {
            if path.components().count() == 1 {
                embedded::put(&wit.join(path), contents)?;
            }
        }
        embedded::write(project.language.as_str(), &stage.join("sdk"))?;
    }
    copy(&project.dir.join("src"), &stage.join("src"))?;
    let types = wit.join("types.wit");
    let types = fs::read_to_string(&types).with_context(|| format!("{} cannot be read", types.display()))?;
    let version = version(&types).context("sdk/wit/types.wit names no version of tavern:extension")?;
    embedded::put(&stage.join("wit/world.wit"), world(&project.manifest, version))?;
    Ok(stage)
}

/// The version in `package tavern:extension@VERSION;`.
fn version(wit: &str) -> Option<&str> {
    let (_, rest) = wit.split_once("package tavern:extension@")?;
    rest.split_once(';').map(|(version, _)| version)
}

/// Copies a folder, but for what tools leave behind.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let entries = from
        .read_dir()
        .with_context(|| format!("{} cannot be read", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().expect("an entry has a name");
        if path.is_dir() {
            if name != "__pycache__" && name != "node_modules" {
                copy(&path, &to.join(name))?;
            }
        } else {
            let contents = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            embedded::put(&to.join(name), contents)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! New projects, out of the templates of `plugin-sdk`: each builds, tests and packs as it is.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tavern_domain::extension::Hook;
use tavern_plugins::manifest::Manifest;
use toml::{Table, Value};

use crate::embedded;
use crate::project::Language;

const LICENSE: &str = include_str!("../../../LICENSE");

/// Makes a project in a folder of its name below `into`, and gives that folder.
///
/// # Errors
/// When the name is none, the folder is there already, or cannot be written.
pub fn create(name: &str, language: Language, hooks: &[Hook], into: &Path) -> Result<PathBuf> {
    let (publisher, name) = name.split_once('/').unwrap_or(("example", name));
    let hooks: BTreeSet<Hook> = match hooks {
        [] => [Hook::BeforePrompt].into(),
        hooks => hooks.iter().copied().collect(),
    };
    let id = format!("{publisher}/{name}");
    let manifest = manifest(&id, &title(name), language, &hooks)?;
    Manifest::parse(&manifest).map_err(|mistakes| anyhow::anyhow!(mistakes.join("\n")))?;
    let folder = into.join(name);
    if folder.exists() {
        bail!("{} is there already, and is not written over", folder.display());
    }
    let put = |path: &str, contents: &str| embedded::put(&folder.join(path), fill(contents, name));
    put("extension.toml", &manifest)?;
    put("LICENSE", LICENSE)?;
    for files in ["templates/files".to_owned(), format!("templates/{language}/files")] {
        for (path, contents) in embedded::files(&files) {
            let path = path.to_str().expect("names of templates are ASCII");
            let path = path.replace("gitignore", ".gitignore");
            put(&path, std::str::from_utf8(contents).expect("templates are texts"))?;
        }
    }
    for hook in &hooks {
        put(
            &format!("tests/{hook}.json"),
            embedded::text(&format!("templates/hooks/{hook}.json")),
        )?;
    }
    let (path, source) = source(language, &hooks);
    put(path, &source)?;
    sdk(language, &folder.join("sdk"))?;
    Ok(folder)
}

/// The interface, and what the language needs of it, so that a project stands by itself.
fn sdk(language: Language, to: &Path) -> Result<()> {
    let copies: &[(&str, &str)] = match language {
        Language::Rust => &[("rust", "rust"), ("rust-derive", "rust-derive"), ("wit", "rust/wit")],
        Language::Javascript => &[("javascript", ""), ("wit", "wit")],
        Language::Python => &[("python", ""), ("wit", "wit")],
    };
    for (folder, below) in copies {
        for (path, contents) in embedded::files(folder) {
            // Frozen copies of the interface are no business of an author's.
            if !path.starts_with("v0_1") && !path.starts_with("wit/v0_1") {
                embedded::put(&to.join(below).join(path), contents)?;
            }
        }
    }
    Ok(())
}

/// `night-watch` is `Night watch`.
fn title(name: &str) -> String {
    let words = name.replace('-', " ");
    let mut letters = words.chars();
    let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
    initial.into_iter().chain(letters).collect()
}

fn fill(template: &str, name: &str) -> String {
    let summary = "What the extension does, in a line";
    template
        .replace("EXTENSION_NAME", name)
        .replace("EXTENSION_TITLE", &title(name))
        .replace("EXTENSION_SUMMARY", &format!("{summary}."))
}

/// The manifest: the parts of all hooks, put together.
fn manifest(id: &str, title: &str, language: Language, hooks: &BTreeSet<Hook>) -> Result<String> {
    let mut text = format!(
        "[extension]\nid = {id:?}\nversion = \"0.1.0\"\ntitle = {title:?}\n\
         summary = \"What the extension does, in a line\"\napi = \"^0.1\"\nlicense = \"Apache-2.0\"\n"
    );
    if language != Language::Rust {
        text.push_str("# It brings an interpreter along, and gets more room for it.\nlarge-runtime = true\n");
    }
    let mut all = Table::new();
    for hook in hooks {
        let part: Table = embedded::text(&format!("templates/hooks/{hook}.toml"))
            .parse()
            .context("the parts of manifests hold")?;
        merge(&mut all, part);
    }
    for section in ["hooks", "permissions", "macros", "tools"] {
        if let Some(value) = all.remove(section) {
            let section = Table::from_iter([(section.to_owned(), value)]);
            let _ = write!(text, "\n{}", toml::to_string(&section)?);
        }
    }
    Ok(text)
}

/// Tables by key, lists one behind the other.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (Some(Value::Array(into)), Value::Array(from)) => into.extend(from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The author's file, and what is in it: a piece for each hook.
fn source(language: Language, hooks: &BTreeSet<Hook>) -> (&'static str, String) {
    let extension = match language {
        Language::Rust => "rs",
        Language::Javascript => "js",
        Language::Python => "py",
    };
    let mut used = BTreeSet::new();
    let mut body = String::new();
    for hook in hooks {
        let piece = embedded::text(&format!("templates/{language}/hooks/{hook}.{extension}"));
        let piece = match piece.split_once("uses: ") {
            Some((_, rest)) => {
                let (names, rest) = rest.split_once('\n').unwrap_or((rest, ""));
                used.extend(names.split(", "));
                rest
            }
            None => piece,
        };
        body.push_str(if language == Language::Python { "\n\n" } else { "\n" });
        body.push_str(piece);
    }
    let used = used.into_iter().collect::<Vec<_>>().join(", ");
    match language {
        Language::Rust => {
            let traits: Vec<_> = hooks.iter().map(|hook| crate::build::pascal(hook.as_str())).collect();
            let head = embedded::text("templates/rust/head.rs").replace("EXTENSION_HOOKS", &traits.join(", "));
            ("src/lib.rs", head + &body)
        }
        Language::Javascript if used.is_empty() => ("src/extension.js", body.trim_start().to_owned()),
        Language::Javascript => (
            "src/extension.js",
            format!("import {{ {used} }} from '../sdk/tavern.js';\n{body}"),
        ),
        Language::Python => {
            let modules = ["dataclasses", "re"]
                .into_iter()
                .filter(|module| body.contains(&format!("{module}.")));
            let modules: String = modules.map(|module| format!("import {module}\n")).collect();
            let own = if used.is_empty() {
                String::new()
            } else {
                format!("from tavern import {used}\n")
            };
            let between = if modules.is_empty() || own.is_empty() { "" } else { "\n" };
            (
                "src/extension.py",
                format!("{modules}{between}{own}{body}").trim_start().to_owned(),
            )
        }
    }
}

#[cfg(test)]
mod tests;

//! What the files of a package have to say.

use bytes::Bytes;
use serde_json::Value;

use super::archive::{Files, locale};
use super::{Package, Report, hex_sha256};
use crate::checks::schema;
use crate::manifest::Manifest;
use crate::settings::PluginLimits;

/// Texts of one locale.
const MAX_TEXTS: usize = 500;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The text of `checksums`: a line for each file but itself and the signature, in the order of names.
#[must_use]
pub fn checksums(files: &Files) -> String {
    files
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "checksums" | "signature"))
        .map(|(name, content)| format!("{}  {name}\n", hex_sha256(content)))
        .collect()
}

pub(super) fn read(mut files: Files, package: &[u8], limits: &PluginLimits, report: &mut Report) -> Option<Package> {
    for name in ["extension.toml", "extension.wasm", "README.md", "LICENSE", "checksums"] {
        if !files.contains_key(name) {
            report.fail("package.files", format!("`{name}` is missing."));
            return None;
        }
    }
    let computed = checksums(&files);
    let sums = take(&mut files, "checksums");
    if sums != computed {
        report.fail("package.checksums", difference(&computed, &sums));
        return None;
    }
    report.pass("package.checksums", "Every file is as `checksums` says.");

    let manifest = manifest(&take(&mut files, "extension.toml"), report)?;
    let component = take(&mut files, "extension.wasm");
    if !manifest.extension.large_runtime && component.len() > limits.component_bytes {
        report.fail(
            "package.component",
            format!(
                "`extension.wasm` has {} bytes, and {} are the most; an extension that brings an interpreter says \
                 `large-runtime = true`, and may have {}.",
                component.len(),
                limits.component_bytes,
                limits.large_component_bytes
            ),
        );
        return None;
    }
    let readme = text(&mut files, "README.md", report)?;
    let license = text(&mut files, "LICENSE", report)?;
    let signature = match files.contains_key("signature") {
        true => Some(text(&mut files, "signature", report)?),
        false => None,
    };
    let config_schema = match files.remove("config.schema.json") {
        Some(bytes) => Some(config_schema(&bytes, report)?),
        None => None,
    };
    trigger_settings(&manifest, config_schema.as_ref(), report)?;
    let icon = files.remove("icon.png");
    if icon.as_ref().is_some_and(|icon| !icon.starts_with(PNG)) {
        report.fail("package.icon", "`icon.png` is no PNG.");
        return None;
    }
    let mut locales = Vec::new();
    for (name, bytes) in &files {
        let locale = locale(name).expect("no other file is left, and names were checked");
        match texts(bytes) {
            Ok(texts) => locales.push((locale.to_owned(), texts)),
            Err(error) => {
                report.fail("package.locales", format!("`{name}` {error}."));
                return None;
            }
        }
    }
    Some(Package {
        component_sha256: hex_sha256(&component),
        sha256: hex_sha256(package),
        checksums: sums,
        manifest,
        component,
        readme,
        license,
        config_schema,
        icon,
        locales,
        signature,
    })
}

fn take(files: &mut Files, name: &str) -> Bytes {
    files.remove(name).unwrap_or_default()
}

fn text(files: &mut Files, name: &str, report: &mut Report) -> Option<String> {
    match String::from_utf8(take(files, name).into()) {
        Ok(text) => Some(text),
        Err(_) => {
            report.fail("package.text", format!("`{name}` is not UTF-8."));
            None
        }
    }
}

fn manifest(bytes: &[u8], report: &mut Report) -> Option<Manifest> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        report.fail("manifest.syntax", "extension.toml is not UTF-8.");
        return None;
    };
    match Manifest::examine(text) {
        Ok(manifest) => {
            let about = &manifest.extension;
            report.pass("manifest", format!("{} {}.", about.id, about.version));
            Some(manifest)
        }
        Err(mistakes) => {
            for mistake in mistakes {
                report.fail(&format!("manifest.{}", mistake.field), mistake.message);
            }
            None
        }
    }
}

fn config_schema(bytes: &[u8], report: &mut Report) -> Option<Value> {
    let read = serde_json::from_slice::<Value>(bytes)
        .map_err(|error| format!("are no JSON: {error}"))
        .and_then(|schema| schema::examine_config(&schema).map(|()| schema));
    match read {
        Ok(schema) => {
            report.pass("package.config-schema", "The schema of the configuration can be used.");
            Some(schema)
        }
        Err(error) => {
            report.fail(
                "package.config-schema",
                format!("The contents of config.schema.json {error}."),
            );
            None
        }
    }
}

/// Settings that are to be triggers are settings, of a kind that has texts.
fn trigger_settings(manifest: &Manifest, schema: Option<&Value>, report: &mut Report) -> Option<()> {
    for (hook, settings) in &manifest.hooks {
        let has = |name: &String| schema.is_some_and(|schema| schema::has_texts(schema, name));
        if let Some(name) = settings.trigger_settings.iter().find(|name| !has(name)) {
            let name: String = name.chars().filter(|char| !char.is_control()).take(80).collect();
            report.fail(
                "manifest.hooks",
                format!(
                    "hooks.{hook}.trigger-settings has `{name}`: it has to be a property at the top of \
                     config.schema.json that is a string, an array of strings or an object, and no secret."
                ),
            );
            return None;
        }
    }
    Some(())
}

/// A JSON object of texts.
fn texts(bytes: &[u8]) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("is no JSON: {error}"))?;
    match value.as_object() {
        Some(texts) if texts.len() > MAX_TEXTS => Err(format!("has more than {MAX_TEXTS} texts")),
        Some(texts) if texts.values().all(Value::is_string) => Ok(value),
        _ => Err("is no JSON object of texts".into()),
    }
}

/// The first line that is not as it should be.
fn difference(computed: &str, found: &[u8]) -> String {
    let Ok(found) = std::str::from_utf8(found) else {
        return "`checksums` is not UTF-8.".into();
    };
    let name = |line: &str| line.split_once("  ").map(|(_, name)| name.to_owned());
    let mut lines = found.split_inclusive('\n');
    for expected in computed.split_inclusive('\n') {
        let line = lines.next();
        if line != Some(expected) {
            let file = name(expected.trim_end()).unwrap_or_default();
            return if line.and_then(|line| name(line.trim_end())).as_ref() == Some(&file) {
                format!("`{file}` is not what `checksums` says.")
            } else {
                format!("`checksums` has no line for `{file}` where it belongs: lines stand in the order of names.")
            };
        }
    }
    "`checksums` has a line too many.".into()
}

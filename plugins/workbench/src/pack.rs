//! Packages out of projects.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use tavern_plugins::checks;
use tavern_plugins::package::{self, Files, Package};
use tavern_plugins::settings::{PluginLimits, PluginSettings};

use crate::build;
use crate::keys::{Key, refused};

/// What a package has beside the component; the first three it must have.
const FILES: [&str; 5] = [
    "extension.toml",
    "README.md",
    "LICENSE",
    "config.schema.json",
    "icon.png",
];

/// The files of a package of the project in `dir`, with this component.
///
/// # Errors
/// When one is missing, or cannot be read.
pub fn files(dir: &Path, component: &[u8]) -> Result<Files> {
    let mut files = Files::new();
    for (index, name) in FILES.into_iter().enumerate() {
        let path = dir.join(name);
        if index < 3 || path.exists() {
            let bytes = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            files.insert(name.into(), bytes.into());
        }
    }
    let texts = dir.join("i18n");
    if texts.is_dir() {
        for entry in texts.read_dir()? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default()
                .to_owned();
            files.insert(format!("i18n/{name}"), fs::read(&path)?.into());
        }
    }
    files.insert("extension.wasm".into(), Bytes::copy_from_slice(component));
    Ok(files)
}

/// A package of the project in `dir`, with this component, signed if there is a key. The same sources without a
/// key make the same bytes.
///
/// # Errors
/// When a file is missing, or a check fails that a server would make of the package: all are named.
pub fn pack(dir: &Path, component: &[u8], key: Option<&Key>) -> Result<Bytes> {
    let mut files = files(dir, component)?;
    if let Some(key) = key {
        files = key.sign(files)?;
    }
    let bytes = package::write(&files).map_err(anyhow::Error::msg)?;
    check(&bytes)?;
    Ok(bytes)
}

/// Makes the checks of a server that need nothing but the package. Gives what is legal and should be looked at.
///
/// # Errors
/// Each check that failed.
pub fn check(bytes: &[u8]) -> Result<Vec<String>> {
    match checks::read(bytes, &PluginSettings::default()) {
        (Some(_), report) => Ok(report.warnings),
        (None, report) => Err(refused(report)),
    }
}

/// A package of a bundled extension, which is built if it was not yet.
///
/// # Errors
/// When it does not build, or is no package.
pub fn bundled(name: &str, key: Option<&Key>) -> Result<Bytes> {
    let component = fs::read(build::bundled(name)?)?;
    pack(&build::bundled_dir(name), &component, key)
}

/// Reads a package as a server would.
///
/// # Errors
/// Each check that failed.
pub fn read(bytes: &[u8]) -> Result<Package> {
    package::read(bytes, &PluginLimits::default())
        .map(|(package, _)| package)
        .map_err(refused)
}

/// The same package, signed.
///
/// # Errors
/// When it is no package.
pub fn sign(bytes: &[u8], key: &Key) -> Result<Bytes> {
    let files = package::unpack(bytes, &PluginLimits::default()).map_err(refused)?;
    package::write(&key.sign(files)?).map_err(anyhow::Error::msg)
}

//! The extensions that ship with the product, built from source where tests and benchmarks want them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{fingerprint, rust};
use crate::project::Project;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Where components of bundled extensions are: `NAME.wasm`.
#[must_use]
pub fn guests_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("guests")
}

/// The folder of a bundled extension.
#[must_use]
pub fn bundled_dir(name: &str) -> PathBuf {
    root().join("plugins/bundled").join(name)
}

/// The component of a bundled extension, by the name of its folder.
///
/// # Errors
/// As [`super::build`].
pub fn bundled(name: &str) -> Result<PathBuf> {
    let dir = bundled_dir(name);
    let sdk = root().join("plugin-sdk");
    if !dir.join("Cargo.toml").is_file() {
        let project = Project::open(&dir)?;
        let mut sources = vec![sdk.join("wit"), sdk.join(project.language.as_str())];
        sources.extend(project.sources().map(|source| dir.join(source)));
        return cached(name, &sources, || super::component(&project, &mut io::stderr()));
    }
    let workspace = root().join("plugins/bundled");
    let sources = [
        dir.join("Cargo.toml"),
        dir.join("src"),
        workspace.join("Cargo.toml"),
        workspace.join("Cargo.lock"),
        sdk.join("wit"),
        sdk.join("rust"),
        sdk.join("rust-derive"),
    ];
    cached(name, &sources, || {
        rust::build_into(&dir, guests_dir().join("cargo"), &mut io::stderr())
    })
}

/// `NAME.wasm` in [`guests_dir`]: what `build` gives, unless it was built from these files and folders before.
///
/// # Errors
/// When a source cannot be read, or the component not be built or written.
pub fn cached(name: &str, sources: &[PathBuf], build: impl FnOnce() -> Result<Vec<u8>>) -> Result<PathBuf> {
    let folder = guests_dir();
    fs::create_dir_all(&folder)?;
    // Of several who want it, in this process or others, one builds it.
    let lock = fs::File::create(folder.join(format!("{name}.lock")))?;
    lock.lock()
        .with_context(|| format!("{} cannot be locked", folder.display()))?;
    let (component, mark) = (
        folder.join(format!("{name}.wasm")),
        folder.join(format!("{name}.built-from")),
    );
    let built_from = fingerprint::of(sources)?;
    if component.is_file() && fs::read_to_string(&mark).is_ok_and(|mark| mark == built_from) {
        return Ok(component);
    }
    let bytes = build().with_context(|| format!("building the extension {name}"))?;
    // Others may be reading what was there: they keep it, and never see a half.
    let unfinished = folder.join(format!("{name}.{}", std::process::id()));
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, &component)?;
    fs::write(&mark, built_from)?;
    Ok(component)
}

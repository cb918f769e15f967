//! The extensions that ship with the product, built from source where tests and benchmarks want them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::rust;
use crate::project::Project;

/// One build at a time in a process; of several processes, cargo lets one at a time.
static BUILDING: Mutex<()> = Mutex::new(());

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
        rust::build_into(&dir, root(), Some(&guests_dir().join("cargo")), &mut io::stderr())
    })
}

/// `NAME.wasm` in [`guests_dir`]: what `build` gives, unless it was built from these files and folders before.
///
/// # Errors
/// When a source cannot be read, or the component not be built or written.
pub fn cached(name: &str, sources: &[PathBuf], build: impl FnOnce() -> Result<Vec<u8>>) -> Result<PathBuf> {
    let _one = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = guests_dir();
    let (component, mark) = (
        folder.join(format!("{name}.wasm")),
        folder.join(format!("{name}.built-from")),
    );
    let mut hash = Sha256::new();
    for source in sources {
        add(source, &mut hash)?;
    }
    let built_from: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if component.is_file() && fs::read_to_string(&mark).is_ok_and(|mark| mark == built_from) {
        return Ok(component);
    }
    fs::create_dir_all(&folder)?;
    let bytes = build().with_context(|| format!("building the extension {name}"))?;
    // Others may be reading what was there: they keep it, and never see a half.
    let unfinished = folder.join(format!("{name}.{}", std::process::id()));
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, &component)?;
    fs::write(&mark, built_from)?;
    Ok(component)
}

/// Adds names and contents, in the order of names.
fn add(path: &Path, hash: &mut Sha256) -> Result<()> {
    hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
    if !path.is_dir() {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
        return Ok(());
    }
    let mut entries: Vec<_> = path
        .read_dir()?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    entries.sort();
    entries
        .iter()
        .filter(|entry| {
            entry
                .file_name()
                .is_none_or(|name| name != "target" && name != "node_modules")
        })
        .try_for_each(|entry| add(entry, hash))
}

//! What something was made of: the same files, the same text.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Folders that tools leave behind.
const LITTER: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Of names and contents of these files and folders.
///
/// # Errors
/// When one cannot be read.
pub fn of(sources: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    for source in sources {
        add(source, &mut hash)?;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Adds names and contents, in the order of names.
fn add(path: &Path, hash: &mut Sha256) -> Result<()> {
    hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
    if !path.is_dir() {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
        return Ok(());
    }
    let mut entries: Vec<_> = path
        .read_dir()?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    entries.retain(|entry| {
        entry
            .file_name()
            .is_none_or(|name| LITTER.iter().all(|litter| name != *litter))
    });
    entries.sort();
    entries.iter().try_for_each(|entry| add(entry, hash))
}

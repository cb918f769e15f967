//! `plugin-sdk` inside the binary: the interface, what helps each language, and what a project starts from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};

static SDK: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../plugin-sdk");

/// Names of folders, not of sources, that tools leave behind.
const LITTER: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// The text of a file.
///
/// # Panics
/// If there is none: names come from this crate.
#[must_use]
pub fn text(path: &str) -> &'static str {
    let file = SDK.get_file(path).and_then(|file| file.contents_utf8());
    file.unwrap_or_else(|| panic!("plugin-sdk/{path} is embedded, and is a text"))
}

/// All files of a folder, by their paths in it.
#[must_use]
pub fn files(folder: &str) -> Vec<(PathBuf, &'static [u8])> {
    let mut found = Vec::new();
    let mut folders: Vec<&Dir> = SDK.get_dir(folder).into_iter().collect();
    while let Some(next) = folders.pop() {
        folders.extend(next.dirs().filter(|dir| {
            dir.path()
                .file_name()
                .is_none_or(|name| LITTER.iter().all(|litter| name != *litter))
        }));
        for file in next.files() {
            let path = file.path().strip_prefix(folder).expect("files are below their folder");
            found.push((path.to_owned(), file.contents()));
        }
    }
    found.sort();
    found
}

/// Writes a folder's files below `to`.
///
/// # Errors
/// When they cannot be written.
pub fn write(folder: &str, to: &Path) -> Result<()> {
    for (path, contents) in files(folder) {
        put(&to.join(path), contents)?;
    }
    Ok(())
}

/// Writes a file, and the folders it is in.
///
/// # Errors
/// When it cannot be written.
pub fn put(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    let fail = || format!("{} cannot be written", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(fail)?;
    }
    fs::write(path, contents).with_context(fail)
}

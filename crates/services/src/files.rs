//! Files that only the server's own user may read: keys, and the folders they lie in.

use std::io::Write as _;
use std::path::Path;

use tavern_domain::{Error, Result};

/// Creates a folder (and its parents) with mode 0700, or leaves an existing one as it is.
///
/// # Errors
/// If it cannot be created.
pub fn create_private_folder(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|error| Error::internal(format!("cannot create {}: {error}", path.display())))
}

/// Writes a new file with mode 0600, whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_private_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || -> std::io::Result<()> {
        let mut file = options.open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().map_err(|error| Error::internal(format!("cannot write {}: {error}", path.display())))
}

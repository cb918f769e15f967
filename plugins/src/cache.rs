//! Compiled components: in memory while they are used, and on the disk so that a restart compiles nothing.
//!
//! Code is machine code, and whoever can change a file of it could run what they like. So each file is marked
//! with a key that only this server has, over its name and its bytes, in a directory that only this server can
//! enter. A file that is not whole and ours is removed and made anew. Its name holds the component's hash and
//! what the engine was built and set to: what another version left is removed at the start.

use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

const MARK: usize = 32;
const DRAFT: &str = "draft";
/// A younger draft may be somebody's who writes it: the tools of an author, in another terminal, share a directory.
const DRAFT_AGE: Duration = Duration::from_secs(600);

/// The directory of compiled components.
pub(crate) struct Disk {
    directory: PathBuf,
    key: [u8; 32],
    /// What the file's names end with.
    suffix: String,
    /// Bytes of all files together; the one that was not used for the longest time goes first.
    room: u64,
}

impl Disk {
    pub fn open(directory: PathBuf, key: [u8; 32], engine: &Engine, room: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        let mut hasher = StableHasher(Sha256::default());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        let disk = Self {
            directory,
            key,
            suffix: format!("-{:016x}.code", hasher.finish()),
            room,
        };
        for (path, written, _) in disk.files()? {
            let is_draft = path.extension().is_some_and(|extension| extension == DRAFT);
            let is_old = written.elapsed().is_ok_and(|age| age > DRAFT_AGE);
            if !path.to_string_lossy().ends_with(&disk.suffix) && (is_old || !is_draft) {
                let _ = fs::remove_file(path);
            }
        }
        Ok(disk)
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.directory.join(format!("{sha256}{}", self.suffix))
    }

    fn mark(&self, sha256: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut mark = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length is a key");
        mark.update(sha256.as_bytes());
        mark.update(self.suffix.as_bytes());
        mark.update(code);
        mark
    }

    /// A component that was compiled before, and how many bytes of code it is. Reads a file: not for async
    /// threads.
    ///
    /// # Errors
    /// If the code is ours and the engine does not take it: the component does not fit what sandboxes have.
    pub fn load(&self, engine: &Engine, sha256: &str) -> Result<Option<(Component, usize)>, String> {
        let path = self.path(sha256);
        let Ok(bytes) = fs::read(&path) else {
            return Ok(None);
        };
        let Some(component) = self.trusted(engine, sha256, &bytes) else {
            tracing::warn!(
                sha256,
                "a compiled extension is not as it was written: it is compiled anew"
            );
            let _ = fs::remove_file(&path);
            return Ok(None);
        };
        match component {
            Ok(component) => {
                let used = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                if let Err(error) = used {
                    tracing::debug!(%error, "the use of a compiled extension cannot be noted");
                }
                Ok(Some((component, bytes.len())))
            }
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(format!("it cannot be run here: {error:#}"))
            }
        }
    }

    #[allow(unsafe_code)]
    fn trusted(&self, engine: &Engine, sha256: &str, bytes: &[u8]) -> Option<wasmtime::Result<Component>> {
        let (mark, code) = bytes.split_at_checked(MARK)?;
        self.mark(sha256, code).verify_slice(mark).ok()?;
        // SAFETY: these bytes are what `Engine::precompile_component` gave. The mark is a MAC over them, their
        // component and the engine's settings under a key that never leaves this server, and it is made only in
        // `save`, of what our own compiler gave. They are in memory, so nothing changes them after the check.
        // The engine itself refuses code of another version or other settings.
        Some(unsafe { Component::deserialize(engine, code) })
    }

    /// Keeps code. It must come from [`crate::compile::Compiler`]. Writes a file: not for async threads.
    pub fn save(&self, sha256: &str, code: &[u8]) -> io::Result<()> {
        self.make_room(code.len() as u64)?;
        let path = self.path(sha256);
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(io::Error::other)?;
        let draft = self
            .directory
            .join(format!("{:016x}.{DRAFT}", u64::from_ne_bytes(name)));
        let write = || {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(&self.mark(sha256, code).finalize().into_bytes())?;
            file.write_all(code)?;
            drop(file);
            fs::rename(&draft, &path)
        };
        write().inspect_err(|_| {
            let _ = fs::remove_file(&draft);
        })
    }

    #[cfg(test)]
    pub fn forget(&self, sha256: &str) {
        fs::remove_file(self.path(sha256)).expect("a file");
    }

    fn files(&self) -> io::Result<Vec<(PathBuf, SystemTime, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            // Whoever shares the directory may have removed it by now.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() {
                files.push((entry.path(), metadata.modified()?, metadata.len()));
            }
        }
        Ok(files)
    }

    fn make_room(&self, wanted: u64) -> io::Result<()> {
        let mut files = self.files()?;
        files.sort_by_key(|(_, used, _)| *used);
        let mut total = wanted + files.iter().map(|(.., bytes)| bytes).sum::<u64>();
        for (path, _, bytes) in files {
            if total <= self.room {
                break;
            }
            total -= bytes;
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

/// The same in every process, unlike the standard library's.
struct StableHasher(Sha256);

impl std::hash::Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    fn finish(&self) -> u64 {
        let hash = sha2::Digest::finalize(self.0.clone());
        u64::from_be_bytes(hash[..8].try_into().expect("32 bytes"))
    }
}

#[cfg(test)]
mod tests;

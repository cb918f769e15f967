//! `.tavext` packages: a tar of fixed names, compressed with zstd.
//!
//! What reads them takes them for hostile: it stops at the first byte over a limit, keeps nothing of what it
//! refuses, and says which check failed. What writes them gives the same bytes for the same files.

mod archive;
mod contents;
mod signature;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::manifest::Manifest;
use crate::settings::PluginLimits;

pub use archive::{Files, unpack, write};
pub use contents::checksums;
pub use signature::{key_id, trusted_comment, verify};

/// A package that was read and is whole: names, sizes, checksums and manifest hold. Nothing is said of its
/// signature, or of what the component does.
#[derive(Debug, Clone)]
pub struct Package {
    pub manifest: Manifest,
    pub component: Bytes,
    pub readme: String,
    pub license: String,
    pub config_schema: Option<Value>,
    pub icon: Option<Bytes>,
    /// Locale and texts.
    pub locales: Vec<(String, Value)>,
    /// The bytes of `checksums`, which the signature is over.
    pub checksums: Bytes,
    /// The text of `signature`, in minisign's format.
    pub signature: Option<String>,
    /// SHA-256 of the package as it was read, in hex.
    pub sha256: String,
    /// SHA-256 of the component, in hex.
    pub component_sha256: String,
}

/// A check of a package or a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `package.names`, `signature`, `component.imports`, …
    pub name: String,
    pub passed: bool,
    /// What was found, for the author.
    pub message: String,
}

/// Every check that was made, in order; the last one may be the one that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub checks: Vec<Check>,
    /// What is legal and should be looked at.
    pub warnings: Vec<String>,
}

impl Report {
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }

    pub fn pass(&mut self, name: &str, message: impl Into<String>) {
        self.checks.push(Check {
            name: name.to_owned(),
            passed: true,
            message: message.into(),
        });
    }

    pub fn fail(&mut self, name: &str, message: impl Into<String>) {
        self.checks.push(Check {
            name: name.to_owned(),
            passed: false,
            message: message.into(),
        });
    }

    pub fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }
}

/// Reads a package. It is untrusted: names, sizes, counts and ratios are bounded. This unpacks and hashes
/// tens of megabytes, which is nothing for a thread that serves others.
///
/// # Errors
/// The report, whose last check says what is wrong. Of a manifest, each mistake is a check of its own.
pub fn read(bytes: &[u8], limits: &PluginLimits) -> Result<(Package, Report), Report> {
    let mut report = Report::default();
    match read_into(bytes, limits, &mut report) {
        Some(package) => Ok((package, report)),
        None => Err(report),
    }
}

/// Nothing, if the last check of the report failed.
fn read_into(bytes: &[u8], limits: &PluginLimits, report: &mut Report) -> Option<Package> {
    let files = archive::unpack_into(bytes, limits, report)?;
    contents::read(files, bytes, limits, report)
}

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

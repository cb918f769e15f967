//! `.tavext` packages: a tar of fixed names, compressed with zstd.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::Manifest;
use crate::settings::PluginLimits;

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
}

/// Reads a package. It is untrusted: names, sizes, counts and ratios are bounded.
///
/// # Errors
/// The report, whose last check says what is wrong.
pub fn read(_bytes: &[u8], _limits: &PluginLimits) -> Result<(Package, Report), Report> {
    let mut report = Report::default();
    report.fail("package", "Packages cannot be read yet.");
    Err(report)
}

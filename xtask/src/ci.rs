//! Everything a change must pass. The schema snapshot and the invariants of the crates are Rust tests, in the lanes.

use anyhow::{Context, Result};

use crate::report::Report;
use crate::{lanes, shell};

/// `cargo xtask ci`
///
/// # Errors
/// At the first step that fails.
pub fn run(report: &mut Report) -> Result<()> {
    report.step("lock file", || {
        shell::read(&mut shell::cargo(&["metadata", "--locked", "--format-version", "1"]))
            .context("Cargo.lock does not match the manifests")?;
        Ok(Vec::new())
    })?;
    report.step("format", || {
        shell::run(&mut shell::cargo(&["fmt", "--all", "--", "--check"]))?;
        for manifest in ["fuzz/Cargo.toml", "plugins/bundled/Cargo.toml"] {
            // With the crates in their paths: the SDK is in no workspace.
            shell::run(&mut shell::cargo(&[
                "fmt",
                "--all",
                "--manifest-path",
                manifest,
                "--",
                "--check",
            ]))?;
        }
        Ok(Vec::new())
    })?;
    report.step("lints", || {
        shell::run(&mut shell::cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]))?;
        Ok(Vec::new())
    })?;
    lanes::run(&[], report)
}

//! The automatic checks of a package before it is published. Each has a name, and a sentence for the author.
//!
//! [`read`] makes those that need nothing but the bytes; [`run`] compiles the component and calls each of its
//! hooks, which takes seconds. Between the two stands the signature, which only who knows the publisher's keys
//! can check.

mod component;
pub mod schema;
mod smoke;
#[cfg(test)]
mod tests;
mod texts;

use crate::host::Host;
use crate::package::{self, Check, Package, Report};
use crate::program::LoadError;
use crate::settings::PluginSettings;

pub use schema::{check_config, secret_names, split_secrets};

/// Reads a package, and makes every check that needs nothing else. A package that cannot be read has one check
/// that failed, or each mistake of its manifest; of one that can, all are told at once. This takes as long as
/// [`package::read`].
#[must_use]
pub fn read(bytes: &[u8], settings: &PluginSettings) -> (Option<Package>, Report) {
    let (package, mut report) = match package::read(bytes, &settings.limits) {
        Ok(read) => read,
        Err(report) => return (None, report),
    };
    texts::examine(&package, settings, &mut report);
    component::examine(&package.component, &package.manifest, &mut report);
    (report.passed().then_some(package), report)
}

/// Adds the check `signature`: that one of `keys` has signed the package.
pub fn signature(package: &Package, keys: &[String], report: &mut Report) -> bool {
    let signer = package.signer();
    let key = keys
        .iter()
        .find(|key| signer.is_some() && package::key_id(key) == signer);
    let failed = match key {
        Some(key) => package::verify(package, key).err(),
        None => Some(Check {
            name: if signer.is_some() {
                "signature.key"
            } else {
                "signature.missing"
            }
            .into(),
            passed: false,
            message: match &signer {
                Some(signer) => {
                    format!("The package is signed with the key {signer}, which is none of the publisher's.")
                }
                None => "The package is not signed.".into(),
            },
        }),
    };
    match failed {
        Some(failed) => {
            report.checks.push(failed);
            false
        }
        None => {
            report.pass(
                "signature",
                format!("Signed with the key {}.", signer.unwrap_or_default()),
            );
            true
        }
    }
}

/// Compiles the component, and calls each hook twice with made-up inputs: what traps is refused, and what says
/// something else the second time is a warning. A package that has failed before is not run.
///
/// # Errors
/// What failed on our side, for logs. The report says nothing of it: the package is neither good nor bad.
pub async fn run(host: &Host, package: &Package, report: &mut Report) -> Result<(), String> {
    if !report.passed() {
        return Ok(());
    }
    let large_runtime = package.manifest.extension.large_runtime;
    match host.check_component(package.component.clone(), large_runtime).await {
        Ok(_) => report.pass("component.compiles", "It can be run here."),
        Err(LoadError::Component(message)) => {
            report.fail(
                "component.compiles",
                format!("The component cannot be run here: {message}."),
            );
            return Ok(());
        }
        Err(LoadError::House(message)) => return Err(message),
    }
    smoke::run(host, package, report).await;
    Ok(())
}

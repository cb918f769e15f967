//! From an extension's source to its component.

mod bundled;
mod fingerprint;
mod javascript;
mod names;
mod python;
mod rust;
mod tools;
mod world;

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use crate::project::{Language, Project};

pub use bundled::{bundled, bundled_dir, cached, guests_dir};
pub(crate) use names::pascal;
pub use rust::build_rust;
pub use tools::cache_dir;

/// The component of the project in `dir`, in whichever language it is.
///
/// # Errors
/// When there is no project, a tool is missing (with what to install), or the sources do not hold.
pub fn build(dir: &Path) -> Result<Vec<u8>> {
    component(&Project::open(dir)?, &mut std::io::stderr())
}

/// The component of a project. What tools say goes to `log`.
///
/// # Errors
/// As [`build`].
pub fn component(project: &Project, log: &mut dyn Write) -> Result<Vec<u8>> {
    match project.language {
        Language::Rust => build_rust(&project.dir, log),
        Language::Javascript => javascript::build(project, log),
        Language::Python => python::build(project, log),
    }
}

/// What the component of a project is made of, if that can be told: then the same sources need no second build, and
/// what was tested is what is packed. Of Rust, cargo knows.
///
/// # Errors
/// When a source cannot be read.
pub(crate) fn made_of(project: &Project) -> Result<Option<String>> {
    let has = |name: &str| project.dir.join(name).exists();
    let has_own_tools = has("node_modules") || has(".venv");
    if project.language == Language::Rust || has_own_tools || !has("sdk") {
        return Ok(None);
    }
    let sources: Vec<_> = project
        .sources()
        .chain(["sdk"])
        .map(|name| project.dir.join(name))
        .collect();
    let made_of = fingerprint::of(&sources)?;
    Ok(Some(format!("{} {made_of}", env!("CARGO_PKG_VERSION"))))
}

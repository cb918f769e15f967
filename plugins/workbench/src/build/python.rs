//! Extensions in Python: `componentize-py` puts the sources into an interpreter, and takes a snapshot of it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use tavern_domain::extension::Hook;

use super::names::{pascal, snake};
use super::{tools, world};
use crate::embedded;
use crate::project::Project;

const ABSENT: &str = "Extensions in Python are built with Python 3.10 or newer, and its venv: install them (on Debian \
                      `apt-get install python3 python3-venv`), and try again.";

/// # Errors
/// When Python is missing, or the sources do not hold.
pub fn build(project: &Project, log: &mut dyn Write) -> Result<Vec<u8>> {
    let stage = world::stage(project)?;
    let entry = stage.join("entry");
    for (module, text) in modules(project.manifest.hooks.keys().copied()) {
        embedded::put(&entry.join(format!("{module}.py")), text)?;
    }
    let own = project.dir.join(".venv");
    let environment = if own.join("bin/componentize-py").is_file() {
        own
    } else {
        tools_of(project, log)?
    };
    let output = stage.join("component.wasm");
    let mut tool = Command::new(environment.join("bin/componentize-py"));
    // What else the project requires is found in the environment.
    tool.current_dir(&stage).env("VIRTUAL_ENV", &environment);
    tool.args(["--quiet", "-d", "wit", "-w", world::WORLD, "componentize"])
        .args(["-p", "entry", "-p", "src", "-p", "sdk"])
        .args(["--stub-wasi", "-o", "component.wasm", "extension_entry"]);
    tools::run(&mut tool, "componentize-py", ABSENT)?;
    Ok(fs::read(output)?)
}

fn tools_of(project: &Project, log: &mut dyn Write) -> Result<PathBuf> {
    let requirements = project.dir.join("requirements.txt");
    tools::installed("python", std::slice::from_ref(&requirements), log, |folder| {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(folder);
        tools::run(&mut venv, "python3 -m venv", ABSENT)?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&requirements);
        tools::run(&mut pip, "pip install", ABSENT)
    })
}

/// Modules by name. The first exports the hooks; the resource of `stream-filter` is looked for in a module that
/// has the interface's name.
fn modules(hooks: impl Iterator<Item = Hook>) -> Vec<(&'static str, String)> {
    let mut entry = "import extension\nfrom tavern import hooks\n\n".to_owned();
    let mut modules = Vec::new();
    for hook in hooks {
        let name = snake(hook.as_str());
        if hook == Hook::StreamFilter {
            let text = "import extension\nfrom tavern import hooks\n\nFilter = hooks.stream_filter(extension)\n";
            modules.push(("stream_filter", text.to_owned()));
        } else {
            entry.push_str(&format!("{} = hooks.{name}(extension)\n", pascal(hook.as_str())));
        }
    }
    modules.insert(0, ("extension_entry", entry));
    modules
}

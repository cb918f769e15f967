//! Extensions in JavaScript: `componentize-js` puts the sources into an engine, and takes a snapshot of it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use tavern_domain::extension::Hook;

use super::names::camel;
use super::{tools, world};
use crate::embedded;
use crate::project::Project;

const PACKAGE: &str = "node_modules/@bytecodealliance/componentize-js";
const ABSENT: &str = "Extensions in JavaScript are built with Node.js 20 or newer, and npm: install them (on Debian \
                      `apt-get install nodejs npm`), and try again.";

/// Nothing of the machine is in the component: no clock, no chance, no network, no output.
const DRIVER: &str = "import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const [sourcePath, witPath, worldName, output] = process.argv.slice(2);
const disableFeatures = ['stdio', 'random', 'clocks', 'http', 'fetch-event'];
try {
  const { component } = await componentize({ sourcePath, witPath, worldName, disableFeatures });
  await writeFile(output, component);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
";

/// # Errors
/// When Node.js is missing, or the sources do not hold.
pub fn build(project: &Project, log: &mut dyn Write) -> Result<Vec<u8>> {
    let stage = world::stage(project)?;
    embedded::put(&stage.join("entry.js"), entry(project.manifest.hooks.keys().copied()))?;
    let driver = if project.dir.join(PACKAGE).is_dir() {
        stage.join("componentize.mjs")
    } else {
        tools_of(project, log)?.join("componentize.mjs")
    };
    embedded::put(&driver, DRIVER)?;
    let output = stage.join("component.wasm");
    let mut node = Command::new("node");
    node.current_dir(&stage)
        .arg(&driver)
        .args([&stage.join("entry.js"), &stage.join("wit")])
        .arg(world::WORLD)
        .arg(&output);
    tools::run(&mut node, "componentize-js", ABSENT)?;
    Ok(fs::read(output)?)
}

fn tools_of(project: &Project, log: &mut dyn Write) -> Result<PathBuf> {
    let files = ["package.json", "package-lock.json"].map(|name| project.dir.join(name));
    tools::installed("javascript", &files, log, |folder| {
        for file in &files {
            fs::copy(file, folder.join(file.file_name().expect("both have names")))?;
        }
        let mut npm = Command::new("npm");
        // `npm ci` refuses lock files where an optional package of another platform was never published, as here.
        // No code of packages runs while they are installed.
        npm.current_dir(folder).args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]);
        tools::run(&mut npm, "npm install", ABSENT)
    })
}

/// The module that exports hooks as the interface wants them.
fn entry(hooks: impl Iterator<Item = Hook>) -> String {
    let mut text =
        "import * as extension from './src/extension.js';\nimport { hooks } from './sdk/hooks.js';\n\n".to_owned();
    for hook in hooks {
        let name = camel(hook.as_str());
        let from = if hook == Hook::StreamFilter {
            "StreamFilter"
        } else {
            &name
        };
        let _ = writeln!(
            text,
            "if (!extension.{from}) throw new Error('src/extension.js exports no {from}, which extension.toml names as a hook');\n\
             export const {name} = hooks.{name}(extension.{from});"
        );
    }
    text
}

//! The tools of a language, as the lock file of a project names them: installed once a machine.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// Lines of a tool's complaint that are shown, of its beginning and of its end.
const COMPLAINT_LINES: usize = 20;

/// Where tools and compiled extensions are kept: `TAVERN_CACHE`, or `tavern` in the user's cache.
///
/// # Errors
/// When the user has no home.
pub fn cache_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("TAVERN_CACHE") {
        return Ok(dir.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cache")));
    Ok(cache
        .context("there is no home directory: say in TAVERN_CACHE where tools may be kept")?
        .join("tavern"))
}

/// The folder for the tools that these files name, after `install` has filled it.
pub fn installed(
    kind: &str,
    lock_files: &[PathBuf],
    log: &mut dyn Write,
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    for file in lock_files {
        let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    }
    let hash: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tools = cache_dir()?.join("tools");
    let folder = tools.join(format!("{kind}-{hash}"));
    // Virtual environments know their own path, so tools are installed where they stay; the mark says that
    // they are whole.
    let mark = folder.join(".installed");
    if mark.is_file() {
        return Ok(folder);
    }
    fs::create_dir_all(&tools).with_context(|| format!("{} cannot be made", tools.display()))?;
    // Of several builds one installs; the others wait for it.
    let lock = fs::File::create(tools.join(format!("{kind}-{hash}.lock")))?;
    lock.lock().context("the folder of tools cannot be locked")?;
    if !mark.is_file() {
        writeln!(
            log,
            "installing what {kind} extensions are built with in {}",
            folder.display()
        )?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        install(&folder)?;
        fs::write(&mark, "")?;
    }
    Ok(folder)
}

/// Runs a tool. What it has to say is shown only if it fails.
///
/// # Errors
/// `absent`, if the tool is not there; what it said, if it fails.
pub fn run(command: &mut Command, doing: &str, absent: &str) -> Result<()> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!("{absent}"),
        Err(error) => return Err(error).with_context(|| format!("{doing}: it cannot be started")),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // The author's mistake comes first; where the tool itself stood says nothing to them.
    let said = said.split("\nStack backtrace:").next().unwrap_or_default();
    let lines: Vec<&str> = said.trim().lines().collect();
    let shown = if lines.len() > 2 * COMPLAINT_LINES {
        let (first, last) = (&lines[..COMPLAINT_LINES], &lines[lines.len() - COMPLAINT_LINES..]);
        [first, &["…"], last].concat()
    } else {
        lines
    };
    bail!("{doing} failed:\n{}", shown.join("\n"))
}

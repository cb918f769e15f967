//! What the lanes need beyond Rust. On Debian as root it is installed; elsewhere the error says what is missing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// A program from outside, and how to come by it.
pub struct Need {
    /// What the error calls it.
    pub name: &'static str,
    /// Debian packages that bring it.
    pub packages: &'static [&'static str],
    /// Finds it, if it is there.
    pub find: fn() -> Option<PathBuf>,
}

pub const POSTGRES: Need = Need {
    name: "PostgreSQL 15 or newer (initdb, pg_ctl)",
    packages: &["postgresql"],
    find: postgres_binaries,
};
pub const NODE: Need = Need {
    name: "Node.js 20 or newer, with npm",
    packages: &["nodejs", "npm"],
    find: node,
};
pub const CHROMIUM: Need = Need {
    name: "Chromium",
    packages: &["chromium"],
    find: chromium,
};
pub const WEBASSEMBLY: Need = Need {
    name: "Rust for WebAssembly (`rustup target add wasm32-unknown-unknown`, or a compiler with its library's source)",
    packages: &["rustc-web", "rust-web-src"],
    find: webassembly,
};
pub const PYTHON: Need = Need {
    name: "Python 3.10 or newer, with venv",
    packages: &["python3", "python3-venv"],
    find: python,
};

/// Where the program is, after installing it if that is possible here.
///
/// # Errors
/// When it is missing and cannot be installed: names it and the ways to get it.
pub fn ensure(need: &Need) -> Result<PathBuf> {
    if let Some(path) = (need.find)() {
        return Ok(path);
    }
    if !(is_root() && shell::exists("apt-get")) {
        bail!(
            "{} is missing: install it (on Debian: `apt-get install {}`) and put it on the PATH",
            need.name,
            need.packages.join(" ")
        );
    }
    println!("{} is missing and gets installed", need.name);
    let apt = |arguments: &[&str]| {
        shell::run(
            Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["-qq", "-o=Dpkg::Use-Pty=0"])
                .args(arguments),
        )
    };
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], need.packages].concat())?;
    match (need.find)() {
        Some(path) => Ok(path),
        None => bail!(
            "{} is still missing after installing {}; see above",
            need.name,
            need.packages.join(", ")
        ),
    }
}

pub fn is_root() -> bool {
    // The owner of one's own process entry is the effective user.
    #[cfg(target_os = "linux")]
    return std::fs::metadata("/proc/self").is_ok_and(|entry| std::os::unix::fs::MetadataExt::uid(&entry) == 0);
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// The folder of PostgreSQL's server programs: Debian keeps them off the PATH, one folder a version.
fn postgres_binaries() -> Option<PathBuf> {
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| folder.join("initdb").is_file());
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, folder)| *version >= 15 && folder.join("initdb").is_file())
        .collect();
    versions.sort();
    versions.pop().map(|(_, folder)| folder).or_else(on_path)
}

fn node() -> Option<PathBuf> {
    if !shell::exists("npm") {
        return None;
    }
    let version = shell::read(Command::new("node").arg("--version")).ok()?;
    let major: u32 = version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()?;
    (major >= 20).then(|| PathBuf::from("node"))
}

fn python() -> Option<PathBuf> {
    let is_there = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";
    shell::read(Command::new("python3").args(["-c", is_there])).ok()?;
    Some(PathBuf::from("python3"))
}

fn chromium() -> Option<PathBuf> {
    [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ]
    .into_iter()
    .map(PathBuf::from)
    .find(|path| path.is_file())
}

/// Where the standard library for WebAssembly is, or its source.
fn webassembly() -> Option<PathBuf> {
    let default = shell::read(Command::new("rustc").args(["--print", "sysroot"])).ok()?;
    let rustlib = PathBuf::from(default.trim()).join("lib/rustlib");
    [
        rustlib.join("wasm32-unknown-unknown"),
        rustlib.join("src/rust/library/std"),
        PathBuf::from("/usr/lib/rustlib/src/rust/library/std"),
    ]
    .into_iter()
    .find(|folder| folder.is_dir())
}

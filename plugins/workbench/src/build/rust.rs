//! Extensions in Rust: cargo makes a core module for `wasm32-unknown-unknown`, and `wit-component` a component
//! of it.
//!
//! Where the target is not installed, its standard library is built from source. Cargo's files of all projects are in
//! one folder, so that this, and whatever projects have in common, is done once a machine.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use wit_component::ComponentEncoder;

use super::tools::cache_dir;

const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler, which comes with the source of its standard library (`rustc-web` and `rust-web-src`).
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Builds the package in `dir` in release mode, and gives its component. What cargo says goes to `log`. Its files are
/// in `CARGO_TARGET_DIR`, or in the folder where tools are kept.
///
/// # Errors
/// When Rust cannot compile to WebAssembly here (with what to install), when the package does not compile, and
/// when it is no library of the type `cdylib` that exports a hook.
pub fn build_rust(dir: &Path, log: &mut dyn Write) -> Result<Vec<u8>> {
    let target_dir = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(dir)?,
        None => cache_dir()?.join("cargo"),
    };
    build_into(dir, target_dir, log)
}

/// As [`build_rust`], with a folder for cargo's files.
pub(super) fn build_into(dir: &Path, target_dir: PathBuf, log: &mut dyn Write) -> Result<Vec<u8>> {
    let dir = dir
        .canonicalize()
        .with_context(|| format!("There is no {}.", dir.display()))?;
    let toolchain = Toolchain::find()?;
    let workspace = Workspace::of(&toolchain, &dir, log)?;
    let held = Held::by(&workspace, &toolchain, &dir, target_dir)?;
    let mut cargo = toolchain.cargo();
    cargo
        .current_dir(&dir)
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(&held.dir)
        .env("CARGO_ENCODED_RUSTFLAGS", workspace.remapped(&held.dir));
    let module = fs::read(run(&mut cargo, &dir, log)?)?;
    drop(held);
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(ComponentEncoder::encode)
        .context("What was compiled is no extension: does it derive `Extension`, and name its hooks?")
}

/// The packages that a project is made of, as cargo sees them.
#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    /// None, if it comes from a folder of this machine.
    source: Option<String>,
    manifest_path: PathBuf,
}

impl Workspace {
    fn of(toolchain: &Toolchain, dir: &Path, log: &mut dyn Write) -> Result<Self> {
        let mut cargo = toolchain.cargo();
        cargo
            .current_dir(dir)
            .args(["metadata", "--format-version", "1", "--filter-platform", TARGET]);
        let output = cargo.stdin(Stdio::null()).output().context(NO_CARGO)?;
        log.write_all(&output.stderr)?;
        if !output.status.success() {
            bail!("Cargo cannot work with {}.", dir.join("Cargo.toml").display());
        }
        serde_json::from_slice(&output.stdout).context("Cargo describes the project in a way that is not known.")
    }

    fn own(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }

    /// Flags that keep this machine's paths out of the messages of panics. Those of packages inside the workspace are
    /// relative by themselves. The same for all projects that have nothing outside of theirs, as they have compiled
    /// code in common only under the same flags.
    fn remapped(&self, target_dir: &Path) -> OsString {
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let registry = home.map(|home| (home.join("registry/src"), "registry"));
        let outside = self
            .own()
            .filter_map(|package| Some((package.manifest_path.parent()?, package)))
            .filter(|(folder, _)| !folder.starts_with(&self.workspace_root))
            .map(|(folder, package)| (folder.to_owned(), package.name.as_str()));
        let mut flags = OsString::new();
        for (from, to) in [(target_dir.to_owned(), "target")]
            .into_iter()
            .chain(registry)
            .chain(outside)
        {
            if !flags.is_empty() {
                flags.push("\x1f");
            }
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        }
        flags
    }
}

/// A folder of cargo's files that nobody else builds in.
struct Held {
    dir: PathBuf,
    _lock: File,
}

impl Held {
    /// Waits for it. Cargo takes packages of the same name, at the same place of different workspaces, for one, and
    /// tells them apart by the times of their files alone: so what was made of another workspace's packages goes first.
    fn by(workspace: &Workspace, toolchain: &Toolchain, project: &Path, dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let lock = File::create(dir.join("tavern.lock"))?;
        lock.lock()
            .with_context(|| format!("{} cannot be locked", dir.display()))?;
        let mark = dir.join("tavern.workspace");
        let root = workspace.workspace_root.as_os_str().as_encoded_bytes();
        if fs::read(&mark).is_ok_and(|last| last != root) {
            let mut clean = toolchain.cargo();
            clean
                .current_dir(project)
                .args(["clean", "--quiet", "--release", "--target", TARGET, "--target-dir"])
                .arg(&dir);
            for package in workspace.own() {
                clean.args(["--package", &package.name]);
            }
            super::tools::run(&mut clean, "cargo clean", NO_CARGO)?;
        }
        fs::write(&mark, root)?;
        Ok(Self { dir, _lock: lock })
    }
}

const NO_CARGO: &str = "Cargo cannot be started: is Rust installed?";

/// How Rust compiles to WebAssembly here.
#[derive(Debug)]
enum Toolchain {
    /// The target is installed.
    Installed,
    /// The standard library is built too, by this compiler, which has its source.
    FromSource { rustc: PathBuf, linker: PathBuf },
}

impl Toolchain {
    fn find() -> Result<Self> {
        let default = std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from);
        let sysroot = sysroot(&default);
        let rustlib = sysroot.as_ref().map(|sysroot| sysroot.join("lib/rustlib"));
        if rustlib.as_ref().is_some_and(|rustlib| rustlib.join(TARGET).is_dir()) {
            return Ok(Self::Installed);
        }
        let linker = rustlib.and_then(|rustlib| linker(&rustlib));
        let rustc = [default, DEBIAN_RUSTC.into()].into_iter().find(|rustc| {
            self::sysroot(rustc).is_some_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std").is_dir())
        });
        match (rustc, linker) {
            (Some(rustc), Some(linker)) => Ok(Self::FromSource { rustc, linker }),
            _ => bail!(
                "Rust cannot compile to WebAssembly here. Run `rustup target add {TARGET}`; where that is not \
                 possible, install the packages `rustc-web` and `rust-web-src` of Debian."
            ),
        }
    }

    fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        if let Self::FromSource { rustc, linker } = self {
            cargo
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", rustc)
                // Building the standard library is not stable, for the compiler and for cargo.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        cargo
    }
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(path.trim()))
}

/// The linker that comes with a toolchain, in the folder of the machine it is for.
fn linker(rustlib: &Path) -> Option<PathBuf> {
    rustlib
        .read_dir()
        .ok()?
        .filter_map(Result::ok)
        .map(|folder| folder.path().join("bin/rust-lld"))
        .find(|linker| linker.is_file())
}

/// A message of cargo, as far as it is of interest.
#[derive(Deserialize)]
struct Built {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Runs cargo, and gives the module it has made of the package in `dir`.
fn run(cargo: &mut Command, dir: &Path, log: &mut dyn Write) -> Result<PathBuf> {
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context(NO_CARGO)?;
    let messages = child.stdout.take().expect("the output is piped");
    let mut said = child.stderr.take().expect("the errors are piped");
    let manifest = dir.join("Cargo.toml");
    let module = std::thread::spawn(move || {
        BufReader::new(messages)
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<Built>(&line).ok())
            .filter(|built| built.reason == "compiler-artifact" && built.manifest_path == manifest)
            .flat_map(|built| built.filenames)
            .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
            .last()
    });
    let mut buffer = [0; 4096];
    loop {
        match said.read(&mut buffer)? {
            0 => break,
            read => log.write_all(&buffer[..read])?,
        }
    }
    let module = module.join().expect("reading messages does not panic");
    if !child.wait()?.success() {
        bail!("Cargo could not build {}.", dir.display());
    }
    module.with_context(|| {
        format!(
            "{} makes no WebAssembly: its `[lib]` needs `crate-type = [\"cdylib\"]`.",
            dir.display()
        )
    })
}

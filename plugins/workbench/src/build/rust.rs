//! Extensions in Rust: cargo makes a core module for `wasm32-unknown-unknown`, and `wit-component` a component
//! of it.
//!
//! Where the target is not installed, its standard library is built from source along with the extension.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler, which comes with the source of its standard library (`rustc-web` and `rust-web-src`).
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Builds the package in `dir` in release mode, and gives its component. What cargo says goes to `log`.
///
/// # Errors
/// When Rust cannot compile to WebAssembly here (with what to install), when the package does not compile, and
/// when it is no library of the type `cdylib` that exports a hook.
pub fn build_rust(dir: &Path, log: &mut dyn Write) -> Result<Vec<u8>> {
    build_into(dir, dir, None, log)
}

/// As [`build_rust`], with the directory that its source is in, and one for cargo's files.
pub(super) fn build_into(dir: &Path, source: &Path, target_dir: Option<&Path>, log: &mut dyn Write) -> Result<Vec<u8>> {
    let dir = dir
        .canonicalize()
        .with_context(|| format!("There is no {}.", dir.display()))?;
    let mut cargo = Toolchain::find()?.cargo();
    cargo
        .current_dir(&dir)
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .env("CARGO_ENCODED_RUSTFLAGS", remapped(source)?);
    if let Some(target_dir) = target_dir {
        cargo.arg("--target-dir").arg(target_dir);
    }
    let module = std::fs::read(run(&mut cargo, &dir, log)?)?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(ComponentEncoder::encode)
        .context("What was compiled is no extension: does it derive `Extension`, and name its hooks?")
}

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

/// Flags that keep this machine's paths out of the messages of panics.
fn remapped(source: &Path) -> Result<OsString> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = OsString::from("--remap-path-prefix=");
    flags.push(source.canonicalize()?);
    flags.push("=.");
    if let Some(home) = home {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(home.join("registry/src"));
        flags.push("=registry");
    }
    Ok(flags)
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
        .context("Cargo cannot be started: is Rust installed?")?;
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

//! Fuzzing: libFuzzer on whatever reads foreign bytes. The targets are in fuzz/, a workspace of its own, because they
//! need a nightly compiler. What a run has found interesting is kept in the target directory for the next one.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// What a target gets without a wish: enough to see that it runs, and to find what is not deep.
pub const SECONDS: u64 = 10;

#[derive(clap::Args)]
pub struct Fuzz {
    /// How long each target runs.
    #[arg(long, default_value_t = SECONDS)]
    seconds: u64,
    /// Where chance begins; the same number tries much the same inputs. Another one each time if it is 0.
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// All targets if none is named.
    targets: Vec<String>,
}

impl Fuzz {
    /// `cargo xtask fuzz`: builds the targets and runs one after the other; how many inputs each was given.
    ///
    /// # Errors
    /// When a tool is missing and cannot be installed, a target does not build, or one finds something: the input is
    /// then in fuzz/artifacts.
    pub fn run(&self) -> Result<Vec<String>> {
        ensure_tools()?;
        lock_as_the_product()?;
        let home = shell::target().join("fuzz");
        let all = shell::read(cargo_fuzz("list").args(["--fuzz-dir", "fuzz"]))?;
        let targets: Vec<_> = if self.targets.is_empty() {
            all.lines().collect()
        } else {
            self.targets.iter().map(String::as_str).collect()
        };
        if let Some(unknown) = targets.iter().find(|name| !all.lines().any(|known| known == **name)) {
            bail!(
                "`{unknown}` is no fuzz target; there are {}",
                all.lines().collect::<Vec<_>>().join(", ")
            );
        }
        let mut build = cargo_fuzz("build");
        build.arg("--target-dir").arg(&home);
        // It takes one name, or none for all.
        if let [only] = targets[..] {
            build.arg(only);
        }
        shell::run(&mut build)?;
        let mut closing = Vec::new();
        for target in targets {
            let found = home.join("corpus").join(target);
            fs::create_dir_all(&found)?;
            let mut run = cargo_fuzz("run");
            run.arg("--target-dir").arg(&home).arg(target).arg(found);
            run.arg(Path::new("fuzz/seeds").join(target)).arg("--");
            // An input that takes ten seconds is a finding, however busy the machine.
            run.args(["-timeout=10", "-verbosity=0", "-print_funcs=0", "-print_final_stats=1"]);
            run.arg(format!("-max_total_time={}", self.seconds));
            run.arg(format!("-seed={}", self.seed));
            let kept = shell::run_keeping(&mut run, |line| line.starts_with("stat::number_of_executed_units"))?;
            let count = kept
                .first()
                .and_then(|line| line.split_whitespace().last())
                .unwrap_or("?");
            closing.push(format!("{target}: {count} inputs"));
        }
        Ok(closing)
    }
}

/// As a change is checked with: what it is blamed for should be its own doing.
impl Default for Fuzz {
    fn default() -> Self {
        Self {
            seconds: SECONDS,
            seed: 1,
            targets: Vec::new(),
        }
    }
}

fn cargo_fuzz(command: &str) -> Command {
    let mut cargo = Command::new("rustup");
    cargo.args(["run", "nightly", "cargo", "fuzz", command]);
    shell::forget_own_package(&mut cargo);
    cargo
}

fn ensure_tools() -> Result<()> {
    if !shell::exists("rustup") {
        bail!("rustup is missing: fuzzing needs a nightly compiler, which it brings");
    }
    if shell::read(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])).is_err() {
        println!("the nightly toolchain is missing and gets installed");
        shell::run(Command::new("rustup").args(["toolchain", "install", "nightly", "--profile", "minimal"]))
            .context("fuzzing needs the nightly toolchain: `rustup toolchain install nightly`")?;
    }
    if !shell::exists("cargo-fuzz") {
        println!("cargo-fuzz is missing and gets installed");
        shell::run(&mut shell::cargo(&["install", "--locked", "cargo-fuzz"]))
            .context("fuzzing needs cargo-fuzz: `cargo install --locked cargo-fuzz`")?;
    }
    Ok(())
}

/// What is fuzzed are the versions of the product: its lock file is where that of the targets begins.
fn lock_as_the_product() -> Result<()> {
    let (product, targets) = (Path::new("Cargo.lock"), Path::new("fuzz/Cargo.lock"));
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    if changed(targets).is_ok_and(|made| changed(product).is_ok_and(|changed| changed <= made)) {
        return Ok(());
    }
    fs::copy(product, targets).context("Cargo.lock cannot be copied to fuzz/")?;
    Ok(())
}

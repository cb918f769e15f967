//! What the figures were measured on and with.

use std::fs;
use std::process::Command;

/// Prints the machine, the versions, and what runs on which core, as `pinning` says.
pub fn print(pinning: &str) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).map_or_else(
            || "unknown".into(),
            |rest| rest.trim_start_matches([' ', '\t', ':']).to_owned(),
        )
    };
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    println!(
        "machine   {} × {}, {} of memory, Linux {}",
        cores,
        field(&cpu, "model name"),
        field(&memory, "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim()
    );
    println!(
        "versions  tavern {} ({}), {}",
        env!("CARGO_PKG_VERSION"),
        said_by("git", &["rev-parse", "--short", "HEAD"]),
        said_by("rustc", &["--version"])
    );
    println!("cores     {pinning}");
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => format!("{program} unknown"),
    }
}

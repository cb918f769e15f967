//! The lanes of the tests: what runs with Rust alone, against real services, and with other people's clients.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::fuzz::Fuzz;
use crate::guests;
use crate::machine::{self, CHROMIUM, WEBASSEMBLY};
use crate::npm;
use crate::postgres::Postgres;
use crate::report::Report;
use crate::server::{self, Server};
use crate::shell;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lane {
    /// All Rust tests on the embedded default: needs nothing but Rust, for WebAssembly too.
    Embedded,
    /// The SDK of extensions, the bundled ones and authors' projects, in Rust, JavaScript and Python.
    Guests,
    /// The tests that speak to a store, on PostgreSQL.
    Services,
    /// A running server under the clients people use, from npm.
    Conformance,
    /// The web UI: types, operations, reproducible build, a browser.
    Playground,
    /// Whatever reads foreign bytes, fuzzed for a few seconds each.
    Fuzz,
}

/// Runs the lanes named, or all.
///
/// # Errors
/// At the first lane that fails.
pub fn run(lanes: &[Lane], report: &mut Report) -> Result<()> {
    let lanes = if lanes.is_empty() {
        Lane::value_variants()
    } else {
        lanes
    };
    for lane in lanes {
        match lane {
            Lane::Embedded => report.step("embedded", embedded)?,
            Lane::Guests => report.step("guests", guests::test)?,
            Lane::Services => report.step("services", services)?,
            Lane::Conformance => report.step("conformance", conformance)?,
            Lane::Playground => report.step("playground", playground)?,
            Lane::Fuzz => report.step("fuzz", || Fuzz::default().run())?,
        }
    }
    Ok(())
}

fn embedded() -> Result<Vec<String>> {
    // Tests build extensions, which they run in the sandbox.
    machine::ensure(&WEBASSEMBLY)?;
    cargo_test(&["--workspace"], Tests::Usual, None)
}

fn services() -> Result<Vec<String>> {
    let postgres = Postgres::start("tests")?;
    let stores = ["--package", "tavern-storage", "--package", "tavern"];
    cargo_test(&stores, Tests::Usual, Some(&postgres))
}

/// Which tests of a selection run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tests {
    Usual,
    /// Those that need more than Rust, or long.
    Ignored,
}

/// Runs tests of the workspace, by nextest where there is one; what they say at the end.
///
/// # Errors
/// When one fails.
pub fn cargo_test(selection: &[&str], tests: Tests, postgres: Option<&Postgres>) -> Result<Vec<String>> {
    let nextest = shell::exists("cargo-nextest");
    let mut command = shell::cargo(if nextest {
        &["nextest", "run", "--locked", "--no-fail-fast"]
    } else {
        &["test", "--locked", "--no-fail-fast"]
    });
    command.args(selection);
    if tests == Tests::Ignored {
        let ignored: &[&str] = if nextest {
            &["--run-ignored", "only"]
        } else {
            &["--", "--ignored"]
        };
        command.args(ignored);
    }
    match postgres {
        Some(postgres) => command.env("TAVERN_TEST_POSTGRES_URL", postgres.url()),
        // A variable left in the caller's shell would turn this into another lane.
        None => command.env_remove("TAVERN_TEST_POSTGRES_URL"),
    };
    shell::run_keeping(&mut command, |line| {
        line.trim_start().starts_with("Summary [") || line.starts_with("test result:")
    })
}

fn conformance() -> Result<Vec<String>> {
    let folder = Path::new("tests/conformance");
    npm::install(folder)?;
    let server = Server::start(&server::build()?, "conformance")?;
    let closing = shell::run_keeping(
        npm::npm(folder, &["test", "--silent"])?.env("BASE_URL", server.url()),
        |line| line.starts_with("conformance:"),
    )?;
    server.stop()?;
    Ok(closing)
}

fn playground() -> Result<Vec<String>> {
    let folder = Path::new("playground");
    npm::install(folder)?;
    shell::run(&mut npm::npm(folder, &["run", "check"])?)?;
    npm::check_playground_is_reproducible()?;
    let browser = machine::ensure(&CHROMIUM)?;
    let server = Server::start(&server::build()?, "playground")?;
    let screenshots = shell::target().join("screenshots");
    std::fs::create_dir_all(&screenshots)?;
    let mut e2e = Command::new("node");
    e2e.current_dir(folder)
        .arg("e2e/chat.mjs")
        .env("BASE_URL", server.url())
        .env("CHROMIUM", browser)
        .env("SCREENSHOTS", &screenshots);
    let card = shell::root().join("../shared/data/sillytavern/Seraphina.png");
    if card.is_file() {
        e2e.env("CARD", card);
    }
    let closing = shell::run_keeping(&mut e2e, |line| line == "all checks passed")?;
    server.stop()?;
    Ok(closing)
}

//! `cargo xtask`: what a developer or the continuous integration asks of this repository, in one word each.
//!
//! Every task says what it runs and how long it took, stops at the first failure, and ends the servers it started.

mod bench;
mod ci;
mod fuzz;
mod guests;
mod lanes;
mod machine;
mod npm;
mod postgres;
mod report;
mod server;
mod shell;
mod wit;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use lanes::Lane;
use report::Report;

/// Tasks of the TavernAI Plus repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the tests: all lanes, or those named.
    Test {
        /// May be given several times.
        #[arg(long = "lane", value_enum)]
        lanes: Vec<Lane>,
    },
    /// Everything a change must pass: format, lints, lock file, all lanes.
    Ci,
    /// Fuzz whatever reads foreign bytes.
    Fuzz(fuzz::Fuzz),
    /// A throw-away PostgreSQL for developing against.
    Services {
        #[arg(value_enum)]
        action: postgres::Action,
    },
    /// Measure a release build; figures are printed, never asserted.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Write schema/schema.graphql from the schema as compiled.
    Schema,
    /// Build the bundled extensions into target/guests, or publish them on a server.
    Guests(guests::Guests),
    /// Build the web UI into playground/dist.
    Playground,
    /// The versions of the interface of extensions.
    #[command(subcommand)]
    Wit(wit::Wit),
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    // Paths below are relative to the workspace, wherever the task was called from.
    std::env::set_current_dir(shell::root())?;
    match task {
        Task::Test { lanes } => {
            let mut report = Report::default();
            let outcome = lanes::run(&lanes, &mut report);
            report.print();
            outcome
        }
        Task::Ci => {
            let mut report = Report::default();
            let outcome = ci::run(&mut report);
            report.print();
            outcome
        }
        Task::Fuzz(fuzz) => {
            let mut report = Report::default();
            let outcome = report.step("fuzz", || fuzz.run());
            report.print();
            outcome
        }
        Task::Services { action } => postgres::services(action),
        Task::Bench(bench) => bench.run(),
        Task::Schema => server::write_schema(),
        Task::Guests(guests) => guests.run(),
        Task::Playground => npm::build_playground(),
        Task::Wit(wit) => wit.run(),
    }
}

//! `tavern-bench`: measures the release binary, prints figures, asserts nothing. Started by `cargo xtask bench`.
//!
//! Everything runs on one machine: servers on core 0, load and databases on core 1, so a figure says what the server
//! costs and not what is left of it.

mod floor;
mod graphql;
mod hold;
mod http;
mod load;
mod machine;
mod process;
mod provider;
mod seed;
mod server;
mod sockets;
mod statistics;
mod streams;

use anyhow::Result;
use clap::{Parser, Subcommand};

// The allocator of `tavern`, so that the floor does not lose or win by its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Benchmarks of TavernAI Plus.
#[derive(Parser)]
#[command(name = "tavern-bench")]
enum Cli {
    Graphql(graphql::Options),
    Sockets(sockets::Options),
    #[command(subcommand, hide = true)]
    Part(Part),
}

/// What the benchmarks start as processes of their own.
#[derive(Subcommand)]
enum Part {
    Floor(floor::Options),
    Hold(hold::Options),
}

fn main() -> Result<()> {
    match Cli::parse() {
        Cli::Part(Part::Floor(options)) => threaded()?.block_on(floor::serve(options)),
        Cli::Part(Part::Hold(options)) => single()?.block_on(hold::hold(options)),
        Cli::Graphql(options) => {
            process::pin_self(process::LOAD_CORE);
            single()?.block_on(graphql::run(options))
        }
        Cli::Sockets(options) => {
            process::pin_self(process::LOAD_CORE);
            single()?.block_on(sockets::run(options))
        }
    }
}

/// As `tavern` itself runs: one worker for each core it may use.
fn threaded() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new()
}

/// Load comes from one core, so one thread makes it without the cost of several.
fn single() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

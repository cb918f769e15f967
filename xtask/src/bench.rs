//! Benchmarks: builds the release binaries and hands over to `tavern-bench`, `tavern-bench-prompt` or
//! `tavern-bench-plugins`, which measure and print.

use std::process::Command;

use anyhow::Result;
use clap::Subcommand;

use crate::postgres::Postgres;
use crate::shell;

#[derive(Subcommand)]
pub enum Bench {
    /// Requests per second and CPU per request, against hand-written handlers that send the same bytes.
    Graphql {
        /// Also on PostgreSQL, which is started for it.
        #[arg(long)]
        postgres: bool,
        /// Passed on to `tavern-bench graphql`; see its --help.
        #[arg(last = true)]
        options: Vec<String>,
    },
    /// What extensions cost: sandboxes, calls, filters, loading, memory; beside Wasmtime alone.
    Plugins {
        /// Passed on to `tavern-bench-plugins`; see its --help.
        #[arg(last = true)]
        options: Vec<String>,
    },
    /// What the prompt engine takes, beside a floor and the times of SillyTavern's own code.
    Prompt {
        /// Passed on to `tavern-bench-prompt`; see its --help.
        #[arg(last = true)]
        options: Vec<String>,
    },
    /// Memory per idle WebSocket, and latency from the provider to the client.
    Sockets {
        /// Sockets to open.
        #[arg(long, default_value_t = 10_000)]
        conns: u32,
        /// Replies streamed at once.
        #[arg(long, default_value_t = 500)]
        streams: u32,
        /// Passed on to `tavern-bench sockets`; see its --help.
        #[arg(last = true)]
        options: Vec<String>,
    },
}

impl Bench {
    /// # Errors
    /// When something does not build or start; figures never fail.
    pub fn run(&self) -> Result<()> {
        let packages: &[_] = match self {
            Self::Plugins { .. } => &["tavern-bench-plugins"],
            Self::Prompt { .. } => &["tavern-bench-prompt"],
            Self::Graphql { .. } | Self::Sockets { .. } => &["tavern", "tavern-bench"],
        };
        let mut build = shell::cargo(&["build", "--locked", "--release"]);
        for package in packages {
            build.args(["--package", package]);
        }
        shell::run(&mut build)?;
        let release = shell::target().join("release");
        let mut bench = Command::new(release.join("tavern-bench"));
        bench.env("TAVERN_BINARY", release.join("tavern"));
        match self {
            Self::Plugins { options } => shell::run(Command::new(release.join("tavern-bench-plugins")).args(options)),
            Self::Prompt { options } => shell::run(Command::new(release.join("tavern-bench-prompt")).args(options)),
            Self::Graphql { postgres, options } => {
                bench.arg("graphql").args(options);
                let server = postgres.then(|| Postgres::start("bench")).transpose()?;
                if let Some(server) = &server {
                    bench.args(["--postgres", &server.url()]);
                }
                shell::run(&mut bench)
            }
            Self::Sockets {
                conns,
                streams,
                options,
            } => shell::run(
                bench
                    .args([
                        "sockets",
                        "--conns",
                        &conns.to_string(),
                        "--streams",
                        &streams.to_string(),
                    ])
                    .args(options),
            ),
        }
    }
}

//! The author's tools by themselves, without a server.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "tavern-extension", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile a component from standard input to standard output: what the host runs for itself.
    #[command(hide = true)]
    CompileExtension,
    #[command(flatten)]
    Extension(tavern_workbench::Command),
}

fn main() -> ExitCode {
    let command = match Cli::parse().command {
        Command::CompileExtension => std::process::exit(tavern_plugins::compile::worker()),
        Command::Extension(command) => command,
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tavern-extension: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(command: tavern_workbench::Command) -> anyhow::Result<()> {
    Box::pin(tavern_workbench::run(command)).await
}

//! Memory and processor time of idle sockets, then the way of a token from provider to client while they stay open.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;

use crate::http::Connection;
use crate::process::{self, LOAD_CORE, Process};
use crate::provider::{self, Pace};
use crate::{machine, server, streams};

/// Memory per idle WebSocket, and latency from the provider's write to the client's frame.
#[derive(clap::Args)]
pub struct Options {
    /// Idle sockets, each signed in, with one subscription to the events of a session of its own.
    #[arg(long, default_value_t = 10_000)]
    conns: usize,
    /// Replies streamed at once while the idle sockets stay open; 0 leaves them out.
    #[arg(long, default_value_t = 500)]
    streams: usize,
    /// Seconds a reply lasts.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Milliseconds between two tokens of a reply.
    #[arg(long, default_value_t = 50)]
    token_ms: u32,
    /// Accounts the sockets belong to.
    #[arg(long, default_value_t = 20)]
    users: usize,
}

/// Files a process has open besides sockets: database, log, listener, runtime.
const SPARE_FILES: usize = 500;

/// # Errors
/// When the server refuses, or this machine does not let one process open so many files.
pub async fn run(options: Options) -> Result<()> {
    machine::print(&process::pinning());
    let files = open_files()?;
    let wanted = options.conns + options.streams * 3 + SPARE_FILES;
    if wanted > files {
        bail!(
            "one process may open {files} files here; {} sockets and {} streams need {wanted}",
            options.conns,
            options.streams
        );
    }
    let folder = tempfile::tempdir()?;
    let pace = Pace {
        tokens: options.seconds * 1000 / options.token_ms,
        every: Duration::from_millis(options.token_ms.into()),
    };
    let provider = provider::serve(pace).await?;
    let config = folder.path().join("tavern.toml");
    fs::write(&config, configuration(provider))?;
    let many = wanted.to_string();
    let limits = [
        "CONNECTIONS",
        "CONNECTIONS_PER_ADDRESS",
        "SOCKETS_PER_USER",
        "SESSIONS_PER_USER",
        "GENERATIONS_PER_USER",
        "GENERATIONS",
        "REGISTRATIONS_PER_HOUR",
    ];
    let settings: Vec<_> = limits
        .iter()
        .map(|limit| (format!("TAVERN__LIMITS__{limit}"), many.clone()))
        .collect();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let tavern = server::start(folder.path(), Some(&config), &settings)?;
    let desks = furnish(&tavern, options.conns.max(options.streams), options.users).await?;

    let mut idle = Idle {
        tavern: &tavern,
        holders: Vec::new(),
        open: 0,
    };
    let (mut before, empty) = (tavern.rss()?, tavern.rss()?);
    println!("\n{:>8} sockets  {:>8.1} MiB resident", 0, mebibytes(empty));
    for half in desks[..options.conns].chunks(options.conns.div_ceil(2).max(1)) {
        idle.open(half)?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = tavern.rss()?;
        println!(
            "{:>8} sockets  {:>8.1} MiB resident  {:>6} bytes for each of the last {}",
            idle.open,
            mebibytes(now),
            now.saturating_sub(before) / half.len() as u64,
            half.len()
        );
        before = now;
    }
    if idle.open > 0 {
        let seconds = 30;
        let cpu = tavern.cpu()?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let cpu = (tavern.cpu()? - cpu).as_micros() / u128::from(seconds) / idle.open as u128;
        println!(
            "{} bytes a socket over all; {cpu} µs of processor time a second for each, over {seconds} s with pings",
            (before - empty) / idle.open as u64
        );
    }
    if options.streams > 0 {
        println!(
            "\n{} replies at once, a token every {} ms, {} s each, {} idle sockets open",
            options.streams, options.token_ms, options.seconds, idle.open
        );
        let cpu = tavern.cpu()?;
        let start = std::time::Instant::now();
        streams::run(tavern.addr, &desks[..options.streams], pace.tokens).await?;
        println!(
            "server                     {:.0} % of a core",
            (tavern.cpu()? - cpu).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0
        );
    }
    idle.close()
}

fn configuration(provider: std::net::SocketAddr) -> String {
    format!(
        r#"[[providers]]
name = "bench"
kind = "openai"
base_url = "http://{provider}/v1"
api_key = "none"
[[models]]
name = "bench"
context_tokens = 32768
max_output_tokens = 8192
prompt_price = 0
completion_price = 0
deployments = [{{ provider = "bench", model = "bench" }}]
"#
    )
}

/// Accounts with a character each, and `count` sessions dealt out among them: pairs of token and session id.
async fn furnish(tavern: &Process, count: usize, users: usize) -> Result<Vec<(String, String)>> {
    let mut connection = Connection::open(tavern.addr).await?;
    let mut owners = Vec::new();
    for user in 0..users {
        let token = server::register(&mut connection, &format!("bench-{user}")).await?;
        let made = connection
            .graphql(
                Some(&token),
                "mutation Create($input: CreateCharacterInput!) { createCharacter(input: $input) { character { id } userErrors { message } } }",
                json!({ "input": { "name": "Keeper", "description": "Keeps the lighthouse.", "firstMessage": "Good evening." } }),
            )
            .await?;
        owners.push((
            token,
            made["createCharacter"]["character"]["id"]
                .as_str()
                .context("no character")?
                .to_owned(),
        ));
    }
    stream::iter((0..count).map(|number| owners[number % owners.len()].clone()))
        .map(|(token, character)| async move {
            let made = Connection::open(tavern.addr)
                .await?
                .graphql(
                    Some(&token),
                    "mutation Create($input: CreateChatSessionInput!) { createChatSession(input: $input) { chatSession { id } userErrors { message } } }",
                    json!({ "input": { "characterIds": [character], "model": "bench" } }),
                )
                .await?;
            let session = made["createChatSession"]["chatSession"]["id"].as_str().context("no session")?.to_owned();
            Ok((token, session))
        })
        .buffered(16)
        .try_collect()
        .await
}

/// The processes that hold the idle sockets.
struct Idle<'a> {
    tavern: &'a Process,
    holders: Vec<Child>,
    open: usize,
}

impl Idle<'_> {
    /// Starts one more process with a socket for each of `desks`; returns when all are subscribed.
    fn open(&mut self, desks: &[(String, String)]) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["part", "hold", "--addr", &self.tavern.addr.to_string()]);
        let mut holder = process::pinned(&command, LOAD_CORE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = holder.stdin.as_mut().expect("stdin is piped");
        for (token, session) in desks {
            writeln!(input, "{token} {session}")?;
        }
        writeln!(input)?;
        let mut answer = String::new();
        BufReader::new(holder.stdout.take().expect("stdout is piped")).read_line(&mut answer)?;
        self.holders.push(holder);
        if answer.trim() != "ready" {
            bail!("the sockets could not be opened");
        }
        self.open += desks.len();
        Ok(())
    }

    /// # Errors
    /// When a socket broke while it was held.
    fn close(&mut self) -> Result<()> {
        for mut holder in self.holders.drain(..) {
            drop(holder.stdin.take());
            if !holder.wait()?.success() {
                bail!("idle sockets broke while they were held");
            }
        }
        Ok(())
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            // Errors mean that it is gone already.
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// How many files one process may have open.
fn open_files() -> Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .context("no limit of open files in /proc/self/limits")?;
    Ok(line
        .split_whitespace()
        .next()
        .context("an unknown form of /proc/self/limits")?
        .parse()
        .unwrap_or(usize::MAX))
}

#[allow(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

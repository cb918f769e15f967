//! Requests per second and processor time per request: the server beside hand-written handlers that send the same bytes.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::http::{Connection, graphql_request};
use crate::load::{self, Request, Round};
use crate::process::{self, Process, free_address};
use crate::statistics::Spread;
use crate::{machine, seed, server};

/// Requests per second, latency and CPU per request, against hand-written handlers that send the same bytes.
#[derive(clap::Args)]
pub struct Options {
    /// URL of an empty PostgreSQL database to measure on as well; it is filled.
    #[arg(long)]
    postgres: Option<String>,
    #[arg(long, default_value_t = 10_000)]
    characters: u32,
    #[arg(long, default_value_t = 1_000)]
    users: u32,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Rounds of each handler, in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of one round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

const CHARACTERS: &str = "query Gallery { characters(first: 20, orderBy: POPULAR) { edges { node { id name tags isNsfw rating ratingCount chatCount favoriteCount createdAt creator { username displayName } } } pageInfo { hasNextPage } } }";
const TYPENAME: &str = "{ __typename }";

/// # Errors
/// When something does not start, or the two sides send different bytes.
pub async fn run(options: Options) -> Result<()> {
    machine::print(&process::pinning());
    println!(
        "load      {} connections, {} rounds of {} s for each handler, in turn; medians (least–greatest)",
        options.connections, options.rounds, options.seconds
    );
    println!("data      {} characters of {} users", options.characters, options.users);
    let folder = tempfile::tempdir()?;
    let sqlite = format!("sqlite://{}", folder.path().join("bench.db").display());
    compare("SQLite", &format!("{sqlite}?mode=rwc"), folder.path(), &options).await?;
    if let Some(url) = &options.postgres {
        compare("PostgreSQL", url, folder.path(), &options).await?;
    }
    Ok(())
}

async fn compare(store: &str, database: &str, folder: &Path, options: &Options) -> Result<()> {
    seed::fill(database, &folder.join("objects"), options.users, options.characters).await?;
    let ours = server::start(folder, None, &[("TAVERN__DATABASE__URL", database.to_owned())])?;
    let addr = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["part", "floor", "--listen", &addr.to_string(), "--database", database]);
    let floor = Process::start(&command, addr, &folder.join("floor.log"))?;
    let token = server::register(&mut Connection::open(ours.addr).await?, "bench").await?;

    for (name, query, path) in [
        ("characters(first: 20)", CHARACTERS, "/graphql"),
        (TYPENAME, TYPENAME, "/typename"),
    ] {
        let body = serde_json::json!({ "query": query }).to_string();
        let request = graphql_request(Some(&token), &body);
        let floor_request = String::from_utf8(request.clone())?
            .replacen("/graphql", path, 1)
            .into_bytes();
        let answer = same_answer(&floor, &floor_request, &ours, &request).await?;
        println!("\n{name} on {store}: {} bytes, the same from both", answer.len());
        let floor_request = Request {
            bytes: floor_request.into(),
            answer: answer.clone(),
        };
        let request = Request {
            bytes: request.into(),
            answer,
        };

        let duration = Duration::from_secs(options.seconds);
        let (mut of_floor, mut of_ours) = (Vec::new(), Vec::new());
        for (process, request) in [(&floor, &floor_request), (&ours, &request)] {
            load::round(process, request, options.connections, Duration::from_secs(1)).await?;
        }
        for _ in 0..options.rounds {
            of_floor.push(load::round(&floor, &floor_request, options.connections, duration).await?);
            of_ours.push(load::round(&ours, &request, options.connections, duration).await?);
        }
        print(&of_floor, &of_ours);
    }
    Ok(())
}

/// What both send, byte for byte.
async fn same_answer(floor: &Process, floor_request: &[u8], ours: &Process, request: &[u8]) -> Result<Arc<[u8]>> {
    let expected = Connection::open(floor.addr)
        .await?
        .exchange(floor_request)
        .await?
        .to_vec();
    let mut connection = Connection::open(ours.addr).await?;
    let answer = connection.exchange(request).await?;
    if answer != expected {
        bail!(
            "the two do not send the same:\nfloor {}\nours  {}",
            String::from_utf8_lossy(&expected),
            String::from_utf8_lossy(answer)
        );
    }
    Ok(expected.into())
}

fn print(floor: &[Round], ours: &[Round]) {
    println!("  {:<18} {:>26} {:>26} {:>8}", "", "floor", "tavern", "ratio");
    let line = |name: &str, figure: fn(&Round) -> f64| {
        let (floor, ours) = (
            Spread::of(floor.iter().map(figure)),
            Spread::of(ours.iter().map(figure)),
        );
        println!(
            "  {name:<18} {:>26} {:>26} {:>8.2}",
            floor.to_string(),
            ours.to_string(),
            ours.median / floor.median
        );
    };
    line("requests/s", |round| round.requests_per_second);
    line("p50 µs", |round| round.p50);
    line("p99 µs", |round| round.p99);
    line("CPU µs a request", |round| round.cpu);
}

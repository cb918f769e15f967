//! `tavern-bench-plugins`: measures what extensions cost, prints figures, asserts nothing. Started by
//! `cargo xtask bench plugins`.
//!
//! Guests are built from source. What is measured of the host is measured through [`TurnHooks`], as a turn
//! calls it: permissions, limits, traces and events are on. Beside stand the aim and, where it means something,
//! Wasmtime alone in the same run.

mod bare;
mod house;
#[path = "../../bench/src/machine.rs"]
mod machine;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "spreads are for few values, and here are many")
)]
#[path = "../../bench/src/statistics.rs"]
mod statistics;

use std::fs;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::{Parser, ValueEnum};
use tavern_domain::extension::{Hook, Outcome};
use tavern_plugins::turn::TurnHooks;
use tempfile::TempDir;

use bare::{Bare, Counted};
use house::Guest;
use statistics::percentile;

/// The argument by which this program is the one that compiles.
pub const COMPILE: &str = "compile-extension";

// The allocator of `tavern`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Benchmarks of the host of extensions.
#[derive(Parser)]
#[command(name = "tavern-bench-plugins")]
struct Options {
    /// All parts if none is named.
    parts: Vec<Part>,
    /// Sandboxes of the soak.
    #[arg(long, default_value_t = 100_000)]
    soak: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A fresh sandbox and one call, and a call of a warm one.
    Call,
    /// Five extensions in a turn.
    Chain,
    /// A stream filter, per flush.
    Filter,
    /// Guests that bring an interpreter along.
    Runtimes,
    /// Compiling, and loading what was compiled.
    Load,
    /// What fuel and epochs cost.
    Counting,
    /// Memory of a warm sandbox, and of very many fresh ones.
    Memory,
}

fn main() -> Result<()> {
    if std::env::args().nth(1).is_some_and(|argument| argument == COMPILE) {
        std::process::exit(tavern_plugins::compile::worker());
    }
    let options = Options::parse();
    let wants = |part| options.parts.is_empty() || options.parts.contains(&part);
    let guests = Guests::build(wants(Part::Runtimes) || wants(Part::Load))?;
    machine::print("one for the guests; the ticker of epochs and the compiler take the other");
    println!("rounds    warmed; p50 and p99 of single calls");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cache = tempfile::tempdir()?;
        if wants(Part::Call) {
            Box::pin(call(&guests, &cache)).await?;
        }
        if wants(Part::Chain) {
            Box::pin(chain(&guests, &cache)).await?;
        }
        if wants(Part::Filter) {
            Box::pin(filter(&guests, &cache)).await?;
        }
        if wants(Part::Runtimes) {
            Box::pin(runtimes(&guests, &cache)).await?;
        }
        if wants(Part::Load) {
            Box::pin(load(&guests)).await?;
        }
        if wants(Part::Counting) {
            Box::pin(counting(&guests)).await?;
        }
        if wants(Part::Memory) {
            Box::pin(memory(&guests, &cache, options.soak)).await?;
        }
        Ok(())
    })
}

/// What is measured with.
struct Guests {
    small: Guest,
    large: Vec<Guest>,
}

impl Guests {
    fn build(with_large: bool) -> Result<Self> {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/guest");
        let small = tavern_workbench::build::build_rust(here.as_ref(), &mut std::io::stderr())?;
        let manifest = fs::read_to_string(format!("{here}/extension.toml"))?;
        let mut large = Vec::new();
        if with_large {
            for (name, folder) in [("JavaScript", "scene-clock"), ("Python", "name-keeper")] {
                let folder = format!("{}/../../plugins/bundled/{folder}", env!("CARGO_MANIFEST_DIR"));
                let component = tavern_workbench::build::bundled(folder.rsplit('/').next().unwrap_or_default())?;
                let manifest = fs::read_to_string(format!("{folder}/extension.toml"))?;
                large.push(Guest::read(name, fs::read(component)?, &manifest)?);
            }
        }
        Ok(Self {
            small: Guest::read("Rust", small, &manifest)?,
            large,
        })
    }
}

/// Nanoseconds of single calls: p50 and p99.
struct Times {
    p50: f64,
    p99: f64,
}

impl Times {
    fn of(mut times: Vec<u32>) -> Self {
        let micros = |nanos: u32| f64::from(nanos) / 1000.0;
        Self {
            p50: micros(percentile(&mut times, 0.5)),
            p99: micros(percentile(&mut times, 0.99)),
        }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:9.1} µs  p99 {:9.1} µs", self.p50, self.p99)
    }
}

/// Calls `work` for a second, or as often as `most`, after a tenth of that.
async fn measure<F: Future<Output = Result<Duration>>>(most: usize, mut work: impl FnMut() -> F) -> Result<Times> {
    let warm = Instant::now();
    while warm.elapsed() < Duration::from_millis(100) {
        work().await?;
    }
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < most && begun.elapsed() < Duration::from_secs(1) {
        times.push(u32::try_from(work().await?.as_nanos()).unwrap_or(u32::MAX));
    }
    Ok(Times::of(times))
}

/// That what was measured is what was meant.
fn succeeded(hooks: &mut TurnHooks) -> Result<()> {
    for trace in hooks.take_traces() {
        ensure!(
            matches!(trace.outcome, Outcome::Ok | Outcome::Skipped),
            "{} ended as {:?}: {:?}",
            trace.extension,
            trace.outcome,
            trace.notes
        );
    }
    Ok(())
}

async fn call(guests: &Guests, cache: &TempDir) -> Result<()> {
    println!(
        "\na small Rust guest ({} KB), fresh store, instance and call, all limits on",
        guests.small.component.len() / 1000
    );
    let host = house::host(cache)?;
    let chain = guests.small.chain(1);
    house::prepare(&host, &chain).await?;
    let bare = Bare::new(&guests.small.component, Counted::default())?;
    for (messages, aim) in [(0, "45 µs"), (50, "100 µs")] {
        let history = house::history(messages);
        let ours = measure(100_000, || async {
            let mut hooks = house::turn(&host, &chain);
            let begun = Instant::now();
            hooks.before_prompt(&history).await;
            hooks.end_prompt();
            let taken = begun.elapsed();
            succeeded(&mut hooks)?;
            Ok(taken)
        });
        let ours = ours.await?;
        let turn = bare::turn();
        let floor = measure(100_000, || async {
            let begun = Instant::now();
            bare.fresh(&turn, &history).await?;
            Ok(begun.elapsed())
        });
        println!(
            "  {messages:3} messages  {ours}   aim {aim}; bare Wasmtime {}",
            floor.await?
        );
    }
    for messages in [0, 50] {
        let history = house::history(messages);
        let mut hooks = house::turn(&host, &chain);
        hooks.before_prompt(&history).await;
        let mut times = Vec::new();
        for _ in 0..20_000 {
            let begun = Instant::now();
            hooks.before_prompt(&history).await;
            times.push(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        succeeded(&mut hooks)?;
        let turn = bare::turn();
        let begun = Instant::now();
        bare.calls(&turn, &history, 20_000).await?;
        let floor = begun.elapsed().as_secs_f64() * 1e6 / 20_000.0;
        println!(
            "  warm, {messages:3} messages  {}   bare Wasmtime {floor:.1} µs on average",
            Times::of(times)
        );
    }
    Ok(())
}

async fn chain(guests: &Guests, cache: &TempDir) -> Result<()> {
    println!("\nfive extensions that do nothing at before-prompt, world-info and prompt-transform, added to a turn");
    let host = house::host(cache)?;
    let chain = guests.small.chain(5);
    house::prepare(&host, &chain).await?;
    let history = house::history(20);
    let times = measure(100_000, || async {
        let prompt = history.clone();
        let mut hooks = house::turn(&host, &chain);
        let begun = Instant::now();
        hooks.before_prompt(&history).await;
        hooks.select(&history, Vec::new()).await;
        hooks.transform(prompt, 7_680).await;
        hooks.end_prompt();
        let taken = begun.elapsed();
        succeeded(&mut hooks)?;
        Ok(taken)
    });
    println!("  20 messages   {}   aim 500 µs (p50)", times.await?);
    Ok(())
}

async fn filter(guests: &Guests, cache: &TempDir) -> Result<()> {
    println!("\na stream filter that lets all pass, warm, per flush of a sentence");
    let host = house::host(cache)?;
    let chain = guests.small.chain(1);
    house::prepare(&host, &chain).await?;
    let hooks = house::turn(&host, &chain);
    let mut times = Vec::new();
    // Replies of usual length, because a reply has its fuel.
    for _ in 0..200 {
        let mut filters = hooks.filters().context("the guest filters")?;
        filters.push("The lantern swings. ").await;
        for _ in 0..50 {
            let begun = Instant::now();
            filters.push("Somebody walks up the stairs, slowly. ").await;
            times.push(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        filters.finish().await;
        for trace in filters.take_traces().await {
            ensure!(
                trace.outcome == Outcome::Ok,
                "the filter ended as {:?}: {:?}",
                trace.outcome,
                trace.notes
            );
        }
    }
    println!("  38 bytes      {}   aim 30 µs (p50)", Times::of(times));
    Ok(())
}

async fn runtimes(guests: &Guests, cache: &TempDir) -> Result<()> {
    println!("\nguests that bring an interpreter along, fresh store, instance and call");
    let host = house::host(cache)?;
    for guest in &guests.large {
        ensure!(
            guest.has(Hook::BeforePrompt),
            "{} is called at before-prompt",
            guest.name
        );
        let chain = guest.chain(1);
        house::prepare(&host, &chain).await?;
        let history = house::history(10);
        let times = measure(1_000, || async {
            let mut hooks = house::turn(&host, &chain);
            let begun = Instant::now();
            hooks.before_prompt(&history).await;
            hooks.end_prompt();
            let taken = begun.elapsed();
            succeeded(&mut hooks)?;
            Ok(taken)
        });
        println!(
            "  {:10} {:5.1} MB  {}",
            guest.name,
            mega(guest.component.len()),
            times.await?
        );
    }
    Ok(())
}

async fn load(guests: &Guests) -> Result<()> {
    println!("\nthe first call after a component was published, and after a restart of the server");
    for guest in [&guests.small].into_iter().chain(&guests.large) {
        let cache = tempfile::tempdir()?;
        let chain = guest.chain(1);
        let mut taken = Vec::new();
        for _ in 0..6 {
            let host = house::host(&cache)?;
            let mut hooks = house::turn(&host, &chain);
            let begun = Instant::now();
            house::prepare(&host, &chain).await?;
            hooks.before_prompt(&[]).await;
            taken.push(begun.elapsed());
            succeeded(&mut hooks)?;
        }
        let loaded = taken[1..].iter().min().copied().unwrap_or_default();
        println!(
            "  {:10} compiled in a process of its own {:8.1} ms, loaded {:6.2} ms",
            guest.name,
            taken[0].as_secs_f64() * 1e3,
            loaded.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// In turns, because a machine's speed changes between them.
async fn counting(guests: &Guests) -> Result<()> {
    println!("\nwhat counting costs: bare Wasmtime, fresh store, instance and call with 50 messages");
    let (turn, history) = (bare::turn(), house::history(50));
    let kinds = [
        ("neither", false, false),
        ("epochs", false, true),
        ("fuel", true, false),
        ("both", true, true),
    ];
    let engines = kinds.map(|(_, fuel, epochs)| Bare::new(&guests.small.component, Counted { fuel, epochs }));
    let mut times: [Vec<u32>; 4] = Default::default();
    for _ in 0..20 {
        for (engine, times) in engines.iter().zip(&mut times) {
            let engine = engine.as_ref().map_err(|error| anyhow!("{error:#}"))?;
            for round in 0..2_500 {
                let begun = Instant::now();
                engine.fresh(&turn, &history).await?;
                if round >= 500 {
                    times.push(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX));
                }
            }
        }
    }
    let times = times.map(Times::of);
    for ((name, ..), taken) in kinds.iter().zip(&times) {
        println!(
            "  {name:8} {taken}   {:+.0} %",
            (taken.p50 / times[0].p50 - 1.0) * 100.0
        );
    }
    Ok(())
}

async fn memory(guests: &Guests, cache: &TempDir, soak: u32) -> Result<()> {
    println!("\nmemory");
    let host = house::host(cache)?;
    let chain = guests.small.chain(1);
    house::prepare(&host, &chain).await?;
    let turn = house::turn(&host, &chain);
    const WARM: usize = 32;
    let mut open = Vec::new();
    let before = resident()?;
    for _ in 0..WARM {
        let mut filters = turn.filters().context("the guest filters")?;
        filters.push("A sentence. ").await;
        open.push(filters);
    }
    let warm = resident()?.saturating_sub(before) / WARM;
    println!(
        "  a warm sandbox of a stream filter: {} KB resident ({WARM} at once)",
        warm / 1000
    );
    drop(open);
    let mut marks = Vec::new();
    let begun = Instant::now();
    for number in 1..=soak {
        let mut hooks = house::turn(&host, &chain);
        hooks.before_prompt(&[]).await;
        hooks.end_prompt();
        succeeded(&mut hooks)?;
        if number.is_multiple_of((soak / 10).max(1)) {
            marks.push(resident()?);
        }
    }
    let (first, last) = (marks.first().copied().unwrap_or(0), marks.last().copied().unwrap_or(0));
    println!(
        "  {soak} fresh sandboxes in {:.1} s: {:.1} MB resident after a tenth of them, {:.1} MB at the end ({:+.1} bytes each)",
        begun.elapsed().as_secs_f64(),
        mega(first),
        mega(last),
        (mega(last) - mega(first)) * 1e6 / (f64::from(soak) * 0.9)
    );
    Ok(())
}

/// Bytes of this process that are in memory.
fn resident() -> Result<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

#[allow(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

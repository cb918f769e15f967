//! `tavern-bench-prompt`: measures the prompt engine alone, prints figures, asserts nothing. Started by
//! `cargo xtask bench prompt`.
//!
//! Beside each figure stand the aim, what SillyTavern's own code needs for the same work, and, where it means
//! something, a floor measured in the same run: what the bare work on the same bytes takes with the usual libraries.

mod assembly;
mod card;
mod data;
mod lore;
#[path = "../../bench/src/machine.rs"]
mod machine;
mod macros;
mod measure;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "percentiles are for many values, and here are few")
)]
#[path = "../../bench/src/statistics.rs"]
mod statistics;
mod turn;

use clap::{Parser, ValueEnum};

// The allocator of `tavern`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Benchmarks of the prompt engine: on one core, on data that is the same each time.
#[derive(Parser)]
#[command(name = "tavern-bench-prompt")]
struct Options {
    /// All parts if none is named.
    parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// World books scanned, by number of entries and by length of the text.
    Lore,
    /// A card out of a PNG, and into it.
    Card,
    Macros,
    /// Messages laid out as a prompt.
    Assembly,
    /// Everything that a turn asks of the engine.
    Turn,
}

fn main() {
    let options = Options::parse();
    machine::print("one, whichever is free; nothing here has threads");
    println!("rounds    warmed, in turn with those of the floor; medians (least–greatest)");
    println!(
        "beside    SillyTavern 1.12.6: its own code under Node 20 on a machine of this kind, measured before and not in \
         this run"
    );
    for (part, run) in [
        (Part::Lore, lore::run as fn()),
        (Part::Card, card::run),
        (Part::Macros, macros::run),
        (Part::Assembly, assembly::run),
        (Part::Turn, turn::run),
    ] {
        if options.parts.is_empty() || options.parts.contains(&part) {
            println!();
            run();
        }
    }
}

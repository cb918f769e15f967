//! Warmed rounds of works that take turns, and the table they are shown in.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::statistics::Spread;

/// What one round takes at the least, so that the clock's grain does not matter.
const ROUND: Duration = Duration::from_millis(2);
/// After which no further round is begun, all works together.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
const MIN_ROUNDS: usize = 7;
const MAX_ROUNDS: usize = 101;

/// Seconds of one call of each work; the works take turns, so that what the machine does meanwhile hits them alike.
pub fn rounds<const N: usize>(works: [&mut dyn FnMut(); N]) -> [Spread; N] {
    let mut works = works.map(|work| {
        let once = time(1, work);
        let calls = (ROUND.as_secs_f64() / once.max(1e-9)).ceil().clamp(1.0, 1e6);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between one and a million"
        )]
        let calls = calls as u32;
        time(calls, work);
        (work, calls, Vec::new())
    });
    let begun = Instant::now();
    for round in 0..MAX_ROUNDS {
        if round >= MIN_ROUNDS && begun.elapsed() > LONG_ENOUGH {
            break;
        }
        for (work, calls, figures) in &mut works {
            figures.push(time(*calls, *work));
        }
    }
    works.map(|(_, _, figures)| Spread::of(figures))
}

/// Seconds of each of a few runs from nothing; what a run gives is dropped outside of the clock.
pub fn cold<T>(mut work: impl FnMut() -> T) -> Spread {
    Spread::of((0..5).map(|_| {
        let begun = Instant::now();
        let made = black_box(work());
        let taken = begun.elapsed().as_secs_f64();
        drop(made);
        taken
    }))
}

fn time(calls: u32, work: &mut dyn FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..calls {
        work();
    }
    begun.elapsed().as_secs_f64() / f64::from(calls)
}

/// Names the columns of [`row`].
pub fn heading(what: &str) {
    println!(
        "{what:<52} {:>26} {:>11} {:>11} {:>12}",
        "ours", "floor", "aim", "SillyTavern"
    );
}

/// A line of a table; what does not exist is empty.
pub fn row(what: &str, ours: Spread, floor: Option<Spread>, aim: &str, peer: &str) {
    let spread = format!(
        "{} ({}–{})",
        seconds(ours.median),
        seconds(ours.least),
        seconds(ours.greatest)
    );
    let floor = floor.map_or_else(String::new, |floor| seconds(floor.median));
    println!("{what:<52} {spread:>26} {floor:>11} {aim:>11} {peer:>12}");
}

/// With three digits that count.
fn seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        it if it >= 1.0 => (it, "s"),
        it if it >= 1e-3 => (it * 1e3, "ms"),
        it => (it * 1e6, "µs"),
    };
    let digits = match value {
        it if it >= 100.0 => 0,
        it if it >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

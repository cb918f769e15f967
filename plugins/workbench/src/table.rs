//! What calls took, against what they may take.

use std::fmt::Write as _;

use tavern_domain::extension::{Capability, Hook, Outcome, PluginTrace};
use tavern_plugins::manifest::Manifest;
use tavern_plugins::settings::PluginLimits;

/// From here on a figure is shown in red: what nearly fails here fails for somebody else.
const HIGH_PERCENT: u64 = 80;

/// The limits that calls of one hook are measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    pub fuel: u64,
    pub micros: u64,
    pub memory: u64,
    pub edits: u64,
}

impl Most {
    #[must_use]
    pub fn of(hook: Hook, manifest: &Manifest, limits: &PluginLimits) -> Self {
        let fuel = match hook {
            Hook::BeforePrompt | Hook::WorldInfo | Hook::PromptTransform | Hook::MacroProvider => limits.fuel_prompt,
            Hook::StreamFilter => limits.fuel_stream,
            Hook::AfterReply => limits.fuel_after_reply,
            Hook::Tool => limits.fuel_tool,
            Hook::Lifecycle | Hook::ListingValidate => limits.fuel_validate,
            Hook::ListingPrice => limits.fuel_price,
            Hook::SearchRank => limits.fuel_rank,
        };
        let waits = |asked: &Capability| matches!(asked, Capability::Http(_) | Capability::Model(_));
        let millis = match hook {
            Hook::AfterReply => limits.wall_after_reply_ms,
            _ if manifest.permissions.keys().any(waits) => limits.wall_http_ms,
            _ => limits.wall_ms,
        };
        let (times, wall_times, memory) = if manifest.extension.large_runtime {
            let wall_times = u64::from(limits.large_runtime_wall_factor);
            (limits.large_runtime_factor, wall_times, limits.large_memory_bytes)
        } else {
            (1, 1, limits.memory_bytes)
        };
        Self {
            fuel: fuel * times,
            micros: millis * wall_times * 1_000,
            memory: memory as u64,
            edits: limits.edits as u64,
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub passed: bool,
    pub name: String,
    pub hook: Hook,
    /// None, if the case could not be run.
    pub outcome: Option<Outcome>,
    /// None, if nothing was measured.
    pub trace: Option<PluginTrace>,
    pub most: Most,
}

/// The table, with a line for each row. `colour` is for terminals.
#[must_use]
pub fn table(rows: &[Row], colour: bool) -> String {
    let width = |title: &str, text: fn(&Row) -> &str| {
        rows.iter()
            .map(|row| text(row).chars().count())
            .chain([title.len()])
            .max()
            .unwrap_or(0)
    };
    let (case, hook) = (width("case", |row| &row.name), width("hook", |row| row.hook.as_str()));
    let mut text = format!(
        "      {:case$}  {:hook$}  {:14}  {:>20}  {:>20}  {:>20}  {:>8}\n",
        "case", "hook", "outcome", "fuel", "time", "memory", "edits"
    );
    for row in rows {
        let paint = |text: String, code: &str| {
            if colour {
                format!("\x1b[{code}m{text}\x1b[0m")
            } else {
                text
            }
        };
        let verdict = if row.passed {
            paint("ok  ".into(), "32")
        } else {
            paint("FAIL".into(), "31")
        };
        let outcome = row.outcome.map_or("-", |outcome| outcome.as_str());
        let _ = write!(
            text,
            "{verdict}  {:case$}  {:hook$}  {outcome:14}",
            row.name,
            row.hook.as_str()
        );
        let Some(trace) = &row.trace else {
            text.truncate(text.trim_end().len());
            text.push('\n');
            continue;
        };
        let figure = |used: u64, most: u64, shown: String, width: usize| {
            let shown = format!("{shown:>width$}");
            if used.saturating_mul(100) > most.saturating_mul(HIGH_PERCENT) {
                paint(shown, "31")
            } else {
                shown
            }
        };
        let _ = writeln!(
            text,
            "  {}  {}  {}  {}",
            figure(trace.fuel, row.most.fuel, share(trace.fuel, row.most.fuel, count), 20),
            figure(
                trace.micros,
                row.most.micros,
                share(trace.micros, row.most.micros, time),
                20
            ),
            figure(
                trace.memory,
                row.most.memory,
                share(trace.memory, row.most.memory, size),
                20
            ),
            figure(
                u64::from(trace.edits),
                row.most.edits,
                format!("{}/{}", trace.edits, row.most.edits),
                8
            ),
        );
    }
    text
}

/// `used / most, percent`.
fn share(used: u64, most: u64, show: fn(u64) -> String) -> String {
    format!(
        "{}/{} {:>3} %",
        show(used),
        show(most),
        used.saturating_mul(100) / most.max(1)
    )
}

fn count(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{:.1} k", number as f64 / 1e3),
        _ => format!("{:.1} M", number as f64 / 1e6),
    }
}

fn time(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        _ => format!("{:.1} ms", micros as f64 / 1e3),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests;

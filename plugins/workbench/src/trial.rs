//! Cases against what was expected of them, each run twice: the same call has to give the same again.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tavern_domain::extension::{Hook, Outcome};
use tavern_plugins::manifest::Manifest;
use tavern_plugins::settings::PluginLimits;

use crate::bench::{Bench, Run};
use crate::case::{Case, Expect};
use crate::matching::difference;
use crate::table::{Most, Row, table};

/// A case and what became of it.
#[derive(Debug, Clone)]
pub struct Trial {
    pub name: String,
    pub hook: Hook,
    /// None, if the case could not be run.
    pub run: Option<Run>,
    /// Why it failed, line by line; nothing if it has not.
    pub faults: Vec<String>,
}

impl Trial {
    #[must_use]
    pub fn passed(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Runs all cases, one after the other.
pub async fn run_all(bench: &Bench, cases: &[Case]) -> Vec<Trial> {
    let mut trials = Vec::with_capacity(cases.len());
    for case in cases {
        trials.push(Box::pin(run(bench, case)).await);
    }
    trials
}

async fn run(bench: &Bench, case: &Case) -> Trial {
    let mut trial = Trial {
        name: case.name.clone(),
        hook: case.hook,
        run: None,
        faults: Vec::new(),
    };
    let first = match Box::pin(bench.run(case)).await {
        Ok(first) => first,
        Err(error) => {
            trial.faults.push(format!("{error:#}"));
            return trial;
        }
    };
    trial.faults = judge(&case.expect, &first);
    match Box::pin(bench.run(case)).await {
        Ok(again) => trial.faults.extend(unlike(&first, &again)),
        Err(error) => trial.faults.push(format!("the second time: {error:#}")),
    }
    trial.run = Some(first);
    trial
}

/// What is not as expected.
fn judge(expect: &Expect, run: &Run) -> Vec<String> {
    let mut faults = Vec::new();
    let outcome_holds = match expect.outcome {
        Some(outcome) => run.outcome == outcome,
        None => matches!(run.outcome, Outcome::Ok | Outcome::Skipped),
    };
    if !outcome_holds {
        let wanted = expect.outcome.map_or("ok or skipped", |outcome| outcome.as_str());
        faults.push(format!("outcome: expected {wanted}, found {}", run.outcome.as_str()));
    }
    if let Some(edits) = &expect.edits {
        faults.extend(difference(&json!(edits), &json!(run.edits), "edits"));
    }
    if let Some(result) = &expect.result {
        faults.extend(difference(result, &run.result, "result"));
    }
    for (scope, values) in &expect.kv {
        for (key, value) in values {
            let found = run
                .kv
                .get(scope)
                .and_then(|values| values.get(key))
                .unwrap_or(&Value::Null);
            faults.extend(difference(value, found, &format!("kv.{}.{key}", scope.as_str())));
        }
    }
    if let Some(note) = &expect.note
        && !run.notes.iter().any(|found| found.contains(note))
    {
        faults.push(format!("note: none has {note:?} in it"));
    }
    faults.extend_from_slice(&run.requests);
    faults
}

/// Where a second run was not like the first.
fn unlike(first: &Run, again: &Run) -> Option<String> {
    let what = if first.outcome != again.outcome {
        "outcome"
    } else if first.edits != again.edits {
        "edits"
    } else if first.result != again.result {
        "result"
    } else if first.kv != again.kv {
        "values"
    } else {
        return None;
    };
    Some(format!(
        "the same call gave another {what} the second time: draw chances from the turn's seed, and time from the turn"
    ))
}

/// The table, then each failure with all that is known of it.
#[must_use]
pub fn report(manifest: &Manifest, limits: &PluginLimits, trials: &[Trial], colour: bool) -> String {
    let rows: Vec<Row> = trials
        .iter()
        .map(|trial| Row {
            passed: trial.passed(),
            name: trial.name.clone(),
            hook: trial.hook,
            outcome: trial.run.as_ref().map(|run| run.outcome),
            trace: trial.run.as_ref().and_then(|run| run.trace.clone()),
            most: Most::of(trial.hook, manifest, limits),
        })
        .collect();
    let mut text = table(&rows, colour);
    for trial in trials {
        let trace = trial.run.as_ref().and_then(|run| run.trace.as_ref());
        let notes = trial.run.as_ref().map_or(&[][..], |run| &run.notes);
        if trial.passed() && notes.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{}", trial.name);
        let mut lines = |kind: &str, found: &[String]| {
            for line in found {
                let _ = writeln!(text, "  {kind}{}", line.replace('\n', "\n    "));
            }
        };
        lines("", &trial.faults);
        lines("note: ", notes);
        if !trial.passed() {
            lines("log: ", trace.map_or(&[][..], |trace| &trace.log));
        }
    }
    text
}

#[cfg(test)]
mod tests;

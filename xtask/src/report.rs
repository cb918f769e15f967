//! What was done, how it went and how long it took, printed once more when everything is over.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The steps taken so far.
#[derive(Default)]
pub struct Report {
    steps: Vec<Step>,
}

struct Step {
    name: String,
    took: Duration,
    outcome: Outcome,
}

enum Outcome {
    /// The closing lines of the tool that ran, if it has any.
    Passed(Vec<String>),
    Failed,
}

impl Report {
    /// Runs one step and remembers how it went.
    ///
    /// # Errors
    /// Those of the step.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Vec<String>>) -> Result<()> {
        println!("\n━━ {name}");
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        println!(
            "━━ {name}: {} in {:.1} s",
            if result.is_ok() { "done" } else { "FAILED" },
            took.as_secs_f64()
        );
        let (outcome, result) = match result {
            Ok(closing) => (Outcome::Passed(closing), Ok(())),
            Err(error) => (Outcome::Failed, Err(error.context(name.to_owned()))),
        };
        self.steps.push(Step {
            name: name.to_owned(),
            took,
            outcome,
        });
        result
    }

    /// The summary; the closing lines of the test runners come last.
    pub fn print(&self) {
        println!("\nSummary");
        for step in &self.steps {
            let mark = if matches!(step.outcome, Outcome::Passed(_)) {
                "ok    "
            } else {
                "FAILED"
            };
            println!("  {mark} {:>7.1} s  {}", step.took.as_secs_f64(), step.name);
        }
        for step in &self.steps {
            let Outcome::Passed(closing) = &step.outcome else {
                continue;
            };
            for line in closing {
                println!("{}: {line}", step.name);
            }
        }
    }
}

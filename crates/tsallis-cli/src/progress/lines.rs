use super::super::thousands;
use super::RunLine;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Up to so many runs each has lines of its own.
const RUNS_WITH_LINES: usize = 10;

/// A line every tenth of a run.
pub(super) struct Lines {
    runs: usize,
    /// The last tenth of each run that was printed.
    printed: Mutex<HashMap<String, usize>>,
}

impl Lines {
    pub(super) fn new(runs: usize) -> Self {
        Self {
            runs,
            printed: Mutex::default(),
        }
    }

    pub(super) fn update(&self, row: &RunLine<'_>, step: usize, steps: usize) {
        if self.runs > RUNS_WITH_LINES {
            return;
        }
        let tenth = step * 10 / steps.max(1);
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let last = printed.entry(row.name.to_owned()).or_default();
        if tenth <= *last {
            return;
        }
        *last = tenth;
        let name = if row.name.is_empty() {
            String::new()
        } else {
            format!("{}: ", row.name)
        };
        let (step, steps, words) = (thousands(step), thousands(steps), row.words());
        eprintln!("{name}{step} of {steps} steps, {words}");
    }
}

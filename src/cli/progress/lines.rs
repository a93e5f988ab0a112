use super::super::thousands;
use super::{Total, overall};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Up to so many runs each has lines of its own.
pub(super) const RUNS_WITH_LINES: usize = 10;

/// A line every tenth of a run, and one at its end.
pub(super) struct Lines(Mutex<State>);

#[derive(Default)]
struct State {
    /// The last tenth of each run that was printed.
    printed: HashMap<String, usize>,
    done: usize,
    skipped: usize,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn skip(&self) {
        let mut state = self.state();
        state.done += 1;
        state.skipped += 1;
    }

    pub(super) fn update(&self, name: &str, step: usize, steps: usize, words: &str) {
        let tenth = step * 10 / steps.max(1);
        let mut state = self.state();
        let printed = state.printed.entry(name.to_owned()).or_default();
        if tenth <= *printed {
            return;
        }
        *printed = tenth;
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("{name}: ")
        };
        let (step, steps) = (thousands(step), thousands(steps));
        eprintln!("{name}{step} of {steps} steps, {words}");
    }

    pub(super) fn end(&self, total: &Total, line: &str) {
        let mut state = self.state();
        state.done += 1;
        if total.runs > 1 {
            eprintln!("{line} ({})", overall(total, state.done, state.skipped));
        }
    }
}

use crate::progress::bar_style;
use indicatif::{HumanCount, HumanDuration, ProgressBar};
use std::time::{Duration, Instant};

/// The time between two lines if stderr is not a terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Progress of a command: a bar on a terminal, otherwise plain lines on stderr.
pub(super) struct Progress {
    bar: ProgressBar,
    unit: &'static str,
    printed: Instant,
}

impl Progress {
    /// Shows the progress of `total` units, named in the plural.
    pub(super) fn new(total: usize, unit: &'static str) -> Self {
        Self {
            bar: ProgressBar::new(total as u64).with_style(bar_style("")),
            unit,
            printed: Instant::now(),
        }
    }

    /// Advances by `by` units; `last` describes the last one.
    pub(super) fn advance(&mut self, by: usize, last: impl FnOnce() -> String) {
        self.bar.inc(by as u64);
        let left = HumanDuration(self.bar.eta());
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{left:#} left, {}", last()));
        } else if self.printed.elapsed() >= PAUSE {
            self.printed = Instant::now();
            let done = HumanCount(self.bar.position());
            let total = HumanCount(self.bar.length().unwrap_or_default());
            eprintln!("{done} of {total} {}, {left:#} left", self.unit);
        }
    }

    /// Removes the bar and returns the number of units done.
    pub(super) fn finish(self) -> usize {
        let done = self.bar.position();
        self.bar.finish_and_clear();
        done as usize
    }
}

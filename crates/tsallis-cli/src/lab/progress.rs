use crate::{duration, thousands};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// How far a command is: a bar on a terminal, else a line now and then.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    unit: &'static str,
    total: usize,
    done: usize,
    started: Instant,
    printed: Instant,
}

impl Progress {
    /// Nothing of so many is done yet; `unit` is what they are, in the plural.
    pub(super) fn new(total: usize, unit: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            if let Ok(style) = ProgressStyle::with_template("{bar:16} {percent:>3}% {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Self {
            bar,
            unit,
            total,
            done: 0,
            started: now,
            printed: now,
        }
    }

    /// So many more are done; `last` is about the last one.
    pub(super) fn advance(&mut self, by: usize, last: impl FnOnce() -> String) {
        self.done = self.total.min(self.done + by);
        let elapsed = self.started.elapsed().as_secs_f64();
        let left = elapsed / self.done.max(1) as f64 * (self.total - self.done) as f64;
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} left, {}", duration(left), last()));
            bar.set_position(self.done as u64);
        } else if self.printed.elapsed() >= PAUSE {
            self.printed = Instant::now();
            let (done, total) = (thousands(self.done), thousands(self.total));
            eprintln!("{done} of {total} {}, {} left", self.unit, duration(left));
        }
    }

    /// Takes the bar away; how many are done.
    pub(super) fn finish(self) -> usize {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.done
    }
}

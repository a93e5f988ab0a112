use super::run_line::format_starting;
use super::{Overall, RunLine};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, MutexGuard, PoisonError};
use terminal_size::{Height, Width, terminal_size_of};

/// A line for each run that is being made, as many as there is room for, and one for all of them.
pub(super) struct Bars {
    bars: MultiProgress,
    slots: Vec<ProgressBar>,
    all: Option<ProgressBar>,
    free: Mutex<Vec<usize>>,
}

/// Columns and rows of the terminal, as they are now.
fn size() -> (usize, usize) {
    terminal_size_of(std::io::stderr()).map_or((80, 24), |(Width(columns), Height(rows))| {
        (usize::from(columns), usize::from(rows))
    })
}

/// Columns of a line: a terminal may wrap one that ends at its edge.
fn width() -> usize {
    size().0.saturating_sub(1)
}

impl Bars {
    pub(super) fn new(runs: usize, jobs: usize) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        // A line for all of them, and one below, where the cursor stands.
        let room = size().1.saturating_sub(2).max(1);
        let shown = jobs.min(runs).min(room);
        let line = || {
            let bar = ProgressBar::new_spinner();
            // Nothing but `wide_msg`, which is cut to the terminal, however narrow it becomes: a line that
            // wraps would be drawn anew below itself.
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            bars.add(bar)
        };
        let slots: Vec<_> = (0..shown).map(|_| line()).collect();
        let all = (runs > 1).then(line);
        Self {
            slots,
            all,
            bars,
            free: Mutex::new((0..shown).rev().collect()),
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, name: &str) -> Option<usize> {
        let slot = self.free().pop();
        if let Some(slot) = slot {
            self.slots[slot].set_message(format_starting(name, width()));
        }
        slot
    }

    pub(super) fn update(&self, slot: Option<usize>, row: &RunLine<'_>, overall: &Overall) {
        let width = width();
        if let Some(slot) = slot {
            self.slots[slot].set_message(row.fit(width));
        }
        if let Some(all) = &self.all {
            all.set_message(overall.fit(width));
        }
    }

    pub(super) fn end(&self, slot: Option<usize>) {
        if let Some(slot) = slot {
            self.slots[slot].set_message("");
            self.free().push(slot);
        }
    }

    pub(super) fn print_line(&self, line: &str) {
        self.bars.suspend(|| eprintln!("{line}"));
    }

    pub(super) fn finish(&self) {
        let bars = self.slots.iter().chain(&self.all);
        bars.for_each(ProgressBar::finish_and_clear);
    }
}

use super::{Total, overall};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, MutexGuard, PoisonError};
use terminal_size::{Height, terminal_size_of};

const WIDTH: usize = 16;

/// A line for each run that is being made, as many as there is room for, and one for all of them.
pub(super) struct Bars {
    bars: MultiProgress,
    slots: Vec<ProgressBar>,
    all: Option<ProgressBar>,
    state: Mutex<State>,
}

struct State {
    free: Vec<usize>,
    done: usize,
    skipped: usize,
}

impl Bars {
    pub(super) fn new(runs: usize, jobs: usize) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        // A line for all of them, and one below, where the cursor stands.
        let room = terminal_size_of(std::io::stderr())
            .map_or(24, |(_, Height(rows))| usize::from(rows))
            .saturating_sub(2)
            .max(1);
        let shown = jobs.min(runs).min(room);
        let line = || {
            let bar = ProgressBar::new_spinner();
            // Nothing but `wide_msg`, which is cut to the terminal, however narrow it is or becomes: a line
            // that wraps would be drawn anew below itself.
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
            state: Mutex::new(State {
                free: (0..shown).rev().collect(),
                done: 0,
                skipped: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn skip(&self) {
        let mut state = self.state();
        state.done += 1;
        state.skipped += 1;
    }

    pub(super) fn begin(&self, name: &str) -> Option<usize> {
        let slot = self.state().free.pop();
        self.update(slot, name, 0.0, "begins");
        slot
    }

    pub(super) fn update(&self, slot: Option<usize>, name: &str, share: f64, words: &str) {
        let Some(slot) = slot else {
            return;
        };
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("{name} ")
        };
        let full = (share.clamp(0.0, 1.0) * WIDTH as f64) as usize;
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(WIDTH - full));
        let percent = share * 100.0;
        self.slots[slot].set_message(format!("{name}{bar} {percent:3.0}% {words}"));
    }

    pub(super) fn end(&self, slot: Option<usize>, total: &Total, line: &str) {
        let mut state = self.state();
        state.done += 1;
        state.free.extend(slot);
        if let Some(slot) = slot {
            self.slots[slot].set_message("");
        }
        if let Some(all) = &self.all {
            all.set_message(overall(total, state.done, state.skipped));
            self.say(line);
        }
    }

    pub(super) fn say(&self, line: &str) {
        self.bars.suspend(|| eprintln!("{line}"));
    }

    pub(super) fn finish(&self) {
        let bars = self.slots.iter().chain(&self.all);
        bars.for_each(ProgressBar::finish_and_clear);
    }
}

//! How far runs are, as they go.

mod bars;
mod lines;
mod overall;
mod run_line;

use bars::Bars;
use burn_tsallis::rl::ppo::UpdateMetrics;
use lines::Lines;
use overall::Overall;
use run_line::RunLine;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Shows how far the runs of a command are: bars on a terminal, else lines now and then, or nothing.
pub(super) struct Progress {
    display: Display,
    overall: Mutex<Overall>,
}

enum Display {
    Bars(Bars),
    Lines(Lines),
    Nothing,
}

/// How far one run is.
pub(super) struct RunProgress<'a> {
    progress: &'a Progress,
    name: String,
    /// Environment steps that it had made before.
    before: usize,
    /// Environment steps that it has made, those included.
    reached: usize,
    started: Instant,
    slot: Option<usize>,
}

impl Progress {
    /// Of `runs` runs of `steps` environment steps each, `jobs` at once.
    pub(super) fn new(runs: usize, steps: usize, jobs: usize, quiet: bool) -> Self {
        let display = if quiet || runs == 0 {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            Display::Bars(Bars::new(runs, jobs))
        } else {
            Display::Lines(Lines::new(runs))
        };
        Self {
            display,
            overall: Mutex::new(Overall::new(runs, steps)),
        }
    }

    fn overall(&self) -> MutexGuard<'_, Overall> {
        self.overall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a run that is done already.
    pub(super) fn skip(&self) {
        self.overall().skip();
    }

    /// Shows a run, which has made so many steps before.
    pub(super) fn begin(&self, name: String, before: usize) -> RunProgress<'_> {
        self.overall().begin(before);
        let slot = match &self.display {
            Display::Bars(bars) => bars.begin(&name),
            Display::Lines(_) | Display::Nothing => None,
        };
        RunProgress {
            progress: self,
            name,
            before,
            reached: before,
            started: Instant::now(),
            slot,
        }
    }

    /// Says something between the bars.
    pub(super) fn print_line(&self, line: &str) {
        match &self.display {
            Display::Bars(bars) => bars.print_line(line),
            Display::Lines(_) => eprintln!("{line}"),
            Display::Nothing => {}
        }
    }

    /// Takes the bars away.
    pub(super) fn finish(&self) {
        if let Display::Bars(bars) = &self.display {
            bars.finish();
        }
    }
}

impl RunProgress<'_> {
    pub(super) fn update(&mut self, metrics: &UpdateMetrics) {
        let step = metrics.global_step.max(self.reached);
        let overall = {
            let mut overall = self.progress.overall();
            overall.advance(step - self.reached);
            overall.clone()
        };
        self.reached = step;
        let speed = (step - self.before) as f64 / self.started.elapsed().as_secs_f64();
        let row = RunLine {
            name: &self.name,
            share: step as f64 / overall.steps as f64,
            recent_return: metrics.recent_return,
            speed,
            seconds_left: overall.steps.saturating_sub(step) as f64 / speed,
        };
        match &self.progress.display {
            Display::Bars(bars) => bars.update(self.slot, &row, &overall),
            Display::Lines(lines) => lines.update(&row, step, overall.steps),
            Display::Nothing => {}
        }
    }

    /// Ends a run that came to its end with what came of it; one that is dropped was stopped.
    pub(super) fn finish(self, words: &str) {
        let overall = {
            let mut overall = self.progress.overall();
            overall.done += 1;
            overall.discard_remaining(self.reached);
            overall.clone()
        };
        // A single run has no name, and says itself what it learned.
        if self.name.is_empty() {
            return;
        }
        let line = format!("{}: {words}", self.name);
        match &self.progress.display {
            Display::Bars(bars) => bars.print_line(&line),
            Display::Lines(_) => eprintln!("{line} ({})", overall.fit(usize::MAX)),
            Display::Nothing => {}
        }
    }
}

impl Drop for RunProgress<'_> {
    fn drop(&mut self) {
        if let Display::Bars(bars) = &self.progress.display {
            bars.end(self.slot);
        }
    }
}

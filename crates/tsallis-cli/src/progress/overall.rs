use super::super::{duration, thousands};
use std::time::Instant;

/// How far all runs are together.
#[derive(Clone, Debug)]
pub(super) struct Overall {
    runs: usize,
    /// Environment steps of a run.
    pub(super) steps: usize,
    /// Runs that came to their end.
    pub(super) done: usize,
    /// Environment steps that were made since `started`.
    made: usize,
    /// Environment steps that are still to be made.
    left: usize,
    started: Instant,
}

impl Overall {
    pub(super) fn new(runs: usize, steps: usize) -> Self {
        Self {
            runs,
            steps,
            done: 0,
            made: 0,
            left: runs * steps,
            started: Instant::now(),
        }
    }

    /// A run that was done before.
    pub(super) fn skip(&mut self) {
        self.done += 1;
        self.discard_remaining(0);
    }

    /// A run of which so many steps were made before.
    pub(super) fn begin(&mut self, before: usize) {
        self.left = self.left.saturating_sub(before);
    }

    pub(super) fn advance(&mut self, steps: usize) {
        self.made += steps;
        self.left = self.left.saturating_sub(steps);
    }

    /// The steps that a run which ended after so many does not make.
    pub(super) fn discard_remaining(&mut self, reached: usize) {
        self.left = self.left.saturating_sub(self.steps.saturating_sub(reached));
    }

    /// As many words about it as fit into so many columns.
    pub(super) fn fit(&self, width: usize) -> String {
        self.after(self.started.elapsed().as_secs_f64(), width)
    }

    fn after(&self, seconds: f64, width: usize) -> String {
        let runs = format!("{} of {} runs", self.done, self.runs);
        let speed = self.made as f64 / seconds;
        if self.made == 0 {
            return runs;
        }
        let speeds = format!("{} steps/s", thousands(speed as usize));
        if self.left == 0 {
            return super::run_line::first_that_fits([format!("{runs}, {speeds}"), runs], width);
        }
        let left = format!("{} left", duration(self.left as f64 / speed));
        let all = format!("{runs}, {speeds}, {left}");
        super::run_line::first_that_fits([all, format!("{runs}, {left}"), runs], width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps of runs that were made before, or that end early, are neither made nor left.
    #[test]
    fn only_steps_that_are_made_count() {
        let mut overall = Overall::new(4, 1000);
        overall.skip();
        overall.begin(400);
        overall.advance(100);
        overall.begin(0);
        overall.advance(300);
        assert_eq!((overall.made, overall.left), (400, 4000 - 1000 - 400 - 400));
        overall.discard_remaining(300);
        assert_eq!(overall.left, 1500);
        assert_eq!(
            overall.after(40.0, 80),
            "1 of 4 runs, 10 steps/s, 2 min 30 s left"
        );
        assert_eq!(overall.after(40.0, 30), "1 of 4 runs, 2 min 30 s left");
        assert_eq!(overall.after(40.0, 20), "1 of 4 runs");
        overall.advance(1500);
        assert_eq!(overall.after(40.0, 80), "1 of 4 runs, 47 steps/s");
    }
}

//! Progress of runs: bars on a terminal, otherwise plain lines on stderr.

use burn_tsallis::rl::ppo::UpdateMetrics;
use indicatif::{HumanCount, HumanDuration, HumanFloatCount};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use terminal_size::{Width, terminal_size_of};

/// If stderr is not a terminal and there are at most this many runs, each run prints a line after every
/// tenth of its steps and after every [`PAUSE`]. More runs print one line together after every pause.
const RUNS_WITH_LINES: usize = 10;

/// The longest time between two lines.
const PAUSE: Duration = Duration::from_secs(30);

/// Progress of the runs of a command.
pub(super) struct Progress {
    bars: MultiProgress,
    /// Counts the environment steps of this command. Its length excludes the steps of an earlier command.
    /// Hidden for a single run.
    overall: ProgressBar,
    runs: usize,
    /// Environment steps of each run.
    steps: usize,
    /// Runs that are done.
    done: AtomicUsize,
    quiet: bool,
    /// When the last line about all runs was printed.
    printed: Mutex<Instant>,
}

/// Progress of one run. Dropping it removes its bar.
pub(super) struct RunProgress<'a> {
    progress: &'a Progress,
    name: String,
    bar: ProgressBar,
    /// Tenths of the run that are done.
    tenths: u64,
    /// When the last line was printed.
    printed: Instant,
}

/// A bar between its prefix and its message. The prefix takes at most a third of the terminal. A longer
/// prefix is truncated at its beginning, because the names of runs differ at their ends. A longer message
/// is truncated at its end.
pub(super) fn bar_style(prefix: &str) -> ProgressStyle {
    let columns = terminal_size_of(std::io::stderr()).map_or(80, |(Width(columns), _)| columns);
    let width = prefix.chars().count().min(usize::from(columns / 3));
    let template = format!("{{prefix:>{width}!}}{{bar:16}} {{percent:>3}}% {{wide_msg}}");
    ProgressStyle::with_template(&template).expect("a valid template")
}

/// Time left and speed of a bar that has advanced: `, 45s left, 12,345 steps/s`.
fn pace(bar: &ProgressBar) -> String {
    let speed = bar.per_sec();
    if speed > 0.0 {
        let (left, speed) = (HumanDuration(bar.eta()), HumanCount(speed as u64));
        format!(", {left:#} left, {speed} steps/s")
    } else {
        String::new()
    }
}

impl Progress {
    /// Shows `runs` runs of `steps` environment steps each.
    pub(super) fn new(runs: usize, steps: usize, quiet: bool) -> Self {
        let bars = MultiProgress::new();
        if quiet {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        let total = Some((runs * steps) as u64);
        let mut overall = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        if runs > 1 {
            // The first line: a terminal with too few rows shows the first lines only.
            overall = bars.add(overall);
        }
        Self {
            bars,
            overall: overall.with_style(bar_style("")),
            runs,
            steps,
            done: AtomicUsize::new(0),
            quiet,
            printed: Mutex::new(Instant::now()),
        }
    }

    /// Counts a run that an earlier command finished.
    pub(super) fn skip(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.overall.dec_length(self.steps as u64);
    }

    /// Shows a run of which an earlier command made `before` steps.
    pub(super) fn begin(&self, name: String, before: usize) -> RunProgress<'_> {
        let (steps, before) = (self.steps as u64, before as u64);
        self.overall.dec_length(before);
        let prefix = if name.is_empty() {
            String::new()
        } else {
            format!("{name} ")
        };
        let bar = self.bars.add(ProgressBar::new(steps));
        let bar = bar.with_style(bar_style(&prefix)).with_prefix(prefix);
        bar.set_message("starting");
        bar.set_position(before);
        // The steps before do not count for the speed.
        bar.reset_eta();
        self.show_overall();
        RunProgress {
            progress: self,
            name,
            bar,
            tenths: before * 10 / steps.max(1),
            printed: Instant::now(),
        }
    }

    fn show_overall(&self) {
        let (done, runs) = (self.done.load(Ordering::Relaxed), self.runs);
        let pace = pace(&self.overall);
        self.overall
            .set_message(format!("{done} of {runs} runs{pace}"));
    }

    /// Prints a line about all runs if they are too many for lines of their own and the last line is old.
    fn print_overall(&self, now: Instant) {
        if self.runs <= RUNS_WITH_LINES || !self.bars.is_hidden() {
            return;
        }
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(*printed) >= PAUSE {
            *printed = now;
            self.print_line(&self.overall.message());
        }
    }

    /// Prints a line above the bars.
    pub(super) fn print_line(&self, line: &str) {
        if !self.quiet {
            self.bars.suspend(|| eprintln!("{line}"));
        }
    }

    /// Removes the bars.
    pub(super) fn finish(&self) {
        self.overall.finish_and_clear();
    }
}

impl RunProgress<'_> {
    /// Returns whether to print a line after `step` steps.
    fn is_line_due(&mut self, step: u64, now: Instant) -> bool {
        let progress = self.progress;
        let tenths = step * 10 / (progress.steps as u64).max(1);
        let due = tenths > self.tenths || now.duration_since(self.printed) >= PAUSE;
        self.tenths = tenths;
        if due {
            self.printed = now;
        }
        due && progress.bars.is_hidden() && progress.runs <= RUNS_WITH_LINES
    }

    pub(super) fn update(&mut self, metrics: &UpdateMetrics) {
        let (step, steps) = (metrics.global_step as u64, self.progress.steps as u64);
        let made = step.saturating_sub(self.bar.position());
        self.progress.overall.inc(made);
        self.bar.set_position(step);
        let mean = metrics.recent_return.map_or("-".to_owned(), |mean| {
            format!("{:.3}", HumanFloatCount(mean))
        });
        let message = format!("return {mean}{}", pace(&self.bar));
        if self.is_line_due(step, Instant::now()) {
            let (step, steps) = (HumanCount(step), HumanCount(steps));
            let line = format!("{step} of {steps} steps, {message}");
            self.print_line(&line);
        }
        self.bar.set_message(message);
        self.progress.show_overall();
        self.progress.print_overall(Instant::now());
    }

    /// Ends a run with its result; a run that was stopped is dropped instead.
    pub(super) fn finish(self, result: &str) {
        let progress = self.progress;
        progress.done.fetch_add(1, Ordering::Relaxed);
        let left = (progress.steps as u64).saturating_sub(self.bar.position());
        progress.overall.dec_length(left);
        progress.show_overall();
        if self.name.is_empty() {
            // The command prints the result of its only run.
        } else if progress.bars.is_hidden() {
            self.print_line(&format!("{result} ({})", progress.overall.message()));
        } else {
            self.print_line(result);
        }
    }

    /// Prints a line after the name of the run.
    fn print_line(&self, line: &str) {
        if self.name.is_empty() {
            self.progress.print_line(line);
        } else {
            self.progress.print_line(&format!("{}: {line}", self.name));
        }
    }
}

impl Drop for RunProgress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.progress.bars.remove(&self.bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_run_prints_a_line_after_each_pause() {
        let progress = Progress::new(1, 1000, true);
        let mut run = progress.begin(String::new(), 0);
        let start = run.printed;
        let mut due = |step, seconds| {
            let now = start + Duration::from_secs(seconds);
            run.is_line_due(step, now)
        };
        assert!(!due(1, 29));
        assert!(due(2, 30));
        assert!(!due(3, 59));
        // A tenth of the steps.
        assert!(due(100, 59));
        assert!(!due(101, 88));
        assert!(due(102, 89));
    }

    /// The total excludes the steps of an earlier command and the steps that a finished run does not make.
    #[test]
    fn only_steps_of_this_command_count() {
        let progress = Progress::new(4, 1000, true);
        progress.skip();
        let run = progress.begin("seed 1".to_owned(), 400);
        assert_eq!(progress.overall.length(), Some(2600));
        assert_eq!(run.bar.position(), 400);
        run.finish("done");
        assert_eq!(progress.overall.length(), Some(2000));
        assert_eq!(progress.overall.message(), "2 of 4 runs");
    }
}

//! How far runs are, as they go.

mod bars;
mod lines;

use super::{duration, thousands};
use crate::rl::ppo::UpdateMetrics;
use bars::Bars;
use lines::Lines;
use std::io::IsTerminal;
use std::time::Instant;

/// Shows how far the runs of a command are: bars on a terminal, else lines now and then, or nothing.
pub(super) struct Progress {
    display: Display,
    total: Total,
}

enum Display {
    Bars(Bars),
    Lines(Lines),
    Nothing,
}

/// What there is to do.
#[derive(Clone, Copy, Debug)]
struct Total {
    runs: usize,
    /// Environment steps of a run.
    steps: usize,
    begun: Instant,
}

/// How far one run is.
pub(super) struct RunProgress<'a> {
    progress: &'a Progress,
    name: String,
    /// Environment steps that it had made before.
    before: usize,
    begun: Instant,
    slot: Option<usize>,
}

impl Progress {
    /// Of `runs` runs of `steps` environment steps each, `jobs` at once.
    pub(super) fn new(runs: usize, steps: usize, jobs: usize, quiet: bool) -> Self {
        let total = Total {
            runs,
            steps,
            begun: Instant::now(),
        };
        let display = if quiet || runs == 0 {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            Display::Bars(Bars::new(runs, jobs))
        } else {
            Display::Lines(Lines::new())
        };
        Self { display, total }
    }

    /// Counts a run that is done already.
    pub(super) fn skip(&self) {
        match &self.display {
            Display::Bars(bars) => bars.skip(),
            Display::Lines(lines) => lines.skip(),
            Display::Nothing => {}
        }
    }

    /// Shows a run, which has made so many steps before.
    pub(super) fn begin(&self, name: String, before: usize) -> RunProgress<'_> {
        let slot = match &self.display {
            Display::Bars(bars) => bars.begin(&name),
            Display::Lines(_) | Display::Nothing => None,
        };
        RunProgress {
            progress: self,
            name,
            before,
            begun: Instant::now(),
            slot,
        }
    }

    /// Says something between the bars.
    pub(super) fn say(&self, line: &str) {
        match &self.display {
            Display::Bars(bars) => bars.say(line),
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
    pub(super) fn update(&self, metrics: &UpdateMetrics) {
        let total = self.progress.total;
        let made = metrics.global_step - self.before.min(metrics.global_step);
        let speed = made as f64 / self.begun.elapsed().as_secs_f64();
        let left = total.steps.saturating_sub(metrics.global_step) as f64 / speed;
        let mean = metrics
            .recent_return
            .map_or_else(|| "-".to_owned(), |mean| format!("{mean:.4}"));
        // As many digits as say something: 473.2, 0.9912.
        let mean = shorten(&mean);
        let words = format!(
            "return {mean}, {} steps/s, {} left",
            thousands(speed as usize),
            duration(left)
        );
        let share = metrics.global_step as f64 / total.steps as f64;
        match &self.progress.display {
            Display::Bars(bars) => bars.update(self.slot, &self.name, share, &words),
            Display::Lines(lines) if total.runs <= lines::RUNS_WITH_LINES => {
                lines.update(&self.name, metrics.global_step, total.steps, &words);
            }
            Display::Lines(_) | Display::Nothing => {}
        }
    }

    /// Ends the run with what came of it.
    pub(super) fn finish(self, words: &str) {
        let total = self.progress.total;
        let line = match self.name.as_str() {
            "" => words.to_owned(),
            name => format!("{name}: {words}"),
        };
        match &self.progress.display {
            Display::Bars(bars) => bars.end(self.slot, &total, &line),
            Display::Lines(lines) => lines.end(&total, &line),
            Display::Nothing => {}
        }
    }
}

/// `473.1987` as `473.2`, `0.9912` as it is.
fn shorten(number: &str) -> &str {
    let Some(point) = number.find('.') else {
        return number;
    };
    let digits = point - usize::from(number.starts_with('-'));
    let end = point + 1 + 4_usize.saturating_sub(digits).max(1);
    &number[..end.min(number.len())]
}

/// How far all runs are together, of which `done` are, `skipped` of them before.
fn overall(total: &Total, done: usize, skipped: usize) -> String {
    let made = done.saturating_sub(skipped);
    let seconds = total.begun.elapsed().as_secs_f64();
    let left = (total.runs - done.min(total.runs)) as f64 * seconds / made.max(1) as f64;
    let left = if made == 0 {
        String::new()
    } else {
        let speed = (made * total.steps) as f64 / seconds;
        format!(
            ", {} steps/s, {} left",
            thousands(speed as usize),
            duration(left)
        )
    };
    format!("{done} of {} runs{left}", total.runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_four_digits() {
        assert_eq!(shorten("473.1987"), "473.1");
        assert_eq!(shorten("0.9912"), "0.991");
        assert_eq!(shorten("-12.3456"), "-12.34");
        assert_eq!(shorten("12345.6789"), "12345.6");
        assert_eq!(shorten("-"), "-");
    }
}

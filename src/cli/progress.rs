use super::{duration, thousands};
use crate::rl::ppo::UpdateMetrics;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Instant;

/// Shows how far a run is: a bar on a terminal, else a line every tenth of the way.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: usize,
    printed: usize,
    begun: Instant,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            // `wide_msg` is cut to the terminal: a line that wraps is drawn anew below itself.
            let template = "{bar:16} {percent:>3}% {wide_msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            total,
            printed: 0,
            begun: Instant::now(),
        }
    }

    pub(super) fn update(&mut self, metrics: &UpdateMetrics) {
        let elapsed = self.begun.elapsed().as_secs_f64();
        let speed = metrics.global_step as f64 / elapsed;
        let left = (self.total - metrics.global_step.min(self.total)) as f64 / speed;
        let mean = metrics
            .recent_return
            .map_or_else(|| "-".to_owned(), |mean| format!("{mean:.1}"));
        if let Some(bar) = &self.bar {
            bar.set_message(format!(
                "return {mean}, {speed:.0} steps/s, {} left",
                duration(left)
            ));
            bar.set_position(metrics.global_step as u64);
            return;
        }
        let tenth = metrics.global_step * 10 / self.total;
        if tenth > self.printed {
            self.printed = tenth;
            eprintln!(
                "{} of {} steps: mean return {mean}, {speed:.0} steps/s, {} left",
                thousands(metrics.global_step),
                thousands(self.total),
                duration(left)
            );
        }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

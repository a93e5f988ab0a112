use super::{Job, Outcome};
use crate::CommandError;
use crate::describe::{describe_summaries, describe_summary};
use crate::print_paragraph::print_paragraph;
use crate::progress::{Progress, RunProgress};
use burn_tsallis::rl::ppo::UpdateMetrics;
use burn_tsallis::rl::run::{RunStatus, RunSummary};
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::sync::Once;

/// One line of the `--json` output.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Event<'a> {
    Begin {
        seed: u64,
        run: &'a Path,
        global_step: usize,
    },
    Note {
        #[serde(skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
        note: &'a str,
    },
    Update {
        seed: u64,
        metrics: &'a UpdateMetrics,
        seconds: f64,
        steps_per_second: f64,
    },
    End {
        seed: u64,
        run: &'a Path,
        summary: &'a RunSummary,
    },
}

/// Reports the progress of training as text or JSON.
pub(super) struct Reporter {
    progress: Progress,
    opening: Once,
    title: String,
    /// A note about all runs.
    note: Option<String>,
    quiet: bool,
    json: bool,
    multiple: bool,
}

impl Reporter {
    pub(super) fn new(progress: Progress, title: String, note: Option<String>) -> Self {
        Self {
            progress,
            opening: Once::new(),
            title,
            note,
            quiet: false,
            json: false,
            multiple: false,
        }
    }

    pub(super) fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Sets whether the output is JSON.
    pub(super) fn json(mut self, json: bool) -> Self {
        self.json = json;
        self
    }

    /// Sets whether there are multiple runs. If so, each line names its seed.
    pub(super) fn multiple(mut self, multiple: bool) -> Self {
        self.multiple = multiple;
        self
    }

    /// Prints a note that a resumed run differs from the requested one, even in quiet mode.
    pub(super) fn warn(&self, seed: u64, note: &str) {
        self.event(&Event::Note {
            seed: Some(seed),
            note,
        });
        let line = format!("note: {}{note}", self.name(seed));
        if self.quiet && !self.json {
            eprintln!("{line}");
        } else {
            self.progress.print_line(&line);
        }
    }

    /// Returns the prefix of a line about the run of a seed.
    fn name(&self, seed: u64) -> String {
        if self.multiple {
            format!("seed {seed}: ")
        } else {
            String::new()
        }
    }

    pub(super) fn begin(&self, job: &Job, global_step: usize) -> RunProgress<'_> {
        // Printed once the first run starts, so that a failed resume prints only its error line.
        self.opening.call_once(|| {
            self.progress.print_line(&self.title);
            if let Some(note) = &self.note {
                self.event(&Event::Note { seed: None, note });
                self.progress.print_line(&format!("note: {note}"));
            }
        });
        self.event(&Event::Begin {
            seed: job.seed,
            run: &job.path,
            global_step,
        });
        let name = if self.multiple {
            format!("seed {}", job.seed)
        } else {
            String::new()
        };
        self.progress.begin(name, global_step)
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        if !self.json {
            return;
        }
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            // A closed reader does not stop the training.
            let _ = std::io::stdout().lock().write_all(&line);
        }
    }

    pub(super) fn finish(&self) {
        self.progress.finish();
    }
}

/// Prints the results of all runs and returns the first failure.
pub(super) fn print_results(
    reporter: &Reporter,
    out: &Path,
    outcomes: Vec<(Job, Outcome)>,
) -> Result<(), CommandError> {
    let words = !reporter.quiet && !reporter.json;
    let (mut summaries, mut errors, mut not_started) = (Vec::new(), Vec::new(), 0);
    for (job, outcome) in outcomes {
        let name = reporter.name(job.seed);
        match outcome {
            Ok(Some(summary)) => {
                if words {
                    print_paragraph(&format!("{name}{}", describe_summary(&summary)));
                }
                if summary.status == RunStatus::Failed {
                    let reason = summary.reason.clone();
                    let error = CommandError::Failed {
                        reason: reason.unwrap_or_else(|| "the run failed".to_owned()),
                        run: job.path,
                    };
                    errors.push((name, error));
                }
                summaries.push(summary);
            }
            Ok(None) => not_started += 1,
            Err(error) => errors.push((name, error)),
        }
    }
    if words {
        if reporter.multiple
            && let Some(line) = describe_summaries(&summaries)
        {
            print_paragraph(&line);
        }
        if not_started > 0 {
            let seeds = if not_started == 1 { "seed" } else { "seeds" };
            println!("{not_started} {seeds} did not start.");
        }
        let unfinished =
            not_started > 0 || summaries.iter().any(|s| s.status == RunStatus::Stopped);
        if unfinished {
            println!("Resume with: tsallis train --resume {}", shell_quoted(out));
        } else if errors.is_empty() {
            println!("Results written to {}", out.display());
        }
    }
    if reporter.multiple && !errors.is_empty() {
        for (name, error) in &errors {
            eprintln!("error: {name}{error}");
        }
        return Err(CommandError::Reported(errors[0].1.code()));
    }
    match errors.pop() {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// Quotes a path for a shell if it needs quotes.
fn shell_quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(shell_quoted(Path::new("runs/a-0.5")), "runs/a-0.5");
        assert_eq!(shell_quoted(Path::new("a b/it's")), "'a b/it'\\''s'");
    }
}

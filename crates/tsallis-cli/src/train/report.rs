use super::{Job, Outcome};
use crate::describe::{describe_summaries, describe_summary};
use crate::print_paragraph::print_paragraph;
use crate::progress::{Progress, RunProgress};
use crate::{CommandError, stop};
use burn_tsallis::rl::ppo::UpdateMetrics;
use burn_tsallis::rl::run::{RunStatus, RunSummary};
use serde::{Serialize, Serializer};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Once, OnceLock};

/// One line of the `--json` output.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Event<'a> {
    Begin {
        seed: u64,
        #[serde(serialize_with = "lossy")]
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
        #[serde(serialize_with = "lossy")]
        run: &'a Path,
        summary: &'a RunSummary,
    },
}

/// Serializes a path as text. Bytes that are not UTF-8 become the replacement character.
pub(crate) fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    path.to_string_lossy().serialize(serializer)
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
    /// Why an event could not be written. No event follows it.
    broken: OnceLock<io::ErrorKind>,
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
            broken: OnceLock::new(),
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
        let mut output = io::stdout().lock();
        if self.broken.get().is_some() {
            return;
        }
        let written = serde_json::to_vec(event)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                output.write_all(&line)?;
                output.flush()
            });
        // A closed reader or a full disk does not stop the training.
        if let Err(error) = written {
            let kind = self.broken.get_or_init(|| error.kind());
            if *kind != io::ErrorKind::BrokenPipe {
                eprintln!("error: cannot write to standard output: {error}");
            }
        }
    }

    /// Returns whether events are missing from the output, other than after a reader that has closed it.
    fn lost_events(&self) -> bool {
        let broken = self.broken.get();
        broken.is_some_and(|kind| *kind != io::ErrorKind::BrokenPipe)
    }

    pub(super) fn finish(&self) {
        self.progress.finish();
    }
}

/// Prints the results of all runs and returns the first failure, or an error with the exit code of a stopped command.
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
                if matches!(summary.status, RunStatus::Failed | RunStatus::Interrupted) {
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
    let unfinished = not_started > 0 || summaries.iter().any(|s| s.status == RunStatus::Stopped);
    if words {
        if reporter.multiple
            && let Some(line) = describe_summaries(&summaries)
        {
            print_paragraph(&line);
        }
        if not_started > 0 {
            match (reporter.multiple, not_started) {
                (false, _) => println!("Stopped before the first update."),
                (true, 1) => println!("1 seed did not start."),
                (true, _) => println!("{not_started} seeds did not start."),
            }
        }
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
        None if reporter.lost_events() => Err(CommandError::Reported(2)),
        // The exit code keeps scripts from mistaking a stopped run for a finished one.
        None if unfinished => Err(CommandError::Reported(stop::EXIT_CODE)),
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

use super::{Job, Outcome};
use crate::cli::CommandError;
use crate::cli::progress::{Progress, RunProgress};
use crate::cli::words::{conclusion, conclusion_of_all};
use crate::rl::ppo::UpdateMetrics;
use crate::rl::run::{RunStatus, RunSummary};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// One line of `--json`.
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

/// Tells how training goes, in words or as JSON.
pub(super) struct Reporter {
    progress: Progress,
    json: bool,
    several: bool,
}

impl Reporter {
    pub(super) fn new(progress: Progress, json: bool, several: bool) -> Self {
        Self {
            progress,
            json,
            several,
        }
    }

    pub(super) fn title(&self, title: &str) {
        self.progress.say(title);
    }

    pub(super) fn note(&self, seed: Option<u64>, note: &str) {
        self.event(&Event::Note { seed, note });
        let name = match seed {
            Some(seed) if self.several => format!("seed {seed}: "),
            _ => String::new(),
        };
        self.progress.say(&format!("note: {name}{note}"));
    }

    pub(super) fn begin(&self, job: &Job, global_step: usize) -> RunProgress<'_> {
        self.event(&Event::Begin {
            seed: job.seed,
            run: &job.path,
            global_step,
        });
        let name = if self.several {
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
            // Whoever read the lines has gone: that is no reason to stop training.
            let _ = std::io::stdout().lock().write_all(&line);
        }
    }

    pub(super) fn finish(&self) {
        self.progress.finish();
    }
}

/// Says what was learnt, and answers with the first failure.
pub(super) fn conclude(
    reporter: &Reporter,
    quiet: bool,
    out: &Path,
    outcomes: Vec<(Job, Outcome)>,
) -> Result<(), CommandError> {
    let words = !quiet && !reporter.json;
    let (mut summaries, mut failed, mut not_begun) = (Vec::new(), Vec::new(), 0);
    let mut first_error = None;
    for (job, outcome) in outcomes {
        let name = if reporter.several {
            format!("seed {}: ", job.seed)
        } else {
            String::new()
        };
        match outcome {
            Ok(Some(summary)) => {
                if words {
                    println!("{name}{}", conclusion(&summary));
                }
                if summary.status == RunStatus::Failed {
                    failed.push(format!(
                        "{name}{}",
                        summary.reason.as_deref().unwrap_or("it could not go on")
                    ));
                }
                summaries.push(summary);
            }
            Ok(None) => not_begun += 1,
            Err(error) if reporter.several => {
                eprintln!("error: {name}{error}");
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if words {
        if reporter.several
            && let Some(line) = conclusion_of_all(&summaries)
        {
            println!("{line}");
        }
        if not_begun > 0 {
            println!("{not_begun} seeds did not begin.");
        }
        let unfinished = not_begun > 0 || summaries.iter().any(|s| s.status == RunStatus::Stopped);
        if unfinished {
            println!("Go on with: tsallis train --resume {}", out.display());
        } else {
            println!("Everything about the run is in {}", out.display());
        }
    }
    if let Some(error) = first_error {
        let code = error.code();
        return Err(CommandError::Reported(code));
    }
    match failed.len() {
        0 => Ok(()),
        _ => Err(CommandError::Diverged {
            reasons: failed,
            out: out.to_owned(),
        }),
    }
}

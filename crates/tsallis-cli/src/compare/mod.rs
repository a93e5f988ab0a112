//! `tsallis compare`.

mod figures;
mod report;

use super::CommandError;
use super::describe::number;
use super::print_paragraph::print_paragraph;
use super::statistics::{
    DETECTABLE_ERRORS, Estimate, bootstrap_interval, compare_samples, interquartile_difference,
    interquartile_mean, probability_of_improvement,
};
use super::sweep::{ResultRow, Score, Setting, read_results};
use burn_tsallis::experiment::{FileError, write_atomically, write_table};
use burn_tsallis::rl::env::EnvironmentKind;
use clap::Args;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Compare values of alpha over the runs of sweeps.
///
/// Reads the results.csv of each sweep. If an alpha was trained with several settings, its best setting by the
/// interquartile mean is used, and a second table and figure show how the score depends on the settings. Prints the
/// difference from the baseline alpha and the probability of improvement on it, with 95 % bootstrap intervals (Agarwal
/// et al. 2021). Writes comparison.csv, settings.csv, tables.md, and as SVG and PNG profiles (the share of runs that reach
/// a score), sensitivity (the scores of all settings) and heatmap (alpha and beta).
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Compare {
    /// Folders written by `tsallis sweep`, or their results.csv.
    #[arg(value_name = "SWEEP", required = true)]
    sweeps: Vec<PathBuf>,

    /// Return to compare.
    #[arg(long, value_name = "RETURN", default_value = "late")]
    score: Score,

    /// Alpha that the others are compared with.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    baseline: f64,

    /// Output folder; existing files are replaced.
    #[arg(long, value_name = "FOLDER", default_value = "runs/compare")]
    out: PathBuf,
}

/// An error in the choice of sweeps.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompareError {
    #[error("the sweeps have no completed run with a return to compare")]
    Empty,
    #[error("no run has the baseline alpha {baseline}; the sweeps have alpha {}", alphas.join(", "))]
    Baseline {
        baseline: String,
        alphas: Vec<String>,
    },
    #[error("{setting}, seed {seed} is in the sweeps twice: each run must be given once")]
    Duplicate { setting: Setting, seed: u64 },
}

/// The files that are written only if an alpha has several settings.
const FILES_OF_SETTINGS: [&str; 5] = [
    "settings.csv",
    "sensitivity.svg",
    "sensitivity.png",
    "heatmap.svg",
    "heatmap.png",
];

/// The runs of one setting.
struct Runs {
    setting: Setting,
    seeds: Vec<u64>,
    /// The scores of the runs that have one.
    scores: Vec<f64>,
    mean: f64,
}

/// The runs of one alpha in one environment with one noise.
struct Candidate {
    alpha: f64,
    /// Every setting, the best first.
    settings: Vec<Runs>,
}

/// The candidates that are compared with each other.
struct Task {
    environment: EnvironmentKind,
    noise_std: f64,
    candidates: Vec<Candidate>,
}

/// A candidate with its best setting, compared with the baseline.
struct Comparison<'a> {
    task: &'a Task,
    best: &'a Runs,
    interval: (f64, f64),
    /// The difference of the interquartile means and the probability of improvement.
    baseline: Option<(Estimate, Estimate)>,
}

impl Compare {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let mut rows = Vec::new();
        for sweep in &self.sweeps {
            rows.extend(read_results(sweep)?);
        }
        let (tasks, unscored) = tasks(&rows, self.score)?;
        self.check_baseline(&tasks)?;
        let comparisons: Vec<Comparison> = tasks
            .iter()
            .flat_map(|task| task.comparisons(self.baseline))
            .collect();
        fs::create_dir_all(&self.out).map_err(FileError::io("create the folder", &self.out))?;
        let several = tasks.iter().any(Task::has_several_settings);
        let mut text = report::comparison(&comparisons, self.score, self.baseline);
        let rows: Vec<_> = comparisons.iter().map(report::comparison_row).collect();
        write_table(&self.out.join("comparison.csv"), &rows)?;
        if several {
            text += "\n";
            text += &report::settings(&tasks);
            let rows: Vec<_> = tasks.iter().flat_map(report::settings_rows).collect();
            write_table(&self.out.join("settings.csv"), &rows)?;
            figures::sensitivity(&self.out, &tasks, self.score)?;
            figures::heatmap(&self.out, &tasks, self.score)?;
        } else {
            remove_files(&self.out, &FILES_OF_SETTINGS)?;
        }
        figures::profiles(&self.out, &tasks, self.score)?;
        write_atomically(&self.out.join("tables.md"), text.as_bytes())?;
        print!("{text}");
        if unscored > 0 {
            print_paragraph(&format!(
                "note: {unscored} runs have no such return and are left out"
            ));
        }
        if several {
            print_paragraph(
                "note: the settings were chosen by these runs, which favors the best; compare them on other seeds",
            );
        }
        println!("Written to {}", self.out.display());
        Ok(())
    }

    /// An alpha without runs would leave the comparison empty.
    fn check_baseline(&self, tasks: &[Task]) -> Result<(), CompareError> {
        let candidates = tasks.iter().flat_map(|task| &task.candidates);
        let mut alphas: Vec<f64> = candidates.map(|candidate| candidate.alpha).collect();
        alphas.sort_by(f64::total_cmp);
        alphas.dedup();
        // One alpha has nothing to be compared with.
        if alphas.len() < 2 || alphas.contains(&self.baseline) {
            return Ok(());
        }
        Err(CompareError::Baseline {
            baseline: number(self.baseline),
            alphas: alphas.into_iter().map(number).collect(),
        })
    }
}

/// Removes the files that an earlier comparison wrote into the folder.
fn remove_files(folder: &Path, names: &[&str]) -> Result<(), FileError> {
    for name in names {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Groups the rows that have a score. Returns the number of the others too.
fn tasks(rows: &[ResultRow], score: Score) -> Result<(Vec<Task>, usize), CompareError> {
    let mut all_runs: Vec<Runs> = Vec::new();
    let mut unscored = 0;
    for row in rows {
        let setting = row.setting();
        let runs = find_or_push(
            &mut all_runs,
            |runs| runs.setting == setting,
            || Runs {
                setting: setting.clone(),
                seeds: Vec::new(),
                scores: Vec::new(),
                mean: f64::NAN,
            },
        );
        let seed = row.seed;
        if runs.seeds.contains(&seed) {
            return Err(CompareError::Duplicate { setting, seed });
        }
        runs.seeds.push(seed);
        match score.of(row) {
            Some(score) => runs.scores.push(score),
            None => unscored += 1,
        }
    }
    let mut tasks: Vec<Task> = Vec::new();
    for mut runs in all_runs.into_iter().filter(|runs| !runs.scores.is_empty()) {
        runs.mean = interquartile_mean(&runs.scores);
        let Setting {
            environment,
            noise_std,
            alpha,
            ..
        } = runs.setting.clone();
        let same = |task: &Task| {
            task.environment == runs.setting.environment && task.noise_std == noise_std
        };
        let task = find_or_push(&mut tasks, same, || Task {
            environment,
            noise_std,
            candidates: Vec::new(),
        });
        let candidate = find_or_push(
            &mut task.candidates,
            |c| c.alpha == alpha,
            || Candidate {
                alpha,
                settings: Vec::new(),
            },
        );
        candidate.settings.push(runs);
    }
    for task in &mut tasks {
        task.candidates.sort_by(|a, b| a.alpha.total_cmp(&b.alpha));
        for candidate in &mut task.candidates {
            candidate.settings.sort_by(|a, b| b.mean.total_cmp(&a.mean));
        }
    }
    if tasks.is_empty() {
        return Err(CompareError::Empty);
    }
    Ok((tasks, unscored))
}

fn find_or_push<T>(
    items: &mut Vec<T>,
    is_same: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) -> &mut T {
    let index = items.iter().position(is_same).unwrap_or_else(|| {
        items.push(make());
        items.len() - 1
    });
    &mut items[index]
}

impl Candidate {
    /// Every candidate has a setting.
    fn best(&self) -> &Runs {
        &self.settings[0]
    }
}

impl Task {
    fn has_several_settings(&self) -> bool {
        self.candidates.iter().any(|c| c.settings.len() > 1)
    }

    fn comparisons(&self, baseline: f64) -> impl Iterator<Item = Comparison<'_>> {
        let baseline = self.candidates.iter().find(|c| c.alpha == baseline);
        self.candidates.iter().map(move |candidate| {
            let best = candidate.best();
            let other = baseline.filter(|other| other.alpha != candidate.alpha);
            Comparison {
                task: self,
                best,
                interval: bootstrap_interval(&best.scores),
                baseline: other.map(|other| {
                    let (a, b) = (&best.scores, &other.best().scores);
                    (
                        compare_samples(a, b, interquartile_difference),
                        compare_samples(a, b, probability_of_improvement),
                    )
                }),
            }
        })
    }
}

impl Comparison<'_> {
    /// Returns the difference that these runs would have found with a probability of 80 %.
    fn detectable(&self) -> Option<f64> {
        let (difference, _) = self.baseline?;
        Some(DETECTABLE_ERRORS * difference.error)
    }
}

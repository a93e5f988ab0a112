//! The commands of the laboratory, which compute and draw the theory of finite processes.

pub(super) mod bandit;
pub(super) mod converge;
mod escape;
pub(super) mod landscape;
pub(super) mod network;
mod number_format;
mod preset;
mod progress;
pub(super) mod recommend;
mod sweep_report;
pub(super) mod tabular;
mod text_table;
pub(super) mod trajectories;

use super::device::DeviceError;
use super::plot::PlotError;
use super::print_paragraph::print_paragraph;
use burn_tsallis::experiment::{FileError, write_atomically};
use burn_tsallis::rl::ppo::{ConfigError, LearnerError};
use serde::Serialize;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use tsallis_lab::Divergence;
use tsallis_lab::algorithms::SettingsError;
use tsallis_lab::exact::AssumptionError;
use tsallis_lab::mdp::{MAX_REWARD, MdpError, NameError};
use tsallis_lab::policy::ReferenceError;
use tsallis_lab::sweep::{GridError, TableError};

/// An error that ends a laboratory command.
#[derive(Debug, thiserror::Error)]
pub(super) enum LabError {
    #[error(transparent)]
    Process(#[from] NameError),
    #[error(transparent)]
    Mdp(#[from] MdpError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Grid(#[from] GridError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Assumption(#[from] AssumptionError),
    #[error("{what} must be {needs}, not {got}")]
    Value {
        what: &'static str,
        needs: String,
        got: String,
    },
    #[error(
        "{} has no best setting of this grid: give its --preset, --mdp, --algorithm and --alpha",
        .0.display()
    )]
    NothingToJudge(PathBuf),
    #[error(transparent)]
    Plot(#[from] PlotError),
    #[error(transparent)]
    Write(#[from] FileError),
    #[error("cannot write a table: {0}")]
    Csv(#[from] csv::Error),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Learner(#[from] LearnerError),
}

impl LabError {
    /// Returns whether the error comes from the arguments or files of the command line, not from the machine.
    pub(super) fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::Plot(PlotError::Draw(_)) | Self::Csv(_) | Self::Learner(_)
        )
    }
}

/// The list of MDPs at the end of the help.
const PROCESS_HELP: &str = "\
MDPs (discount 0.99, garnet 0.8):
  nchain:LENGTH                          a chain with reward 1 at the far end and 0.01 at the near end
  deepsea:SIZE, deepsea-stochastic:SIZE  bsuite's DeepSea: one path of right moves leads to the reward
  bandit:MEAN,MEAN,..                    one state, one arm per mean reward, without noise
  gridworld:ROWS,COLUMNS[,SLIP]          reward 1 at the last cell; random direction with probability SLIP
  cliffwalking                           the cliff walk of Sutton and Barto
  garnet:STATES,ACTIONS,BRANCHES,SEED    a random MDP (Garnet)
  FILE.json                              a custom MDP in this format:
    {\"discount\": 0.9, \"states\": 2, \"actions\": 1, \"transitions\": [
      {\"state\": 0, \"action\": 0, \"next\": 1, \"reward\": 0.5},
      {\"state\": 1, \"action\": 0, \"next\": 0, \"probability\": 0.25},
      {\"state\": 1, \"action\": 0, \"next\": null, \"probability\": 0.75}]}";

/// Checks a value from the command line.
fn check(
    holds: bool,
    what: &'static str,
    needs: impl Into<String>,
    got: impl ToString,
) -> Result<(), LabError> {
    if holds {
        return Ok(());
    }
    let (needs, got) = (needs.into(), got.to_string());
    Err(LabError::Value { what, needs, got })
}

fn check_within<T: PartialOrd + Display>(
    what: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), LabError> {
    let needs = format!("from {} to {}", range.start(), range.end());
    check(range.contains(&value), what, needs, value)
}

fn check_positive(what: &'static str, value: f64) -> Result<(), LabError> {
    let holds = value > 0.0 && value <= MAX_REWARD;
    let got = format!("{value:?}");
    let got = got.trim_end_matches(".0");
    check(holds, what, "positive and at most 1e100", got)
}

fn check_count(what: &'static str, value: usize) -> Result<(), LabError> {
    let holds = (1..=10_000_000).contains(&value);
    check(holds, what, "from 1 to 10 million", value)
}

fn make_folder(path: &Path) -> Result<(), LabError> {
    std::fs::create_dir_all(path).map_err(FileError::io("create the folder", path))?;
    Ok(())
}

/// Returns a file name for a process, without its extension. The names of processes from JSON files are free.
fn file_name(process: &str) -> String {
    let name = process
        .chars()
        .map(|c| match c {
            c if c.is_alphanumeric() || "._- ()=+".contains(c) => c,
            _ => '-',
        })
        .take(60)
        .collect::<String>();
    if name.starts_with('.') || name.is_empty() {
        format!("-{name}")
    } else {
        name
    }
}

/// Writes a CSV table. `header` is its first line.
fn write_table<R: Serialize>(
    path: &Path,
    header: &str,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), LabError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header.split(','))?;
    for row in rows {
        writer.serialize(row)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))?;
    write_atomically(path, &bytes)?;
    Ok(())
}

/// Returns the description of a curve and its band for the title of a figure.
fn mean_of_seeds(count: usize) -> String {
    match count {
        1 => "one seed".to_owned(),
        _ => format!("mean ± 1 std of {count} seeds"),
    }
}

/// Returns about `points` iterations from 0 to `last`, both included, evenly spaced in their logarithm.
fn log_spaced(last: usize, points: usize) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at > last {
            return None;
        }
        let here = at;
        let next = (at as f64 * (last.max(2) as f64).powf(1.0 / points as f64)) as usize;
        at = next.max(at + 1);
        if at > last && here < last {
            at = last;
        }
        Some(here)
    })
}

/// Returns the name of a divergence for a legend.
fn divergence_label(divergence: Divergence) -> String {
    match divergence {
        Divergence::Tsallis(1.0) => "α = 1 (softmax)".to_owned(),
        Divergence::Tsallis(alpha) => format!("α = {alpha}"),
        other => other.to_string(),
    }
}

/// Prints the names of the files that were written.
fn print_written(folder: &Path, names: &str) {
    print_paragraph(&format!("Written to {}: {names}", folder.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_gives_a_name_of_one_file() {
        for (process, name) in [
            ("nchain:15", "nchain-15"),
            ("bandit:0,1", "bandit-0-1"),
            ("two rooms", "two rooms"),
            ("../a\\b", "-..-a-b"),
            ("", "-"),
            ("a\u{1b}", "a-"),
        ] {
            assert_eq!(file_name(process), name);
        }
        assert_eq!(file_name(&"ä".repeat(400)).len(), 120);
    }

    #[test]
    fn log_spaced_iterations_include_both_ends() {
        for last in [1, 2, 7, 5000] {
            let kept: Vec<usize> = log_spaced(last, 400).collect();
            assert_eq!((kept[0], kept[kept.len() - 1]), (0, last));
            assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
        }
        assert!(log_spaced(100_000, 400).count() < 600);
    }
}

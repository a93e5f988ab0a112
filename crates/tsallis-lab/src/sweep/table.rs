use super::grid::{Grid, PlannedRun};
use crate::Mdp;
use crate::algorithms::{Curve, SettingsError};
use burn_tsallis::experiment::{CsvTable, FileError, write_atomically};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const RESULTS: &str = "results.csv";
const SWEEP: &str = "sweep.json";

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// The process.
    pub mdp: String,
    /// The method.
    pub algorithm: String,
    /// Its divergence or its power; nothing where it has neither.
    pub alpha: Option<String>,
    /// `eta`.
    pub step_size: f64,
    /// `lambda`; nothing where the method has none.
    pub temperature: Option<f64>,
    /// The seed.
    pub seed: u64,
    /// The exact mean return of the last policy over the horizon.
    pub final_value: f64,
    /// The mean return of the last batch.
    pub final_return: f64,
    /// Iterations before each point of the curve, apart by spaces.
    iterations: String,
    /// The exact mean returns there.
    values: String,
    /// The mean returns of the batches there.
    returns: String,
}

impl RunRow {
    pub(super) fn new(planned: &PlannedRun, curve: &Curve) -> Self {
        let last = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
        Self {
            final_value: last(&curve.values),
            final_return: last(&curve.returns),
            iterations: join_values(curve.iterations.iter()),
            values: join_values(curve.values.iter().map(|&v| SixDigits(v))),
            returns: join_values(curve.returns.iter().map(|&v| SixDigits(v))),
            ..Self::of(planned)
        }
    }

    /// A run without its results.
    fn of(planned: &PlannedRun) -> Self {
        let settings = &planned.settings;
        let algorithm = settings.algorithm;
        Self {
            mdp: planned.process.clone(),
            algorithm: algorithm.name().to_owned(),
            alpha: algorithm.alpha(),
            step_size: settings.step_size,
            temperature: algorithm.has_temperature().then_some(settings.temperature),
            seed: settings.seed,
            final_value: f64::NAN,
            final_return: f64::NAN,
            iterations: String::new(),
            values: String::new(),
            returns: String::new(),
        }
    }

    /// What tells the run from the others of a sweep.
    pub fn key(&self) -> RunKey {
        RunKey {
            mdp: self.mdp.clone(),
            algorithm: self.algorithm.clone(),
            alpha: self.alpha.clone(),
            step_size: self.step_size.to_bits(),
            temperature: self.temperature.map(f64::to_bits),
            seed: self.seed,
        }
    }

    /// Iterations before each point of the curve.
    pub fn iterations(&self) -> Vec<usize> {
        parse_values(&self.iterations)
    }

    /// The exact mean returns along the curve, to six digits.
    pub fn values(&self) -> Vec<f64> {
        parse_values(&self.values)
    }

    /// The mean returns of the batches along the curve, to six digits.
    pub fn returns(&self) -> Vec<f64> {
        parse_values(&self.returns)
    }
}

/// What tells a run from the others of a sweep; numbers count by their bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey {
    mdp: String,
    algorithm: String,
    alpha: Option<String>,
    step_size: u64,
    temperature: Option<u64>,
    seed: u64,
}

impl PlannedRun {
    /// What tells the run from the others of a sweep.
    pub fn key(&self) -> RunKey {
        RunRow::of(self).key()
    }
}

/// Displays a number with six significant digits, without trailing zeros, as tables hold it.
#[derive(Clone, Copy, Debug)]
pub struct SixDigits(pub f64);

impl std::fmt::Display for SixDigits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounded: f64 = format!("{:.5e}", self.0).parse().unwrap_or(self.0);
        write!(f, "{rounded}")
    }
}

fn join_values(items: impl Iterator<Item = impl ToString>) -> String {
    items
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(" ")
}

fn parse_values<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split(' ')
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// What every run of a table has in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SweepSettings {
    version: String,
    iterations: usize,
    batch: usize,
    horizon: usize,
    every: usize,
    project: bool,
    /// The checksum of each process.
    #[serde(default)]
    processes: BTreeMap<String, u32>,
}

impl SweepSettings {
    fn of(grid: &Grid, processes: &[Mdp]) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            iterations: grid.iterations,
            batch: grid.sampling.batch,
            horizon: grid.sampling.horizon,
            every: grid.every,
            project: grid.project,
            processes: processes
                .iter()
                .map(|mdp| (mdp.name().to_owned(), mdp.checksum()))
                .collect(),
        }
    }

    /// What the runs of a folder have in common, if it holds any; an error if that is not what is wanted of it.
    fn find(folder: &Path, wanted: &Self) -> Result<Option<Self>, TableError> {
        let (settings, results) = (folder.join(SWEEP), folder.join(RESULTS));
        if !settings.exists() {
            // A table is begun before its settings are written.
            return if fs::metadata(&results).is_ok_and(|file| file.len() > 0) {
                Err(TableError::Unknown { results, settings })
            } else {
                Ok(None)
            };
        }
        let text = fs::read(&settings).map_err(refused("read", &settings))?;
        let json: serde_json::Value =
            serde_json::from_slice(&text).map_err(malformed(&settings))?;
        if json.get("processes").is_none() {
            return Err(TableError::Other {
                path: folder.to_owned(),
                what: "no finite processes".to_owned(),
            });
        }
        let found: Self = serde_json::from_value(json).map_err(malformed(&settings))?;
        match found.differs(wanted) {
            Some(what) => Err(TableError::Other {
                path: folder.to_owned(),
                what,
            }),
            None => Ok(Some(found)),
        }
    }

    /// How a table differs from what is wanted of it.
    fn differs(&self, wanted: &Self) -> Option<String> {
        let number = |what: &str, has: usize, wants: usize| {
            (has != wants).then(|| format!("{what} {has}, not {wants}"))
        };
        let projected = || {
            let (has, wants) = (self.project, wanted.project);
            (has != wants).then(|| format!("project {has}, not {wants}"))
        };
        let process = || {
            let same = |(name, sum): &(&String, &u32)| wanted.processes.get(*name) == Some(sum);
            let known = |(name, _): &(&String, &u32)| wanted.processes.contains_key(*name);
            let (name, _) = self
                .processes
                .iter()
                .filter(known)
                .find(|entry| !same(entry))?;
            Some(format!("another process \"{name}\" than this one"))
        };
        number("iterations", self.iterations, wanted.iterations)
            .or_else(|| number("batch", self.batch, wanted.batch))
            .or_else(|| number("horizon", self.horizon, wanted.horizon))
            .or_else(|| number("every", self.every, wanted.every))
            .or_else(projected)
            .or_else(process)
    }
}

/// What is wrong with a table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// A file does not hold what it should.
    #[error("{} cannot be read: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A run that cannot be made.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A table of other runs.
    #[error("{} holds runs with {what}: give another folder, or the same settings", path.display())]
    Other {
        /// The folder.
        path: PathBuf,
        /// How they differ.
        what: String,
    },
    /// Runs of unknown settings.
    #[error(
        "{} holds runs, and no {} beside it says of which settings: give another folder",
        results.display(),
        settings.display()
    )]
    Unknown {
        /// The runs.
        results: PathBuf,
        /// The file that is not there.
        settings: PathBuf,
    },
}

/// The results of a sweep: `results.csv`, which grows by whole lines, and what all its runs have in common in
/// `sweep.json`.
#[derive(Debug)]
pub struct Table {
    file: CsvTable<RunRow>,
    rows: Vec<RunRow>,
    keys: BTreeSet<RunKey>,
}

impl Table {
    /// Opens the table in a folder, or begins one, and keeps other processes from it. A last line that a killed
    /// process left half written is cut off, and of a run that is there twice one row is kept.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written, another process writes to it, the table cannot be read, or it holds
    /// runs of other settings or of none that are known.
    pub fn open(folder: &Path, grid: &Grid, processes: &[Mdp]) -> Result<Self, TableError> {
        fs::create_dir_all(folder).map_err(refused("create the folder", folder))?;
        let mut wanted = SweepSettings::of(grid, processes);
        // Before a torn line is cut, and again once nobody else writes.
        SweepSettings::find(folder, &wanted)?;
        let (file, mut rows) = CsvTable::reopen(folder.join(RESULTS), |_: &RunRow| true)?;
        let found = SweepSettings::find(folder, &wanted)?;
        if let Some(found) = &found {
            wanted.version.clone_from(&found.version);
            wanted.processes.extend(found.processes.clone());
        }
        if found.as_ref() != Some(&wanted) {
            let settings = folder.join(SWEEP);
            let text = serde_json::to_vec_pretty(&wanted).map_err(malformed(&settings))?;
            write_atomically(&settings, &text)?;
        }
        let mut keys = BTreeSet::new();
        rows.retain(|row| keys.insert(row.key()));
        Ok(Self { file, rows, keys })
    }

    /// The runs that it holds.
    pub fn rows(&self) -> &[RunRow] {
        &self.rows
    }

    /// Whether it holds a run.
    pub fn contains(&self, planned: &PlannedRun) -> bool {
        self.keys.contains(&planned.key())
    }

    /// Appends a run.
    pub(super) fn append(&mut self, row: RunRow) -> Result<&RunRow, TableError> {
        self.file.append(&row)?;
        self.keys.insert(row.key());
        self.rows.push(row);
        Ok(&self.rows[self.rows.len() - 1])
    }
}

fn refused<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> TableError + use<'a> {
    move |source| TableError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

fn malformed<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> TableError + use<'_, E> {
    move |error| TableError::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

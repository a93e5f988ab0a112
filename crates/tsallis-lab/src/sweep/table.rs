use super::grid::{Grid, GridError, PlannedRun};
use crate::Mdp;
use crate::algorithms::{Curve, SettingsError};
use burn_tsallis::experiment::{
    CsvTable, FileError, Shard, ShardError, merge_shards, read_table, read_without_bom,
    write_atomically, write_table,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const RESULTS: &str = "results.csv";
const SWEEP: &str = "sweep.json";

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// The name of the process.
    pub mdp: String,
    /// The name of the method.
    pub algorithm: String,
    /// The divergence or the power of the method, or `None` if it has neither.
    pub alpha: Option<String>,
    /// The step size `eta`.
    pub step_size: f64,
    /// The temperature `lambda`, or `None` if the method has none.
    pub temperature: Option<f64>,
    /// The seed.
    pub seed: u64,
    /// The exact expected discounted return of the final policy over the horizon, without the regularizer.
    pub final_value: f64,
    /// The mean return of the last batch.
    pub final_return: f64,
    /// The number of iterations before each point of the curve, separated by spaces.
    iterations: String,
    /// The exact mean returns at these points.
    values: String,
    /// The mean returns of the batches at these points.
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

    /// Creates the row of a run without its results.
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

    /// Returns the key that identifies the run within a sweep.
    pub fn key(&self) -> RunKey {
        RunKey {
            setting: SettingKey {
                mdp: self.mdp.clone(),
                algorithm: self.algorithm.clone(),
                alpha: self.alpha.clone(),
                step_size: self.step_size.to_bits(),
                temperature: self.temperature.map(f64::to_bits),
            },
            seed: self.seed,
        }
    }

    /// Returns the number of iterations before each point of the curve.
    pub fn iterations(&self) -> Vec<usize> {
        parse_values(&self.iterations)
    }

    /// Returns the exact mean returns along the curve, to six digits.
    pub fn values(&self) -> Vec<f64> {
        parse_values(&self.values)
    }

    /// Returns the mean returns of the batches along the curve, to six digits.
    pub fn returns(&self) -> Vec<f64> {
        parse_values(&self.returns)
    }
}

/// The key that identifies a setting within a sweep. Floating-point numbers are compared by their bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SettingKey {
    mdp: String,
    algorithm: String,
    alpha: Option<String>,
    step_size: u64,
    temperature: Option<u64>,
}

/// A row of the table of the best settings, without its results.
#[derive(Deserialize)]
struct SettingRow {
    mdp: String,
    algorithm: String,
    alpha: Option<String>,
    step_size: f64,
    temperature: Option<f64>,
}

impl SettingKey {
    /// Reads the settings of a table, such as the `best.csv` of another sweep.
    ///
    /// # Errors
    ///
    /// If the table cannot be read.
    pub fn read(path: &Path) -> Result<BTreeSet<Self>, FileError> {
        // `read_table` takes a missing file for an empty table.
        fs::metadata(path).map_err(FileError::io("read", path))?;
        let rows: Vec<SettingRow> = read_table(path)?;
        let keys = rows.into_iter().map(|row| Self {
            mdp: row.mdp,
            algorithm: row.algorithm,
            alpha: row.alpha,
            step_size: row.step_size.to_bits(),
            temperature: row.temperature.map(f64::to_bits),
        });
        Ok(keys.collect())
    }
}

/// The key that identifies a run within a sweep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey {
    /// The setting.
    pub setting: SettingKey,
    /// The seed.
    pub seed: u64,
}

impl PlannedRun {
    /// Returns the key that identifies the run within a sweep.
    pub fn key(&self) -> RunKey {
        RunRow::of(self).key()
    }
}

/// Displays a number with six significant digits and without trailing zeros, as in the tables.
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

/// Returns the name of a file of the sweep or of its shard.
fn file_name(file: &str, shard: Option<Shard>) -> String {
    shard.map_or_else(|| file.to_owned(), |shard| shard.file_name(file))
}

/// The part of `sweep.json` by which the two sweep commands tell their folders apart.
#[derive(Deserialize)]
struct SweepKind {
    processes: Option<serde::de::IgnoredAny>,
}

/// The settings that all runs of a table share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SweepSettings {
    version: String,
    iterations: usize,
    batch: usize,
    horizon: usize,
    every: usize,
    project: bool,
    /// The checksum of each process, by name.
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

    /// Reads the settings of the runs in a folder, or returns `None` if there are no runs. Settings that differ from
    /// `wanted` are an error.
    fn find(
        folder: &Path,
        shard: Option<Shard>,
        wanted: &Self,
    ) -> Result<Option<Self>, TableError> {
        let path = |file| folder.join(file_name(file, shard));
        let (settings, results) = (path(SWEEP), path(RESULTS));
        if !settings.exists() {
            // The table is created, empty, before its settings are written.
            return if fs::metadata(&results).is_ok_and(|file| file.len() > 0) {
                Err(TableError::Unknown { results, settings })
            } else {
                Ok(None)
            };
        }
        let text = read_without_bom(&settings).map_err(FileError::io("read", &settings))?;
        let malformed = |error| FileError::malformed(&settings, error);
        let kind: SweepKind = serde_json::from_slice(&text).map_err(malformed)?;
        if kind.processes.is_none() {
            return Err(TableError::Other {
                path: folder.to_owned(),
                what: "the settings of another command".to_owned(),
            });
        }
        let found: Self = serde_json::from_slice(&text).map_err(malformed)?;
        match found.differs(wanted) {
            Some(what) => Err(TableError::Other {
                path: folder.to_owned(),
                what,
            }),
            None => Ok(Some(found)),
        }
    }

    /// Returns the first difference from the wanted settings, or `None` if they agree.
    fn differs(&self, wanted: &Self) -> Option<String> {
        let settings = |of: &Self| {
            [
                ("iterations", of.iterations.to_string()),
                ("batch", of.batch.to_string()),
                ("horizon", of.horizon.to_string()),
                ("every", of.every.to_string()),
                ("project", of.project.to_string()),
            ]
        };
        for ((what, has), (_, wants)) in settings(self).into_iter().zip(settings(wanted)) {
            if has != wants {
                return Some(format!("{what} {has}, not {wants}"));
            }
        }
        let is_other =
            |name: &String, sum: &u32| wanted.processes.get(name).is_some_and(|s| s != sum);
        let mut processes = self.processes.iter();
        let (name, _) = processes.find(|(name, sum)| is_other(name, sum))?;
        Some(format!("a different process \"{name}\""))
    }
}

/// An error of a [`Table`] or of a run that fills it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A file or the folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The settings of a run are invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The tables of the shards cannot be used together.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The table would have too many runs.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// The runs in the folder have other settings.
    #[error("{} holds runs with {what}: use another folder or the same settings", path.display())]
    Other {
        /// The folder.
        path: PathBuf,
        /// The difference.
        what: String,
    },
    /// The settings of the runs in the folder are unknown.
    #[error(
        "{} holds runs, but {} with their settings is missing: use another folder",
        results.display(),
        settings.display()
    )]
    Unknown {
        /// The file of the runs.
        results: PathBuf,
        /// The missing file of their settings.
        settings: PathBuf,
    },
}

/// The results of a sweep in a folder: the runs in `results.csv`, to which whole lines are appended, and the settings
/// that they share in `sweep.json`.
#[derive(Debug)]
pub struct Table {
    file: CsvTable<RunRow>,
    rows: Vec<RunRow>,
    keys: BTreeSet<RunKey>,
    shard: Option<Shard>,
}

impl Table {
    /// Opens the table in `folder`, or creates it, and locks it against other processes.
    ///
    /// A partial last line, left by a killed process, is removed. If a run occurs twice, its first row is kept.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be written, another process writes to it, the table cannot be read, the
    /// settings of its runs are unknown or differ, or the runs of the table and of the grid are too many.
    pub fn open(folder: &Path, grid: &Grid, processes: &[Mdp]) -> Result<Self, TableError> {
        Self::open_part(folder, None, grid, processes)
    }

    /// Opens or creates the table of a shard in `folder`, like [`open`](Self::open). [`sweep`](super::sweep) then
    /// executes only the runs of this shard.
    ///
    /// # Errors
    ///
    /// Returns an error for the same reasons as [`open`](Self::open), or if another shard in the folder has other
    /// settings or another number of shards.
    pub fn open_shard(
        folder: &Path,
        shard: Shard,
        grid: &Grid,
        processes: &[Mdp],
    ) -> Result<Self, TableError> {
        Self::check_shards(folder, grid, processes)?;
        shard.check_count(folder, RESULTS)?;
        Self::open_part(folder, Some(shard), grid, processes)
    }

    /// Merges the tables of all shards in `folder` into the table of the whole grid, with the runs in the order of the
    /// grid. Rows of the table that are not part of the grid follow.
    ///
    /// # Errors
    ///
    /// Returns an error for the same reasons as [`open_shard`](Self::open_shard), or if a run is missing.
    pub fn merge(folder: &Path, grid: &Grid, processes: &[Mdp]) -> Result<Self, TableError> {
        Self::check_shards(folder, grid, processes)?;
        let planned = grid.runs(processes);
        let places: BTreeMap<RunKey, usize> =
            planned.iter().map(PlannedRun::key).zip(0..).collect();
        let place = |row: &RunRow| places.get(&row.key()).copied();
        let mut rows = merge_shards(folder, RESULTS, planned.len(), place)?;
        let mut table = Self::open(folder, grid, processes)?;
        table.rows.retain(|row| place(row).is_none());
        rows.append(&mut table.rows);
        write_table(&folder.join(RESULTS), &rows)?;
        table.keys = rows.iter().map(RunRow::key).collect();
        Ok(Self { rows, ..table })
    }

    /// Checks that the settings of each shard in the folder are those of the grid.
    fn check_shards(folder: &Path, grid: &Grid, processes: &[Mdp]) -> Result<(), TableError> {
        let wanted = SweepSettings::of(grid, processes);
        for shard in Shard::find(folder, SWEEP)? {
            SweepSettings::find(folder, Some(shard), &wanted)?;
        }
        Ok(())
    }

    fn open_part(
        folder: &Path,
        shard: Option<Shard>,
        grid: &Grid,
        processes: &[Mdp],
    ) -> Result<Self, TableError> {
        fs::create_dir_all(folder).map_err(FileError::io("create the folder", folder))?;
        let mut wanted = SweepSettings::of(grid, processes);
        // Checked before a partial line is removed, and again once no other process can write.
        SweepSettings::find(folder, shard, &wanted)?;
        let results = folder.join(file_name(RESULTS, shard));
        let (file, mut rows) = CsvTable::reopen(results, |_: &RunRow| true)?;
        let found = SweepSettings::find(folder, shard, &wanted)?;
        let mut keys = BTreeSet::new();
        rows.retain(|row| keys.insert(row.key()));
        let in_table: Vec<RunKey> = keys.iter().cloned().collect();
        grid.check_table(processes, &in_table)?;
        if let Some(found) = &found {
            wanted.version.clone_from(&found.version);
            wanted.processes.extend(found.processes.clone());
        }
        if found.as_ref() != Some(&wanted) {
            let settings = folder.join(file_name(SWEEP, shard));
            let text = serde_json::to_vec_pretty(&wanted)
                .map_err(|error| FileError::malformed(&settings, error))?;
            write_atomically(&settings, &text)?;
        }
        Ok(Self {
            file,
            rows,
            keys,
            shard,
        })
    }

    /// Returns the runs in the table.
    pub fn rows(&self) -> &[RunRow] {
        &self.rows
    }

    /// Returns `true` if the table contains the run.
    pub fn contains(&self, planned: &PlannedRun) -> bool {
        self.keys.contains(&planned.key())
    }

    /// Returns the shard whose runs the table holds, or `None` if it is the table of all runs.
    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// Flushes the runs to disk.
    pub(super) fn sync(&self) -> Result<(), TableError> {
        Ok(self.file.sync()?)
    }

    /// Appends a run and returns its row.
    pub(super) fn append(&mut self, row: RunRow) -> Result<&RunRow, TableError> {
        self.file.append(&row)?;
        self.keys.insert(row.key());
        self.rows.push(row);
        Ok(&self.rows[self.rows.len() - 1])
    }
}

use super::SweepError;
use super::grid::Setting;
use burn_tsallis::experiment::{
    CsvTable, FileError, Shard, merge_shards, read_table, read_without_bom, write_atomically,
    write_table,
};
use burn_tsallis::rl::env::EnvironmentKind;
use burn_tsallis::rl::ppo::PpoConfig;
use burn_tsallis::rl::run::{RunFolder, RunStatus, RunSummary, Verdict};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

const PLAN: &str = "sweep.json";
const RESULTS: &str = "results.csv";

/// The configuration that all runs of a sweep share, stored in `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SweepConfig {
    version: String,
    device: String,
    /// Swept settings and the seed have their default values.
    config: PpoConfig,
}

impl SweepConfig {
    fn new(device: &str, config: &PpoConfig) -> Self {
        let unswept = PpoConfig::default();
        let config = config.on_machine_of(&unswept);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: device.to_owned(),
            config: PpoConfig {
                environment: unswept.environment,
                noise_std: unswept.noise_std,
                beta: unswept.beta,
                learning_rate: unswept.learning_rate,
                regularizer_alpha: unswept.regularizer_alpha,
                alpha: unswept.alpha,
                seed: unswept.seed,
                ..config
            },
        }
    }
}

/// The part of `sweep.json` by which the two sweep commands tell their folders apart.
#[derive(Deserialize)]
struct SweepKind {
    processes: Option<serde::de::IgnoredAny>,
}

/// A row of `results.csv`: a completed run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResultRow {
    pub(crate) environment: EnvironmentKind,
    pub(crate) noise_std: f64,
    pub(crate) beta: f64,
    pub(crate) learning_rate: f64,
    pub(crate) regularizer_alpha: f64,
    pub(crate) alpha: f64,
    pub(crate) seed: u64,
    pub(crate) status: RunStatus,
    pub(crate) steps: usize,
    pub(crate) final_return: Option<f64>,
    pub(crate) best_return: Option<f64>,
    pub(crate) mean_return: Option<f64>,
    pub(crate) late_return: Option<f64>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) steps_to_solved: Option<usize>,
    pub(crate) episodes: usize,
    pub(crate) bad_episodes: Option<usize>,
    pub(crate) seconds: f64,
    pub(crate) steps_per_second: f64,
}

impl ResultRow {
    fn new(summary: &RunSummary) -> Self {
        Self {
            environment: summary.environment.clone(),
            noise_std: summary.noise_std,
            beta: summary.beta,
            learning_rate: summary.learning_rate,
            regularizer_alpha: summary.regularizer_alpha,
            alpha: summary.alpha,
            seed: summary.seed,
            status: summary.status,
            steps: summary.steps,
            final_return: summary.final_return,
            best_return: summary.best_return,
            mean_return: summary.mean_return,
            late_return: summary.late_return,
            verdict: summary.verdict,
            steps_to_solved: summary.steps_to_solved,
            episodes: summary.episodes,
            bad_episodes: summary.bad_episodes,
            seconds: summary.seconds,
            steps_per_second: summary.steps_per_second,
        }
    }

    pub(crate) fn setting(&self) -> Setting {
        Setting {
            environment: self.environment.clone(),
            noise_std: self.noise_std,
            beta: self.beta,
            learning_rate: self.learning_rate,
            regularizer_alpha: self.regularizer_alpha,
            alpha: self.alpha,
        }
    }

    /// Returns whether this is the row of a configuration.
    pub(super) fn matches(&self, config: &PpoConfig) -> bool {
        self.seed == config.seed && self.setting() == Setting::from_config(config)
    }
}

/// Returns the rows of a sweep: those of its folder, or those of a table.
pub(crate) fn read_results(path: &Path) -> Result<Vec<ResultRow>, FileError> {
    let table = if path.is_dir() {
        path.join(RESULTS)
    } else {
        path.to_owned()
    };
    // A missing table is not an empty one.
    fs::metadata(&table).map_err(FileError::io("read", &table))?;
    read_table(&table)
}

/// The result table of a sweep on disk.
pub(super) struct Results {
    folder: PathBuf,
    table: CsvTable<ResultRow>,
    rows: Vec<ResultRow>,
}

impl Results {
    /// Returns whether the folder holds a sweep or shards of one.
    pub(super) fn exist_in(folder: &Path) -> Result<bool, FileError> {
        Ok(!plans(folder)?.is_empty())
    }

    /// Opens the table of an existing sweep or of its shard, or creates the folder and the table. `configs` are all
    /// runs of the sweep.
    pub(super) fn open(
        folder: &Path,
        device: &str,
        configs: &[PpoConfig],
        shard: Option<Shard>,
    ) -> Result<Self, SweepError> {
        let plan = folder.join(file_name(PLAN, shard));
        let Some(config) = configs.first() else {
            return Err(SweepError::Empty);
        };
        let ours = SweepConfig::new(device, config);
        // Another shard may create its plan, its first file, at any time. So plans are looked for after other files.
        let unused = RunFolder::check_unused(folder);
        let plans = plans(folder)?;
        if plans.is_empty() {
            unused?;
        }
        for plan in plans {
            let json = read_without_bom(&plan).map_err(FileError::io("read", &plan))?;
            let kind: SweepKind =
                serde_json::from_slice(&json).map_err(|e| FileError::malformed(&plan, e))?;
            if kind.processes.is_some() {
                return Err(SweepError::Other {
                    folder: folder.to_owned(),
                    difference: "it was made by `tsallis tabular`".to_owned(),
                });
            }
            let theirs: SweepConfig =
                serde_json::from_slice(&json).map_err(|e| FileError::malformed(&plan, e))?;
            if let Some(difference) = difference(&theirs, &ours) {
                return Err(SweepError::Other {
                    folder: folder.to_owned(),
                    difference,
                });
            }
        }
        if let Some(shard) = shard {
            shard.check_count(folder, RESULTS)?;
        }
        // All checks precede `CsvTable::reopen`, which truncates an incomplete last line.
        let path = folder.join(file_name(RESULTS, shard));
        let rows: Vec<ResultRow> = read_table(&path)?;
        for row in &rows {
            if !configs.iter().any(|config| row.matches(config)) {
                return Err(SweepError::Other {
                    folder: folder.to_owned(),
                    difference: format!(
                        "its table contains {}, seed {}, which is not in this sweep",
                        row.setting(),
                        row.seed
                    ),
                });
            }
        }
        if !plan.exists() {
            fs::create_dir_all(folder).map_err(FileError::io("create the folder", folder))?;
            let json =
                serde_json::to_vec_pretty(&ours).map_err(|e| FileError::malformed(&plan, e))?;
            write_atomically(&plan, &json)?;
        }
        let (table, rows) = CsvTable::reopen(path, |_| true)?;
        Ok(Self {
            folder: folder.to_owned(),
            table,
            rows,
        })
    }

    /// Merges the tables of all shards into the table of the sweep, with the runs in the order of `configs`.
    pub(super) fn merge(
        folder: &Path,
        device: &str,
        configs: &[PpoConfig],
    ) -> Result<Self, SweepError> {
        let place = |row: &ResultRow| configs.iter().position(|config| row.matches(config));
        let rows = merge_shards(folder, RESULTS, configs.len(), place)?;
        let merged = Self::open(folder, device, configs, None)?;
        write_table(&folder.join(RESULTS), &rows)?;
        Ok(Self { rows, ..merged })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn rows(&self) -> &[ResultRow] {
        &self.rows
    }

    pub(super) fn has(&self, config: &PpoConfig) -> bool {
        self.rows.iter().any(|row| row.matches(config))
    }

    pub(super) fn add(&mut self, summary: &RunSummary) -> Result<(), FileError> {
        let row = ResultRow::new(summary);
        self.table.append(&row)?;
        // The row is all that is left of a run without a folder.
        self.table.sync()?;
        self.rows.push(row);
        Ok(())
    }
}

/// Returns the name of a file of the sweep or of its shard.
fn file_name(file: &str, shard: Option<Shard>) -> String {
    shard.map_or_else(|| file.to_owned(), |shard| shard.file_name(file))
}

/// Returns the plans of the sweep and of its shards that the folder holds.
fn plans(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let shards = Shard::find(folder, PLAN)?;
    let names = std::iter::once(None).chain(shards.into_iter().map(Some));
    let plans = names.map(|shard| folder.join(file_name(PLAN, shard)));
    Ok(plans.filter(|plan| plan.exists()).collect())
}

/// Describes the first difference between two sweeps.
fn difference(theirs: &SweepConfig, ours: &SweepConfig) -> Option<String> {
    let value = |plan: &SweepConfig| serde_json::to_value(plan).ok();
    let (Some(theirs), Some(ours)) = (value(theirs), value(ours)) else {
        return Some("its settings cannot be compared".to_owned());
    };
    let of = |theirs: &serde_json::Value, ours: &serde_json::Value| {
        let fields = theirs.as_object()?;
        let (name, value) = fields
            .iter()
            .find(|(name, value)| *name != "config" && ours[name.as_str()] != **value)?;
        Some(format!(
            "its {name} is {value}, not {}",
            ours[name.as_str()]
        ))
    };
    of(&theirs, &ours).or_else(|| of(&theirs["config"], &ours["config"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{Folder, fuzz};
    use burn::tensor::Device;
    use burn_tsallis::rl::run::Trainer;

    #[test]
    fn mutated_files_are_read_or_refused() {
        let config = PpoConfig {
            environments: 1,
            rollout_steps: 8,
            minibatches: 1,
            epochs: 1,
            total_steps: 8,
            ..PpoConfig::default()
        };
        let trained = Trainer::without_folder(config.clone(), &Device::flex(), || false);
        let summary = trained
            .expect("valid")
            .train(|| false, |_, _| ())
            .expect("trained");
        let folder = Folder::new("sweep");
        let path = folder.path().join("sweep");
        let open = || Results::open(&path, "flex", std::slice::from_ref(&config), None);
        open().expect("a new sweep").add(&summary).expect("added");
        let names = [RESULTS, PLAN];
        let files = names.map(|name| fs::read(path.join(name)).expect("the file"));
        for (name, valid) in names.iter().zip(&files) {
            fuzz(name, std::slice::from_ref(valid), |bytes| {
                for (name, valid) in names.iter().zip(&files) {
                    fs::write(path.join(name), valid).expect("written");
                }
                fs::write(path.join(name), bytes).expect("written");
                if let Ok(results) = open() {
                    assert!(results.rows().iter().all(|row| row.matches(&config)));
                }
            });
        }
    }
}

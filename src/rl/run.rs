//! The folder that a training run leaves.
//!
//! | file | what it holds |
//! |---|---|
//! | `config.json` | version, device and [`PpoConfig`] |
//! | `metrics.csv` | one [`UpdateMetrics`] a row; the same seed gives the same bytes |
//! | `timing.csv` | what depends on the clock, one row to each of those |
//! | `checkpoints/step-N/` | `model.bpk`, `optimiser.bpk`, after `N` environment steps |
//!
//! Every file but the two tables, which grow by whole lines, is written beside its name and renamed, so
//! that a killed run leaves no torn one.

use super::policy::ActorCritic;
use super::ppo::{Learner, PpoConfig, UpdateMetrics};
use super::random::{Purpose, stream};
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

const CONFIG: &str = "config.json";
const METRICS: &str = "metrics.csv";
const TIMING: &str = "timing.csv";
const CHECKPOINTS: &str = "checkpoints";
const MODEL: &str = "model.bpk";
const MOMENTS: &str = "optimiser.bpk";
const STEP_PREFIX: &str = "step-";

/// What `config.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// The version of the crate that wrote the run.
    pub version: String,
    /// The device that it was trained on, as the command line names it.
    pub device: String,
    /// The configuration.
    pub config: PpoConfig,
}

/// One row of `timing.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Timing {
    update: usize,
    global_step: usize,
    /// Since the run began.
    seconds: f64,
    /// Environment steps per second of this update.
    #[serde(rename = "charts/SPS")]
    steps_per_second: f64,
    rollout_seconds: f64,
    update_seconds: f64,
}

/// What is wrong with a run folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A folder that a run would overwrite.
    #[error("{} already holds files: a new run needs a folder of its own", .0.display())]
    Occupied(PathBuf),
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
    /// The folder is not one that a run left.
    #[error("{} is not a run folder: it has no {missing}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that it lacks.
        missing: &'static str,
    },
    /// A file does not hold what it should.
    #[error("{} cannot be read: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint could not be written.
    #[error("cannot write the checkpoint {}: {reason}", path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> RunError + use<'a> {
    move |source| RunError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// The folder of a run that is being made.
pub struct RunFolder {
    path: PathBuf,
    metrics: csv::Writer<File>,
    timing: csv::Writer<File>,
    begun: Instant,
}

impl RunFolder {
    /// Makes the folder, which may exist if it is empty, and writes its configuration.
    ///
    /// # Errors
    ///
    /// If the folder holds anything, or cannot be written.
    pub fn create(path: impl Into<PathBuf>, config: &RunConfig) -> Result<Self, RunError> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(failed("create the folder", &path))?;
        let mut entries = fs::read_dir(&path).map_err(failed("read the folder", &path))?;
        if entries.next().is_some() {
            return Err(RunError::Occupied(path));
        }
        let json = serde_json::to_vec_pretty(config).map_err(|error| RunError::Malformed {
            path: path.join(CONFIG),
            reason: error.to_string(),
        })?;
        write_atomically(&path.join(CONFIG), &json)?;
        let table = |name| {
            let path = path.join(name);
            let file = File::create(&path).map_err(failed("create", &path))?;
            Ok(csv::Writer::from_writer(file))
        };
        Ok(Self {
            metrics: table(METRICS)?,
            timing: table(TIMING)?,
            path,
            begun: Instant::now(),
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the rows of an update, all or nothing of each.
    ///
    /// # Errors
    ///
    /// If a table cannot be written.
    pub fn record(&mut self, learner: &Learner, metrics: &UpdateMetrics) -> Result<(), RunError> {
        let times = learner.times();
        let (rollout, update) = (
            times.rollout.as_secs_f64(),
            (times.total - times.rollout).as_secs_f64(),
        );
        let timing = Timing {
            update: metrics.update,
            global_step: metrics.global_step,
            seconds: self.begun.elapsed().as_secs_f64(),
            steps_per_second: learner.config().batch() as f64 / (rollout + update),
            rollout_seconds: rollout,
            update_seconds: update,
        };
        append(&mut self.metrics, metrics, &self.path.join(METRICS))?;
        append(&mut self.timing, timing, &self.path.join(TIMING))
    }

    /// Writes the state of the learner, and then removes the checkpoints before it.
    ///
    /// # Errors
    ///
    /// If the checkpoint cannot be written; those before it are then still there.
    pub fn checkpoint(&self, learner: &Learner) -> Result<(), RunError> {
        let folder = self.path.join(CHECKPOINTS);
        let target = folder.join(format!("{STEP_PREFIX}{}", learner.global_step()));
        if target.exists() {
            return Ok(());
        }
        let partial = folder.join(".partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(failed("remove", &partial))?;
        }
        fs::create_dir_all(&partial).map_err(failed("create the folder", &partial))?;
        let refused = |error: burn::store::RecordError| RunError::Checkpoint {
            path: target.clone(),
            reason: error.to_string(),
        };
        let model = learner.model().clone().into_record();
        model.save(partial.join(MODEL)).map_err(refused)?;
        let earlier = checkpoints(&folder)?;
        fs::rename(&partial, &target).map_err(failed("rename the checkpoint to", &target))?;
        for (_, path) in earlier {
            fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
        }
        Ok(())
    }
}

/// A run that was made before.
#[derive(Clone, Debug)]
pub struct SavedRun {
    path: PathBuf,
    config: RunConfig,
}

impl SavedRun {
    /// Reads the configuration of the run in a folder.
    ///
    /// # Errors
    ///
    /// If there is none, or if it is not valid.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RunError> {
        let path = path.into();
        let file = path.join(CONFIG);
        if !file.is_file() {
            let missing = CONFIG;
            return Err(RunError::NotARun { path, missing });
        }
        let text = fs::read(&file).map_err(failed("read", &file))?;
        let malformed = |reason: String| RunError::Malformed {
            path: file.clone(),
            reason,
        };
        let config: RunConfig =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        config
            .config
            .validate()
            .map_err(|error| malformed(error.to_string()))?;
        Ok(Self { path, config })
    }

    /// What the run was made with.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The networks of the last checkpoint, and the environment steps that they were trained for.
    ///
    /// # Errors
    ///
    /// If there is no checkpoint, or if it does not hold the networks of the configuration.
    pub fn model(&self, device: &Device) -> Result<(ActorCritic, usize), RunError> {
        let Some((step, path)) = checkpoints(&self.path.join(CHECKPOINTS))?.pop() else {
            return Err(RunError::NotARun {
                path: self.path.clone(),
                missing: "checkpoint yet",
            });
        };
        let config = &self.config.config;
        let environment = config.environment;
        let model = ActorCritic::new(
            environment.observation_size(),
            environment.actions(),
            &config.network,
            config.alpha,
            device,
            &mut stream(0, Purpose::Weights, 0),
        );
        let file = path.join(MODEL);
        let loaded = ModuleRecord::load(&file).and_then(|record| model.try_load_record(record));
        loaded
            .map(|model| (model, step))
            .map_err(|error| RunError::Malformed {
                path: file,
                reason: error.to_string(),
            })
    }
}

/// The checkpoints of a folder by the steps that they were made after, the last one last.
fn checkpoints(folder: &Path) -> Result<Vec<(usize, PathBuf)>, RunError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("read the folder", folder))? {
        let path = entry.map_err(failed("read the folder", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let step = name.and_then(|name| name.strip_prefix(STEP_PREFIX)?.parse().ok());
        if let Some(step) = step {
            found.push((step, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a file such that its name holds either what it held before or all of `bytes`.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().map_err(failed("write", path))
}

fn append(table: &mut csv::Writer<File>, row: impl Serialize, path: &Path) -> Result<(), RunError> {
    let write = |table: &mut csv::Writer<File>| {
        table.serialize(row)?;
        table.flush()
    };
    write(table).map_err(failed("write", path))
}

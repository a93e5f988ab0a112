use super::checkpoint::Checkpoints;
use super::{
    BEST, CHECKPOINTS, CONFIG, CheckpointChoice, METRICS, RunConfig, RunError, RunSummary, SUMMARY,
    TIMING, Timing,
};
use crate::experiment::read_table;
use crate::rl::env::RunningStatistics;
use crate::rl::policy::{ActorCritic, Initializer};
use crate::rl::ppo::UpdateMetrics;
use burn::module::Module;
use burn::tensor::Device;
use std::convert::Infallible;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

/// The prefix of the folder names of several seeds.
const SEED_PREFIX: &str = "seed-";

/// The policy of a checkpoint.
#[derive(Clone, Debug)]
pub struct SavedModel {
    /// The networks.
    pub model: ActorCritic,
    /// The number of environment steps for which they were trained.
    pub steps: usize,
    /// The statistics by which their observations are normalized, or `None` if they are not.
    pub statistics: Option<RunningStatistics>,
}

/// An existing run.
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
    /// If the folder has no configuration, if an incompatible version wrote it, or if it is invalid.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RunError> {
        let path = path.into();
        let config = RunConfig::read(&path)?;
        Ok(Self { path, config })
    }

    /// Opens the run in a folder, or the runs in its folders `seed-N`, in ascending order of the seeds.
    ///
    /// # Errors
    ///
    /// If the folder has neither, or if a configuration is invalid or was written by an incompatible version.
    pub fn open_all(path: impl Into<PathBuf>) -> Result<Vec<Self>, RunError> {
        let path = path.into();
        let seeds = Self::seed_folders(&path)?;
        if path.join(CONFIG).is_file() || seeds.is_empty() {
            return Ok(vec![Self::open(path)?]);
        }
        seeds.into_iter().map(Self::open).collect()
    }

    /// Returns the name of the folder of a seed.
    pub fn seed_folder(seed: u64) -> String {
        format!("{SEED_PREFIX}{seed}")
    }

    /// Returns the folders of seeds in a folder, in ascending order of the seeds.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn seed_folders(path: &Path) -> Result<Vec<PathBuf>, RunError> {
        if !path.is_dir() {
            return Ok(Vec::new());
        }
        let mut seeds = Vec::new();
        for entry in fs::read_dir(path).map_err(RunError::io("read the folder", path))? {
            let path = entry.map_err(RunError::io("read the folder", path))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let seed: Option<u64> =
                name.and_then(|name| name.strip_prefix(SEED_PREFIX)?.parse().ok());
            seeds.extend(seed.map(|seed| (seed, path)));
        }
        seeds.sort();
        Ok(seeds.into_iter().map(|(_, path)| path).collect())
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the configuration of the run.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Checks that `config.json` still holds the configuration of the newest checkpoint. Only the number of steps
    /// may differ. Checkpoints without a readable configuration are skipped, and a run without others passes.
    ///
    /// # Errors
    ///
    /// [`RunError::Edited`] if a setting differs, or an error if the folder of the checkpoints cannot be read.
    pub fn check_unchanged(&self) -> Result<(), RunError> {
        let checkpoints = Checkpoints::new(self.path.join(CHECKPOINTS));
        let steps = checkpoints.steps()?;
        let mut newest_first = steps.into_iter().rev();
        match newest_first.find_map(|step| checkpoints.settings(step).ok().flatten()) {
            Some(trained) => self.config.check_unchanged(&trained, &self.path),
            None => Ok(()),
        }
    }

    /// Returns the rows of `metrics.csv`, or no rows if the run has not begun.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn metrics(&self) -> Result<Vec<UpdateMetrics>, RunError> {
        Ok(read_table(&self.path.join(METRICS))?)
    }

    /// Returns the rows of `timing.csv`, or no rows if the run does not write the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn timing(&self) -> Result<Vec<Timing>, RunError> {
        Ok(read_table(&self.path.join(TIMING))?)
    }

    /// Removes all checkpoints, and `timing.csv` unless the run writes diagnostics. The run can then no longer be
    /// resumed or evaluated.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed.
    pub fn remove_checkpoints(&self) -> Result<(), RunError> {
        let folder = self.path.join(CHECKPOINTS);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(RunError::io("remove", &folder))?;
        }
        let timing = self.path.join(TIMING);
        if !self.config.recording.diagnostics && timing.exists() {
            fs::remove_file(&timing).map_err(RunError::io("remove", &timing))?;
        }
        Ok(())
    }

    /// Returns the summary, or `None` if the run has not ended.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn summary(&self) -> Result<Option<RunSummary>, RunError> {
        let file = self.path.join(SUMMARY);
        if !file.exists() {
            return Ok(None);
        }
        let json = fs::read(&file).map_err(RunError::io("read", &file))?;
        serde_json::from_slice(&json)
            .map(Some)
            .map_err(|error| RunError::malformed(&file, error))
    }

    /// Returns the policy of a checkpoint. If a run in progress removes the checkpoint meanwhile, the next one is taken.
    ///
    /// # Errors
    ///
    /// If the checkpoint does not exist or cannot be read, or if the configuration has changed since.
    pub fn model(&self, choice: CheckpointChoice, device: &Device) -> Result<SavedModel, RunError> {
        loop {
            let (checkpoints, step) = self.find(choice)?;
            match self.load(&checkpoints, step, device) {
                Err(_) if !checkpoints.path(step).exists() => {}
                model => return model,
            }
        }
    }

    fn load(
        &self,
        checkpoints: &Checkpoints,
        step: usize,
        device: &Device,
    ) -> Result<SavedModel, RunError> {
        if let Some(trained) = checkpoints.settings(step)? {
            self.config.check_unchanged(&trained, &self.path)?;
        }
        let config = &self.config.config;
        let record = checkpoints.model(step)?;
        let refused = |reason: &dyn Display| RunError::malformed(&checkpoints.path(step), reason);
        let state = checkpoints.state(step)?;
        let spaces = state.spaces.or_else(|| config.environment.spaces());
        let spaces = spaces.ok_or_else(|| refused(&"it does not have the spaces"))?;
        let statistics = state.normalization.and_then(|n| n.observations);
        if statistics.is_some() != config.normalize_observations {
            return Err(refused(
                &"it must have statistics exactly if observations are normalized",
            ));
        }
        if let Some(statistics) = &statistics {
            let checked = statistics.check(spaces.observation_size);
            checked.map_err(|error| refused(&error))?;
        }
        let Ok(model) = ActorCritic::initialized::<Infallible>(
            &spaces,
            &config.network,
            config.alpha,
            device,
            &mut Initializer::Zeros,
        );
        let model = model.try_load_record(record);
        Ok(SavedModel {
            model: model.map_err(|error| refused(&error))?,
            steps: step,
            statistics,
        })
    }

    fn find(&self, choice: CheckpointChoice) -> Result<(Checkpoints, usize), RunError> {
        let folder = self.path.join(CHECKPOINTS);
        let all = Checkpoints::new(&folder);
        let best = Checkpoints::new(folder.join(BEST));
        let mut steps = all.steps()?;
        if steps.is_empty() {
            // While a run replaces its only checkpoint, a listing may show neither.
            steps = all.steps()?;
        }
        let ended = self.path.join(SUMMARY).is_file();
        let (wanted, found) = match choice {
            CheckpointChoice::Last => {
                let wanted = if ended {
                    "any more: the run has ended, and its checkpoints have been removed"
                } else {
                    "yet"
                };
                (wanted.to_owned(), steps.last().map(|&step| (all, step)))
            }
            CheckpointChoice::Best => {
                let yet = if ended { "" } else { " yet" };
                let wanted = format!("after 100 episodes{yet}, so there is no best one");
                (wanted, best.steps()?.last().map(|&step| (best, step)))
            }
            CheckpointChoice::Step(step) if steps.contains(&step) => {
                return Ok((all, step));
            }
            CheckpointChoice::Step(step) if best.steps()?.contains(&step) => {
                return Ok((best, step));
            }
            CheckpointChoice::Step(step) => (format!("after {step} steps"), None),
        };
        found.ok_or_else(|| {
            let names: Vec<_> = steps.iter().map(ToString::to_string).collect();
            RunError::NoCheckpoint {
                path: self.path.clone(),
                wanted,
                has: match choice {
                    CheckpointChoice::Step(_) if !names.is_empty() => {
                        format!(": it has checkpoints after {} steps", names.join(", "))
                    }
                    _ => String::new(),
                },
            }
        })
    }
}

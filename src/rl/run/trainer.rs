use super::folder::checkpoints;
use super::summary::History;
use super::{METRICS, RunConfig, RunError, RunFolder, RunStatus, RunSummary, Timing};
use crate::experiment::read_table;
use crate::rl::ppo::{ConfigError, Learner, LearnerError, PpoConfig, UpdateMetrics};
use burn::module::Module;
use burn::tensor::Device;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest time between two checkpoints.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// A learner with the folder of its run.
pub struct Trainer {
    learner: Learner,
    recording: super::Recording,
    folder: Option<RunFolder>,
    history: History,
    /// The recent return of the best checkpoint.
    best: Option<f64>,
    /// Seconds of training so far.
    seconds: f64,
}

/// The settings of a run that may change when it is resumed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResumeOptions {
    /// Environment steps of the whole run. An annealed learning rate then falls to zero over this number, so
    /// the run differs from one with this number from the start.
    pub total_steps: Option<usize>,
    /// The device, by its name in `config.json`.
    pub device: Option<String>,
    /// The Python that has Gymnasium.
    pub python: Option<String>,
    /// The time in seconds in which Python must answer.
    pub timeout: Option<f64>,
}

/// A notice for the user of a resumed run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A checkpoint could not be used, and an earlier one is used instead.
    Fallback {
        /// Why the checkpoint could not be used.
        reason: String,
        /// The environment steps of the earlier checkpoint.
        step: usize,
    },
    /// The environments do not save their state and begin new episodes.
    NewEpisodes,
    /// Python or a package of the environment has another version.
    OtherVersions {
        /// The versions before.
        before: BTreeMap<String, String>,
        /// The versions now.
        now: BTreeMap<String, String>,
    },
    /// The number of steps of the run has changed.
    OtherSteps {
        /// The number of steps before.
        before: usize,
        /// The number of steps now.
        now: usize,
    },
    /// The run continues on another device.
    OtherDevice {
        /// The device before.
        before: String,
        /// The device now.
        now: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fallback { reason, step } => {
                write!(f, "{reason}: continuing from the checkpoint after {step} steps")
            }
            Self::NewEpisodes => f.write_str(
                "these environments do not save their state: they begin new episodes, and the run differs \
                 from an uninterrupted one",
            ),
            Self::OtherVersions { before, now } => {
                let words = |versions: &BTreeMap<String, String>| {
                    let names = versions.iter().map(|(name, version)| format!("{name} {version}"));
                    names.collect::<Vec<_>>().join(", ")
                };
                write!(
                    f,
                    "{} instead of {}: the environment may behave differently",
                    words(now),
                    words(before)
                )
            }
            Self::OtherSteps { before, now } => write!(
                f,
                "{now} steps instead of {before}: the run differs from one with {now} steps from the start"
            ),
            Self::OtherDevice { before, now } => write!(
                f,
                "on {now} instead of {before}: the run is not bit-identical to a run on either device"
            ),
        }
    }
}

/// An error in creating or resuming a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainerError {
    /// The learner cannot be created.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Trainer {
    /// Creates a run without a folder.
    ///
    /// # Errors
    ///
    /// If the configuration is invalid, or if `stop` returns true while the networks are initialized.
    pub fn without_folder(
        config: PpoConfig,
        device: &Device,
        stop: impl Fn() -> bool,
    ) -> Result<Self, TrainerError> {
        let learner = Learner::new_unless(config, device, &stop)?;
        Ok(Self {
            history: History::new(&learner),
            learner,
            recording: super::Recording::metrics(),
            folder: None,
            best: None,
            seconds: 0.0,
        })
    }

    /// Creates a run in a folder that does not exist or is empty.
    ///
    /// # Errors
    ///
    /// If the configuration is invalid, or if the folder is not empty or cannot be written.
    pub fn create(
        path: &Path,
        mut config: RunConfig,
        device: &Device,
    ) -> Result<Self, TrainerError> {
        let learner = Learner::new(config.config.clone(), device)?;
        config.environment_versions = learner.environments().versions();
        RunFolder::prepare(path, &config)?;
        Self::open(path, config, learner)
    }

    /// Resumes a run from its newest readable checkpoint. From there, a run on a CPU produces the same
    /// metrics, networks and states as an uninterrupted one. A run that was [prepared](RunFolder::prepare)
    /// but never started starts from the beginning.
    ///
    /// # Errors
    ///
    /// If the folder is not a run of a compatible version, if another process writes to it, if its configuration
    /// has been edited, if no checkpoint can be used, if an option is invalid, or if `stop` returns true while
    /// the networks are initialized; in these cases nothing in the folder has been changed. Also if the folder
    /// cannot be written.
    pub fn resume(
        path: &Path,
        options: &ResumeOptions,
        device: &Device,
        stop: impl Fn() -> bool,
    ) -> Result<(Self, Vec<Notice>), TrainerError> {
        let found = RunConfig::read(path)?;
        RunFolder::check_not_in_use(path)?;
        let mut config = found.clone();
        let mut notices = Vec::new();
        if let Some(steps) = options.total_steps {
            config.config.total_steps = steps;
            config.config.validate()?;
        }
        if let Some(device) = &options.device {
            config.device.clone_from(device);
        }
        if let Some(python) = &options.python {
            config.config.gymnasium.python.clone_from(python);
        }
        if let Some(timeout) = options.timeout {
            config.config.gymnasium.timeout = timeout;
            config.config.validate()?;
        }
        let restored = restore(path, &config, device, &stop, &mut notices)?;
        let learner = restored.learner;
        let before = restored.settings.unwrap_or_else(|| found.clone());
        let before_steps = before.config.updates() * before.config.batch();
        let steps = config.config.updates() * config.config.batch();
        if steps != before_steps && learner.updates() > 0 {
            if steps < learner.global_step() {
                return Err(ConfigError::new(
                    "total_steps",
                    config.config.total_steps,
                    &format!("at least {}, the steps already made", learner.global_step()),
                )
                .into());
            }
            notices.push(Notice::OtherSteps {
                before: before.config.total_steps,
                now: config.config.total_steps,
            });
        }
        if config.device != before.device && learner.updates() > 0 {
            notices.push(Notice::OtherDevice {
                before: before.device.clone(),
                now: config.device.clone(),
            });
        }
        if !restored.environments {
            notices.push(Notice::NewEpisodes);
        }
        let versions = learner.environments().versions();
        let before = std::mem::replace(&mut config.environment_versions, versions.clone());
        if before != versions && learner.updates() > 0 {
            notices.push(Notice::OtherVersions {
                before,
                now: versions,
            });
        }
        let changed = config != found;
        let trainer = Self::open(path, config.clone(), learner)?;
        if changed {
            config.write(path)?;
        }
        Ok((trainer, notices))
    }

    fn open(path: &Path, config: RunConfig, learner: Learner) -> Result<Self, TrainerError> {
        let (folder, rows, seconds) =
            RunFolder::open(path, &config, learner.updates(), learner.global_step())?;
        let mut history = History::new(&learner);
        let mut best = None;
        let best_step = folder.best_step()?;
        for row in &rows {
            history.push(row);
            if Some(row.global_step) == best_step {
                best = history.recent_return();
            }
        }
        let mut trainer = Self {
            learner,
            recording: config.recording,
            folder: Some(folder),
            history,
            best,
            seconds,
        };
        trainer.checkpoint()?;
        Ok(trainer)
    }

    /// Trains until the run is finished or fails, or until `stop` returns true between two updates. Then
    /// writes a checkpoint and the summary. `observe` is called after every update.
    ///
    /// If the learner fails, for example because training has diverged, the method still returns `Ok`. The
    /// summary records the reason, and the last good checkpoint is kept.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn train(
        &mut self,
        mut stop: impl FnMut() -> bool,
        mut observe: impl FnMut(&UpdateMetrics, &Timing),
    ) -> Result<RunSummary, RunError> {
        let started = Instant::now();
        let before = self.seconds;
        let every = self.recording.checkpoint_updates(self.learner.config());
        let mut saved = Instant::now();
        let mut failure = None;
        while !self.learner.is_finished() && !stop() {
            let metrics = match self.learner.update() {
                Ok(metrics) => metrics,
                Err(error) => {
                    // The networks are still those of the last update. Environments whose state is saved would go on
                    // from the middle of a rollout.
                    let is_whole = matches!(error, LearnerError::Environment { .. });
                    if is_whole && self.learner.environments().save().is_none() {
                        self.checkpoint()?;
                    }
                    failure = Some(error);
                    break;
                }
            };
            self.seconds = before + started.elapsed().as_secs_f64();
            let timing = Timing::new(
                &metrics,
                self.learner.config().batch(),
                self.learner.times(),
                self.seconds,
            );
            self.history.push(&metrics);
            if let Some(folder) = &mut self.folder {
                folder.record(&metrics, &timing)?;
            }
            observe(&metrics, &timing);
            if metrics.update.is_multiple_of(every) || saved.elapsed() > CHECKPOINT_INTERVAL {
                failure = self.checkpoint()?;
                if failure.is_some() {
                    break;
                }
                saved = Instant::now();
            }
        }
        if failure.is_none() {
            failure = self.checkpoint()?;
        }
        self.seconds = before + started.elapsed().as_secs_f64();
        let status = match &failure {
            Some(error) if error.is_of_environments() => RunStatus::Interrupted,
            Some(_) => RunStatus::Failed,
            None if self.learner.is_finished() => RunStatus::Finished,
            None => RunStatus::Stopped,
        };
        let reason = match status {
            RunStatus::Finished => None,
            RunStatus::Stopped => Some("stopped on request".to_owned()),
            RunStatus::Interrupted | RunStatus::Failed => failure.map(|error| error.to_string()),
        };
        let summary = self
            .history
            .summary(self.learner.config(), status, reason, self.seconds);
        if let Some(folder) = &self.folder {
            folder.write_summary(&summary)?;
        }
        Ok(summary)
    }

    /// Writes a checkpoint. If the networks are not finite, writes nothing and returns the reason.
    fn checkpoint(&mut self) -> Result<Option<LearnerError>, RunError> {
        let Some(folder) = &mut self.folder else {
            return Ok(None);
        };
        match self.learner.is_finite() {
            Ok(true) => {}
            Ok(false) => return Ok(Some(LearnerError::NotFinite("network"))),
            Err(error) => return Ok(Some(error)),
        }
        let recent = self.history.recent_return();
        let is_best = recent.is_some_and(|recent| self.best.is_none_or(|best| recent > best));
        folder.checkpoint(&self.learner, is_best)?;
        if is_best {
            self.best = recent;
        }
        Ok(None)
    }

    /// Returns the learner.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// Returns the folder, or `None` without one.
    pub fn path(&self) -> Option<&Path> {
        self.folder.as_ref().map(RunFolder::path)
    }
}

/// A learner at the beginning of a run or at a checkpoint.
struct Restored {
    learner: Learner,
    /// Whether the environments were restored.
    environments: bool,
    /// The configuration with which the checkpoint was made.
    settings: Option<RunConfig>,
}

/// Restores a learner from the newest readable checkpoint of a run.
fn restore(
    path: &Path,
    config: &RunConfig,
    device: &Device,
    stop: &dyn Fn() -> bool,
    notices: &mut Vec<Notice>,
) -> Result<Restored, TrainerError> {
    let (checkpoints, _) = checkpoints(path);
    let mut first_error: Option<RunError> = None;
    for step in checkpoints.steps()?.into_iter().rev() {
        let settings = match checkpoints.settings(step) {
            Ok(settings) => settings,
            Err(error) => {
                first_error.get_or_insert(error);
                continue;
            }
        };
        if let Some(trained) = &settings {
            config.check_unchanged(trained, path)?;
        }
        let mut learner = Learner::to_restore(config.config.clone(), device)?;
        let parameters = learner.model().num_params();
        let restored = checkpoints
            .load(step, parameters, &device.clone().inner())
            .and_then(|checkpoint| {
                let refused =
                    |error: LearnerError| RunError::malformed(&checkpoints.path(step), error);
                let saved = learner.restore(checkpoint).map_err(refused)?;
                if learner.global_step() == step {
                    Ok(saved)
                } else {
                    let reason = format!("it was made after {} steps", learner.global_step());
                    Err(RunError::malformed(&checkpoints.path(step), reason))
                }
            });
        match restored {
            Ok(environments) => {
                if !environments {
                    learner.begin_new_episodes().map_err(LearnerError::from)?;
                }
                notices.extend(first_error.map(|error| Notice::Fallback {
                    reason: error.to_string(),
                    step,
                }));
                return Ok(Restored {
                    learner,
                    environments,
                    settings,
                });
            }
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    if let Some(error) = first_error {
        return Err(error.into());
    }
    let rows: Vec<UpdateMetrics> = read_table(&path.join(METRICS)).map_err(RunError::from)?;
    if !rows.is_empty() {
        return Err(RunError::NoCheckpoint {
            path: PathBuf::from(path),
            wanted: "to continue from".to_owned(),
            has: String::new(),
        }
        .into());
    }
    Ok(Restored {
        learner: Learner::new_unless(config.config.clone(), device, stop)?,
        environments: true,
        settings: None,
    })
}

use super::folder::checkpoints;
use super::summary::History;
use super::{METRICS, RunConfig, RunError, RunFolder, RunStatus, RunSummary, Timing};
use crate::experiment::read_table;
use crate::rl::ppo::{ConfigError, Learner, LearnerError, PpoConfig, UpdateMetrics};
use burn::module::Module;
use burn::tensor::Device;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A checkpoint is written at the latest after so long.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// A learner with the folder that its run leaves.
pub struct Trainer {
    learner: Learner,
    recording: super::Recording,
    folder: Option<RunFolder>,
    history: History,
    /// The recent return of the best checkpoint.
    best: Option<f64>,
    /// Seconds that the run was trained for before.
    seconds: f64,
}

/// What may be changed of a run that is resumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumeOptions {
    /// Environment steps of the whole run. The learning rate then falls to zero over these, so that the run
    /// is no longer the one that so many steps from the beginning would have given.
    pub total_steps: Option<usize>,
    /// The device, as `config.json` names it.
    pub device: Option<String>,
}

/// What the user of a resumed run should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A checkpoint could not be used, and an earlier one is.
    Fallback {
        /// Why not, in words.
        reason: String,
        /// The environment steps of the earlier one.
        step: usize,
    },
    /// The environments do not save their state.
    NewEpisodes,
    /// The run has another number of steps than it began with.
    OtherSteps {
        /// The number of steps that it began with.
        before: usize,
        /// That which it has now.
        now: usize,
    },
    /// The run goes on on another device.
    OtherDevice {
        /// The device that it was trained on.
        before: String,
        /// That which it goes on on.
        now: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fallback { reason, step } => {
                write!(f, "{reason}: going on from the checkpoint of {step} steps")
            }
            Self::NewEpisodes => f.write_str(
                "these environments do not save their state: they begin new episodes, and the run is \
                 no longer equal to one without a break",
            ),
            Self::OtherSteps { before, now } => write!(
                f,
                "{now} steps instead of {before}: the run is no longer equal to one of {now} steps from \
                 its beginning"
            ),
            Self::OtherDevice { before, now } => write!(
                f,
                "on {now} instead of {before}: the run is no longer equal to the last bit to one on \
                 either"
            ),
        }
    }
}

/// Why a run cannot begin or be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainerError {
    /// The learner cannot be made.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Trainer {
    /// A run at its beginning, without a folder.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid.
    pub fn without_folder(config: PpoConfig, device: &Device) -> Result<Self, TrainerError> {
        Ok(Self {
            learner: Learner::new(config, device)?,
            recording: super::Recording::metrics(),
            folder: None,
            history: History::default(),
            best: None,
            seconds: 0.0,
        })
    }

    /// A run at its beginning, in a folder that does not exist or is empty.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid, or if the folder holds anything or cannot be written.
    pub fn create(path: &Path, config: RunConfig, device: &Device) -> Result<Self, TrainerError> {
        let learner = Learner::new(config.config.clone(), device)?;
        RunFolder::prepare(path, &config)?;
        Self::open(path, &config, learner)
    }

    /// Goes on with a run after its newest checkpoint that can be read: from there it gives, on a CPU, the
    /// same metrics, networks and states as without a break. A run that is
    /// [prepared](RunFolder::prepare) begins.
    ///
    /// # Errors
    ///
    /// If the folder is not a run of this version, if no checkpoint of it can be used, or if it cannot be
    /// written. Nothing in it is changed then.
    pub fn resume(
        path: &Path,
        options: &ResumeOptions,
        device: &Device,
    ) -> Result<(Self, Vec<Notice>), TrainerError> {
        let before = RunConfig::read(path)?;
        let mut config = before.clone();
        let mut notices = Vec::new();
        if let Some(steps) = options.total_steps {
            config.config.total_steps = steps;
            config.config.validate()?;
        }
        if let Some(device) = &options.device {
            config.device.clone_from(device);
        }
        let (learner, saved) = restore(path, &config.config, device, &mut notices)?;
        let before_steps = before.config.updates() * before.config.batch();
        let steps = config.config.updates() * config.config.batch();
        if steps != before_steps && learner.updates() > 0 {
            if steps < learner.global_step() {
                return Err(ConfigError::new(
                    "total_steps",
                    config.config.total_steps,
                    &format!("at least {}, which the run has made", learner.global_step()),
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
        if !saved {
            notices.push(Notice::NewEpisodes);
        }
        let trainer = Self::open(path, &config, learner)?;
        if config != before {
            config.write(path)?;
        }
        Ok((trainer, notices))
    }

    fn open(path: &Path, config: &RunConfig, learner: Learner) -> Result<Self, TrainerError> {
        let (folder, rows, seconds) = RunFolder::open(
            path,
            config.recording,
            learner.updates(),
            learner.global_step(),
        )?;
        let mut history = History::default();
        let mut best = None;
        let best_step = folder.best_step()?;
        for row in &rows {
            history.push(row, config.config.environment.solved_return());
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

    /// Trains until the run is finished, fails, or `stop` answers true between two updates, and leaves a
    /// checkpoint and the summary. `observe` is shown every update.
    ///
    /// A learner that cannot go on is no error but a summary that says why: its last good checkpoint stays.
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
        let solved_return = self.learner.config().environment.solved_return();
        let mut saved = Instant::now();
        let mut failure = None;
        while !self.learner.is_finished() && !stop() {
            let metrics = match self.learner.update() {
                Ok(metrics) => metrics,
                Err(error) => {
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
            self.history.push(&metrics, solved_return);
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
            Some(_) => RunStatus::Failed,
            None if self.learner.is_finished() => RunStatus::Finished,
            None => RunStatus::Stopped,
        };
        let reason = match status {
            RunStatus::Finished => None,
            RunStatus::Stopped => Some("it was asked to stop".to_owned()),
            RunStatus::Failed => failure.map(|error| error.to_string()),
        };
        let summary = self
            .history
            .summary(self.learner.config(), status, reason, self.seconds);
        if let Some(folder) = &self.folder {
            folder.write_summary(&summary)?;
        }
        Ok(summary)
    }

    /// Writes a checkpoint. Networks that are no longer finite are not written: the answer is why.
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

    /// The learner.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// The folder, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.folder.as_ref().map(RunFolder::path)
    }
}

/// A learner after the newest checkpoint of a run that can be read, and whether its environments are too.
fn restore(
    path: &Path,
    config: &PpoConfig,
    device: &Device,
    notices: &mut Vec<Notice>,
) -> Result<(Learner, bool), TrainerError> {
    let (checkpoints, _) = checkpoints(path);
    let mut first_error: Option<RunError> = None;
    for step in checkpoints.steps()?.into_iter().rev() {
        let mut learner = Learner::new(config.clone(), device)?;
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
                    let reason = format!("it is one of {} steps", learner.global_step());
                    Err(RunError::malformed(&checkpoints.path(step), reason))
                }
            });
        match restored {
            Ok(saved) => {
                notices.extend(first_error.map(|error| Notice::Fallback {
                    reason: error.to_string(),
                    step,
                }));
                return Ok((learner, saved));
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
            wanted: "to go on from".to_owned(),
            has: String::new(),
        }
        .into());
    }
    Ok((Learner::new(config.clone(), device)?, true))
}

use super::{RunConfig, RunError};
use crate::experiment::{create_folder, sync_folder, write_synced};
use crate::rl::ppo::{Checkpoint, LearnerState, Moments};
use crate::rl::record::float_record;
use burn::module::Module;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::{Bytes, Device};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MODEL: &str = "model.bpk";
const MOMENTS: &str = "optimizer.bpk";
const STATE: &str = "state.json";
/// Not `config.json`, so that a checkpoint does not look like a run.
const SETTINGS: &str = "settings.json";
const STEP_PREFIX: &str = "step-";

/// The names of a checkpoint while it is written and while it is removed.
const PARTIAL: &str = ".partial";
const REMOVED: &str = ".removed";

/// A choice among the checkpoints of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// The newest checkpoint.
    Last,
    /// The checkpoint with the highest recent return.
    Best,
    /// The checkpoint after this number of environment steps.
    Step(usize),
}

/// The contents of the files of a checkpoint.
pub(super) struct CheckpointFiles {
    model: Bytes,
    moments: Option<Bytes>,
    state: Vec<u8>,
    settings: Vec<u8>,
}

impl CheckpointFiles {
    pub(super) fn new(
        checkpoint: Checkpoint,
        config: &RunConfig,
        folder: &Path,
    ) -> Result<Self, RunError> {
        let refused = |error: &dyn std::fmt::Display| RunError::malformed(folder, error);
        let encoded = |record: ModuleRecord| record.into_bytes().map_err(|e| refused(&e));
        Ok(Self {
            model: encoded(checkpoint.model)?,
            moments: checkpoint
                .moments
                .map(|moments| encoded(moments.into_record()))
                .transpose()?,
            state: serde_json::to_vec(&checkpoint.state).map_err(|e| refused(&e))?,
            settings: serde_json::to_vec(config).map_err(|e| refused(&e))?,
        })
    }
}

/// A folder of checkpoints, which are named after their number of environment steps.
#[derive(Clone, Debug)]
pub(super) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    pub(super) fn path(&self, step: usize) -> PathBuf {
        self.folder.join(format!("{STEP_PREFIX}{step}"))
    }

    /// Returns the steps of the existing checkpoints, in ascending order.
    pub(super) fn steps(&self) -> Result<Vec<usize>, RunError> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let refused = || RunError::io("read the folder", &self.folder);
        let mut steps = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(refused())? {
            let name = entry.map_err(refused())?.file_name();
            let step = name
                .to_str()
                .and_then(|name| name.strip_prefix(STEP_PREFIX));
            steps.extend(step.and_then(|step| step.parse::<usize>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Writes a checkpoint. It appears under its name only after all of its files are on disk. Files of
    /// the same step in `link_source` are hard-linked instead of written again if the file system
    /// supports it, because the files of a checkpoint never change.
    pub(super) fn save(
        &self,
        files: &CheckpointFiles,
        step: usize,
        link_source: Option<&Self>,
    ) -> Result<(), RunError> {
        let target = self.path(step);
        if target.exists() {
            return Ok(());
        }
        let partial = self.folder.join(PARTIAL);
        remove(&partial)?;
        for folder in [&self.folder, &partial] {
            create_folder(folder).map_err(RunError::io("create the folder", folder))?;
        }
        let written = [
            (MODEL, Some(&files.model[..])),
            (MOMENTS, files.moments.as_deref()),
            (STATE, Some(&files.state[..])),
            (SETTINGS, Some(&files.settings[..])),
        ]
        .into_iter()
        .filter_map(|(name, bytes)| Some((name, bytes?)))
        .try_for_each(|(name, bytes)| {
            let file = partial.join(name);
            let linked = link_source.is_some_and(|link_source| {
                fs::hard_link(link_source.path(step).join(name), &file).is_ok()
            });
            if linked {
                return Ok(());
            }
            write_synced(&file, bytes).map_err(RunError::io("write", &target.join(name)))
        });
        if let Err(error) = written {
            // Report the error of the write, not that of the cleanup.
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
        let rename = || {
            sync_folder(&partial)?;
            fs::rename(&partial, &target)?;
            sync_folder(&self.folder)
        };
        rename().map_err(RunError::io("write", &target))
    }

    /// Removes all but the newest `count` checkpoints.
    pub(super) fn prune(&self, count: usize) -> Result<(), RunError> {
        let steps = self.steps()?;
        let old = steps.len().saturating_sub(count);
        steps[..old].iter().try_for_each(|&step| self.remove(step))
    }

    /// Removes the checkpoints after step `last`.
    pub(super) fn remove_after(&self, last: usize) -> Result<(), RunError> {
        let later = self.steps()?.into_iter().filter(|&step| step > last);
        later.into_iter().try_for_each(|step| self.remove(step))
    }

    /// Removes checkpoints that a killed process left partially written or partially removed.
    pub(super) fn remove_partial(&self) -> Result<(), RunError> {
        [PARTIAL, REMOVED]
            .into_iter()
            .try_for_each(|name| remove(&self.folder.join(name)))
    }

    /// Removes a checkpoint. It is renamed first, so that a partially removed checkpoint is never read.
    fn remove(&self, step: usize) -> Result<(), RunError> {
        let path = self.path(step);
        let removed = self.folder.join(REMOVED);
        remove(&removed)?;
        fs::rename(&path, &removed).map_err(RunError::io("remove", &path))?;
        remove(&removed)
    }

    /// Reads the networks of a checkpoint.
    pub(super) fn model(&self, step: usize) -> Result<ModuleRecord, RunError> {
        record(&self.path(step).join(MODEL))
    }

    /// Reads a checkpoint for a learner whose networks have `parameters` parameters.
    pub(super) fn load(
        &self,
        step: usize,
        parameters: usize,
        device: &Device,
    ) -> Result<Checkpoint, RunError> {
        let folder = self.path(step);
        let moments = folder.join(MOMENTS);
        let state = self.state(step)?;
        if state.adam_steps > 0 && !moments.is_file() {
            return Err(RunError::malformed(&moments, "the file does not exist"));
        }
        Ok(Checkpoint {
            model: self.model(step)?,
            moments: (state.adam_steps > 0)
                .then(|| {
                    Moments::new(parameters, device)
                        .try_load_record(record(&moments)?)
                        .map_err(|error| RunError::malformed(&moments, error))
                })
                .transpose()?,
            state,
        })
    }

    /// Reads the configuration with which a checkpoint was made, or returns `None` if an earlier version of the
    /// crate wrote the checkpoint.
    pub(super) fn settings(&self, step: usize) -> Result<Option<RunConfig>, RunError> {
        let file = self.path(step).join(SETTINGS);
        match fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .map_err(|error| RunError::malformed(&file, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RunError::io("read", &file)(error)),
        }
    }

    /// Reads the state of a checkpoint other than its tensors.
    pub(super) fn state(&self, step: usize) -> Result<LearnerState, RunError> {
        let file = self.path(step).join(STATE);
        let json = fs::read(&file).map_err(RunError::io("read", &file))?;
        serde_json::from_slice(&json).map_err(|error| RunError::malformed(&file, error))
    }
}

fn record(path: &Path) -> Result<ModuleRecord, RunError> {
    let bytes = fs::read(path).map_err(RunError::io("read", path))?;
    float_record(Bytes::from_bytes_vec(bytes))
        .map_err(|error: RecordError| RunError::malformed(path, error))
}

fn remove(folder: &Path) -> Result<(), RunError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(RunError::io("remove", folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_folder_takes_the_place_of_a_run_that_is_gone() {
        let run = std::env::temp_dir().join(format!("tsallis-gone-{}", std::process::id()));
        let files = CheckpointFiles {
            model: Bytes::from_bytes_vec(vec![1]),
            moments: None,
            state: vec![2],
            settings: vec![3],
        };
        let checkpoints = Checkpoints::new(run.join("checkpoints"));
        checkpoints.save(&files, 0, None).expect_err("no folder");
        assert!(!run.exists());
        fs::create_dir(&run).expect("made");
        checkpoints.save(&files, 0, None).expect("saved");
        assert_eq!(checkpoints.steps().expect("steps"), [0]);
        fs::remove_dir_all(&run).expect("removed");
    }
}

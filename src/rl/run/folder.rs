use super::checkpoint::{CheckpointFiles, Checkpoints};
use super::events::{EventFile, OpenEvents};
use super::{
    BEST, CHECKPOINTS, EVENTS, METRICS, RunConfig, RunError, RunSummary, SUMMARY, TIMING, Timing,
};
use crate::experiment::{CsvTable, OpenTable, create_folder, lock, read_table, write_atomically};
use crate::rl::ppo::{Learner, UpdateMetrics};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of a run in progress.
pub struct RunFolder {
    path: PathBuf,
    config: RunConfig,
    metrics: CsvTable<UpdateMetrics>,
    timing: Option<CsvTable<Timing>>,
    events: Option<EventFile>,
    checkpoints: Checkpoints,
    best: Checkpoints,
}

impl RunFolder {
    /// Creates the folder, which may exist if it is empty, and writes its configuration. The run can then
    /// begin or be [resumed](super::Trainer::resume).
    ///
    /// # Errors
    ///
    /// If the folder is not empty or cannot be written.
    pub fn prepare(path: &Path, config: &RunConfig) -> Result<(), RunError> {
        if !Self::claim(path)? {
            Self::check_unused(path)?;
        }
        config.write(path)
    }

    /// As [`prepare`](Self::prepare) for a folder that several runs share: creates only the folders below `root`. If
    /// `root` was moved or removed, no new one takes its place.
    ///
    /// # Errors
    ///
    /// As `prepare`, and if `root` does not exist.
    pub fn prepare_below(root: &Path, path: &Path, config: &RunConfig) -> Result<(), RunError> {
        let mut folders: Vec<&Path> = path.ancestors().take_while(|&f| f != root).collect();
        folders.reverse();
        for folder in folders {
            create_folder(folder).map_err(RunError::io("create the folder", folder))?;
        }
        Self::check_unused(path)?;
        config.write(path)
    }

    /// Creates the folder. Returns `false` if it already exists. If several processes claim one folder, only
    /// one of them gets `true`.
    ///
    /// # Errors
    ///
    /// If the folder cannot be created, or if the path is a file.
    pub fn claim(path: &Path) -> Result<bool, RunError> {
        let refused = || RunError::io("create the folder", path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(refused())?;
        }
        match fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
                Ok(false)
            }
            Err(error) => Err(refused()(error)),
        }
    }

    /// Checks that a new run can use the folder: it must not exist or must be empty, except for a file that a
    /// killed process left partially written.
    ///
    /// # Errors
    ///
    /// If the folder is not empty or cannot be read.
    pub fn check_unused(path: &Path) -> Result<(), RunError> {
        if !path.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(path).map_err(RunError::io("read the folder", path))? {
            let name = entry
                .map_err(RunError::io("read the folder", path))?
                .file_name();
            if Path::new(&name).extension() != Some("partial".as_ref()) {
                return Err(RunError::Occupied(path.to_owned()));
            }
        }
        Ok(())
    }

    /// Checks that no other process writes to the folder.
    pub(super) fn check_not_in_use(path: &Path) -> Result<(), RunError> {
        match fs::File::open(path.join(METRICS)) {
            Ok(metrics) => Ok(lock(&metrics, path)?),
            // The run has not started, or `open` reports the error.
            Err(_) => Ok(()),
        }
    }

    /// Opens a folder with a configuration to continue after `last_step` environment steps. Later rows and
    /// events are removed. Returns the folder, the kept rows, and the seconds of training up to there.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written, if another process writes to it, if one of its files cannot be read, or
    /// if its metrics do not lead up to the step. In all cases but the first nothing has been removed.
    pub(super) fn open(
        path: &Path,
        config: &RunConfig,
        updates: usize,
        last_step: usize,
    ) -> Result<(Self, Vec<UpdateMetrics>, f64), RunError> {
        let metrics = path.join(METRICS);
        let until = |row: &UpdateMetrics| row.global_step <= last_step;
        let rows: Vec<UpdateMetrics> = read_table(&metrics)?;
        let kept = rows.iter().take_while(|row| until(row)).count();
        if kept != updates {
            return Err(RunError::malformed(
                &metrics,
                format!(
                    "it has {kept} rows up to the checkpoint, which was made after {updates} updates"
                ),
            ));
        }
        // Open and check everything before anything is removed.
        let metrics = OpenTable::open(metrics, until)?;
        let recording = config.recording;
        // A run without checkpoints has no earlier seconds to add.
        let times = (recording.diagnostics || recording.checkpoints > 0)
            .then(|| {
                let until = |row: &Timing| row.global_step <= last_step;
                OpenTable::open(path.join(TIMING), until)
            })
            .transpose()?;
        let scalars = recording
            .diagnostics
            .then(|| OpenEvents::open(&path.join(EVENTS), last_step))
            .transpose()?;
        let (metrics, rows) = metrics.cut()?;
        let mut seconds = 0.0;
        let mut timing = None;
        if let Some(table) = times {
            let (table, rows) = table.cut()?;
            seconds = rows.last().map_or(0.0, |row| row.seconds);
            timing = Some(table);
        }
        let events = scalars.map(OpenEvents::cut).transpose()?;
        let (checkpoints, best) = checkpoints(path);
        for checkpoints in [&checkpoints, &best] {
            checkpoints.remove_partial()?;
            checkpoints.remove_after(last_step)?;
        }
        let summary = path.join(SUMMARY);
        let ended = fs::read(&summary).ok();
        let ended = ended.and_then(|json| serde_json::from_slice::<RunSummary>(&json).ok());
        if let Some(ended) = ended.filter(|ended| ended.updates == updates) {
            // The time between the last row and the end counts too.
            seconds = ended.seconds.max(seconds);
        }
        if summary.exists() {
            // The summary belongs to a run that has ended, and this run continues.
            fs::remove_file(&summary).map_err(RunError::io("remove", &summary))?;
        }
        let folder = Self {
            path: path.to_owned(),
            config: config.clone(),
            metrics,
            timing,
            events,
            checkpoints,
            best,
        };
        Ok((folder, rows, seconds))
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the rows of an update. Each row is written completely or not at all.
    pub(super) fn record(
        &mut self,
        metrics: &UpdateMetrics,
        timing: &Timing,
    ) -> Result<(), RunError> {
        self.metrics.append(metrics)?;
        if let Some(table) = &mut self.timing {
            table.append(timing)?;
        }
        if let Some(events) = &mut self.events {
            let columns = columns(metrics);
            let scalars = columns.iter().filter_map(|(tag, value)| {
                let scalar = value.as_f64()?;
                (!["update", "global_step"].contains(&tag.as_str())).then_some((&tag[..], scalar))
            });
            let speed = [("charts/SPS", timing.steps_per_second)];
            events.record(metrics.global_step, scalars.chain(speed))?;
        }
        Ok(())
    }

    /// Writes a checkpoint of the learner, also as the best one if `is_best`, and then removes the oldest
    /// checkpoints.
    pub(super) fn checkpoint(&mut self, learner: &Learner, is_best: bool) -> Result<(), RunError> {
        let checkpoints = self.config.recording.checkpoints;
        if checkpoints == 0 {
            return Ok(());
        }
        // The rows that lead to a checkpoint must be on disk before the checkpoint.
        self.metrics.sync()?;
        let step = learner.global_step();
        let path = self.checkpoints.path(step);
        let files = CheckpointFiles::new(learner.checkpoint(), &self.config, &path)?;
        // Write the best checkpoint first: if the process is killed between the two, the resumed run makes
        // the same best checkpoint again.
        if is_best {
            self.best.save(&files, step, None)?;
        }
        self.checkpoints
            .save(&files, step, is_best.then_some(&self.best))?;
        self.checkpoints.prune(checkpoints)?;
        self.best.prune(1)
    }

    /// Returns the environment steps of the best checkpoint.
    pub(super) fn best_step(&self) -> Result<Option<usize>, RunError> {
        Ok(self.best.steps()?.last().copied())
    }

    /// Writes the summary.
    pub(super) fn write_summary(&self, summary: &RunSummary) -> Result<(), RunError> {
        let file = self.path.join(SUMMARY);
        let json = serde_json::to_vec_pretty(summary)
            .map_err(|error| RunError::malformed(&file, error))?;
        Ok(write_atomically(&file, &json)?)
    }
}

/// Returns the folders of all checkpoints and of the best checkpoint of a run.
pub(super) fn checkpoints(run: &Path) -> (Checkpoints, Checkpoints) {
    let folder = run.join(CHECKPOINTS);
    let best = Checkpoints::new(folder.join(BEST));
    (Checkpoints::new(folder), best)
}

/// Returns the columns of a row by name.
fn columns(metrics: &UpdateMetrics) -> serde_json::Map<String, Value> {
    match serde_json::to_value(metrics) {
        Ok(Value::Object(columns)) => columns,
        // A structure always serializes to an object.
        _ => serde_json::Map::new(),
    }
}

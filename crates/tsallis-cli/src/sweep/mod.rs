//! `tsallis sweep`.

mod grid;
mod report;
mod results;

pub(super) use grid::Setting;
pub(super) use results::{ResultRow, read_results};

use super::describe::format_return;
use super::hyperparameters::{ConfigSource, TrainingFlags, coupling_note};
use super::parallel::{cores, parallel_map};
use super::print_paragraph::print_paragraph;
use super::progress::Progress;
use super::sharding::{Sharding, next_step};
use super::{CommandError, device, learning_curve, stop};
use burn::tensor::Device;
use burn_tsallis::experiment::{FileError, Shard, ShardError, write_atomically};
use burn_tsallis::rl::ppo::{ConfigError, LearnerError, PpoConfig};
use burn_tsallis::rl::run::{
    Recording, ResumeOptions, RunConfig, RunError, RunFolder, RunStatus, RunSummary, SavedRun,
    Trainer, TrainerError,
};
use clap::{Args, ValueEnum};
use grid::{Grid, base};
use indicatif::HumanCount;
use results::Results;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Train every combination of settings with several seeds.
///
/// Writes a folder with results.csv (one line for each completed run), table.md, and the learning curves as curves.svg,
/// .png and .csv. The same command resumes a stopped sweep with the runs that are missing from the table. Values and seeds
/// can be added to an existing sweep.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Sweep {
    #[command(flatten)]
    grid: Grid,

    #[command(flatten)]
    source: ConfigSource,

    #[command(flatten)]
    fixed: TrainingFlags,

    #[command(flatten)]
    sharding: Sharding,

    /// Runs to train at once [default: the number of cores].
    #[arg(long, value_name = "COUNT", help_heading = "Runs")]
    jobs: Option<usize>,

    /// Device to compute on: flex (the CPU) or another one listed by `tsallis devices`.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "flex",
        help_heading = "Runs"
    )]
    device: String,

    /// Folder of the sweep, new or to be resumed.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "runs/sweep",
        help_heading = "Runs"
    )]
    out: PathBuf,

    /// Files to keep of each run, besides its line in the table.
    #[arg(
        long,
        value_name = "FILES",
        default_value = "metrics",
        help_heading = "Runs"
    )]
    keep: Keep,

    /// Return that the table compares.
    #[arg(
        long,
        value_name = "RETURN",
        default_value = "final",
        help_heading = "Output"
    )]
    score: Score,

    /// Print only errors.
    #[arg(long, help_heading = "Output")]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keep {
    /// Nothing, so there are no learning curves.
    None,
    /// Configuration, metrics and summary, and a checkpoint until the run ends.
    Metrics,
    /// Everything that `tsallis train` writes.
    All,
}

/// The measure by which runs are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Score {
    /// Mean return of the last 100 episodes.
    Final,
    /// Highest mean return of 100 consecutive episodes.
    Best,
    /// Episode return, averaged over all updates of the run.
    Mean,
    /// Episode return, averaged over the last 100 updates of the run.
    Late,
}

impl Score {
    pub(super) fn of(self, row: &ResultRow) -> Option<f64> {
        match self {
            Self::Final => row.final_return,
            Self::Best => row.best_return,
            Self::Mean => row.mean_return,
            Self::Late => row.late_return,
        }
    }

    pub(super) fn quantity(self) -> &'static str {
        match self {
            Self::Final => "final return",
            Self::Best => "best return",
            Self::Mean => "mean return",
            Self::Late => "return of the last 100 updates",
        }
    }

    /// Returns the name of the mean over seeds.
    pub(super) fn title(self) -> String {
        format!("{} (IQM)", self.quantity())
    }
}

/// An error that prevents a sweep.
#[derive(Debug, thiserror::Error)]
pub(super) enum SweepError {
    #[error("{} holds another sweep: {difference}; choose another folder with --out", folder.display())]
    Other { folder: PathBuf, difference: String },
    #[error(
        "{} holds a run with other settings: move it away to train this run, or choose another folder with --out",
        .0.display()
    )]
    OtherRun(PathBuf),
    #[error(
        "{name}: {reason}{}the same command resumes the sweep with this run",
        // A traceback has lines of its own.
        if reason.contains('\n') { "\n" } else { "; " }
    )]
    Interrupted { name: String, reason: String },
    #[error("the sweep has no runs")]
    Empty,
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Write(#[from] FileError),
    #[error(transparent)]
    Shard(#[from] ShardError),
}

impl Sweep {
    pub(super) fn run(self) -> Result<(), CommandError> {
        if let Some(0) = self.jobs {
            return Err(ConfigError::new("jobs", 0, "at least 1").into());
        }
        let configs = self.grid.configs(&base(&self.source, &self.fixed)?);
        for config in &configs {
            config.validate()?;
        }
        let Sharding { shard, merge } = self.sharding;
        if merge {
            let results = Results::merge(&self.out, &self.device, &configs)?;
            return self.write_report(&configs, &results);
        }
        let device = device::find(&self.device)?;
        let mut checked = Vec::new();
        for config in &configs {
            if !checked.contains(&&config.environment) {
                config.check_environment()?;
                checked.push(&config.environment);
            }
        }
        let results = Results::open(&self.out, &self.device, &configs, shard)?;
        let results = Mutex::new(results);
        let configs = match shard {
            Some(shard) => shard.part(configs).collect(),
            None => configs,
        };
        self.train(&configs, &device, &results)?;
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        match shard {
            Some(shard) => self.report_shard(shard, &configs, &results),
            None => self.write_report(&configs, &results),
        }
    }

    fn train(
        &self,
        configs: &[PpoConfig],
        device: &Device,
        results: &Mutex<Results>,
    ) -> Result<(), CommandError> {
        let stop = stop::stop_requested();
        let steps = configs.first().map_or(0, |c| c.updates() * c.batch());
        let lock = || results.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<&PpoConfig> = configs.iter().filter(|c| !lock().has(c)).collect();
        let jobs = self.jobs.unwrap_or_else(cores).min(missing.len().max(1));
        let progress = Progress::new(configs.len(), steps, self.quiet);
        progress.print_line(&format!(
            "{} runs of {} steps, {} already done, writing to {}",
            configs.len(),
            HumanCount(steps as u64),
            configs.len() - missing.len(),
            self.out.display()
        ));
        if let Some(note) = coupling_note(configs) {
            progress.print_line(&format!("note: {note}"));
        }
        for _ in missing.len()..configs.len() {
            progress.skip();
        }
        let outcomes = parallel_map(missing, jobs, |config| {
            if stop() {
                return Ok(());
            }
            let path = run_folder(&self.out, &Setting::from_config(config), config.seed);
            if let Some(summary) = ended(&path, config)? {
                self.tidy(&path, config, &summary)?;
                lock().add(&summary)?;
                progress.skip();
                return Ok(());
            }
            let name = format!("{}, seed {}", Setting::from_config(config), config.seed);
            let mut trainer = match self.trainer(&path, config, device, stop) {
                Err(CommandError::Learner(LearnerError::Stopped)) => return Ok(()),
                trainer => trainer?,
            };
            let mut shown = progress.begin(name.clone(), trainer.learner().global_step());
            let summary = trainer.train(stop, |metrics, _| shown.update(metrics))?;
            drop(trainer);
            match summary.status {
                RunStatus::Stopped => return Ok(()),
                RunStatus::Interrupted => {
                    shown.finish(&describe_result(&summary));
                    let reason = summary.reason.unwrap_or_default();
                    return Err(SweepError::Interrupted { name, reason }.into());
                }
                RunStatus::Finished | RunStatus::Failed => {}
            }
            self.tidy(&path, config, &summary)?;
            lock().add(&summary)?;
            shown.finish(&describe_result(&summary));
            Ok::<_, CommandError>(())
        });
        progress.finish();
        outcomes.into_iter().collect()
    }

    /// Draws the learning curve of a run that has ended, or removes its checkpoints. The row is written afterwards,
    /// because a killed sweep continues with the runs that have no row.
    fn tidy(
        &self,
        path: &Path,
        config: &PpoConfig,
        summary: &RunSummary,
    ) -> Result<(), CommandError> {
        match self.keep {
            Keep::All => {
                let metrics = SavedRun::open(path)?.metrics()?;
                learning_curve::draw(path, config, &metrics, summary.solved_return)?;
            }
            Keep::Metrics => SavedRun::open(path)?.remove_checkpoints()?,
            Keep::None => {}
        }
        Ok(())
    }

    /// Returns the trainer of a run, which continues the run in its folder.
    fn trainer(
        &self,
        path: &Path,
        config: &PpoConfig,
        device: &Device,
        stop: fn() -> bool,
    ) -> Result<Trainer, CommandError> {
        let recording = match self.keep {
            Keep::None => return Ok(Trainer::without_folder(config.clone(), device, stop)?),
            // Lets a stopped sweep resume within the run. Removed once the run is in the table.
            Keep::Metrics => Recording {
                checkpoints: 1,
                ..Recording::metrics()
            },
            Keep::All => Recording::default(),
        };
        let run = RunConfig::new(&self.device, config.clone(), recording);
        match RunConfig::read(path) {
            Ok(found)
                if found.config.on_machine_of(config) != run.config
                    || found.device != run.device =>
            {
                return Err(SweepError::OtherRun(path.to_owned()).into());
            }
            // Only the files to keep differ, or the version.
            Ok(found) if found != run => run.write(path)?,
            Ok(_) => {}
            Err(RunError::NotARun { .. }) => RunFolder::prepare_below(&self.out, path, &run)?,
            Err(error) => return Err(error.into()),
        }
        match Trainer::resume(path, &ResumeOptions::default(), device, stop) {
            // The run ended, and its row and its summary have been lost.
            Err(TrainerError::Run(RunError::NoCheckpoint { .. })) => {
                fs::remove_dir_all(path).map_err(FileError::io("remove", path))?;
                RunFolder::prepare_below(&self.out, path, &run)?;
                Ok(Trainer::resume(path, &ResumeOptions::default(), device, stop)?.0)
            }
            resumed => Ok(resumed?.0),
        }
    }

    fn write_report(&self, configs: &[PpoConfig], results: &Results) -> Result<(), CommandError> {
        let folder = results.folder();
        let cells = report::cells(configs, results.rows());
        let table = report::table(&cells, self.score);
        write_atomically(&folder.join("table.md"), table.as_bytes())?;
        if self.keep != Keep::None {
            let run = |row: &ResultRow| run_folder(folder, &row.setting(), row.seed);
            match report::figure(&folder.join("curves"), &cells, run) {
                Ok(_) => {}
                Err(report::FigureError::Plot(error)) => return Err(error.into()),
                Err(report::FigureError::Write(error)) => return Err(error.into()),
                Err(report::FigureError::Run(error)) => return Err(error.into()),
            }
        }
        if !self.quiet {
            print!("{table}");
        }
        self.check_complete(configs, results)
    }

    /// The report needs the runs of all shards.
    fn report_shard(
        &self,
        shard: Shard,
        configs: &[PpoConfig],
        results: &Results,
    ) -> Result<(), CommandError> {
        self.check_complete(configs, results)?;
        if !self.quiet {
            print_paragraph(&next_step(shard));
        }
        Ok(())
    }

    fn check_complete(&self, configs: &[PpoConfig], results: &Results) -> Result<(), CommandError> {
        let left = configs.iter().filter(|config| !results.has(config)).count();
        if left > 0 {
            if !self.quiet {
                print_paragraph(&format!(
                    "{left} of {} runs remain. Run the same command to resume.",
                    configs.len()
                ));
            }
            // The exit code keeps scripts from mistaking a partial table for a complete one.
            return Err(CommandError::Reported(stop::EXIT_CODE));
        }
        Ok(())
    }
}

/// Returns the summary of a run that has ended, or `None` if the run must be trained. The row of such a run is missing
/// from the table if the process was killed before it wrote the row.
fn ended(path: &Path, config: &PpoConfig) -> Result<Option<RunSummary>, RunError> {
    let run = match SavedRun::open(path) {
        Err(RunError::NotARun { .. }) => return Ok(None),
        run => run?,
    };
    let Ok(Some(summary)) = run.summary() else {
        return Ok(None);
    };
    let whole = run.config().config.on_machine_of(config) == *config
        && matches!(summary.status, RunStatus::Finished | RunStatus::Failed)
        && run.metrics()?.len() == summary.updates;
    Ok(whole.then_some(summary))
}

/// The subfolder of a sweep that holds its runs, grouped by setting.
const RUNS: &str = "runs";

/// Returns the folders of the settings of a sweep. Returns none if the folder holds no sweep.
pub(super) fn setting_folders(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let runs = folder.join(RUNS);
    if !runs.is_dir() || !Results::exist_in(folder)? {
        return Ok(Vec::new());
    }
    let refused = || FileError::io("read the folder", &runs);
    let entries = fs::read_dir(&runs).map_err(refused())?;
    let mut settings = entries
        .map(|entry| Ok(entry.map_err(refused())?.path()))
        .collect::<Result<Vec<_>, FileError>>()?;
    settings.sort();
    Ok(settings)
}

fn run_folder(out: &Path, setting: &Setting, seed: u64) -> PathBuf {
    let folder = out.join(RUNS).join(setting.to_string());
    folder.join(SavedRun::seed_folder(seed))
}

fn describe_result(summary: &RunSummary) -> String {
    let value = summary
        .final_return
        .map_or("no episode was completed".to_owned(), |value| {
            format!(
                "final return {}",
                format_return(value, summary.best_possible_return)
            )
        });
    match (&summary.status, &summary.reason) {
        (RunStatus::Failed, Some(reason)) => format!("failed, {value}: {reason}"),
        (RunStatus::Interrupted, _) => format!("interrupted, {value}"),
        _ => value,
    }
}

//! `tsallis train`.

pub(super) mod report;

use super::describe::{describe_config, file_name, number};
use super::hyperparameters::{
    ConfigSource, SweepableFlags, TrainingFlags, configuration, coupling_note,
};
use super::parallel::{cores, parallel_map};
use super::progress::Progress;
use super::seeds::Seeds;
use super::{CommandError, device, learning_curve, stop};
use burn::tensor::Device;
use burn_tsallis::experiment::{FileError, write_atomically};
use burn_tsallis::rl::ppo::{ConfigError, LearnerError, PpoConfig};
use burn_tsallis::rl::run::{
    Recording, ResumeOptions, RunConfig, RunError, RunFolder, RunStatus, RunSummary, SavedRun,
    Trainer, TrainerError,
};
use clap::Args;
use indicatif::HumanCount;
use report::{Event, Reporter};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

/// Train a Tsallis policy with PPO.
///
/// Without flags, it trains on Noisy CartPole with alpha 0.5. It writes a folder with the configuration, the metrics of
/// each update (CSV and TensorBoard), checkpoints, the learning curve as SVG and PNG, and a summary as JSON. Ctrl-C
/// saves and stops the run with exit code 130; `--resume` continues it.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Train {
    #[command(flatten)]
    source: ConfigSource,

    #[command(flatten)]
    swept: SweepableFlags,

    #[command(flatten)]
    fixed: TrainingFlags,

    /// Random seed; on the CPU, the same seed, build and machine give the same metrics.csv [default: 0].
    #[arg(long, value_name = "NUMBER", help_heading = "Runs")]
    seed: Option<u64>,

    /// Train with the seeds from A up to but not including B, each in its own folder seed-N.
    #[arg(
        long,
        value_name = "A..B",
        conflicts_with = "seed",
        help_heading = "Runs"
    )]
    seeds: Option<Seeds>,

    /// Seeds to train at once [default: the number of cores].
    #[arg(long, value_name = "COUNT", help_heading = "Runs")]
    jobs: Option<usize>,

    /// Device to compute on: flex (the CPU) or another one listed by `tsallis devices` [default: flex].
    #[arg(long, value_name = "NAME", help_heading = "Runs")]
    device: Option<String>,

    /// Output folder, new or empty [default: a new folder under runs/].
    #[arg(long, value_name = "FOLDER", help_heading = "Runs")]
    out: Option<PathBuf>,

    /// Resume the run in this folder, or the runs of its seeds, from the newest checkpoint.
    ///
    /// The run keeps its settings. Only --steps, --device, --jobs, --python, --env-timeout, --quiet and --json are
    /// allowed with this flag. Episodes of Gymnasium begin anew.
    #[arg(long, value_name = "RUN", help_heading = "Runs")]
    resume: Option<PathBuf>,

    /// Newest checkpoints to keep, in addition to the best one [default: 3].
    #[arg(long, value_name = "COUNT", help_heading = "Runs")]
    checkpoints: Option<usize>,

    /// Environment steps between checkpoints [default: a twentieth of the run, at most a minute].
    #[arg(long, value_name = "COUNT", help_heading = "Runs")]
    checkpoint_every: Option<usize>,

    /// Print only errors and the notes about changes to a resumed run.
    #[arg(long, help_heading = "Output")]
    quiet: bool,

    /// Print one JSON object per line instead of text.
    ///
    /// Each object has an "event" (begin, note, update or end) and the seed. An update has the columns of metrics.csv
    /// as "metrics". The end has the contents of summary.json as "summary".
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// The flags that are allowed with `--resume`.
const ALLOWED_WITH_RESUME: [&str; 8] = [
    "resume",
    "steps",
    "device",
    "jobs",
    "python",
    "env-timeout",
    "quiet",
    "json",
];

/// The file that marks a folder in which the runs of several seeds are being prepared. A new run may replace it.
const UNPREPARED: &str = "seeds.partial";

/// A run to start or to resume.
struct Job {
    path: PathBuf,
    seed: u64,
}

/// The result of a job. The summary is `None` if the run never started.
type Outcome = Result<Option<RunSummary>, CommandError>;

impl Train {
    /// Runs the command. `given` holds the names of the flags on the command line.
    pub(super) fn run(self, given: &[String]) -> Result<(), CommandError> {
        if self.resume.is_some() {
            let other = given
                .iter()
                .find(|flag| !ALLOWED_WITH_RESUME.contains(&flag.as_str()));
            if let Some(flag) = other {
                return Err(CommandError::NotAllowedWithResume(flag.clone()));
            }
        }
        if let Some(0) = self.jobs {
            return Err(ConfigError::new("jobs", 0, "at least 1").into());
        }
        match self.resume.clone() {
            Some(folder) => self.resume(&folder),
            None => self.begin(),
        }
    }

    fn begin(self) -> Result<(), CommandError> {
        let mut config = configuration(&self.source, &self.fixed, &self.swept)?;
        if let Some(seed) = self.seed {
            config.seed = seed;
        }
        config.validate()?;
        config.check_environment()?;
        let recording = self.recording()?;
        let name = self.device.clone().unwrap_or_else(|| "flex".to_owned());
        let device = device::find(&name)?;
        let out = match &self.out {
            Some(out) => out.clone(),
            None => claim_folder(&config, self.seeds.as_ref())?,
        };
        let jobs = self.prepare(&out, &config, recording, &name)?;
        let title = format!(
            "{}, {} steps, writing to {}",
            describe_config(&config),
            HumanCount((config.updates() * config.batch()) as u64),
            out.display()
        );
        self.train(
            title,
            &out,
            jobs,
            &config,
            ResumeOptions::default(),
            &device,
        )
    }

    fn recording(&self) -> Result<Recording, ConfigError> {
        let default = Recording::default();
        let recording = Recording {
            checkpoints: self.checkpoints.unwrap_or(default.checkpoints),
            checkpoint_every: self.checkpoint_every.or(default.checkpoint_every),
            ..default
        };
        if recording.checkpoints == 0 {
            return Err(ConfigError::new("checkpoints", 0, "at least 1"));
        }
        if recording.checkpoint_every == Some(0) {
            return Err(ConfigError::new("checkpoint_every", 0, "at least 1"));
        }
        Ok(recording)
    }

    /// Creates the folders of all seeds, so that a command that stops early can be resumed as a whole.
    fn prepare(
        &self,
        out: &Path,
        config: &PpoConfig,
        recording: Recording,
        device: &str,
    ) -> Result<Vec<Job>, RunError> {
        let Some(Seeds(seeds)) = self.seeds.clone() else {
            let config = RunConfig::new(device, config.clone(), recording);
            RunFolder::prepare(out, &config)?;
            return Ok(vec![Job {
                path: out.to_owned(),
                seed: config.config.seed,
            }]);
        };
        // While the file exists, the folder has some of the seeds only, and none of them has begun.
        let unprepared = out.join(UNPREPARED);
        if unprepared.exists() {
            for run in SavedRun::seed_folders(out)? {
                fs::remove_dir_all(&run).map_err(FileError::io("remove", &run))?;
            }
        }
        RunFolder::check_unused(out)?;
        fs::create_dir_all(out).map_err(FileError::io("create the folder", out))?;
        write_atomically(&unprepared, b"")?;
        let jobs = seeds
            .map(|seed| {
                let config = PpoConfig {
                    seed,
                    ..config.clone()
                };
                let path = out.join(SavedRun::seed_folder(seed));
                RunFolder::prepare(&path, &RunConfig::new(device, config, recording))?;
                Ok(Job { path, seed })
            })
            .collect::<Result<_, RunError>>()?;
        fs::remove_file(&unprepared).map_err(FileError::io("remove", &unprepared))?;
        Ok(jobs)
    }

    fn resume(self, folder: &Path) -> Result<(), CommandError> {
        if folder.join(UNPREPARED).exists() {
            return Err(CommandError::Unprepared(folder.to_owned()));
        }
        let runs = SavedRun::open_all(folder)?;
        let Some(first) = runs.first() else {
            return Ok(());
        };
        let mut config = first.config().config.clone();
        for run in &runs {
            self.check_same_settings(first, run)?;
        }
        if let Some(steps) = self.fixed.steps() {
            config.total_steps = steps;
            config.validate()?;
        }
        let name = self.device.as_ref().unwrap_or(&first.config().device);
        let device = device::find(name)?;
        let options = ResumeOptions {
            total_steps: self.fixed.steps(),
            device: self.device.clone(),
            python: self.fixed.python().python(),
            timeout: self.fixed.python().timeout(),
        };
        let title = format!(
            "{}, {} steps, resuming {}",
            describe_config(&config),
            HumanCount((config.updates() * config.batch()) as u64),
            folder.display()
        );
        let jobs = runs
            .iter()
            .map(|run| Job {
                path: run.path().to_owned(),
                seed: run.config().config.seed,
            })
            .collect();
        self.train(title, folder, jobs, &config, options, &device)
    }

    /// Checks that two runs to be resumed together have the same device and total steps, unless a flag overrides them.
    fn check_same_settings(&self, first: &SavedRun, run: &SavedRun) -> Result<(), CommandError> {
        let differs = |what: &str, flag: &str, one: &dyn Display, other: &dyn Display| {
            CommandError::ResumeTogether {
                run: run.path().to_owned(),
                what: what.to_owned(),
                other: other.to_string(),
                first: one.to_string(),
                flag: flag.to_owned(),
            }
        };
        let (one, other) = (first.config(), run.config());
        if self.device.is_none() && one.device != other.device {
            return Err(differs("device", "--device", &one.device, &other.device));
        }
        let (one, other) = (&one.config.total_steps, &other.config.total_steps);
        if self.fixed.steps().is_none() && one != other {
            return Err(differs("total_steps", "--steps", one, other));
        }
        Ok(())
    }

    fn train(
        &self,
        title: String,
        out: &Path,
        jobs: Vec<Job>,
        config: &PpoConfig,
        options: ResumeOptions,
        device: &Device,
    ) -> Result<(), CommandError> {
        let stop = stop::stop_requested();
        let at_once = self.jobs.unwrap_or_else(cores).min(jobs.len());
        let steps = config.updates() * config.batch();
        let progress = Progress::new(jobs.len(), steps, self.quiet || self.json);
        let note = coupling_note(std::slice::from_ref(config));
        let reporter = Reporter::new(progress, title, note)
            .quiet(self.quiet)
            .json(self.json)
            .multiple(jobs.len() > 1);
        let outcomes = parallel_map(jobs, at_once, |job| {
            let outcome = run(&job, &options, device, &reporter, stop);
            (job, outcome)
        });
        reporter.finish();
        report::print_results(&reporter, out, outcomes)
    }
}

/// Trains a run to its end, or until a stop is requested.
fn run(
    job: &Job,
    options: &ResumeOptions,
    device: &Device,
    reporter: &Reporter,
    stop: fn() -> bool,
) -> Outcome {
    if stop() {
        return Ok(None);
    }
    let (mut trainer, notices) = match Trainer::resume(&job.path, options, device, stop) {
        Err(TrainerError::Learner(LearnerError::Stopped)) => return Ok(None),
        resumed => resumed?,
    };
    let mut shown = reporter.begin(job, trainer.learner().global_step());
    for notice in notices {
        reporter.warn(job.seed, &notice.to_string());
    }
    let summary = trainer.train(stop, |metrics, timing| {
        shown.update(metrics);
        reporter.event(&Event::Update {
            seed: job.seed,
            metrics,
            seconds: timing.seconds,
            steps_per_second: timing.steps_per_second,
        });
    })?;
    // A failed run keeps its tables, its last good checkpoint and its curve.
    let saved = SavedRun::open(&job.path)?;
    let (config, solved_return) = (&saved.config().config, summary.solved_return);
    learning_curve::draw(&job.path, config, &saved.metrics()?, solved_return)?;
    match summary.status {
        RunStatus::Finished => shown.finish("done"),
        RunStatus::Interrupted => shown.finish("interrupted"),
        RunStatus::Failed => shown.finish("failed"),
        // Stopped runs are reported once all runs have stopped.
        RunStatus::Stopped => drop(shown),
    }
    reporter.event(&Event::End {
        seed: job.seed,
        run: &job.path,
        summary: &summary,
    });
    Ok(Some(summary))
}

/// Creates the first folder of `runs/NAME`, `runs/NAME-2`, .. that does not exist.
fn claim_folder(config: &PpoConfig, seeds: Option<&Seeds>) -> Result<PathBuf, RunError> {
    let seeds = match seeds {
        Some(Seeds(seeds)) => format!("seeds{}-{}", seeds.start, seeds.end - 1),
        None => format!("seed{}", config.seed),
    };
    let name = format!(
        "{}-alpha{}-noise{}-{seeds}",
        file_name(&config.environment),
        number(config.alpha),
        number(config.noise_std)
    );
    let mut folder = PathBuf::from("runs").join(&name);
    for i in 2.. {
        if RunFolder::claim(&folder)? {
            break;
        }
        folder.set_file_name(format!("{name}-{i}"));
    }
    Ok(folder)
}

use super::progress::Progress;
use super::{CommandError, curve, device, duration, interrupt, thousands};
use crate::rl::ppo::{Learner, PpoConfig, UpdateMetrics};
use crate::rl::run::{RunConfig, RunFolder};
use clap::Args;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Checkpoints of a run, the last at its end.
const CHECKPOINTS: usize = 20;

/// Train a Tsallis policy on Noisy CartPole with PPO.
///
/// Writes a folder with config.json, metrics.csv, timing.csv, a checkpoint and the learning curve as
/// SVG and PNG. Ctrl-C saves and stops.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Train {
    /// Order of the policy: below 1 heavy-tailed, 1 the softmax, above 1 sparse.
    #[arg(long, value_name = "NUMBER", default_value_t = PpoConfig::default().alpha)]
    alpha: f64,

    /// Order of the regulariser [default: that of the policy].
    #[arg(long, value_name = "NUMBER")]
    regulariser_alpha: Option<f64>,

    /// Weight of the regulariser, the Tsallis divergence to the uniform policy, in the reward.
    #[arg(long, value_name = "NUMBER", default_value_t = PpoConfig::default().beta)]
    beta: f64,

    /// Learning rate of the first update; it falls linearly to zero.
    #[arg(long, value_name = "NUMBER", default_value_t = PpoConfig::default().learning_rate)]
    learning_rate: f64,

    /// Standard deviation of the Gaussian noise on every reward.
    #[arg(long, value_name = "NUMBER", default_value_t = PpoConfig::default().noise_std)]
    noise_std: f64,

    /// Environment steps, rounded up to whole updates of 512.
    #[arg(long, value_name = "COUNT", default_value_t = PpoConfig::default().total_steps)]
    steps: usize,

    /// Seed of everything random: the same seed gives the same metrics.csv on a CPU.
    #[arg(long, value_name = "NUMBER", default_value_t = PpoConfig::default().seed)]
    seed: u64,

    /// Where tensors are computed: flex (CPU), or a backend that this was built with.
    #[arg(long, value_name = "NAME", default_value = "flex")]
    device: String,

    /// The folder to write, new or empty [default: a new one under runs/].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Train {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let config = PpoConfig {
            alpha: self.alpha,
            regulariser_alpha: self.regulariser_alpha.unwrap_or(self.alpha),
            beta: self.beta,
            learning_rate: self.learning_rate,
            noise_std: self.noise_std,
            total_steps: self.steps,
            seed: self.seed,
            ..PpoConfig::default()
        };
        config.validate()?;
        let device = device::find(&self.device)?;
        let mut learner = Learner::new(config.clone(), &device)?;
        let out = self.out.unwrap_or_else(|| unused_folder(&config));
        let mut folder = RunFolder::create(
            &out,
            &RunConfig {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                device: self.device,
                config: config.clone(),
            },
        )?;
        eprintln!(
            "{}, {} steps, into {}",
            curve::describe(&config),
            thousands(config.updates() * config.batch()),
            out.display()
        );
        if config.alpha != config.regulariser_alpha {
            eprintln!(
                "note: policy and regulariser are of different orders ({} and {}): the coupling of the \
                 paper, and with it the guarantee, is broken",
                config.alpha, config.regulariser_alpha
            );
        }
        let stop = interrupt::stop_on_ctrl_c();
        let begun = Instant::now();
        let mut history = Vec::new();
        let mut progress = Progress::new(config.updates() * config.batch());
        let every = config.updates().div_ceil(CHECKPOINTS);
        let mut train = || -> Result<(), CommandError> {
            while !learner.is_finished() && !stop.load(Ordering::Relaxed) {
                let metrics = learner.update()?;
                folder.record(&learner, &metrics)?;
                progress.update(&metrics);
                history.push(metrics);
                if learner.updates().is_multiple_of(every) {
                    folder.checkpoint(&learner)?;
                }
            }
            Ok(folder.checkpoint(&learner)?)
        };
        let trained = train();
        progress.finish();
        // A run that failed keeps what it has: its tables, its last good checkpoint and its curve.
        let drawn = curve::draw(folder.path(), &config, &history);
        trained?;
        drawn?;
        println!(
            "{}",
            conclusion(&config, &history, begun.elapsed().as_secs_f64())
        );
        println!("Everything about the run is in {}", out.display());
        Ok(())
    }
}

/// The first of `runs/NAME`, `runs/NAME-2`, .. that does not exist.
fn unused_folder(config: &PpoConfig) -> PathBuf {
    let name = format!(
        "cartpole-alpha{}-noise{}-seed{}",
        config.alpha, config.noise_std, config.seed
    );
    let mut folder = PathBuf::from("runs").join(&name);
    for i in 2.. {
        if !folder.exists() {
            break;
        }
        folder.set_file_name(format!("{name}-{i}"));
    }
    folder
}

/// What was learnt, in words.
fn conclusion(config: &PpoConfig, history: &[UpdateMetrics], seconds: f64) -> String {
    let environment = config.environment;
    let Some(last) = history.last() else {
        return "Stopped before the first update.".to_owned();
    };
    let steps = format!(
        "{} steps in {}",
        thousands(last.global_step),
        duration(seconds)
    );
    let stopped = if last.update < config.updates() {
        "Stopped early. "
    } else {
        ""
    };
    let Some(mean) = last.recent_return else {
        return format!("{stopped}No episode ended in {steps}.");
    };
    let episodes = last.episodes.min(100);
    let of = if episodes == 1 {
        "the last episode returned".to_owned()
    } else {
        format!("the last {episodes} episodes returned")
    };
    let solved = environment.solved_return();
    // A mean of fewer than 100 episodes does not count.
    let first = history
        .iter()
        .find(|m| m.episodes >= 100 && m.recent_return.is_some_and(|mean| mean >= solved));
    let verdict = match first {
        Some(_) if mean < solved => format!(
            "{environment} was solved and lost again: {of} {mean:.1} of {} on average",
            environment.best_return()
        ),
        Some(first) => format!(
            "{environment} is solved: {of} {mean:.1} of {} on average, and {solved} was first reached \
             after {} steps",
            environment.best_return(),
            thousands(first.global_step)
        ),
        None => format!(
            "{environment} is not solved yet: {of} {mean:.1} on average, and {solved} of {} would be \
             solved; more --steps may help",
            environment.best_return()
        ),
    };
    format!("{stopped}{verdict}. {steps}.")
}

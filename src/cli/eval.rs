use super::{CommandError, device, thousands};
use crate::rl::run::{CheckpointChoice, SavedRun};
use crate::rl::{Evaluation, evaluate};
use clap::Args;
use std::path::PathBuf;

/// Play episodes with the policy of a training run, without noise on the rewards.
#[derive(Debug, Args)]
pub(super) struct Eval {
    /// The folder that `tsallis train` wrote.
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Episodes to play.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = at_least_one)]
    episodes: usize,

    /// Take the most probable action instead of drawing one.
    #[arg(long)]
    deterministic: bool,

    /// Seed of the initial states and of the draws.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// Where tensors are computed: flex (CPU), or a backend that this was built with.
    #[arg(long, value_name = "NAME", default_value = "flex")]
    device: String,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("it must be a whole number of at least 1".to_owned()),
    }
}

impl Eval {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let run = SavedRun::open(self.run)?;
        let device = device::find(&self.device)?;
        let (model, step) = run.model(CheckpointChoice::Last, &device)?;
        let environment = run.config().config.environment;
        let evaluation = Evaluation {
            episodes: self.episodes,
            deterministic: self.deterministic,
            seed: self.seed,
        };
        let episodes = evaluate(&model, environment, evaluation, &device)?;
        let returns: Vec<f64> = episodes.iter().map(|e| e.total_reward).collect();
        let count = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / count;
        let deviation = (returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / count).sqrt();
        let range = returns
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &r| {
                (lo.min(r), hi.max(r))
            });
        println!(
            "{}, {} actions, the policy after {} steps: mean return {mean:.1} of {} over {} \
             {}, standard deviation {deviation:.1}, from {} to {}",
            environment.title(),
            if self.deterministic {
                "most probable"
            } else {
                "drawn"
            },
            thousands(step),
            environment.best_return(),
            returns.len(),
            if returns.len() == 1 {
                "episode"
            } else {
                "episodes"
            },
            range.0,
            range.1
        );
        Ok(())
    }
}

use super::describe::{format_of_best, format_return};
use super::hyperparameters::PythonFlags;
use super::parallel::{cores, parallel_map};
use super::print_paragraph::print_paragraph;
use super::train::report::lossy;
use super::{CommandError, device};
use burn::tensor::Device;
use burn_tsallis::rl::run::{CheckpointChoice, SavedRun};
use burn_tsallis::rl::{Evaluation, evaluate};
use clap::Args;
use indicatif::HumanCount;
use serde::Serialize;
use std::path::PathBuf;

/// Play episodes with a trained policy, without noise on the rewards.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Eval {
    /// Folder written by `tsallis train`, for one seed or several.
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Episodes to play for each seed.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = at_least_one)]
    episodes: usize,

    /// Take the most probable action instead of sampling one.
    #[arg(long)]
    deterministic: bool,

    /// Checkpoint to play: last, best (highest mean return of 100 episodes), or a number of environment steps.
    #[arg(long, value_name = "CHECKPOINT", default_value = "last", value_parser = checkpoint)]
    checkpoint: CheckpointChoice,

    /// Seed of the initial states and the sampled actions.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// Device to compute on: flex (the CPU) or another one listed by `tsallis devices`.
    #[arg(long, value_name = "NAME", default_value = "flex")]
    device: String,

    #[command(flatten)]
    python: PythonFlags,

    /// Print one JSON object for each seed instead of text.
    #[arg(long)]
    json: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("expected a whole number of at least 1".to_owned()),
    }
}

fn checkpoint(text: &str) -> Result<CheckpointChoice, String> {
    match text {
        "last" => Ok(CheckpointChoice::Last),
        "best" => Ok(CheckpointChoice::Best),
        steps => steps
            .parse()
            .map(CheckpointChoice::Step)
            .map_err(|_| "expected last, best or a number of environment steps".to_owned()),
    }
}

/// The results of the episodes that were played with one run.
#[derive(Clone, Debug, Serialize)]
struct EvaluationReport {
    #[serde(serialize_with = "lossy")]
    run: PathBuf,
    seed: u64,
    environment: String,
    /// The number of environment steps that the policy was trained for.
    steps: usize,
    deterministic: bool,
    episodes: usize,
    mean_return: f64,
    standard_deviation: f64,
    least_return: f64,
    largest_return: f64,
    mean_length: f64,
    /// The largest possible return of an episode.
    best_possible_return: Option<f64>,
}

impl Eval {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let runs = SavedRun::open_all(&self.run)?;
        let device = device::find(&self.device)?;
        let several = runs.len() > 1;
        let played = parallel_map(runs, cores(), |run| self.play(&run, &device));
        let played: Vec<EvaluationReport> = played.into_iter().collect::<Result<_, _>>()?;
        if self.json {
            for played in &played {
                // No field can fail to serialize.
                println!("{}", serde_json::to_string(played).unwrap_or_default());
            }
            return Ok(());
        }
        for played in &played {
            let name = if several {
                format!("seed {}: ", played.seed)
            } else {
                String::new()
            };
            print_paragraph(&format!("{name}{}", played.words()));
        }
        if several {
            let means: Vec<f64> = played.iter().map(|p| p.mean_return).collect();
            let mean = means.iter().sum::<f64>() / means.len() as f64;
            let least = means.iter().copied().fold(f64::INFINITY, f64::min);
            let most = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let best = played[0].best_possible_return;
            println!(
                "{} seeds: mean return {}, range {} to {}",
                means.len(),
                format_return(mean, best),
                format_return(least, best),
                format_return(most, best)
            );
        }
        Ok(())
    }

    fn play(&self, run: &SavedRun, device: &Device) -> Result<EvaluationReport, CommandError> {
        let saved = run.model(self.checkpoint, device)?;
        let statistics = saved.statistics.as_ref();
        let mut config = run.config().config.clone();
        self.python.apply(&mut config.gymnasium);
        config.validate()?;
        let evaluation = Evaluation {
            episodes: self.episodes,
            deterministic: self.deterministic,
            seed: self.seed,
        };
        let episodes = evaluate(&saved.model, &config, statistics, evaluation, device)?;
        let returns: Vec<f64> = episodes.iter().map(|e| e.total_reward).collect();
        let count = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / count;
        let squares = returns.iter().map(|r| (r - mean).powi(2));
        Ok(EvaluationReport {
            run: run.path().to_owned(),
            seed: config.seed,
            environment: config.environment.title(),
            steps: saved.steps,
            deterministic: self.deterministic,
            episodes: returns.len(),
            mean_return: mean,
            standard_deviation: (squares.sum::<f64>() / count).sqrt(),
            least_return: returns.iter().copied().fold(f64::INFINITY, f64::min),
            largest_return: returns.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            mean_length: episodes.iter().map(|e| e.length as f64).sum::<f64>() / count,
            best_possible_return: config.environment.best_return(),
        })
    }
}

impl EvaluationReport {
    fn words(&self) -> String {
        let words = |value| format_return(value, self.best_possible_return);
        format!(
            "{}, {} actions, policy after {} steps: mean return {} over {} {}, standard deviation \
             {}, range {} to {}",
            self.environment,
            if self.deterministic {
                "most probable"
            } else {
                "sampled"
            },
            HumanCount(self.steps as u64),
            format_of_best(self.mean_return, self.best_possible_return),
            self.episodes,
            if self.episodes == 1 {
                "episode"
            } else {
                "episodes"
            },
            words(self.standard_deviation),
            words(self.least_return),
            words(self.largest_return)
        )
    }
}

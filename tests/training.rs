//! The learner under Burn's own training loop.

use burn::rl::{Environment, Policy, StepResult};
use burn::tensor::{Device, Tensor};
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{CumulativeRewardMetric, EpisodeLengthMetric, LossMetric};
use burn::train::{Interrupter, RLResult, RLStrategies, RLTraining};
use burn_tsallis::rl::policy::NetworkConfig;
use burn_tsallis::rl::ppo::PpoConfig;
use burn_tsallis::rl::training::{Observations, OnPolicy, PpoAgent, TsallisPolicy};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Shows one of three numbers and rewards its index, for eight steps.
struct Guess {
    number: usize,
    steps: usize,
    draws: u64,
}

impl Guess {
    fn new() -> Self {
        Self {
            number: 0,
            steps: 0,
            draws: 1,
        }
    }

    fn draw(&mut self) {
        self.draws = self
            .draws
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.number = (self.draws >> 33) as usize % 3;
    }
}

impl Environment for Guess {
    type State = [f32; 3];
    type Action = usize;

    const MAX_STEPS: usize = 8;

    fn state(&self) -> [f32; 3] {
        let mut state = [0.0; 3];
        state[self.number] = 1.0;
        state
    }

    fn step(&mut self, action: usize) -> StepResult<[f32; 3]> {
        let reward = f64::from(u8::from(action == self.number));
        self.steps += 1;
        self.draw();
        StepResult {
            next_state: self.state(),
            reward,
            done: self.steps >= Self::MAX_STEPS,
            truncated: false,
        }
    }

    fn reset(&mut self) {
        self.steps = 0;
        self.draw();
    }
}

const UPDATE: usize = 4 * 32;

fn config() -> PpoConfig {
    PpoConfig {
        noise_std: 0.0,
        environments: 4,
        rollout_steps: 32,
        epochs: 4,
        minibatches: 2,
        learning_rate: 0.02,
        network: NetworkConfig {
            hidden: vec![16],
            ..NetworkConfig::default()
        },
        ..PpoConfig::default()
    }
}

fn agent() -> PpoAgent {
    PpoAgent::new(config(), 3, 3, &Device::flex()).expect("a valid configuration")
}

fn train(
    folder: &Path,
    updates: usize,
    from: Option<usize>,
    interrupter: Interrupter,
) -> RLResult<TsallisPolicy> {
    let strategy = OnPolicy::new()
        .with_checkpoint_updates(5)
        .with_seed(|guess: &mut Guess, seed, index| guess.draws = seed + u64::from(index));
    let mut training = RLTraining::new(folder, Guess::new)
        .metrics_train((LossMetric::new(),))
        .metrics_episode((EpisodeLengthMetric::new(), CumulativeRewardMetric::new()))
        .with_checkpointer()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .num_steps(updates * UPDATE)
        .with_inference_device(Device::flex())
        .with_application_logger(None)
        .with_interrupter(interrupter)
        .with_learning_strategy(RLStrategies::Custom(Arc::new(strategy)));
    if let Some(update) = from {
        training = training.checkpoint(update);
    }
    training.launch(agent())
}

/// The share of the three numbers that the most probable action is right for.
fn right(mut policy: TsallisPolicy) -> usize {
    let numbers = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let observations = Observations(Tensor::from_data(numbers, &Device::flex()));
    let (actions, contexts) = policy.action(observations, true);
    assert_eq!(contexts.len(), 3);
    let actions = actions.0.into_data();
    actions
        .iter::<i64>()
        .enumerate()
        .filter(|&(i, action)| action == i as i64)
        .count()
}

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder is made");
    folder
}

fn checkpoints(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.join("checkpoint"))
        .expect("checkpoints")
        .map(|entry| {
            let name = entry.expect("an entry").file_name();
            name.to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn it_learns_saves_and_goes_on() {
    let folder = folder("training");
    let result = train(&folder, 20, None, Interrupter::new());
    assert!(result.error.is_none() && result.interrupted.is_none());
    assert_eq!(right(result.policy), 3);
    let saved = [
        "learning-agent-3.bpk",
        "learning-agent-4.bpk",
        "policy-3.bpk",
        "policy-4.bpk",
    ];
    assert_eq!(checkpoints(&folder), saved);

    // From the checkpoint on: nothing is left to learn, and the policy is the one that was saved.
    let again = train(&folder, 20, Some(4), Interrupter::new());
    assert_eq!(right(again.policy), 3);
    assert_eq!(checkpoints(&folder), saved);
    let longer = train(&folder, 22, Some(4), Interrupter::new());
    assert_eq!(right(longer.policy), 3);
    assert!(checkpoints(&folder).contains(&"policy-5.bpk".to_owned()));
}

#[test]
fn an_interruption_stops_it() {
    let folder = folder("interrupted");
    let interrupter = Interrupter::new();
    interrupter.stop(Some("enough"));
    let result = train(&folder, 1_000_000, None, interrupter);
    assert!(result.interrupted.is_some() && result.error.is_none());
}

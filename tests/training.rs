//! The learner in Burn's own training loop.

use burn::rl::{Environment, Policy, StepResult, ToObservation};
use burn::tensor::Device;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{CumulativeRewardMetric, EpisodeLengthMetric, LossMetric};
use burn::train::{Interrupter, RLResult, RLStrategies, RLTraining};
use burn_tsallis::rl::env::{BurnEnvironment, Identity, Observed};
use burn_tsallis::rl::policy::{NetworkConfig, Observations, TsallisPolicy};
use burn_tsallis::rl::ppo::PpoConfig;
use burn_tsallis::rl::training::{OnPolicy, PpoAgent, PpoMetric};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Environment steps of an update.
const BATCH: usize = 128;

fn agent() -> PpoAgent {
    let config = PpoConfig {
        noise_std: 0.5,
        environments: 8,
        rollout_steps: 16,
        epochs: 4,
        minibatches: 2,
        learning_rate: 0.02,
        network: NetworkConfig {
            hidden: vec![16],
            ..NetworkConfig::default()
        },
        ..PpoConfig::default()
    };
    PpoAgent::new(config, 3, 3, &Device::flex()).expect("valid")
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("training-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Trains for so many updates with a checkpoint after every four, and resumes from one of them.
fn train(
    folder: &Path,
    keep: usize,
    updates: usize,
    from: Option<usize>,
) -> RLResult<TsallisPolicy> {
    let on_policy = OnPolicy::new(Observed::<Identity>::into_inner)
        .with_checkpoint_interval(4)
        .with_evaluation(4);
    let mut training = RLTraining::new(folder, || Observed::new(Identity::new(3)))
        .metrics_train((
            LossMetric::new(),
            PpoMetric::policy_loss(),
            PpoMetric::value_loss(),
            PpoMetric::entropy(),
            PpoMetric::approx_kl(),
            PpoMetric::clip_fraction(),
        ))
        .metrics_train((PpoMetric::tsallis_divergence(),))
        .metrics_episode((EpisodeLengthMetric::new(), CumulativeRewardMetric::new()))
        .with_checkpointer()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(keep))
        .with_application_logger(None)
        .with_inference_device(Device::flex())
        .num_steps(updates * BATCH)
        .with_learning_strategy(RLStrategies::Custom(Arc::new(on_policy)));
    if let Some(number) = from {
        training = training.checkpoint(number);
    }
    training.launch(agent())
}

/// The probabilities in each of the three states.
fn probabilities(policy: &mut TsallisPolicy) -> Vec<f32> {
    let states = burn::Tensor::eye(3, &Device::flex());
    let p = policy.forward(Observations::new(states)).0;
    p.into_data().iter().collect()
}

fn checkpoints(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("checkpoint")).expect("a folder of checkpoints");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// The numbers that a metric wrote to Burn's log.
fn logged(folder: &Path, split: &str, metric: &str) -> Vec<f64> {
    let file = folder.join(split).join("epoch-1").join(metric);
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let number = |line: &str| line.split(',').next().and_then(|x| x.parse().ok());
    text.lines()
        .map(|line| number(line).expect("a number"))
        .collect()
}

#[test]
fn it_learns_and_reports_and_leaves_checkpoints() {
    let folder = folder("learns");
    let mut result = train(&folder, 2, 26, None);
    assert!(result.error.is_none() && result.interrupted.is_none());
    let p = probabilities(&mut result.policy);
    for (state, row) in p.chunks_exact(3).enumerate() {
        assert!(row[state] > 0.8, "{p:?}");
    }
    let wanted = [
        "learning-agent-6.bpk",
        "learning-agent-7.bpk",
        "policy-6.bpk",
        "policy-7.bpk",
    ];
    assert_eq!(checkpoints(&folder), wanted);

    // Every episode is truncated after ten steps; its return is that without the noise.
    let returns = logged(&folder, "train", "Cum._Reward.log");
    assert!(returns.len() > 26 * BATCH / 10 - 8, "{}", returns.len());
    assert!(returns.iter().all(|x| x.fract() == 0.0), "{returns:?}");
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    assert!(mean(&returns[..20]) < 6.0 && mean(&returns[returns.len() - 20..]) > 8.0);
    for metric in [
        "Loss",
        "Policy_Loss",
        "Value_Loss",
        "Policy_Entropy",
        "Tsallis_Divergence",
    ] {
        assert_eq!(
            logged(&folder, "train", &format!("{metric}.log")).len(),
            26,
            "{metric}"
        );
    }
    // Seven evaluations of four episodes.
    assert_eq!(logged(&folder, "valid", "Cum._Reward.log").len(), 28);
}

#[test]
fn a_resumed_training_is_the_straight_one() {
    let folder = folder("resumed");
    let straight = probabilities(&mut train(&folder, 9, 12, None).policy);
    let resumed = probabilities(&mut train(&folder, 9, 12, Some(1)).policy);
    assert_eq!(resumed, straight);
    let nothing_left = probabilities(&mut train(&folder, 9, 12, Some(3)).policy);
    assert_eq!(nothing_left, straight);
    let first = probabilities(&mut train(&folder, 9, 4, Some(1)).policy);
    assert_ne!(first, straight);
}

/// An environment that knows only Burn's trait, and calls `at` before each step.
struct Watched<F> {
    identity: Identity,
    at: F,
    steps: usize,
}

impl<F: Fn(usize) -> f64> Environment for Watched<F> {
    type State = [f32; 3];
    type Action = usize;
    const MAX_STEPS: usize = 10;

    fn state(&self) -> [f32; 3] {
        std::array::from_fn(|i| if i == self.identity.state() { 1.0 } else { 0.0 })
    }

    fn step(&mut self, action: usize) -> StepResult<[f32; 3]> {
        self.steps += 1;
        let result = Environment::step(&mut self.identity, action);
        StepResult {
            next_state: self.state(),
            reward: result.reward + (self.at)(self.steps),
            done: false,
            truncated: false,
        }
    }

    fn reset(&mut self) {
        Environment::reset(&mut self.identity);
    }
}

/// Trains in an environment of the user's own.
fn watch<F>(
    folder: &Path,
    interrupter: Interrupter,
    agent: PpoAgent,
    at: F,
) -> RLResult<TsallisPolicy>
where
    F: Fn(usize) -> f64 + Clone + Send + 'static,
{
    let on_policy = OnPolicy::new(|environment: Watched<F>| {
        BurnEnvironment::new(environment, 3, 3, |state| state, |action| action)
    });
    let init = move || Watched {
        identity: Identity::new(3),
        at: at.clone(),
        steps: 0,
    };
    RLTraining::new(folder, init)
        .metrics_episode((EpisodeLengthMetric::new(),))
        .with_checkpointer()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .with_application_logger(None)
        .with_inference_device(Device::flex())
        .with_interrupter(interrupter)
        .num_steps(100 * BATCH)
        .with_learning_strategy(RLStrategies::Custom(Arc::new(on_policy)))
        .launch(agent)
}

#[test]
fn an_interruption_stops_it_after_the_update_and_saves() {
    let folder = folder("interrupted");
    let interrupter = Interrupter::new();
    let stop = interrupter.clone();
    // In the third update.
    let result = watch(&folder, interrupter, agent(), move |step| {
        if step == 40 {
            stop.stop(Some("enough"));
        }
        0.0
    });
    assert!(result.error.is_none());
    let reason = result
        .interrupted
        .and_then(|interruption| interruption.reason);
    assert_eq!(reason.as_deref(), Some("enough"));
    assert_eq!(
        checkpoints(&folder),
        ["learning-agent-1.bpk", "policy-1.bpk"]
    );
    // Sixteen steps of eight environments in an update.
    let lengths = logged(&folder, "train", "Episode_length.log");
    assert_eq!(lengths, vec![10.0; 3 * 16 / 10 * 8]);
}

#[test]
fn a_training_that_cannot_go_on_says_why_and_saves_nothing() {
    let folder = folder("failed");
    let error = |agent, at: fn(usize) -> f64| {
        let result = watch(&folder, Interrupter::new(), agent, at);
        assert!(result.interrupted.is_none());
        assert!(checkpoints(&folder).is_empty());
        result.error.expect("an error").to_string()
    };
    let nan = error(agent(), |step| if step == 20 { f64::NAN } else { 0.0 });
    assert!(nan.contains("environment 0 gave the reward NaN"), "{nan}");
    let config = agent().config().clone();
    let other = PpoAgent::new(config, 4, 3, &Device::flex()).expect("valid");
    let size = error(other, |_| 0.0);
    assert!(
        size.contains("observation_size is 4: it must be 3"),
        "{size}"
    );
}

#[test]
fn an_agent_that_cannot_be_is_refused() {
    let refused = |config: PpoConfig, actions| {
        let refused = PpoAgent::new(config, 4, actions, &Device::flex());
        refused.err().expect("not valid").to_string()
    };
    assert!(refused(PpoConfig::default(), 0).starts_with("actions is 0"));
    let nan = PpoConfig {
        alpha: f64::NAN,
        ..PpoConfig::default()
    };
    assert!(refused(nan, 2).starts_with("alpha is NaN"));
    // A state is observed on any device, without a mask.
    let observed = [1.0_f32, 2.0].to_observation(&Device::flex());
    assert!(observed.allowed.is_none());
}

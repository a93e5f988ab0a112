//! The learner in Burn's own training loop.

mod dashboard;
mod environments;

use burn::Tensor;
use burn::rl::{Policy, ToObservation};
use burn::tensor::Device;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{CumulativeRewardMetric, EpisodeLengthMetric, LossMetric};
use burn::train::{Interrupter, RLResult, RLStrategies, RLTraining};
use burn_tsallis::rl::env::{
    DiscreteEnvironment, FromBurnEnvironment, Identity, ToBurnEnvironment,
};
use burn_tsallis::rl::policy::{NetworkConfig, Observations, TsallisPolicy};
use burn_tsallis::rl::ppo::PpoConfig;
use burn_tsallis::rl::training::{OnPolicy, PpoAgent, PpoMetric};
use dashboard::Dashboard;
use environments::{Turns, Watched};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Environment steps per update.
const BATCH: usize = 128;

fn config() -> PpoConfig {
    PpoConfig {
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
    }
}

fn agent(config: PpoConfig) -> PpoAgent {
    PpoAgent::new(config, 3, 3, &Device::flex()).expect("valid")
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("training-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// A training run of `updates` updates that writes a checkpoint after every four updates. It starts from
/// scratch or from a checkpoint.
struct Plan {
    folder: PathBuf,
    keep: usize,
    updates: usize,
    from: Option<usize>,
    /// Whether observations and rewards are normalized.
    normalize: bool,
    progress: Arc<Mutex<Vec<usize>>>,
}

impl Plan {
    fn new(folder: &Path, updates: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            keep: 9,
            updates,
            from: None,
            normalize: false,
            progress: Arc::default(),
        }
    }

    fn from(self, checkpoint: usize) -> Self {
        Self {
            from: Some(checkpoint),
            ..self
        }
    }

    fn train<E>(&self, make: impl Fn() -> E + Clone + Send + 'static) -> RLResult<TsallisPolicy>
    where
        E: DiscreteEnvironment + 'static,
    {
        let on_policy = OnPolicy::new(ToBurnEnvironment::<E>::into_inner)
            .with_checkpoint_interval(4)
            .with_evaluation(4);
        let interrupter = Interrupter::new();
        let mut training = RLTraining::new(&self.folder, move || ToBurnEnvironment::new(make()))
            .metrics_train((
                LossMetric::new(),
                PpoMetric::new("Entropy", |update| update.policy_entropy),
            ))
            .metrics_episode((EpisodeLengthMetric::new(), CumulativeRewardMetric::new()))
            .with_checkpointer()
            .with_checkpointing_strategy(KeepLastNCheckpoints::new(self.keep))
            .with_application_logger(None)
            .with_interrupter(interrupter.clone())
            .renderer(Box::new(Dashboard {
                interrupter,
                progress: self.progress.clone(),
            }))
            .num_steps(self.updates * BATCH)
            .with_learning_strategy(RLStrategies::Custom(Arc::new(on_policy)));
        if let Some(number) = self.from {
            training = training.checkpoint(number);
        }
        training.launch(agent(PpoConfig {
            normalize_observations: self.normalize,
            normalize_rewards: self.normalize,
            ..config()
        }))
    }
}

/// Returns the probabilities and the values of the three states.
fn policy_outputs(result: RLResult<TsallisPolicy>) -> (Vec<f32>, Vec<f32>) {
    assert!(result.error.is_none() && result.interrupted.is_none());
    let mut policy = result.policy;
    let states = Tensor::eye(3, &Device::flex());
    let values = policy.model().values(states.clone());
    let probabilities = policy.forward(Observations::new(states)).0;
    let numbers = |tensor: Tensor<2>| tensor.into_data().iter().collect();
    (numbers(probabilities), numbers(values))
}

fn checkpoints(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("checkpoint")).expect("a folder of checkpoints");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Returns the part of a checkpoint other than tensors: streams, environments and counts.
fn saved_state(folder: &Path, number: usize) -> String {
    let file = folder.join(format!("checkpoint/learning-agent-{number}.bpk"));
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let line = bytes.split(|&byte| byte == b'\n').next().expect("a line");
    String::from_utf8(line.to_vec()).expect("JSON")
}

/// Returns the numbers of a metric in Burn's log.
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
    let plan = Plan {
        keep: 2,
        ..Plan::new(&folder, 26)
    };
    let (probabilities, _) = policy_outputs(plan.train(|| Identity::new(3)));
    for (state, row) in probabilities.chunks_exact(3).enumerate() {
        assert!(row[state] > 0.8, "{probabilities:?}");
    }
    let wanted = [
        "learning-agent-6.bpk",
        "learning-agent-7.bpk",
        "policy-6.bpk",
        "policy-7.bpk",
    ];
    assert_eq!(checkpoints(&folder), wanted);

    // Every episode is truncated after ten steps, and its return excludes the noise.
    let returns = logged(&folder, "train", "Cum._Reward.log");
    assert!(returns.len() > 26 * BATCH / 10 - 8, "{}", returns.len());
    assert!(returns.iter().all(|x| x.fract() == 0.0), "{returns:?}");
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    assert!(mean(&returns[..20]) < 6.0 && mean(&returns[returns.len() - 20..]) > 8.0);
    for metric in ["Loss.log", "Entropy.log"] {
        assert_eq!(logged(&folder, "train", metric).len(), 26, "{metric}");
    }
    // Seven evaluations of four episodes.
    assert_eq!(logged(&folder, "valid", "Cum._Reward.log").len(), 28);
    let progress = plan.progress.lock().expect("not poisoned");
    let trained: Vec<usize> = progress.iter().copied().filter(|&p| p > 4).collect();
    let updates: Vec<usize> = (1..=26).map(|update| update * BATCH).collect();
    assert_eq!(trained, updates);
}

#[test]
fn a_resumed_training_is_the_straight_one() {
    for normalize in [false, true] {
        a_resumed_training_is_the_straight_one_if(normalize);
    }
}

fn a_resumed_training_is_the_straight_one_if(normalize: bool) {
    let straight = folder(&format!("straight-{normalize}"));
    let resumed = folder(&format!("resumed-{normalize}"));
    let train = |plan: Plan| {
        let plan = Plan { normalize, ..plan };
        policy_outputs(plan.train(|| Identity::new(3)))
    };
    let wanted = train(Plan::new(&straight, 12));
    for cut in [1, 2] {
        train(Plan::new(&resumed, 12));
        for number in cut + 1..=3 {
            for name in ["policy", "learning-agent"] {
                let file = resumed.join(format!("checkpoint/{name}-{number}.bpk"));
                std::fs::remove_file(file).expect("a checkpoint");
            }
        }
        assert_eq!(train(Plan::new(&resumed, 12).from(cut)), wanted, "{cut}");
        for number in 1..=3 {
            assert_eq!(
                saved_state(&resumed, number),
                saved_state(&straight, number)
            );
        }
    }
    assert_eq!(train(Plan::new(&resumed, 12).from(3)), wanted);
    assert_ne!(train(Plan::new(&resumed, 4).from(1)), wanted);
}

/// The policy and the evaluation use the statistics: the networks saw normalized observations only.
#[test]
fn a_normalized_training_plays_with_its_statistics() {
    let folder = folder("normalized");
    let plan = Plan {
        normalize: true,
        ..Plan::new(&folder, 26)
    };
    let (probabilities, _) = policy_outputs(plan.train(|| Identity::new(3)));
    for (state, row) in probabilities.chunks_exact(3).enumerate() {
        assert!(row[state] > 0.8, "{probabilities:?}");
    }
    let returns = logged(&folder, "valid", "Cum._Reward.log");
    assert_eq!(returns[24..], [10.0; 4]);
    let returns = logged(&folder, "train", "Cum._Reward.log");
    assert!(returns.iter().all(|x| x.fract() == 0.0), "{returns:?}");
}

#[test]
fn forbidden_actions_are_taken_neither_in_training_nor_in_evaluation() {
    let folder = folder("masked");
    let (probabilities, _) = policy_outputs(Plan::new(&folder, 12).train(Turns::new));
    for state in 0..3 {
        // The policy without the mask shows the difference learned between the other two actions.
        let right = probabilities[3 * state + (state + 1) % 3];
        let wrong = probabilities[3 * state + (state + 2) % 3];
        assert!(right > 4.0 * wrong, "{probabilities:?}");
    }
    let returns = logged(&folder, "valid", "Cum._Reward.log");
    assert_eq!(returns[8..], [10.0; 4]);
}

/// Trains in a user-defined environment.
fn watch<F>(
    folder: &Path,
    interrupter: Interrupter,
    agent: PpoAgent,
    from: Option<usize>,
    at: F,
) -> RLResult<TsallisPolicy>
where
    F: Fn(usize) -> f64 + Clone + Send + 'static,
{
    let on_policy = OnPolicy::new(|environment: Watched<F>| {
        FromBurnEnvironment::new(environment, 3, 3, |state| state, |action| action)
    });
    let mut training = RLTraining::new(folder, move || Watched::new(at.clone()))
        .metrics_episode((EpisodeLengthMetric::new(),))
        .with_checkpointer()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .with_application_logger(None)
        .renderer(Box::new(Dashboard {
            interrupter: interrupter.clone(),
            progress: Arc::default(),
        }))
        .with_interrupter(interrupter)
        .num_steps(5 * BATCH)
        .with_learning_strategy(RLStrategies::Custom(Arc::new(on_policy)));
    if let Some(number) = from {
        training = training.checkpoint(number);
    }
    training.launch(agent)
}

#[test]
fn an_interruption_stops_it_after_the_update_and_saves() {
    let folder = folder("interrupted");
    let interrupter = Interrupter::new();
    let stop = interrupter.clone();
    // This step is in the third update.
    let result = watch(&folder, interrupter, agent(config()), None, move |step| {
        if step == 40 {
            stop.stop(Some("enough"));
        }
        0.0
    });
    assert!(result.error.is_none());
    let reason = result.interrupted.and_then(|stopped| stopped.reason);
    assert_eq!(reason.as_deref(), Some("enough"));
    assert_eq!(
        checkpoints(&folder),
        ["learning-agent-1.bpk", "policy-1.bpk"]
    );
    // An update has sixteen steps of eight environments.
    let lengths = logged(&folder, "train", "Episode_length.log");
    assert_eq!(lengths, vec![10.0; 3 * 16 / 10 * 8]);

    // Environments that cannot be saved begin new episodes. Two updates are left.
    let resumed = watch(
        &folder,
        Interrupter::new(),
        agent(config()),
        Some(1),
        |_| 0.0,
    );
    assert!(resumed.error.is_none() && resumed.interrupted.is_none());
    let lengths = logged(&folder, "train", "Episode_length.log");
    assert_eq!(lengths, vec![10.0; 2 * 16 / 10 * 8]);
    assert!(checkpoints(&folder).contains(&"policy-2.bpk".to_owned()));
}

#[test]
fn a_failed_training_reports_the_reason_and_saves_nothing() {
    let folder = folder("failed");
    let error = |agent, at: fn(usize) -> f64| {
        let result = watch(&folder, Interrupter::new(), agent, None, at);
        assert!(result.interrupted.is_none());
        assert!(checkpoints(&folder).is_empty());
        result.error.expect("an error").to_string()
    };
    let nan = error(
        agent(config()),
        |step| if step == 20 { f64::NAN } else { 0.0 },
    );
    assert!(
        nan.contains("environment 0 returned the reward NaN"),
        "{nan}"
    );
    let other = PpoAgent::new(config(), 4, 3, &Device::flex()).expect("valid");
    let size = error(other, |_| 0.0);
    assert!(
        size.contains("observation_size is 4: it must be 3"),
        "{size}"
    );
    let diverging = PpoConfig {
        learning_rate: 1e30,
        ..config()
    };
    let diverged = error(agent(diverging), |_| 0.0);
    assert!(diverged.contains("is not finite"), "{diverged}");
}

#[test]
fn a_checkpoint_of_another_agent_is_refused() {
    let folder = folder("another");
    watch(&folder, Interrupter::new(), agent(config()), None, |_| 0.0);
    let fewer = PpoConfig {
        environments: 4,
        ..config()
    };
    let result = watch(&folder, Interrupter::new(), agent(fewer), Some(1), |_| 0.0);
    let error = result.error.expect("another number of environments");
    assert!(
        error
            .to_string()
            .contains("the checkpoint does not match the configuration"),
        "{error}"
    );
}

#[test]
fn an_invalid_agent_is_an_error() {
    let refused = |config: PpoConfig, actions| {
        let refused = PpoAgent::new(config, 4, actions, &Device::flex());
        refused.err().expect("not valid").to_string()
    };
    assert!(refused(config(), 0).starts_with("actions is 0"));
    let nan = PpoConfig {
        alpha: f64::NAN,
        ..config()
    };
    assert!(refused(nan, 2).starts_with("alpha is NaN"));
    // Observations are converted without a mask, on any device.
    let observed = [1.0_f32, 2.0].to_observation(&Device::flex());
    assert!(observed.allowed.is_none());
}

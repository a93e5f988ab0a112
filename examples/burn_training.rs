//! The learner inside Burn's own training loop: metrics, checkpoints and interruption are Burn's.
//!
//! ```text
//! cargo run --release --features train --example burn_training
//! ```

use burn::tensor::Device;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{CumulativeRewardMetric, EpisodeLengthMetric};
use burn::train::{RLStrategies, RLTraining};
use burn_tsallis::rl::env::{CartPole, DiscreteEnvironment};
use burn_tsallis::rl::ppo::PpoConfig;
use burn_tsallis::rl::training::{OnPolicy, PpoAgent, UpdateMetric};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let config = PpoConfig {
        noise_std: 0.0,
        ..PpoConfig::default()
    };
    let strategy = OnPolicy::new()
        .with_seed(|cartpole: &mut CartPole, seed, index| cartpole.seed(seed, index));
    let result = RLTraining::new("runs/burn-training", CartPole::new)
        .metrics_train((
            UpdateMetric::new("Policy loss", |update| update.policy_loss),
            UpdateMetric::new("Value loss", |update| update.value_loss),
            UpdateMetric::new("Entropy", |update| update.policy_entropy),
        ))
        .metrics_episode((EpisodeLengthMetric::new(), CumulativeRewardMetric::new()))
        .with_checkpointer()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .num_steps(100_352)
        .with_inference_device(device.clone())
        .with_learning_strategy(RLStrategies::Custom(Arc::new(strategy)))
        .summary()
        .launch(PpoAgent::new(config, 4, 2, &device)?);
    match (result.error, result.interrupted) {
        (Some(error), _) => println!("failed: {error}"),
        (None, Some(_)) => println!("stopped early"),
        (None, None) => println!("the policy and its checkpoints are in runs/burn-training"),
    }
    Ok(())
}

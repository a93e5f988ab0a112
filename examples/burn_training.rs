//! Trains a Tsallis policy on CartPole in Burn's own training loop, with its metrics and checkpoints, and
//! plays an episode with what was learnt.
//!
//! ```text
//! cargo run --release --features train --example burn_training
//! ```

use burn::rl::{Environment, Policy, ToObservation};
use burn::tensor::Device;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{CumulativeRewardMetric, EpisodeLengthMetric, LossMetric};
use burn::train::{RLStrategies, RLTraining};
use burn_tsallis::rl::env::CartPole;
use burn_tsallis::rl::ppo::{LearnerError, PpoConfig};
use burn_tsallis::rl::training::{OnPolicy, PpoAgent, PpoMetric};
use std::sync::Arc;

fn main() -> Result<(), LearnerError> {
    let device = Device::flex();
    let agent = PpoAgent::new(PpoConfig::default(), 4, 2, &device)?;
    let on_policy = OnPolicy::new(|cartpole: CartPole| cartpole);
    let result = RLTraining::new("runs/burn-training", CartPole::new)
        .metrics_train((
            LossMetric::new(),
            PpoMetric::entropy(),
            PpoMetric::tsallis_divergence(),
        ))
        .metrics_episode((EpisodeLengthMetric::new(), CumulativeRewardMetric::new()))
        .with_checkpointer()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .num_steps(200_000)
        .with_inference_device(device.clone())
        .with_learning_strategy(RLStrategies::Custom(Arc::new(on_policy)))
        .summary()
        .launch(agent);
    if let Some(error) = result.error {
        eprintln!("{error}");
        std::process::exit(1);
    }

    let mut policy = result.policy;
    let mut cartpole = CartPole::new();
    let mut steps = 0;
    loop {
        let (action, _) = policy.action(cartpole.state().to_observation(&device), true);
        let step = Environment::step(&mut cartpole, action.into());
        steps += 1;
        if step.done || step.truncated {
            break;
        }
    }
    println!(
        "the pole stayed up for {steps} of {} steps",
        CartPole::MAX_STEPS
    );
    Ok(())
}

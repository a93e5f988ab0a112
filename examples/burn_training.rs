//! Trains a Tsallis policy on noisy CartPole in Burn's own training loop, with its metrics, dashboard and
//! checkpoints, and plays an episode with the trained policy. To resume training, pass the number of a
//! checkpoint.
//!
//! ```text
//! cargo run --release --features train --example burn_training
//! cargo run --release --features train --example burn_training -- 4
//! ```
//!
//! The dashboard needs Burn's feature `tui`: `--features train,burn/tui`.

use burn::rl::{Environment, Policy, ToObservation};
use burn::tensor::Device;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{CumulativeRewardMetric, EpisodeLengthMetric};
use burn::train::{RLStrategies, RLTraining};
use burn_tsallis::rl::env::CartPole;
use burn_tsallis::rl::ppo::PpoConfig;
use burn_tsallis::rl::training::{OnPolicy, PpoAgent, PpoMetric};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let agent = PpoAgent::new(PpoConfig::default(), 4, 2, &device)?;
    let on_policy = OnPolicy::new(|cartpole: CartPole| cartpole);
    let mut training = RLTraining::new("runs/burn-training", CartPole::new)
        .metrics_train((
            PpoMetric::new("Value Loss", |update| update.value_loss),
            PpoMetric::new("Entropy", |update| update.policy_entropy),
            PpoMetric::new("Divergence", |update| update.tsallis_divergence),
        ))
        .metrics_episode((EpisodeLengthMetric::new(), CumulativeRewardMetric::new()))
        .with_checkpointer()
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .num_steps(100_000)
        .with_learning_strategy(RLStrategies::Custom(Arc::new(on_policy)))
        .summary();
    if let Some(number) = std::env::args().nth(1) {
        training = training.checkpoint(number.parse()?);
    }
    let mut result = training.launch(agent);
    // Dropping the dashboard restores the terminal.
    drop(result.renderer);
    if let Some(error) = result.error {
        return Err(error.to_string().into());
    }

    let mut cartpole = CartPole::new();
    let mut steps = 0;
    let mut over = false;
    while !over {
        let state = cartpole.state().to_observation(&device);
        let (action, _) = result.policy.action(state, true);
        let step = Environment::step(&mut cartpole, action.into());
        over = step.done || step.truncated;
        steps += 1;
    }
    println!("The pole stayed up for {steps} of 500 steps.");
    Ok(())
}

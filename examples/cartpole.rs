//! Trains a Tsallis policy on CartPole without the command line, and prints its progress.
//!
//! ```text
//! cargo run --release --example cartpole
//! ```

use burn::tensor::Device;
use burn_tsallis::rl::ppo::{Learner, LearnerError, PpoConfig};

fn main() -> Result<(), LearnerError> {
    let config = PpoConfig {
        alpha: 0.5,
        regularizer_alpha: 0.5,
        noise_std: 0.0,
        total_steps: 100_000,
        ..PpoConfig::default()
    };
    let mut learner = Learner::new(config, &Device::flex())?;
    while !learner.is_finished() {
        let metrics = learner.update()?;
        if metrics.update % 20 == 0 {
            println!(
                "{:>7} steps: mean return {:>5.1} over the last 100 episodes, entropy {:.3}",
                metrics.global_step,
                metrics.recent_return.unwrap_or(f64::NAN),
                metrics.policy_entropy,
            );
        }
    }
    Ok(())
}

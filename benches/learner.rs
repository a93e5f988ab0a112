//! Environment steps per second of the whole learner on `CartPole`, and the share of time of each part.
//!
//! ```text
//! RAYON_NUM_THREADS=1 cargo bench --bench learner
//! ```
//!
//! Each line is the median over the updates of a run, without the warm-up updates.

use burn::tensor::Device;
use burn_tsallis::rl::ppo::{Learner, LearnerError, PpoConfig, UpdateTimes};
use std::time::Duration;

/// Warm-up updates before the measured ones.
const WARM_UP: usize = 5;

/// Measured updates.
const UPDATES: usize = 60;

fn main() -> Result<(), LearnerError> {
    let paper = PpoConfig::default();
    let configurations = [
        ("16 x 32 steps, 16 epochs of 4 minibatches", paper.clone()),
        (
            "the same, alpha 0.7",
            PpoConfig {
                alpha: 0.7,
                regularizer_alpha: 0.7,
                ..paper.clone()
            },
        ),
        (
            "the same, alpha 1",
            PpoConfig {
                alpha: 1.0,
                regularizer_alpha: 1.0,
                ..paper.clone()
            },
        ),
        (
            "8 x 256 steps, 10 epochs of 32 minibatches",
            PpoConfig {
                environments: 8,
                rollout_steps: 256,
                epochs: 10,
                minibatches: 32,
                ..paper
            },
        ),
    ];
    println!(
        "{:44} {:>8}  {:>7} {:>7} {:>8} {:>9} {:>6}",
        "configuration", "steps/s", "rollout", "forward", "backward", "optimizer", "rest"
    );
    for (name, config) in configurations {
        let batch = config.batch() as f64;
        let config = PpoConfig {
            total_steps: config.batch() * (WARM_UP + UPDATES),
            ..config
        };
        let mut learner = Learner::new(config, &Device::flex())?;
        let mut times = Vec::new();
        while !learner.is_finished() {
            learner.update()?;
            times.push(learner.times());
        }
        times.drain(..WARM_UP);
        let total = median(&times, |t| t.total);
        let share = |of: fn(&UpdateTimes) -> Duration| 100.0 * median(&times, of) / total;
        let shares = [
            share(|t| t.rollout),
            share(|t| t.forward),
            share(|t| t.backward),
            share(|t| t.optimizer),
        ];
        let rest = 100.0 - shares.iter().sum::<f64>();
        println!(
            "{name:44} {:>8.0}  {:>6.1}% {:>6.1}% {:>7.1}% {:>8.1}% {rest:>5.1}%",
            batch / total,
            shares[0],
            shares[1],
            shares[2],
            shares[3],
        );
    }
    Ok(())
}

fn median(times: &[UpdateTimes], of: impl Fn(&UpdateTimes) -> Duration) -> f64 {
    let mut seconds: Vec<f64> = times.iter().map(|t| of(t).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

use crate::math::MAX_ALPHA;
use crate::rl::env::{DiscreteEnvironment, EnvironmentKind, EpisodeStatistics, RewardNoise};
use serde::{Deserialize, Serialize};

/// Everything that a training run is determined by, beside the device.
///
/// The defaults are the paper's configuration at one setting of its grid, but for a fifth of its steps, with
/// bootstrapping on truncation, and with noise on the first transition too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PpoConfig {
    /// What is learnt.
    pub environment: EnvironmentKind,
    /// Standard deviation of the Gaussian noise on every reward.
    pub noise_std: f64,
    /// Seed of every random stream of the run.
    pub seed: u64,
    /// Order of the policy.
    pub alpha: f64,
    /// Order of the regulariser. The paper's guarantee needs the policy's order here.
    pub regulariser_alpha: f64,
    /// Weight of the regulariser: the reward is `r - beta D(pi(.|s))`.
    pub beta: f64,
    /// Environment steps of the whole run; rounded up to whole updates.
    pub total_steps: usize,
    /// Environments stepped together.
    pub environments: usize,
    /// Steps of each environment between two updates.
    pub rollout_steps: usize,
    /// Passes over a rollout.
    pub epochs: usize,
    /// Minibatches of a pass.
    pub minibatches: usize,
    /// Learning rate of the first update; it falls linearly to zero over the run.
    pub learning_rate: f64,
    /// Adam's epsilon.
    pub adam_epsilon: f64,
    /// Largest norm of the gradient of all parameters together.
    pub max_grad_norm: f64,
    /// Discount of a step.
    pub gamma: f64,
    /// Decay of the generalised advantage estimate.
    pub gae_lambda: f64,
    /// Range of the probability ratio, and of the value's change, around the rollout's.
    pub clip: f64,
    /// Weight of the value loss.
    pub value_coefficient: f64,
    /// Whether a truncated episode is worth the value of its last observation; else nothing.
    pub bootstrap_on_truncation: bool,
    /// Width of each hidden layer, for the policy and the value network alike.
    pub hidden: Vec<usize>,
}

/// Largest of the counts that are multiplied with each other.
const MAX_COUNT: usize = 1_000_000;

/// Environment steps that no run comes to the end of: a typing error.
const MAX_STEPS: usize = 1_000_000_000_000;

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            environment: EnvironmentKind::CartPole,
            noise_std: 0.5,
            seed: 0,
            alpha: 0.5,
            regulariser_alpha: 0.5,
            beta: 0.01,
            total_steps: 200_000,
            environments: 16,
            rollout_steps: 32,
            epochs: 16,
            minibatches: 4,
            learning_rate: 1e-3,
            adam_epsilon: 1e-5,
            max_grad_norm: 0.5,
            gamma: 0.99,
            gae_lambda: 0.95,
            clip: 0.2,
            value_coefficient: 0.5,
            bootstrap_on_truncation: true,
            hidden: vec![64, 64],
        }
    }
}

/// A value of [`PpoConfig`] that a run cannot be made with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} is {value}: it must be {wanted}")]
pub struct ConfigError {
    field: &'static str,
    value: String,
    wanted: String,
}

impl PpoConfig {
    /// Steps of all environments in one rollout.
    pub fn batch(&self) -> usize {
        self.environments * self.rollout_steps
    }

    /// Updates of the whole run.
    pub fn updates(&self) -> usize {
        self.total_steps.div_ceil(self.batch())
    }

    /// The learning rate of the update of this index.
    pub fn learning_rate_at(&self, update: usize) -> f64 {
        self.learning_rate * (1.0 - update as f64 / self.updates() as f64)
    }

    /// The environments of a run, with their noise above the statistics of their episodes.
    pub fn make_environments(&self) -> Vec<Box<dyn DiscreteEnvironment>> {
        (0..self.environments as u32)
            .map(|i| {
                let recorded = EpisodeStatistics::new(self.environment.make());
                let mut noisy = RewardNoise::new(recorded, self.noise_std);
                noisy.seed(self.seed, i);
                Box::new(noisy) as Box<_>
            })
            .collect()
    }

    /// Checks every value, so that nothing starts that cannot end.
    ///
    /// # Errors
    ///
    /// The first value that is out of its range, with the range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |field, value: f64, holds: bool, wanted: &str| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError::new(field, value, wanted))
            }
        };
        let order = |field, x: f64| {
            let wanted = format!("a number from -{MAX_ALPHA} to {MAX_ALPHA}");
            check(field, x, x.abs() <= MAX_ALPHA, &wanted)
        };
        let at_least_zero = |field, x: f64| {
            let holds = (0.0..f64::INFINITY).contains(&x);
            check(field, x, holds, "a number of at least 0")
        };
        let above_zero = |field, x: f64| {
            let holds = x > 0.0 && x < f64::INFINITY;
            check(field, x, holds, "a number above 0")
        };
        let fraction = |field, x: f64| {
            let holds = (0.0..=1.0).contains(&x);
            check(field, x, holds, "a number from 0 to 1")
        };
        order("alpha", self.alpha)?;
        order("regulariser_alpha", self.regulariser_alpha)?;
        at_least_zero("beta", self.beta)?;
        at_least_zero("noise_std", self.noise_std)?;
        above_zero("learning_rate", self.learning_rate)?;
        above_zero("adam_epsilon", self.adam_epsilon)?;
        above_zero("max_grad_norm", self.max_grad_norm)?;
        fraction("gamma", self.gamma)?;
        fraction("gae_lambda", self.gae_lambda)?;
        above_zero("clip", self.clip)?;
        at_least_zero("value_coefficient", self.value_coefficient)?;
        // Only a policy of an order above one leaves an action without probability, and only a
        // divergence of an order above zero is finite there.
        check(
            "regulariser_alpha",
            self.regulariser_alpha,
            self.regulariser_alpha > 0.0 || self.alpha <= 1.0,
            "above 0 for a policy of alpha above 1, whose divergence is infinite otherwise",
        )?;
        let counts = [
            ("environments", self.environments),
            ("rollout_steps", self.rollout_steps),
            ("epochs", self.epochs),
            ("minibatches", self.minibatches),
        ];
        for (field, value) in counts {
            if value == 0 || value > MAX_COUNT {
                let wanted = format!("from 1 to {MAX_COUNT}");
                return Err(ConfigError::new(field, value, &wanted));
            }
        }
        if self.total_steps == 0 || self.total_steps > MAX_STEPS {
            let wanted = format!("from 1 to {MAX_STEPS}");
            return Err(ConfigError::new("total_steps", self.total_steps, &wanted));
        }
        if let Some(width) = self.hidden.iter().find(|&&width| width == 0) {
            return Err(ConfigError::new("hidden", width, "layers of at least 1"));
        }
        // Two, since a minibatch of one has no spread to normalise its advantage by.
        if !self.batch().is_multiple_of(self.minibatches) || self.batch() < 2 * self.minibatches {
            return Err(ConfigError::new(
                "minibatches",
                self.minibatches,
                &format!(
                    "a divisor of the {} steps of a rollout that leaves at least 2 to each",
                    self.batch()
                ),
            ));
        }
        Ok(())
    }
}

impl ConfigError {
    fn new(field: &'static str, value: impl ToString, wanted: &str) -> Self {
        Self {
            field,
            value: value.to_string(),
            wanted: wanted.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_every_bad_value_is_named() {
        PpoConfig::default()
            .validate()
            .expect("the default is valid");
        let message = |change: fn(&mut PpoConfig)| {
            let mut config = PpoConfig::default();
            change(&mut config);
            config.validate().expect_err("a bad value").to_string()
        };
        assert_eq!(
            message(|c| c.alpha = f64::NAN),
            "alpha is NaN: it must be a number from -50 to 50"
        );
        assert_eq!(
            message(|c| c.beta = -1.0),
            "beta is -1: it must be a number of at least 0"
        );
        assert_eq!(
            message(|c| c.total_steps = 0),
            "total_steps is 0: it must be from 1 to 1000000000000"
        );
        assert_eq!(
            message(|c| c.minibatches = 7),
            "minibatches is 7: it must be a divisor of the 512 steps of a rollout that leaves at \
             least 2 to each"
        );
        assert!(message(|c| c.gamma = 1.1).starts_with("gamma is 1.1"));
        assert!(
            message(|c| {
                c.alpha = 1.5;
                c.regulariser_alpha = 0.0;
            })
            .starts_with("regulariser_alpha is 0")
        );
    }

    #[test]
    fn the_learning_rate_falls_to_zero() {
        let config = PpoConfig {
            total_steps: 5120,
            ..PpoConfig::default()
        };
        assert_eq!(config.updates(), 10);
        assert_eq!(config.learning_rate_at(0), 1e-3);
        assert!((config.learning_rate_at(9) - 1e-4).abs() < 1e-18);
    }
}

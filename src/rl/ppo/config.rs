use crate::math::MAX_ALPHA;
use crate::rl::UnknownName;
use crate::rl::env::{
    EnvironmentError, EnvironmentKind, EnvironmentOptions, GymnasiumConfig, Spaces,
    VectorEnvironment,
};
use crate::rl::policy::NetworkConfig;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The configuration of a training run. It determines everything except the device.
///
/// The defaults are one setting of the grid in the paper (arXiv 2601.12604), with four differences: a fifth of
/// its steps, values without clipping, bootstrapping on truncation, and noise on the first transition too.
/// [`PpoConfig::paper`] follows the paper's code in all four.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PpoConfig {
    /// The environment to learn.
    pub environment: EnvironmentKind,
    /// Standard deviation of the Gaussian noise on every reward.
    pub noise_std: f64,
    /// Whether the first transition after the first reset of an environment has no noise, as in the paper's
    /// code.
    pub first_step_without_noise: bool,
    /// Whether each component of the observations is normalized to mean zero and variance one by running statistics, and
    /// clipped to -10 and 10.
    pub normalize_observations: bool,
    /// Whether the rewards, including their noise, are divided by the standard deviation of their discounted return, a
    /// running statistic, and clipped to -10 and 10. The regularizer is subtracted afterwards.
    pub normalize_rewards: bool,
    /// Bins for each component of continuous actions, from its lower to its upper bound.
    pub bins: usize,
    /// Seed of every random stream of the run.
    pub seed: u64,
    /// Alpha of the policy.
    pub alpha: f64,
    /// Alpha of the regularizer. The paper's guarantee requires the same value as `alpha`.
    pub regularizer_alpha: f64,
    /// Weight of the regularizer, the divergence `D` of the policy from the uniform distribution over the
    /// allowed actions.
    pub beta: f64,
    /// The term that contains the regularizer: the reward, the loss or both.
    pub regularizer: Regularizer,
    /// Weight of the Shannon entropy, in nats, that is subtracted from the loss.
    pub entropy_coefficient: f64,
    /// Environment steps of the whole run, rounded up to whole updates.
    pub total_steps: usize,
    /// Number of environments, stepped together as one vectorized environment.
    pub environments: usize,
    /// Steps of each environment between two updates.
    pub rollout_steps: usize,
    /// Passes over each rollout.
    pub epochs: usize,
    /// Minibatches in each pass.
    pub minibatches: usize,
    /// Learning rate of the first update.
    pub learning_rate: f64,
    /// Whether the learning rate falls linearly to zero over the run. Otherwise it is constant.
    pub anneal_learning_rate: bool,
    /// Adam's epsilon.
    pub adam_epsilon: f64,
    /// Largest norm of the gradient of all parameters together. A larger gradient is scaled down.
    pub max_grad_norm: f64,
    /// Discount factor of a step.
    pub gamma: f64,
    /// The `lambda` of generalized advantage estimation (GAE).
    pub gae_lambda: f64,
    /// Clip range of the probability ratio around one.
    pub clip: f64,
    /// Clip range of the value around its value in the rollout, or `None` for no clipping.
    pub value_clip: Option<f64>,
    /// Weight of the value loss.
    pub value_coefficient: f64,
    /// Whether the advantages of each minibatch are normalized to mean zero and variance one.
    pub normalize_advantages: bool,
    /// Limit on the estimated `KL(old || new)` (the mean of `ratio - 1 - ln ratio`) of an epoch, or `None`. An
    /// epoch above the limit is the last one of its update.
    pub target_kl: Option<f64>,
    /// Whether a truncated episode is bootstrapped with the value of its final observation. Otherwise truncation
    /// is treated as termination.
    pub bootstrap_on_truncation: bool,
    /// Architecture of the networks.
    pub network: NetworkConfig,
    /// How environments of Gymnasium are made.
    #[serde(skip_serializing_if = "GymnasiumConfig::is_default")]
    pub gymnasium: GymnasiumConfig,
}

/// The term that contains the regularizer `beta D(pi(.|s))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regularizer {
    /// The reward, as in the paper's code: `r_t - beta D(pi(.|s_t))` with the policy of the rollout. The
    /// regularizer then affects the policy only through the states that it leads to.
    Reward,
    /// The loss: adds `beta` times the mean divergence of the policy that is being learned.
    Loss,
    /// Both. Without advantage normalization, the loss then follows the policy gradient of the regularized
    /// return, up to PPO's usual approximations. Normalization rescales the term in the reward but not the term
    /// in the loss.
    Both,
}

impl FromStr for Regularizer {
    type Err = UnknownName;

    /// Parses `reward`, `loss` or `both`.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "reward" => Ok(Self::Reward),
            "loss" => Ok(Self::Loss),
            "both" => Ok(Self::Both),
            _ => Err(UnknownName {
                what: "regularizer",
                name: name.to_owned(),
                expected: "reward, loss or both",
            }),
        }
    }
}

impl Regularizer {
    /// Returns whether the regularizer is subtracted from the reward.
    pub fn is_in_reward(self) -> bool {
        matches!(self, Self::Reward | Self::Both)
    }

    /// Returns whether the regularizer is added to the loss.
    pub fn is_in_loss(self) -> bool {
        matches!(self, Self::Loss | Self::Both)
    }
}

/// Largest value of the counts that are multiplied with each other.
const MAX_COUNT: usize = 1_000_000;

/// Longest time in seconds in which Python must answer. A larger value is taken to be a typo.
const MAX_TIMEOUT: f64 = 1e6;

/// Largest number of bins. A larger value is taken to be a typo.
const MAX_BINS: usize = 10_000;

/// Largest number of environment steps. A larger value is taken to be a typo.
pub(super) const MAX_STEPS: usize = 1_000_000_000_000;

/// Largest number of steps in a rollout. A larger value is taken to be a typo.
const MAX_BATCH: usize = 100_000_000;

/// Largest width of a layer. A larger value is taken to be a typo.
const MAX_WIDTH: usize = 65_536;

/// Largest number of weights of the networks. With their gradients and moments, they take 20 GB.
const MAX_PARAMETERS: usize = 1_000_000_000;

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            environment: EnvironmentKind::CartPole,
            noise_std: 0.5,
            first_step_without_noise: false,
            normalize_observations: false,
            normalize_rewards: false,
            // The number of bins of Tang and Agrawal (2020).
            bins: 11,
            seed: 0,
            alpha: 0.5,
            regularizer_alpha: 0.5,
            beta: 0.01,
            regularizer: Regularizer::Reward,
            entropy_coefficient: 0.0,
            total_steps: 200_000,
            environments: 16,
            rollout_steps: 32,
            epochs: 16,
            minibatches: 4,
            learning_rate: 1e-3,
            anneal_learning_rate: true,
            adam_epsilon: 1e-5,
            max_grad_norm: 0.5,
            gamma: 0.99,
            gae_lambda: 0.95,
            clip: 0.2,
            // With a clip of 0.2, the value, which is near 100 on CartPole, hardly follows the returns: 92 of 100
            // runs end solved, and 97 without it (docs/results/learner.md).
            value_clip: None,
            value_coefficient: 0.5,
            normalize_advantages: true,
            target_kl: None,
            bootstrap_on_truncation: true,
            network: NetworkConfig::default(),
            gymnasium: GymnasiumConfig::default(),
        }
    }
}

/// An invalid value of a field of [`PpoConfig`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} is {value}: it must be {wanted}")]
pub struct ConfigError {
    field: &'static str,
    value: String,
    wanted: String,
}

impl PpoConfig {
    /// Returns the configuration of the code of arXiv 2601.12604. It differs from the defaults in four points:
    /// a million steps, a clip range of 0.2 for values, no bootstrapping on truncation, and no noise on the
    /// first transition of an environment.
    pub fn paper() -> Self {
        Self {
            total_steps: 1_000_000,
            first_step_without_noise: true,
            value_clip: Some(0.2),
            bootstrap_on_truncation: false,
            ..Self::default()
        }
    }

    /// Returns the settings of CleanRL's `ppo_continuous_action.py` for continuous control, with a policy over 11 bins for
    /// each component of the actions, as in Tang and Agrawal (2020). Rollouts have the same 2048 steps, but of 8
    /// environments instead of one, because environments of another process are faster in parallel, and truncated
    /// episodes are bootstrapped. There is no noise, and no regularizer (`beta` is zero), as in CleanRL, so that returns
    /// compare with the published ones; alpha = 1 is the softmax policy.
    pub fn mujoco() -> Self {
        Self {
            noise_std: 0.0,
            normalize_observations: true,
            normalize_rewards: true,
            beta: 0.0,
            total_steps: 1_000_000,
            environments: 8,
            rollout_steps: 256,
            epochs: 10,
            minibatches: 32,
            learning_rate: 3e-4,
            value_clip: Some(0.2),
            ..Self::default()
        }
    }

    /// Returns whether the policy and the regularizer have the same alpha, as the paper's guarantee requires,
    /// or `beta` is zero.
    pub fn is_coupled(&self) -> bool {
        self.alpha == self.regularizer_alpha || self.beta == 0.0
    }

    /// Returns the number of steps of all environments in one rollout.
    pub fn batch(&self) -> usize {
        self.environments * self.rollout_steps
    }

    /// Returns the number of steps in one minibatch.
    pub fn minibatch(&self) -> usize {
        self.batch() / self.minibatches
    }

    /// Returns the number of updates in the whole run.
    pub fn updates(&self) -> usize {
        self.total_steps.div_ceil(self.batch())
    }

    /// Returns the learning rate of the update with the given index. An annealed rate is zero from the end of
    /// the run on.
    pub fn learning_rate_at(&self, update: usize) -> f64 {
        if self.anneal_learning_rate {
            self.learning_rate * (1.0 - update as f64 / self.updates() as f64).max(0.0)
        } else {
            self.learning_rate
        }
    }

    /// Creates and seeds the environments of a run.
    ///
    /// # Errors
    ///
    /// If the environments cannot be created. Built-in environments of a [valid](Self::validate) configuration can
    /// always be created.
    pub fn make_environments(&self) -> Result<VectorEnvironment, EnvironmentError> {
        let options = self.environment_options();
        let mut environments = self.environment.make(self.environments, &options)?;
        environments.seed(self.seed)?;
        Ok(environments)
    }

    /// Checks that an environment of Gymnasium can be created, by creating one.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn check_environment(&self) -> Result<(), EnvironmentError> {
        if self.environment.spaces().is_none() {
            self.environment.make(1, &self.environment_options())?;
        }
        Ok(())
    }

    /// Returns this configuration with the settings of `other` that do not change the results: the path of Python and
    /// its timeout.
    pub fn on_machine_of(&self, other: &Self) -> Self {
        Self {
            gymnasium: GymnasiumConfig {
                arguments: self.gymnasium.arguments.clone(),
                ..other.gymnasium.clone()
            },
            ..self.clone()
        }
    }

    /// Returns the options with which the environments are created.
    pub fn environment_options(&self) -> EnvironmentOptions {
        EnvironmentOptions {
            noise_std: self.noise_std,
            first_step_without_noise: self.first_step_without_noise,
            bins: self.bins,
            gymnasium: self.gymnasium.clone(),
        }
    }

    /// Normalizes what the configuration says.
    pub(super) fn normalize(
        &self,
        environments: &mut VectorEnvironment,
    ) -> Result<(), EnvironmentError> {
        if self.normalize_observations || self.normalize_rewards {
            let rewards = self.normalize_rewards.then_some(self.gamma);
            environments.normalize(self.normalize_observations, rewards)?;
        }
        Ok(())
    }

    /// Checks that `environments` equals the number of given environments.
    pub(super) fn check_environments(&self, given: usize) -> Result<(), ConfigError> {
        if self.environments == given {
            return Ok(());
        }
        let wanted = format!("{given}, the number of given environments");
        Err(ConfigError::new("environments", self.environments, &wanted))
    }

    /// Returns the number of weights of the networks for observations of this size.
    fn parameters(&self, observation_size: usize) -> usize {
        let inputs = std::iter::once(observation_size);
        let inputs = inputs.chain(self.network.hidden.iter().copied());
        let outputs = self.network.hidden.iter();
        let features = inputs.zip(outputs).fold(0_usize, |sum, (input, &output)| {
            sum.saturating_add(input.saturating_mul(output))
        });
        features.saturating_mul(if self.network.shared { 1 } else { 2 })
    }

    /// Checks that the networks of an environment are not too large and have a bias for each logit or none.
    pub(super) fn check_networks(&self, spaces: &Spaces) -> Result<(), ConfigError> {
        let (bias, logits) = (&self.network.policy_bias, spaces.actions.logits());
        if !bias.is_empty() && bias.len() != logits {
            let wanted = format!("empty or have {logits} numbers, one for each action");
            return Err(ConfigError::new(
                "policy_bias",
                format!("{bias:?}"),
                &wanted,
            ));
        }
        let parameters = self.parameters(spaces.observation_size);
        if parameters <= MAX_PARAMETERS {
            return Ok(());
        }
        Err(ConfigError::new(
            "hidden",
            format!("{:?}", self.network.hidden),
            &format!(
                "narrower, because networks of {parameters} parameters exceed the limit of {MAX_PARAMETERS}"
            ),
        ))
    }

    /// Checks every value, so that a run with an invalid value does not start.
    ///
    /// # Errors
    ///
    /// If a value is out of its range. The error names the first such value and its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |field, value: f64, holds: bool, wanted: &str| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError::new(field, short(value), wanted))
            }
        };
        // The tensors are f32, in which a smaller number can be 0 and a larger one is infinite.
        let normal = |x: f64| (x as f32).is_normal();
        let alpha_in_range = |field, x: f64| {
            let wanted = format!("a number from -{MAX_ALPHA} to {MAX_ALPHA}");
            check(field, x, x.abs() <= MAX_ALPHA, &wanted)
        };
        let at_least_zero = |field, x: f64| {
            check(field, x, x >= 0.0, "a number of at least 0")?;
            let wanted = "0 or a number from 1.2e-38 to 3.4e38, the range of f32";
            check(field, x, x == 0.0 || normal(x), wanted)
        };
        let above_zero = |field, x: f64| {
            check(field, x, x > 0.0, "a number above 0")?;
            let wanted = "a number from 1.2e-38 to 3.4e38, the range of f32";
            check(field, x, normal(x), wanted)
        };
        let fraction = |field, x: f64| {
            let holds = (0.0..=1.0).contains(&x);
            check(field, x, holds, "a number from 0 to 1")
        };
        self.environment.validate().map_err(|error| {
            ConfigError::new(
                "environment",
                &self.environment,
                &format!("a valid environment: {error}"),
            )
        })?;
        if self.environment.spaces().is_some() && !self.gymnasium.arguments.is_empty() {
            let arguments = serde_json::to_string(&self.gymnasium.arguments).unwrap_or_default();
            let wanted = format!("empty, because {} is not of Gymnasium", self.environment);
            return Err(ConfigError::new("gymnasium.arguments", arguments, &wanted));
        }
        let seconds = self.gymnasium.timeout;
        check(
            "gymnasium.timeout",
            seconds,
            seconds > 0.0 && seconds <= MAX_TIMEOUT,
            &format!("a number of seconds above 0 and up to {MAX_TIMEOUT}"),
        )?;
        alpha_in_range("alpha", self.alpha)?;
        alpha_in_range("regularizer_alpha", self.regularizer_alpha)?;
        at_least_zero("beta", self.beta)?;
        at_least_zero("noise_std", self.noise_std)?;
        above_zero("learning_rate", self.learning_rate)?;
        above_zero("adam_epsilon", self.adam_epsilon)?;
        above_zero("max_grad_norm", self.max_grad_norm)?;
        fraction("gamma", self.gamma)?;
        fraction("gae_lambda", self.gae_lambda)?;
        above_zero("clip", self.clip)?;
        above_zero("value_clip", self.value_clip.unwrap_or(1.0))?;
        above_zero("target_kl", self.target_kl.unwrap_or(1.0))?;
        at_least_zero("entropy_coefficient", self.entropy_coefficient)?;
        at_least_zero("value_coefficient", self.value_coefficient)?;
        // Only a policy with alpha > 1 can give an action the probability zero, and only a divergence with
        // alpha > 0 is then finite.
        check(
            "regularizer_alpha",
            self.regularizer_alpha,
            self.regularizer_alpha > 0.0 || self.alpha <= 1.0,
            "above 0 if alpha is above 1, because the divergence can be infinite otherwise",
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
        if !(2..=MAX_BINS).contains(&self.bins) {
            let wanted = format!("from 2 to {MAX_BINS}");
            return Err(ConfigError::new("bins", self.bins, &wanted));
        }
        if self.total_steps == 0 || self.total_steps > MAX_STEPS {
            let wanted = format!("from 1 to {MAX_STEPS}");
            return Err(ConfigError::new("total_steps", self.total_steps, &wanted));
        }
        if self.batch() > MAX_BATCH {
            let wanted = format!(
                "at most {} with {} rollout_steps, because a rollout has at most {MAX_BATCH} steps",
                MAX_BATCH / self.rollout_steps,
                self.rollout_steps
            );
            return Err(ConfigError::new("environments", self.environments, &wanted));
        }
        let widths = 1..=MAX_WIDTH;
        if let Some(width) = self.network.hidden.iter().find(|&w| !widths.contains(w)) {
            let wanted = format!("a layer width from 1 to {MAX_WIDTH}");
            return Err(ConfigError::new("hidden", width, &wanted));
        }
        for &bias in &self.network.policy_bias {
            check(
                "policy_bias",
                bias,
                (bias as f32).is_finite(),
                "a number within the range of f32",
            )?;
        }
        if let Some(spaces) = self.environment.spaces() {
            self.check_networks(&spaces)?;
        }
        // The advantage of a single step has no variance to normalize by.
        if self.normalize_advantages && self.batch() == 1 {
            let wanted =
                "false, because the advantages of a rollout of a single step have no variance";
            return Err(ConfigError::new("normalize_advantages", true, wanted));
        }
        let (least, steps) = if self.normalize_advantages {
            (
                2,
                ", with at least 2 steps in each minibatch to normalize the advantages",
            )
        } else {
            (1, "")
        };
        if !self.batch().is_multiple_of(self.minibatches) || self.batch() < least * self.minibatches
        {
            let wanted = format!(
                "a divisor of the {} steps of a rollout{steps}",
                self.batch()
            );
            return Err(ConfigError::new("minibatches", self.minibatches, &wanted));
        }
        Ok(())
    }
}

/// Formats a number, with a power of ten if it has many digits otherwise.
fn short(value: f64) -> String {
    let digits = value.to_string();
    if digits.len() > 24 {
        format!("{value:e}")
    } else {
        digits
    }
}

impl ConfigError {
    /// Creates an error: `field` is `value` but must be `wanted`.
    pub fn new(field: &'static str, value: impl ToString, wanted: &str) -> Self {
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
            "minibatches is 7: it must be a divisor of the 512 steps of a rollout, with at least 2 steps \
             in each minibatch to normalize the advantages"
        );
        assert_eq!(
            message(|c| {
                c.minibatches = 7;
                c.normalize_advantages = false;
            }),
            "minibatches is 7: it must be a divisor of the 512 steps of a rollout"
        );
        // No number of minibatches would do.
        assert_eq!(
            message(|c| (c.environments, c.rollout_steps) = (1, 1)),
            "normalize_advantages is true: it must be false, because the advantages of a rollout of a single \
             step have no variance"
        );
        assert_eq!(
            message(|c| c.clip = f64::INFINITY),
            "clip is inf: it must be a number from 1.2e-38 to 3.4e38, the range of f32"
        );
        assert_eq!(
            message(|c| c.adam_epsilon = 1e-50),
            "adam_epsilon is 1e-50: it must be a number from 1.2e-38 to 3.4e38, the range of f32"
        );
        let out_of_f32: [fn(&mut PpoConfig, f64); 9] = [
            |c, x| c.beta = x,
            |c, x| c.noise_std = x,
            |c, x| c.learning_rate = x,
            |c, x| c.max_grad_norm = x,
            |c, x| c.clip = x,
            |c, x| c.value_clip = Some(x),
            |c, x| c.target_kl = Some(x),
            |c, x| c.entropy_coefficient = x,
            |c, x| c.value_coefficient = x,
        ];
        for set in out_of_f32 {
            for x in [1e-50, 1e39, f64::INFINITY] {
                let mut config = PpoConfig::default();
                set(&mut config, x);
                let error = config.validate().expect_err("no f32").to_string();
                assert!(error.contains("the range of f32"), "{error}");
            }
        }
        assert_eq!(
            message(|c| c.network.hidden = vec![65_536, 65_536]),
            "hidden is [65536, 65536]: it must be narrower, because networks of 8590458880 parameters exceed \
             the limit of 1000000000"
        );
        assert!(message(|c| c.gamma = 1.1).starts_with("gamma is 1.1"));
        assert_eq!(
            message(|c| c.network.hidden = vec![64, 0]),
            "hidden is 0: it must be a layer width from 1 to 65536"
        );
        assert_eq!(
            message(|c| c.network.policy_bias = vec![5.0]),
            "policy_bias is [5.0]: it must be empty or have 2 numbers, one for each action"
        );
        assert_eq!(
            message(|c| c.network.policy_bias = vec![0.0, 1e39]),
            "policy_bias is 1e39: it must be a number within the range of f32"
        );
        assert_eq!(
            message(|c| {
                c.environments = 1_000_000;
                c.rollout_steps = 1_000;
            }),
            "environments is 1000000: it must be at most 100000 with 1000 rollout_steps, because a rollout \
             has at most 100000000 steps"
        );
        assert!(
            message(|c| {
                c.alpha = 1.5;
                c.regularizer_alpha = 0.0;
            })
            .starts_with("regularizer_alpha is 0")
        );
    }

    #[test]
    fn the_paper_clips_values_as_its_code() {
        let PpoConfig {
            clip, value_clip, ..
        } = PpoConfig::paper();
        assert_eq!((clip, value_clip), (0.2, Some(0.2)));
        assert_eq!(PpoConfig::default().value_clip, None);
    }

    /// The values of `ppo_continuous_action.py`.
    #[test]
    fn mujoco_is_the_setting_of_cleanrl() {
        let config = PpoConfig::mujoco();
        config.validate().expect("valid");
        assert_eq!((config.batch(), config.minibatch()), (2048, 64));
        assert_eq!((config.gamma, config.gae_lambda), (0.99, 0.95));
        assert_eq!((config.clip, config.value_clip), (0.2, Some(0.2)));
        assert_eq!((config.max_grad_norm, config.adam_epsilon), (0.5, 1e-5));
        assert_eq!(
            (config.value_coefficient, config.entropy_coefficient),
            (0.5, 0.0)
        );
        assert!(config.anneal_learning_rate && config.normalize_advantages);
        assert_eq!(config.network.hidden, [64, 64]);
        assert_eq!(config.bins, 11);
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

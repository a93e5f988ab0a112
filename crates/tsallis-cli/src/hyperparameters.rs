use super::config_file::{ConfigFile, ConfigFileError};
use super::value_parser::named_values;
use burn_tsallis::rl::env::GymnasiumConfig;
use burn_tsallis::rl::policy::Activation;
use burn_tsallis::rl::ppo::{ConfigError, EnvironmentKind, PpoConfig, Regularizer};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The base configuration, to which all other flags are applied.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub(super) struct ConfigSource {
    /// TOML or JSON file of settings, such as the config.json of a run.
    ///
    /// Settings are named as in config.json (alpha = 0.7). Missing settings keep their defaults. Flags override the
    /// file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Named set of defaults; --config and flags override it.
    #[arg(long, value_name = "NAME")]
    preset: Option<Preset>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// Settings of the paper's code (arXiv 2601.12604): a million steps, values clipped at 0.2, no bootstrapping at
    /// truncation, no noise on the first transition.
    Paper,
    /// CleanRL's settings for continuous control: a million steps, 32 minibatches, 10 epochs, learning rate 0.0003, values
    /// clipped at 0.2, normalized observations and rewards, and 11 bins. Each rollout has 8 environments with 256 steps
    /// instead of one with 2048. No noise, and beta 0, because CleanRL has no regularizer.
    Mujoco,
}

/// A configuration, and whether the alpha of the regularizer follows the alpha of the policy.
pub(super) struct BaseConfig {
    pub(super) config: PpoConfig,
    pub(super) coupled: bool,
}

impl ConfigSource {
    pub(super) fn read(&self) -> Result<BaseConfig, ConfigFileError> {
        let preset = match self.preset {
            Some(Preset::Paper) => PpoConfig::paper(),
            Some(Preset::Mujoco) => PpoConfig::mujoco(),
            None => PpoConfig::default(),
        };
        let Some(path) = &self.config else {
            return Ok(BaseConfig {
                config: preset,
                coupled: true,
            });
        };
        let file = ConfigFile::read(path)?;
        let (has_alpha, has_regularizer) = (file.has("alpha"), file.has("regularizer_alpha"));
        let mut config = file.over(&preset)?;
        // The config.json of a run contains both, even if they are coupled.
        let coupled = !has_regularizer || (has_alpha && config.regularizer_alpha == config.alpha);
        if coupled {
            config.regularizer_alpha = config.alpha;
        }
        Ok(BaseConfig { config, coupled })
    }
}

/// How environments of Gymnasium are made.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct GymnasiumFlags {
    /// Keyword argument of gymnasium.make, such as healthy_reward=0.5; repeat it for several.
    ///
    /// The value is JSON if it can be read as JSON, and text otherwise.
    #[arg(
        long = "env-arg",
        value_name = "KEY=VALUE",
        value_parser = environment_argument,
        help_heading = "Gymnasium"
    )]
    arguments: Vec<(String, Value)>,

    #[command(flatten)]
    python: PythonFlags,
}

/// The settings of Gymnasium that do not change the results.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PythonFlags {
    /// Python that has Gymnasium, such as .venv/bin/python [default: python3].
    #[arg(long, value_name = "PROGRAM", help_heading = "Gymnasium")]
    python: Option<String>,

    /// Seconds in which Python must answer; otherwise the run ends with an error and a checkpoint [default: 60].
    #[arg(long, value_name = "SECONDS", help_heading = "Gymnasium")]
    env_timeout: Option<f64>,
}

fn environment_argument(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or("expected KEY=VALUE, such as healthy_reward=0.5")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((key.to_owned(), value))
}

impl GymnasiumFlags {
    fn apply(&self, config: &mut GymnasiumConfig) {
        config.arguments.extend(self.arguments.iter().cloned());
        self.python.apply(config);
    }
}

impl PythonFlags {
    /// Returns the Python that was given.
    pub(super) fn python(&self) -> Option<String> {
        let python = self.python.as_ref()?;
        // A resumed run may have another working folder. Links stay, since a link tells Python its packages.
        let path = Path::new(python)
            .components()
            .nth(1)
            .and(std::path::absolute(python).ok());
        let path = path.and_then(|path| path.into_os_string().into_string().ok());
        Some(path.unwrap_or_else(|| python.clone()))
    }

    /// Returns the timeout that was given.
    pub(super) fn timeout(&self) -> Option<f64> {
        self.env_timeout
    }

    pub(super) fn apply(&self, config: &mut GymnasiumConfig) {
        set(&mut config.python, &self.python());
        set(&mut config.timeout, &self.timeout());
    }
}

/// The settings that have one value in a sweep.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct TrainingFlags {
    /// Total steps of all environments, rounded up to whole updates [default: 200000].
    #[arg(long, value_name = "COUNT", help_heading = "Task")]
    steps: Option<usize>,

    /// Add no noise to the first reward of each environment, as in the paper's code [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "Task")]
    first_step_without_noise: Option<bool>,

    /// Normalize each component of the observations to mean 0 and variance 1 by running statistics, clipped to -10 and
    /// 10 [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "Task")]
    normalize_observations: Option<bool>,

    /// Divide the rewards, with their noise, by the running standard deviation of their discounted return, clipped to -10
    /// and 10; reported returns are not normalized [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "Task")]
    normalize_rewards: Option<bool>,

    /// Bins for each component of continuous actions, from its lower to its upper bound [default: 11].
    #[arg(long, value_name = "COUNT", help_heading = "Task")]
    bins: Option<usize>,

    /// Subtract the regularizer from the reward, add it to the loss, or both [default: reward].
    #[arg(long, value_name = "TERM", value_parser = named_values::<Regularizer>(REGULARIZERS),
          help_heading = "Policy and regularizer")]
    regularizer: Option<Regularizer>,

    /// Weight of the Shannon entropy bonus of ordinary PPO in the loss [default: 0].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regularizer")]
    entropy_coefficient: Option<f64>,

    /// Number of environments, stepped together as one vectorized environment [default: 16].
    #[arg(
        long = "envs",
        alias = "environments",
        value_name = "COUNT",
        help_heading = "PPO"
    )]
    environments: Option<usize>,

    /// Steps of each environment per rollout [default: 32].
    #[arg(long, value_name = "COUNT", help_heading = "PPO")]
    rollout_steps: Option<usize>,

    /// Passes over each rollout [default: 16].
    #[arg(long, value_name = "COUNT", help_heading = "PPO")]
    epochs: Option<usize>,

    /// Minibatches per pass, each one optimizer step [default: 4].
    #[arg(long, value_name = "COUNT", help_heading = "PPO")]
    minibatches: Option<usize>,

    /// Decrease the learning rate linearly to zero over the run [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "PPO")]
    anneal_learning_rate: Option<bool>,

    /// Adam's epsilon, which keeps the division finite for small gradients [default: 0.00001].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    adam_epsilon: Option<f64>,

    /// Maximum norm of the gradient; larger gradients are scaled down [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    max_grad_norm: Option<f64>,

    /// Discount factor per step [default: 0.99].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    gamma: Option<f64>,

    /// GAE lambda, from 0 (one-step TD error) to 1 (Monte Carlo return minus the value) [default: 0.95].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    gae_lambda: Option<f64>,

    /// Clipping range of the probability ratio to the rollout policy, around 1 [default: 0.2].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    clip: Option<f64>,

    /// Clipping range of the change in value per update, or none [default: none].
    #[arg(long, value_name = "NUMBER", value_parser = optional_number, help_heading = "PPO")]
    value_clip: Option<OptionalNumber>,

    /// Weight of the value loss [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    value_coefficient: Option<f64>,

    /// Normalize the advantages of each minibatch to mean 0 and standard deviation 1 [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "PPO")]
    normalize_advantages: Option<bool>,

    /// Stop the epochs of an update once the estimated KL divergence from the rollout policy exceeds this value, or
    /// none [default: none].
    #[arg(long, value_name = "NUMBER", value_parser = optional_number, help_heading = "PPO")]
    target_kl: Option<OptionalNumber>,

    /// Bootstrap from the value of the final state when an episode is truncated; otherwise truncation counts as
    /// termination [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "PPO")]
    bootstrap_on_truncation: Option<bool>,

    /// Widths of the hidden layers, or none for a linear policy [default: 64,64].
    #[arg(long, value_name = "WIDTHS", value_parser = widths, help_heading = "Networks")]
    hidden: Option<Widths>,

    /// Activation function of the hidden layers [default: tanh].
    #[arg(long, value_name = "NAME", value_parser = named_values::<Activation>(ACTIVATIONS),
          help_heading = "Networks")]
    activation: Option<Activation>,

    /// Share the hidden layers between policy and value [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "Networks")]
    shared: Option<bool>,

    /// Initial biases of the logits, one for each action, such as 5,0 for a policy that prefers the first of two, or none
    /// [default: none].
    #[arg(long, value_name = "NUMBERS", value_parser = biases, allow_hyphen_values = true,
          help_heading = "Networks")]
    policy_bias: Option<Biases>,

    #[command(flatten)]
    gymnasium: GymnasiumFlags,
}

const REGULARIZERS: &[(&str, &str)] = &[
    (
        "reward",
        "In the reward, as in the paper's code: `r_t - beta D(pi(.|s_t))` with the rollout policy. It affects the \
         policy only through the states that the policy leads to",
    ),
    (
        "loss",
        "In the loss: adds `beta` times the mean divergence of the learned policy",
    ),
    (
        "both",
        "In both. Without advantage normalization, the loss then follows the policy gradient of the regularized return \
         up to PPO's usual approximations. Normalization rescales the term in the reward but not the term in the loss",
    ),
];

const ACTIVATIONS: &[(&str, &str)] = &[("tanh", "Hyperbolic tangent"), ("relu", "`max(x, 0)`")];

/// A number, or the word `none`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct OptionalNumber(Option<f64>);

fn optional_number(text: &str) -> Result<OptionalNumber, String> {
    if text == "none" {
        return Ok(OptionalNumber(None));
    }
    let number = text.parse();
    number
        .map(|number| OptionalNumber(Some(number)))
        .map_err(|_| "expected a number or none".to_owned())
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Widths(Vec<usize>);

fn widths(text: &str) -> Result<Widths, String> {
    if text == "none" {
        return Ok(Widths(Vec::new()));
    }
    let widths: Result<_, _> = text.split(',').map(|width| width.trim().parse()).collect();
    widths
        .map(Widths)
        .map_err(|_| "expected comma-separated whole numbers, such as 64,64, or none".to_owned())
}

#[derive(Clone, Debug, PartialEq)]
struct Biases(Vec<f64>);

fn biases(text: &str) -> Result<Biases, String> {
    if text == "none" {
        return Ok(Biases(Vec::new()));
    }
    let biases: Result<_, _> = text.split(',').map(|bias| bias.trim().parse()).collect();
    biases
        .map(Biases)
        .map_err(|_| "expected comma-separated numbers, such as 5,0, or none".to_owned())
}

impl TrainingFlags {
    /// Overwrites the settings that were given on the command line.
    pub(super) fn apply(&self, config: &mut PpoConfig) {
        set(&mut config.total_steps, &self.steps);
        set(
            &mut config.first_step_without_noise,
            &self.first_step_without_noise,
        );
        set(
            &mut config.normalize_observations,
            &self.normalize_observations,
        );
        set(&mut config.normalize_rewards, &self.normalize_rewards);
        set(&mut config.bins, &self.bins);
        set(&mut config.regularizer, &self.regularizer);
        set(&mut config.entropy_coefficient, &self.entropy_coefficient);
        set(&mut config.environments, &self.environments);
        set(&mut config.rollout_steps, &self.rollout_steps);
        set(&mut config.epochs, &self.epochs);
        set(&mut config.minibatches, &self.minibatches);
        set(&mut config.anneal_learning_rate, &self.anneal_learning_rate);
        set(&mut config.adam_epsilon, &self.adam_epsilon);
        set(&mut config.max_grad_norm, &self.max_grad_norm);
        set(&mut config.gamma, &self.gamma);
        set(&mut config.gae_lambda, &self.gae_lambda);
        set(&mut config.clip, &self.clip);
        set(
            &mut config.value_clip,
            &self.value_clip.map(|OptionalNumber(value)| value),
        );
        set(&mut config.value_coefficient, &self.value_coefficient);
        set(&mut config.normalize_advantages, &self.normalize_advantages);
        set(
            &mut config.target_kl,
            &self.target_kl.map(|OptionalNumber(value)| value),
        );
        set(
            &mut config.bootstrap_on_truncation,
            &self.bootstrap_on_truncation,
        );
        set(
            &mut config.network.hidden,
            &self.hidden.as_ref().map(|Widths(widths)| widths.clone()),
        );
        set(&mut config.network.activation, &self.activation);
        set(&mut config.network.shared, &self.shared);
        set(
            &mut config.network.policy_bias,
            &self
                .policy_bias
                .as_ref()
                .map(|Biases(biases)| biases.clone()),
        );
        self.gymnasium.apply(&mut config.gymnasium);
    }

    /// Returns the settings that a resumed run may change.
    pub(super) fn python(&self) -> &PythonFlags {
        &self.gymnasium.python
    }

    /// Returns the number of steps if it was given.
    pub(super) fn steps(&self) -> Option<usize> {
        self.steps
    }
}

fn set<T: Clone>(field: &mut T, given: &Option<T>) {
    if let Some(value) = given {
        field.clone_from(value);
    }
}

/// The settings that a sweep varies, with one value each.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SweepableFlags {
    /// Environment: cartpole, acrobot, mountaincar, deepsea:N, deepsea-stochastic:N, nchain:N (size N), bandit:K,
    /// identity:K (K actions), identity:KxK.. (several dimensions of actions, such as identity:4x3), or gym:ID and
    /// gym:PACKAGE:ID for those of Gymnasium [default: cartpole].
    #[arg(long = "env", value_name = "NAME", help_heading = "Task")]
    environment: Option<EnvironmentKind>,

    /// Standard deviation of the Gaussian noise on every reward; reported returns exclude it [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "Task")]
    noise_std: Option<f64>,

    /// Alpha of the policy: heavy-tailed below 1, softmax at 1, sparse above 1 [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regularizer")]
    alpha: Option<f64>,

    /// Alpha of the regularizer [default: the alpha of the policy].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regularizer")]
    regularizer_alpha: Option<f64>,

    /// Weight of the regularizer, the Tsallis divergence of the policy from the uniform policy; 0 disables it
    /// [default: 0.01].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regularizer")]
    beta: Option<f64>,

    /// Initial learning rate of Adam [default: 0.001].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    learning_rate: Option<f64>,
}

impl SweepableFlags {
    pub(super) fn apply(&self, base: BaseConfig) -> PpoConfig {
        let BaseConfig {
            mut config,
            coupled,
        } = base;
        set(&mut config.environment, &self.environment);
        set(&mut config.noise_std, &self.noise_std);
        set(&mut config.alpha, &self.alpha);
        if coupled {
            config.regularizer_alpha = config.alpha;
        }
        set(&mut config.regularizer_alpha, &self.regularizer_alpha);
        set(&mut config.beta, &self.beta);
        set(&mut config.learning_rate, &self.learning_rate);
        config
    }
}

/// Returns a note about configurations whose policy and regularizer have different alphas.
pub(super) fn coupling_note(configs: &[PpoConfig]) -> Option<String> {
    let mut broken = configs.iter().filter(|config| !config.is_coupled());
    let first = broken.next()?;
    let alphas = match broken.count() {
        0 if configs.len() == 1 => format!("({} and {})", first.alpha, first.regularizer_alpha),
        others => format!("in {} of {} runs", others + 1, configs.len()),
    };
    Some(format!(
        "policy and regularizer have different alphas {alphas}: the paper's guarantee does not hold without \
         this coupling"
    ))
}

/// Returns the configuration of a run from files and flags.
pub(super) fn configuration(
    source: &ConfigSource,
    fixed: &TrainingFlags,
    swept: &SweepableFlags,
) -> Result<PpoConfig, SettingsError> {
    let mut base = source.read()?;
    fixed.apply(&mut base.config);
    Ok(swept.apply(base))
}

/// An error in the settings of a run.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    #[error(transparent)]
    File(#[from] ConfigFileError),
    #[error(transparent)]
    Value(#[from] ConfigError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_help_is_one_of_the_library() {
        for (name, _) in REGULARIZERS {
            assert!(name.parse::<Regularizer>().is_ok(), "{name}");
        }
        for (name, _) in ACTIVATIONS {
            assert!(name.parse::<Activation>().is_ok(), "{name}");
        }
    }
}

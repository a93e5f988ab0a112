use super::config_file::{ConfigFile, ConfigFileError};
use super::value_parser::named_values;
use burn_tsallis::rl::policy::Activation;
use burn_tsallis::rl::ppo::{ConfigError, EnvironmentKind, PpoConfig, Regularizer};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where the configuration begins, before any other flag.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where the settings come from")]
pub(super) struct ConfigSource {
    /// A file with settings, TOML or JSON, named as in config.json (alpha = 0.7). What it leaves out keeps its
    /// default, and what is given as a flag overrides it. The config.json of a run is such a file too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Begin with these settings instead of the defaults; --config and flags override them.
    #[arg(long, value_name = "NAME")]
    preset: Option<Preset>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// What the code of the paper (arXiv 2601.12604) does: a million steps, truncated episodes worth
    /// nothing, no noise on the first transition.
    Paper,
}

/// A configuration, and whether the order of the regularizer is still that of the policy, whichever it is.
pub(super) struct BaseConfig {
    pub(super) config: PpoConfig,
    pub(super) coupled: bool,
}

impl ConfigSource {
    pub(super) fn read(&self) -> Result<BaseConfig, ConfigFileError> {
        let preset = match self.preset {
            Some(Preset::Paper) => PpoConfig::paper(),
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
        // The config.json of a run says both, also where they were one.
        let coupled = !has_regularizer || (has_alpha && config.regularizer_alpha == config.alpha);
        if coupled {
            config.regularizer_alpha = config.alpha;
        }
        Ok(BaseConfig { config, coupled })
    }
}

/// The settings that a sweep has one value of.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct TrainingFlags {
    /// How long a run is: steps of all environments together, rounded up to whole updates
    /// [default: 200000].
    #[arg(long, value_name = "COUNT", help_heading = "What is learned")]
    steps: Option<usize>,

    /// Whether the very first reward of each environment has no noise, as in the code of the paper
    /// [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "What is learned")]
    first_step_without_noise: Option<bool>,

    /// Whether the regularizer is taken off the reward, added to the loss, or both [default: reward].
    #[arg(long, value_name = "WHERE", value_parser = named_values::<Regularizer>(REGULARIZERS),
          help_heading = "Policy and regularizer")]
    regularizer: Option<Regularizer>,

    /// Weight of the Shannon entropy in the loss, which ordinary PPO keeps a policy random with
    /// [default: 0].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regularizer")]
    entropy_coefficient: Option<f64>,

    /// Copies of the environment that are stepped side by side [default: 16].
    #[arg(
        long = "envs",
        alias = "environments",
        value_name = "COUNT",
        help_heading = "PPO"
    )]
    environments: Option<usize>,

    /// Steps of each environment before an update learns from them [default: 32].
    #[arg(long, value_name = "COUNT", help_heading = "PPO")]
    rollout_steps: Option<usize>,

    /// How often an update goes over its steps [default: 16].
    #[arg(long, value_name = "COUNT", help_heading = "PPO")]
    epochs: Option<usize>,

    /// Parts that the steps of an update are divided into, each one step of the optimizer [default: 4].
    #[arg(long, value_name = "COUNT", help_heading = "PPO")]
    minibatches: Option<usize>,

    /// Whether the learning rate falls linearly to zero over the run [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "PPO")]
    anneal_learning_rate: Option<bool>,

    /// Adam's epsilon, which keeps the division by the size of small gradients finite [default: 0.00001].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    adam_epsilon: Option<f64>,

    /// Largest norm of a gradient: a longer one is shortened to it [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    max_grad_norm: Option<f64>,

    /// Discount: what a reward is worth one step earlier [default: 0.99].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    gamma: Option<f64>,

    /// Decay of the generalized advantage estimate: 0 relies on the value network, 1 on the rewards
    /// [default: 0.95].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    gae_lambda: Option<f64>,

    /// How far the probability of an action may go from that of the rollout, as a ratio around one, before
    /// its gradient is cut [default: 0.2].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    clip: Option<f64>,

    /// How far an update may move the value of a state before its gradient is cut, or none [default: 0.2].
    #[arg(long, value_name = "NUMBER", value_parser = optional_number, help_heading = "PPO")]
    value_clip: Option<OptionalNumber>,

    /// Weight of the error of the value network in the loss [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    value_coefficient: Option<f64>,

    /// Whether the advantages of a minibatch are brought to mean 0 and standard deviation 1
    /// [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "PPO")]
    normalize_advantages: Option<bool>,

    /// End an update early once the policy has gone this far from the one before it (Kullback-Leibler
    /// divergence), or none [default: none].
    #[arg(long, value_name = "NUMBER", value_parser = optional_number, help_heading = "PPO")]
    target_kl: Option<OptionalNumber>,

    /// Whether an episode that a time limit ends counts as one that would have gone on, with the value of its
    /// last state [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "PPO")]
    bootstrap_on_truncation: Option<bool>,

    /// Widths of the hidden layers, or none for a linear policy [default: 64,64].
    #[arg(long, value_name = "WIDTHS", value_parser = widths, help_heading = "Networks")]
    hidden: Option<Widths>,

    /// The function after each hidden layer [default: tanh].
    #[arg(long, value_name = "NAME", value_parser = named_values::<Activation>(ACTIVATIONS),
          help_heading = "Networks")]
    activation: Option<Activation>,

    /// Whether policy and value share their hidden layers [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "Networks")]
    shared: Option<bool>,
}

const REGULARIZERS: &[(&str, &str)] = &[
    (
        "reward",
        "In the reward, as in the paper's code: `r_t - beta D(pi(.|s_t))` with the policy of the rollout. It then \
         moves a policy only through the states that it leads to",
    ),
    (
        "loss",
        "In the loss: plus `beta` times the mean divergence of the policy that is learned",
    ),
    (
        "both",
        "In both, which is the gradient of the regularized return where advantages are not normalized: their \
         normalization scales what stands in the reward, and not what stands in the loss",
    ),
];

const ACTIVATIONS: &[(&str, &str)] = &[("tanh", "The hyperbolic tangent"), ("relu", "`max(x, 0)`")];

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
        .map_err(|_| "it must be a number or none".to_owned())
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Widths(Vec<usize>);

fn widths(text: &str) -> Result<Widths, String> {
    if text == "none" {
        return Ok(Widths(Vec::new()));
    }
    let widths: Result<_, _> = text.split(',').map(|width| width.trim().parse()).collect();
    widths.map(Widths).map_err(|_| {
        "they must be whole numbers with commas between, such as 64,64, or none".to_owned()
    })
}

impl TrainingFlags {
    /// Puts what was given in the place of what there is.
    pub(super) fn apply(&self, config: &mut PpoConfig) {
        set(&mut config.total_steps, &self.steps);
        set(
            &mut config.first_step_without_noise,
            &self.first_step_without_noise,
        );
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
    }

    /// The steps, where they were given.
    pub(super) fn steps(&self) -> Option<usize> {
        self.steps
    }
}

fn set<T: Clone>(field: &mut T, given: &Option<T>) {
    if let Some(value) = given {
        field.clone_from(value);
    }
}

/// The settings that a sweep has several values of, one of each.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SweepableFlags {
    /// The environment: cartpole, deepsea:N, deepsea-stochastic:N, nchain:N (N is its size), bandit:K or
    /// identity:K (of K actions) [default: cartpole].
    #[arg(long = "env", value_name = "NAME", help_heading = "What is learned")]
    environment: Option<EnvironmentKind>,

    /// Standard deviation of the Gaussian noise that is added to every reward; the returns that are reported
    /// are without it [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "What is learned")]
    noise_std: Option<f64>,

    /// Order of the policy: below 1 heavy-tailed, 1 the softmax, above 1 sparse [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regularizer")]
    alpha: Option<f64>,

    /// Order of the regularizer [default: that of the policy].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regularizer")]
    regularizer_alpha: Option<f64>,

    /// Weight of the regularizer, the Tsallis divergence of the policy from the uniform one: 0 for none
    /// [default: 0.01].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regularizer")]
    beta: Option<f64>,

    /// Learning rate of Adam, at the beginning [default: 0.001].
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

/// What follows from configurations whose policy and regularizer are of different alphas.
pub(super) fn coupling_note(configs: &[PpoConfig]) -> Option<String> {
    let mut broken = configs.iter().filter(|config| !config.is_coupled());
    let first = broken.next()?;
    let alphas = match broken.count() {
        0 if configs.len() == 1 => format!("({} and {})", first.alpha, first.regularizer_alpha),
        others => format!("in {} of {} runs", others + 1, configs.len()),
    };
    Some(format!(
        "policy and regularizer are of different alphas {alphas}: the coupling of the paper, and with it \
         the guarantee, is broken"
    ))
}

/// The configuration that flags and files make.
pub(super) fn configuration(
    source: &ConfigSource,
    fixed: &TrainingFlags,
    swept: &SweepableFlags,
) -> Result<PpoConfig, SettingsError> {
    let mut base = source.read()?;
    fixed.apply(&mut base.config);
    Ok(swept.apply(base))
}

/// Settings that no run can be made with.
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

use super::config_file::{ConfigFile, ConfigFileError};
use crate::rl::policy::Activation;
use crate::rl::ppo::{ConfigError, EnvironmentKind, PpoConfig, Regulariser};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where the configuration begins, before any other flag.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where the settings come from")]
pub(super) struct Source {
    /// A file with settings, TOML or JSON, as config.json names them; those that it leaves out keep their
    /// defaults, and flags go before it. The config.json of a run is such a file too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Settings that differ from the defaults as a whole.
    #[arg(long, value_name = "NAME")]
    preset: Option<Preset>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// What the code of the paper (arXiv 2601.12604) does: a million steps, truncated episodes worth
    /// nothing, no noise on the first transition.
    Paper,
}

/// A configuration, and whether the order of the regulariser is still that of the policy, whichever it is.
pub(super) struct Base {
    pub(super) config: PpoConfig,
    pub(super) coupled: bool,
}

impl Source {
    pub(super) fn read(&self) -> Result<Base, ConfigFileError> {
        let preset = match self.preset {
            Some(Preset::Paper) => PpoConfig::paper(),
            None => PpoConfig::default(),
        };
        let Some(path) = &self.config else {
            return Ok(Base {
                config: preset,
                coupled: true,
            });
        };
        let file = ConfigFile::read(path)?;
        let coupled = !file.has("regulariser_alpha");
        let mut config = file.over(&preset)?;
        if coupled {
            config.regulariser_alpha = config.alpha;
        }
        Ok(Base { config, coupled })
    }
}

/// The settings that a sweep has one value of.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Fixed {
    /// Environment steps of a run, rounded up to whole updates [default: 200000].
    #[arg(long, value_name = "COUNT", help_heading = "What is learnt")]
    steps: Option<usize>,

    /// Whether the first transition after the first reset of an environment has no noise [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "What is learnt")]
    first_step_without_noise: Option<bool>,

    /// Where the regulariser stands [default: reward].
    #[arg(long, value_name = "WHERE", help_heading = "Policy and regulariser")]
    regulariser: Option<Regulariser>,

    /// Weight of the Shannon entropy, as ordinary PPO has it [default: 0].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regulariser")]
    entropy_coefficient: Option<f64>,

    /// Environments stepped together [default: 16].
    #[arg(
        long = "envs",
        alias = "environments",
        value_name = "COUNT",
        help_heading = "PPO"
    )]
    environments: Option<usize>,

    /// Steps of each environment between two updates [default: 32].
    #[arg(long, value_name = "COUNT", help_heading = "PPO")]
    rollout_steps: Option<usize>,

    /// Passes over the steps of an update [default: 16].
    #[arg(long, value_name = "COUNT", help_heading = "PPO")]
    epochs: Option<usize>,

    /// Minibatches of a pass [default: 4].
    #[arg(long, value_name = "COUNT", help_heading = "PPO")]
    minibatches: Option<usize>,

    /// Whether the learning rate falls linearly to zero over the run [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "PPO")]
    anneal_learning_rate: Option<bool>,

    /// Adam's epsilon [default: 0.00001].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    adam_epsilon: Option<f64>,

    /// Largest norm of the gradient [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    max_grad_norm: Option<f64>,

    /// Discount of a step [default: 0.99].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    gamma: Option<f64>,

    /// Decay of the generalised advantage estimate [default: 0.95].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    gae_lambda: Option<f64>,

    /// Range of the probability ratio around one [default: 0.2].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    clip: Option<f64>,

    /// Range of the change of a value, or none [default: 0.2].
    #[arg(long, value_name = "NUMBER", value_parser = or_none, help_heading = "PPO")]
    value_clip: Option<OrNone>,

    /// Weight of the value loss [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    value_coefficient: Option<f64>,

    /// Whether the advantages of a minibatch are normalised [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "PPO")]
    normalise_advantages: Option<bool>,

    /// The passes of an update end above this divergence of the policy from the one before, or none
    /// [default: none].
    #[arg(long, value_name = "NUMBER", value_parser = or_none, help_heading = "PPO")]
    target_kl: Option<OrNone>,

    /// Whether an episode that a time limit cuts is worth the value of its last state [default: true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "PPO")]
    bootstrap_on_truncation: Option<bool>,

    /// Widths of the hidden layers, or none for a linear policy [default: 64,64].
    #[arg(long, value_name = "WIDTHS", value_parser = widths, help_heading = "Networks")]
    hidden: Option<Widths>,

    /// What follows each hidden layer [default: tanh].
    #[arg(long, value_name = "NAME", help_heading = "Networks")]
    activation: Option<Activation>,

    /// Whether policy and value share their hidden layers [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true",
          help_heading = "Networks")]
    shared: Option<bool>,
}

/// A number, or the word `none`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct OrNone(Option<f64>);

fn or_none(text: &str) -> Result<OrNone, String> {
    if text == "none" {
        return Ok(OrNone(None));
    }
    let number = text.parse();
    number
        .map(|number| OrNone(Some(number)))
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

impl Fixed {
    /// Puts what was given in the place of what there is.
    pub(super) fn apply(&self, config: &mut PpoConfig) {
        set(&mut config.total_steps, &self.steps);
        set(
            &mut config.first_step_without_noise,
            &self.first_step_without_noise,
        );
        set(&mut config.regulariser, &self.regulariser);
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
            &self.value_clip.map(|OrNone(value)| value),
        );
        set(&mut config.value_coefficient, &self.value_coefficient);
        set(&mut config.normalise_advantages, &self.normalise_advantages);
        set(
            &mut config.target_kl,
            &self.target_kl.map(|OrNone(value)| value),
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
pub(super) struct Swept {
    /// What is learnt: cartpole, deepsea:N, deepsea-stochastic:N, nchain:N, bandit:K or identity:K
    /// [default: cartpole].
    #[arg(long = "env", value_name = "NAME", help_heading = "What is learnt")]
    environment: Option<EnvironmentKind>,

    /// Standard deviation of the Gaussian noise on every reward [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "What is learnt")]
    noise_std: Option<f64>,

    /// Order of the policy: below 1 heavy-tailed, 1 the softmax, above 1 sparse [default: 0.5].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regulariser")]
    alpha: Option<f64>,

    /// Order of the regulariser [default: that of the policy].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regulariser")]
    regulariser_alpha: Option<f64>,

    /// Weight of the regulariser, the Tsallis divergence to the uniform policy [default: 0.01].
    #[arg(long, value_name = "NUMBER", help_heading = "Policy and regulariser")]
    beta: Option<f64>,

    /// Learning rate of the first update [default: 0.001].
    #[arg(long, value_name = "NUMBER", help_heading = "PPO")]
    learning_rate: Option<f64>,
}

impl Swept {
    pub(super) fn apply(&self, base: Base) -> PpoConfig {
        let Base {
            mut config,
            coupled,
        } = base;
        set(&mut config.environment, &self.environment);
        set(&mut config.noise_std, &self.noise_std);
        set(&mut config.alpha, &self.alpha);
        if coupled {
            config.regulariser_alpha = config.alpha;
        }
        set(&mut config.regulariser_alpha, &self.regulariser_alpha);
        set(&mut config.beta, &self.beta);
        set(&mut config.learning_rate, &self.learning_rate);
        config
    }
}

/// What follows from a configuration whose policy and regulariser are of different orders.
pub(super) fn coupling_note(config: &PpoConfig) -> Option<String> {
    (!config.is_coupled()).then(|| {
        format!(
            "policy and regulariser are of different orders ({} and {}): the coupling of the paper, and \
             with it the guarantee, is broken",
            config.alpha, config.regulariser_alpha
        )
    })
}

/// The configuration that flags and files make.
pub(super) fn configuration(
    source: &Source,
    fixed: &Fixed,
    swept: &Swept,
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

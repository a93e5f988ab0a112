use crate::describe::{file_name, number};
use crate::hyperparameters::{BaseConfig, ConfigSource, TrainingFlags};
use crate::seeds::Seeds;
use burn_tsallis::rl::ppo::{EnvironmentKind, PpoConfig};
use clap::Args;
use std::fmt;

/// The settings that a sweep varies, with their values.
#[derive(Clone, Debug, Args)]
pub(super) struct Grid {
    /// Alphas of the policy: heavy-tailed below 1, softmax at 1, sparse above 1 [default: 0.5].
    #[arg(long, value_name = "NUMBER", num_args = 1.., value_delimiter = ',', help_heading = "Swept settings")]
    alpha: Vec<f64>,

    /// Alphas of the regularizer [default: the alpha of the policy in each run].
    #[arg(long, value_name = "NUMBER", num_args = 1.., value_delimiter = ',', help_heading = "Swept settings")]
    regularizer_alpha: Vec<f64>,

    /// Weights of the regularizer, the Tsallis divergence of the policy from the uniform policy [default: 0.01].
    #[arg(long, value_name = "NUMBER", num_args = 1.., value_delimiter = ',', help_heading = "Swept settings")]
    beta: Vec<f64>,

    /// Standard deviations of the Gaussian noise on every reward [default: 0.5].
    #[arg(long, value_name = "NUMBER", num_args = 1.., value_delimiter = ',', help_heading = "Swept settings")]
    noise_std: Vec<f64>,

    /// Initial learning rates of Adam [default: 0.001].
    #[arg(long, value_name = "NUMBER", num_args = 1.., value_delimiter = ',', help_heading = "Swept settings")]
    learning_rate: Vec<f64>,

    /// Environments: cartpole, acrobot, mountaincar, deepsea:N, deepsea-stochastic:N, nchain:N (size N), bandit:K,
    /// identity:K (K actions), identity:KxK.. (several dimensions of actions, such as identity:4x3), or gym:ID and
    /// gym:PACKAGE:ID for those of Gymnasium [default: cartpole].
    #[arg(long = "env", value_name = "NAME", num_args = 1.., value_delimiter = ',', help_heading = "Swept settings")]
    environment: Vec<EnvironmentKind>,

    /// Seeds of each setting, from A up to but not including B.
    #[arg(
        long,
        value_name = "A..B",
        default_value = "0..5",
        help_heading = "Swept settings"
    )]
    seeds: Seeds,
}

/// The swept settings of a run. They identify its row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) environment: EnvironmentKind,
    pub(crate) noise_std: f64,
    pub(crate) beta: f64,
    pub(crate) learning_rate: f64,
    pub(crate) regularizer_alpha: f64,
    pub(crate) alpha: f64,
}

impl Setting {
    pub(crate) fn from_config(config: &PpoConfig) -> Self {
        Self {
            environment: config.environment.clone(),
            noise_std: config.noise_std,
            beta: config.beta,
            learning_rate: config.learning_rate,
            regularizer_alpha: config.regularizer_alpha,
            alpha: config.alpha,
        }
    }

    /// Returns whether the two settings differ in nothing but their alphas.
    pub(crate) fn differs_only_in_alpha(&self, other: &Self) -> bool {
        let rest = |setting: &Self| Self {
            alpha: 0.0,
            regularizer_alpha: 0.0,
            ..setting.clone()
        };
        rest(self) == rest(other)
    }

    pub(crate) fn alpha_label(&self) -> String {
        if self.alpha == self.regularizer_alpha {
            format!("alpha {}", number(self.alpha))
        } else {
            format!(
                "alpha {}, regularizer {}",
                number(self.alpha),
                number(self.regularizer_alpha)
            )
        }
    }
}

/// Formats the name of the folder that holds the runs of a setting.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment = file_name(&self.environment);
        let (noise, beta) = (number(self.noise_std), number(self.beta));
        write!(f, "{environment}-noise{noise}-beta{beta}")?;
        let (rate, alpha) = (number(self.learning_rate), number(self.alpha));
        write!(f, "-lr{rate}-alpha{alpha}")?;
        if self.alpha != self.regularizer_alpha {
            write!(f, "-regularizer{}", number(self.regularizer_alpha))?;
        }
        Ok(())
    }
}

impl Grid {
    /// Returns the configurations of all runs: every setting with the first seed, then every setting with the next one.
    pub(super) fn configs(&self, base: &BaseConfig) -> Vec<PpoConfig> {
        let settings = self.settings(base);
        self.seeds
            .0
            .clone()
            .flat_map(|seed| {
                settings.iter().map(move |setting| PpoConfig {
                    seed,
                    ..setting.clone()
                })
            })
            .collect()
    }

    fn settings(&self, base: &BaseConfig) -> Vec<PpoConfig> {
        let BaseConfig { config, coupled } = base;
        let coupled = *coupled && self.regularizer_alpha.is_empty();
        let mut settings = vec![config.clone()];
        vary(&mut settings, &self.environment, |c, v| {
            c.environment = v.clone();
        });
        vary(&mut settings, &self.noise_std, |c, &v| c.noise_std = v);
        vary(&mut settings, &self.beta, |c, &v| c.beta = v);
        vary(&mut settings, &self.learning_rate, |c, &v| {
            c.learning_rate = v;
        });
        vary(&mut settings, &self.regularizer_alpha, |c, &v| {
            c.regularizer_alpha = v;
        });
        vary(&mut settings, &self.alpha, |c, &v| c.alpha = v);
        if coupled {
            for config in &mut settings {
                config.regularizer_alpha = config.alpha;
            }
        }
        settings
    }
}

/// Replaces each setting by one copy per distinct value, in the order of the values.
fn vary<T: PartialEq>(
    settings: &mut Vec<PpoConfig>,
    values: &[T],
    put: impl Fn(&mut PpoConfig, &T),
) {
    if values.is_empty() {
        return;
    }
    let mut distinct: Vec<&T> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    *settings = settings
        .iter()
        .flat_map(|config| {
            distinct.iter().map(|value| {
                let mut config = config.clone();
                put(&mut config, value);
                config
            })
        })
        .collect();
}

/// Returns the configuration that all settings of a sweep start from.
pub(super) fn base(
    source: &ConfigSource,
    fixed: &TrainingFlags,
) -> Result<BaseConfig, crate::CommandError> {
    let mut base = source.read()?;
    fixed.apply(&mut base.config);
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    #[command(allow_negative_numbers = true)]
    struct Line {
        #[command(flatten)]
        grid: Grid,
    }

    fn configs(line: &[&str]) -> Vec<PpoConfig> {
        let line = Line::try_parse_from([&["sweep"], line].concat()).expect("a grid");
        line.grid.configs(&BaseConfig {
            config: PpoConfig::default(),
            coupled: true,
        })
    }

    /// A file name has at most 255 bytes.
    #[test]
    fn the_name_of_a_setting_is_short() {
        let tiny = configs(&[
            "--alpha=-1e-300",
            "--beta",
            "1.2345678901234567e-30",
            "--noise-std",
            "1e-35",
            "--learning-rate",
            "1e-31",
        ]);
        let name = Setting::from_config(&tiny[0]).to_string();
        assert_eq!(
            name,
            "cartpole-noise1e-35-beta1.2345678901234567e-30-lr1e-31-alpha-1e-300"
        );
    }

    #[test]
    fn grid_is_the_product_and_alphas_are_coupled() {
        let all = configs(&[
            "--alpha",
            "0.5",
            "-1",
            "0.5",
            "--noise-std",
            "1,2",
            "--seeds",
            "0..3",
        ]);
        assert_eq!(all.len(), 2 * 2 * 3);
        assert!(all.iter().all(PpoConfig::is_coupled));
        assert!(all[..4].iter().all(|config| config.seed == 0));
        let names: Vec<_> = all[..4]
            .iter()
            .map(|c| Setting::from_config(c).to_string())
            .collect();
        assert_eq!(
            names,
            [
                "cartpole-noise1-beta0.01-lr0.001-alpha0.5",
                "cartpole-noise1-beta0.01-lr0.001-alpha-1",
                "cartpole-noise2-beta0.01-lr0.001-alpha0.5",
                "cartpole-noise2-beta0.01-lr0.001-alpha-1",
            ]
        );
        let apart = configs(&[
            "--alpha",
            "0.5",
            "1",
            "--regularizer-alpha",
            "1",
            "--seeds",
            "0..1",
        ]);
        assert_eq!(apart.len(), 2);
        assert!(!apart[0].is_coupled() && apart[1].is_coupled());
        assert_eq!(configs(&[]).len(), 5);
    }
}

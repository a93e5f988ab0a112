use super::{
    Acrobot, Bandit, CartPole, DeepSea, DiscreteEnvironment, EnvironmentBatch, EnvironmentError,
    EpisodeStatistics, FactoredIdentity, Gymnasium, GymnasiumConfig, Identity, MountainCar, NChain,
    RecordedBatch, RewardNoise, Spaces, VectorEnvironment, deep_sea,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A built-in environment or one of Gymnasium. Configurations and the command line refer to it by name.
///
/// | name | environment |
/// |---|---|
/// | `cartpole` | [`CartPole`] |
/// | `acrobot` | [`Acrobot`] |
/// | `mountaincar` | [`MountainCar`] |
/// | `deepsea:N`, or `deepsea` for 10 | the deterministic [`DeepSea`] with bsuite's mapping seed, 42 |
/// | `deepsea-stochastic:N` | the stochastic [`DeepSea`] with the same mapping seed |
/// | `nchain:N` | [`NChain`] |
/// | `bandit:K` | [`Bandit`] with means drawn from the seed 42 |
/// | `identity:K` | [`Identity`] |
/// | `identity:4x3`, with any sizes | [`FactoredIdentity`] with these numbers of actions |
/// | `gym:ID`, `gym:PACKAGE:ID` | [`Gymnasium`]; the package is imported first |
///
/// ```
/// use burn_tsallis::rl::env::{EnvironmentKind, EnvironmentOptions};
///
/// let kind: EnvironmentKind = "deepsea:20".parse()?;
/// assert_eq!(kind.to_string(), "deepsea:20");
/// assert_eq!(kind.title(), "DeepSea 20");
/// let environments = kind.make(16, &EnvironmentOptions::default())?;
/// assert_eq!(environments.observation_size(), 400);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum EnvironmentKind {
    /// [`CartPole`].
    CartPole,
    /// [`Acrobot`].
    Acrobot,
    /// [`MountainCar`].
    MountainCar,
    /// [`DeepSea`], deterministic.
    DeepSea {
        /// The number of rows and of columns.
        size: usize,
    },
    /// [`DeepSea`], stochastic.
    DeepSeaStochastic {
        /// The number of rows and of columns.
        size: usize,
    },
    /// [`NChain`].
    NChain {
        /// The number of states.
        states: usize,
    },
    /// [`Bandit`].
    Bandit {
        /// The number of arms.
        arms: usize,
    },
    /// [`Identity`].
    Identity {
        /// The number of actions and of states.
        actions: usize,
    },
    /// [`FactoredIdentity`].
    FactoredIdentity {
        /// The number of actions and of states of each dimension.
        sizes: Vec<usize>,
    },
    /// [`Gymnasium`].
    Gymnasium {
        /// The id of the environment, such as `HalfCheetah-v5` or `package:Name-v0`.
        id: String,
    },
}

/// The options for the creation of environments.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentOptions {
    /// Standard deviation of the Gaussian noise on every reward. Recorded returns do not include it.
    pub noise_std: f64,
    /// Whether the first reward of each environment has no noise.
    pub first_step_without_noise: bool,
    /// Bins for each component of continuous actions ([`BinnedBox`](super::BinnedBox)).
    pub bins: usize,
    /// How environments of Gymnasium are made.
    pub gymnasium: GymnasiumConfig,
}

impl Default for EnvironmentOptions {
    /// Returns options without noise and with 11 bins, as in Tang and Agrawal (2020).
    fn default() -> Self {
        Self {
            noise_std: 0.0,
            first_step_without_noise: false,
            bins: 11,
            gymnasium: GymnasiumConfig::default(),
        }
    }
}

impl EnvironmentOptions {
    /// Creates single environments. The noise is outside the episode statistics, which record returns without it.
    fn single<E: DiscreteEnvironment + 'static>(
        &self,
        count: usize,
        make: impl Fn() -> E,
    ) -> Result<VectorEnvironment, EnvironmentError> {
        VectorEnvironment::seeded(count, 0, || {
            RewardNoise::new(EpisodeStatistics::new(make()), self.noise_std)
                .with_first_step_exempt(self.first_step_without_noise)
        })
    }

    /// Uses the environments of a batch.
    fn batch(
        &self,
        batch: impl EnvironmentBatch + 'static,
    ) -> Result<VectorEnvironment, EnvironmentError> {
        let recorded = RecordedBatch::new(batch);
        VectorEnvironment::from_batch(
            recorded.with_noise(self.noise_std, self.first_step_without_noise),
        )
    }
}

/// An invalid name of an environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid environment {name:?}{problem}; expected cartpole, acrobot, mountaincar, deepsea:N, deepsea-stochastic:N, \
     nchain:N, bandit:K, identity:K, identity:KxK.., gym:ID or gym:PACKAGE:ID, such as deepsea:20"
)]
pub struct EnvironmentKindError {
    name: String,
    problem: String,
}

impl EnvironmentKindError {
    fn new(name: &str, problem: &str) -> Self {
        Self {
            name: name.to_owned(),
            problem: problem.to_owned(),
        }
    }
}

/// The seed of bsuite's experiments, for the draws that define a problem.
const PROBLEM_SEED: u32 = 42;

/// The size of bsuite's smallest sea.
const DEFAULT_SEA: usize = 10;

/// The largest size of a sea. An observation has the square of this many components.
const MAX_SEA: usize = 1000;

/// The largest number of states or actions. A larger value is taken to be a typo.
const MAX_COUNT: usize = 10_000;

impl EnvironmentKind {
    /// Creates `count` environments with seed 0, whose episodes are recorded. Call [`VectorEnvironment::seed`] for
    /// another seed.
    ///
    /// # Errors
    ///
    /// If `count` is zero, or if the environments cannot be created. One or more built-in environments can always be
    /// created.
    ///
    /// # Panics
    ///
    /// If the kind is not [valid](Self::validate). A kind that was parsed from a name is always valid.
    pub fn make(
        &self,
        count: usize,
        options: &EnvironmentOptions,
    ) -> Result<VectorEnvironment, EnvironmentError> {
        match self {
            Self::CartPole => options.single(count, CartPole::new),
            Self::Acrobot => options.single(count, Acrobot::new),
            Self::MountainCar => options.single(count, MountainCar::new),
            Self::DeepSea { size } => options.single(count, || DeepSea::new(*size, PROBLEM_SEED)),
            Self::DeepSeaStochastic { size } => {
                options.single(count, || DeepSea::new(*size, PROBLEM_SEED).stochastic())
            }
            Self::NChain { states } => options.single(count, || NChain::new(*states)),
            Self::Bandit { arms } => options.single(count, || bandit(*arms)),
            Self::Identity { actions } => options.single(count, || Identity::new(*actions)),
            Self::FactoredIdentity { sizes } => options.batch(FactoredIdentity::new(count, sizes)),
            Self::Gymnasium { id } => {
                let bins = options.bins;
                options.batch(Gymnasium::start(id, count, bins, &options.gymnasium)?)
            }
        }
    }

    /// Checks that the sizes are valid. [`FromStr`] already does this check.
    ///
    /// # Errors
    ///
    /// If a size is invalid. The message gives the valid sizes.
    pub fn validate(&self) -> Result<(), EnvironmentKindError> {
        self.check_size(&self.to_string())
    }

    fn check_size(&self, name: &str) -> Result<(), EnvironmentKindError> {
        let (sizes, least, most): (&[usize], _, _) = match self {
            Self::CartPole | Self::Acrobot | Self::MountainCar => return Ok(()),
            Self::Gymnasium { id } => return check_id(id),
            Self::DeepSea { size } | Self::DeepSeaStochastic { size } => {
                (std::slice::from_ref(size), 1, MAX_SEA)
            }
            Self::NChain { states: size }
            | Self::Bandit { arms: size }
            | Self::Identity { actions: size } => (std::slice::from_ref(size), 2, MAX_COUNT),
            Self::FactoredIdentity { sizes } => (sizes, 2, MAX_COUNT / sizes.len().max(1)),
        };
        if !sizes.is_empty() && sizes.iter().all(|size| (least..=most).contains(size)) {
            return Ok(());
        }
        let problem = format!(": the size must be a whole number from {least} to {most}");
        Err(EnvironmentKindError::new(name, &problem))
    }

    /// Returns the observations and the actions, or `None` if they are only known after the environments have been
    /// [created](Self::make). Those of built-in environments are always known.
    pub fn spaces(&self) -> Option<Spaces> {
        Some(match self {
            Self::CartPole => Spaces::new(4, 2),
            Self::Acrobot => Spaces::new(6, 3),
            Self::MountainCar => Spaces::new(2, 3),
            Self::DeepSea { size } | Self::DeepSeaStochastic { size } => {
                Spaces::new(size * size, 2)
            }
            Self::NChain { states } => Spaces::new(*states, 2),
            Self::Bandit { arms } => Spaces::new(1, *arms),
            Self::Identity { actions } => Spaces::new(*actions, *actions),
            Self::FactoredIdentity { sizes } => Spaces::new(sizes.iter().sum(), sizes.clone()),
            Self::Gymnasium { .. } => return None,
        })
    }

    /// Returns the largest return of an episode, or `None` if it is not known. If the rewards are random, this is the
    /// largest expected return; for the stochastic sea, it is the expected return of [moving right in every
    /// row](DeepSea::optimal_return).
    pub fn best_return(&self) -> Option<f64> {
        Some(match *self {
            Self::CartPole => CartPole::MAX_STEPS as f64,
            Self::Acrobot | Self::MountainCar | Self::Gymnasium { .. } => return None,
            Self::DeepSea { size } => deep_sea::optimal_return(size, false),
            Self::DeepSeaStochastic { size } => deep_sea::optimal_return(size, true),
            Self::NChain { .. } => NChain::BEST_RETURN,
            Self::Bandit { arms } => bandit(arms).best_mean(),
            Self::Identity { .. } | Self::FactoredIdentity { .. } => Identity::MAX_STEPS as f64,
        })
    }

    /// Returns the mean return over 100 episodes at which the environment counts as solved, or `None` if
    /// there is no such convention.
    pub fn solved_return(&self) -> Option<f64> {
        match self {
            // The thresholds that Gymnasium registers.
            Self::CartPole => Some(475.0),
            Self::Acrobot => Some(-100.0),
            Self::MountainCar => Some(-110.0),
            _ => None,
        }
    }

    /// Returns a readable name for text and plots.
    pub fn title(&self) -> String {
        match self {
            Self::CartPole => "CartPole".to_owned(),
            Self::Acrobot => "Acrobot".to_owned(),
            Self::MountainCar => "MountainCar".to_owned(),
            Self::DeepSea { size } => format!("DeepSea {size}"),
            Self::DeepSeaStochastic { size } => format!("stochastic DeepSea {size}"),
            Self::NChain { states } => format!("NChain {states}"),
            Self::Bandit { arms } => format!("{arms}-armed bandit"),
            Self::Identity { actions } => format!("identity of {actions} actions"),
            Self::FactoredIdentity { sizes } => {
                format!("identity of {} actions", joined(sizes, " x "))
            }
            Self::Gymnasium { id } => id.clone(),
        }
    }
}

/// Checks that an id has the form of Gymnasium's, `[PACKAGE:][NAMESPACE/]NAME`. It may be the name of a folder.
fn check_id(id: &str) -> Result<(), EnvironmentKindError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
    if id.chars().all(allowed)
        && id
            .chars()
            .next_back()
            .is_some_and(|c| c.is_ascii_alphanumeric())
    {
        return Ok(());
    }
    let problem =
        ": the id of Gymnasium is missing or has other characters than letters, digits and _-.:/";
    Err(EnvironmentKindError::new(&format!("gym:{id}"), problem))
}

fn bandit(arms: usize) -> Bandit {
    Bandit::random(arms, PROBLEM_SEED.into())
}

fn joined(sizes: &[usize], separator: &str) -> String {
    let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
    sizes.join(separator)
}

/// Writes the name that [`FromStr`] parses.
impl fmt::Display for EnvironmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CartPole => f.write_str("cartpole"),
            Self::Acrobot => f.write_str("acrobot"),
            Self::MountainCar => f.write_str("mountaincar"),
            Self::DeepSea { size } => write!(f, "deepsea:{size}"),
            Self::DeepSeaStochastic { size } => write!(f, "deepsea-stochastic:{size}"),
            Self::NChain { states } => write!(f, "nchain:{states}"),
            Self::Bandit { arms } => write!(f, "bandit:{arms}"),
            Self::Identity { actions } => write!(f, "identity:{actions}"),
            Self::FactoredIdentity { sizes } => write!(f, "identity:{}", joined(sizes, "x")),
            Self::Gymnasium { id } => write!(f, "gym:{id}"),
        }
    }
}

impl FromStr for EnvironmentKind {
    type Err = EnvironmentKindError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let refused = |problem: &str| EnvironmentKindError::new(name, problem);
        let (family, size) = match name.split_once(':') {
            Some((family, size)) => (family, Some(size)),
            None => (name, None),
        };
        let of_size: fn(usize) -> Self = match family {
            "cartpole" if size.is_none() => return Ok(Self::CartPole),
            "acrobot" if size.is_none() => return Ok(Self::Acrobot),
            "mountaincar" if size.is_none() => return Ok(Self::MountainCar),
            "cartpole" | "acrobot" | "mountaincar" => {
                return Err(refused(&format!(": {family} has no size")));
            }
            "gym" => {
                let id = size.unwrap_or_default().to_owned();
                check_id(&id)?;
                return Ok(Self::Gymnasium { id });
            }
            "deepsea" => |size| Self::DeepSea { size },
            "deepsea-stochastic" => |size| Self::DeepSeaStochastic { size },
            "nchain" => |states| Self::NChain { states },
            "bandit" => |arms| Self::Bandit { arms },
            "identity" if size.is_some_and(|size| size.contains('x')) => {
                let sizes = size.unwrap_or_default().split('x');
                let sizes = sizes.map(|size| size.parse().unwrap_or(0)).collect();
                let kind = Self::FactoredIdentity { sizes };
                kind.check_size(name)?;
                return Ok(kind);
            }
            "identity" => |actions| Self::Identity { actions },
            _ => return Err(refused("")),
        };
        let kind = match size {
            None if family == "deepsea" => of_size(DEFAULT_SEA),
            None => {
                return Err(refused(&format!(
                    ": the size is missing, as in {family}:10"
                )));
            }
            // Zero is an invalid size for every family, so it can stand for text that is not a number.
            Some(size) => of_size(size.parse().unwrap_or(0)),
        };
        kind.check_size(name)?;
        Ok(kind)
    }
}

impl TryFrom<String> for EnvironmentKind {
    type Error = EnvironmentKindError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<EnvironmentKind> for String {
    fn from(kind: EnvironmentKind) -> Self {
        kind.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 10] = [
        "cartpole",
        "acrobot",
        "mountaincar",
        "deepsea:10",
        "deepsea:20",
        "deepsea-stochastic:10",
        "nchain:15",
        "bandit:5",
        "identity:4",
        "identity:4x3",
    ];

    fn kind(name: &str) -> EnvironmentKind {
        name.parse().expect(name)
    }

    #[test]
    fn names_are_read_and_written() {
        for name in NAMES {
            let kind = kind(name);
            assert_eq!(kind.to_string(), name);
            let json = serde_json::to_string(&kind).expect("a string");
            assert_eq!(json, format!("{name:?}"));
            let read: EnvironmentKind = serde_json::from_str(&json).expect("a name");
            assert_eq!(read, kind);
        }
        for id in ["CartPole-v1", "package:Name-v0", "ALE/Pong-v5"] {
            let kind = kind(&format!("gym:{id}"));
            assert_eq!(kind, EnvironmentKind::Gymnasium { id: id.to_owned() });
            assert_eq!(kind.to_string(), format!("gym:{id}"));
        }
        assert_eq!(kind("deepsea"), EnvironmentKind::DeepSea { size: 10 });
    }

    #[test]
    fn sizes_are_those_of_the_environment() {
        for name in NAMES {
            let kind = kind(name);
            let made = kind.make(2, &EnvironmentOptions::default()).expect(name);
            assert_eq!(kind.spaces().as_ref(), Some(made.spaces()), "{name}");
        }
    }

    #[test]
    fn best_returns() {
        for (name, best) in [
            ("cartpole", 500.0),
            ("deepsea:20", 0.99),
            ("deepsea-stochastic:10", 0.9_f64.powi(9) - 0.01),
            ("nchain:15", 10.0),
            ("identity:4", 10.0),
            ("identity:4x3", 10.0),
        ] {
            let found = kind(name).best_return().expect("a known return");
            assert!((found - best).abs() < 1e-12, "{name}: {found}");
        }
        assert_eq!(kind("cartpole").solved_return(), Some(475.0));
        let best = kind("bandit:5").best_return().expect("a known return");
        assert!(Bandit::random(5, 42).means().contains(&best));
    }

    #[test]
    fn a_bad_name_is_refused_with_what_there_is() {
        for (name, words) in [
            (
                "pong",
                "invalid environment \"pong\"; expected cartpole, acrobot, mountaincar, deepsea:N",
            ),
            ("", "invalid environment \"\""),
            ("CartPole", "invalid environment \"CartPole\""),
            ("cartpole:4", "cartpole has no size"),
            ("acrobot:2", "acrobot has no size"),
            ("nchain", "\"nchain\": the size is missing, as in nchain:10"),
            (
                "nchain:1",
                "the size must be a whole number from 2 to 10000",
            ),
            (
                "deepsea:0",
                "the size must be a whole number from 1 to 1000",
            ),
            ("deepsea:-3", "the size must be"),
            ("deepsea:", "the size must be"),
            ("deepsea:1e3", "the size must be"),
            ("deepsea:10:2", "the size must be"),
            (
                "identity:4x",
                "the size must be a whole number from 2 to 5000",
            ),
            ("identity:1x3", "the size must be"),
            (
                "gym:",
                "invalid environment \"gym:\": the id of Gymnasium is missing",
            ),
            ("gym:a b", "has other characters than letters"),
            ("gym:package:", "the id of Gymnasium is missing"),
            ("bandit:99999999999999999999", "the size must be"),
        ] {
            let message = name.parse::<EnvironmentKind>().expect_err(name).to_string();
            assert!(message.contains(words), "{message}");
            assert!(message.ends_with("such as deepsea:20"), "{message}");
        }
        let empty = EnvironmentKind::DeepSea { size: 0 };
        let message = empty.validate().expect_err("an empty sea").to_string();
        assert!(
            message.starts_with("invalid environment \"deepsea:0\": the size"),
            "{message}"
        );
        let error = serde_json::from_str::<EnvironmentKind>("\"pong\"").expect_err("no such name");
        assert!(error.to_string().contains("expected cartpole"), "{error}");
    }
}

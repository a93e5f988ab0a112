use super::{
    Acrobot, Bandit, CartPole, DeepSea, DiscreteEnvironment, Identity, MountainCar, NChain, deep_sea,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A built-in environment. Configurations and the command line refer to it by name.
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
///
/// ```
/// use burn_tsallis::rl::env::{DiscreteEnvironment, EnvironmentKind};
///
/// let kind: EnvironmentKind = "deepsea:20".parse()?;
/// assert_eq!(kind.to_string(), "deepsea:20");
/// assert_eq!(kind.title(), "DeepSea 20");
/// assert_eq!(kind.make().observation_size(), 400);
/// # Ok::<(), burn_tsallis::rl::env::EnvironmentKindError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
}

/// An invalid name of an environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid environment {name:?}{problem}; expected cartpole, acrobot, mountaincar, deepsea:N, deepsea-stochastic:N, \
     nchain:N, bandit:K or identity:K, such as deepsea:20"
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
    /// Creates the environment with seed 0. Call [`DiscreteEnvironment::seed`] for another seed.
    ///
    /// # Panics
    ///
    /// If the kind is not [valid](Self::validate). A kind that was parsed from a name is always valid.
    pub fn make(self) -> Box<dyn DiscreteEnvironment> {
        match self {
            Self::CartPole => Box::new(CartPole::new()),
            Self::Acrobot => Box::new(Acrobot::new()),
            Self::MountainCar => Box::new(MountainCar::new()),
            Self::DeepSea { size } => Box::new(DeepSea::new(size, PROBLEM_SEED)),
            Self::DeepSeaStochastic { size } => {
                Box::new(DeepSea::new(size, PROBLEM_SEED).stochastic())
            }
            Self::NChain { states } => Box::new(NChain::new(states)),
            Self::Bandit { arms } => Box::new(bandit(arms)),
            Self::Identity { actions } => Box::new(Identity::new(actions)),
        }
    }

    /// Checks that the size is valid. [`FromStr`] already does this check.
    ///
    /// # Errors
    ///
    /// If the size is invalid. The message gives the valid sizes.
    pub fn validate(self) -> Result<(), EnvironmentKindError> {
        self.check_size(&self.to_string())
    }

    fn check_size(self, name: &str) -> Result<(), EnvironmentKindError> {
        let (size, least, most) = match self {
            Self::CartPole | Self::Acrobot | Self::MountainCar => return Ok(()),
            Self::DeepSea { size } | Self::DeepSeaStochastic { size } => (size, 1, MAX_SEA),
            Self::NChain { states } => (states, 2, MAX_COUNT),
            Self::Bandit { arms } => (arms, 2, MAX_COUNT),
            Self::Identity { actions } => (actions, 2, MAX_COUNT),
        };
        if (least..=most).contains(&size) {
            return Ok(());
        }
        let problem = format!(": the size must be a whole number from {least} to {most}");
        Err(EnvironmentKindError::new(name, &problem))
    }

    /// Returns the number of components of an observation.
    pub fn observation_size(self) -> usize {
        match self {
            Self::CartPole => 4,
            Self::Acrobot => 6,
            Self::MountainCar => 2,
            Self::DeepSea { size } | Self::DeepSeaStochastic { size } => size * size,
            Self::NChain { states } => states,
            Self::Bandit { .. } => 1,
            Self::Identity { actions } => actions,
        }
    }

    /// Returns the number of actions.
    pub fn actions(self) -> usize {
        match self {
            Self::CartPole
            | Self::DeepSea { .. }
            | Self::DeepSeaStochastic { .. }
            | Self::NChain { .. } => 2,
            Self::Acrobot | Self::MountainCar => 3,
            Self::Bandit { arms } => arms,
            Self::Identity { actions } => actions,
        }
    }

    /// Returns the largest return of an episode. If the rewards are random, this is the largest expected
    /// return; for the stochastic sea, it is the expected return of [moving right in every
    /// row](DeepSea::optimal_return).
    pub fn best_return(self) -> f64 {
        match self {
            Self::CartPole => CartPole::MAX_STEPS as f64,
            Self::Acrobot | Self::MountainCar => 0.0,
            Self::DeepSea { size } => deep_sea::optimal_return(size, false),
            Self::DeepSeaStochastic { size } => deep_sea::optimal_return(size, true),
            Self::NChain { .. } => NChain::BEST_RETURN,
            Self::Bandit { arms } => bandit(arms).best_mean(),
            Self::Identity { .. } => Identity::MAX_STEPS as f64,
        }
    }

    /// Returns the mean return over 100 episodes at which the environment counts as solved, or `None` if
    /// there is no such convention.
    pub fn solved_return(self) -> Option<f64> {
        match self {
            // The thresholds that Gymnasium registers.
            Self::CartPole => Some(475.0),
            Self::Acrobot => Some(-100.0),
            Self::MountainCar => Some(-110.0),
            _ => None,
        }
    }

    /// Returns a readable name for text and plots.
    pub fn title(self) -> String {
        match self {
            Self::CartPole => "CartPole".to_owned(),
            Self::Acrobot => "Acrobot".to_owned(),
            Self::MountainCar => "MountainCar".to_owned(),
            Self::DeepSea { size } => format!("DeepSea {size}"),
            Self::DeepSeaStochastic { size } => format!("stochastic DeepSea {size}"),
            Self::NChain { states } => format!("NChain {states}"),
            Self::Bandit { arms } => format!("{arms}-armed bandit"),
            Self::Identity { actions } => format!("identity of {actions} actions"),
        }
    }
}

fn bandit(arms: usize) -> Bandit {
    Bandit::random(arms, PROBLEM_SEED.into())
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
            "deepsea" => |size| Self::DeepSea { size },
            "deepsea-stochastic" => |size| Self::DeepSeaStochastic { size },
            "nchain" => |states| Self::NChain { states },
            "bandit" => |arms| Self::Bandit { arms },
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

    const NAMES: [&str; 9] = [
        "cartpole",
        "acrobot",
        "mountaincar",
        "deepsea:10",
        "deepsea:20",
        "deepsea-stochastic:10",
        "nchain:15",
        "bandit:5",
        "identity:4",
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
        assert_eq!(kind("deepsea"), EnvironmentKind::DeepSea { size: 10 });
    }

    #[test]
    fn sizes_are_those_of_the_environment() {
        for name in NAMES {
            let made = kind(name).make();
            assert_eq!(
                kind(name).observation_size(),
                made.observation_size(),
                "{name}"
            );
            assert_eq!(kind(name).actions(), made.actions(), "{name}");
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
        ] {
            let found = kind(name).best_return();
            assert!((found - best).abs() < 1e-12, "{name}: {found}");
        }
        assert_eq!(kind("cartpole").solved_return(), Some(475.0));
        let bandit = Bandit::random(5, 42);
        assert!(bandit.means().contains(&kind("bandit:5").best_return()));
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

use super::GymnasiumError;

/// An invalid value from an environment. The error names the environment by its index among those that are
/// stepped together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The list of environments is empty.
    #[error("no environment was given: at least one is needed")]
    NoEnvironment,
    /// An environment without observation components or actions.
    #[error(
        "environment {index} has {observation_size} observation components and {actions} actions: \
         at least one of each is required"
    )]
    Empty {
        /// The index of the environment.
        index: usize,
        /// The number of components of its observations.
        observation_size: usize,
        /// The number of its actions.
        actions: usize,
    },
    /// An environment whose sizes differ from those of the first one.
    #[error(
        "environment {index} has {observation_size} observation components and {actions} actions, but \
         environment 0 has {} and {}: environments that are stepped together must have the same sizes",
        first.0, first.1
    )]
    SizesDiffer {
        /// The index of the environment.
        index: usize,
        /// The number of components of its observations.
        observation_size: usize,
        /// The number of its actions.
        actions: usize,
        /// The number of observation components and of actions of the first environment.
        first: (usize, usize),
    },
    /// A reward that is not finite.
    #[error("environment {index} returned the reward {reward}: rewards must be finite")]
    Reward {
        /// The index of the environment.
        index: usize,
        /// The reward.
        reward: f64,
    },
    /// A reward that is too large to be normalized.
    #[error(
        "environment {index} returned the reward {reward:e}: rewards to be normalized must be between -3.4e38 and 3.4e38"
    )]
    LargeReward {
        /// The index of the environment.
        index: usize,
        /// The reward.
        reward: f64,
    },
    /// An observation with a component that is not finite.
    #[error(
        "environment {index} returned an observation whose component {component} is {value}: \
         observations must be finite"
    )]
    Observation {
        /// The index of the environment.
        index: usize,
        /// The index of the first component that is not finite.
        component: usize,
        /// The value of this component.
        value: f32,
    },
    /// An observation whose size differs from the declared one.
    #[error("environment {index} returned {sizes}")]
    ObservationSize {
        /// The index of the environment.
        index: usize,
        /// The actual and the declared size.
        sizes: ObservationSizeError,
    },
    /// The actions cannot be learned.
    #[error("{0}")]
    ActionSpace(String),
    /// The environments failed. The message may have several lines, such as those of the traceback of a child process.
    #[error("{0}")]
    Failed(String),
    /// The Python process of Gymnasium's environments failed.
    #[error(transparent)]
    Gymnasium(#[from] GymnasiumError),
    /// A state in which no action is allowed.
    #[error("environment {index} allows no action: its mask must allow at least one")]
    NoAction {
        /// The index of the environment.
        index: usize,
    },
}

/// An observation whose size differs from the declared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an observation of {size} components instead of {expected}")]
pub struct ObservationSizeError {
    /// The number of components of the observation.
    pub size: usize,
    /// The declared number of components.
    pub expected: usize,
}

/// An error in restoring a saved state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The environment does not support saving its state.
    #[error("this environment does not support saving and restoring its state")]
    Unsupported,
    /// The saved value is not a valid state of the environment.
    #[error("invalid saved state of {environment}: {reason}")]
    Malformed {
        /// The name of the environment.
        environment: &'static str,
        /// The problem.
        reason: String,
    },
    /// The number of saved states differs from the number of environments.
    #[error(
        "{saved} saved states cannot restore {environments} environments: the numbers must be equal"
    )]
    Count {
        /// The number of saved states.
        saved: usize,
        /// The number of environments.
        environments: usize,
    },
}

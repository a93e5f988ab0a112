/// What is wrong with what an environment gave. It names the environment by its index among those that
/// are stepped together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// There is nothing to step.
    #[error("no environment was given: at least one is needed")]
    NoEnvironment,
    /// An environment without observations or actions.
    #[error(
        "environment {index} has {observation_size} observation components and {actions} actions: \
         it needs at least one of each"
    )]
    Empty {
        /// The environment.
        index: usize,
        /// Its components of an observation.
        observation_size: usize,
        /// Its actions.
        actions: usize,
    },
    /// An environment that is not like the first one.
    #[error(
        "environment {index} has {observation_size} observation components and {actions} actions, and \
         environment 0 has {} and {}: those that are stepped together must be alike", first.0, first.1
    )]
    SizesDiffer {
        /// The environment.
        index: usize,
        /// Its components of an observation.
        observation_size: usize,
        /// Its actions.
        actions: usize,
        /// Both of the first environment.
        first: (usize, usize),
    },
    /// A reward that cannot be learned from.
    #[error("environment {index} gave the reward {reward}: a reward must be a finite number")]
    Reward {
        /// The environment.
        index: usize,
        /// The reward.
        reward: f64,
    },
    /// An observation that a network cannot be given.
    #[error(
        "environment {index} gave an observation whose component {component} is {value}: \
         observations must be finite numbers"
    )]
    Observation {
        /// The environment.
        index: usize,
        /// The first component that is not finite.
        component: usize,
        /// What it is.
        value: f32,
    },
    /// An observation of another size than the environment was said to have.
    #[error("environment {index} gave {sizes}")]
    ObservationSize {
        /// The environment.
        index: usize,
        /// The size that it has and the one that it should have.
        sizes: ObservationSizeError,
    },
    /// A state in which nothing may be done.
    #[error("environment {index} allows no action: its mask must allow at least one")]
    NoAction {
        /// The environment.
        index: usize,
    },
}

/// An observation of another size than the environment was said to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an observation of {size} components: it was said to have {expected}")]
pub struct ObservationSizeError {
    /// The components of the observation.
    pub size: usize,
    /// The components that were expected.
    pub expected: usize,
}

/// Why a saved state cannot be gone on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The environment does not save its state.
    #[error("the state of this environment cannot be restored: it is not one that saves its state")]
    Unsupported,
    /// The state is not one that this environment can be in.
    #[error("what was saved is not a state of {environment}: {reason}")]
    Malformed {
        /// The environment.
        environment: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Other environments than these were saved.
    #[error("the states of {saved} environments were saved: there are {environments} to restore")]
    Count {
        /// The number of saved states.
        saved: usize,
        /// The number of environments.
        environments: usize,
    },
}

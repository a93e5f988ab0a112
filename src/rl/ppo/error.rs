use super::ConfigError;
use crate::rl::env::EnvironmentError;
use crate::rl::transfer::ReadError;

/// An error that stops a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnerError {
    /// A hyper-parameter is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The environments cannot be stepped together.
    #[error(transparent)]
    Environments(#[from] EnvironmentError),
    /// An environment returned an invalid value.
    #[error("after {steps} environment steps, {error}")]
    Environment {
        /// The number of steps of all environments before the error.
        steps: usize,
        /// The invalid value.
        error: EnvironmentError,
    },
    /// Training has diverged.
    #[error(
        "the {0} is not finite: training has diverged; try a smaller learning rate or a smaller beta"
    )]
    NotFinite(&'static str),
    /// A checkpoint does not match the configuration.
    #[error("the checkpoint does not match the configuration: {0}")]
    Checkpoint(String),
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl LearnerError {
    /// Creates the error of an environment after `steps` steps of all environments.
    pub(super) fn environment(error: EnvironmentError, steps: usize) -> Self {
        Self::Environment { steps, error }
    }

    /// Adds the steps before the rollout.
    pub(super) fn after(self, before: usize) -> Self {
        match self {
            Self::Environment { steps, error } => Self::Environment {
                steps: before + steps,
                error,
            },
            other => other,
        }
    }
}

impl From<ReadError> for LearnerError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Device(reason) => Self::Device(reason),
            ReadError::Action => Self::NotFinite("policy"),
        }
    }
}

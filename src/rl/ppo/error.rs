use super::ConfigError;
use crate::rl::env::EnvironmentError;
use crate::rl::transfer::ReadError;

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnerError {
    /// A hyper-parameter is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The environments cannot be stepped together.
    #[error(transparent)]
    Environments(#[from] EnvironmentError),
    /// An environment gave what cannot be learned from.
    #[error("after {steps} environment steps, {error}")]
    Environment {
        /// Steps of all environments before it.
        steps: usize,
        /// What it gave.
        error: EnvironmentError,
    },
    /// Training has diverged.
    #[error(
        "the {0} is no longer a finite number: training has diverged; a smaller learning rate, or a \
         smaller beta, may help"
    )]
    NotFinite(&'static str),
    /// A checkpoint is not one of this configuration.
    #[error("the checkpoint does not fit: {0}")]
    Checkpoint(String),
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl LearnerError {
    /// An environment failed after so many steps of all of them.
    pub(super) fn environment(error: EnvironmentError, steps: usize) -> Self {
        Self::Environment { steps, error }
    }

    /// The steps before the rollout added.
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

use super::{ConfigError, PpoConfig};
use crate::rl::env::EnvironmentError;
use crate::rl::transfer::ReadError;

/// Larger rewards may be the reason for a loss that is not finite: the square of a return, the sum of a few
/// hundred rewards, overflows `f32` from 1.8e19 on.
const MAX_REWARD: f64 = 1e16;

/// Larger coefficients may be the reason for a gradient that is not finite: its squares overflow `f32` from 1.8e19 on.
const MAX_COEFFICIENT: f64 = 1e16;

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
    /// Training has failed because the rewards are too large for the value loss.
    #[error(
        "the {name} is not finite: the rewards, with their noise and regularizer, reach {reward:.0e}, too large for \
         their squares in f32; use less noise or a smaller beta, or scale the rewards down"
    )]
    Rewards {
        /// The number that is not finite.
        name: &'static str,
        /// The largest absolute reward of the rollout.
        reward: f64,
    },
    /// Training has failed because a coefficient of the loss is too large for the gradient.
    #[error(
        "the {name} is not finite: {coefficient} is {value:e}, too large for the squares of its gradient in f32; use a \
         smaller {coefficient}"
    )]
    Coefficient {
        /// The number that is not finite.
        name: &'static str,
        /// The field of the configuration.
        coefficient: &'static str,
        /// Its value.
        value: f64,
    },
    /// The initialization of the networks has been stopped.
    #[error("stopped before the first update")]
    Stopped,
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

    /// Returns whether the environments failed, as opposed to a value that they returned. They may not fail again.
    pub(crate) fn is_of_environments(&self) -> bool {
        use EnvironmentError::{Failed, Gymnasium};
        matches!(
            self,
            Self::Environment {
                error: Failed(_) | Gymnasium(_),
                ..
            }
        )
    }

    /// Names the rewards of the rollout, or else a coefficient of the loss, as the cause if they are too large.
    pub(super) fn caused_by(self, rewards: &[f64], config: &PpoConfig) -> Self {
        let Self::NotFinite(name) = self else {
            return self;
        };
        let reward = rewards.iter().fold(0.0, |most, r| f64::max(most, r.abs()));
        if reward > MAX_REWARD {
            return Self::Rewards { name, reward };
        }
        let coefficients = [
            ("value_coefficient", config.value_coefficient),
            ("entropy_coefficient", config.entropy_coefficient),
        ];
        let large = coefficients
            .into_iter()
            .find(|&(_, value)| value > MAX_COEFFICIENT);
        large.map_or(self, |(coefficient, value)| Self::Coefficient {
            name,
            coefficient,
            value,
        })
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

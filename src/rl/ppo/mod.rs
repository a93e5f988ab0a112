//! Proximal policy optimization with a Tsallis policy and a Tsallis regularizer
//! (arXiv 2601.12604; Schulman et al. 2017).

#[cfg(any(feature = "flex", feature = "ndarray"))]
mod adam;
mod advantage;
mod checkpoint;
mod config;
mod error;
mod learner;
mod metrics;
mod objective;
mod optimizer;
pub(in crate::rl) mod rollout;
mod update;

pub use crate::rl::env::EnvironmentKind;
pub use advantage::generalized_advantages;
pub use checkpoint::{Checkpoint, LearnerState};
pub use config::{ConfigError, PpoConfig, Regularizer};
pub use error::LearnerError;
pub use learner::{Learner, UpdateTimes};
pub use metrics::{PolicyStatistics, UpdateMetrics};
pub use optimizer::{ClippedAdam, Moments};
pub use rollout::Rollout;

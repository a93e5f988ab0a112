//! Proximal policy optimisation with a Tsallis policy and a Tsallis regulariser
//! (arXiv 2601.12604; Schulman et al. 2017).

mod advantage;
mod checkpoint;
mod config;
mod error;
mod learner;
mod metrics;
mod objective;
mod optimiser;
pub(in crate::rl) mod rollout;
mod update;

pub use crate::rl::env::EnvironmentKind;
pub use advantage::generalised_advantages;
pub use checkpoint::{Checkpoint, LearnerState};
pub use config::{ConfigError, PpoConfig, Regulariser};
pub use error::LearnerError;
pub use learner::{Learner, Times};
pub use metrics::{PolicyStatistics, UpdateMetrics};
pub use optimiser::{ClippedAdam, Moments};
pub use rollout::Rollout;

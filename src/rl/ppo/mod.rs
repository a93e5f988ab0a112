//! Proximal policy optimisation with a Tsallis policy and a Tsallis regulariser in the reward
//! (arXiv 2601.12604; Schulman et al. 2017).

mod advantage;
mod config;
mod learner;
mod metrics;
pub(super) mod rollout;
mod update;

pub use crate::rl::env::EnvironmentKind;
pub use advantage::generalised_advantages;
pub use config::{ConfigError, PpoConfig};
pub use learner::{Learner, LearnerError, Times};
pub use metrics::{PolicyStatistics, UpdateMetrics};
pub use rollout::Rollout;

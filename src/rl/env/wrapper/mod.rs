//! Wrappers. Each changes one aspect of an environment and forwards the rest.

mod noise;
mod recorded_batch;
mod statistics;
mod time_limit;

pub use noise::RewardNoise;
pub use recorded_batch::RecordedBatch;
pub use statistics::EpisodeStatistics;
pub use time_limit::TimeLimit;

/// Implements the methods of [`DiscreteEnvironment`](super::DiscreteEnvironment) that a wrapper forwards to
/// the wrapped environment.
macro_rules! delegate {
    ($environment:ident) => {
        fn observation_size(&self) -> usize {
            self.$environment.observation_size()
        }

        fn actions(&self) -> usize {
            self.$environment.actions()
        }

        fn observe(
            &self,
            observation: &mut [f32],
        ) -> Result<(), $crate::rl::env::ObservationSizeError> {
            self.$environment.observe(observation)
        }

        fn has_action_mask(&self) -> bool {
            self.$environment.has_action_mask()
        }

        fn action_mask(&self, allowed: &mut [bool]) {
            self.$environment.action_mask(allowed);
        }

        fn bad_episode(&self) -> Option<bool> {
            self.$environment.bad_episode()
        }
    };
}
use delegate;

/// The saved states of a wrapper and of the environment that it wraps.
#[derive(serde::Serialize, serde::Deserialize)]
struct SavedWrapper<S> {
    wrapper: S,
    environment: serde_json::Value,
}

//! Environments with finitely many actions, wrappers around them, and vectorized environments.
//!
//! | type | description |
//! |---|---|
//! | [`DiscreteEnvironment`] | the trait that the learner steps |
//! | [`CartPole`], [`Acrobot`], [`MountainCar`], [`DeepSea`], [`NChain`], [`Bandit`], [`Identity`] | environments |
//! | [`RewardNoise`], [`TimeLimit`], [`EpisodeStatistics`] | wrappers |
//! | [`FromBurnEnvironment`] | adapts an environment that implements [`burn::rl::Environment`] |
//! | [`ToBurnEnvironment`] | adapts one of these environments to [`burn::rl::Environment`] |
//! | [`EnvironmentBatch`], [`RecordedBatch`] | environments that one call steps together, such as those of another process |
//! | [`Gymnasium`] | a batch of environments of Gymnasium, which a Python process steps |
//! | [`FactoredIdentity`] | a batch with several dimensions of actions |
//! | [`ActionSpace`], [`Spaces`], [`BinnedBox`] | the actions and observations of an environment |
//! | [`Normalization`], [`RunningStatistics`] | normalized observations and rewards of a vectorized environment |
//! | [`VectorEnvironment`] | a vectorized environment: several environments, stepped together |
//! | [`EnvironmentKind`] | the built-in environments, and those of Gymnasium, by name |
//!
//! ```
//! use burn_tsallis::rl::env::{CartPole, DiscreteEnvironment, EpisodeStatistics, RewardNoise, VectorStep};
//! use burn_tsallis::rl::env::VectorEnvironment;
//!
//! // Sixteen noisy CartPoles whose episodes are recorded without the noise.
//! let mut environments = VectorEnvironment::seeded(16, 0, || {
//!     RewardNoise::new(EpisodeStatistics::new(CartPole::new()), 0.5)
//! })?;
//! let mut step = VectorStep::default();
//! environments.step(&[0; 16], &mut step)?;
//! assert_eq!(step.transitions.len(), 16);
//! # Ok::<(), burn_tsallis::rl::env::EnvironmentError>(())
//! ```

mod acrobot;
mod bandit;
mod batch;
mod cartpole;
mod deep_sea;
mod environment;
mod error;
mod factored_identity;
mod from_burn;
mod gym;
mod identity;
mod kind;
mod mountain_car;
mod nchain;
mod normalization;
mod one_hot;
mod space;
mod state;
mod to_burn;
#[cfg(test)]
mod trajectory;
mod transition;
mod vector;
mod wrapper;

pub use acrobot::Acrobot;
pub use bandit::Bandit;
pub use batch::EnvironmentBatch;
pub use cartpole::CartPole;
pub use deep_sea::DeepSea;
pub use environment::DiscreteEnvironment;
pub use error::{EnvironmentError, ObservationSizeError, RestoreError};
pub use factored_identity::FactoredIdentity;
pub use from_burn::FromBurnEnvironment;
pub use gym::{Gymnasium, GymnasiumConfig, GymnasiumError, LastWords};
pub use identity::Identity;
pub use kind::{EnvironmentKind, EnvironmentKindError, EnvironmentOptions};
pub use mountain_car::MountainCar;
pub use nchain::NChain;
pub(super) use normalization::CLIP;
pub use normalization::{Normalization, RewardStatistics, RunningStatistics};
pub use space::{ActionSpace, BinnedBox, Spaces};
pub use to_burn::{Observation, ToBurnEnvironment};
pub use transition::{Episode, Transition};
pub use vector::{VectorEnvironment, VectorStep};
pub use wrapper::{EpisodeStatistics, RecordedBatch, RewardNoise, TimeLimit};

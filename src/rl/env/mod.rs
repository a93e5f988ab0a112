//! Environments with finitely many actions, wrappers around them, and many environments stepped as one.
//!
//! | type | what it is |
//! |---|---|
//! | [`DiscreteEnvironment`] | the trait that the learner steps |
//! | [`CartPole`], [`DeepSea`], [`NChain`], [`Bandit`], [`Identity`] | environments |
//! | [`RewardNoise`], [`TimeLimit`], [`EpisodeStatistics`] | wrappers |
//! | [`BurnEnvironment`] | an environment of your own, written against [`burn::rl::Environment`] |
//! | [`VectorEnvironment`] | many environments, stepped together |
//! | [`EnvironmentKind`] | the environments by name |
//!
//! ```
//! use burn_tsallis::rl::env::{CartPole, DiscreteEnvironment, EpisodeStatistics, RewardNoise, Step};
//! use burn_tsallis::rl::env::VectorEnvironment;
//!
//! // Sixteen noisy CartPoles whose episodes are recorded without the noise.
//! let mut environments = VectorEnvironment::seeded(16, 0, || {
//!     RewardNoise::new(EpisodeStatistics::new(CartPole::new()), 0.5)
//! })?;
//! let mut step = Step::default();
//! environments.step(&[0; 16], &mut step)?;
//! assert_eq!(step.transitions.len(), 16);
//! # Ok::<(), burn_tsallis::rl::env::EnvironmentError>(())
//! ```

mod adapter;
mod bandit;
mod cartpole;
mod deep_sea;
mod environment;
mod error;
mod identity;
mod kind;
mod nchain;
mod one_hot;
mod state;
mod transition;
mod vector;
mod wrapper;

pub use adapter::BurnEnvironment;
pub use bandit::Bandit;
pub use cartpole::CartPole;
pub use deep_sea::DeepSea;
pub use environment::DiscreteEnvironment;
pub use error::{EnvironmentError, ObservationSizeError, RestoreError};
pub use identity::Identity;
pub use kind::{EnvironmentKind, EnvironmentKindError};
pub use nchain::NChain;
pub use transition::{Episode, Transition};
pub use vector::{Step, VectorEnvironment};
pub use wrapper::{EpisodeStatistics, RewardNoise, TimeLimit};

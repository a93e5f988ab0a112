//! Reinforcement learning with the Tsallis policy: environments and the PPO learner.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mod@env`] | environments, wrappers, and many environments stepped as one |
//! | [`policy`] | the policy head and the actor-critic, as Burn modules |
//! | [`ppo`] | configuration, rollout, advantages, update and the learner |
//! | `training` | the learner inside Burn's own training loop (feature `train`) |
//! | [`run`] | the folder that a training run leaves |
//! | [`random`] | the streams that every random draw comes from |
//! | [`tabular`] | finite processes: exact and stochastic f-PG, without tensors |

pub mod env;
mod evaluate;
pub mod policy;
pub mod ppo;
pub mod random;
pub mod run;
pub mod tabular;
#[cfg(feature = "train")]
pub mod training;
mod transfer;

pub use evaluate::{Evaluation, evaluate, evaluate_in};

//! Reinforcement learning with the Tsallis policy: environments and the PPO learner.
//!
//! | module | content |
//! |---|---|
//! | [`mod@env`] | environments, wrappers, and vectorized environments |
//! | [`policy`] | the policy head and the actor-critic, as Burn modules |
//! | [`ppo`] | configuration, rollout, advantages, update and the learner |
//! | `training` | the learner inside Burn's own training loop (feature `train`) |
//! | [`run`] | the folder that a training run writes |

pub mod env;
mod evaluate;
pub mod policy;
pub mod ppo;
mod record;
pub mod run;
#[cfg(feature = "train")]
pub mod training;
mod transfer;
mod unknown_name;

pub use evaluate::{Evaluation, evaluate, evaluate_in};
pub use unknown_name::UnknownName;

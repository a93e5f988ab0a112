//! The learner inside Burn's own training loop (feature `train`).
//!
//! Burn's reinforcement learning has an off-policy loop; [`OnPolicy`] is the strategy that runs
//! [`Learner`](crate::rl::ppo::Learner) in its place under [`RLTraining`](burn::train::RLTraining), with
//! Burn's metrics, dashboard, checkpoints and interruption. `examples/burn_training.rs` is all that it takes.
//!
//! | item | what of Burn it is |
//! |---|---|
//! | [`Observations`], [`Probabilities`], [`Actions`] | what a policy takes and gives, in batches |
//! | [`TsallisPolicy`] | [`burn::rl::Policy`] |
//! | [`PpoAgent`] | [`burn::rl::PolicyLearner`] |
//! | [`OnPolicy`] | [`burn::train::RLStrategy`] |
//!
//! Burn's checkpoints hold networks, moments and the number of updates, and neither the states of the
//! environments nor the random streams: a training that goes on from one is not, to the last bit, the one
//! without a break, as it is with `tsallis train --resume`.

mod agent;
mod metrics;
mod policy;
mod strategy;
mod types;

pub use agent::PpoAgent;
pub use metrics::{UpdateMetric, UpdateValue};
pub use policy::{PolicyNetworks, TsallisPolicy};
pub use strategy::OnPolicy;
pub use types::{Actions, ObservationVector, Observations, Probabilities};

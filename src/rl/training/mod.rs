//! The learner in Burn's own training loop, [`RLTraining`](burn::train::RLTraining), with its metrics,
//! dashboard, checkpoints and interruption (feature `train`).
//!
//! | type | what it is |
//! |---|---|
//! | [`PpoAgent`] | what is trained, as a [`burn::rl::PolicyLearner`] |
//! | [`OnPolicy`] | the loop that trains it, as a [`burn::train::RLStrategy`] |
//! | [`PpoMetric`] | a number of an update as a metric of Burn's |
//! | [`PpoAgentRecord`] | what a checkpoint holds beside the networks |
//!
//! ```no_run
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::Device;
//! use burn::train::checkpoint::KeepLastNCheckpoints;
//! use burn::train::metric::CumulativeRewardMetric;
//! use burn::train::{RLStrategies, RLTraining};
//! use burn_tsallis::rl::env::CartPole;
//! use burn_tsallis::rl::ppo::PpoConfig;
//! use burn_tsallis::rl::training::{OnPolicy, PpoAgent, PpoMetric};
//! use std::sync::Arc;
//!
//! // Four components of an observation, two actions.
//! let agent = PpoAgent::new(PpoConfig::default(), 4, 2, &Device::flex())?;
//! let on_policy = OnPolicy::new(|cartpole: CartPole| cartpole);
//! let result = RLTraining::new("runs/cartpole", CartPole::new)
//!     .metrics_train((PpoMetric::new("Entropy", |update| update.policy_entropy),))
//!     .metrics_episode((CumulativeRewardMetric::new(),))
//!     .with_checkpointer()
//!     .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
//!     .num_steps(200_000)
//!     .with_learning_strategy(RLStrategies::Custom(Arc::new(on_policy)))
//!     .launch(agent);
//! # }
//! # Ok::<(), burn_tsallis::rl::ppo::ConfigError>(())
//! ```
//!
//! The same with [`checkpoint(k)`](burn::train::RLTraining::checkpoint), `k` the highest number in the folder
//! `checkpoint`, goes on from there: on a CPU, with the same configuration and `num_steps`, to the bits of a
//! training without a break. That holds where the environments save their states, as those of
//! [`env`](crate::rl::env) do; others begin new episodes, which the log says. Burn's metrics begin anew.
//!
//! Burn shows its dashboard where its feature `tui` is on, and prints a line for each update where it is not.
//!
//! What is not Burn's: the loop. Burn's own is off-policy: it samples transitions from a buffer that outlives
//! the policy that made them, and keeps neither their log-probabilities nor their order, nor whether an
//! episode was terminated or truncated, so that there is nothing to form PPO's ratio or its advantages from.
//! Environment steps are those of `num_steps`; the configuration's `total_steps` and `environment` are not
//! looked at. Everything runs on the device of the agent, whatever the inference device.
//!
//! What is Burn's: it writes the file of the networks under its final name, so that a training that is killed
//! while it does leaves that one torn, and it panics where a checkpoint cannot be written or read. Its default
//! checkpointing strategy looks for the shortest episodes of an [evaluation](OnPolicy::with_evaluation): name
//! one, such as [`KeepLastNCheckpoints`](burn::train::checkpoint::KeepLastNCheckpoints).

mod agent;
mod metric;
mod on_policy;
mod record;

pub use agent::PpoAgent;
pub use metric::PpoMetric;
pub use on_policy::OnPolicy;
pub use record::PpoAgentRecord;

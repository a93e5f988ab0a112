//! The learner in Burn's own training loop, [`RLTraining`](burn::train::RLTraining), with its metrics,
//! dashboard, checkpoints and interruption (feature `train`).
//!
//! | type | description |
//! |---|---|
//! | [`PpoAgent`] | the agent to train, as a [`burn::rl::PolicyLearner`] |
//! | [`OnPolicy`] | the loop that trains it, as a [`burn::train::RLStrategy`] |
//! | [`PpoMetric`] | a number of an update as a Burn metric |
//! | [`PpoAgentRecord`] | the part of a checkpoint other than the networks |
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
//! // Four observation components, two actions.
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
//! To resume, run the same code with [`checkpoint(k)`](burn::train::RLTraining::checkpoint), `k` the highest
//! number in the folder `checkpoint`. On a CPU, with the same configuration and `num_steps`, the result then
//! equals that of an uninterrupted training run, bit for bit. This holds if the environments save their
//! states, as those of [`env`](crate::rl::env) do. Other environments begin new episodes, which the log
//! reports. Burn's metrics start again.
//!
//! Burn shows its dashboard if its feature `tui` is enabled. Otherwise it prints a line for each update.
//!
//! The loop is not Burn's own, which is off-policy. Burn's loop samples transitions from a buffer that
//! outlives the policy that made them. The buffer keeps neither their log-probabilities nor their sequence,
//! nor whether an episode was terminated or truncated, so PPO's ratio and advantages cannot be computed from
//! it. The number of environment steps is `num_steps`; the configuration's `total_steps` and `environment`
//! are ignored. Everything runs on the device of the agent, whatever the inference device.
//!
//! Two properties come from Burn. It writes the file of the networks under its final name, so a training run
//! that is killed during the write leaves an incomplete file, and it panics if a checkpoint cannot be written
//! or read. Its default checkpointing strategy selects the shortest episodes of an
//! [evaluation](OnPolicy::with_evaluation): set another strategy, such as
//! [`KeepLastNCheckpoints`](burn::train::checkpoint::KeepLastNCheckpoints).

mod agent;
mod metric;
mod on_policy;
mod record;

pub use agent::PpoAgent;
pub use metric::PpoMetric;
pub use on_policy::OnPolicy;
pub use record::PpoAgentRecord;

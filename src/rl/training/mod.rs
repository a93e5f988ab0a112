//! The learner in Burn's own training loop, [`RLTraining`](burn::train::RLTraining), with its metrics,
//! dashboard, checkpoints and interruption: Burn itself has an off-policy loop only.
//!
//! | type | what it is |
//! |---|---|
//! | [`PpoAgent`] | the learner as a [`burn::rl::PolicyLearner`] |
//! | [`OnPolicy`] | the loop, as a [`burn::train::RLStrategy`] |
//! | [`PpoMetric`] | a number of an update as a Burn metric |
//! | [`PpoAgentRecord`] | what a checkpoint holds beside the networks |
//!
//! ```no_run
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::Device;
//! use burn::train::checkpoint::KeepLastNCheckpoints;
//! use burn::train::metric::{CumulativeRewardMetric, LossMetric};
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
//!     .metrics_train((LossMetric::new(), PpoMetric::tsallis_divergence()))
//!     .metrics_episode((CumulativeRewardMetric::new(),))
//!     .with_checkpointer()
//!     .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
//!     .num_steps(200_000)
//!     .with_learning_strategy(RLStrategies::Custom(Arc::new(on_policy)))
//!     .launch(agent);
//! if let Some(error) = result.error {
//!     eprintln!("{error}");
//! }
//! # }
//! # Ok::<(), burn_tsallis::rl::ppo::LearnerError>(())
//! ```
//!
//! # What is other than under the program `tsallis train`
//!
//! * The number of environment steps is that of `RLTraining`; the configuration's `total_steps` and
//!   `environment` are not looked at. Everything runs on the device of the agent, whatever the inference
//!   device.
//! * A training that is resumed with [`checkpoint`](burn::train::RLTraining::checkpoint) goes on from the
//!   networks, moments and random streams, and from the environments where they save their state: those of
//!   [`env`](crate::rl::env) do, and a bare [`burn::rl::Environment`] begins new episodes. Burn's metrics and
//!   their logs are not part of a checkpoint: they begin anew.
//! * Burn writes the file of the networks under its final name, so that a training that is killed while it
//!   does leaves a torn file, and it panics where a checkpoint cannot be written or read.
//! * Burn's default checkpointing strategy keeps the epoch with the best validation metric, and a
//!   reinforcement training has no epochs: name one, such as
//!   [`KeepLastNCheckpoints`](burn::train::checkpoint::KeepLastNCheckpoints).

mod agent;
mod metric;
mod on_policy;
mod record;

pub use agent::PpoAgent;
pub use metric::{PpoMetric, TrainingUpdate};
pub use on_policy::OnPolicy;
pub use record::PpoAgentRecord;

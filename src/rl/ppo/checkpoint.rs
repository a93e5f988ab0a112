use super::optimizer::Moments;
use crate::experiment::Stream;
use crate::rl::env::Episode;
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

/// Everything that a [`Learner`](super::Learner) goes on from.
pub struct Checkpoint {
    /// The networks.
    pub model: ModuleRecord,
    /// The optimizer's moments, as a module; none before the first step.
    pub moments: Option<Moments>,
    /// What is not a tensor.
    pub state: LearnerState,
}

/// What a [`Learner`](super::Learner) goes on from beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnerState {
    /// Updates made.
    pub updates: usize,
    /// Episodes finished.
    pub episodes: usize,
    /// Those of them that left the best way, where the environment tells.
    pub bad_episodes: Option<usize>,
    /// The last episodes, the newest last.
    pub recent: Vec<Episode>,
    /// Steps of the optimizer.
    pub adam_steps: usize,
    /// The stream that the actions of each environment are drawn from.
    pub actions: Vec<Stream>,
    /// The stream that the minibatches are shuffled by.
    pub minibatches: Stream,
    /// The states of the environments; none where they cannot be saved.
    pub environments: Option<serde_json::Value>,
}

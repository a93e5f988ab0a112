use super::optimizer::Moments;
use crate::experiment::Stream;
use crate::rl::env::{Episode, Normalization, Spaces};
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

/// The state from which a [`Learner`](super::Learner) continues.
pub struct Checkpoint {
    /// The networks.
    pub model: ModuleRecord,
    /// The moments of the optimizer, as a module; `None` before the first step.
    pub moments: Option<Moments>,
    /// The state other than tensors.
    pub state: LearnerState,
}

/// The state of a [`Learner`](super::Learner) other than its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnerState {
    /// The observations and the actions, or `None` in a checkpoint of an earlier version.
    #[serde(default)]
    pub spaces: Option<Spaces>,
    /// The number of updates made.
    pub updates: usize,
    /// The number of episodes that ended.
    pub episodes: usize,
    /// The number of these episodes that left the best path, or `None` if the environment does not report it.
    pub bad_episodes: Option<usize>,
    /// The last episodes, in the order in which they ended.
    pub recent: Vec<Episode>,
    /// The number of optimizer steps.
    pub adam_steps: usize,
    /// The streams from which the actions of each environment are drawn.
    pub actions: Vec<Stream>,
    /// The stream that shuffles the minibatches.
    pub minibatches: Stream,
    /// The statistics by which observations and rewards are normalized, or `None` without normalization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// The states of the environments, or `None` if they cannot be saved.
    pub environments: Option<serde_json::Value>,
}

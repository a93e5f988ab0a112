use serde::{Deserialize, Serialize};

/// What a step led to, beside the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// The reward of the step.
    pub reward: f64,
    /// The episode ended in a state from which nothing more can be earned.
    pub terminated: bool,
    /// The episode was cut short in a state that has a value. Both may hold, and then nothing more can
    /// be earned.
    pub truncated: bool,
    /// The episode that ended with this step, where [`EpisodeStatistics`](super::EpisodeStatistics)
    /// records it.
    pub episode: Option<Episode>,
}

impl Transition {
    /// A step within an episode.
    pub fn ongoing(reward: f64) -> Self {
        Self {
            reward,
            terminated: false,
            truncated: false,
            episode: None,
        }
    }

    /// Whether the episode is over.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// A finished episode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The undiscounted sum of the rewards, as the environment below the recorder gave them.
    pub total_reward: f64,
    /// The number of steps.
    pub length: usize,
    /// Whether the best way was left, where the environment
    /// [tells](super::DiscreteEnvironment::bad_episode).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<bool>,
}

use serde::{Deserialize, Serialize};

/// The result of a step, except the next state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// The reward of the step.
    pub reward: f64,
    /// Whether the episode ended in a state without further rewards.
    pub terminated: bool,
    /// Whether the episode was cut short in a state that still has a value. If `terminated` is also true, the
    /// state has no further rewards.
    pub truncated: bool,
    /// The episode that ended with this step, if [`EpisodeStatistics`](super::EpisodeStatistics) records it.
    pub episode: Option<Episode>,
}

impl Transition {
    /// Returns a transition within an episode.
    pub fn ongoing(reward: f64) -> Self {
        Self {
            reward,
            terminated: false,
            truncated: false,
            episode: None,
        }
    }

    /// Returns whether the episode is over.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// A finished episode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The undiscounted sum of the rewards of the environment that
    /// [`EpisodeStatistics`](super::EpisodeStatistics) wraps.
    pub total_reward: f64,
    /// The number of steps.
    pub length: usize,
    /// Whether the episode left the best path, or `None` if the environment does not
    /// [track](super::DiscreteEnvironment::bad_episode) this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<bool>,
}

impl Episode {
    /// Adds a step.
    pub(super) fn add(&mut self, transition: &Transition) {
        self.total_reward += transition.reward;
        // A restored length may be any number.
        self.length = self.length.saturating_add(1);
    }
}

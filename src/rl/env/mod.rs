//! Environments with finitely many actions.

mod cartpole;
mod noise;
mod statistics;
mod vector;

pub use cartpole::CartPole;
pub use noise::RewardNoise;
pub use statistics::EpisodeStatistics;
pub use vector::{Step, VectorEnvironment};

use serde::{Deserialize, Serialize};

/// An environment with finitely many actions that draws from streams of its own.
///
/// A value is in an episode at any time: constructors end with a [`reset`](Self::reset).
pub trait DiscreteEnvironment: Send {
    /// The number of components of an observation.
    fn observation_size(&self) -> usize;

    /// The number of actions; they are `0..actions`.
    fn actions(&self) -> usize;

    /// Begins an episode.
    fn reset(&mut self);

    /// Takes an action in the current state.
    fn step(&mut self, action: usize) -> Transition;

    /// Writes the observation of the current state, of [`observation_size`](Self::observation_size)
    /// components.
    fn observe(&self, observation: &mut [f32]);
}

impl<E: DiscreteEnvironment + ?Sized> DiscreteEnvironment for Box<E> {
    fn observation_size(&self) -> usize {
        (**self).observation_size()
    }

    fn actions(&self) -> usize {
        (**self).actions()
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn step(&mut self, action: usize) -> Transition {
        (**self).step(action)
    }

    fn observe(&self, observation: &mut [f32]) {
        (**self).observe(observation);
    }
}

/// What a step led to, beside the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// The reward of the step.
    pub reward: f64,
    /// The episode ended in a state from which nothing more can be earned.
    pub terminated: bool,
    /// The episode was cut short in a state that has a value.
    pub truncated: bool,
    /// The episode that ended with this step, where [`EpisodeStatistics`] records it.
    pub episode: Option<Episode>,
}

impl Transition {
    /// Whether the episode is over.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// A finished episode.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The undiscounted sum of the rewards, as the environment below the recorder gave them.
    pub total_reward: f64,
    /// The number of steps.
    pub length: usize,
}

use super::SavedWrapper;
use super::noise::NoiseState;
use crate::rl::env::{
    ActionSpace, EnvironmentBatch, EnvironmentError, Episode, RestoreError, VectorStep, state,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Records the episodes of a batch, as [`EpisodeStatistics`](crate::rl::env::EpisodeStatistics) does for a single
/// environment, and then adds noise to the rewards, as [`RewardNoise`](crate::rl::env::RewardNoise) does. The recorded
/// returns have no noise.
pub struct RecordedBatch<B> {
    batch: B,
    standard_deviation: f64,
    first_step_exempt: bool,
    states: Vec<State>,
}

#[derive(Clone, Serialize, Deserialize)]
struct State {
    noise: NoiseState,
    episode: Episode,
}

impl State {
    fn new(seed: u64, index: u32) -> Self {
        Self {
            noise: NoiseState::new(seed, index),
            episode: Episode::default(),
        }
    }
}

impl<B: EnvironmentBatch> RecordedBatch<B> {
    /// Wraps a batch whose environments are at the beginning of an episode, without noise.
    pub fn new(batch: B) -> Self {
        Self {
            states: (0..batch.len() as u32).map(|i| State::new(0, i)).collect(),
            batch,
            standard_deviation: 0.0,
            first_step_exempt: false,
        }
    }

    /// Adds noise with the given standard deviation to the rewards, except to the first reward of each environment
    /// after the seeding if `first_step_exempt`.
    pub fn with_noise(self, standard_deviation: f64, first_step_exempt: bool) -> Self {
        Self {
            standard_deviation,
            first_step_exempt,
            ..self
        }
    }
}

impl<B: EnvironmentBatch> EnvironmentBatch for RecordedBatch<B> {
    fn len(&self) -> usize {
        self.batch.len()
    }

    fn observation_size(&self) -> usize {
        self.batch.observation_size()
    }

    fn action_space(&self) -> ActionSpace {
        self.batch.action_space()
    }

    fn seed(&mut self, seed: u64, first_index: u32) -> Result<(), EnvironmentError> {
        for (index, state) in (first_index..).zip(&mut self.states) {
            *state = State::new(seed, index);
        }
        self.batch.seed(seed, first_index)
    }

    fn observe(&self, observations: &mut [f32]) -> Result<(), EnvironmentError> {
        self.batch.observe(observations)
    }

    fn has_action_mask(&self) -> bool {
        self.batch.has_action_mask()
    }

    fn action_masks(&self, allowed: &mut [bool]) -> Result<(), EnvironmentError> {
        self.batch.action_masks(allowed)
    }

    fn step(&mut self, actions: &[usize], step: &mut VectorStep) -> Result<(), EnvironmentError> {
        self.batch.step(actions, step)?;
        for (transition, state) in step.transitions.iter_mut().zip(&mut self.states) {
            state.episode.add(transition);
            if transition.done() {
                transition.episode = Some(std::mem::take(&mut state.episode));
            }
            transition.reward += state
                .noise
                .draw(self.standard_deviation, self.first_step_exempt);
        }
        Ok(())
    }

    fn versions(&self) -> BTreeMap<String, String> {
        self.batch.versions()
    }

    fn solved_return(&self) -> Option<f64> {
        self.batch.solved_return()
    }

    fn save(&self) -> Option<Value> {
        state::save(&SavedWrapper {
            wrapper: &self.states,
            environment: self.batch.save()?,
        })
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let saved: SavedWrapper<Vec<State>> = state::restore("the recorded batch", saved)?;
        state::check_count(&saved.wrapper, self.states.len())?;
        self.batch.restore(&saved.environment)?;
        self.states = saved.wrapper;
        Ok(())
    }
}

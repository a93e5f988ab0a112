use super::{SavedWrapper, delegate};
use crate::experiment::{Purpose, Stream, stream};
use crate::rl::env::{DiscreteEnvironment, RestoreError, Transition, state};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Adds independent Gaussian noise to every reward of an environment, as bsuite's wrapper does.
///
/// The noise is drawn from [`Purpose::Noise`]. To record returns without the noise, put an
/// [`EpisodeStatistics`](crate::rl::env::EpisodeStatistics) inside this wrapper.
#[derive(Clone, Debug)]
pub struct RewardNoise<E> {
    environment: E,
    standard_deviation: f64,
    first_step_exempt: bool,
    state: NoiseState,
}

/// The noise of one environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NoiseState {
    noise: Stream,
    /// Whether no step has been taken since the seeding.
    first: bool,
}

impl NoiseState {
    pub fn new(seed: u64, index: u32) -> Self {
        Self {
            noise: stream(seed, Purpose::Noise, index),
            first: true,
        }
    }

    /// Draws the noise of the next step.
    pub fn draw(&mut self, standard_deviation: f64, first_step_exempt: bool) -> f64 {
        // Draw for the exempt step too, so that the flag changes no other reward.
        let draw: f64 = StandardNormal.sample(&mut self.noise);
        let exempt = self.first && first_step_exempt;
        self.first = false;
        if exempt {
            0.0
        } else {
            standard_deviation * draw
        }
    }
}

impl<E: DiscreteEnvironment> RewardNoise<E> {
    /// Adds noise with the given standard deviation to the rewards of `environment`.
    pub fn new(environment: E, standard_deviation: f64) -> Self {
        Self {
            environment,
            standard_deviation,
            first_step_exempt: false,
            state: NoiseState::new(0, 0),
        }
    }

    /// If `exempt` is true, the first reward after the seeding, and only that one, has no noise, as in the
    /// code of arXiv 2601.12604. The default is `false`.
    pub fn with_first_step_exempt(mut self, exempt: bool) -> Self {
        self.first_step_exempt = exempt;
        self
    }
}

impl<E: DiscreteEnvironment> DiscreteEnvironment for RewardNoise<E> {
    delegate!(environment);

    fn seed(&mut self, seed: u64, index: u32) {
        self.state = NoiseState::new(seed, index);
        self.environment.seed(seed, index);
    }

    fn reset(&mut self) {
        self.environment.reset();
    }

    fn step(&mut self, action: usize) -> Transition {
        let noise = self
            .state
            .draw(self.standard_deviation, self.first_step_exempt);
        let transition = self.environment.step(action);
        Transition {
            reward: transition.reward + noise,
            ..transition
        }
    }

    fn save(&self) -> Option<Value> {
        state::save(&SavedWrapper {
            wrapper: &self.state,
            environment: self.environment.save()?,
        })
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let saved: SavedWrapper<NoiseState> = state::restore("the reward noise", saved)?;
        self.environment.restore(&saved.environment)?;
        self.state = saved.wrapper;
        Ok(())
    }
}

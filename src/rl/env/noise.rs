use super::{DiscreteEnvironment, Transition};
use crate::rl::random::Stream;
use rand_distr::{Distribution, StandardNormal};

/// Adds independent Gaussian noise to every reward of an environment, as bsuite's wrapper does.
#[derive(Clone, Debug)]
pub struct RewardNoise<E> {
    environment: E,
    standard_deviation: f64,
    noise: Stream,
}

impl<E: DiscreteEnvironment> RewardNoise<E> {
    /// `environment` with noise of this standard deviation, drawn from `noise`.
    pub fn new(environment: E, standard_deviation: f64, noise: Stream) -> Self {
        Self {
            environment,
            standard_deviation,
            noise,
        }
    }
}

impl<E: DiscreteEnvironment> DiscreteEnvironment for RewardNoise<E> {
    fn observation_size(&self) -> usize {
        self.environment.observation_size()
    }

    fn actions(&self) -> usize {
        self.environment.actions()
    }

    fn reset(&mut self) {
        self.environment.reset();
    }

    fn step(&mut self, action: usize) -> Transition {
        let draw: f64 = StandardNormal.sample(&mut self.noise);
        let transition = self.environment.step(action);
        Transition {
            reward: transition.reward + self.standard_deviation * draw,
            ..transition
        }
    }

    fn observe(&self, observation: &mut [f32]) {
        self.environment.observe(observation);
    }
}

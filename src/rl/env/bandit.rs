use super::environment::{burn_environment, check_action};
use super::{DiscreteEnvironment, ObservationSizeError, RestoreError, Transition, state};
use crate::experiment::{Purpose, Stream, stream};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A k-armed bandit with Gaussian rewards of standard deviation 1 around the mean of each arm (the testbed of
/// Sutton and Barto, section 2.3).
///
/// * Observation: the constant 1, since there is one state.
/// * Every episode consists of one step and terminates.
///
/// The means are part of the problem: [`seed`](DiscreteEnvironment::seed) changes the rewards but not the
/// means. Environments that are stepped together and those of an evaluation therefore have the same means.
#[derive(Clone, Debug)]
pub struct Bandit {
    means: Vec<f64>,
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    rewards: Stream,
}

impl Bandit {
    /// Creates a bandit whose arms have the given mean rewards. Its rewards are drawn from
    /// [`Purpose::Dynamics`].
    ///
    /// # Panics
    ///
    /// If `means` is empty.
    pub fn new(means: Vec<f64>) -> Self {
        assert!(!means.is_empty(), "a bandit needs at least one arm");
        Self {
            means,
            state: State {
                rewards: stream(0, Purpose::Dynamics, 0),
            },
        }
    }

    /// Creates a bandit whose means are drawn from the standard normal distribution with the seed
    /// `means_seed`.
    ///
    /// # Panics
    ///
    /// If `arms` is zero.
    pub fn random(arms: usize, means_seed: u64) -> Self {
        let mut draws = stream(means_seed, Purpose::Problem, 0);
        Self::new(
            (0..arms)
                .map(|_| StandardNormal.sample(&mut draws))
                .collect(),
        )
    }

    /// Returns the mean reward of each arm.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// Returns the mean reward of the best arm.
    pub fn best_mean(&self) -> f64 {
        self.means.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Returns the only state.
    pub fn state(&self) {}
}

impl DiscreteEnvironment for Bandit {
    fn observation_size(&self) -> usize {
        1
    }

    fn actions(&self) -> usize {
        self.means.len()
    }

    fn seed(&mut self, seed: u64, index: u32) {
        self.state.rewards = stream(seed, Purpose::Dynamics, index);
    }

    fn reset(&mut self) {}

    fn step(&mut self, action: usize) -> Transition {
        check_action(action, self.means.len());
        let draw: f64 = StandardNormal.sample(&mut self.state.rewards);
        Transition {
            terminated: true,
            ..Transition::ongoing(self.means[action] + draw)
        }
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        observation.fill(1.0);
        Ok(())
    }

    fn save(&self) -> Option<Value> {
        state::save(&self.state)
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        self.state = state::restore("the bandit", saved)?;
        Ok(())
    }
}

burn_environment!(Bandit, (), 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_lie_around_the_means() {
        let mut bandit = Bandit::new(vec![-1.0, 0.5]);
        bandit.seed(1, 0);
        const DRAWS: usize = 20_000;
        for (arm, mean) in [(0, -1.0), (1, 0.5)] {
            let rewards: Vec<f64> = (0..DRAWS)
                .map(|_| DiscreteEnvironment::step(&mut bandit, arm))
                .inspect(|transition| assert!(transition.terminated && !transition.truncated))
                .map(|transition| transition.reward)
                .collect();
            let n = DRAWS as f64;
            let found = rewards.iter().sum::<f64>() / n;
            assert!((found - mean).abs() < 4.0 / n.sqrt(), "{found}");
            let variance = rewards.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n;
            assert!(
                (variance - 1.0).abs() < 4.0 * (2.0 / n).sqrt(),
                "{variance}"
            );
        }
        assert_eq!(bandit.best_mean(), 0.5);
    }

    #[test]
    fn the_means_are_those_of_their_seed() {
        let mut bandit = Bandit::random(10, 42);
        assert_eq!(bandit.means(), Bandit::random(10, 42).means());
        assert_ne!(bandit.means(), Bandit::random(10, 43).means());
        let means = bandit.means().to_vec();
        bandit.seed(5, 1);
        assert_eq!(bandit.means(), means);
    }
}

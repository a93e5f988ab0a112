use super::environment::{burn_environment, check_action};
use super::one_hot::one_hot;
use super::{DiscreteEnvironment, ObservationSizeError, RestoreError, Transition, state};
use crate::experiment::{Purpose, Stream, stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A minimal environment that every learner must solve: the reward is 1 for the action whose index is that of
/// the state, and 0 for any other.
///
/// * Observation: the state, one-hot.
/// * State: drawn uniformly at every step, independent of the action.
/// * Truncated after [`MAX_STEPS`](Self::MAX_STEPS) steps; never terminated.
#[derive(Clone, Debug)]
pub struct Identity {
    actions: usize,
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    wanted: usize,
    steps: usize,
    states: Stream,
}

impl Identity {
    /// The number of steps of an episode.
    pub const MAX_STEPS: usize = 10;

    /// Creates an environment with `actions` states and as many actions. It draws its states from
    /// [`Purpose::Dynamics`].
    ///
    /// # Panics
    ///
    /// If `actions` is zero.
    pub fn new(actions: usize) -> Self {
        assert!(
            actions > 0,
            "an identity environment needs at least one action"
        );
        let mut environment = Self {
            actions,
            state: State {
                wanted: 0,
                steps: 0,
                states: stream(0, Purpose::Dynamics, 0),
            },
        };
        environment.reset();
        environment
    }

    /// Returns the state, which is the index of the rewarded action.
    pub fn state(&self) -> usize {
        self.state.wanted
    }

    fn draw(&mut self) {
        self.state.wanted = self.state.states.random_range(0..self.actions);
    }
}

impl DiscreteEnvironment for Identity {
    fn observation_size(&self) -> usize {
        self.actions
    }

    fn actions(&self) -> usize {
        self.actions
    }

    fn seed(&mut self, seed: u64, index: u32) {
        self.state.states = stream(seed, Purpose::Dynamics, index);
        self.reset();
    }

    fn reset(&mut self) {
        self.state.steps = 0;
        self.draw();
    }

    fn step(&mut self, action: usize) -> Transition {
        check_action(action, self.actions);
        let reward = if action == self.state.wanted {
            1.0
        } else {
            0.0
        };
        self.draw();
        self.state.steps += 1;
        Transition {
            truncated: self.state.steps >= Self::MAX_STEPS,
            ..Transition::ongoing(reward)
        }
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        one_hot(Some(self.state.wanted), observation);
        Ok(())
    }

    fn save(&self) -> Option<Value> {
        state::save(&self.state)
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        const NAME: &str = "the identity environment";
        let saved: State = state::restore(NAME, saved)?;
        state::check_index(NAME, "state", saved.wanted, self.actions)?;
        state::check_index(NAME, "steps", saved.steps, Self::MAX_STEPS + 1)?;
        self.state = saved;
        Ok(())
    }
}

burn_environment!(Identity, usize, Identity::MAX_STEPS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_observed_action_is_rewarded_and_every_one_comes_up() {
        let mut identity = Identity::new(3);
        let mut counts = [0_u32; 3];
        let mut observation = [0.0; 3];
        for step in 1..=3000 {
            identity.observe(&mut observation).expect("an observation");
            let wanted = observation.iter().position(|&x| x == 1.0);
            assert_eq!(wanted, Some(Identity::state(&identity)));
            let wanted = Identity::state(&identity);
            counts[wanted] += 1;
            let action = if step % 2 == 0 {
                wanted
            } else {
                (wanted + 1) % 3
            };
            let transition = DiscreteEnvironment::step(&mut identity, action);
            assert_eq!(transition.reward, if step % 2 == 0 { 1.0 } else { 0.0 });
            assert_eq!(transition.truncated, step % Identity::MAX_STEPS == 0);
            if transition.done() {
                DiscreteEnvironment::reset(&mut identity);
            }
        }
        // Four standard deviations of a count.
        assert!(counts.iter().all(|&c| c.abs_diff(1000) < 104), "{counts:?}");
    }
}

use super::environment::{burn_environment, check_action};
use super::one_hot::one_hot;
use super::{DiscreteEnvironment, ObservationSizeError, RestoreError, Transition, state};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The chain of arXiv 2601.12604, with a small reward at its near end and a large reward at its far end.
///
/// * States 0 to `n` - 1. An episode begins in state 1. Action 1 moves right and action 0 left; a move beyond
///   an end leaves the state unchanged.
/// * Reward: 1 for moving right in the last state, 0.01 for moving left in the first, otherwise 0.
/// * Observation: the state, one-hot. The time is not observed.
/// * Truncated after `n` + 8 steps; never terminated, so that a learner can bootstrap from the final state.
///
/// Always moving right has an undiscounted return of 10, whatever the length.
#[derive(Clone, Debug)]
pub struct NChain {
    states: usize,
    position: Position,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Position {
    state: usize,
    steps: usize,
}

const FIRST: Position = Position { state: 1, steps: 0 };
const SMALL_REWARD: f64 = 0.01;
const LARGE_REWARD: f64 = 1.0;
/// The number of steps of an episode beyond the number of states.
const SPARE_STEPS: usize = 8;

impl NChain {
    /// The largest return of an episode: ten steps remain when the last state is reached.
    pub const BEST_RETURN: f64 = (SPARE_STEPS + 2) as f64 * LARGE_REWARD;

    /// Creates a chain with `states` states.
    ///
    /// # Panics
    ///
    /// If `states` is less than two.
    pub fn new(states: usize) -> Self {
        assert!(states >= 2, "a chain needs at least 2 states, not {states}");
        Self {
            states,
            position: FIRST,
        }
    }

    /// Returns the state, from 0 to `n` - 1.
    pub fn state(&self) -> usize {
        self.position.state
    }

    /// Returns the number of steps of an episode.
    pub fn max_steps(&self) -> usize {
        self.states + SPARE_STEPS
    }
}

impl DiscreteEnvironment for NChain {
    fn observation_size(&self) -> usize {
        self.states
    }

    fn actions(&self) -> usize {
        2
    }

    /// Begins an episode. The seed has no effect, because the chain draws no random numbers.
    fn seed(&mut self, _seed: u64, _index: u32) {
        self.reset();
    }

    fn reset(&mut self) {
        self.position = FIRST;
    }

    fn step(&mut self, action: usize) -> Transition {
        check_action(action, 2);
        let state = self.position.state;
        let (next, reward) = match action {
            1 if state == self.states - 1 => (state, LARGE_REWARD),
            1 => (state + 1, 0.0),
            _ if state == 0 => (state, SMALL_REWARD),
            _ => (state - 1, 0.0),
        };
        self.position.state = next;
        self.position.steps += 1;
        Transition {
            truncated: self.position.steps >= self.max_steps(),
            ..Transition::ongoing(reward)
        }
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        one_hot(Some(self.position.state), observation);
        Ok(())
    }

    fn save(&self) -> Option<Value> {
        state::save(&self.position)
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let position: Position = state::restore("NChain", saved)?;
        state::check_index("NChain", "state", position.state, self.states)?;
        state::check_index("NChain", "steps", position.steps, self.max_steps() + 1)?;
        self.position = position;
        Ok(())
    }
}

// The environment ends each episode itself, after a number of steps that depends on its length.
burn_environment!(NChain, usize, usize::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rewards of an episode of moves in one direction.
    fn rewards(states: usize, action: usize) -> Vec<f64> {
        let mut chain = NChain::new(states);
        let mut rewards = Vec::new();
        loop {
            let transition = DiscreteEnvironment::step(&mut chain, action);
            assert!(!transition.terminated);
            rewards.push(transition.reward);
            if transition.truncated {
                return rewards;
            }
        }
    }

    fn discounted(rewards: &[f64], horizon: usize) -> f64 {
        let discounts = (0..).map(|t| 0.99_f64.powi(t));
        rewards
            .iter()
            .take(horizon)
            .zip(discounts)
            .map(|(reward, discount)| reward * discount)
            .sum()
    }

    /// The optimal returns in the experiments of arXiv 2601.12604: discount 0.99, cut at 25 steps.
    #[test]
    fn returns_of_both_directions() {
        for (states, right, left) in [
            (10, 8.823093, 0.155486),
            (15, 8.390674, 0.196386),
            (20, 5.669240, 0.212179),
        ] {
            let of = |action| rewards(states, action);
            assert_eq!(of(1).len(), states + 8);
            assert_eq!(of(1).iter().sum::<f64>(), NChain::BEST_RETURN);
            assert!((discounted(&of(1), 25) - right).abs() < 1e-6);
            assert!((discounted(&of(0), 25) - left).abs() < 1e-6, "{states}");
        }
        assert_eq!(rewards(2, 1).iter().sum::<f64>(), NChain::BEST_RETURN);
    }

    /// Tries every sequence of moves: none earns more than moving right.
    #[test]
    fn nothing_earns_more_than_moving_right() {
        let steps = NChain::new(3).max_steps();
        let best = (0..1_u32 << steps)
            .map(|moves| {
                let mut chain = NChain::new(3);
                let step = |i| DiscreteEnvironment::step(&mut chain, (moves >> i & 1) as usize);
                (0..steps).map(step).map(|t| t.reward).sum::<f64>()
            })
            .fold(0.0, f64::max);
        assert_eq!(best, NChain::BEST_RETURN);
    }

    #[test]
    fn moves_and_observations() {
        let mut chain = NChain::new(4);
        let mut seen = Vec::new();
        for action in [1, 1, 1, 0, 0, 0, 0, 1] {
            DiscreteEnvironment::step(&mut chain, action);
            seen.push(NChain::state(&chain));
            let mut observation = [9.0; 4];
            chain.observe(&mut observation).expect("an observation");
            let mut wanted = [0.0; 4];
            wanted[NChain::state(&chain)] = 1.0;
            assert_eq!(observation, wanted);
        }
        assert_eq!(seen, [2, 3, 3, 2, 1, 0, 0, 1]);
    }
}

mod mapping;
#[cfg(test)]
mod tests;

use super::environment::{burn_environment, check_action};
use super::one_hot::one_hot;
use super::{DiscreteEnvironment, ObservationSizeError, RestoreError, Transition, state};
use crate::experiment::{Purpose, Stream, stream};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// DeepSea as bsuite defines it (Osband et al. 2020): a diver sinks through an `N` by `N` grid from the top
/// left cell and finds the treasure only by moving right in every row.
///
/// * Actions: the action that moves right differs from cell to cell; the other action moves left. Moves stop
///   at the walls. Every step sinks by one row.
/// * Reward: 1 for moving right in the last column, minus 0.01 / `N` for every move right, whether or not it
///   succeeds.
/// * Stochastic: a move right fails with probability 1 / `N`. In the last row, a standard normal draw is
///   added to the reward of the first and of the last column.
/// * Observation: the cell, one-hot over `N` squared components; all zero after the last step.
/// * Terminated after `N` steps.
///
/// An episode is bad once it moves left on the diagonal.
#[derive(Clone, Debug)]
pub struct DeepSea {
    size: usize,
    stochastic: bool,
    /// Whether action 1 moves right, by row and column.
    one_is_right: Vec<bool>,
    state: State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    row: usize,
    column: usize,
    bad_episode: bool,
    total_bad_episodes: u64,
    denoised_return: f64,
    dynamics: Stream,
}

/// The total cost of moving right in every row.
const MOVE_COST: f64 = 0.01;

impl DeepSea {
    /// Creates a deterministic sea with `size` rows and columns and the action mapping that bsuite draws from
    /// `mapping_seed`. Equal seeds give equal mappings. bsuite's own experiments use the seed 42.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    pub fn new(size: usize, mapping_seed: u32) -> Self {
        Self::with_mapping(size, mapping::numpy_bernoulli(mapping_seed, size * size))
    }

    /// Creates a deterministic sea with `size` rows and columns in which action 1 moves right in every cell.
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    pub fn unmapped(size: usize) -> Self {
        Self::with_mapping(size, vec![true; size * size])
    }

    /// Creates a deterministic sea with `size` rows and columns and the given action mapping. `one_is_right`
    /// has one entry for each cell, row by row, which is true if action 1 moves right there.
    ///
    /// # Panics
    ///
    /// If `size` is zero, or if `one_is_right` does not have `size` times `size` entries.
    pub fn with_mapping(size: usize, one_is_right: Vec<bool>) -> Self {
        assert!(size > 0, "a sea needs at least one cell");
        assert_eq!(
            one_is_right.len(),
            size * size,
            "a sea needs one mapping entry for each cell"
        );
        Self {
            size,
            stochastic: false,
            one_is_right,
            state: State {
                row: 0,
                column: 0,
                bad_episode: false,
                total_bad_episodes: 0,
                denoised_return: 0.0,
                dynamics: stream(0, Purpose::Dynamics, 0),
            },
        }
    }

    /// Makes the sea stochastic. It draws from [`Purpose::Dynamics`].
    pub fn stochastic(mut self) -> Self {
        self.stochastic = true;
        self
    }

    /// Returns the row and the column. The row is `N` after the last step.
    pub fn state(&self) -> (usize, usize) {
        (self.state.row, self.state.column)
    }

    /// Returns the action that moves right in a cell.
    ///
    /// # Panics
    ///
    /// If the cell is outside the sea.
    pub fn right_action(&self, row: usize, column: usize) -> usize {
        let size = self.size;
        assert!(
            row < size && column < size,
            "row {row} and column {column} are outside a sea of size {size}"
        );
        usize::from(self.one_is_right[row * self.size + column])
    }

    /// Returns the expected return of moving right in every row, which bsuite calls optimal. In the
    /// stochastic sea, a diver that stops paying for moves after a failure earns slightly more.
    pub fn optimal_return(&self) -> f64 {
        optimal_return(self.size, self.stochastic)
    }

    /// Returns the number of bad episodes that have ended, as bsuite counts them.
    pub fn total_bad_episodes(&self) -> u64 {
        self.state.total_bad_episodes
    }

    /// Returns the number of treasures found, as bsuite counts them.
    pub fn denoised_return(&self) -> f64 {
        self.state.denoised_return
    }

    /// Takes a step with the given draws: `fails` decides whether a move right fails, and `noise` is added to
    /// the reward at the ends of the last row.
    fn advance(&mut self, action: usize, fails: bool, noise: f64) -> Transition {
        let last = self.size - 1;
        let State { row, column, .. } = self.state;
        let moves_right = action == self.right_action(row, column);
        let mut reward = 0.0;
        if moves_right && column == last {
            reward += 1.0;
            self.state.denoised_return += 1.0;
        }
        if row == last && (column == 0 || column == last) {
            reward += noise;
        }
        if moves_right {
            reward -= MOVE_COST / self.size as f64;
            self.state.column = if fails {
                column
            } else {
                (column + 1).min(last)
            };
        } else {
            self.state.bad_episode |= row == column;
            self.state.column = column.saturating_sub(1);
        }
        self.state.row += 1;
        let terminated = self.state.row == self.size;
        self.state.total_bad_episodes += u64::from(terminated && self.state.bad_episode);
        Transition {
            terminated,
            ..Transition::ongoing(reward)
        }
    }
}

/// Returns the expected return of moving right in every row of a sea of the given size.
pub(super) fn optimal_return(size: usize, stochastic: bool) -> f64 {
    let treasure = if stochastic {
        // The move in the last row is rewarded even if it fails.
        (1.0 - 1.0 / size as f64).powf((size - 1) as f64)
    } else {
        1.0
    };
    treasure - MOVE_COST
}

impl DiscreteEnvironment for DeepSea {
    fn observation_size(&self) -> usize {
        self.size * self.size
    }

    fn actions(&self) -> usize {
        2
    }

    /// Also resets bsuite's counts to zero. The action mapping does not change.
    fn seed(&mut self, seed: u64, index: u32) {
        self.state.dynamics = stream(seed, Purpose::Dynamics, index);
        self.state.total_bad_episodes = 0;
        self.state.denoised_return = 0.0;
        self.reset();
    }

    fn reset(&mut self) {
        self.state.row = 0;
        self.state.column = 0;
        self.state.bad_episode = false;
    }

    fn step(&mut self, action: usize) -> Transition {
        check_action(action, 2);
        let (fails, noise) = if self.stochastic {
            let draws = &mut self.state.dynamics;
            let fails = draws.random::<f64>() <= 1.0 / self.size as f64;
            (fails, StandardNormal.sample(draws))
        } else {
            (false, 0.0)
        };
        self.advance(action, fails, noise)
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        let State { row, column, .. } = self.state;
        let cell = (row < self.size).then_some(row * self.size + column);
        one_hot(cell, observation);
        Ok(())
    }

    fn bad_episode(&self) -> Option<bool> {
        Some(self.state.bad_episode)
    }

    fn save(&self) -> Option<Value> {
        state::save(&self.state)
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let saved: State = state::restore("DeepSea", saved)?;
        state::check_index("DeepSea", "row", saved.row, self.size + 1)?;
        state::check_index("DeepSea", "column", saved.column, self.size)?;
        self.state = saved;
        Ok(())
    }
}

// The environment ends each episode itself, after as many steps as the sea has rows.
burn_environment!(DeepSea, (usize, usize), usize::MAX);

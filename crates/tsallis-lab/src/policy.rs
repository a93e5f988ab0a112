//! Tabular policies.

mod projection;
mod softargmax;

pub use projection::{project_logits, project_probabilities};
pub use softargmax::{Reference, ReferenceError, SoftargmaxPolicy};

/// A tabular policy of a finite process, with its divergence in each state.
pub trait Policy {
    /// Returns the number of actions in each state.
    fn actions(&self) -> usize;

    /// Returns the probabilities `pi(a | s)`, state by state.
    fn probabilities(&self) -> &[f64];

    /// Returns the divergence `D(pi(. | s))` of a state. It is zero for a policy without regularization.
    fn state_divergence(&self, _state: usize) -> f64 {
        0.0
    }

    /// Returns the probabilities `pi(. | s)` of a state.
    fn row(&self, state: usize) -> &[f64] {
        let actions = self.actions();
        &self.probabilities()[state * actions..(state + 1) * actions]
    }
}

/// A fixed policy without regularization.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePolicy {
    actions: usize,
    probabilities: Vec<f64>,
}

impl TablePolicy {
    /// Creates the policy that takes each action of a state with the same probability.
    pub fn uniform(states: usize, actions: usize) -> Self {
        Self {
            actions,
            probabilities: vec![1.0 / actions as f64; states * actions],
        }
    }

    /// Creates the policy that takes action `choices[state]` in each state.
    ///
    /// # Panics
    ///
    /// Panics if a choice is not below `actions`.
    pub fn deterministic(choices: &[usize], actions: usize) -> Self {
        let mut probabilities = vec![0.0; choices.len() * actions];
        for (state, &action) in choices.iter().enumerate() {
            assert!(action < actions, "action {action} is not below {actions}");
            probabilities[state * actions + action] = 1.0;
        }
        Self {
            actions,
            probabilities,
        }
    }
}

impl Policy for TablePolicy {
    fn actions(&self) -> usize {
        self.actions
    }

    fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }
}

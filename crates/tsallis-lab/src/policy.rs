//! Tables of policies.

mod projection;
mod softargmax;

pub use projection::{project_logits, project_probabilities};
pub use softargmax::{Reference, ReferenceError, SoftargmaxPolicy};

/// A policy of a finite process as a table, with what it pays for regularization in each state.
pub trait Policy {
    /// How many actions each state has.
    fn actions(&self) -> usize;

    /// `pi(a | s)`, state by state.
    fn probabilities(&self) -> &[f64];

    /// `D(pi(. | s))` of each state; zeros where nothing is regularized.
    fn divergences(&self) -> &[f64];

    /// `pi(. | s)`.
    fn row(&self, state: usize) -> &[f64] {
        let actions = self.actions();
        &self.probabilities()[state * actions..(state + 1) * actions]
    }
}

/// A policy that is nothing but its probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct TablePolicy {
    actions: usize,
    probabilities: Vec<f64>,
    divergences: Vec<f64>,
}

impl TablePolicy {
    /// The policy that takes each action of a state with the same probability.
    pub fn uniform(states: usize, actions: usize) -> Self {
        Self {
            actions,
            probabilities: vec![1.0 / actions as f64; states * actions],
            divergences: vec![0.0; states],
        }
    }

    /// The policy that takes one action in each state.
    ///
    /// # Panics
    ///
    /// If an action does not exist.
    pub fn deterministic(choices: &[usize], actions: usize) -> Self {
        let mut probabilities = vec![0.0; choices.len() * actions];
        for (state, &action) in choices.iter().enumerate() {
            assert!(action < actions, "action {action} of {actions}");
            probabilities[state * actions + action] = 1.0;
        }
        Self {
            actions,
            probabilities,
            divergences: vec![0.0; choices.len()],
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

    fn divergences(&self) -> &[f64] {
        &self.divergences
    }
}

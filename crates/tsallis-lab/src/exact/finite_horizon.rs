use super::evaluator::{dot, regularized_advantage, step_reward};
use crate::{Mdp, Policy, SoftargmaxPolicy};

/// Computes exact values and gradients over a fixed number of steps, for policies that do not depend on the time.
/// Estimators from truncated episodes are unbiased for this objective.
#[derive(Clone, Copy, Debug)]
pub struct FiniteHorizon<'a> {
    mdp: &'a Mdp,
    steps: usize,
}

impl<'a> FiniteHorizon<'a> {
    /// Creates an evaluator for the first `steps` steps of an episode.
    pub fn new(mdp: &'a Mdp, steps: usize) -> Self {
        Self { mdp, steps }
    }

    /// Computes `E sum_{t < H} gamma^t (r_t - lambda D(s_t))` from the start distribution.
    pub fn objective(&self, policy: &impl Policy, temperature: f64) -> f64 {
        let mut v = vec![0.0; self.mdp.states()];
        for _ in 0..self.steps {
            v = self.back_up(policy, temperature, &v).0;
        }
        dot(self.mdp.start(), &v)
    }

    /// Computes the gradient of [`objective`](Self::objective) in the logits. It is the sum over `t` of the
    /// infinite-horizon formula, with the state distribution at time `t` and the values of the remaining steps.
    pub fn gradient(&self, policy: &SoftargmaxPolicy, temperature: f64) -> Vec<f64> {
        let (states, actions) = (self.mdp.states(), self.mdp.actions());
        // Q with h steps to go, for each h.
        let mut to_go = Vec::with_capacity(self.steps);
        let mut v = vec![0.0; states];
        for _ in 0..self.steps {
            let (next, q) = self.back_up(policy, temperature, &v);
            to_go.push(q);
            v = next;
        }
        let mut gradient = vec![0.0; states * actions];
        let mut reached = self.mdp.start().to_vec();
        let (mut z, mut row) = (vec![0.0; actions], vec![0.0; actions]);
        while let Some(q) = to_go.pop() {
            let mut next = vec![0.0; states];
            for (state, &reached) in reached.iter().enumerate() {
                if reached == 0.0 {
                    continue;
                }
                regularized_advantage(policy, state, &q, temperature, &mut z);
                policy.jacobian_product(state, &z, &mut row);
                for (g, i) in row.iter().zip(policy.range(state)) {
                    gradient[i] += reached * g;
                }
                for (action, p) in policy.row(state).iter().enumerate() {
                    for outcome in self.mdp.outcomes(state, action) {
                        if let Some(to) = outcome.next {
                            let weight = self.mdp.discount() * p * outcome.probability;
                            next[to] += reached * weight;
                        }
                    }
                }
            }
            reached = next;
        }
        gradient
    }

    /// Computes `V` and `Q` with one more step to go.
    fn back_up(&self, policy: &impl Policy, temperature: f64, v: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (states, actions) = (self.mdp.states(), self.mdp.actions());
        let mut q = vec![0.0; states * actions];
        let mut next = vec![0.0; states];
        for (state, row) in q.chunks_mut(actions).enumerate() {
            self.mdp.back_up(state, v, row);
            let paid = step_reward(self.mdp, policy, temperature, state);
            let earned: f64 = (0..actions)
                .map(|a| policy.row(state)[a] * self.mdp.reward(state, a))
                .sum();
            next[state] = dot(policy.row(state), row) + (paid - earned);
        }
        (next, q)
    }
}

use super::reinforce::{Batch, Credit, TabularLearner};
use crate::{Divergence, Policy, SoftargmaxPolicy};

/// The softmax with a logarithmic barrier. A step follows the gradient of the return plus the gradient of
/// `lambda sum_s sum_a ln pi(a | s)` over all states, visited or not.
#[derive(Clone, Debug)]
pub struct LogBarrier {
    policy: SoftargmaxPolicy,
    temperature: f64,
    gradient: Vec<f64>,
    zeros: Vec<f64>,
}

impl LogBarrier {
    /// Creates a learner that starts at the uniform policy. `temperature` is the weight `lambda` of the barrier.
    pub fn new(states: usize, actions: usize, temperature: f64) -> Self {
        Self {
            policy: SoftargmaxPolicy::uniform(Divergence::Tsallis(1.0), states, actions),
            temperature,
            gradient: vec![0.0; actions],
            zeros: vec![0.0; actions],
        }
    }
}

impl Policy for LogBarrier {
    fn actions(&self) -> usize {
        self.policy.actions()
    }

    fn probabilities(&self) -> &[f64] {
        self.policy.probabilities()
    }
}

impl TabularLearner for LogBarrier {
    const CREDIT: Credit = Credit::ToGo;

    fn temperature(&self) -> f64 {
        0.0
    }

    fn ascend(&mut self, batch: &Batch, eta: f64) {
        let actions = self.zeros.len() as f64;
        for state in 0..self.policy.states() {
            // Zero if the state was not visited.
            self.policy
                .score(state, batch.credit(state), &mut self.gradient);
            for (g, p) in self.gradient.iter_mut().zip(self.policy.row(state)) {
                *g += self.temperature * (1.0 - actions * p);
            }
            if self.gradient != self.zeros {
                self.policy.step(state, &self.gradient, eta);
            }
        }
    }
}

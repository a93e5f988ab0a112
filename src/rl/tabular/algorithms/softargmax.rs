use super::reinforce::{Batch, Credit, Learner};
use crate::rl::tabular::policy::project_logits;
use crate::rl::tabular::{Policy, SoftargmaxPolicy};

/// f-PG: the f-softargmax and the divergence of one generator. At order one, softmax and entropy.
#[derive(Clone, Debug)]
pub struct FPg {
    policy: SoftargmaxPolicy,
    temperature: f64,
    floor: Option<f64>,
    gradient: Vec<f64>,
    slope: Vec<f64>,
}

impl FPg {
    /// Begins at a policy, regularised at this temperature.
    pub fn new(policy: SoftargmaxPolicy, temperature: f64) -> Self {
        let actions = policy.actions();
        Self {
            policy,
            temperature,
            floor: None,
            gradient: vec![0.0; actions],
            slope: vec![0.0; actions],
        }
    }

    /// Projects after each step, so that no probability falls below `tau q`.
    pub fn with_floor(mut self, tau: Option<f64>) -> Self {
        self.floor = tau;
        self
    }

    /// The policy.
    pub fn policy(&self) -> &SoftargmaxPolicy {
        &self.policy
    }

    /// Calls with each state of a batch and the estimate of its gradient.
    pub fn estimate(&self, batch: &Batch, mut call: impl FnMut(usize, &[f64])) {
        let (mut gradient, mut slope) = (self.gradient.clone(), self.slope.clone());
        for &state in batch.touched() {
            estimate(
                &self.policy,
                self.temperature,
                batch,
                state,
                &mut gradient,
                &mut slope,
            );
            call(state, &gradient);
        }
    }
}

/// `sum_a c_a score_a - lambda n dD/dtheta`.
fn estimate(
    policy: &SoftargmaxPolicy,
    temperature: f64,
    batch: &Batch,
    state: usize,
    gradient: &mut [f64],
    slope: &mut [f64],
) {
    policy.score(state, batch.credit(state), gradient);
    if temperature == 0.0 {
        return;
    }
    policy.jacobian_product(state, &policy.derivatives()[policy.range(state)], slope);
    let paid = temperature * batch.visits(state);
    for (g, slope) in gradient.iter_mut().zip(slope) {
        *g -= paid * *slope;
    }
}

impl Policy for FPg {
    fn actions(&self) -> usize {
        self.policy.actions()
    }

    fn probabilities(&self) -> &[f64] {
        self.policy.probabilities()
    }

    fn divergences(&self) -> &[f64] {
        self.policy.divergences()
    }
}

impl Learner for FPg {
    const CREDIT: Credit = Credit::Objective;

    fn temperature(&self) -> f64 {
        self.temperature
    }

    fn ascend(&mut self, batch: &Batch, eta: f64) {
        for &state in batch.touched() {
            let (gradient, slope) = (&mut self.gradient, &mut self.slope);
            estimate(
                &self.policy,
                self.temperature,
                batch,
                state,
                gradient,
                slope,
            );
            self.policy.change(state, |logits| {
                for (logit, g) in logits.iter_mut().zip(&*gradient) {
                    *logit += eta * g;
                }
            });
            if let Some(tau) = self.floor {
                project_logits(&mut self.policy, state, tau);
            }
        }
    }
}

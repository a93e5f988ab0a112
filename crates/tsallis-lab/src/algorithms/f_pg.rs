use super::Direction;
use super::reinforce::{Batch, Credit, TabularLearner};
use crate::policy::project_logits;
use crate::{Divergence, Policy, SoftargmaxPolicy};

/// f-PG from samples: an f-softargmax policy regularized by the divergence of the same generator, with steps along the
/// gradient or the natural gradient. With `alpha = 1` it is the softmax with entropy regularization.
#[derive(Clone, Debug)]
pub struct FPg {
    policy: SoftargmaxPolicy,
    temperature: f64,
    direction: Direction,
    floor: Option<f64>,
    buffers: Buffers,
}

#[derive(Clone, Debug, Default)]
struct Buffers {
    direction: Vec<f64>,
    slope: Vec<f64>,
}

impl FPg {
    /// Creates a learner that starts at `policy`, regularized with `temperature` (`lambda`).
    pub fn new(policy: SoftargmaxPolicy, temperature: f64) -> Self {
        let actions = policy.actions();
        Self {
            policy,
            temperature,
            direction: Direction::Gradient,
            floor: None,
            buffers: Buffers {
                direction: vec![0.0; actions],
                slope: vec![0.0; actions],
            },
        }
    }

    /// Sets the direction of the steps. The default is [`Direction::Gradient`].
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Projects the policy after each step so that no probability falls below `tau q`. `tau` must be from 0 to the
    /// smallest probability of the reference. `None`, the default, turns the projection off.
    pub fn with_floor(mut self, tau: Option<f64>) -> Self {
        self.floor = tau;
        self
    }

    /// Returns the policy.
    pub fn policy(&self) -> &SoftargmaxPolicy {
        &self.policy
    }

    /// Changes the divergence and keeps the logits.
    pub fn set_divergence(&mut self, divergence: Divergence) {
        self.policy.set_divergence(divergence);
    }

    /// Calls `call` with each visited state of `batch` and the direction of its step, one component per action.
    pub fn estimate(&self, batch: &Batch, mut call: impl FnMut(usize, &[f64])) {
        let mut buffers = self.buffers.clone();
        for &state in batch.visited() {
            self.step_direction(batch, state, &mut buffers);
            call(state, &buffers.direction);
        }
    }

    fn step_direction(&self, batch: &Batch, state: usize, buffers: &mut Buffers) {
        match self.direction {
            Direction::Gradient => self.gradient(batch, state, buffers),
            Direction::Natural => self.natural_gradient(batch, state, &mut buffers.direction),
        }
    }

    /// Computes `sum_a c_a score_a - lambda n dD/dtheta`, with the credit `c` and the visits `n` of the state.
    fn gradient(&self, batch: &Batch, state: usize, buffers: &mut Buffers) {
        let policy = &self.policy;
        policy.score(state, batch.credit(state), &mut buffers.direction);
        if self.temperature == 0.0 {
            return;
        }
        let y = &policy.derivatives()[policy.range(state)];
        policy.jacobian_product(state, y, &mut buffers.slope);
        let paid = self.temperature * batch.visits(state);
        for (g, slope) in buffers.direction.iter_mut().zip(&buffers.slope) {
            *g -= paid * *slope;
        }
    }

    /// Computes the gradient multiplied by the inverse Fisher information of the state at its visits `n`:
    ///
    /// ```text
    /// v_a = [(c_a - p_a sum c) / n - lambda p_a (y_a - <p, y>)] / k_a
    /// ```
    ///
    /// For the softmax it is the importance-weighted estimate of the advantage. It is zero if the visits have no
    /// weight, since the discount of a late step may be zero.
    fn natural_gradient(&self, batch: &Batch, state: usize, direction: &mut [f64]) {
        let range = self.policy.range(state);
        let p = self.policy.row(state);
        let k = &self.policy.weights()[range.clone()];
        let y = &self.policy.derivatives()[range];
        let credit = batch.credit(state);
        let visits = batch.visits(state);
        let total: f64 = credit.iter().sum();
        direction.fill(0.0);
        if visits == 0.0 {
            return;
        }
        let on_support = |a: &usize| k[*a] > 0.0;
        let mean: f64 = (0..p.len()).filter(on_support).map(|a| p[a] * y[a]).sum();
        for a in (0..p.len()).filter(on_support) {
            let regular = self.temperature * p[a] * (y[a] - mean);
            direction[a] = ((credit[a] - p[a] * total) / visits - regular) / k[a];
        }
    }
}

impl Policy for FPg {
    fn actions(&self) -> usize {
        self.policy.actions()
    }

    fn probabilities(&self) -> &[f64] {
        self.policy.probabilities()
    }

    fn state_divergence(&self, state: usize) -> f64 {
        self.policy.state_divergence(state)
    }
}

impl TabularLearner for FPg {
    const CREDIT: Credit = Credit::Objective;

    fn temperature(&self) -> f64 {
        self.temperature
    }

    fn ascend(&mut self, batch: &Batch, eta: f64) {
        let mut buffers = std::mem::take(&mut self.buffers);
        for &state in batch.visited() {
            self.step_direction(batch, state, &mut buffers);
            self.policy.step(state, &buffers.direction, eta);
            if let Some(tau) = self.floor {
                project_logits(&mut self.policy, state, tau);
            }
        }
        self.buffers = buffers;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reinforce, Sampling};
    use super::*;
    use crate::mdp::garnet;
    use crate::testing::policy_of_row;
    use burn_tsallis::experiment::{Purpose, stream};

    #[test]
    fn the_fisher_information_takes_the_natural_gradient_back_to_the_gradient() {
        let mdp = garnet(1, 4, 1, 0.5, 2).expect("sizes");
        let policy = policy_of_row(Divergence::Tsallis(0.5), &[0.4, -0.3, 0.1, 0.9]);
        let sampling = Sampling::new(30, 5);
        let learner = FPg::new(policy.clone(), 0.2);
        let random = stream(3, Purpose::TabularEpisodes, 0);
        let mut run = Reinforce::new(&mdp, learner, sampling, random);
        run.sample();
        let of = |direction| {
            let learner = run.learner().clone().with_direction(direction);
            let mut row = Vec::new();
            learner.estimate(run.batch(), |_, d| row = d.to_vec());
            row
        };
        let (gradient, v) = (of(Direction::Gradient), of(Direction::Natural));
        // F = n J diag(1 / p) J. A constant added to v is in the kernel of F.
        let mut product = [0.0; 4];
        policy.jacobian_product(0, &v, &mut product);
        let divided: Vec<f64> = product
            .iter()
            .zip(policy.row(0))
            .map(|(x, p)| x / p)
            .collect();
        policy.jacobian_product(0, &divided, &mut product);
        for (a, b) in product.iter().zip(&gradient) {
            assert!((a * run.batch().visits(0) - b).abs() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn the_logits_stay_when_the_divergence_changes() {
        let policy = policy_of_row(Divergence::Tsallis(0.5), &[3.0, 0.0]);
        let mut learner = FPg::new(policy, 0.1);
        learner.set_divergence(Divergence::Tsallis(1.0));
        assert_eq!(learner.policy().logits(), [3.0, 0.0]);
        let sigmoid = 1.0 / (1.0 + (-3_f64).exp());
        assert!((learner.row(0)[0] - sigmoid).abs() < 1e-15);
    }
}

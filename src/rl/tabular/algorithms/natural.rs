use super::reinforce::{Batch, Credit, Learner};
use crate::rl::tabular::{Policy, SoftargmaxPolicy};

/// The natural policy gradient from samples: the estimate of f-PG in each visited state, by the inverse of
/// the state's Fisher information at as many visits as there were.
///
/// ```text
/// v_a = [c_a - p_a sum c - lambda n p_a (y_a - <p, y>)] / (n k_a)
/// ```
///
/// For the softmax it is the importance-weighted estimate of the advantage.
#[derive(Clone, Debug)]
pub struct NaturalGradient {
    policy: SoftargmaxPolicy,
    temperature: f64,
}

impl NaturalGradient {
    /// Begins at a policy, regularised at this temperature.
    pub fn new(policy: SoftargmaxPolicy, temperature: f64) -> Self {
        Self {
            policy,
            temperature,
        }
    }
}

impl Policy for NaturalGradient {
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

impl Learner for NaturalGradient {
    const CREDIT: Credit = Credit::Objective;

    fn temperature(&self) -> f64 {
        self.temperature
    }

    fn ascend(&mut self, batch: &Batch, eta: f64) {
        let mut direction = vec![0.0; self.policy.actions()];
        for &state in batch.touched() {
            let range = self.policy.range(state);
            let (p, k) = (
                self.policy.row(state),
                &self.policy.weights()[range.clone()],
            );
            let y = &self.policy.derivatives()[range];
            let credit = batch.credit(state);
            let visits = batch.visits(state);
            let total: f64 = credit.iter().sum();
            let on_support = |a: &usize| k[*a] > 0.0;
            let mean: f64 = (0..p.len()).filter(on_support).map(|a| p[a] * y[a]).sum();
            direction.fill(0.0);
            for a in (0..p.len()).filter(on_support) {
                let regular = self.temperature * visits * p[a] * (y[a] - mean);
                direction[a] = (credit[a] - p[a] * total - regular) / (visits * k[a]);
            }
            self.policy.change(state, |logits| {
                for (logit, d) in logits.iter_mut().zip(&direction) {
                    *logit += eta * d;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FPg, Reinforce, Sampling};
    use super::*;
    use crate::rl::random::{Purpose, stream};
    use crate::rl::tabular::Divergence;
    use crate::rl::tabular::mdp::garnet;

    #[test]
    fn the_fisher_information_takes_it_back_to_the_gradient() {
        let mdp = garnet(1, 4, 1, 0.5, 2).expect("sizes");
        let mut policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(0.5), 1, 4);
        policy.set_logits(&[0.4, -0.3, 0.1, 0.9]);
        let sampling = Sampling {
            batch: 30,
            horizon: 5,
        };
        let random = stream(3, Purpose::TabularEpisodes, 0);
        let mut run = Reinforce::new(&mdp, FPg::new(policy.clone(), 0.2), sampling, random);
        run.sample();
        let mut gradient = Vec::new();
        run.learner()
            .estimate(run.batch(), |_, g| gradient = g.to_vec());
        let mut natural = NaturalGradient::new(policy.clone(), 0.2);
        natural.ascend(run.batch(), 1.0);
        let v: Vec<f64> = (0..4)
            .map(|a| natural.policy.logits()[a] - policy.logits()[a])
            .collect();
        // F = n J diag(1 / p) J, with v's constant in the kernel.
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
}

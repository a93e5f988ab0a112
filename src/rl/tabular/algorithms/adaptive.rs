use super::{FPg, Reinforce, Sampling};
use crate::rl::random::{Purpose, Stream, stream};
use crate::rl::tabular::bandit::TsallisInf;
use crate::rl::tabular::exact::{FiniteHorizon, best_value_within};
use crate::rl::tabular::{Divergence, Mdp, SoftargmaxPolicy};

/// The orders that an adaptive run chooses from.
pub const ADAPTIVE_ORDERS: [f64; 6] = [0.1, 0.3, 0.5, 0.7, 0.9, 1.0];

/// Iterations that a learner runs once it is chosen.
const SEGMENT: usize = 50;

/// f-PG that chooses its order while it learns: a learner for each order of [`ADAPTIVE_ORDERS`], and
/// Tsallis-INF over the learners. The chosen one runs a segment of iterations, and its loss is how far the
/// mean return of the segment is from the best that the horizon allows, from 0 to 1.
///
/// The adversarial guarantee of the bandit covers that learners improve while they are played; what it is
/// measured against is the best fixed order with all iterations to itself.
#[derive(Clone, Debug)]
pub struct AdaptiveOrder<'a> {
    learners: Vec<Reinforce<FPg>>,
    bandit: TsallisInf,
    choices: Stream,
    chosen: usize,
    /// Iterations of the segment so far, and the sum of their returns.
    segment: (usize, f64),
    /// Returns that count as a loss of 1 and of 0.
    scale: (f64, f64),
    horizon: FiniteHorizon<'a>,
}

impl<'a> AdaptiveOrder<'a> {
    /// Begins with every order alike.
    pub fn new(mdp: &'a Mdp, temperature: f64, sampling: Sampling, seed: u64) -> Self {
        let learners: Vec<_> = ADAPTIVE_ORDERS
            .iter()
            .zip(0..)
            .map(|(&alpha, number)| {
                let divergence = Divergence::Tsallis(alpha);
                let policy = SoftargmaxPolicy::uniform(divergence, mdp.states(), mdp.actions());
                let random = stream(seed, Purpose::TabularEpisodes, number);
                Reinforce::new(mdp, FPg::new(policy, temperature), sampling, random)
            })
            .collect();
        let steps = learners[0].horizon();
        let horizon = FiniteHorizon::new(mdp, steps);
        let mut choices = stream(seed, Purpose::BanditArms, 0);
        let bandit = TsallisInf::new(ADAPTIVE_ORDERS.len());
        let chosen = bandit.choose(&mut choices);
        let begun = horizon.objective(learners[0].learner(), 0.0);
        Self {
            learners,
            bandit,
            choices,
            chosen,
            segment: (0, 0.0),
            scale: (begun.min(0.0), best_value_within(mdp, steps)),
            horizon,
        }
    }

    /// The probability of each order.
    pub fn weights(&self) -> &[f64] {
        self.bandit.weights()
    }

    /// The exact mean return of the policy that is drawn next.
    pub fn value(&self) -> f64 {
        let values = self
            .learners
            .iter()
            .map(|l| self.horizon.objective(l.learner(), 0.0));
        self.weights()
            .iter()
            .zip(values)
            .map(|(w, value)| w * value)
            .sum()
    }

    /// Runs an iteration of the chosen learner; the mean discounted return of its batch.
    pub fn iterate(&mut self, eta: f64) -> f64 {
        let earned = self.learners[self.chosen].iterate(eta);
        self.segment.0 += 1;
        self.segment.1 += earned;
        if self.segment.0 == SEGMENT {
            let (worst, best) = self.scale;
            let mean = self.segment.1 / SEGMENT as f64;
            let loss = ((best - mean) / (best - worst)).clamp(0.0, 1.0);
            // Where nothing can be earned there is nothing to choose by.
            self.bandit
                .learn(self.chosen, if loss.is_nan() { 0.5 } else { loss });
            self.chosen = self.bandit.choose(&mut self.choices);
            self.segment = (0, 0.0);
        }
        earned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rl::tabular::mdp::nchain;

    #[test]
    fn it_learns_and_prefers_what_earns() {
        let mdp = nchain(6).expect("a length");
        let sampling = Sampling {
            batch: 2,
            horizon: 25,
        };
        let mut adaptive = AdaptiveOrder::new(&mdp, 0.1, sampling, 0);
        let before = adaptive.value();
        for _ in 0..8000 {
            adaptive.iterate(0.1);
        }
        assert!(
            adaptive.value() > before + 3.0,
            "{before} {}",
            adaptive.value()
        );
        assert!((adaptive.weights().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

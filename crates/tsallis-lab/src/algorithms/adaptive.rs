use super::{FPg, Reinforce, Sampling};
use crate::bandit::TsallisInf;
use crate::exact::{FiniteHorizon, best_finite_horizon_value};
use crate::{Divergence, Mdp, SoftargmaxPolicy};
use burn_tsallis::experiment::{Purpose, Stream, stream};

/// The orders that an adaptive run chooses from.
pub const ADAPTIVE_ALPHAS: [f64; 6] = [0.1, 0.3, 0.5, 0.7, 0.9, 1.0];

/// Iterations from one choice to the next.
const SEGMENT: usize = 10;

/// f-PG that chooses its order while it learns: one table of logits, and Tsallis-INF over the orders of
/// [`ADAPTIVE_ALPHAS`] that read and improve it in turns.
///
/// The optimum of every order has the same form, `theta* = Q* / lambda`, and the orders' `Q*` differ only by what
/// they pay for their divergences, so that what one of them learns is of use to all. The chosen one runs a segment
/// of iterations, and its loss is how far the mean return of the segment is from the best that the horizon allows,
/// from 0 to 1. The logits change while the orders are compared; the bandit's guarantee is against such adversaries.
#[derive(Clone, Debug)]
pub struct AdaptiveAlpha<'a> {
    reinforce: Reinforce<FPg>,
    bandit: TsallisInf,
    choices: Stream,
    chosen: usize,
    /// Iterations of the segment so far, and the sum of their returns.
    segment: (usize, f64),
    /// Returns that count as a loss of 1 and of 0.
    scale: (f64, f64),
    horizon: FiniteHorizon<'a>,
}

impl<'a> AdaptiveAlpha<'a> {
    /// Begins with every order alike.
    pub fn new(mdp: &'a Mdp, temperature: f64, sampling: Sampling, seed: u64) -> Self {
        let mut choices = stream(seed, Purpose::BanditArms, 0);
        let bandit = TsallisInf::new(ADAPTIVE_ALPHAS.len());
        let chosen = bandit.choose(&mut choices);
        let divergence = Divergence::Tsallis(ADAPTIVE_ALPHAS[chosen]);
        let policy = SoftargmaxPolicy::uniform(divergence, mdp.states(), mdp.actions());
        let random = stream(seed, Purpose::TabularEpisodes, 0);
        let reinforce = Reinforce::new(mdp, FPg::new(policy, temperature), sampling, random);
        let steps = reinforce.horizon();
        let horizon = FiniteHorizon::new(mdp, steps);
        let begun = horizon.objective(reinforce.learner(), 0.0);
        Self {
            reinforce,
            bandit,
            choices,
            chosen,
            segment: (0, 0.0),
            scale: (begun.min(0.0), best_finite_horizon_value(mdp, steps)),
            horizon,
        }
    }

    /// The probability of each order.
    pub fn weights(&self) -> &[f64] {
        self.bandit.weights()
    }

    /// The exact mean return of the policy that is drawn next: each order's reading of the logits, as likely
    /// as the order.
    pub fn value(&self) -> f64 {
        let mut policy = self.reinforce.learner().policy().clone();
        ADAPTIVE_ALPHAS
            .iter()
            .zip(self.weights())
            .map(|(&alpha, weight)| {
                policy.set_divergence(Divergence::Tsallis(alpha));
                weight * self.horizon.objective(&policy, 0.0)
            })
            .sum()
    }

    /// Runs an iteration under the chosen order; the mean discounted return of its batch.
    pub fn iterate(&mut self, eta: f64) -> f64 {
        let earned = self.reinforce.iterate(eta);
        self.segment.0 += 1;
        self.segment.1 += earned;
        if self.segment.0 == SEGMENT {
            let (worst, best) = self.scale;
            let mean = self.segment.1 / SEGMENT as f64;
            let loss = ((best - mean) / (best - worst)).clamp(0.0, 1.0);
            // Where nothing can be earned there is nothing to choose by.
            let loss = if loss.is_nan() { 0.5 } else { loss };
            self.bandit.learn(self.chosen, loss);
            self.choose();
            self.segment = (0, 0.0);
        }
        earned
    }

    fn choose(&mut self) {
        let chosen = self.bandit.choose(&mut self.choices);
        if chosen != self.chosen {
            let divergence = Divergence::Tsallis(ADAPTIVE_ALPHAS[chosen]);
            self.reinforce.learner_mut().set_divergence(divergence);
        }
        self.chosen = chosen;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mdp::nchain;

    const SAMPLING: Sampling = Sampling {
        batch: 2,
        horizon: 25,
    };

    #[test]
    fn it_learns_and_prefers_what_earns() {
        let mdp = nchain(6).expect("a length");
        let mut adaptive = AdaptiveAlpha::new(&mdp, 0.1, SAMPLING, 0);
        let before = adaptive.value();
        for _ in 0..8000 {
            adaptive.iterate(0.1);
        }
        let best = best_finite_horizon_value(&mdp, adaptive.reinforce.horizon());
        let value = adaptive.value();
        assert!(
            value > before && value > 0.95 * best,
            "{before} {value} {best}"
        );
        let weights = adaptive.weights();
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        // The tail of the smallest order is paid for.
        assert!(weights[5] > 2.0 * weights[0], "{weights:?}");
    }

    #[test]
    fn without_rewards_no_alpha_dominates() {
        let mdp = crate::mdp::bandit(&[0.0, 0.0], 0.0).expect("arms");
        let mut adaptive = AdaptiveAlpha::new(&mdp, 0.1, SAMPLING, 0);
        for _ in 0..500 {
            adaptive.iterate(0.1);
        }
        assert!(adaptive.weights().iter().all(|w| w.is_finite() && *w > 0.0));
        assert_eq!(adaptive.value(), 0.0);
    }
}

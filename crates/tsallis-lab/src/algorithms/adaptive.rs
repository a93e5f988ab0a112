use super::{FPg, Reinforce, Sampling};
use crate::bandit::TsallisInf;
use crate::exact::{FiniteHorizon, best_finite_horizon_value};
use crate::{Divergence, Mdp, SoftargmaxPolicy};
use burn_tsallis::experiment::{Purpose, Stream, stream};

/// The values of alpha that [`AdaptiveAlpha`] chooses from.
pub const ADAPTIVE_ALPHAS: [f64; 6] = [0.1, 0.3, 0.5, 0.7, 0.9, 1.0];

/// Iterations between two choices of alpha.
const SEGMENT: usize = 10;

/// f-PG that chooses alpha while it learns.
///
/// All values in [`ADAPTIVE_ALPHAS`] share one table of logits, and [`TsallisInf`] chooses which alpha runs next. The
/// optimum has the same form for every alpha, `theta* = Q* / lambda`, and the `Q*` differ only by the cost of the
/// divergence. Logits learned under one alpha are therefore useful under the others.
///
/// The chosen alpha runs for a segment of iterations. Its loss, scaled to `[0, 1]`, is the distance of the segment's
/// mean return from the best return that the horizon allows. The logits change while the values of alpha are compared.
/// The regret bound of Tsallis-INF holds against such adversarial losses.
#[derive(Clone, Debug)]
pub struct AdaptiveAlpha<'a> {
    reinforce: Reinforce<FPg>,
    bandit: TsallisInf,
    choices: Stream,
    chosen: usize,
    /// The number of iterations in the current segment, and the sum of their returns.
    segment: (usize, f64),
    /// The returns with loss 1 and with loss 0.
    scale: (f64, f64),
    horizon: FiniteHorizon<'a>,
}

impl<'a> AdaptiveAlpha<'a> {
    /// Creates a run with zero logits in which every alpha has the same probability.
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

    /// Returns the probability of each value in [`ADAPTIVE_ALPHAS`].
    pub fn weights(&self) -> &[f64] {
        self.bandit.weights()
    }

    /// Returns the exact mean discounted return over the horizon, averaged over alpha with the probabilities
    /// [`weights`](Self::weights).
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

    /// Runs one iteration with step size `eta` under the chosen alpha, and returns the mean discounted return of its
    /// batch.
    pub fn iterate(&mut self, eta: f64) -> f64 {
        let earned = self.reinforce.iterate(eta);
        self.segment.0 += 1;
        self.segment.1 += earned;
        if self.segment.0 == SEGMENT {
            let (worst, best) = self.scale;
            let mean = self.segment.1 / SEGMENT as f64;
            let loss = ((best - mean) / (best - worst)).clamp(0.0, 1.0);
            // This is 0 / 0 if every policy has the same return. No alpha is then better than another.
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

    const SAMPLING: Sampling = Sampling::new(2, 25);

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
        // The heavy tail of the smallest alpha costs return.
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

use crate::draw::draw;
use burn_tsallis::experiment::{Purpose, Stream, stream};
use burn_tsallis::math::{Row, RowReference, Solver};
use rand::RngExt;

/// Tsallis-INF, a bandit algorithm for stochastic or adversarial losses in `[0, 1]`.
///
/// The weights of the arms are a softargmax with `alpha = 1/2` of the negative estimates of the cumulative losses:
///
/// ```text
/// w = argmax_p <p, -eta_t L> + 4 sum_i (sqrt(p_i) - p_i / 2),    eta_t = 2 / sqrt(t)
/// ```
///
/// `L` are the importance-weighted estimates, and `K` is the number of arms. In the coordinates of this crate, `w` is
/// the softargmax of `-eta_t L / sqrt(K)` with the uniform reference. Source: Zimmert and Seldin, arXiv 1807.07623.
///
/// ```
/// use tsallis_lab::bandit::TsallisInf;
///
/// let mut bandit = TsallisInf::new(2);
/// for _ in 0..1000 {
///     bandit.learn(0, 1.0);
///     bandit.learn(1, 0.0);
/// }
/// assert!(bandit.weights()[1] > 0.99);
/// ```
#[derive(Clone, Debug)]
pub struct TsallisInf {
    losses: Vec<f64>,
    weights: Vec<f64>,
    logits: Vec<f64>,
    rounds: usize,
}

impl TsallisInf {
    /// Creates a bandit with equal weights.
    ///
    /// # Panics
    ///
    /// Panics if `arms` is 0.
    pub fn new(arms: usize) -> Self {
        assert!(arms > 0, "a bandit needs at least one arm");
        Self {
            losses: vec![0.0; arms],
            weights: vec![1.0 / arms as f64; arms],
            logits: vec![0.0; arms],
            rounds: 0,
        }
    }

    /// Returns the probability of each arm.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Draws an arm with the probabilities of [`weights`](Self::weights).
    pub fn choose(&self, random: &mut Stream) -> usize {
        draw(self.weights.iter().copied(), random).unwrap_or(self.weights.len() - 1)
    }

    /// Updates the weights with the loss of the arm that was drawn.
    pub fn learn(&mut self, arm: usize, loss: f64) {
        self.losses[arm] += loss / self.weights[arm];
        self.rounds += 1;
        let arms = self.losses.len() as f64;
        // The rate of the next round, in which these weights are used.
        let eta = 2.0 / ((self.rounds + 1) as f64).sqrt();
        let least = self.losses.iter().copied().fold(f64::INFINITY, f64::min);
        for (logit, loss) in self.logits.iter_mut().zip(&self.losses) {
            *logit = -eta * (loss - least) / arms.sqrt();
        }
        let row = Row::new(&self.logits, RowReference::Uniform, 0.5);
        row.softargmax(&row.solve(Solver::Newton), &mut self.weights);
    }
}

/// The distribution of the losses. Each loss is 0 or 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Losses {
    /// The mean loss of each arm, the same in every round.
    Stochastic(Vec<f64>),
    /// A stochastically constrained adversary (Zimmert and Seldin): the gap is fixed, but the mean losses alternate
    /// between two phases. In one phase the mean loss is 0 for the first arm and `gap` for the others. In the next
    /// phase it is `1 - gap` for the first arm and 1 for the others. Each phase is 1.6 times as long as the previous
    /// one. Algorithms that rely on average losses are misled.
    Adversarial {
        /// The number of arms.
        arms: usize,
        /// The difference between the mean losses of the other arms and of the first arm.
        gap: f64,
    },
}

/// Ratio of the lengths of successive phases of the adversary.
const TURN: f64 = 1.6;

impl Losses {
    /// Returns the number of arms.
    pub fn arms(&self) -> usize {
        match self {
            Self::Stochastic(means) => means.len(),
            Self::Adversarial { arms, .. } => *arms,
        }
    }

    /// Returns the mean loss of an arm in a round. Rounds are numbered from 0.
    pub fn mean(&self, arm: usize, round: usize) -> f64 {
        match self {
            Self::Stochastic(means) => means[arm],
            Self::Adversarial { gap, .. } => {
                let turn = ((round + 1) as f64).ln() / TURN.ln();
                let low = if (turn as usize).is_multiple_of(2) {
                    0.0
                } else {
                    1.0 - gap
                };
                if arm == 0 { low } else { low + gap }
            }
        }
    }
}

/// The pseudo-regret of a run, at points that are about evenly spaced on a logarithmic scale.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Regret {
    /// The number of rounds before each point.
    pub rounds: Vec<usize>,
    /// The cumulative mean loss of the drawn arms minus that of the best arm, at each point.
    pub regret: Vec<f64>,
}

/// Plays Tsallis-INF for `rounds` rounds and returns its pseudo-regret.
///
/// # Panics
///
/// Panics if `losses` has no arm.
pub fn play(losses: &Losses, rounds: usize, seed: u64) -> Regret {
    let arms = losses.arms();
    let mut bandit = TsallisInf::new(arms);
    let mut draws = stream(seed, Purpose::BanditArms, 0);
    let mut noise = stream(seed, Purpose::BanditLosses, 0);
    let mut curve = Regret::default();
    let mut paid = 0.0;
    let mut totals = vec![0.0; arms];
    let mut next = 1;
    for round in 0..rounds {
        let arm = bandit.choose(&mut draws);
        let mean = losses.mean(arm, round);
        paid += mean;
        for (arm, total) in totals.iter_mut().enumerate() {
            *total += losses.mean(arm, round);
        }
        let loss = if noise.random::<f64>() < mean {
            1.0
        } else {
            0.0
        };
        bandit.learn(arm, loss);
        if round + 1 == next || round + 1 == rounds {
            let best = totals.iter().copied().fold(f64::INFINITY, f64::min);
            curve.rounds.push(round + 1);
            curve.regret.push(paid - best);
            next = (next * 5).div_ceil(4).max(next + 1);
        }
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_are_those_of_the_closed_form() {
        let mut bandit = TsallisInf::new(3);
        bandit.learn(0, 1.0);
        bandit.learn(2, 0.5);
        bandit.learn(0, 0.0);
        let eta = 2.0 / 4_f64.sqrt();
        let losses = bandit.losses.clone();
        // w_i = 4 (eta (L_i - x))^-2 for one x below every loss.
        let of = |w: f64, loss: f64| loss - 2.0 / (eta * w.sqrt());
        let x: Vec<f64> = bandit
            .weights
            .iter()
            .zip(&losses)
            .map(|(w, l)| of(*w, *l))
            .collect();
        assert!(x.iter().all(|value| (value - x[0]).abs() < 1e-12), "{x:?}");
        assert!((bandit.weights.iter().sum::<f64>() - 1.0).abs() < 1e-14);
    }

    fn mean_regret(losses: &Losses, rounds: usize) -> f64 {
        (0..12)
            .map(|seed| *play(losses, rounds, seed).regret.last().expect("rounds"))
            .sum::<f64>()
            / 12.0
    }

    #[test]
    fn regret_in_both_regimes() {
        // The regret is at most 4 sqrt(K T) + 1 against any adversary, and about ln T times the sum of 1 / gap in the
        // stochastic regime.
        for arms in [2, 8] {
            let losses = Losses::Adversarial { arms, gap: 0.1 };
            for rounds in [1000, 10_000] {
                let bound = 4.0 * ((arms * rounds) as f64).sqrt() + 1.0;
                let regret = mean_regret(&losses, rounds);
                assert!(
                    regret > 0.0 && regret < bound,
                    "{arms} arms, {rounds}: {regret} {bound}"
                );
            }
        }
        let losses = Losses::Stochastic(vec![0.3, 0.5, 0.5, 0.5]);
        let (short, long) = (mean_regret(&losses, 4000), mean_regret(&losses, 40_000));
        // Ten times the rounds add a constant, not a factor of sqrt(10).
        assert!(long < 1.6 * short, "{short} {long}");
        assert!(long < 3.0 / 0.2 * 40_000_f64.ln(), "{long}");
    }

    #[test]
    fn the_adversary_keeps_the_first_arm_best() {
        let losses = Losses::Adversarial { arms: 3, gap: 0.2 };
        let means: Vec<f64> = (0..100).map(|round| losses.mean(0, round)).collect();
        assert!(means.contains(&0.0) && means.contains(&0.8));
        assert!((0..100).all(|round| losses.mean(2, round) - losses.mean(0, round) > 0.19));
    }
}

use super::{Tsallis, log1p_over};

/// The softargmax of two entries at `alpha <= 1`, in `f64`, solved from an initial guess.
///
/// Tabular policies of two actions solve this row a million times a second, each time from its previous root.
///
/// The unknown is the log-odds `t = ln(p_0 / p_1)`, the root of
///
/// ```text
/// f'(p_0 / q_0) - f'(p_1 / q_1) = x_0 - x_1 = gap
/// ```
///
/// [`Row`](super::Row) computes the same outputs for any number of entries and any alpha.
///
/// ```
/// use burn_tsallis::math::{Pair, Tsallis};
///
/// // At alpha = 0 and a uniform reference: d = gap / 2, p_0 = 1 / (1 + sqrt(1 + 4 d^2) - 2 d).
/// let pair = Pair::solve(&Tsallis::new(0.0), 1.0, [0.5, 0.5], None);
/// assert!((pair.probabilities[0] - 1.0 / 2_f64.sqrt()).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The log-odds `ln(p_0 / p_1)`, a guess for the next root.
    pub log_odds: f64,
    /// The probabilities `p`.
    pub probabilities: [f64; 2],
    /// `ln u = ln(p / q)`.
    pub log_ratios: [f64; 2],
    /// `f'(u)`.
    pub derivatives: [f64; 2],
    /// `u^(1 - alpha)`, the factor between `dp / p` and the logits. Multiplied by `p`, it is the `k` of the
    /// Jacobian `diag(k) - k k^T / sum k`.
    pub log_slopes: [f64; 2],
}

/// The largest number of steps. Newton's method takes three or four, and one or two from a nearby root.
const MAX_STEPS: usize = 100;

/// After a step this short, quadratic convergence leaves an error below one rounding.
const CONVERGED_STEP: f64 = 1e-8;

impl Pair {
    /// Solves the row for a finite `gap` and positive references; `initial` is a guess of the log-odds. A `NaN`
    /// input gives `NaN`.
    ///
    /// Newton's method solves `psi(f'(u_0) - f'(u_1)) = psi(gap)` with `psi(h) = sign(h) ln(1 + c |h|) / c`,
    /// which is close to linear in the log-odds from the middle to the tails. The steps form a bracket that
    /// only tightens, and a step outside it is replaced by its midpoint.
    ///
    /// # Panics
    ///
    /// If `alpha` is above one: an entry may then leave the support.
    ///
    /// ```
    /// use burn_tsallis::math::{Pair, Tsallis};
    ///
    /// let generator = Tsallis::new(0.3);
    /// let first = Pair::solve(&generator, 1.0, [0.2, 0.8], None);
    /// let next = Pair::solve(&generator, 1.1, [0.2, 0.8], Some(first.log_odds));
    /// assert!(next.probabilities[0] > first.probabilities[0]);
    /// ```
    pub fn solve(
        generator: &Tsallis<f64>,
        gap: f64,
        reference: [f64; 2],
        initial: Option<f64>,
    ) -> Self {
        let c = generator.c();
        assert!(
            c >= 0.0,
            "alpha must be at most 1, not {}",
            generator.alpha()
        );
        let psi = |h: f64| log1p_over(c, h.abs()).copysign(h);
        let log_reference = [reference[0].ln(), reference[1].ln()];
        let target = psi(gap);
        let (mut lo, mut hi) = (f64::NEG_INFINITY, f64::INFINITY);
        // A guess whose powers overflow is ignored.
        let guess = initial
            .map(|t| Self::at(generator, t, log_reference))
            .filter(|pair| pair.derivatives[0].is_finite() && pair.derivatives[1].is_finite());
        let mut pair = guess.unwrap_or_else(|| {
            let straight = target + log_reference[0] - log_reference[1];
            Self::at(generator, straight, log_reference)
        });
        let mut t = pair.log_odds;
        for _ in 0..MAX_STEPS {
            let [p0, p1] = pair.probabilities;
            let [s0, s1] = pair.log_slopes;
            let h = pair.derivatives[0] - pair.derivatives[1];
            let residual = target - psi(h);
            if residual > 0.0 {
                lo = t;
            } else {
                hi = t;
            }
            let slope = (p1 / s0 + p0 / s1) / (1.0 + c * h.abs());
            let step = residual / slope;
            let mut next = t + step;
            if !(next > lo && next < hi) {
                if step.abs() <= 2.0 * f64::EPSILON * t.abs().max(1.0) {
                    break;
                }
                next = if lo.is_finite() && hi.is_finite() {
                    lo + 0.5 * (hi - lo)
                } else {
                    next
                };
            }
            let step_taken = (next - t).abs();
            t = next;
            pair = Self::at(generator, t, log_reference);
            if step_taken.is_nan() || step_taken <= CONVERGED_STEP {
                break;
            }
        }
        pair
    }

    /// Returns the pair with the log-odds `t = ln(p_0 / p_1)`. Its gap is the difference of its derivatives;
    /// `log_reference` is `ln q`.
    ///
    /// ```
    /// use burn_tsallis::math::{Pair, Tsallis};
    ///
    /// let pair = Pair::at(&Tsallis::new(0.5), 0.0, [0.5_f64.ln(); 2]);
    /// assert_eq!(pair.probabilities, [0.5, 0.5]);
    /// ```
    pub fn at(generator: &Tsallis<f64>, t: f64, log_reference: [f64; 2]) -> Self {
        // The smaller probability over the larger, and the logarithms of both.
        let odds = (-t.abs()).exp();
        let log_larger = -odds.ln_1p();
        let log_smaller = log_larger - t.abs();
        let larger = 1.0 / (1.0 + odds);
        let smaller = odds * larger;
        let (log_p, probabilities) = if t >= 0.0 {
            ([log_larger, log_smaller], [larger, smaller])
        } else {
            ([log_smaller, log_larger], [smaller, larger])
        };
        let log_ratios = [log_p[0] - log_reference[0], log_p[1] - log_reference[1]];
        let derivatives = log_ratios.map(|l| generator.derivative_at_log(l));
        // u^(alpha - 1) = 1 + (alpha - 1) f'(u)
        let log_slopes = derivatives.map(|y| 1.0 / (1.0 - generator.c() * y));
        Self {
            log_odds: t,
            probabilities,
            log_ratios,
            derivatives,
            log_slopes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{Row, RowReference, Solver};

    #[test]
    fn agrees_with_the_row() {
        let mut worst = 0.0_f64;
        for alpha in [-1.0, 0.0, 1e-9, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0 - 1e-9, 1.0] {
            let generator = Tsallis::new(alpha);
            for reference in [[0.5, 0.5], [0.9, 0.1], [1e-6, 1.0 - 1e-6], [1.0, 1.0]] {
                for gap in [0.0, 1e-12, 1e-3, 0.4, -1.0, 3.0, -17.0, 250.0, -1e4, 1e8] {
                    let logits = [gap, 0.0];
                    let row = Row::new(&logits, RowReference::Values(&reference), alpha);
                    let (mut p, mut log_p) = ([0.0; 2], [0.0; 2]);
                    let state = row.solve(Solver::Newton);
                    row.softargmax(&state, &mut p);
                    row.log_softargmax(&state, &mut log_p);
                    for initial in [None, Some(0.0), Some(-30.0), Some(4.0), Some(1e3)] {
                        let pair = Pair::solve(&generator, gap, reference, initial);
                        for i in 0..2 {
                            let scale = log_p[i].abs().max(1.0);
                            let error =
                                (pair.log_ratios[i] + reference[i].ln() - log_p[i]).abs() / scale;
                            worst = worst.max(error);
                            assert!(
                                error < 2e-13 && (pair.probabilities[i] - p[i]).abs() < 1e-13,
                                "alpha {alpha}, q {reference:?}, gap {gap}, initial {initial:?}: {pair:?} {p:?} {log_p:?}"
                            );
                        }
                    }
                }
            }
        }
        println!("largest relative error of ln p: {worst:e}");
    }

    #[test]
    fn log_slopes_and_derivatives_are_those_of_the_ratios() {
        let generator = Tsallis::new(0.3);
        let pair = Pair::solve(&generator, 2.0, [0.2, 0.8], None);
        for i in 0..2 {
            let u = pair.log_ratios[i].exp();
            assert!((pair.log_slopes[i] - u.powf(0.7)).abs() < 1e-14);
            assert!((pair.derivatives[i] - generator.derivative(u)).abs() < 1e-14);
        }
        assert!((pair.derivatives[0] - pair.derivatives[1] - 2.0).abs() < 1e-14);
    }

    #[test]
    fn a_nan_gap_gives_nan() {
        let pair = Pair::solve(&Tsallis::new(0.5), f64::NAN, [0.5, 0.5], None);
        assert!(pair.probabilities[0].is_nan());
    }
}

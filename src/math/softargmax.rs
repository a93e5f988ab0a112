use super::{Generator, non_negative};

/// The softargmax of any generator, in `f64`, for rows of moderate size.
///
/// It is the reference implementation for divergences outside the Tsallis family. For the Tsallis family,
/// [`Row`](super::Row) keeps more digits and accepts logits that are further apart.
///
/// ```text
/// p(x; q) = argmax_p <p, x> - D_f(p || q),    p_i = q_i (f')^-1(x_i - mu)
/// ```
///
/// with `mu` such that the probabilities sum to one. They are clipped at zero if the generator is sparse. The
/// reference need not sum to one. Source: arXiv 2601.12604.
///
/// The unknown is `ln u_max`, the logarithm of the ratio at the largest logit. The other ratios follow from
/// their gaps to this logit. If `f'` is bounded, a small reference brings `x - mu` close to the largest value of
/// `f'`, and their difference loses all of its significant digits.
///
/// ```
/// use burn_tsallis::math::{FSoftargmax, Hellinger};
///
/// let x = [0.3, -1.2, 2.0, 0.7];
/// let q = [0.1, 0.4, 0.2, 0.3];
/// let solution = FSoftargmax::new(&Hellinger, &x, &q).expect("finite inputs");
/// assert!((solution.mu() - 1.483582263).abs() < 1e-9);
/// assert!((solution.probabilities()[2] - 0.8552424898).abs() < 1e-9);
/// ```
#[derive(Clone, Debug)]
pub struct FSoftargmax {
    mu: f64,
    probabilities: Vec<f64>,
    value: f64,
    divergence: f64,
    /// `k_i = q_i / f''(u_i)`, zero off the support.
    weights: Vec<f64>,
}

/// The largest number of steps to the root. Newton's method takes up to a dozen; the others are for bisection down
/// to neighboring numbers.
const MAX_STEPS: usize = 200;

/// The largest accepted difference between the sum of the probabilities and one.
const MASS_TOLERANCE: f64 = 1e-9;

impl FSoftargmax {
    /// Solves a row. Entries with a logit of `-inf` or a reference of zero are not allowed: they have
    /// probability zero and are left out of every sum.
    ///
    /// Returns `None` if a logit is `NaN` or `+inf`, if a reference is negative or not finite, if no entry is
    /// allowed, or if the probabilities do not sum to one within 1e-9. Each generator of this crate with alpha from
    /// -2 to 3 solves references down to 1e-60 at the largest logit.
    ///
    /// # Panics
    ///
    /// If `logits` and `reference` differ in length.
    ///
    /// ```
    /// use burn_tsallis::math::{FSoftargmax, LeCam};
    ///
    /// let masked = [1.0, f64::NEG_INFINITY];
    /// let solution = FSoftargmax::new(&LeCam, &masked, &[1.0, 1.0]).expect("one entry is allowed");
    /// assert_eq!(solution.probabilities(), [1.0, 0.0]);
    /// assert!(FSoftargmax::new(&LeCam, &[f64::NAN, 0.0], &[0.5, 0.5]).is_none());
    /// ```
    pub fn new(generator: &impl Generator<f64>, logits: &[f64], reference: &[f64]) -> Option<Self> {
        assert_eq!(
            logits.len(),
            reference.len(),
            "the reference needs one value for each logit"
        );
        let is_valid =
            |(&x, &q): (&f64, &f64)| x < f64::INFINITY && (0.0..f64::INFINITY).contains(&q);
        if !logits.iter().zip(reference).all(is_valid) {
            return None;
        }
        let allowed: Vec<usize> = (0..logits.len())
            .filter(|&i| logits[i] > f64::NEG_INFINITY && reference[i] > 0.0)
            .collect();
        let total: f64 = allowed.iter().map(|&i| reference[i]).sum();
        let max = allowed.iter().map(|&i| logits[i]).reduce(f64::max)?;
        let at_max = allowed
            .iter()
            .filter(|&&i| logits[i] == max)
            .map(|&i| reference[i])
            .fold(0.0, f64::max);
        // The difference of finite logits may overflow.
        let gap = |i: usize| (max - logits[i]).min(f64::MAX);

        // Returns the mass and its derivative in ln u_max.
        let mass = |log_u: f64| {
            let u_max = log_u.exp();
            let (mut s, mut w) = (0.0, 0.0);
            for &i in &allowed {
                let u = generator.ratio_below(u_max, gap(i));
                s += reference[i] * u;
                if u > 0.0 {
                    w += reference[i] / generator.second_derivative(u);
                }
            }
            (s, w * generator.second_derivative(u_max) * u_max)
        };
        // The lower end is the root for equal logits. At the upper end, one entry with the largest logit has all the
        // probability.
        let (mut lo, mut hi) = (-total.ln(), -at_max.ln());
        let mut log_u = hi;
        let mut previous_step = f64::INFINITY;
        for _ in 0..MAX_STEPS {
            let (s, w) = mass(log_u);
            if s >= 1.0 {
                hi = log_u;
            } else {
                lo = log_u;
            }
            // A step on the logarithm of the mass, which is close to linear.
            let newton = log_u - s * s.ln() / w;
            // The root may be an end of the bracket, as it is for equal logits. The mass has a corner at the edge of
            // the support; steps that do not halve could oscillate across it.
            let inside = newton >= lo && newton <= hi;
            let next = if inside && (newton - log_u).abs() <= 0.5 * previous_step {
                newton
            } else {
                lo + 0.5 * (hi - lo)
            };
            previous_step = (next - log_u).abs();
            log_u = next;
            if previous_step <= f64::EPSILON * log_u.abs().max(1.0) {
                break;
            }
        }

        let u_max = log_u.exp();
        let mu = max - generator.derivative(u_max);
        let mut solution = Self {
            mu,
            probabilities: vec![0.0; logits.len()],
            value: mu,
            divergence: 0.0,
            weights: vec![0.0; logits.len()],
        };
        for &i in &allowed {
            let u = generator.ratio_below(u_max, gap(i));
            solution.probabilities[i] = reference[i] * u;
            solution.divergence += reference[i] * generator.value(u);
            // f*(f'(u)) = u f'(u) - f(u)
            let mut conjugate = -generator.value(u);
            if u > 0.0 {
                conjugate += u * generator.derivative(u);
                solution.weights[i] = reference[i] / generator.second_derivative(u);
            }
            solution.value += reference[i] * conjugate;
        }
        solution.divergence = non_negative(solution.divergence);
        let total: f64 = solution.probabilities.iter().sum();
        // This comparison is false for NaN.
        ((total - 1.0).abs() <= MASS_TOLERANCE).then_some(solution)
    }

    /// Returns the normalizer `mu`.
    ///
    /// ```
    /// use burn_tsallis::math::{FSoftargmax, LeCam};
    ///
    /// // Equal logits under a reference that sums to one: u = 1 and f'(1) = 0, so mu is the logit.
    /// let solution = FSoftargmax::new(&LeCam, &[2.0, 2.0], &[0.5, 0.5]).expect("finite inputs");
    /// assert!((solution.mu() - 2.0).abs() < 1e-12);
    /// ```
    pub fn mu(&self) -> f64 {
        self.mu
    }

    /// Returns the probabilities `p`.
    ///
    /// ```
    /// use burn_tsallis::math::{FSoftargmax, LeCam};
    ///
    /// let solution = FSoftargmax::new(&LeCam, &[0.0, 1.0], &[0.5, 0.5]).expect("finite inputs");
    /// let p = solution.probabilities();
    /// assert!(p[1] > p[0] && (p[0] + p[1] - 1.0).abs() < 1e-12);
    /// ```
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// Returns the value `V = max_p <p, x> - D_f(p || q)`.
    ///
    /// ```
    /// use burn_tsallis::math::{FSoftargmax, KullbackLeibler};
    ///
    /// // The Kullback-Leibler divergence has V = ln sum_i q_i e^(x_i).
    /// let solution = FSoftargmax::new(&KullbackLeibler, &[0.0, 1.0], &[0.5, 0.5]).expect("finite inputs");
    /// assert!((solution.value() - (0.5 + 0.5 * 1_f64.exp()).ln()).abs() < 1e-12);
    /// ```
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Returns the divergence `D_f(p || q)`.
    ///
    /// ```
    /// use burn_tsallis::math::{FSoftargmax, LeCam};
    ///
    /// let solution = FSoftargmax::new(&LeCam, &[0.0, 1.0], &[0.5, 0.5]).expect("finite inputs");
    /// let expected_logit = solution.probabilities()[1];
    /// assert!((solution.divergence() - (expected_logit - solution.value())).abs() < 1e-12);
    /// ```
    pub fn divergence(&self) -> f64 {
        self.divergence
    }

    /// Returns the weights `k_i = q_i / f''(u_i)` of the Jacobian, zero off the support.
    ///
    /// ```
    /// use burn_tsallis::math::{FSoftargmax, KullbackLeibler};
    ///
    /// // The Kullback-Leibler divergence has f''(u) = 1 / u, so that k = p.
    /// let solution = FSoftargmax::new(&KullbackLeibler, &[0.0, 1.0], &[0.5, 0.5]).expect("finite inputs");
    /// assert!((solution.weights()[0] - solution.probabilities()[0]).abs() < 1e-12);
    /// ```
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Returns the Jacobian `dp_i / dx_j = k_i (delta_ij - w_j)` as its rows, with `k_i = q_i / f''(u_i)` and
    /// `w = k / sum k`.
    ///
    /// ```
    /// use burn_tsallis::math::{FSoftargmax, LeCam};
    ///
    /// let solution = FSoftargmax::new(&LeCam, &[0.0, 1.0], &[0.5, 0.5]).expect("finite inputs");
    /// for row in solution.jacobian() {
    ///     assert!(row.iter().sum::<f64>().abs() < 1e-12);
    /// }
    /// ```
    pub fn jacobian(&self) -> Vec<Vec<f64>> {
        let total: f64 = self.weights.iter().sum();
        (0..self.weights.len())
            .map(|i| {
                (0..self.weights.len())
                    .map(|j| {
                        let same = if i == j { 1.0 } else { 0.0 };
                        self.weights[i] * (same - self.weights[j] / total)
                    })
                    .collect()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{
        Hellinger, JensenShannon, KullbackLeibler, LeCam, NeymanChiSquared, PearsonChiSquared,
        ReverseKullbackLeibler, Row, RowReference, Solver, Tsallis, assert_close,
    };

    const X: [f64; 4] = [0.3, -1.2, 2.0, 0.7];
    const Q: [f64; 4] = [0.1, 0.4, 0.2, 0.3];

    fn check(f: &impl Generator<f64>, mu: f64, p: [f64; 4], value: Option<f64>) {
        let solution = FSoftargmax::new(f, &X, &Q).expect("finite inputs");
        assert_close(solution.mu(), mu, 1e-9, "mu");
        for (got, want) in solution.probabilities().iter().zip(p) {
            assert_close(*got, want, 1e-10, "a probability");
        }
        if let Some(value) = value {
            assert_close(solution.value(), value, 1e-9, "the value");
        }
        let p = solution.probabilities().iter();
        let inner: f64 = p.zip(X).map(|(p, x)| p * x).sum();
        assert!((inner - solution.divergence() - solution.value()).abs() < 1e-12);
    }

    #[test]
    #[rustfmt::skip]
    fn published_values() {
        check(&NeymanChiSquared, 1.554187294, [0.0533884143, 0.1567919354, 0.6075279527, 0.1822916977], Some(0.786865296737));
        check(&ReverseKullbackLeibler, 1.307887704, [0.0498035821, 0.1140287358, 0.6495874880, 0.1865801942], Some(0.829301384));
        check(&Tsallis::new(0.1), 1.272317750, [0.0497328248, 0.1088965463, 0.6522950711, 0.1890755578], Some(0.832494278));
        check(&KullbackLeibler, 0.849039456, [0.0577504262, 0.0515434474, 0.6322455900, 0.2584605364], Some(0.849039456));
        check(&PearsonChiSquared, 0.4, [0.09, 0.0, 0.52, 0.39], None);
        check(&Tsallis::new(3.0), 0.103888915, [0.1179924646, 0.0, 0.4378228944, 0.4441846410], None);
        check(&Hellinger, 1.483582263, [0.0209730158, 0.0294794411, 0.8552424898, 0.0943050534], Some(1.219749434));
        check(&JensenShannon, 1.511009126, [0.0175016687, 0.0137509501, 0.8830417912, 0.0857055901], Some(1.260739909));
        check(&LeCam, 1.186024542, [0.0456318364, 0.0347553512, 0.7274166091, 0.1921962034], None);
    }

    #[test]
    fn agrees_with_the_row_of_the_tsallis_family() {
        for alpha in [-1.5, 0.3, 1.0, 1.6, 2.0, 2.7] {
            let row = Row::new(&X, RowReference::Values(&Q), alpha);
            let mut p = [0.0; 4];
            row.softargmax(&row.solve(Solver::Newton), &mut p);
            let solution = FSoftargmax::new(&Tsallis::new(alpha), &X, &Q).expect("finite inputs");
            for (a, b) in p.iter().zip(solution.probabilities()) {
                assert!((a - b).abs() < 1e-12, "alpha {alpha}: {a} {b}");
            }
        }
    }

    #[test]
    fn the_jacobian_is_the_derivative_and_its_rows_sum_to_zero() {
        fn check(f: &impl Generator<f64>) {
            let jacobian = FSoftargmax::new(f, &X, &Q).expect("finite").jacobian();
            for j in 0..4 {
                let moved = |by: f64| {
                    let mut x = X;
                    x[j] += by;
                    FSoftargmax::new(f, &x, &Q).expect("finite").probabilities
                };
                let (up, down) = (moved(1e-6), moved(-1e-6));
                for i in 0..4 {
                    let slope = (up[i] - down[i]) / 2e-6;
                    assert!((jacobian[i][j] - slope).abs() < 1e-8);
                    assert!((jacobian[i][j] - jacobian[j][i]).abs() < 1e-15);
                }
                assert!(jacobian[j].iter().sum::<f64>().abs() < 1e-15);
            }
        }
        check(&Hellinger);
        check(&JensenShannon);
        check(&LeCam);
        check(&NeymanChiSquared);
    }

    /// Two entries with the logits `(2, 0)` and the references `(q, 1)`, whose probabilities satisfy an equation
    /// in closed form.
    #[test]
    fn small_references_keep_their_digits() {
        for q in [0.5, 1e-3, 1e-6, 1e-12, 1e-16, 1e-40, 1e-60] {
            let (x, reference) = ([2.0, 0.0], [q, 1.0]);
            let of = |solution: Option<FSoftargmax>| {
                let solution = solution.unwrap_or_else(|| panic!("no solution at {q:e}"));
                let total: f64 = solution.probabilities().iter().sum();
                assert!((total - 1.0).abs() < 1e-13, "{q:e}: {total}");
                solution.probabilities()[0]
            };
            // e^(f'(u)) / 2 = p / (q + p), which is e^-2 times as large for the second entry as for the first.
            let p = of(FSoftargmax::new(&JensenShannon, &x, &reference));
            let ratio = (1.0 - p) / (2.0 - p) * (q + p) / p;
            assert!((ratio / (-2.0_f64).exp() - 1.0).abs() < 1e-12, "{q:e}: {p}");
            // f'(u) = 1 - 4 q^2 / (q + p)^2
            let p = of(FSoftargmax::new(&LeCam, &x, &reference));
            let at = |q: f64, p: f64| (2.0 * q / (q + p)).powi(2);
            let gap = at(1.0, 1.0 - p) - at(q, p);
            assert!((gap - 2.0).abs() < 1e-12, "{q:e}: {p}");
            for f in [Tsallis::new(-2.0), Tsallis::new(0.5), Tsallis::new(3.0)] {
                of(FSoftargmax::new(&f, &x, &reference));
            }
        }
    }

    #[test]
    fn equal_logits_and_one_entry() {
        for n in [1, 2, 7] {
            let q: Vec<f64> = (1..=n).map(f64::from).collect();
            let total: f64 = q.iter().sum();
            let solution = FSoftargmax::new(&LeCam, &vec![1e4; q.len()], &q).expect("finite");
            for (p, q) in solution.probabilities().iter().zip(&q) {
                assert!((p - q / total).abs() < 1e-15);
            }
            assert!(solution.divergence() >= 0.0);
        }
    }

    #[test]
    fn masks_and_invalid_numbers() {
        let (x, q) = ([1.0, f64::NEG_INFINITY, 0.0], [1.0, 1.0, 0.0]);
        let solution = FSoftargmax::new(&JensenShannon, &x, &q).expect("one entry is allowed");
        assert_eq!(solution.probabilities(), [1.0, 0.0, 0.0]);
        for (x, q) in [([f64::NAN, 0.0], [0.5, 0.5]), ([0.0, 0.0], [-0.5, 0.5])] {
            assert!(FSoftargmax::new(&LeCam, &x, &q).is_none());
        }
        assert!(FSoftargmax::new(&LeCam, &[0.0], &[0.0]).is_none());
    }
}

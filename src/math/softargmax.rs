use super::Generator;

/// The softargmax of any generator, in `f64`, for rows of moderate size: the oracle of other divergences.
/// For the Tsallis family [`Row`](super::Row) keeps more digits.
///
/// ```text
/// p(x; q) = argmax_p <p, x> - D_f(p || q),    p_i = q_i (f')^-1(x_i - mu)
/// ```
///
/// with `mu` such that the probabilities sum to one, clipped at zero where the generator is sparse. The
/// reference need not sum to one. Source: arXiv 2601.12604.
///
/// ```
/// use burn_tsallis::math::{FSoftargmax, Hellinger};
///
/// let x = [0.3, -1.2, 2.0, 0.7];
/// let q = [0.1, 0.4, 0.2, 0.3];
/// let answer = FSoftargmax::new(&Hellinger, &x, &q).expect("finite inputs");
/// assert!((answer.mu() - 1.483582263).abs() < 1e-9);
/// assert!((answer.probabilities()[2] - 0.8552424898).abs() < 1e-9);
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

/// Steps to the root: Newton takes up to a dozen, and bisection the rest down to neighbouring numbers.
const STEPS: usize = 200;

impl FSoftargmax {
    /// Solves a row. Entries with a logit of `-inf` or a reference of zero are not allowed: they have
    /// probability zero and leave every sum. Nothing where a number is not fit for its place, or where
    /// no entry is allowed.
    ///
    /// # Panics
    ///
    /// If there is not one reference for each logit.
    pub fn new(generator: &impl Generator<f64>, logits: &[f64], reference: &[f64]) -> Option<Self> {
        assert_eq!(
            logits.len(),
            reference.len(),
            "the reference needs one value for each logit"
        );
        let fit = |(&x, &q): (&f64, &f64)| x < f64::INFINITY && (0.0..f64::INFINITY).contains(&q);
        if !logits.iter().zip(reference).all(fit) {
            return None;
        }
        let allowed: Vec<usize> = (0..logits.len())
            .filter(|&i| logits[i] > f64::NEG_INFINITY && reference[i] > 0.0)
            .collect();
        let total: f64 = allowed.iter().map(|&i| reference[i]).sum();
        let max = allowed.iter().map(|&i| logits[i]).reduce(f64::max)?;

        // Below, one entry alone has probability one; above, none exceeds its share of the reference.
        let mut lo = allowed
            .iter()
            .map(|&i| logits[i] - generator.derivative(1.0 / reference[i]))
            .fold(f64::NEG_INFINITY, f64::max);
        let mut hi = max - generator.derivative(1.0 / total);
        let mass = |mu: f64| {
            let (mut s, mut w) = (0.0, 0.0);
            for &i in &allowed {
                let u = generator.inverse_derivative(logits[i] - mu);
                s += reference[i] * u;
                if u > 0.0 {
                    w += reference[i] / generator.second_derivative(u);
                }
            }
            (s, w)
        };
        let mut mu = lo;
        for _ in 0..STEPS {
            let (s, w) = mass(mu);
            if s >= 1.0 {
                lo = mu;
            } else {
                hi = mu;
            }
            // Monotone from the lower end wherever (f')^-1 is convex; elsewhere the bracket holds it.
            let newton = mu + (s - 1.0) / w;
            let next = if newton > lo && newton < hi {
                newton
            } else {
                lo + 0.5 * (hi - lo)
            };
            if (next - mu).abs() <= f64::EPSILON * mu.abs().max(1.0) || next <= lo || next >= hi {
                break;
            }
            mu = next;
        }

        let mut answer = Self {
            mu,
            probabilities: vec![0.0; logits.len()],
            value: mu,
            divergence: 0.0,
            weights: vec![0.0; logits.len()],
        };
        for &i in &allowed {
            let y = logits[i] - mu;
            let u = generator.inverse_derivative(y);
            answer.probabilities[i] = reference[i] * u;
            answer.value += reference[i] * generator.conjugate(y);
            answer.divergence += reference[i] * generator.value(u);
            if u > 0.0 {
                answer.weights[i] = reference[i] / generator.second_derivative(u);
            }
        }
        Some(answer)
    }

    /// The normaliser.
    pub fn mu(&self) -> f64 {
        self.mu
    }

    /// `p`.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// `V = max_p <p, x> - D_f(p || q)`.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// `D_f(p || q)`.
    pub fn divergence(&self) -> f64 {
        self.divergence
    }

    /// `k_i = q_i / f''(u_i)`, zero off the support.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// `dp_i / dx_j = k_i (delta_ij - w_j)`, `k_i = q_i / f''(u_i)`, `w = k / sum k`: row by row.
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
        Hellinger, JensenShannon, KullbackLeibler, LeCam, Measure, NeymanChiSquared,
        PearsonChiSquared, ReverseKullbackLeibler, Row, Solver, Tsallis,
    };

    const X: [f64; 4] = [0.3, -1.2, 2.0, 0.7];
    const Q: [f64; 4] = [0.1, 0.4, 0.2, 0.3];

    fn check(f: &impl Generator<f64>, mu: f64, p: [f64; 4], value: Option<f64>) {
        let answer = FSoftargmax::new(f, &X, &Q).expect("finite inputs");
        assert!((answer.mu() - mu).abs() < 1e-9, "{} {mu}", answer.mu());
        for (got, want) in answer.probabilities().iter().zip(p) {
            assert!((got - want).abs() < 1e-10, "{got} {want}");
        }
        if let Some(value) = value {
            assert!(
                (answer.value() - value).abs() < 1e-9,
                "{} {value}",
                answer.value()
            );
        }
        let inner: f64 = answer
            .probabilities()
            .iter()
            .zip(X)
            .map(|(p, x)| p * x)
            .sum();
        assert!((inner - answer.divergence() - answer.value()).abs() < 1e-12);
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
            let row = Row::new(&X, Measure::Given(&Q), alpha);
            let mut p = [0.0; 4];
            row.softargmax(&row.solve(Solver::Newton), &mut p);
            let answer = FSoftargmax::new(&Tsallis::new(alpha), &X, &Q).expect("finite inputs");
            for (a, b) in p.iter().zip(answer.probabilities()) {
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

    #[test]
    fn masks_and_bad_numbers() {
        let answer = FSoftargmax::new(
            &JensenShannon,
            &[1.0, f64::NEG_INFINITY, 0.0],
            &[1.0, 1.0, 0.0],
        )
        .expect("one entry is allowed");
        assert_eq!(answer.probabilities(), [1.0, 0.0, 0.0]);
        for (x, q) in [([f64::NAN, 0.0], [0.5, 0.5]), ([0.0, 0.0], [-0.5, 0.5])] {
            assert!(FSoftargmax::new(&LeCam, &x, &q).is_none());
        }
        assert!(FSoftargmax::new(&LeCam, &[0.0], &[0.0]).is_none());
    }
}

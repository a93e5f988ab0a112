use burn_tsallis::math::{Pair, Tsallis};

/// Number of intervals of Simpson's rule, whose error falls with the fourth power of this number.
const INTERVALS: usize = 4000;

const LOG_HALF: [f64; 2] = [-std::f64::consts::LN_2, -std::f64::consts::LN_2];

/// Returns the time that the gradient flow of two arms takes from a logit gap of `-gap`, at which the policy prefers
/// the worse arm, to the uniform policy.
///
/// The rewards of the arms differ by 1, the reference is uniform, and `alpha` is at most 1. The logit gap follows
///
/// ```text
/// delta' = 2 j(delta) (1 - lambda delta),    j = k_0 k_1 / (k_0 + k_1)
/// ```
///
/// For the softmax (`alpha = 1`) at temperature zero, the time is `gap + sinh(gap)`.
///
/// ```
/// use tsallis_lab::bandit::escape_time;
///
/// assert!((escape_time(1.0, 5.0, 0.0) / (5.0 + 5_f64.sinh()) - 1.0).abs() < 1e-9);
/// assert!((escape_time(0.5, 10.0, 0.0) / 540.24 - 1.0).abs() < 1e-4);
/// ```
///
/// # Panics
///
/// Panics if `alpha` is above 1, or if `gap` is negative or not finite.
pub fn escape_time(alpha: f64, gap: f64, temperature: f64) -> f64 {
    assert!(
        gap >= 0.0 && gap.is_finite(),
        "the gap must be finite and at least 0, not {gap}"
    );
    let generator = Tsallis::new(alpha);
    // The integral is over the log-odds, in which the integrand is smooth from the center to the tail.
    let end = Pair::solve(&generator, gap, [0.5, 0.5], None).log_odds;
    let integrand = |t: f64| {
        let pair = Pair::at(&generator, t, LOG_HALF);
        let delta = pair.derivatives[0] - pair.derivatives[1];
        let [p0, p1] = pair.probabilities;
        let j = joint_weight(&pair);
        // d delta = p_0 p_1 / j dt, and the worse arm leads by delta.
        // Two divisions, because the square of j underflows at large gaps.
        p0 * p1 / j / (2.0 * j * (1.0 + temperature * delta))
    };
    // Simpson's rule.
    let width = end / INTERVALS as f64;
    let inner: f64 = (1..INTERVALS)
        .map(|i| {
            let weight = if i % 2 == 1 { 4.0 } else { 2.0 };
            weight * integrand(i as f64 * width)
        })
        .sum();
    width / 3.0 * (integrand(0.0) + inner + integrand(end))
}

/// Returns the asymptote of [`escape_time`] for large gaps at temperature zero:
///
/// ```text
/// B^((3 - 2 alpha) / (1 - alpha)) / (3 - 2 alpha),    B = 2^(alpha - 1) + (1 - alpha) gap
/// ```
///
/// For the softmax (`alpha = 1`) it is `gap + sinh(gap)`, which is exact at every gap.
pub fn escape_time_limit(alpha: f64, gap: f64) -> f64 {
    if alpha == 1.0 {
        return gap + gap.sinh();
    }
    let c = 1.0 - alpha;
    let base = 2_f64.powf(-c) + c * gap;
    base.powf((1.0 + 2.0 * c) / c) / (1.0 + 2.0 * c)
}

/// Returns the rate at which the regularized flow converges at its optimum, `kappa = 2 lambda j(1 / lambda)`, with the
/// `j` of [`escape_time`] and `lambda = temperature`.
pub fn curvature_at_optimum(alpha: f64, temperature: f64) -> f64 {
    let pair = Pair::solve(&Tsallis::new(alpha), 1.0 / temperature, [0.5, 0.5], None);
    2.0 * temperature * joint_weight(&pair)
}

/// Returns the probability of the arm whose logit is lower by `gap`, with a uniform reference.
pub fn probability_at(alpha: f64, gap: f64) -> f64 {
    Pair::solve(&Tsallis::new(alpha), gap, [0.5, 0.5], None).probabilities[1]
}

fn joint_weight(pair: &Pair) -> f64 {
    let k = [0, 1].map(|i| pair.probabilities[i] * pair.log_slopes[i]);
    k[0] * k[1] / (k[0] + k[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHAS: [f64; 7] = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0];

    fn close(got: f64, want: f64, within: f64) {
        assert!((got / want - 1.0).abs() < within, "{got} {want}");
    }

    #[test]
    fn escape_times_match_reference_values() {
        let want = [
            (2.0, [7.62, 7.42, 7.01, 6.61, 6.21, 5.82, 5.63]),
            (10.0, [395.08, 407.2, 448.9, 540.24, 796.1, 2278.3, 11023.0]),
            (
                20.0,
                [2888.8, 3163.5, 4124.3, 6590.1, 17401.0, 3.3779e5, 2.4258e8],
            ),
            (
                40.0,
                [
                    22175.8, 26013.0, 41136.0, 91964.0, 5.0495e5, 1.7306e8, 1.177e17,
                ],
            ),
        ];
        for (gap, times) in want {
            for (alpha, time) in ALPHAS.into_iter().zip(times) {
                close(escape_time(alpha, gap, 0.0), time, 1e-3);
            }
        }
    }

    #[test]
    fn the_limits_are_approached() {
        for gap in [2.0, 10.0, 20.0, 40.0] {
            close(escape_time(1.0, gap, 0.0), gap + gap.sinh(), 1e-9);
        }
        for alpha in [0.0, 0.1, 0.3, 0.5, 0.7, 0.9] {
            for gap in [20.0, 40.0] {
                close(
                    escape_time(alpha, gap, 0.0),
                    escape_time_limit(alpha, gap),
                    0.01,
                );
            }
        }
    }

    #[test]
    fn coupled_flows() {
        let want = [
            (0.1, [35.8, 238.6, 1836.0], [8.50e-4, 1.05e-4]),
            (0.5, [34.6, 310.0, 3733.0], [5.35e-4, 4.07e-5]),
            (0.9, [39.2, 1240.0, 1.80e5], [7.10e-5, 3.62e-7]),
            (1.0, [45.2, 5822.0, 1.245e8], [9.08e-6, 2.06e-10]),
        ];
        for (alpha, times, rates) in want {
            for (inverse, time) in [5.0, 10.0, 20.0].into_iter().zip(times) {
                close(escape_time(alpha, inverse, 1.0 / inverse), time, 5e-3);
            }
            for (inverse, rate) in [10.0, 20.0].into_iter().zip(rates) {
                close(curvature_at_optimum(alpha, 1.0 / inverse), rate, 5e-3);
            }
        }
    }

    #[test]
    fn from_the_same_probability_the_softmax_is_not_slower() {
        // The time grows as 1 / p for the softmax and as p^-(3 - 2 alpha) for the others, which are faster only from
        // the same logit gap.
        for p in [1e-2_f64, 1e-3, 1e-4] {
            let gap_of = |alpha: f64| {
                let t = ((1.0 - p) / p).ln();
                let pair = Pair::at(&Tsallis::new(alpha), t, LOG_HALF);
                pair.derivatives[0] - pair.derivatives[1]
            };
            let softmax = escape_time(1.0, gap_of(1.0), 0.0);
            for alpha in [0.1, 0.5, 0.9] {
                assert!(escape_time(alpha, gap_of(alpha), 0.0) > softmax);
            }
        }
    }
}

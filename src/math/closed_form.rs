/// The alphas whose [`RatioCurve`](super::RatioCurve) needs no transcendental function, with
/// `n = 1 / (1 - alpha)`.
const CLOSED_FORMS: [(f64, i32); 6] = [
    (0.0, 1),
    (0.5, 2),
    (2.0 / 3.0, 3),
    (0.75, 4),
    (1.5, -2),
    (2.0, -1),
];

/// Returns the integer `n = 1 / (1 - alpha)` if kernels compute the ratio as an integer power at this alpha.
///
/// The ratio is `u = [u_max^-c + c g]_+^-n` with `c = 1 - alpha` and `g` the gap to the largest logit. Kernels
/// compute the power by multiplications for `alpha` equal to 0, 1/2, 2/3, 3/4, 3/2 or 2. The comparison is exact:
/// at an alpha close to one of these, the rounded exponent would add an error of the size of the difference.
///
/// ```
/// use burn_tsallis::math::closed_form;
///
/// assert_eq!(closed_form(0.5), Some(2));
/// assert_eq!(closed_form(1.5), Some(-2));
/// assert_eq!(closed_form(0.7), None);
/// ```
pub fn closed_form(alpha: f64) -> Option<i32> {
    CLOSED_FORMS
        .into_iter()
        .find_map(|(candidate, n)| (candidate == alpha).then_some(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::assert_close;

    #[test]
    fn each_integer_matches_its_alpha() {
        for (alpha, n) in CLOSED_FORMS {
            assert_close(f64::from(n) * (1.0 - alpha), 1.0, 1e-15, alpha);
            assert_eq!(closed_form(alpha), Some(n));
        }
        for alpha in [1.0, 0.5 + 1e-15, f64::NAN] {
            assert_eq!(closed_form(alpha), None);
        }
    }
}

/// The orders whose curve [`RatioCurve`](super::RatioCurve) needs no transcendental function, with their integer.
const CLOSED_FORMS: [(f64, i32); 6] = [
    (0.0, 1),
    (0.5, 2),
    (2.0 / 3.0, 3),
    (0.75, 4),
    (1.5, -2),
    (2.0, -1),
];

/// The integer `n = 1 / (1 - alpha)` of an order at which the ratio is an integer power,
/// `u = [u_max^-c + c g]_+^-n` with `c = 1 - alpha` and `g` the gap to the largest logit: kernels compute it by
/// multiplications.
///
/// It is exactly these orders: close to them, the error of the power would be that of the order.
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

    #[test]
    fn each_integer_matches_its_alpha() {
        for (alpha, n) in CLOSED_FORMS {
            assert!(
                (f64::from(n) * (1.0 - alpha) - 1.0).abs() < 1e-15,
                "{alpha}"
            );
            assert_eq!(closed_form(alpha), Some(n));
        }
        for alpha in [1.0, 0.5 + 1e-15, f64::NAN] {
            assert_eq!(closed_form(alpha), None);
        }
    }
}

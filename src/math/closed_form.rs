/// The orders whose curve [`RatioCurve`](super::RatioCurve) needs no transcendental function, as `(alpha, n)`: with
/// `B = u_max^-c + c g`, `c = 1 - alpha` and `g` the gap to the largest logit, `u = B_+^-n` for the integer
/// `n = 1 / c`.
const CLOSED_FORMS: [(f64, i32); 6] = [
    (0.0, 1),
    (0.5, 2),
    (2.0 / 3.0, 3),
    (0.75, 4),
    (1.5, -2),
    (2.0, -1),
];

/// The integer `n` of an order at which kernels compute `u = B_+^-n` by multiplications.
///
/// Exactly at these orders: close to them, the error of the power would be that of the order.
pub(crate) fn closed_form(alpha: f64) -> Option<i32> {
    CLOSED_FORMS
        .into_iter()
        .find_map(|(order, n)| (order == alpha).then_some(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integers_are_those_of_the_orders() {
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

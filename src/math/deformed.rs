//! The deformed logarithm and exponential, continuous in the deformation.

use super::Real;

/// Returns `ln(1 + c x) / c`, or its limit `x` at `c = 0`. The result is `NaN` if `1 + c x < 0`.
///
/// ```
/// use burn_tsallis::math::log1p_over;
/// assert_eq!(log1p_over(0.0, 3.0), 3.0);
/// assert!((log1p_over(1e-12, 3.0_f64) - 3.0).abs() < 1e-11);
/// ```
pub fn log1p_over<F: Real>(c: F, x: F) -> F {
    let z = c * x;
    // Below one epsilon the second-order term is negligible, and c may be subnormal. At c = 0, an infinite x
    // makes z NaN.
    if c == F::zero() || z.abs() < F::epsilon() {
        x
    } else {
        z.ln_1p() / c
    }
}

/// Returns `(e^(c x) - 1) / c`, or its limit `x` at `c = 0`. It is the inverse of [`log1p_over`].
///
/// ```
/// use burn_tsallis::math::{expm1_over, log1p_over};
/// let x = 0.7_f64;
/// assert!((expm1_over(0.5, log1p_over(0.5, x)) - x).abs() < 1e-15);
/// ```
pub fn expm1_over<F: Real>(c: F, x: F) -> F {
    let z = c * x;
    if c == F::zero() || z.abs() < F::epsilon() {
        x
    } else {
        z.exp_m1() / c
    }
}

/// Returns `(e^(c a) - e^(c b)) / c`, or its limit `a - b` at `c = 0`. The result is exactly zero at `a = b`
/// and has no cancellation near it.
///
/// ```
/// use burn_tsallis::math::exp_difference;
/// assert_eq!(exp_difference(0.0, 3.0, 1.0), 2.0);
/// assert_eq!(exp_difference(2.0, 0.5_f64, f64::NEG_INFINITY), 1.0_f64.exp() / 2.0);
/// ```
pub fn exp_difference<F: Real>(c: F, a: F, b: F) -> F {
    if a == b {
        return F::zero();
    }
    // With the larger power factored out, no factor overflows unless the difference does.
    let difference = -expm1_over(c, -(a - b).abs()) * (c * a.max(b)).exp();
    if a > b { difference } else { -difference }
}

/// Returns `(e^z - 1 - z) / z^2`, or its limit `1/2` at `0`. The derivative in `alpha` is a sum of these terms.
pub(super) fn exp_curvature<F: Real>(z: F) -> F {
    // The relative error of the direct form grows as eps / z. Below 1, the series is exact to f64.
    if z.abs() < F::one() {
        let mut term = F::from_f64(0.5);
        let mut sum = term;
        for n in 3..20 {
            term = term * z / F::from_f64(f64::from(n));
            sum = sum + term;
        }
        sum
    } else {
        (z.exp_m1() - z) / (z * z)
    }
}

/// Returns `e^shift l^2 psi(a l)` with `psi(z) = int_0^1 t e^(z t) dt = (e^z (z - 1) + 1) / z^2`. The exponents
/// are added first, since one of the two powers may overflow alone.
pub(super) fn moment<F: Real>(a: F, l: F, shift: F) -> F {
    let z = a * l;
    if z.abs() < F::one() {
        // The series with the coefficients 1 / (n! (n + 2)) is exact to f64.
        let mut power = F::one();
        let mut sum = F::from_f64(0.5);
        for n in 1..18 {
            power = power * z / F::from_f64(f64::from(n));
            sum = sum + power / F::from_f64(f64::from(n + 2));
        }
        shift.exp() * l * l * sum
    } else {
        ((z + shift).exp() * (z - F::one()) + shift.exp()) / (a * a)
    }
}

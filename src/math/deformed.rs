//! The deformed logarithm and exponential, continuous in the deformation.

use super::Real;

/// `ln(1 + c x) / c`, and its limit `x` at `c = 0`. `NaN` where `1 + c x < 0`.
///
/// ```
/// use burn_tsallis::math::log1p_over;
/// assert_eq!(log1p_over(0.0, 3.0), 3.0);
/// assert!((log1p_over(1e-12, 3.0_f64) - 3.0).abs() < 1e-11);
/// ```
pub fn log1p_over<F: Real>(c: F, x: F) -> F {
    let z = c * x;
    // Below one rounding the second-order term decides nothing, and c may be subnormal; at zero, z of an
    // infinite x is no number.
    if c == F::zero() || z.abs() < F::epsilon() {
        x
    } else {
        z.ln_1p() / c
    }
}

/// `(e^(c x) - 1) / c`, and its limit `x` at `c = 0`. The inverse of [`log1p_over`].
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

/// `(e^(c a) - e^(c b)) / c`, and its limit `a - b` at `c = 0`: exactly zero at `a = b`, and without
/// cancellation near it.
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
    // From the larger, so that nothing overflows that the difference does not.
    let difference = -expm1_over(c, -(a - b).abs()) * (c * a.max(b)).exp();
    if a > b { difference } else { -difference }
}

/// `(e^z - 1 - z) / z^2`, `1/2` at `0`: the curvature that the derivative in `alpha` is made of.
pub(super) fn exp_curvature<F: Real>(z: F) -> F {
    // The direct form loses digits as eps / z; the series is exact to f64 below 1.
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

/// `e^shift l^2 psi(a l)` with `psi(z) = int_0^1 t e^(z t) dt = (e^z (z - 1) + 1) / z^2`, the powers
/// joined before either overflows.
pub(super) fn moment<F: Real>(a: F, l: F, shift: F) -> F {
    let z = a * l;
    if z.abs() < F::one() {
        // 1 / (n! (n + 2)): exact to f64.
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

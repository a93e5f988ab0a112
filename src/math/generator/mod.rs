//! The generators of f-divergences.

mod divergences;
mod tsallis;

pub use divergences::{
    Hellinger, JensenShannon, KullbackLeibler, LeCam, NeymanChiSquared, PearsonChiSquared,
    ReverseKullbackLeibler,
};
pub use tsallis::Tsallis;

use super::Real;

/// The generator `f` of a divergence `D_f(p || q) = sum_i q_i f(p_i / q_i)`: convex on the positive numbers,
/// with `f(1) = f'(1) = 0`.
///
/// ```
/// use burn_tsallis::math::{Generator, JensenShannon, LeCam};
///
/// let u = 0.4_f64;
/// for f in [&JensenShannon as &dyn Generator<f64>, &LeCam] {
///     assert!((f.inverse_derivative(f.derivative(u)) - u).abs() < 1e-14);
///     // f*(f'(u)) = u f'(u) - f(u)
///     let conjugate = u * f.derivative(u) - f.value(u);
///     assert!((f.conjugate(f.derivative(u)) - conjugate).abs() < 1e-14);
/// }
/// ```
pub trait Generator<F: Real> {
    /// Returns `f(u)` for `u >= 0`, and its limit at zero, which may be infinite.
    fn value(&self, u: F) -> F;

    /// Returns the derivative `f'(u)`.
    fn derivative(&self, u: F) -> F;

    /// Returns the second derivative `f''(u)`.
    fn second_derivative(&self, u: F) -> F;

    /// Returns `(f')^-1(y)`, the derivative of the conjugate: zero below [`derivative_at_zero`], and `NaN` above
    /// the largest value of `f'`.
    ///
    /// [`derivative_at_zero`]: Self::derivative_at_zero
    fn inverse_derivative(&self, y: F) -> F;

    /// Returns the ratio `(f')^-1(f'(u) - gap)` of an entry whose logit is `gap` below that of an entry with the
    /// ratio `u > 0`.
    ///
    /// The default body computes this form. Its terms cancel if `f'` is bounded and `u` is large, so a generator
    /// with a bounded `f'` should override it.
    fn ratio_below(&self, u: F, gap: F) -> F {
        self.inverse_derivative(self.derivative(u) - gap)
    }

    /// Returns `f'(0+)`: finite if the softargmax is sparse, else `-inf`.
    fn derivative_at_zero(&self) -> F;

    /// Returns the convex conjugate `f*(y) = max_u u y - f(u)`.
    fn conjugate(&self, y: F) -> F {
        let u = self.inverse_derivative(y);
        if u == F::zero() {
            return -self.value(u);
        }
        u * y - self.value(u)
    }
}

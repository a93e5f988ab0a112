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
    /// `f(u)` for `u >= 0`; infinite at zero where its limit is.
    fn value(&self, u: F) -> F;

    /// `f'(u)`.
    fn derivative(&self, u: F) -> F;

    /// `f''(u)`.
    fn second_derivative(&self, u: F) -> F;

    /// `(f')^-1(y)`, the derivative of the conjugate: zero below [`derivative_at_zero`], `NaN` beyond the
    /// largest value of `f'`.
    ///
    /// [`derivative_at_zero`]: Self::derivative_at_zero
    fn inverse_derivative(&self, y: F) -> F;

    /// The ratio at a gap below a positive one, `(f')^-1(f'(u) - gap)`: the same without its cancellation, where
    /// `f'` is bounded and `u` far up.
    fn ratio_below(&self, u: F, gap: F) -> F {
        self.inverse_derivative(self.derivative(u) - gap)
    }

    /// `f'(0+)`: finite where the softargmax is sparse, else `-inf`.
    fn derivative_at_zero(&self) -> F;

    /// The convex conjugate `f*(y) = max_u u y - f(u)`.
    fn conjugate(&self, y: F) -> F {
        let u = self.inverse_derivative(y);
        if u == F::zero() {
            return -self.value(u);
        }
        u * y - self.value(u)
    }
}

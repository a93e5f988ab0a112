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
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, LeCam};
    ///
    /// // f(u) = (u - 1)^2 / (u + 1)
    /// assert_eq!(LeCam.value(3.0_f64), 1.0);
    /// ```
    fn value(&self, u: F) -> F;

    /// Returns the derivative `f'(u)`.
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, Hellinger};
    ///
    /// // f'(u) = 1 - 1 / sqrt(u)
    /// assert_eq!(Hellinger.derivative(4.0_f64), 0.5);
    /// ```
    fn derivative(&self, u: F) -> F;

    /// Returns the second derivative `f''(u)`.
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, Hellinger};
    ///
    /// // f''(u) = u^(-3/2) / 2
    /// assert_eq!(Hellinger.second_derivative(4.0_f64), 0.0625);
    /// ```
    fn second_derivative(&self, u: F) -> F;

    /// Returns `(f')^-1(y)`, the derivative of the conjugate: zero below [`derivative_at_zero`], and `NaN` above
    /// the largest value of `f'`.
    ///
    /// [`derivative_at_zero`]: Self::derivative_at_zero
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, Hellinger};
    ///
    /// // (1 - y)^-2
    /// assert_eq!(Hellinger.inverse_derivative(0.5_f64), 4.0);
    /// ```
    fn inverse_derivative(&self, y: F) -> F;

    /// Returns the ratio `(f')^-1(f'(u) - gap)` of an entry whose logit is `gap` below that of an entry with the
    /// ratio `u > 0`.
    ///
    /// The default body computes this form. Its terms cancel if `f'` is bounded and `u` is large, so a generator
    /// with a bounded `f'` should override it.
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, Hellinger};
    ///
    /// // f'(4) = 1/2 and f'(1) = 0.
    /// assert_eq!(Hellinger.ratio_below(4.0_f64, 0.5), 1.0);
    /// ```
    fn ratio_below(&self, u: F, gap: F) -> F {
        self.inverse_derivative(self.derivative(u) - gap)
    }

    /// Returns `f'(0+)`: finite if the softargmax is sparse, else `-inf`.
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, LeCam};
    ///
    /// // The softargmax of Le Cam's divergence is sparse.
    /// assert_eq!(Generator::<f64>::derivative_at_zero(&LeCam), -3.0);
    /// ```
    fn derivative_at_zero(&self) -> F;

    /// Returns the convex conjugate `f*(y) = max_u u y - f(u)`.
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, Hellinger};
    ///
    /// // f*(y) = y / (1 - y)
    /// assert_eq!(Hellinger.conjugate(0.5_f64), 1.0);
    /// ```
    fn conjugate(&self, y: F) -> F {
        let u = self.inverse_derivative(y);
        if u == F::zero() {
            return -self.value(u);
        }
        u * y - self.value(u)
    }
}

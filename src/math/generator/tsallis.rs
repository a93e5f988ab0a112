use super::Generator;
use crate::math::deformed::moment;
use crate::math::{Real, exp_difference, expm1_over, log1p_over};

/// The generator of the Tsallis (alpha) divergence, for every real `alpha`:
///
/// ```text
/// f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1)),    f(1) = f'(1) = 0
/// ```
///
/// Its limits are the Kullback-Leibler divergence `u ln u - u + 1` at `alpha = 1` and the reverse
/// Kullback-Leibler divergence `-ln u + u - 1` at `alpha = 0`. Source: arXiv 2601.12604.
///
/// ```
/// use burn_tsallis::math::Tsallis;
/// let f = Tsallis::<f64>::new(0.5);
/// // Twice the generator of the squared Hellinger distance: 2 (sqrt(u) - 1)^2.
/// assert!((f.value(4.0) - 2.0).abs() < 1e-15);
/// assert!((f.inverse_derivative(f.derivative(0.3)) - 0.3).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tsallis<F> {
    alpha: F,
    c: F,
}

impl<F: Real> Tsallis<F> {
    /// Creates the generator for `alpha`.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// let pearson = Tsallis::<f64>::new(2.0);
    /// assert!((pearson.value(3.0) - 2.0).abs() < 1e-13);
    /// ```
    pub fn new(alpha: f64) -> Self {
        // 1 - alpha is computed before rounding, so that an alpha close to 1 keeps its distance from 1.
        Self {
            alpha: F::from_f64(alpha),
            c: F::from_f64(1.0 - alpha),
        }
    }

    /// Returns `alpha`.
    ///
    /// ```
    /// assert_eq!(burn_tsallis::math::Tsallis::<f64>::new(0.5).alpha(), 0.5);
    /// ```
    pub fn alpha(&self) -> F {
        self.alpha
    }

    /// Returns `c = 1 - alpha`.
    ///
    /// ```
    /// assert_eq!(burn_tsallis::math::Tsallis::<f64>::new(0.75).c(), 0.25);
    /// ```
    pub fn c(&self) -> F {
        self.c
    }

    /// Returns `f(u)` for `u >= 0`. At `u = 0` it is `1 / alpha` for `alpha > 0`, else infinity.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// // f(u) = (u - 1)^2 / 2 at alpha = 2.
    /// assert!((Tsallis::<f64>::new(2.0).value(3.0) - 2.0).abs() < 1e-13);
    /// assert_eq!(Tsallis::<f64>::new(0.0).value(0.0), f64::INFINITY);
    /// ```
    pub fn value(&self, u: F) -> F {
        self.value_at_log(u.ln())
    }

    /// Returns `f(e^l)` for the logarithm `l` of a ratio; `l = -inf` is the ratio `0`.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// let f = Tsallis::<f64>::new(2.0);
    /// assert!((f.value_at_log(3_f64.ln()) - 2.0).abs() < 1e-13);
    /// assert_eq!(f.value_at_log(f64::NEG_INFINITY), 0.5);
    /// ```
    pub fn value_at_log(&self, l: F) -> F {
        if l == F::neg_infinity() {
            return if self.alpha > F::zero() {
                self.alpha.recip()
            } else {
                F::infinity()
            };
        }
        if (self.c * l).abs() < F::one() {
            return l.exp() * self.derivative_at_log(l) - self.conjugate_at_log(l);
        }
        // The powers of u f'(u) are combined: far from one, u^(alpha - 1) overflows before u^alpha does.
        let power = (self.alpha * l).exp();
        if power == F::infinity() {
            return power;
        }
        if self.alpha > F::one() {
            // The two powers of the form below would cancel.
            return ((power - self.alpha * l.exp()) - self.c) / (self.alpha * -self.c);
        }
        (l.exp() - power) / self.c - self.conjugate_at_log(l)
    }

    /// Returns `f'(u) = (u^(alpha - 1) - 1) / (alpha - 1)`.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// assert!((Tsallis::<f64>::new(2.0).derivative(3.0) - 2.0).abs() < 1e-13);
    /// ```
    pub fn derivative(&self, u: F) -> F {
        self.derivative_at_log(u.ln())
    }

    /// Returns `f'(e^l)` for the logarithm `l` of a ratio.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// // f'(u) = ln u at alpha = 1.
    /// assert_eq!(Tsallis::<f64>::new(1.0).derivative_at_log(-700.0), -700.0);
    /// ```
    pub fn derivative_at_log(&self, l: F) -> F {
        expm1_over(-self.c, l)
    }

    /// Returns `f''(u) = u^(alpha - 2)`.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// assert!((Tsallis::<f64>::new(1.0).second_derivative(4.0) - 0.25).abs() < 1e-15);
    /// ```
    pub fn second_derivative(&self, u: F) -> F {
        let exponent = -(F::one() + self.c);
        if exponent == F::zero() {
            return F::one();
        }
        (exponent * u.ln()).exp()
    }

    /// Returns `(f')^-1(y) = [1 + (alpha - 1) y]_+^(1 / (alpha - 1))`, the derivative of the conjugate.
    /// For `alpha < 1`, it is `NaN` beyond the pole `y = 1 / (1 - alpha)`.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// let f = Tsallis::<f64>::new(2.0);
    /// assert!((f.inverse_derivative(2.0) - 3.0).abs() < 1e-13);
    /// assert_eq!(f.inverse_derivative(-1.5), 0.0);
    /// ```
    pub fn inverse_derivative(&self, y: F) -> F {
        if self.c < F::zero() && self.c * y >= F::one() {
            return F::zero();
        }
        log1p_over(-self.c, y).exp()
    }

    /// Returns the ratio `(f')^-1(f'(u) - gap)`, in the form
    ///
    /// ```text
    /// u [1 + c gap u^c]_+^(-1/c),    c = 1 - alpha
    /// ```
    ///
    /// which keeps its digits if `f'(u)` is far larger than the gap.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// let f = Tsallis::<f64>::new(2.0);
    /// assert!((f.ratio_below(3.0, 0.5) - 2.5).abs() < 1e-13);
    /// assert_eq!(f.ratio_below(3.0, 4.0), 0.0);
    /// ```
    pub fn ratio_below(&self, u: F, gap: F) -> F {
        let x = gap * (self.c * u.ln()).exp();
        if self.c * x <= -F::one() {
            return F::zero();
        }
        u * (-log1p_over(self.c, x)).exp()
    }

    /// Returns `df/dalpha` at `u = e^l`. With `psi(z) = int_0^1 t e^(z t) dt`, it is
    ///
    /// ```text
    /// df/dalpha = l^2 [u psi((alpha - 1) l) - psi(alpha l)]
    /// ```
    ///
    /// which needs no limit at `alpha = 0` or `1`. At the ratio zero it is `-1 / alpha^2` for `alpha > 0`, else
    /// `-inf`.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// let f = |alpha| Tsallis::<f64>::new(alpha).value(3.0);
    /// let difference = (f(0.5 + 1e-6) - f(0.5 - 1e-6)) / 2e-6;
    /// let derivative = Tsallis::new(0.5).alpha_derivative_at_log(3_f64.ln());
    /// assert!((derivative - difference).abs() < 1e-8);
    /// ```
    pub fn alpha_derivative_at_log(&self, l: F) -> F {
        if l == F::neg_infinity() {
            return if self.alpha > F::zero() {
                -(self.alpha * self.alpha).recip()
            } else {
                F::neg_infinity()
            };
        }
        moment(-self.c, l, l) - moment(self.alpha, l, F::zero())
    }

    /// Returns the Bregman divergence `f(v) - f(u) - f'(u)(v - u) = u^alpha f(v / u)` of two ratios from their
    /// logarithms, in the form
    ///
    /// ```text
    /// v (f'(v) - f'(u)) - (v^alpha - u^alpha) / alpha
    /// ```
    ///
    /// which is exactly zero at `v = u`, and keeps its digits near it. It is the term of one ratio in a
    /// Fenchel-Young loss. It is infinite if only `u` is zero and `alpha <= 1`, or if only `v` is zero and
    /// `alpha <= 0`.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// // (v - u)^2 / 2 at alpha = 2.
    /// let bregman = Tsallis::<f64>::new(2.0).bregman_at_logs(3_f64.ln(), 2_f64.ln());
    /// assert!((bregman - 0.5).abs() < 1e-13);
    /// ```
    pub fn bregman_at_logs(&self, log_v: F, log_u: F) -> F {
        let powers = exp_difference(self.alpha, log_v, log_u);
        if log_v == F::neg_infinity() {
            return -powers;
        }
        log_v.exp() * exp_difference(-self.c, log_v, log_u) - powers
    }

    /// Returns `f*(f'(e^l)) = (e^(alpha l) - 1) / alpha`, the convex conjugate at the derivative of the ratio
    /// `e^l`.
    ///
    /// ```
    /// use burn_tsallis::math::Tsallis;
    ///
    /// // (u^2 - 1) / 2 at alpha = 2.
    /// assert!((Tsallis::<f64>::new(2.0).conjugate_at_log(3_f64.ln()) - 4.0).abs() < 1e-13);
    /// ```
    pub fn conjugate_at_log(&self, l: F) -> F {
        expm1_over(self.alpha, l)
    }
}

impl<F: Real> Generator<F> for Tsallis<F> {
    fn value(&self, u: F) -> F {
        self.value(u)
    }

    fn derivative(&self, u: F) -> F {
        self.derivative(u)
    }

    fn second_derivative(&self, u: F) -> F {
        self.second_derivative(u)
    }

    fn inverse_derivative(&self, y: F) -> F {
        self.inverse_derivative(y)
    }

    fn ratio_below(&self, u: F, gap: F) -> F {
        self.ratio_below(u, gap)
    }

    fn derivative_at_zero(&self) -> F {
        if self.c() < F::zero() {
            self.c().recip()
        } else {
            F::neg_infinity()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::assert_close;

    const BELOW_ONE: f64 = 1.0 - 1e-9;
    const ABOVE_ONE: f64 = 1.0 + 1e-9;
    const ALPHAS: [f64; 12] = [
        -1.0, -0.3, 0.0, 1e-9, 0.1, 0.5, 0.9, BELOW_ONE, 1.0, ABOVE_ONE, 1.5, 2.0,
    ];

    #[test]
    fn closed_forms() {
        for u in [0.01, 0.4, 1.0, 3.0, 40.0_f64] {
            let close = |got, want: f64| assert_close(got, want, 1e-12 * want.abs().max(1.0), u);
            close(Tsallis::new(1.0).value(u), u * u.ln() - u + 1.0);
            close(Tsallis::new(0.0).value(u), u - 1.0 - u.ln());
            close(Tsallis::new(2.0).value(u), (u - 1.0).powi(2) / 2.0);
            close(Tsallis::new(-1.0).value(u), (u - 1.0).powi(2) / (2.0 * u));
            close(Tsallis::new(0.5).value(u), 2.0 * (u.sqrt() - 1.0).powi(2));
        }
    }

    #[test]
    fn the_bregman_divergence_is_that_of_the_generator() {
        for alpha in ALPHAS {
            let f = Tsallis::<f64>::new(alpha);
            for (v, u) in [(1.0, 0.3), (0.3, 1.0), (1e-3, 2.0), (0.7, 0.7), (5.0, 1e-4)] {
                let want = f.value(v) - f.value(u) - f.derivative(u) * (v - u);
                let got = f.bregman_at_logs(v.ln(), u.ln());
                let what = format_args!("alpha {alpha}, {v} against {u}");
                assert_close(got, want, 1e-12 * want.abs().max(1.0), what);
            }
            assert_eq!(f.bregman_at_logs(0.2, 0.2), 0.0);
            let near = f.bregman_at_logs(1e-6, 0.0);
            assert!((near / 0.5e-12 - 1.0).abs() < 1e-3, "alpha {alpha}: {near}");
        }
        let empty = f64::NEG_INFINITY;
        assert!((Tsallis::new(1.5).bregman_at_logs(empty, 0.0) - 1.0 / 1.5).abs() < 1e-15);
        assert!((Tsallis::new(2.0).bregman_at_logs(0.0, empty) - 0.5).abs() < 1e-15);
        assert_eq!(Tsallis::new(1.0).bregman_at_logs(0.0, empty), f64::INFINITY);
        assert_eq!(Tsallis::new(0.0).bregman_at_logs(empty, 0.0), f64::INFINITY);
        assert_eq!(Tsallis::new(1.5).bregman_at_logs(empty, empty), 0.0);
    }

    #[test]
    fn the_inverse_undoes_the_derivative_at_every_alpha() {
        for alpha in ALPHAS {
            let f = Tsallis::<f64>::new(alpha);
            for u in [1e-3, 0.2, 1.0, 5.0] {
                let back = f.inverse_derivative(f.derivative(u));
                assert_close(back / u, 1.0, 1e-12, format_args!("alpha {alpha}, u {u}"));
            }
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        for alpha in ALPHAS {
            let f = Tsallis::<f64>::new(alpha);
            for u in [0.3, 1.0, 2.5_f64] {
                let h = 1e-5 * u;
                let first = (f.value(u + h) - f.value(u - h)) / (2.0 * h);
                let second = (f.derivative(u + h) - f.derivative(u - h)) / (2.0 * h);
                let what = format_args!("alpha {alpha}, u {u}");
                assert_close(first, f.derivative(u), 1e-6, what);
                assert_close(second / f.second_derivative(u), 1.0, 1e-7, what);
            }
        }
    }

    #[test]
    fn zero_ratio() {
        assert_eq!(Tsallis::<f64>::new(0.5).value(0.0), 2.0);
        assert_eq!(Tsallis::<f64>::new(1.5).value(0.0), 1.0 / 1.5);
        assert_eq!(Tsallis::<f64>::new(0.0).value(0.0), f64::INFINITY);
        assert_eq!(Tsallis::<f64>::new(2.0).inverse_derivative(-1.5), 0.0);
        assert_eq!(Tsallis::<f64>::new(1.0).derivative(0.0), f64::NEG_INFINITY);
        assert_eq!(Tsallis::<f64>::new(2.0).second_derivative(0.0), 1.0);
    }

    #[test]
    fn ratios_far_from_one() {
        // (u - 1)^2 / (2 u), whose first derivative at e^-400 overflows.
        let at = Tsallis::<f64>::new(-1.0).value_at_log(-400.0);
        assert!((at / (400_f64.exp() / 2.0) - 1.0).abs() < 1e-12, "{at}");
        let beyond = Tsallis::<f64>::new(-50.0).value_at_log(-20.0);
        assert_eq!(beyond, f64::INFINITY);
    }
}

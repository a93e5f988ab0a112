use super::Generator;
use crate::math::deformed::moment;
use crate::math::{Real, exp_difference, expm1_over, log1p_over};

/// The generator of the Tsallis (alpha) divergence, for every real `alpha`:
///
/// ```text
/// f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1)),    f(1) = f'(1) = 0
/// ```
///
/// with its limits, the Kullback-Leibler divergence `u ln u - u + 1` at `alpha = 1` and its reverse
/// `-ln u + u - 1` at `alpha = 0`. Source: arXiv 2601.12604.
///
/// ```
/// use burn_tsallis::math::Tsallis;
/// let f = Tsallis::<f64>::new(0.5);
/// // Twice the squared Hellinger distance's generator: 2 (sqrt(u) - 1)^2.
/// assert!((f.value(4.0) - 2.0).abs() < 1e-15);
/// assert!((f.inverse_derivative(f.derivative(0.3)) - 0.3).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tsallis<F> {
    alpha: F,
    c: F,
}

impl<F: Real> Tsallis<F> {
    /// The generator of order `alpha`.
    pub fn new(alpha: f64) -> Self {
        // 1 - alpha is taken before rounding, so that alpha close to 1 keeps its distance from 1.
        Self {
            alpha: F::from_f64(alpha),
            c: F::from_f64(1.0 - alpha),
        }
    }

    /// The order `alpha`.
    pub fn alpha(&self) -> F {
        self.alpha
    }

    /// `c = 1 - alpha`.
    pub fn c(&self) -> F {
        self.c
    }

    /// `f(u)` for `u >= 0`; `1 / alpha` at `0`, infinite there for `alpha <= 0`.
    pub fn value(&self, u: F) -> F {
        self.value_at_log(u.ln())
    }

    /// `f(e^l)`, from the logarithm of the ratio; `l = -inf` is the ratio `0`.
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
        // u f'(u) with its powers joined: far from one u^(alpha - 1) overflows before u^alpha does.
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

    /// `f'(u) = (u^(alpha - 1) - 1) / (alpha - 1)`.
    pub fn derivative(&self, u: F) -> F {
        self.derivative_at_log(u.ln())
    }

    /// `f'(e^l)`.
    pub fn derivative_at_log(&self, l: F) -> F {
        expm1_over(-self.c, l)
    }

    /// `f''(u) = u^(alpha - 2)`.
    pub fn second_derivative(&self, u: F) -> F {
        let exponent = -(F::one() + self.c);
        if exponent == F::zero() {
            return F::one();
        }
        (exponent * u.ln()).exp()
    }

    /// `(f')^-1(y) = [1 + (alpha - 1) y]_+^(1 / (alpha - 1))`, the derivative of the conjugate.
    /// `NaN` beyond the pole `y = 1 / (1 - alpha)` of an `alpha < 1`.
    pub fn inverse_derivative(&self, y: F) -> F {
        if self.c < F::zero() && self.c * y >= F::one() {
            return F::zero();
        }
        log1p_over(-self.c, y).exp()
    }

    /// `(f')^-1(f'(u) - gap)`, in the form
    ///
    /// ```text
    /// u [1 + c gap u^c]_+^(-1/c),    c = 1 - alpha
    /// ```
    ///
    /// which keeps its digits where `f'(u)` is far larger than the gap.
    pub fn ratio_below(&self, u: F, gap: F) -> F {
        let x = gap * (self.c * u.ln()).exp();
        if self.c * x <= -F::one() {
            return F::zero();
        }
        u * (-log1p_over(self.c, x)).exp()
    }

    /// `df/dalpha` at `u = e^l`: with `psi(z) = int_0^1 t e^(z t) dt`,
    ///
    /// ```text
    /// df/dalpha = l^2 [u psi((alpha - 1) l) - psi(alpha l)]
    /// ```
    ///
    /// which needs no limit at `alpha = 0` or `1`. At the ratio zero it is `-1 / alpha^2` for `alpha > 0`.
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

    /// The Bregman divergence `f(v) - f(u) - f'(u)(v - u) = u^alpha f(v / u)` of two ratios, from their
    /// logarithms, in the form
    ///
    /// ```text
    /// v (f'(v) - f'(u)) - (v^alpha - u^alpha) / alpha
    /// ```
    ///
    /// which is exactly zero at `v = u`, and keeps its digits near it. It is what a ratio contributes to a
    /// Fenchel-Young loss. Infinite where only `u` is zero and `alpha <= 1`, or only `v` and `alpha <= 0`.
    pub fn bregman_at_logs(&self, log_v: F, log_u: F) -> F {
        let powers = exp_difference(self.alpha, log_v, log_u);
        if log_v == F::neg_infinity() {
            return -powers;
        }
        log_v.exp() * exp_difference(-self.c, log_v, log_u) - powers
    }

    /// `f*(f'(e^l)) = (e^(alpha l) - 1) / alpha`, the convex conjugate at the point that the ratio
    /// `e^l` is the answer to.
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

    const ALPHAS: [f64; 12] = [
        -1.0,
        -0.3,
        0.0,
        1e-9,
        0.1,
        0.5,
        0.9,
        1.0 - 1e-9,
        1.0,
        1.0 + 1e-9,
        1.5,
        2.0,
    ];

    #[test]
    fn closed_forms() {
        for u in [0.01, 0.4, 1.0, 3.0, 40.0_f64] {
            let close = |got: f64, want: f64| {
                assert!(
                    (got - want).abs() <= 1e-12 * want.abs().max(1.0),
                    "{got} {want}"
                );
            };
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
                assert!(
                    (got - want).abs() <= 1e-12 * want.abs().max(1.0),
                    "alpha {alpha}, {v} against {u}: {got} {want}"
                );
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
                assert!(
                    (back / u - 1.0).abs() < 1e-12,
                    "alpha {alpha}, u {u}: {back}"
                );
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
                assert!(
                    (first - f.derivative(u)).abs() < 1e-6,
                    "alpha {alpha}, u {u}"
                );
                assert!(
                    (second / f.second_derivative(u) - 1.0).abs() < 1e-7,
                    "alpha {alpha}, u {u}"
                );
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
        assert_eq!(
            Tsallis::<f64>::new(-50.0).value_at_log(-20.0),
            f64::INFINITY
        );
    }
}

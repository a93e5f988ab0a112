use super::{Generator, Tsallis};
use crate::math::Real;

/// Declares a member of the Tsallis family under its usual name.
macro_rules! tsallis_member {
    ($(#[$doc:meta])* $name:ident, $alpha:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl<F: Real> Generator<F> for $name {
            fn value(&self, u: F) -> F {
                Tsallis::new($alpha).value(u)
            }

            fn derivative(&self, u: F) -> F {
                Tsallis::new($alpha).derivative(u)
            }

            fn second_derivative(&self, u: F) -> F {
                Tsallis::new($alpha).second_derivative(u)
            }

            fn inverse_derivative(&self, y: F) -> F {
                Tsallis::new($alpha).inverse_derivative(y)
            }

            fn ratio_below(&self, u: F, gap: F) -> F {
                Tsallis::new($alpha).ratio_below(u, gap)
            }

            fn derivative_at_zero(&self) -> F {
                Tsallis::new($alpha).derivative_at_zero()
            }
        }
    };
}
tsallis_member!(
    /// The Kullback-Leibler divergence, `f(u) = u ln u - u + 1`: the Tsallis family at `alpha = 1`.
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, KullbackLeibler};
    ///
    /// // f'(u) = ln u
    /// assert!((KullbackLeibler.derivative(2.0_f64) - 2_f64.ln()).abs() < 1e-15);
    /// ```
    KullbackLeibler,
    1.0
);
tsallis_member!(
    /// The reverse Kullback-Leibler divergence, `f(u) = -ln u + u - 1`: the Tsallis family at `alpha = 0`.
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, ReverseKullbackLeibler};
    ///
    /// // f'(u) = 1 - 1 / u
    /// assert!((ReverseKullbackLeibler.derivative(2.0_f64) - 0.5).abs() < 1e-15);
    /// ```
    ReverseKullbackLeibler,
    0.0
);
tsallis_member!(
    /// Half of Pearson's chi-squared divergence, `f(u) = (u - 1)^2 / 2`: the Tsallis family at `alpha = 2`.
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, PearsonChiSquared};
    ///
    /// assert!((PearsonChiSquared.value(3.0_f64) - 2.0).abs() < 1e-14);
    /// ```
    PearsonChiSquared,
    2.0
);
tsallis_member!(
    /// Half of Neyman's chi-squared divergence, `f(u) = (u - 1)^2 / (2 u)`: the Tsallis family at
    /// `alpha = -1`.
    ///
    /// ```
    /// use burn_tsallis::math::{Generator, NeymanChiSquared};
    ///
    /// assert!((NeymanChiSquared.value(2.0_f64) - 0.25).abs() < 1e-14);
    /// ```
    NeymanChiSquared,
    -1.0
);

/// The squared Hellinger distance, `f(u) = (sqrt(u) - 1)^2`: half of the Tsallis divergence at `alpha = 1/2`.
///
/// ```
/// use burn_tsallis::math::{Generator, Hellinger};
///
/// assert_eq!(Hellinger.value(4.0_f64), 1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hellinger;

impl<F: Real> Generator<F> for Hellinger {
    fn value(&self, u: F) -> F {
        let distance = u.sqrt() - F::one();
        distance * distance
    }

    fn derivative(&self, u: F) -> F {
        F::one() - u.sqrt().recip()
    }

    fn second_derivative(&self, u: F) -> F {
        F::from_f64(0.5) / (u * u.sqrt())
    }

    fn inverse_derivative(&self, y: F) -> F {
        if y >= F::one() {
            return F::nan();
        }
        let root = (F::one() - y).recip();
        root * root
    }

    fn ratio_below(&self, u: F, gap: F) -> F {
        let root = (u.sqrt().recip() + gap).recip();
        root * root
    }

    fn derivative_at_zero(&self) -> F {
        F::neg_infinity()
    }
}

/// Twice the Jensen-Shannon divergence, `f(u) = u ln u - (1 + u) ln((1 + u) / 2)`.
///
/// ```
/// use burn_tsallis::math::{Generator, JensenShannon};
///
/// assert_eq!(JensenShannon.value(0.0_f64), 2_f64.ln());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JensenShannon;

impl<F: Real> Generator<F> for JensenShannon {
    fn value(&self, u: F) -> F {
        let mixture = (F::one() + u) * ((F::one() + u) * F::from_f64(0.5)).ln();
        if u == F::zero() {
            return -mixture;
        }
        u * u.ln() - mixture
    }

    fn derivative(&self, u: F) -> F {
        (F::from_f64(2.0) * u / (F::one() + u)).ln()
    }

    fn second_derivative(&self, u: F) -> F {
        (u * (F::one() + u)).recip()
    }

    fn inverse_derivative(&self, y: F) -> F {
        let left = F::from_f64(2.0) - y.exp();
        if left <= F::zero() {
            return F::nan();
        }
        y.exp() / left
    }

    fn ratio_below(&self, u: F, gap: F) -> F {
        (-gap).exp() / (u.recip() - (-gap).exp_m1())
    }

    fn derivative_at_zero(&self) -> F {
        F::neg_infinity()
    }
}

/// The Le Cam divergence, `f(u) = (u - 1)^2 / (u + 1)`. Its softargmax is sparse.
///
/// ```
/// use burn_tsallis::math::{Generator, LeCam};
///
/// assert_eq!(LeCam.value(3.0_f64), 1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeCam;

impl<F: Real> Generator<F> for LeCam {
    fn value(&self, u: F) -> F {
        let distance = u - F::one();
        distance * distance / (u + F::one())
    }

    fn derivative(&self, u: F) -> F {
        let sum = F::one() + u;
        F::one() - F::from_f64(4.0) / (sum * sum)
    }

    fn second_derivative(&self, u: F) -> F {
        let sum = F::one() + u;
        F::from_f64(8.0) / (sum * sum * sum)
    }

    fn inverse_derivative(&self, y: F) -> F {
        if y >= F::one() {
            return F::nan();
        }
        (F::from_f64(2.0) / (F::one() - y).sqrt() - F::one()).max(F::zero())
    }

    /// Returns `(1 + u) / sqrt(1 + z) - 1` with `z = gap (1 + u)^2 / 4`, or zero if this is negative.
    fn ratio_below(&self, u: F, gap: F) -> F {
        let sum = F::one() + u;
        let z = gap * sum * sum * F::from_f64(0.25);
        let root = (F::one() + z).sqrt();
        let ratio = if z < F::one() {
            // The difference from u keeps the digits of a u far below one.
            u - sum * z / (root * (F::one() + root))
        } else {
            sum / root - F::one()
        };
        ratio.max(F::zero())
    }

    fn derivative_at_zero(&self) -> F {
        F::from_f64(-3.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::assert_close;

    fn all() -> [(&'static str, &'static dyn Generator<f64>); 7] {
        [
            ("KL", &KullbackLeibler),
            ("reverse KL", &ReverseKullbackLeibler),
            ("Pearson", &PearsonChiSquared),
            ("Neyman", &NeymanChiSquared),
            ("Hellinger", &Hellinger),
            ("Jensen-Shannon", &JensenShannon),
            ("Le Cam", &LeCam),
        ]
    }

    #[test]
    fn normalized_and_consistent() {
        for (name, f) in all() {
            assert_close(f.value(1.0), 0.0, 1e-15, name);
            assert_close(f.derivative(1.0), 0.0, 1e-15, name);
            for u in [0.05, 0.4, 1.0, 3.0] {
                let (y, what) = (f.derivative(u), format_args!("{name} {u}"));
                assert_close(f.inverse_derivative(y), u, 1e-13 * u, what);
                let h = 1e-5 * u;
                for gap in [0.0, 1e-9, 0.3, 2.0, 40.0] {
                    let want = f.inverse_derivative(y - gap);
                    assert_close(f.ratio_below(u, gap), want, 1e-13 * u, what);
                }
                let slope = (f.value(u + h) - f.value(u - h)) / (2.0 * h);
                assert_close(slope, y, 1e-6 * y.abs().max(1.0), what);
                let curvature = (f.derivative(u + h) - f.derivative(u - h)) / (2.0 * h);
                assert_close(curvature / f.second_derivative(u), 1.0, 1e-7, what);
                let conjugate = (f.conjugate(y + 1e-6) - f.conjugate(y - 1e-6)) / 2e-6;
                assert_close(conjugate, u, 1e-6 * u.max(1.0), what);
            }
        }
    }

    #[test]
    fn sparse_where_the_derivative_at_zero_is_finite() {
        for (name, f) in all() {
            let edge = f.derivative_at_zero();
            if edge.is_finite() {
                assert_eq!(f.inverse_derivative(edge - 1.0), 0.0, "{name}");
                assert!(f.value(0.0).is_finite(), "{name}");
            } else {
                assert!(f.inverse_derivative(-20.0) > 0.0, "{name}");
            }
        }
    }
}

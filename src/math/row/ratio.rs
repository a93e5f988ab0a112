use crate::math::{Real, Tsallis};

/// The distance `x_max - x` of an entry from the largest logit, with its rounding error.
///
/// ```
/// use burn_tsallis::math::Gap;
///
/// let gap = Gap::between(2.0, 0.5);
/// assert_eq!((gap.value, gap.remainder), (1.5, 0.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap<F> {
    /// The rounded difference.
    pub value: F,
    /// The exact difference minus the rounded difference.
    pub remainder: F,
}

impl<F: Real> Gap<F> {
    /// Returns the gap `max - x`, for `x <= max`. A difference that overflows becomes the largest finite number.
    ///
    /// ```
    /// use burn_tsallis::math::Gap;
    ///
    /// let gap = Gap::between(1.0, 1e-20);
    /// assert_eq!((gap.value, gap.remainder), (1.0, -1e-20));
    /// ```
    pub fn between(max: F, x: F) -> Self {
        let value = max - x;
        if value == F::infinity() {
            // The difference of finite logits may overflow.
            return Self {
                value: F::max_value(),
                remainder: F::zero(),
            };
        }
        // Knuth's exact difference.
        let x_seen = max - value;
        let max_seen = value + x_seen;
        Self {
            value,
            remainder: (max - max_seen) + (x_seen - x),
        }
    }

    /// Returns the gap of an entry that is not allowed.
    ///
    /// ```
    /// assert_eq!(burn_tsallis::math::Gap::<f64>::infinite().value, f64::INFINITY);
    /// ```
    pub fn infinite() -> Self {
        Self {
            value: F::infinity(),
            remainder: F::zero(),
        }
    }
}

/// The ratio `u = p / q` of one entry.
///
/// ```
/// use burn_tsallis::math::{Gap, RatioCurve, Tsallis};
///
/// // u = 1 - gap at alpha = 2 and u_max = 1.
/// let ratio = RatioCurve::new(&Tsallis::new(2.0), 0.0_f64).at(Gap::between(0.5, 0.0));
/// assert!((ratio.log_u - 0.5_f64.ln()).abs() < 1e-15);
/// assert!((ratio.log_drop - 2_f64.ln()).abs() < 1e-15);
/// assert!((ratio.relative_slope - 2.0).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio<F> {
    /// `ln u`, `-inf` off the support.
    pub log_u: F,
    /// `ln u_max - ln u`, without the cancellation of this difference.
    pub log_drop: F,
    /// `(u / u_max)^(1 - alpha)`.
    pub relative_slope: F,
}

impl<F: Real> Ratio<F> {
    /// Returns whether the ratio is positive.
    ///
    /// ```
    /// use burn_tsallis::math::{Gap, RatioCurve, Tsallis};
    ///
    /// // u = 1 - gap at alpha = 2 and u_max = 1.
    /// let curve = RatioCurve::new(&Tsallis::new(2.0), 0.0_f64);
    /// assert!(curve.at(Gap::between(0.0, -0.5)).is_on_support());
    /// assert!(!curve.at(Gap::between(0.0, -1.5)).is_on_support());
    /// ```
    pub fn is_on_support(&self) -> bool {
        self.log_u > F::neg_infinity()
    }

    fn off_support() -> Self {
        Self {
            log_u: F::neg_infinity(),
            log_drop: F::infinity(),
            relative_slope: F::zero(),
        }
    }
}

/// `ln u` as a function of the gap `g = x_max - x` for the root of a row, in one of two forms:
///
/// ```text
/// from l = ln u_max:                                       ln u = l - ln(1 + c g e^(c l)) / c
/// from the support radius m = u_max^(alpha-1)/(alpha-1):   ln u = ln((alpha - 1)(m - g)) / (alpha - 1)
/// ```
///
/// with `c = 1 - alpha`. The first form keeps its digits at every alpha up to 2, unlike the textbook form
/// `1 + (alpha - 1)(x - mu)`, which has cancellation. The second is for `alpha > 2`, whose roots of a small
/// difference magnify every rounding. The gap and the support radius are therefore exact there: each is a sum of
/// two numbers.
///
/// ```
/// use burn_tsallis::math::{Gap, RatioCurve, Tsallis};
///
/// // u = (1 + gap / 2)^-2 at alpha = 1/2 and u_max = 1.
/// let curve = RatioCurve::new(&Tsallis::new(0.5), 0.0_f64);
/// assert!((curve.at(Gap::between(6.0, 0.0)).log_u - 0.0625_f64.ln()).abs() < 1e-14);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RatioCurve<F> {
    c: F,
    form: Form<F>,
}

#[derive(Clone, Copy, Debug)]
enum Form<F> {
    LogRatio {
        l: F,
        /// `e^(c l)`.
        power: F,
    },
    SupportRadius {
        root: F,
        remainder: F,
    },
}

impl<F: Real> RatioCurve<F> {
    /// Creates the curve of the root `l = ln u_max`.
    ///
    /// ```
    /// use burn_tsallis::math::{Gap, RatioCurve, Tsallis};
    ///
    /// // ln u = l - gap at alpha = 1.
    /// let curve = RatioCurve::new(&Tsallis::new(1.0), 0.25_f64);
    /// assert_eq!(curve.at(Gap::between(3.0, 1.0)).log_u, -1.75);
    /// ```
    pub fn new(generator: &Tsallis<F>, l: F) -> Self {
        let c = generator.c();
        let power = (c * l).exp();
        Self {
            c,
            form: Form::LogRatio { l, power },
        }
    }

    /// Creates the curve of the support radius `root + remainder`, for `alpha > 1`.
    ///
    /// ```
    /// use burn_tsallis::math::{Gap, RatioCurve, Tsallis};
    ///
    /// // u = sqrt(2 (m - gap)) at alpha = 3.
    /// let curve = RatioCurve::with_support_radius(&Tsallis::new(3.0), 0.5_f64, 0.0);
    /// let ratio = curve.at(Gap::between(0.0, -0.375));
    /// assert!((ratio.log_u - 0.5_f64.ln()).abs() < 1e-15);
    /// ```
    pub fn with_support_radius(generator: &Tsallis<F>, root: F, remainder: F) -> Self {
        Self {
            c: generator.c(),
            form: Form::SupportRadius { root, remainder },
        }
    }

    /// Returns `ln u_max`.
    ///
    /// ```
    /// use burn_tsallis::math::{RatioCurve, Tsallis};
    ///
    /// assert_eq!(RatioCurve::new(&Tsallis::new(0.5), 0.25_f64).log_u_max(), 0.25);
    /// ```
    pub fn log_u_max(&self) -> F {
        match self.form {
            Form::LogRatio { l, .. } => l,
            Form::SupportRadius { root, .. } => (-self.c * root).ln() / -self.c,
        }
    }

    /// Returns the ratio at a gap.
    ///
    /// ```
    /// use burn_tsallis::math::{Gap, RatioCurve, Tsallis};
    ///
    /// // u = (1 + gap / 2)^-2 at alpha = 1/2 and u_max = 1.
    /// let ratio = RatioCurve::new(&Tsallis::new(0.5), 0.0_f64).at(Gap::between(2.0, 0.0));
    /// assert!((ratio.log_u - 0.25_f64.ln()).abs() < 1e-15);
    /// ```
    pub fn at(&self, gap: Gap<F>) -> Ratio<F> {
        if gap.value == F::infinity() {
            return Ratio::off_support();
        }
        match self.form {
            Form::LogRatio { l, power } => self.at_log_ratio(l, power, gap.value),
            Form::SupportRadius { root, remainder } => {
                // This difference is exact close to the edge of the support, where it matters.
                let left = (root - gap.value) + (remainder - gap.remainder);
                if left <= F::zero() {
                    return Ratio::off_support();
                }
                Ratio {
                    log_u: (-self.c * left).ln() / -self.c,
                    log_drop: (gap.value / left).ln_1p() / -self.c,
                    relative_slope: root / left,
                }
            }
        }
    }

    fn at_log_ratio(&self, l: F, power: F, gap: F) -> Ratio<F> {
        let x = gap * power;
        let z = self.c * x;
        if self.c * l > F::LOG_SPACE || z == F::infinity() {
            return self.in_log_space(l, gap);
        }
        if z <= -F::one() {
            return Ratio::off_support();
        }
        let log_drop = if z.abs() < F::epsilon() {
            x
        } else {
            z.ln_1p() / self.c
        };
        Ratio {
            log_u: l - log_drop,
            log_drop,
            relative_slope: (F::one() + z).recip(),
        }
    }

    /// Returns the ratio if `e^(c l)` overflows.
    fn in_log_space(&self, l: F, gap: F) -> Ratio<F> {
        if gap <= F::zero() {
            return Ratio {
                log_u: l,
                log_drop: F::zero(),
                relative_slope: F::one(),
            };
        }
        // ln |z|
        let t = self.c.abs().ln() + gap.ln() + self.c * l;
        // c ln(u_max / u)
        let log_drop = if self.c > F::zero() {
            t.max(F::zero()) + (-t.abs()).exp().ln_1p()
        } else if t >= F::zero() {
            return Ratio::off_support();
        } else {
            (-t.exp()).ln_1p()
        };
        Ratio {
            log_u: l - log_drop / self.c,
            log_drop: log_drop / self.c,
            relative_slope: (-log_drop).exp(),
        }
    }
}

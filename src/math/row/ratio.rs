use crate::math::{Real, Tsallis};

/// The distance `x_max - x` of an entry from the largest logit, with what its rounding lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap<F> {
    /// The rounded difference.
    pub value: F,
    /// The exact difference less the rounded one.
    pub remainder: F,
}

impl<F: Real> Gap<F> {
    /// `max - x`, for `x <= max`.
    pub fn between(max: F, x: F) -> Self {
        let value = max - x;
        if value == F::infinity() {
            // Finite logits may lie further apart than the largest number.
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

    /// The gap of an entry that is not allowed.
    pub fn infinite() -> Self {
        Self {
            value: F::infinity(),
            remainder: F::zero(),
        }
    }
}

/// `u = p / q` of one entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio<F> {
    /// `ln u`, `-inf` off the support.
    pub log_u: F,
    /// `ln u_max - ln u`, to its own digits.
    pub log_drop: F,
    /// `(u / u_max)^(1 - alpha)`.
    pub relative_slope: F,
}

impl<F: Real> Ratio<F> {
    /// Whether the ratio is positive.
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

/// `ln u` as a function of the gap `g = x_max - x`, given the root of the row, in one of two forms:
///
/// ```text
/// from l = ln u_max:                              ln u = l - ln(1 + c g e^(c l)) / c
/// from the support radius m = u_max^(alpha-1)/(alpha-1):   ln u = ln((alpha - 1)(m - g)) / (alpha - 1)
/// ```
///
/// The first keeps its digits at every order up to 2, where the textbook `1 + (alpha - 1)(x - mu)`
/// cancels. The second is for `alpha > 2`, whose roots of a small difference magnify every rounding:
/// gap and support radius are exact differences there, kept as sums of two numbers.
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
    /// The curve of the root `l = ln u_max`.
    pub fn new(generator: &Tsallis<F>, l: F) -> Self {
        let c = generator.c();
        let power = (c * l).exp();
        Self {
            c,
            form: Form::LogRatio { l, power },
        }
    }

    /// The curve of the support radius `root + rest`, for `alpha > 1`.
    pub fn with_support_radius(generator: &Tsallis<F>, root: F, remainder: F) -> Self {
        Self {
            c: generator.c(),
            form: Form::SupportRadius { root, remainder },
        }
    }

    /// `ln u_max`.
    pub fn log_u_max(&self) -> F {
        match self.form {
            Form::LogRatio { l, .. } => l,
            Form::SupportRadius { root, .. } => (-self.c * root).ln() / -self.c,
        }
    }

    /// The ratio at a gap.
    pub fn at(&self, gap: Gap<F>) -> Ratio<F> {
        if gap.value == F::infinity() {
            return Ratio::off_support();
        }
        match self.form {
            Form::LogRatio { l, power } => self.at_log_ratio(l, power, gap.value),
            Form::SupportRadius { root, remainder } => {
                // Exact where it matters, close to the edge.
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

    /// The same where `e^(c l)` overflows.
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

use num_traits::Float;

/// The scalar types of the arithmetic: `f32` and `f64`.
///
/// ```
/// use burn_tsallis::math::Real;
///
/// assert_eq!(<f32 as Real>::from_f64(0.5).into_f64(), 0.5);
/// ```
pub trait Real: Float + Send + Sync + std::fmt::Debug + 'static {
    /// The largest `c * ln u_max` for which `u_max^c` is computed directly. Above it, products with `u_max^c`
    /// are computed in log space. It is two thirds of the exponent range, which leaves room for a gap.
    const LOG_SPACE: Self;

    /// The number of bisection steps that shrink any bracket of the operator below one ulp: the widest bracket,
    /// `ln(sum q / q_min)`, is below 128.
    const BISECTION_STEPS: usize;

    /// Rounds an `f64` to this type.
    fn from_f64(value: f64) -> Self;

    /// Converts this value to `f64`.
    fn into_f64(self) -> f64;
}

impl Real for f32 {
    const LOG_SPACE: Self = 60.0;
    const BISECTION_STEPS: usize = 40;

    fn from_f64(value: f64) -> Self {
        value as f32
    }

    fn into_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    const LOG_SPACE: Self = 480.0;
    const BISECTION_STEPS: usize = 60;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn into_f64(self) -> f64 {
        self
    }
}

use num_traits::Float;

/// The scalar types that the operator is computed in: `f32` and `f64`.
pub trait Real: Float + Send + Sync + std::fmt::Debug + 'static {
    /// Largest `c * ln u_max` for which `u_max^c` is formed; beyond it the products with `u_max^c`
    /// are taken in log space. Two thirds of the exponent range, which leaves room for a gap.
    const LOG_SPACE: Self;

    /// Halvings after which no bracket of the operator can be told from a point in this type: the
    /// widest, `ln(sum q / q_min)`, is below 128.
    const BISECTION_STEPS: usize;

    /// Rounds an `f64` to this type.
    fn from_f64(value: f64) -> Self;

    /// This value as an `f64`.
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

//! The limits of the steps of a higher order, with which the kernels find roots.

/// Largest terms `P` and `Q` of a step of the fourth order. They are small if the step is, but a longer step is better
/// without them.
pub(super) const SMALL_TERM: f32 = 0.05;

/// The longest step of the fourth order after which the error of the next root is about a rounding, times `1 + c`: the
/// error is at most about `(1 + c) (1 + 2 c) (1 + 3 c) / 150 d^4`.
pub(super) const FOURTH_ORDER_STEP: f32 = 0.056;

/// The longest step of the third order after which the error of the next root is below the rounding.
pub(super) const THIRD_ORDER_STEP: f32 = 4e-3;

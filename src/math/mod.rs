//! Scalar mathematics of the Tsallis family and of other f-divergences, generic over `f32` and `f64`,
//! without Burn.
//!
//! This module holds every formula of the operator once. The CPU kernels call these functions. The WGSL
//! kernels name the function that each of their functions mirrors. The tests compare every kernel with
//! [`Row`] in `f64`.
//!
//! Notation: `x` are the logits, `p` the probabilities, `q` the reference measure, `u = p / q`, and
//! `c = 1 - alpha`. Source of the operator: arXiv 2601.12604.

mod closed_form;
mod deformed;
mod generator;
mod jacobian;
mod pair;
mod real;
mod row;
mod softargmax;
mod solver;

pub use closed_form::closed_form;
pub use deformed::{exp_difference, expm1_over, log1p_over};
pub use generator::{
    Generator, Hellinger, JensenShannon, KullbackLeibler, LeCam, NeymanChiSquared,
    PearsonChiSquared, ReverseKullbackLeibler, Tsallis,
};
pub use jacobian::jacobian_product;
pub use pair::Pair;
pub use real::Real;
pub use row::{
    EmptyRow, Gap, Output, Ratio, RatioCurve, Row, RowGradients, RowReference, RowState,
};
pub use softargmax::FSoftargmax;
pub use solver::{Solver, solve_log_ratio, solve_support_radius};

/// The largest absolute value of alpha that is accepted.
///
/// The accuracy bounds of the tests hold for alpha from -2 to 3. Outside this range, probabilities are accurate
/// to 1e-4 in `f32`: an entry at the edge of the support is then a high root of a difference, which magnifies
/// the rounding error of the difference.
///
/// ```
/// use burn_tsallis::TsallisOptions;
/// use burn_tsallis::math::MAX_ALPHA;
///
/// assert!(TsallisOptions::<1>::try_new(MAX_ALPHA).is_ok());
/// assert!(TsallisOptions::<1>::try_new(MAX_ALPHA + 1.0).is_err());
/// ```
pub const MAX_ALPHA: f64 = 50.0;

/// Returns `divergence`, or zero if rounding made it negative. `NaN` stays `NaN`.
///
/// ```
/// use burn_tsallis::math::non_negative;
///
/// assert_eq!(non_negative(0.3), 0.3);
/// assert_eq!(non_negative(-1e-17), 0.0);
/// assert!(non_negative(f64::NAN).is_nan());
/// ```
pub fn non_negative(divergence: f64) -> f64 {
    if divergence < 0.0 { 0.0 } else { divergence }
}

/// Returns whether `alpha` is from `-MAX_ALPHA` to `MAX_ALPHA`. `NaN` is not.
///
/// ```
/// use burn_tsallis::math::is_valid_alpha;
///
/// assert!(is_valid_alpha(-50.0) && is_valid_alpha(1.0));
/// assert!(!is_valid_alpha(50.5) && !is_valid_alpha(f64::NAN));
/// ```
pub fn is_valid_alpha(alpha: f64) -> bool {
    (-MAX_ALPHA..=MAX_ALPHA).contains(&alpha)
}

#[cfg(test)]
#[track_caller]
fn assert_close(got: f64, want: f64, within: f64, what: impl std::fmt::Display) {
    assert!((got - want).abs() <= within, "{what}: {got} is not {want}");
}

//! Scalar mathematics of the Tsallis family and of other f-divergences, generic over `f32` and `f64`,
//! without Burn.
//!
//! Every formula of the operator stands here once. The CPU kernels call these functions; the WGSL
//! kernels name the function that each of theirs mirrors; every kernel is tested against [`Row`] in
//! `f64`.
//!
//! Notation: `alpha` is the order, `c = 1 - alpha`, `q` the reference measure, `u = p / q`. Source:
//! arXiv 2601.12604 for the operator.

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

/// Largest absolute order that is accepted.
///
/// The bounds of the tests are held to from -2 to 3. Beyond, a probability is right to 1e-4 in `f32`: the
/// entries at the edge of the support are then such high roots of a difference that the two sides of one
/// rounding are far apart.
pub const MAX_ALPHA: f64 = 50.0;

/// A divergence without what rounding took it below zero; `NaN` stays.
pub fn non_negative(divergence: f64) -> f64 {
    if divergence < 0.0 { 0.0 } else { divergence }
}

/// Whether a number is an order that is accepted; `NaN` is not.
pub fn is_valid_alpha(alpha: f64) -> bool {
    (-MAX_ALPHA..=MAX_ALPHA).contains(&alpha)
}

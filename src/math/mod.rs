//! Scalar mathematics of the Tsallis family, generic over `f32` and `f64`, without Burn.
//!
//! Every formula of the operator stands here once. The CPU kernels call these functions; the WGSL
//! kernels name the function that each of theirs mirrors; every kernel is tested against [`Row`] in
//! `f64`.
//!
//! Notation: `alpha` is the order, `c = 1 - alpha`, `q` the reference measure, `u = p / q`. Source:
//! arXiv 2601.12604 for the operator.

mod deformed;
mod generator;
mod real;
mod row;
mod solver;

pub use deformed::{expm1_over, log1p_over};
pub use generator::Tsallis;
pub use real::Real;
pub use row::{LogRatio, Measure, Row, RowState};
pub use solver::{Solver, solve_log_ratio};

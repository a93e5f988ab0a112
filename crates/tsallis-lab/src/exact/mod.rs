//! Values, occupancies, optima, gradients and constants of finite processes, without sampling.

mod constants;
mod evaluator;
mod finite_horizon;
mod linear;
mod optimum;
#[cfg(test)]
mod tests;

pub use constants::{
    AssumptionError, Constants, largest_divergence, optimal_alpha, temperature_for,
};
pub use evaluator::{Evaluator, Gradient, Values};
pub(crate) use evaluator::{dot, regularized_advantage};
pub use finite_horizon::FiniteHorizon;
pub use optimum::{
    Optimum, ValueIteration, best_finite_horizon_value, best_value, best_values, optimum,
    value_iteration,
};

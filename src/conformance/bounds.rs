//! The accuracy bounds of outputs and gradients.

use super::case::{Case, ROW_COTANGENT};
use super::report::Input;
use crate::math::Output;
use burn::tensor::DType;

/// The accuracy that every path of the operator must have in one dtype. `relative` is the unit, an accumulated rounding
/// error of the arithmetic.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Relative error of probabilities, and error of their logarithms, at `alpha <= 1`, divided by `max(1, |ln p|)`.
    relative: f64,
    /// Absolute error of probabilities at `alpha > 1`.
    absolute: f64,
    /// Relative rounding error of a gap, for its effect on `ln p`.
    log_gap: f64,
    /// Error of values and divergences, divided by `max(1, |V|)`.
    row: f64,
    /// Error of gradients, divided by the largest gradient of the row.
    gradient: f64,
    /// Relative rounding error of a gap, for its effect on gradients at `alpha > 1`.
    gradient_gap: f64,
    /// Error of gradients in alpha, divided by the gradient.
    alpha_gradient: f64,
    /// Half the relative distance of neighboring numbers of the storage type, and its smallest number. Both are zero if
    /// the storage type is the arithmetic type.
    storage: f64,
    smallest: f64,
    /// The largest number of the storage type.
    largest: f64,
}

impl Bounds {
    /// Returns the bounds of a dtype.
    pub fn for_dtype(dtype: DType) -> Self {
        let f32 = Self {
            relative: 2e-6,
            absolute: 1e-6,
            log_gap: 1e-6,
            row: 4e-6,
            gradient: 5e-5,
            gradient_gap: 5e-7,
            alpha_gradient: 1e-4,
            storage: 0.0,
            smallest: 1e-37,
            largest: f64::from(f32::MAX),
        };
        match dtype {
            DType::F64 => Self {
                relative: 1e-12,
                absolute: 1e-12,
                log_gap: 1e-12,
                row: 2e-12,
                gradient: 1e-10,
                gradient_gap: 1e-12,
                alpha_gradient: 1e-10,
                smallest: 1e-300,
                largest: f64::MAX,
                ..f32
            },
            DType::F16 => Self {
                storage: f64::powi(2.0, -11),
                smallest: f64::powi(2.0, -24),
                largest: 65504.0,
                ..f32
            },
            DType::BF16 => Self {
                storage: f64::powi(2.0, -8),
                ..f32
            },
            _ => f32,
        }
    }

    /// Returns the error bound of entry `i` of an output with the exact value `want`.
    pub fn output(&self, case: &Case, output: Output, i: usize, want: f64) -> f64 {
        let computed = match output {
            Output::Probabilities if !(-2.0..=3.0).contains(&case.alpha) => 1e-4,
            Output::Probabilities if case.alpha > 1.0 => self.absolute,
            Output::Probabilities if want < self.smallest * case.exact.q[i].max(1.0) => {
                self.smallest * case.exact.q[i].max(1.0)
            }
            Output::Probabilities => self.relative * want.ln().abs().max(1.0) * want,
            Output::LogProbabilities if want == f64::NEG_INFINITY => 0.0,
            Output::LogProbabilities => {
                let log_u = want - case.exact.q[i].ln();
                let log_slope = ((1.0 - case.alpha) * log_u).exp();
                let edge = self.log_gap * case.exact.gaps[i] * log_slope;
                // `ln q` is rounded before it is added.
                let log_q = 0.1 * case.exact.q[i].ln().abs();
                self.relative * want.abs().max(1.0).max(log_q) + edge
            }
            Output::Value => self.row * want.abs().max(1.0),
            Output::Divergence => self.row * want.max(1.0),
        };
        computed + self.storage_error(want)
    }

    /// Returns the error bound of the gradients of one row with the largest exact entry `largest`.
    pub fn gradient(&self, case: &Case, output: Output, input: Input, largest: f64) -> f64 {
        let cotangent = case.max_cotangent(output);
        // The absolute error of ln u is one rounding of ln u. Results that are computed from f(u) instead of p, and
        // differences of ratios, cannot be more accurate.
        let floor = match (output, input) {
            (Output::Probabilities, _) | (Output::Value, Input::Logits) => 0.0,
            (Output::LogProbabilities, Input::Alpha) => 0.0,
            (Output::LogProbabilities, _) => 1e-2 * self.gradient * case.max_scaled_cotangent(),
            (Output::Divergence, Input::Logits) => 0.0,
            (Output::Value | Output::Divergence, Input::Alpha | Input::Reference) => {
                self.row * ROW_COTANGENT
            }
        };
        let computed = floor
            + match input {
                Input::Alpha => self.alpha_gradient * largest.max(1e-3 * cotangent),
                Input::Logits | Input::Reference => self.gradient * largest.max(1e-30),
            };
        let edge = if case.alpha > 1.0 {
            let weight_error = self.gradient_gap * cotangent * case.exact.sensitivity;
            match input {
                // The error of the mean cotangent, times u.
                Input::Reference => weight_error * case.exact.ratio_per_weight(case.alpha),
                Input::Logits | Input::Alpha => weight_error,
            }
        } else {
            0.0
        };
        let storage_error = match input {
            Input::Logits => self.storage_error(largest),
            Input::Alpha | Input::Reference => 0.0,
        };
        // The cotangent is also rounded to the storage type, and every entry depends on it.
        computed + edge + storage_error + 2.0 * self.storage * largest
    }

    fn storage_error(&self, want: f64) -> f64 {
        if self.storage == 0.0 || !want.is_finite() {
            0.0
        } else {
            self.storage * want.abs() + self.smallest
        }
    }

    /// Returns the number as the storage type holds it: infinite if it is out of range.
    pub fn as_stored(&self, want: f64) -> f64 {
        // Half a unit above the largest number is rounded to it.
        if want.abs() >= self.largest * (1.0 + 0.5 * self.storage) && want.abs() > self.largest {
            f64::INFINITY.copysign(want)
        } else {
            want
        }
    }

    /// Whether `ln p` is accepted for an entry off the support, where the exact value is `-inf`: the probability must
    /// be within its bound of zero.
    pub fn is_off_support(&self, got: f64) -> bool {
        got.exp() <= self.absolute
    }
}

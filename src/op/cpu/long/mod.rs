//! The operator on a row of `f32`, by vectors along it.
//!
//! A row is copied into a buffer of gaps, which is padded to whole vectors with masked entries. Every pass runs over
//! vectors without branches. The formulas are those of [`crate::math`], with the curves of `ratio`. Sums over a row are
//! in `f64`. The scalar layer computes rows outside the range of the curves, and every row with `alpha > 2`.

mod backward;
mod output;
mod solve;
mod summary;

use super::RowCall;
use super::dispatch::{outlined, run};
use super::vector::{V, load, splat};
use crate::math::{MAX_ALPHA, Solver};
use crate::op::request::STATE_LEN;
use backward::Backward;
use macerator::Simd;
use output::Forward;
use summary::{Summarize, Summary};

/// Number of vectors that are summed in `f32` before their sum is added in `f64`. The error of 32 additions in a lane
/// is smaller than the rounding of the result.
const BLOCK: usize = 32;

/// The buffers of the rows of a task.
#[derive(Default)]
pub(in crate::op) struct LongRow {
    /// `x_max - x`, or `+inf` for a masked entry, padded to whole vectors.
    gaps: Vec<f32>,
    /// The reference if it is given, padded to whole vectors with zeros.
    reference: Vec<f32>,
    weights: Vec<f32>,
    scaled_cotangents: Vec<f32>,
    /// The last argument of the logarithm and its result. Rows of the same length repeatedly need the same values.
    last_ln: (f64, f64),
    /// For each end of the bracket, the last exponent and its exponential.
    last_exp: [(f64, f64); 2],
}

impl LongRow {
    /// Computes the output and returns the root, or `None` if these kernels do not support the row.
    #[inline(always)]
    pub fn forward<S: Simd>(
        &mut self,
        row: RowCall<'_, f32>,
        y: &mut [f32],
    ) -> Option<[f32; STATE_LEN]> {
        if row.parameters.solver != Solver::Newton {
            return None;
        }
        let summary = self.summarize::<S>(row)?;
        let forward = Forward {
            row: self,
            summary,
            alpha: row.alpha,
            output: row.parameters.output,
            y,
        };
        run::<S, _>(row.alpha, forward)
    }

    /// Computes the gradient in the logits. Returns false if these kernels do not support the row.
    #[inline(always)]
    pub fn backward<S: Simd>(
        &mut self,
        row: RowCall<'_, f32>,
        [root, remainder]: [f32; STATE_LEN],
        cotangent: &[f32],
        gradient: &mut [f32],
    ) -> bool {
        let l = f64::from(root) + f64::from(remainder);
        if l.is_nan() {
            return false;
        }
        let Some(summary) = self.summarize::<S>(row) else {
            return false;
        };
        let backward = Backward {
            row: self,
            summary,
            l,
            output: row.parameters.output,
            cotangent,
            gradient,
        };
        run::<S, _>(row.alpha, backward);
        true
    }

    #[inline(always)]
    fn summarize<S: Simd>(&mut self, row: RowCall<'_, f32>) -> Option<Summary> {
        // NaN fails both comparisons.
        if !(row.alpha >= -MAX_ALPHA && row.alpha <= Solver::NEWTON_MAX_ALPHA) {
            return None;
        }
        outlined::<S, _>(Summarize { buffers: self, row })
    }

    #[inline(always)]
    fn cached_ln(&mut self, x: f64) -> f64 {
        if self.last_ln.0 != x {
            self.last_ln = (x, x.ln());
        }
        self.last_ln.1
    }

    #[inline(always)]
    fn cached_exp(&mut self, which: usize, x: f64) -> f64 {
        // The cache starts with the exponent zero and no valid exponential.
        if x == 0.0 {
            return 1.0;
        }
        if self.last_exp[which].0 != x {
            self.last_exp[which] = (x, x.exp());
        }
        self.last_exp[which].1
    }

    /// Returns the reference at a vector of entries.
    #[inline(always)]
    fn reference_at<S: Simd>(&self, summary: &Summary, at: usize) -> V<S> {
        match summary.constant {
            Some(q) => splat::<S>(q),
            None => load::<S>(&self.reference, at),
        }
    }
}

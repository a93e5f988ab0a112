//! The gradients of a row in the logits.

use super::{BLOCK, LongRow, Summary};
use crate::math::Output;
use crate::op::cpu::dispatch::{CurveKind, Kernel};
use crate::op::cpu::ratio::{RatioCurve, Root};
use crate::op::cpu::vector::{lanes, load, load_row, splat, store, store_row};
use macerator::Simd;

/// The kernel for the gradient of an output, given `l = ln u_max`.
pub(super) struct Backward<'a> {
    pub row: &'a mut LongRow,
    pub summary: Summary,
    pub l: f64,
    pub output: Output,
    pub cotangent: &'a [f32],
    pub gradient: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, O: CurveKind>(self) {
        let Self {
            row,
            summary,
            cotangent: c,
            gradient,
            ..
        } = self;
        let root = Root::<S>::broadcast(summary.c, self.l);
        let curve = O::RatioCurve::<S>::new(&root);
        if self.output == Output::Value {
            return row.write::<S>(&summary, &curve, c[0], gradient);
        }
        let total = row.weigh::<S>(&summary, &curve, &root);
        match self.output {
            Output::LogProbabilities => row.log_probabilities::<S>(&curve, total, c, gradient),
            Output::Divergence => {
                // Equal to the gradient of the probabilities with minus the gaps as the cotangent. The gaps are exact,
                // unlike f'(u) = x - mu.
                let mut scaled_cotangents = std::mem::take(&mut row.scaled_cotangents);
                scaled_cotangents.clear();
                for gap in &row.gaps {
                    scaled_cotangents.push(-c[0] * gap);
                }
                row.probabilities::<S>(total, &scaled_cotangents, gradient);
                row.scaled_cotangents = scaled_cotangents;
            }
            _ => row.probabilities::<S>(total, c, gradient),
        }
    }
}

impl LongRow {
    /// Fills the weights `k = q u^(2 - alpha)` and returns their sum.
    #[inline(always)]
    fn weigh<S: Simd>(
        &mut self,
        summary: &Summary,
        curve: &impl RatioCurve<S>,
        root: &Root<S>,
    ) -> f64 {
        let mut weights = std::mem::take(&mut self.weights);
        weights.clear();
        weights.resize(self.gaps.len(), 0.0);
        let width = lanes::<S>();
        let mut sum = 0.0;
        let mut begin = 0;
        while begin < weights.len() {
            let end = (begin + BLOCK * width).min(weights.len());
            let mut block = splat::<S>(0.0);
            for i in (begin..end).step_by(width) {
                let (_, v) = curve.at(load::<S>(&self.gaps, i));
                let k = self.reference_at::<S>(summary, i) * v * root.power;
                store::<S>(&mut weights, i, k);
                block += k;
            }
            sum += f64::from(block.reduce_add());
            begin = end;
        }
        self.weights = weights;
        sum
    }

    /// Returns the index of the largest weight.
    #[inline(always)]
    fn largest<S: Simd>(&self) -> usize {
        let mut best = splat::<S>(0.0);
        for i in (0..self.weights.len()).step_by(lanes::<S>()) {
            best = best.max(load::<S>(&self.weights, i));
        }
        let best = best.reduce_max();
        self.weights.iter().position(|&k| k == best).unwrap_or(0)
    }

    /// [`crate::math::Row::softargmax_backward`] from the weights.
    #[inline(always)]
    fn probabilities<S: Simd>(&self, total: f64, c: &[f32], grad: &mut [f32]) {
        let zero = splat::<S>(0.0);
        let center = splat::<S>(c[self.largest::<S>()]);
        let width = lanes::<S>();
        let mut sum = 0.0;
        let mut begin = 0;
        while begin < self.weights.len() {
            let end = (begin + BLOCK * width).min(self.weights.len());
            let mut block = zero;
            for i in (begin..end).step_by(width) {
                let k = load::<S>(&self.weights, i);
                let c = load_row::<S>(c, i);
                // An entry off the support has no weight, even if its cotangent is infinite or NaN.
                block += k.gt(zero).select(k * (c - center), zero);
            }
            sum += f64::from(block.reduce_add());
            begin = end;
        }
        let mean = splat::<S>((sum / total) as f32);
        for i in (0..self.weights.len()).step_by(width) {
            let k = load::<S>(&self.weights, i);
            let value = k * ((load_row::<S>(c, i) - center) - mean);
            store_row::<S>(grad, i, k.gt(zero).select(value, zero));
        }
    }

    /// [`crate::math::Row::log_softargmax_backward`] from the weights.
    #[inline(always)]
    fn log_probabilities<S: Simd>(
        &mut self,
        curve: &impl RatioCurve<S>,
        total_weight: f64,
        c: &[f32],
        grad: &mut [f32],
    ) {
        let zero = splat::<S>(0.0);
        self.scaled_cotangents.clear();
        self.scaled_cotangents.resize(self.gaps.len(), 0.0);
        let mut total = 0.0;
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let log_slope = curve.log_slope(load::<S>(&self.gaps, i));
            let scaled = load_row::<S>(c, i) * log_slope;
            let scaled = log_slope.gt(zero).select(scaled, zero);
            store::<S>(&mut self.scaled_cotangents, i, scaled);
            total += f64::from(scaled.reduce_add());
        }
        let largest = self.largest::<S>();
        let mean = total / total_weight;
        let mut others = 0.0;
        for (i, grad) in grad.iter_mut().enumerate() {
            if i == largest {
                continue;
            }
            // Both are zero off the support.
            let value = f64::from(self.scaled_cotangents[i]) - f64::from(self.weights[i]) * mean;
            others += value;
            *grad = value as f32;
        }
        // The row sums to zero. At the largest weight, minus the sum of the others is more accurate.
        grad[largest] = -others as f32;
    }
}

//! The gradients of a group of rows in the logits.

use super::summary::{Group, MAX_EXPONENT};
use super::{Handled, LaneRoots, ShortRows};
use crate::math::{Output, RowReference};
use crate::op::cpu::dispatch::{CurveKind, Kernel};
use crate::op::cpu::ratio::{RatioCurve, Root};
use crate::op::cpu::vector::{V, copy_mask, lanes, load, splat, store};
use macerator::Simd;

/// The kernel for the gradients of rows that were gathered with their cotangents.
pub(super) struct Backward<'a> {
    pub rows: &'a mut ShortRows,
    pub reference: RowReference<&'a [f32]>,
    pub alpha: f64,
    pub output: Output,
    pub roots: &'a LaneRoots,
}

impl Kernel for Backward<'_> {
    type Output = Handled;

    #[inline(always)]
    fn run<S: Simd, O: CurveKind>(self) -> Handled {
        let Self { rows, output, .. } = self;
        let c = (1.0 - self.alpha) as f32;
        let summary = rows.summarize::<S>(self.reference, c);
        let (c, zero) = (splat::<S>(c), splat::<S>(0.0));
        let l = load::<S>(&self.roots.root, 0);
        // The root of an invalid or empty row is NaN.
        let in_range = (c * l).abs().le(splat::<S>(MAX_EXPONENT));
        let l = copy_mask(&in_range).select(l, zero);
        let remainder = copy_mask(&in_range).select(load::<S>(&self.roots.remainder, 0), zero);
        let root = Root::from_lanes(c, l, remainder);
        rows.weights.resize(rows.gaps.len(), 0.0);
        let mut gradient = Gradient {
            group: Group {
                gaps: &rows.gaps,
                reference: &rows.reference,
                summary: &summary,
            },
            power: root.power,
            weights: &mut rows.weights,
            values: &mut rows.values,
        };
        let curve = O::RatioCurve::<S>::new(&root);
        match output {
            Output::Probabilities => gradient.probabilities(&curve),
            Output::LogProbabilities => gradient.log_probabilities(&curve),
            Output::Value => gradient.value(&curve),
            Output::Divergence => {
                gradient.divergence_cotangent();
                gradient.probabilities(&curve);
            }
        }
        Handled::from_mask(summary.usable & in_range)
    }
}

struct Gradient<'a, S: Simd> {
    group: Group<'a, S>,
    /// `u_max^c`.
    power: V<S>,
    /// The buffer for the weights `k = q u^(2 - alpha)`.
    weights: &'a mut [f32],
    /// The cotangent, then the gradient.
    values: &'a mut [f32],
}

impl<S: Simd> Gradient<'_, S> {
    /// `k` at an entry.
    #[inline(always)]
    fn weight(&self, curve: &impl RatioCurve<S>, at: usize) -> V<S> {
        let (_, v) = curve.at(load::<S>(self.group.gaps, at));
        self.group.q(at) * v * self.power
    }

    /// [`crate::math::Row::softargmax_backward`].
    #[inline(always)]
    fn probabilities(&mut self, curve: &impl RatioCurve<S>) {
        let zero = splat::<S>(0.0);
        let width = lanes::<S>();
        let (mut total, mut best, mut center) = (zero, zero, zero);
        for i in (0..self.weights.len()).step_by(width) {
            let k = self.weight(curve, i);
            store::<S>(self.weights, i, k);
            total += k;
            center = k.gt(best).select(load::<S>(self.values, i), center);
            best = best.max(k);
        }
        let mut sum = zero;
        for i in (0..self.weights.len()).step_by(width) {
            let k = load::<S>(self.weights, i);
            let c = load::<S>(self.values, i);
            // An entry off the support has no weight, even if its cotangent is infinite or NaN.
            sum += k.gt(zero).select(k * (c - center), zero);
        }
        let mean = sum / total;
        for i in (0..self.weights.len()).step_by(width) {
            let k = load::<S>(self.weights, i);
            let value = k * ((load::<S>(self.values, i) - center) - mean);
            store::<S>(self.values, i, k.gt(zero).select(value, zero));
        }
    }

    /// [`crate::math::Row::log_softargmax_backward`].
    #[inline(always)]
    fn log_probabilities(&mut self, curve: &impl RatioCurve<S>) {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let width = lanes::<S>();
        let (mut weight, mut scaled_sum) = (zero, zero);
        let (mut best, mut largest, mut at) = (zero, zero, zero);
        for i in (0..self.weights.len()).step_by(width) {
            let k = self.weight(curve, i);
            store::<S>(self.weights, i, k);
            weight += k;
            largest = k.gt(best).select(at, largest);
            best = best.max(k);
            at += one;
            let log_slope = curve.log_slope(load::<S>(self.group.gaps, i));
            let s = load::<S>(self.values, i) * log_slope;
            let s = log_slope.gt(zero).select(s, zero);
            store::<S>(self.values, i, s);
            scaled_sum += s;
        }
        let mean = scaled_sum / weight;
        let mut others = zero;
        at = zero;
        for i in (0..self.weights.len()).step_by(width) {
            let k = load::<S>(self.weights, i);
            // Both are zero off the support.
            let value = load::<S>(self.values, i) - k * mean;
            others += at.eq(largest).select(zero, value);
            store::<S>(self.values, i, value);
            at += one;
        }
        // The row sums to zero. At the largest weight, minus the sum of the others is more accurate.
        at = zero;
        for i in (0..self.weights.len()).step_by(width) {
            let value = load::<S>(self.values, i);
            store::<S>(self.values, i, at.eq(largest).select(zero - others, value));
            at += one;
        }
    }

    /// [`crate::math::Row::value_backward`].
    #[inline(always)]
    fn value(&mut self, curve: &impl RatioCurve<S>) {
        let c = load::<S>(self.values, 0);
        for i in (0..self.weights.len()).step_by(lanes::<S>()) {
            let (u, _) = curve.at(load::<S>(self.group.gaps, i));
            store::<S>(self.values, i, self.group.q(i) * u * c);
        }
    }

    /// Replaces the cotangent of the divergence by the equivalent cotangent of the probabilities: minus the gaps, up to
    /// a constant. The gaps are exact, unlike `f'(u) = x - mu`.
    #[inline(always)]
    fn divergence_cotangent(&mut self) {
        let (zero, c) = (splat::<S>(0.0), load::<S>(self.values, 0));
        for i in (0..self.weights.len()).step_by(lanes::<S>()) {
            store::<S>(self.values, i, (zero - c) * load::<S>(self.group.gaps, i));
        }
    }
}

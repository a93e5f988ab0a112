//! The first pass over a group of rows.

use super::ShortRows;
use crate::math::RowReference;
use crate::op::cpu::elementary::ln;
use crate::op::cpu::ratio::RatioCurve;
use crate::op::cpu::vector::{M, V, copy_mask, lanes, load, splat, store};
use macerator::Simd;

/// Largest `c ln u_max`, and largest gap times `max(1, |c|)`, at which no product with `u_max^c` overflows.
pub(super) const MAX_EXPONENT: f32 = 30.0;
const MAX_SCALED_GAP: f32 = 1e20;

/// The result of the first pass over a group: [`crate::math::Row::new`], with one row in each lane.
pub(in crate::op::cpu) struct Summary<S: Simd> {
    /// Rows within the range of this kernel. The gaps of the others are set to zero, which is harmless.
    pub(super) usable: M<S>,
    pub(super) max: V<S>,
    /// The reference of every allowed entry, if the reference is not given.
    pub(super) constant: Option<V<S>>,
    /// The sum of the reference over the allowed entries.
    pub(super) total: V<S>,
    /// The bracket of `ln u_max`.
    pub(super) lo: V<S>,
    pub(super) hi: V<S>,
    /// `<q, g> / sum q`, which bounds the root by Jensen's inequality.
    pub(super) mean_gap: V<S>,
}

impl ShortRows {
    /// Fills the gaps.
    #[inline(always)]
    pub(super) fn summarize<S: Simd>(
        &mut self,
        reference: RowReference<&[f32]>,
        c: f32,
    ) -> Summary<S> {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let (lowest, largest) = (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::MAX));
        let given = matches!(reference, RowReference::Values(_));
        let mut max = lowest;
        let mut min = splat::<S>(f32::INFINITY);
        let mut count = zero;
        let mut sum = zero;
        let mut usable = zero.eq(zero);
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let mut x = load::<S>(&self.gaps, i);
            if given {
                let q = load::<S>(&self.reference, i);
                let none = q.eq(zero);
                // The vector logarithm is not valid for subnormal numbers.
                let normal = q.ge(splat::<S>(f32::MIN_POSITIVE)) & q.le(largest);
                usable = usable & (copy_mask(&none) | normal);
                // `q = 0` masks the entry. NaN and +inf still propagate.
                x = (none & x.le(largest)).select(lowest, x);
                store::<S>(&mut self.gaps, i, x);
                sum += x.gt(lowest).select(q, zero);
            }
            // NaN fails every comparison.
            usable = usable & x.le(largest);
            max = max.max(x);
            min = x.gt(lowest).select(x.min(min), min);
            count += x.gt(lowest).select(one, zero);
        }
        let (exponent, max_scaled_gap) = (splat::<S>(MAX_EXPONENT), splat::<S>(MAX_SCALED_GAP));
        let deformation = splat::<S>(c.abs().max(1.0));
        usable = usable & count.gt(zero) & ((max - min) * deformation).le(max_scaled_gap);
        let infinite = splat::<S>(f32::INFINITY);
        let mut at_max = zero;
        let mut gap_sum = zero;
        for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
            let gap = copy_mask(&usable).select(max - load::<S>(&self.gaps, i), zero);
            store::<S>(&mut self.gaps, i, gap);
            let allowed = gap.lt(infinite);
            if given {
                let q = load::<S>(&self.reference, i);
                at_max = gap.eq(zero).select(q.max(at_max), at_max);
                gap_sum += allowed.select(q * gap, zero);
            } else {
                gap_sum += allowed.select(gap, zero);
            }
        }
        count = copy_mask(&usable).select(count, one);
        let (constant, total, lo, hi, mean_gap) = match reference {
            RowReference::Uniform => (
                Some(one / count),
                one,
                zero,
                ln::<S>(count),
                gap_sum / count,
            ),
            RowReference::Ones => (
                Some(one),
                count,
                zero - ln::<S>(count),
                zero,
                gap_sum / count,
            ),
            RowReference::Values(_) => {
                sum = copy_mask(&usable).select(sum, one);
                at_max = copy_mask(&usable).select(at_max, one);
                let (lo, hi) = (zero - ln::<S>(sum), zero - ln::<S>(at_max));
                (None, sum, lo, hi, gap_sum / sum)
            }
        };
        let c = splat::<S>(c.abs());
        Summary {
            usable: usable & (c * lo.abs().max(hi.abs())).le(exponent) & total.le(largest),
            max,
            constant,
            total,
            lo,
            hi,
            mean_gap,
        }
    }
}

/// A group of rows after the first pass.
pub(in crate::op::cpu) struct Group<'a, S: Simd> {
    pub(super) gaps: &'a [f32],
    pub(super) reference: &'a [f32],
    pub(super) summary: &'a Summary<S>,
}

impl<S: Simd> Group<'_, S> {
    /// Returns the reference at an entry.
    #[inline(always)]
    pub(super) fn q(&self, at: usize) -> V<S> {
        match self.summary.constant {
            Some(q) => q,
            None => load::<S>(self.reference, at),
        }
    }

    /// Computes `S` and `W` of [`crate::math::solve_log_ratio`].
    #[inline(always)]
    pub(super) fn mass(&self, curve: &impl RatioCurve<S>) -> (V<S>, V<S>) {
        let (mut s, mut w) = (splat::<S>(0.0), splat::<S>(0.0));
        match self.summary.constant {
            Some(q) => {
                for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
                    let (u, v) = curve.at(load::<S>(self.gaps, i));
                    s += u;
                    w += v;
                }
                (s * q, w * q)
            }
            None => {
                for i in (0..self.gaps.len()).step_by(lanes::<S>()) {
                    let (u, v) = curve.at(load::<S>(self.gaps, i));
                    let q = load::<S>(self.reference, i);
                    s = q.mul_add(u, s);
                    w = q.mul_add(v, w);
                }
                (s, w)
            }
        }
    }
}

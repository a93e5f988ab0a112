//! The first passes over a group of rows: [`crate::math::Row::new`].

use super::elementary::{exp, ln};
use super::layout::{self, Layout, Sum, Sums};
use super::vector::{M, Soon, V, copy_mask, lanes, load, splat, store};
use crate::math::{MAX_ALPHA, Real, RowReference, Solver};
use macerator::Simd;
use std::iter::StepBy;
use std::marker::PhantomData;
use std::ops::Range;

/// Largest gap, times `max(1, |c|)` and `u_max^c`, at which no product overflows.
const MAX_SCALED_GAP: f32 = 1e34;

/// Largest `q u_max` from alpha = 1 on. The rounding error of a gap, times this number, is the error of a probability.
const MAX_AMPLIFICATION: f32 = 8.0;

/// What the first passes found of each row.
pub(super) struct Summary<S: Simd> {
    /// `c = 1 - alpha`.
    pub c: V<S>,
    /// Rows within the range of these kernels.
    pub usable: M<S>,
    pub max: V<S>,
    /// The smallest gap of the entries in each lane.
    pub lane_gap: V<S>,
    /// The reference of every allowed entry, if the reference is not given.
    pub constant: Option<V<S>>,
    /// The sum of the reference over the allowed entries.
    pub total: Sum<S>,
    /// The largest reference of an allowed entry, or zero if the reference is not given.
    pub largest_q: V<S>,
    /// The bracket of `ln u_max`.
    pub lo: V<S>,
    pub hi: V<S>,
    /// `<q, g> / sum q`, which bounds the root by Jensen's inequality. It may be infinite or NaN for huge logits.
    pub mean_gap: V<S>,
}

impl<S: Simd> Summary<S> {
    /// Returns the rows whose gaps are exact enough at the root `l`. A row is not if the entry of the largest logit has
    /// a reference that is much smaller than that of another entry of its support.
    #[inline(always)]
    pub fn resolves(&self, l: V<S>) -> M<S> {
        let amplification = self.largest_q * exp::<S>(l);
        self.c.gt(splat::<S>(0.0)) | amplification.le(splat::<S>(MAX_AMPLIFICATION))
    }
}

/// What the first pass over the logits finds in each lane.
struct Extremes<S: Simd> {
    max: V<S>,
    /// The smallest logit of an allowed entry.
    min: V<S>,
    /// The sum of the logits of the allowed entries, each less the anchor, if the reference is not given. The differences
    /// do not change if the row is shifted.
    sum: V<S>,
    anchor: V<S>,
    /// The number of allowed entries.
    count: V<S>,
    /// No logit is NaN or `+inf`, and no reference is out of range.
    usable: M<S>,
    largest_q: V<S>,
}

impl<S: Simd> Extremes<S> {
    #[inline(always)]
    fn new(logits: &[f32], soon: Option<Soon>) -> Self {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let (lowest, infinite) = (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::INFINITY));
        let (mut max, mut min, mut sum) = (lowest, infinite, zero);
        let mut anchor = load::<S>(logits, 0);
        for i in (0..logits.len()).step_by(lanes::<S>()) {
            if let Some(soon) = &soon {
                soon.prefetch_written::<S>(i);
            }
            let x = load::<S>(logits, i);
            max = max.max(x);
            min = min.min(x);
            sum += x - anchor;
        }
        let mut count = splat::<S>((logits.len() / lanes::<S>()) as f32);
        let mut usable = zero.eq(zero);
        // A sum is NaN or infinite if a logit is. It may also overflow.
        let is_finite = (sum * zero).eq(zero);
        if !is_finite.all() {
            let lane_max = max.max(splat::<S>(f32::MIN));
            let (mut allowed_min, mut allowed_sum, mut allowed_count) = (infinite, zero, zero);
            for i in (0..logits.len()).step_by(lanes::<S>()) {
                let x = load::<S>(logits, i);
                usable = usable & x.lt(infinite);
                let allowed = x.gt(lowest);
                allowed_min = allowed.select(x.min(allowed_min), allowed_min);
                allowed_sum += allowed.select(x - lane_max, zero);
                allowed_count += allowed.select(one, zero);
            }
            // The other lanes may hold other rows.
            min = is_finite.select(min, allowed_min);
            sum = is_finite.select(sum, allowed_sum);
            count = is_finite.select(count, allowed_count);
            anchor = is_finite.select(anchor, lane_max);
        }
        Self {
            max,
            min,
            sum,
            anchor,
            count,
            usable,
            largest_q: zero,
        }
    }

    #[inline(always)]
    fn with_reference(logits: &[f32], reference: &[f32]) -> Self {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let (lowest, largest) = (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::MAX));
        let (mut max, mut min) = (lowest, splat::<S>(f32::INFINITY));
        let (mut count, mut largest_q) = (zero, zero);
        let mut usable = zero.eq(zero);
        for i in (0..logits.len()).step_by(lanes::<S>()) {
            let q = load::<S>(reference, i);
            let none = q.eq(zero);
            // The vector logarithm is not valid for subnormal numbers. NaN fails every comparison.
            let normal = q.ge(splat::<S>(f32::MIN_POSITIVE)) & q.le(largest);
            let x = mask_zero_reference::<S>(load::<S>(logits, i), copy_mask(&none));
            usable = usable & (none | normal) & x.le(largest);
            max = max.max(x);
            let allowed = x.gt(lowest);
            largest_q = allowed.select(q.max(largest_q), largest_q);
            min = allowed.select(x.min(min), min);
            count += allowed.select(one, zero);
        }
        Self {
            max,
            min,
            sum: zero,
            anchor: zero,
            count,
            usable,
            largest_q,
        }
    }
}

/// A group of rows after the first passes.
pub(super) struct Group<'a, S: Simd, L> {
    /// The logits, less a number for each row. A masked entry is `-inf`.
    shifted: &'a [f32],
    /// The largest number of each row in [`Self::shifted`].
    top: V<S>,
    /// The reference, if it is given.
    pub reference: &'a [f32],
    pub summary: Summary<S>,
    soon: Option<Soon>,
    layout: PhantomData<L>,
}

impl<'a, S: Simd, L: Layout> Group<'a, S, L> {
    /// Computes the summary of logits that are padded with masked entries. Returns `None` if no row is usable.
    ///
    /// The buffer is as long as the logits, which take its place if every row is usable and the reference is not given.
    #[inline(always)]
    pub fn new(
        logits: &'a [f32],
        reference: RowReference<&'a [f32]>,
        c: V<S>,
        buffer: &'a mut [f32],
        soon: Option<Soon>,
    ) -> Option<Self> {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let largest = splat::<S>(f32::MAX);
        let given = match reference {
            RowReference::Values(q) => Some(q),
            RowReference::Uniform | RowReference::Ones => None,
        };
        let in_range = c.ge(splat::<S>((1.0 - Solver::NEWTON_MAX_ALPHA) as f32))
            & c.le(splat::<S>((1.0 + MAX_ALPHA) as f32));
        let extremes = match given {
            None => Extremes::new(logits, soon),
            Some(q) => Extremes::with_reference(logits, q),
        };
        let max = layout::max::<S, L>(extremes.max);
        let min = layout::min::<S, L>(extremes.min);
        // Exact up to 2^24 entries for each lane.
        let count = layout::sum::<S, L>(extremes.count);
        let finite = max - min;
        let usable =
            layout::all::<S, L>(extremes.usable & in_range) & count.gt(zero) & finite.le(largest);
        if (!copy_mask(&usable)).all() {
            return None;
        }

        let mut at_max = zero;
        let (shifted, top) = if given.is_none() && usable.all() {
            (logits, max)
        } else {
            for i in (0..logits.len()).step_by(lanes::<S>()) {
                let mut x = load::<S>(logits, i);
                if let Some(q) = given {
                    let q = load::<S>(q, i);
                    x = mask_zero_reference::<S>(x, q.eq(zero));
                    at_max = x.eq(max).select(q.max(at_max), at_max);
                }
                store::<S>(buffer, i, usable.select(x - max, zero));
            }
            (&*buffer, zero)
        };
        let count = usable.select(count, one);
        let (constant, total, lo, hi, mean_gap) = match given {
            None => {
                let log = ln::<S>(count);
                let gap_sum = extremes.count * (max - extremes.anchor) - extremes.sum;
                let mean_gap = layout::sum::<S, L>(gap_sum) / count;
                let whole = |high| Sum { high, low: zero };
                match reference {
                    RowReference::Uniform => (Some(one / count), whole(one), zero, log, mean_gap),
                    _ => (Some(one), whole(count), zero - log, zero, mean_gap),
                }
            }
            Some(q) => {
                let mut sums = Sums::<S, L, 2>::zero();
                for i in (0..logits.len()).step_by(lanes::<S>()) {
                    let (gap, q) = (top - load::<S>(shifted, i), load::<S>(q, i));
                    let allowed = gap.lt(splat::<S>(f32::INFINITY));
                    let share = allowed.select(q * gap, zero);
                    sums.add([allowed.select(q, zero), share]);
                }
                let [mut total, gap_sum] = sums.totals();
                total.high = usable.select(total.high, one);
                let at_max = layout::max::<S, L>(at_max);
                let at_max = usable.select(at_max, one);
                let (lo, hi) = (zero - ln::<S>(total.high), zero - ln::<S>(at_max));
                (None, total, lo, hi, gap_sum.high / total.high)
            }
        };
        let exponent = c.abs() * lo.abs().max(hi.abs());
        let scaled_gap = finite * c.abs().max(one) * exp::<S>(exponent);
        let usable = usable
            & exponent.le(splat::<S>(f32::LOG_SPACE))
            & scaled_gap.le(splat::<S>(MAX_SCALED_GAP))
            & total.high.le(largest);
        Some(Self {
            shifted,
            top,
            reference: given.unwrap_or(&[]),
            summary: Summary {
                c,
                usable,
                max,
                lane_gap: max - extremes.max,
                constant,
                total,
                largest_q: layout::max::<S, L>(extremes.largest_q),
                lo,
                hi,
                mean_gap,
            },
            soon,
            layout: PhantomData,
        })
    }

    /// Asks for the entries of the next rows, in the last pass over this one.
    #[inline(always)]
    pub fn prefetch_next(&self, at: usize) {
        if let Some(soon) = &self.soon {
            soon.prefetch_read::<S>(at);
        }
    }

    /// The number of entries in whole vectors.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.shifted.len()
    }

    /// The ranges of [`Layout::BLOCK`] vectors.
    #[inline(always)]
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<S, L> {
        let (len, block) = (self.len(), L::BLOCK * lanes::<S>());
        (0..len)
            .step_by(block)
            .map(move |first| first..len.min(first + block))
    }

    /// The offsets of the vectors.
    #[inline(always)]
    pub fn vectors(&self) -> StepBy<Range<usize>> {
        self.sample(1)
    }

    /// The offsets of every `stride`-th vector.
    #[inline(always)]
    pub fn sample(&self, stride: usize) -> StepBy<Range<usize>> {
        (0..self.len()).step_by(stride * lanes::<S>())
    }

    /// Returns the reference at an entry.
    #[inline(always)]
    pub fn q(&self, at: usize) -> V<S> {
        match self.summary.constant {
            Some(q) => q,
            None => load::<S>(self.reference, at),
        }
    }

    /// `x_max - x`, or `+inf` for a masked entry.
    #[inline(always)]
    pub fn gap(&self, at: usize) -> V<S> {
        self.top - load::<S>(self.shifted, at)
    }

    /// Multiplies the terms of an entry by its reference if it is given. [`Self::expectations`] has the constant one.
    #[inline(always)]
    pub fn weighted<const N: usize>(&self, at: usize, mut terms: [V<S>; N]) -> [V<S>; N] {
        if self.summary.constant.is_none() {
            let q = load::<S>(self.reference, at);
            for term in &mut terms {
                *term *= q;
            }
        }
        terms
    }

    /// The sums of weighted terms.
    #[inline(always)]
    pub fn expectations<const N: usize>(&self, sums: Sums<S, L, N>) -> [Sum<S>; N] {
        match self.summary.constant {
            Some(q) => sums.times(q),
            None => sums.totals(),
        }
    }
}

/// `q = 0` masks an entry. NaN and `+inf` still propagate.
#[inline(always)]
fn mask_zero_reference<S: Simd>(x: V<S>, none: M<S>) -> V<S> {
    let mask = none & x.le(splat::<S>(f32::MAX));
    mask.select(splat::<S>(f32::NEG_INFINITY), x)
}

//! The first passes over a group of rows: [`crate::math::Row::new`].

use super::elementary::{exp, ln};
use super::layout::{self, Layout, Sum, Sums, of_strip, set_strip};
use super::prefetch::{Prefetch, Soon, prefetch};
use super::vector::{M, V, copy_mask, lanes, load, splat, store};
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
    /// `<q, g^2> / sum q`.
    pub mean_square: V<S>,
    /// The reference of the largest logit.
    pub q_at_max: V<S>,
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

/// What the first pass over the logits of a strip finds in each lane.
struct Extremes<S: Simd> {
    max: V<S>,
    /// The smallest logit of an allowed entry.
    min: V<S>,
    /// The sum of the logits of the allowed entries, each less the anchor, if the reference is not given. The differences
    /// do not change if the row is shifted.
    sum: V<S>,
    /// The sum of their squares.
    square: V<S>,
    anchor: V<S>,
    /// The number of allowed entries.
    count: V<S>,
    /// No logit is NaN or `+inf`, and no reference is out of range.
    usable: M<S>,
    largest_q: V<S>,
}

impl<S: Simd> Extremes<S> {
    #[inline(always)]
    fn new<L: Layout>(logits: &[f32], start: usize, soon: Option<&Soon>) -> Self {
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let (lowest, infinite) = (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::INFINITY));
        let (mut max, mut min) = (lowest, infinite);
        let (mut sum, mut square) = (zero, zero);
        let mut anchor = load::<S>(logits, 0);
        let soon_half = Soon::half::<L>(soon, 0);
        let soon = if L::ALONG_ROW {
            Soon::stream::<L>(soon, 0, 0)
        } else {
            None
        };
        for i in (0..logits.len()).step_by(lanes::<S>()) {
            prefetch::<L, _>(soon_half, start + i);
            prefetch::<L, _>(soon, start + i);
            let x = load::<S>(logits, i);
            max = max.max(x);
            min = min.min(x);
            let difference = x - anchor;
            sum += difference;
            square = difference.mul_add(difference, square);
        }
        let mut count = splat::<S>((logits.len() / lanes::<S>()) as f32);
        let mut usable = zero.eq(zero);
        // A sum is NaN or infinite if a logit is. It may also overflow.
        let is_finite = (sum * zero).eq(zero);
        if !is_finite.all() {
            let lane_max = max.max(splat::<S>(f32::MIN));
            let (mut allowed_min, mut allowed_count) = (infinite, zero);
            let (mut allowed_sum, mut allowed_square) = (zero, zero);
            for i in (0..logits.len()).step_by(lanes::<S>()) {
                let x = load::<S>(logits, i);
                usable = usable & x.lt(infinite);
                let allowed = x.gt(lowest);
                allowed_min = allowed.select(x.min(allowed_min), allowed_min);
                let difference = allowed.select(x - lane_max, zero);
                allowed_sum += difference;
                allowed_square = difference.mul_add(difference, allowed_square);
                allowed_count += allowed.select(one, zero);
            }
            // The other lanes may hold other rows.
            min = is_finite.select(min, allowed_min);
            sum = is_finite.select(sum, allowed_sum);
            square = is_finite.select(square, allowed_square);
            count = is_finite.select(count, allowed_count);
            anchor = is_finite.select(anchor, lane_max);
        }
        Self {
            max,
            min,
            sum,
            square,
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
            square: zero,
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
    /// The number of entries in a strip, in whole vectors.
    strip_len: usize,
    /// The largest number of each row in [`Self::shifted`].
    top: V<S>,
    /// The reference of all strips or, if they share it, of one. Empty if it is not given.
    reference: &'a [f32],
    /// The largest logit in each lane of a long row.
    lane_max: &'a [f32],
    pub summary: Summary<S>,
    soon: Option<&'a Soon>,
    layout: PhantomData<L>,
}

/// A strip of a group, with the numbers of its rows in their lanes.
pub(super) struct Strip<'a, S: Simd, L> {
    shifted: &'a [f32],
    first: usize,
    end: usize,
    top: V<S>,
    reference: &'a [f32],
    /// The distance from an entry of the group to its reference.
    reference_shift: usize,
    /// [`Summary::constant`].
    pub constant: Option<V<S>>,
    /// [`Summary::total`].
    pub total: Sum<S>,
    pub max: V<S>,
    /// The smallest gap in each lane of a long row.
    pub lane_gap: V<S>,
    soon: Option<&'a Soon>,
    layout: PhantomData<L>,
}

// Not derived: that would ask for `S: Copy` and `L: Copy`.
impl<S: Simd, L> Clone for Strip<'_, S, L> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Simd, L> Copy for Strip<'_, S, L> {}

/// The inputs of [`Group::new`].
pub(super) struct GroupRows<'a> {
    /// The logits, padded with masked entries.
    pub logits: &'a [f32],
    /// The number of entries in a strip.
    pub strip_len: usize,
    pub reference: RowReference<&'a [f32]>,
    /// As long as the logits, which take its place if every row is usable and the reference is not given.
    pub buffer: &'a mut [f32],
    /// One vector for each strip.
    pub lane_max: &'a mut [f32],
    pub soon: Option<&'a Soon>,
}

impl<'a, S: Simd, L: Layout> Group<'a, S, L> {
    /// Computes the summary of some rows. Returns `None` if no row is usable.
    #[inline(always)]
    pub fn new(rows: GroupRows<'a>, c: V<S>) -> Option<Self> {
        let GroupRows {
            logits,
            strip_len,
            reference,
            buffer,
            lane_max,
            soon,
        } = rows;
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let largest = splat::<S>(f32::MAX);
        let given = match reference {
            RowReference::Values(q) => Some(q),
            RowReference::Uniform | RowReference::Ones => None,
        };
        let strips = logits.len() / strip_len;
        // The rows may share one reference.
        let reference_start = |q: &[f32], n: usize| (n * strip_len).min(q.len() - strip_len);
        let in_range = c.ge(splat::<S>((1.0 - Solver::NEWTON_MAX_ALPHA) as f32))
            & c.le(splat::<S>((1.0 + MAX_ALPHA) as f32));
        let (mut max, mut finite, mut count) = (zero, zero, one);
        let (mut gap_sum, mut square_sum) = (zero, zero);
        let (mut largest_q, mut usable) = (zero, zero);
        for n in 0..strips {
            let start = n * strip_len;
            let strip = &logits[start..start + strip_len];
            let extremes = match given {
                None => Extremes::new::<L>(strip, start, soon),
                Some(q) => Extremes::with_reference(strip, &q[reference_start(q, n)..]),
            };
            let strip_max = layout::max::<S, L>(extremes.max);
            let strip_min = layout::min::<S, L>(extremes.min);
            let is_usable = layout::all::<S, L>(extremes.usable);
            // The gap is the one of the anchor less the difference from it.
            let anchor_gap = strip_max - extremes.anchor;
            let strip_gaps = extremes.count * anchor_gap - extremes.sum;
            let strip_squares = (strip_gaps - extremes.sum).mul_add(anchor_gap, extremes.square);
            if L::ALONG_ROW {
                store::<S>(lane_max, n * lanes::<S>(), extremes.max);
            }
            set_strip::<S, L>(&mut max, n, strip_max);
            set_strip::<S, L>(&mut finite, n, strip_max - strip_min);
            // Exact up to 2^24 entries for each lane.
            set_strip::<S, L>(&mut count, n, layout::sum::<S, L>(extremes.count));
            set_strip::<S, L>(&mut gap_sum, n, layout::sum::<S, L>(strip_gaps));
            set_strip::<S, L>(&mut square_sum, n, layout::sum::<S, L>(strip_squares));
            set_strip::<S, L>(&mut largest_q, n, layout::max::<S, L>(extremes.largest_q));
            set_strip::<S, L>(&mut usable, n, is_usable.select(one, zero));
        }
        let usable = usable.gt(zero) & in_range & count.gt(zero) & finite.le(largest);
        let is_usable = usable.to_array();
        if (!copy_mask(&usable)).all() {
            return None;
        }

        let mut at_max = zero;
        let is_plain = if L::ALONG_ROW {
            is_usable[..strips].iter().all(|&usable| usable)
        } else {
            usable.all()
        };
        let (shifted, top) = if given.is_none() && is_plain {
            (logits, max)
        } else {
            for n in 0..strips {
                let (strip_max, mut strip_at_max) = (of_strip::<S, L>(max, n), zero);
                let is_usable = layout::of_strip_mask::<S, L>(&usable, n);
                for i in (0..strip_len).step_by(lanes::<S>()) {
                    let at = n * strip_len + i;
                    let mut x = load::<S>(logits, at);
                    if let Some(q) = given {
                        let q = load::<S>(q, reference_start(q, n) + i);
                        x = mask_zero_reference::<S>(x, q.eq(zero));
                        strip_at_max = x.eq(strip_max).select(q.max(strip_at_max), strip_at_max);
                    }
                    store::<S>(buffer, at, is_usable.select(x - strip_max, zero));
                }
                set_strip::<S, L>(&mut at_max, n, layout::max::<S, L>(strip_at_max));
            }
            (&*buffer, zero)
        };
        let count = usable.select(count, one);
        let whole = |high| Sum { high, low: zero };
        let inverse = one / count;
        let (mut mean_gap, mut mean_square) = (gap_sum * inverse, square_sum * inverse);
        let (constant, total, lo, hi) = match reference {
            RowReference::Uniform => {
                at_max = inverse;
                (Some(inverse), whole(one), zero, ln::<S>(count))
            }
            RowReference::Ones => {
                at_max = one;
                (Some(one), whole(count), zero - ln::<S>(count), zero)
            }
            RowReference::Values(q) => {
                let mut sums = [Sum::zero(); 3];
                for n in 0..strips {
                    let strip_top = of_strip::<S, L>(top, n);
                    let mut strip_sums = Sums::<S, L, 3>::zero();
                    for i in (0..strip_len).step_by(lanes::<S>()) {
                        let gap = strip_top - load::<S>(shifted, n * strip_len + i);
                        let q = load::<S>(q, reference_start(q, n) + i);
                        let allowed = gap.lt(splat::<S>(f32::INFINITY));
                        let share = allowed.select(q * gap, zero);
                        let square = allowed.select(share * gap, zero);
                        strip_sums.add([allowed.select(q, zero), share, square]);
                    }
                    layout::set_sums::<S, L, 3>(&mut sums, n, strip_sums.totals());
                }
                let [mut total, gaps, squares] = sums;
                total.high = usable.select(total.high, one);
                at_max = usable.select(at_max, one);
                (mean_gap, mean_square) = (gaps.high / total.high, squares.high / total.high);
                let (lo, hi) = (zero - ln::<S>(total.high), zero - ln::<S>(at_max));
                (None, total, lo, hi)
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
            strip_len,
            top,
            reference: given.unwrap_or(&[]),
            lane_max,
            summary: Summary {
                c,
                usable,
                max,
                constant,
                total,
                largest_q,
                lo,
                hi,
                mean_gap,
                mean_square,
                q_at_max: at_max,
            },
            soon,
            layout: PhantomData,
        })
    }

    /// The number of entries in a strip.
    #[inline(always)]
    pub fn strip_len(&self) -> usize {
        self.strip_len
    }

    /// The indices of the strips.
    #[inline(always)]
    pub fn strips(&self) -> Range<usize> {
        0..self.shifted.len() / self.strip_len
    }

    /// The indices of the strips with a row that is not done.
    #[inline(always)]
    pub fn strips_left(&self, done: &M<S>) -> impl Iterator<Item = usize> + use<S, L> {
        let done = done.to_array();
        self.strips().filter(move |&n| !(L::ALONG_ROW && done[n]))
    }

    #[inline(always)]
    pub fn strip(&self, n: usize) -> Strip<'a, S, L> {
        let start = n * self.strip_len;
        let Summary { max, total, .. } = self.summary;
        let max = of_strip::<S, L>(max, n);
        let lane_max = if L::ALONG_ROW {
            load::<S>(self.lane_max, n * lanes::<S>())
        } else {
            max
        };
        Strip {
            shifted: self.shifted,
            first: start,
            end: start + self.strip_len,
            top: of_strip::<S, L>(self.top, n),
            reference: self.reference,
            reference_shift: (start + self.strip_len).saturating_sub(self.reference.len()),
            constant: self.summary.constant.map(|q| of_strip::<S, L>(q, n)),
            total: Sum {
                high: of_strip::<S, L>(total.high, n),
                low: of_strip::<S, L>(total.low, n),
            },
            max,
            lane_gap: max - lane_max,
            soon: self.soon,
            layout: PhantomData,
        }
    }
}

impl<S: Simd, L: Layout> Strip<'_, S, L> {
    /// [`Soon::half`].
    #[inline(always)]
    pub fn soon_half(&self, half: usize) -> Option<Prefetch<1>> {
        Soon::half::<L>(self.soon, half)
    }

    /// [`Soon::stream`].
    #[inline(always)]
    pub fn soon(&self, stream: usize, first_half: usize) -> Option<Prefetch<2>> {
        Soon::stream::<L>(self.soon, stream, first_half)
    }

    /// The ranges of [`Layout::BLOCK`] vectors.
    #[inline(always)]
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<S, L> {
        let (end, block) = (self.end, L::BLOCK * lanes::<S>());
        (self.first..end)
            .step_by(block)
            .map(move |first| first..end.min(first + block))
    }

    /// The offsets of the vectors.
    #[inline(always)]
    pub fn vectors(&self) -> StepBy<Range<usize>> {
        self.sample(1)
    }

    /// The offsets of every `stride`-th vector.
    #[inline(always)]
    pub fn sample(&self, stride: usize) -> StepBy<Range<usize>> {
        (self.first..self.end).step_by(stride * lanes::<S>())
    }

    /// Returns the reference at an entry.
    #[inline(always)]
    pub fn q(&self, at: usize) -> V<S> {
        match self.constant {
            Some(q) => q,
            None => load::<S>(self.reference, at - self.reference_shift),
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
        if self.constant.is_none() {
            let q = self.q(at);
            for term in &mut terms {
                *term *= q;
            }
        }
        terms
    }

    /// The sums of weighted terms.
    #[inline(always)]
    pub fn expectations<const N: usize>(&self, sums: Sums<S, L, N>) -> [Sum<S>; N] {
        match self.constant {
            Some(q) => sums.times(q),
            None => sums.totals(),
        }
    }

    /// The expectations over a long row from the sums over a sample and the terms of the largest logit of each lane, which
    /// the sample has in the lanes of the mask. A few of the largest logits may have most of the mass, and the sample may
    /// contain none of them.
    #[inline(always)]
    pub fn of_sample(
        &self,
        stride: usize,
        sums: [V<S>; 3],
        at_largest: [V<S>; 3],
        has_largest: &M<S>,
    ) -> [V<S>; 3] {
        let vectors = (self.end - self.first) / lanes::<S>();
        let weight = splat::<S>(vectors as f32 / vectors.div_ceil(stride) as f32);
        let mut moments = at_largest;
        for n in 0..3 {
            let other = sums[n] - has_largest.select(at_largest[n], splat::<S>(0.0));
            let sum = other.mul_add(weight, at_largest[n]);
            moments[n] = layout::sum::<S, L>(sum) * self.q(self.first);
        }
        moments
    }
}

/// `q = 0` masks an entry. NaN and `+inf` still propagate.
#[inline(always)]
fn mask_zero_reference<S: Simd>(x: V<S>, none: M<S>) -> V<S> {
    let mask = none & x.le(splat::<S>(f32::MAX));
    mask.select(splat::<S>(f32::NEG_INFINITY), x)
}

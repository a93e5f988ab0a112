//! The first pass over a row: [`crate::math::Row::new`].

use super::{LongRow, RowCall};
use crate::math::{Real, RowReference};
use crate::op::cpu::vector::{lanes, load, splat, store};
use macerator::{Simd, WithSimd};

/// Largest gap, times `max(1, |c|)`, at which no product with `u_max^c` overflows.
const MAX_SCALED_GAP: f64 = 1e34;

/// The result of the first pass.
#[derive(Clone, Copy)]
pub(in crate::op::cpu) struct Summary {
    /// `c = 1 - alpha`.
    pub c: f64,
    /// The reference of every entry, if the reference is not given.
    pub constant: Option<f32>,
    /// The largest allowed logit.
    pub max: f32,
    /// The sum of the reference over the allowed entries.
    pub total: f64,
    /// The bracket of `ln u_max`.
    pub lo: f64,
    pub hi: f64,
    /// `<q, g> / sum q`, which bounds the root by Jensen's inequality.
    pub mean_gap: f64,
}

/// Fills the gaps and the reference. Returns `None` if the row is invalid, empty or out of range.
pub(super) struct Summarize<'a> {
    pub buffers: &'a mut LongRow,
    pub row: RowCall<'a, f32>,
}

impl WithSimd for Summarize<'_> {
    type Output = Option<Summary>;

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> Option<Summary> {
        let (buffers, row) = (self.buffers, self.row);
        let x = row.logits;
        // The entries of longer rows cannot be counted in f32.
        if x.len() >= 1 << 24 {
            return None;
        }
        let padded = x.len().next_multiple_of(lanes::<S>());
        buffers.gaps.clear();
        match row.reference {
            RowReference::Uniform | RowReference::Ones => buffers.gaps.extend_from_slice(x),
            RowReference::Values(q) => {
                buffers.reference.clear();
                buffers.reference.extend_from_slice(q);
                buffers.reference.resize(padded, 0.0);
                // `q = 0` masks the entry. NaN and +inf still propagate.
                let mask_zero_reference = |(&x, &q): (&f32, &f32)| {
                    if q == 0.0 && x < f32::INFINITY {
                        f32::NEG_INFINITY
                    } else {
                        x
                    }
                };
                buffers
                    .gaps
                    .extend(x.iter().zip(q).map(mask_zero_reference));
                // The vector logarithm is not valid for subnormal numbers.
                let normal = f32::MIN_POSITIVE..=f32::MAX;
                if !q
                    .iter()
                    .fold(true, |good, &q| good & (q == 0.0 || normal.contains(&q)))
                {
                    return None;
                }
            }
        }
        buffers.gaps.resize(padded, f32::NEG_INFINITY);

        let (lowest, largest) = (splat::<S>(f32::NEG_INFINITY), splat::<S>(f32::MAX));
        let (zero, one) = (splat::<S>(0.0), splat::<S>(1.0));
        let mut max = lowest;
        let mut min = splat::<S>(f32::INFINITY);
        let mut masked = zero;
        let mut invalid = zero;
        for i in (0..padded).step_by(lanes::<S>()) {
            let x = load::<S>(&buffers.gaps, i);
            // NaN fails every comparison.
            invalid = x.le(largest).select(invalid, one);
            max = x.gt(max).select(x, max);
            min = x.eq(lowest).select(min, x.lt(min).select(x, min));
            masked += x.eq(lowest).select(one, zero);
        }
        // Exact below 2^24 entries.
        let allowed = padded - masked.reduce_add() as usize;
        if allowed == 0 || invalid.reduce_add() > 0.0 {
            return None;
        }
        let (max, min) = (max.reduce_max(), min.reduce_min());
        let c = 1.0 - row.alpha;
        let count = allowed as f64;
        let (constant, total, lo, hi) = match row.reference {
            RowReference::Uniform => {
                let q = (1.0 / count) as f32;
                (Some(q), 1.0, 0.0, buffers.cached_ln(count))
            }
            RowReference::Ones => (Some(1.0), count, -buffers.cached_ln(count), 0.0),
            RowReference::Values(q) => {
                let mut total = 0.0;
                let mut at_max = 0.0_f32;
                for (&x, &q) in buffers.gaps.iter().zip(q) {
                    if x > f32::NEG_INFINITY {
                        total += f64::from(q);
                        if x == max {
                            at_max = at_max.max(q);
                        }
                    }
                }
                (None, total, -total.ln(), -f64::from(at_max).ln())
            }
        };
        // Outside this range the scalar layer computes the products with u_max^c in log space. Inside, no product with
        // a gap overflows.
        let scaled_max_gap = (f64::from(max) - f64::from(min)) * c.abs().max(1.0);
        let log_power = (c * lo).max(c * hi);
        if c.abs() * lo.abs().max(hi.abs()) > f64::from(f32::LOG_SPACE)
            || scaled_max_gap > MAX_SCALED_GAP
            || (log_power > 1.0 && scaled_max_gap * log_power.exp() > MAX_SCALED_GAP)
        {
            return None;
        }
        let top = splat::<S>(max);
        let mut sum = zero;
        for i in (0..padded).step_by(lanes::<S>()) {
            let gap = top - load::<S>(&buffers.gaps, i);
            store::<S>(&mut buffers.gaps, i, gap);
            // The sum is rounded, so the mean is an approximate bound only.
            let share = match constant {
                Some(_) => gap,
                None => load::<S>(&buffers.reference, i) * gap,
            };
            sum += gap.lt(splat::<S>(f32::INFINITY)).select(share, zero);
        }
        let weight = if constant.is_some() { count } else { total };
        Some(Summary {
            c,
            constant,
            max,
            total,
            lo,
            hi,
            mean_gap: f64::from(sum.reduce_add()) / weight,
        })
    }
}

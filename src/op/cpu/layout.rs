//! How the entries of rows lie in vectors, and the reductions that depend on it.

use super::vector::{M, MAX_LANES, V, lanes, load, splat, store};
use macerator::Simd;
use std::marker::PhantomData;

/// How the entries of rows lie in vectors.
///
/// A group of rows has its parameters, such as the roots, in vectors with one row in each lane. Its entries are in strips,
/// over which the loops run: a strip holds a vector for each column of all its rows, or one long row.
pub(in crate::op) trait Layout {
    /// Whether the lanes of a vector hold entries of one row. Otherwise, each lane holds a row of its own.
    const ALONG_ROW: bool;

    /// Number of vectors that are summed before their sum is added to the total. Each addition in a lane may lose half a
    /// rounding of the result, so the error of a sum of 64 rounded numbers would exceed the bound of a probability.
    const BLOCK: usize;
}

/// One row in each lane, for short rows. With vectors along a row of a few entries, most of the time would go into sums
/// across lanes and into the latency of the Newton steps.
pub(super) struct AcrossRows;

/// Vectors along one row.
pub(super) struct AlongRow;

impl Layout for AcrossRows {
    const ALONG_ROW: bool = false;

    const BLOCK: usize = 16;
}

impl Layout for AlongRow {
    const ALONG_ROW: bool = true;

    const BLOCK: usize = 32;
}

/// A sum over the entries of each row, as a sum of two numbers.
pub(super) struct Sum<S: Simd> {
    pub high: V<S>,
    pub low: V<S>,
}

// Not derived: that would ask for `S: Copy`.
impl<S: Simd> Clone for Sum<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Simd> Copy for Sum<S> {}

impl<S: Simd> Sum<S> {
    #[inline(always)]
    pub fn zero() -> Self {
        let zero = splat::<S>(0.0);
        Self {
            high: zero,
            low: zero,
        }
    }

    /// The sum, less one.
    #[inline(always)]
    pub fn excess(self) -> V<S> {
        (self.high - splat::<S>(1.0)) + self.low
    }
}

/// Sums over the entries of a strip, which grow by one vector at a time.
///
/// The loops are written out where the sums are needed: a closure would be compiled without the vector instructions.
pub(super) struct Sums<S: Simd, L, const N: usize> {
    block: [V<S>; N],
    in_block: usize,
    /// The sums of the blocks: in the lanes of the rows, or of one long row.
    totals: [V<S>; N],
    long_totals: [f64; N],
    layout: PhantomData<L>,
}

impl<S: Simd, L: Layout, const N: usize> Sums<S, L, N> {
    #[inline(always)]
    pub fn zero() -> Self {
        Self {
            block: [splat::<S>(0.0); N],
            in_block: 0,
            totals: [splat::<S>(0.0); N],
            long_totals: [0.0; N],
            layout: PhantomData,
        }
    }

    #[inline(always)]
    pub fn add(&mut self, terms: [V<S>; N]) {
        for (sum, term) in self.block.iter_mut().zip(terms) {
            *sum += term;
        }
        self.in_block += 1;
        if self.in_block == L::BLOCK {
            self.end_block();
        }
    }

    /// Adds the sums of a block of [`Layout::BLOCK`] vectors or less.
    #[inline(always)]
    pub fn add_block(&mut self, sums: [V<S>; N]) {
        self.block = sums;
        self.end_block();
    }

    #[inline(always)]
    fn end_block(&mut self) {
        for n in 0..N {
            if L::ALONG_ROW {
                self.long_totals[n] += f64::from(self.block[n].reduce_add());
            } else {
                self.totals[n] += self.block[n];
            }
            self.block[n] = splat::<S>(0.0);
        }
        self.in_block = 0;
    }

    /// The sums, times a factor.
    #[inline(always)]
    pub fn times(mut self, factor: V<S>) -> [Sum<S>; N] {
        let zero = splat::<S>(0.0);
        if self.in_block > 0 {
            self.end_block();
        }
        let mut result = [Sum::zero(); N];
        for (n, result) in result.iter_mut().enumerate() {
            let (sum, rest) = if L::ALONG_ROW {
                let high = self.long_totals[n] as f32;
                let low = (self.long_totals[n] - f64::from(high)) as f32;
                (splat::<S>(high), splat::<S>(low))
            } else {
                (self.totals[n], zero)
            };
            let high = sum * factor;
            let lost = sum.mul_add(factor, zero - high);
            *result = Sum {
                high,
                low: rest.mul_add(factor, lost),
            };
        }
        result
    }

    #[inline(always)]
    pub fn totals(self) -> [Sum<S>; N] {
        self.times(splat::<S>(1.0))
    }
}

/// The number of each row of a strip, in each of its lanes.
#[inline(always)]
pub(super) fn of_strip<S: Simd, L: Layout>(rows: V<S>, strip: usize) -> V<S> {
    if !L::ALONG_ROW {
        return rows;
    }
    let mut numbers = [0.0; MAX_LANES];
    store::<S>(&mut numbers, 0, rows);
    splat::<S>(numbers[strip])
}

/// The inverse of [`of_strip`] for the rows of one strip.
#[inline(always)]
pub(super) fn set_strip<S: Simd, L: Layout>(rows: &mut V<S>, strip: usize, values: V<S>) {
    *rows = if L::ALONG_ROW {
        let is_row = load::<S>(&LANES, 0).eq(splat::<S>(strip as f32));
        is_row.select(values, *rows)
    } else {
        values
    };
}

/// [`of_strip`] for truth values.
#[inline(always)]
pub(super) fn of_strip_mask<S: Simd, L: Layout>(rows: &M<S>, strip: usize) -> M<S> {
    let numbers = rows.select(splat::<S>(1.0), splat::<S>(0.0));
    of_strip::<S, L>(numbers, strip).gt(splat::<S>(0.0))
}

/// [`set_strip`] for numbers in memory.
#[inline(always)]
pub(super) fn store_strip<S: Simd, L: Layout>(rows: &mut [f32], strip: usize, values: V<S>) {
    if L::ALONG_ROW {
        let mut numbers = [0.0; MAX_LANES];
        store::<S>(&mut numbers, 0, values);
        rows[strip] = numbers[0];
    } else {
        store::<S>(rows, 0, values);
    }
}

/// [`set_strip`] for sums.
#[inline(always)]
pub(super) fn set_sums<S: Simd, L: Layout, const N: usize>(
    rows: &mut [Sum<S>; N],
    strip: usize,
    sums: [Sum<S>; N],
) {
    for (rows, sum) in rows.iter_mut().zip(sums) {
        set_strip::<S, L>(&mut rows.high, strip, sum.high);
        set_strip::<S, L>(&mut rows.low, strip, sum.low);
    }
}

/// The largest number of each row of a strip, in each of its lanes.
#[inline(always)]
pub(super) fn max<S: Simd, L: Layout>(values: V<S>) -> V<S> {
    if L::ALONG_ROW {
        splat::<S>(values.reduce_max())
    } else {
        values
    }
}

/// The sum of the numbers of each row of a strip, in each of its lanes.
#[inline(always)]
pub(super) fn sum<S: Simd, L: Layout>(values: V<S>) -> V<S> {
    if L::ALONG_ROW {
        splat::<S>(values.reduce_add())
    } else {
        values
    }
}

/// The smallest number of each row of a strip, in each of its lanes.
#[inline(always)]
pub(super) fn min<S: Simd, L: Layout>(values: V<S>) -> V<S> {
    if L::ALONG_ROW {
        splat::<S>(values.reduce_min())
    } else {
        values
    }
}

/// The rows whose lanes are all true.
#[inline(always)]
pub(super) fn all<S: Simd, L: Layout>(mask: M<S>) -> M<S> {
    if L::ALONG_ROW {
        let zero = splat::<S>(0.0);
        if mask.all() {
            zero.eq(zero)
        } else {
            zero.gt(zero)
        }
    } else {
        mask
    }
}

/// The numbers of each row in a lane that the mask selects, or zero if it selects none.
#[inline(always)]
pub(super) fn pick<S: Simd, L: Layout>(mask: M<S>, values: V<S>) -> V<S> {
    let selected = mask.select(values, splat::<S>(0.0));
    if !L::ALONG_ROW {
        return selected;
    }
    let mut lane_values = [0.0; MAX_LANES];
    store::<S>(&mut lane_values, 0, selected);
    let nonzero = lane_values[..lanes::<S>()].iter().find(|&&x| x != 0.0);
    splat::<S>(nonzero.copied().unwrap_or(0.0))
}

/// The indices of the entries of a vector in their rows. They are exact below 2^24.
#[inline(always)]
pub(super) fn index<S: Simd, L: Layout>(at: usize) -> V<S> {
    if L::ALONG_ROW {
        splat::<S>(at as f32) + load::<S>(&LANES, 0)
    } else {
        splat::<S>((at / lanes::<S>()) as f32)
    }
}

const LANES: [f32; MAX_LANES] = {
    let mut lanes = [0.0; MAX_LANES];
    let mut i = 0;
    while i < MAX_LANES {
        lanes[i] = i as f32;
        i += 1;
    }
    lanes
};

//! The operator on short rows of `f32`, as many at once as a vector has lanes.
//!
//! With vectors along a row of a few entries, most of the time would go into sums across lanes and into the scalar part
//! of each Newton step. Here one vector holds entry `k` of every row, and the lanes are independent. A row that has
//! converged keeps its root until all rows have converged. Rows in which a product with `u_max^c` may overflow are not
//! supported here: the other kernels compute them.

mod backward;
mod output;
mod solve;
mod summary;

use super::Rows;
use super::dispatch::run;
use super::storage::Storage;
use super::vector::{M, MAX_LANES, lanes, splat, store};
use crate::math::{MAX_ALPHA, RowReference, Solver};
use crate::op::request::STATE_LEN;
use backward::Backward;
use macerator::Simd;
use output::Forward;

/// Length of the longest row for which one lane for each row is worthwhile.
const MAX_COLUMNS: usize = 64;

/// The set of rows of a group that have been computed.
#[derive(Clone, Copy)]
pub(in crate::op) struct Handled(u64);

impl Handled {
    pub const NONE: Self = Self(0);

    #[inline(always)]
    fn from_mask<S: Simd>(mask: M<S>) -> Self {
        if mask.all() {
            return Self(u64::MAX);
        }
        let mut lanes = [false; MAX_LANES];
        // SAFETY: no machine has more than MAX_LANES lanes, so the mask fits.
        unsafe { mask.store_as_bool(lanes.as_mut_ptr()) };
        Self((0..MAX_LANES).fold(0, |bits, lane| bits | u64::from(lanes[lane]) << lane))
    }

    #[inline(always)]
    pub fn has(self, row: usize) -> bool {
        self.0 >> row & 1 != 0
    }
}

/// The buffers of a group of rows, with one vector for each entry.
#[derive(Default)]
pub(in crate::op) struct ShortRows {
    /// The logits, then `x_max - x`, which is `+inf` for a masked entry.
    gaps: Vec<f32>,
    /// The reference, if it is given.
    reference: Vec<f32>,
    /// The cotangent, if there is one, then the result.
    values: Vec<f32>,
    weights: Vec<f32>,
    /// The buffer for a row that is stored in another type.
    row: Vec<f32>,
}

/// The roots of a group, `ln u_max` as a sum of two numbers for each lane.
struct LaneRoots {
    root: [f32; MAX_LANES],
    remainder: [f32; MAX_LANES],
}

impl LaneRoots {
    fn zeroed() -> Self {
        Self {
            root: [0.0; MAX_LANES],
            remainder: [0.0; MAX_LANES],
        }
    }
}

impl ShortRows {
    /// Returns alpha if this kernel supports the rows of the call.
    #[inline(always)]
    fn supported_alpha<T: Storage>(rows: &Rows<'_, T>) -> Option<f64> {
        let alpha = rows.parameters.alpha;
        // The range does not contain NaN.
        let takes = rows.alpha_rows.is_none()
            && (-MAX_ALPHA..=Solver::NEWTON_MAX_ALPHA).contains(&alpha)
            && rows.columns <= MAX_COLUMNS
            && rows.parameters.solver == Solver::Newton;
        takes.then_some(alpha)
    }

    /// Computes the outputs and the roots of the rows from `first` on, at most as many as a vector has lanes.
    #[inline(always)]
    pub fn forward<S: Simd, T: Storage<Real = f32>>(
        &mut self,
        rows: &Rows<'_, T>,
        first: usize,
        output: &mut [T],
        states: &mut [f32],
    ) -> Handled {
        let Some(alpha) = Self::supported_alpha(rows) else {
            return Handled::NONE;
        };
        let count = states.len() / STATE_LEN;
        self.gather::<S, T>(rows, first, count);
        let width = output.len() / count;
        self.values.resize(width * lanes::<S>(), 0.0);
        let mut roots = LaneRoots::zeroed();
        let forward = Forward {
            rows: self,
            reference: rows.reference,
            alpha,
            output: rows.parameters.output,
            roots: &mut roots,
        };
        let handled = run::<S, _>(alpha, forward);
        self.scatter::<S, T>(output, width);
        for (lane, state) in states.chunks_exact_mut(STATE_LEN).enumerate() {
            state.copy_from_slice(&[roots.root[lane], roots.remainder[lane]]);
        }
        handled
    }

    /// Computes the gradients in the logits of the rows from `first` on, at most as many as a vector has lanes.
    #[inline(always)]
    pub fn backward<S: Simd, T: Storage<Real = f32>>(
        &mut self,
        rows: &Rows<'_, T>,
        first: usize,
        states: &[f32],
        cotangent: &[T],
        gradient: &mut [T],
    ) -> Handled {
        let Some(alpha) = Self::supported_alpha(rows) else {
            return Handled::NONE;
        };
        let count = states.len() / STATE_LEN;
        self.gather::<S, T>(rows, first, count);
        self.values.resize(rows.columns * lanes::<S>(), 0.0);
        for (lane, c) in cotangent.chunks_exact(cotangent.len() / count).enumerate() {
            let c = T::read(c, &mut self.row);
            store_lane::<S>(&mut self.values, lane, c);
        }
        let mut roots = LaneRoots::zeroed();
        for (lane, state) in states.chunks_exact(STATE_LEN).enumerate() {
            [roots.root[lane], roots.remainder[lane]] = [state[0], state[1]];
        }
        let backward = Backward {
            rows: self,
            reference: rows.reference,
            alpha,
            output: rows.parameters.output,
            roots: &roots,
        };
        let handled = run::<S, _>(alpha, backward);
        self.scatter::<S, T>(gradient, rows.columns);
        handled
    }

    /// Copies the logits, and the reference if it is given, into the lanes.
    #[inline(always)]
    fn gather<S: Simd, T: Storage<Real = f32>>(
        &mut self,
        rows: &Rows<'_, T>,
        first: usize,
        count: usize,
    ) {
        let columns = rows.columns;
        let entries = first * columns..(first + count) * columns;
        self.gaps.resize(columns * lanes::<S>(), 0.0);
        for (lane, x) in rows.logits[entries.clone()]
            .chunks_exact(columns)
            .enumerate()
        {
            let x = T::read(x, &mut self.row);
            store_lane::<S>(&mut self.gaps, lane, x);
        }
        if let RowReference::Values(q) = rows.reference {
            self.reference.resize(columns * lanes::<S>(), 0.0);
            if rows.reference_stride == 0 {
                for (k, &q) in q.iter().enumerate() {
                    store::<S>(&mut self.reference, k * lanes::<S>(), splat::<S>(q));
                }
            } else {
                for (lane, q) in q[entries].chunks_exact(columns).enumerate() {
                    store_lane::<S>(&mut self.reference, lane, q);
                }
            }
        }
    }

    /// Copies the results out of the lanes.
    #[inline(always)]
    fn scatter<S: Simd, T: Storage<Real = f32>>(&mut self, output: &mut [T], width: usize) {
        for (lane, y) in output.chunks_exact_mut(width).enumerate() {
            load_lane::<S>(&self.values, lane, T::output_buffer(y, &mut self.row));
            T::write_back(y, &self.row);
        }
    }
}

/// Copies a row into a lane.
#[inline(always)]
fn store_lane<S: Simd>(group: &mut [f32], lane: usize, row: &[f32]) {
    for (entry, &x) in group.chunks_exact_mut(lanes::<S>()).zip(row) {
        entry[lane] = x;
    }
}

/// Copies a lane into a row.
#[inline(always)]
fn load_lane<S: Simd>(group: &[f32], lane: usize, row: &mut [f32]) {
    for (entry, y) in group.chunks_exact(lanes::<S>()).zip(row) {
        *y = entry[lane];
    }
}

//! A group of rows that one call of a kernel computes, in either layout.

use super::backward::{Backward, EntryScratch, Gradients};
use super::dispatch::{outlined, run};
use super::layout::Layout;
use super::output::Forward;
use super::prefetch::Soon;
use super::storage::Storage;
use super::summary::{Group, GroupRows};
use super::transpose::transpose;
use super::vector::{M, MAX_LANES, V, as_unwritten, lanes, load, splat, store};
use super::{GradientRows, Rows};
use crate::math::{RowReference, Solver};
use crate::op::request::STATE_LEN;
use macerator::{Simd, WithSimd};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr::null;

/// Least length of short rows from which the passes ask for other rows.
const MIN_COLUMNS_FOR_PREFETCHES: usize = 12;

/// The set of rows of a group that have been computed.
#[derive(Clone, Copy)]
pub(in crate::op) struct Handled(u64);

impl Handled {
    pub const NONE: Self = Self(0);

    #[inline(always)]
    pub fn from_mask<S: Simd>(mask: M<S>) -> Self {
        if mask.all() {
            return Self(u64::MAX);
        }
        let lanes = mask.to_array();
        Self((0..MAX_LANES).fold(0, |bits, lane| bits | u64::from(lanes[lane]) << lane))
    }

    #[inline(always)]
    pub fn has(self, row: usize) -> bool {
        self.0 >> row & 1 != 0
    }

    /// Whether the first `count` rows have been computed.
    #[inline(always)]
    pub fn has_all(self, count: usize) -> bool {
        self.0.trailing_ones() as usize >= count
    }
}

/// The roots of a group, `ln u_max` as a sum of two numbers for each lane.
pub(super) struct LaneRoots {
    pub root: [f32; MAX_LANES],
    pub remainder: [f32; MAX_LANES],
}

impl LaneRoots {
    fn zeroed() -> Self {
        Self {
            root: [0.0; MAX_LANES],
            remainder: [0.0; MAX_LANES],
        }
    }
}

/// The buffers of a group, each of whole vectors.
#[derive(Default)]
pub(in crate::op) struct GroupBuffers {
    logits: Vec<f32>,
    shifted: Vec<f32>,
    lane_max: Vec<f32>,
    reference: Vec<f32>,
    /// The cotangent of a backward pass.
    cotangent: Vec<f32>,
    ratios: Vec<f32>,
    log_slopes: Vec<f32>,
    /// The output of a forward pass or the gradient in the logits, if the kernel does not write to the tensor.
    values: Vec<f32>,
    weights: Vec<f32>,
    slopes: Vec<f32>,
    reference_gradient: Vec<f32>,
    /// The buffers for rows that are stored in another type.
    row: Vec<f32>,
    cotangent_row: Vec<f32>,
}

/// The inputs of a kernel.
pub(super) struct GroupInputs<'a, L> {
    rows: GroupRows<'a>,
    /// `c = 1 - alpha` of each row.
    c: [f32; MAX_LANES],
    layout: PhantomData<L>,
}

impl<'a, L: Layout> GroupInputs<'a, L> {
    /// Computes the first passes. Returns `None` if no row is usable.
    #[inline(always)]
    pub fn group<S: Simd>(self) -> Option<Group<'a, S, L>> {
        let c = load::<S>(&self.c, 0);
        // The first passes over short rows are most of their time, and a call would cost a tenth of it.
        if !L::ALONG_ROW && !matches!(self.rows.reference, RowReference::Values(_)) {
            return Group::new(self.rows, c);
        }
        let mut group = None;
        outlined::<S, _>(FirstPasses {
            rows: self.rows,
            c,
            group: &mut group,
        });
        group
    }
}

/// The first passes over a group, which do not depend on the ratio curve.
struct FirstPasses<'g, 'a, S: Simd, L> {
    rows: GroupRows<'a>,
    c: V<S>,
    group: &'g mut Option<Group<'a, S, L>>,
}

impl<S: Simd, L: Layout> WithSimd for FirstPasses<'_, '_, S, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<T: Simd>(self) {
        *self.group = Group::new(self.rows, self.c);
    }
}

/// Rows from `first` on, at most as many as a vector has lanes.
#[derive(Clone, Copy)]
struct Entries<'r, 'a, S: Storage> {
    rows: &'r Rows<'a, S>,
    first: usize,
    count: usize,
}

impl<'a, T: Storage<Real = f32>> Entries<'_, 'a, T> {
    /// The alphas of the rows: a number if they are equal, and `c = 1 - alpha` of each lane.
    #[inline(always)]
    fn alpha(&self) -> (Option<f64>, [f32; MAX_LANES]) {
        let Some(alphas) = self.rows.alpha_rows else {
            let alpha = self.rows.parameters.alpha;
            return (Some(alpha), [(1.0 - alpha) as f32; MAX_LANES]);
        };
        let alphas = &alphas[self.first..self.first + self.count];
        let first = f64::from(alphas[0]);
        if alphas.iter().all(|&alpha| alpha == alphas[0]) {
            return (Some(first), [(1.0 - first) as f32; MAX_LANES]);
        }
        let mut c = [0.0; MAX_LANES];
        for (c, &alpha) in c.iter_mut().zip(alphas) {
            *c = 1.0 - alpha;
        }
        (None, c)
    }

    /// Returns rows of `width` numbers in whole vectors: a row that fills them as it is, others in the buffer.
    #[inline(always)]
    fn gather<'b, S: Simd, L: Layout>(
        &self,
        rows: &'b [T],
        width: usize,
        padding: f32,
        vectors: &'b mut Vec<f32>,
        row: &'b mut Vec<f32>,
    ) -> &'b [f32] {
        if fills_vectors::<S, L, T>(width) {
            return T::read(rows, row);
        }
        let lanes = lanes::<S>();
        let rows = T::read(rows, row);
        if has_strip_of_each_row::<L>(width) {
            pad_rows(rows, width, padding, vectors, lanes);
        } else {
            vectors.resize(width * lanes, 0.0);
            transpose(rows, width, as_unwritten(vectors), lanes, self.count);
        }
        vectors
    }

    /// The range of the entries of the rows.
    #[inline(always)]
    fn range(&self) -> Range<usize> {
        self.first * self.rows.columns..(self.first + self.count) * self.rows.columns
    }

    /// As many numbers after those of these rows, or none if these are the last rows.
    #[inline(always)]
    fn next_after(&self, numbers: &[T]) -> Range<*const T> {
        let end = numbers.as_ptr_range().end;
        if self.first + self.count < self.rows.count {
            end..end.wrapping_add(numbers.len())
        } else {
            end..end
        }
    }

    /// Returns the reference in whole vectors, in the buffer.
    #[inline(always)]
    fn gather_reference<'b, S: Simd, L: Layout>(
        &self,
        vectors: &'b mut Vec<f32>,
    ) -> RowReference<&'b [f32]> {
        let q = match self.rows.reference {
            RowReference::Uniform => return RowReference::Uniform,
            RowReference::Ones => return RowReference::Ones,
            RowReference::Values(q) => q,
        };
        let (columns, lanes) = (self.rows.columns, lanes::<S>());
        let shared = self.rows.reference_stride == 0;
        let q = if shared { q } else { &q[self.range()] };
        if L::ALONG_ROW {
            pad_rows(q, columns, 0.0, vectors, lanes);
        } else {
            vectors.resize(columns * lanes, 0.0);
            if shared {
                for (k, &q) in q.iter().enumerate() {
                    store::<S>(vectors, k * lanes, splat::<S>(q));
                }
            } else {
                transpose(q, columns, as_unwritten(vectors), lanes, self.count);
            }
        }
        RowReference::Values(vectors)
    }
}

/// Whether the passes ask for other rows.
#[inline(always)]
fn has_prefetches<L: Layout>(columns: usize) -> bool {
    L::ALONG_ROW || columns >= MIN_COLUMNS_FOR_PREFETCHES
}

/// The addresses of numbers that a kernel writes.
#[inline(always)]
fn addresses<T>(numbers: &[MaybeUninit<T>]) -> Range<*const T> {
    let Range { start, end } = numbers.as_ptr_range();
    start.cast()..end.cast()
}

/// The number of entries in a strip of rows, in whole vectors.
#[inline(always)]
fn strip_len<S: Simd, L: Layout>(columns: usize) -> usize {
    if L::ALONG_ROW {
        columns.next_multiple_of(lanes::<S>())
    } else {
        columns * lanes::<S>()
    }
}

/// Whether each row of this width has its own vectors. The single numbers of long rows are in lanes.
#[inline(always)]
fn has_strip_of_each_row<L: Layout>(width: usize) -> bool {
    L::ALONG_ROW && width > 1
}

/// Copies rows, each with padding up to a whole number of vectors.
#[inline(always)]
fn pad_rows(rows: &[f32], width: usize, padding: f32, vectors: &mut Vec<f32>, lanes: usize) {
    vectors.clear();
    for row in rows.chunks_exact(width) {
        vectors.extend_from_slice(row);
        vectors.resize(vectors.len().next_multiple_of(lanes), padding);
    }
}

/// Whether the kernels read rows of this width in place.
#[inline(always)]
fn fills_vectors<S: Simd, L: Layout, T: Storage>(width: usize) -> bool {
    T::IS_REAL && has_strip_of_each_row::<L>(width) && width.is_multiple_of(lanes::<S>())
}

/// Returns the memory of rows that the kernels write in place.
#[inline(always)]
fn in_place<S: Simd, L: Layout, T: Storage<Real = f32>>(
    rows: &mut [MaybeUninit<T>],
    width: usize,
) -> Option<&mut [MaybeUninit<f32>]> {
    if fills_vectors::<S, L, T>(width) {
        T::as_real(rows)
    } else {
        None
    }
}

/// Copies the numbers of a group into rows of `width` numbers. The buffer is for rows that are stored in another type.
#[inline(always)]
fn scatter<S: Simd, L: Layout, T: Storage<Real = f32>>(
    vectors: &[f32],
    rows: &mut [MaybeUninit<T>],
    width: usize,
    buffer: &mut Vec<f32>,
) {
    if has_strip_of_each_row::<L>(width) {
        let vectors = vectors.chunks_exact(width.next_multiple_of(lanes::<S>()));
        for (row, vectors) in rows.chunks_exact_mut(width).zip(vectors) {
            T::write(row, &vectors[..width]);
        }
        return;
    }
    let (lanes, count) = (lanes::<S>(), rows.len() / width);
    // The lanes beyond the last row are not read.
    let vectors = &vectors[..(width - 1) * lanes + count];
    if let Some(rows) = T::as_real(rows) {
        transpose(vectors, lanes, rows, width, width);
    } else {
        buffer.resize(rows.len(), 0.0);
        transpose(vectors, lanes, as_unwritten(buffer), width, width);
        T::write(rows, buffer);
    }
}

impl GroupBuffers {
    /// Computes the outputs and the roots of `count` rows.
    #[inline(always)]
    pub fn forward<S: Simd, L: Layout, T: Storage<Real = f32>>(
        &mut self,
        rows: &Rows<'_, T>,
        first: usize,
        output: &mut [MaybeUninit<T>],
        states: &mut [f32],
    ) -> Handled {
        if rows.parameters.solver != Solver::Newton {
            return Handled::NONE;
        }
        let count = states.len() / STATE_LEN;
        let entries = Entries { rows, first, count };
        let (alpha, c) = entries.alpha();
        if alpha.is_some_and(|alpha| alpha > Solver::NEWTON_MAX_ALPHA) {
            return Handled::NONE;
        }
        let columns = rows.columns;
        let Self {
            shifted,
            lane_max,
            ratios,
            slopes,
            values,
            row,
            ..
        } = self;
        let logits = &rows.logits[entries.range()];
        let next = entries.next_after(logits);
        let padding = f32::NEG_INFINITY;
        let logits = entries.gather::<S, L>(logits, columns, padding, &mut self.logits, row);
        for buffer in [&mut *shifted, ratios, slopes, values] {
            buffer.resize(logits.len(), 0.0);
        }
        lane_max.resize(count * lanes::<S>(), 0.0);
        let width = output.len() / count;
        let soon = if has_prefetches::<L>(columns) {
            let written = if rows.parameters.output.is_per_entry() {
                addresses(output)
            } else {
                null()..null()
            };
            Soon::new([written, next, null()..null()])
        } else {
            None
        };
        let in_place = in_place::<S, L, T>(output, width);
        let is_in_place = in_place.is_some();
        let mut roots = LaneRoots::zeroed();
        let kernel = Forward::<L> {
            inputs: GroupInputs {
                rows: GroupRows {
                    logits,
                    strip_len: strip_len::<S, L>(columns),
                    reference: entries.gather_reference::<S, L>(&mut self.reference),
                    buffer: shifted,
                    lane_max,
                    soon: soon.as_ref(),
                },
                c,
                layout: PhantomData,
            },
            output: rows.parameters.output,
            scratch: [ratios, slopes],
            values: in_place.unwrap_or_else(|| as_unwritten(values)),
            roots: &mut roots,
        };
        let handled = run::<S, _>(alpha, kernel);
        if !is_in_place {
            scatter::<S, L, T>(&self.values, output, width, &mut self.row);
        }
        for (lane, state) in states.chunks_exact_mut(STATE_LEN).enumerate() {
            state.copy_from_slice(&[roots.root[lane], roots.remainder[lane]]);
        }
        handled
    }

    /// Computes the gradient in the logits of `count` rows, and those in alpha and the reference that have a buffer if
    /// the output is one number for each entry.
    #[inline(always)]
    pub fn backward<S: Simd, L: Layout, T: Storage<Real = f32>>(
        &mut self,
        rows: &Rows<'_, T>,
        first: usize,
        states: &[f32],
        cotangent: &[T],
        gradients: &mut GradientRows<'_, T>,
    ) -> Handled {
        let count = states.len() / STATE_LEN;
        let entries = Entries { rows, first, count };
        let (alpha, c) = entries.alpha();
        if alpha.is_some_and(|alpha| alpha > Solver::NEWTON_MAX_ALPHA) {
            return Handled::NONE;
        }
        let columns = rows.columns;
        let Self {
            shifted,
            lane_max,
            ratios,
            log_slopes,
            values,
            weights,
            slopes,
            reference_gradient,
            ..
        } = self;
        let logits = &rows.logits[entries.range()];
        let next = entries.next_after(logits);
        let padding = f32::NEG_INFINITY;
        let (vectors, row) = (&mut self.logits, &mut self.row);
        let logits = entries.gather::<S, L>(logits, columns, padding, vectors, row);
        let width = cotangent.len() / count;
        let (present_cotangent, next_cotangent) = if width == columns {
            (cotangent.as_ptr_range(), entries.next_after(cotangent))
        } else {
            (null()..null(), null()..null())
        };
        let (vectors, row) = (&mut self.cotangent, &mut self.cotangent_row);
        let cotangent = entries.gather::<S, L>(cotangent, width, 0.0, vectors, row);
        let len = logits.len();
        for buffer in [&mut *shifted, ratios, log_slopes, values, weights, slopes] {
            buffer.resize(len, 0.0);
        }
        lane_max.resize(count * lanes::<S>(), 0.0);
        let per_entry = rows.parameters.output.is_per_entry();
        let wants_alpha = per_entry && gradients.alpha.is_some();
        let wants_reference = per_entry && gradients.reference.is_some();
        reference_gradient.resize(if wants_reference { len } else { 0 }, 0.0);
        let mut roots = LaneRoots::zeroed();
        for (lane, state) in states.chunks_exact(STATE_LEN).enumerate() {
            [roots.root[lane], roots.remainder[lane]] = [state[0], state[1]];
        }
        let mut alpha_gradient = [0.0; MAX_LANES];
        let soon = match &gradients.logits {
            Some(logits) if has_prefetches::<L>(columns) => {
                let logits = addresses(logits);
                Soon::new(if L::ALONG_ROW {
                    [present_cotangent, logits, next]
                } else {
                    [logits, next, next_cotangent]
                })
            }
            _ => None,
        };
        let in_place = match &mut gradients.logits {
            Some(logits) => in_place::<S, L, T>(logits, columns),
            None => None,
        };
        let is_in_place = in_place.is_some();
        let kernel = Backward::<L> {
            inputs: GroupInputs {
                rows: GroupRows {
                    logits,
                    strip_len: strip_len::<S, L>(columns),
                    reference: entries.gather_reference::<S, L>(&mut self.reference),
                    buffer: shifted,
                    lane_max,
                    soon: soon.as_ref(),
                },
                c,
                layout: PhantomData,
            },
            output: rows.parameters.output,
            roots: &roots,
            cotangent,
            scratch: EntryScratch {
                ratios,
                weights,
                log_slopes,
                slopes,
            },
            gradients: Gradients {
                logits: in_place.unwrap_or_else(|| as_unwritten(values)),
                alpha: wants_alpha.then_some(alpha_gradient.as_mut_slice()),
                reference: wants_reference.then_some(reference_gradient.as_mut_slice()),
            },
        };
        let handled = run::<S, _>(alpha, kernel);
        if let (false, Some(logits)) = (is_in_place, &mut gradients.logits) {
            scatter::<S, L, T>(&self.values, logits, columns, &mut self.row);
        }
        if let (true, Some(alpha)) = (wants_alpha, &mut gradients.alpha) {
            f32::write(alpha, &alpha_gradient[..count]);
        }
        if let (true, Some(reference)) = (wants_reference, &mut gradients.reference) {
            let buffer = &mut self.row;
            scatter::<S, L, f32>(&self.reference_gradient, reference, columns, buffer);
        }
        handled
    }
}

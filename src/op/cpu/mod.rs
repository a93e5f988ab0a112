//! The row kernels of the CPU backends, over contiguous rows, in parallel.
//!
//! | file | contents |
//! |---|---|
//! | `group` | a group of rows of `f32`: short rows, one in each lane of a vector, or long ones |
//! | `layout` | these two layouts, the strips of a group, and the sums over a strip |
//! | `transpose` | short rows into lanes and back |
//! | `summary`, `quadrature`, `solve` | the largest logit and the gaps of a group, then its roots |
//! | `output`, `backward` | the outputs and the gradients |
//! | `curve` | the ratio as a function of the gap |
//! | `attention`, `product` | attention by blocks of queries, and the matrix products |
//! | `dispatch` | the alphas with their own curve, each compiled into its own function |
//! | `scalar` | all other rows: `f64`, alpha above two, numbers out of range |
//! | `elementary`, `vector`, `prefetch` | functions on vectors, loads and stores, and requests for the next rows |
//! | `storage` | the types that rows are stored in |

pub(super) mod attention;
mod backward;
mod curve;
mod dispatch;
pub(crate) mod elementary;
mod group;
mod layout;
mod output;
mod prefetch;
pub(crate) mod product;
mod quadrature;
mod scalar;
mod solve;
mod storage;
mod summary;
mod transpose;
pub(crate) mod vector;

pub(super) use storage::Storage;

use super::request::{GradientMask, RowParameters, STATE_LEN};
use crate::math::{Real, RowReference};
use group::{GroupBuffers, Handled};
use layout::{AcrossRows, AlongRow, Layout};
use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;
use scalar::F64Buffers;
use std::mem::MaybeUninit;
use vector::{MAX_LANES, has_vectors, lanes};

/// The value and the divergence follow from the mass `M = sum_i p_i` and `P = <p, f'(u)> = <p, f'(u_max) - g>`:
///
/// ```text
/// V = x_max - f'(u_max) + F,    D = P - (M - 1) <w, f'(u)> - F,
/// F = sum_i q_i f*(f'(u_i)) = (M - sum q - c P) / alpha
/// ```
///
/// without a transcendental function for each entry. `w` are the normalized `q u^(1 + c)`. The mass is one up to the
/// rounding of the root. With the mass in the formulas, both results are stationary in the root, so they are more
/// accurate than the root. Below this magnitude of `alpha` the last form loses its digits, and `F` is summed.
const MASS_FORM_MIN_ALPHA: f32 = 0.25;

/// Largest `f'(u_max)`, divided by the result or one, at which the value and the divergence of a row use these formulas.
/// Otherwise, the rounding of `f'(u_max)` would dominate a result that is much smaller.
const MAX_DERIVATIVE: f32 = 4.0;

/// The state of a row as a tensor stores it: the root as a sum of two numbers or, in `f64`, the two numbers of
/// [`RowState`].
type State<F> = [F; STATE_LEN];

/// An arithmetic type, with or without vectorized kernels.
///
/// Each kernel returns the rows that it computed. The scalar layer computes the others, and all rows on a machine
/// without vector instructions.
pub(super) trait Arithmetic: Real + Storage<Real = Self> {
    #[inline(always)]
    fn group_forward<V: Simd, L: Layout, S: Storage<Real = Self>>(
        _buffers: &mut GroupBuffers,
        _rows: &Rows<'_, S>,
        _first: usize,
        _output: &mut [MaybeUninit<S>],
        _states: &mut [Self],
    ) -> Handled {
        Handled::NONE
    }

    #[inline(always)]
    fn group_backward<V: Simd, L: Layout, S: Storage<Real = Self>>(
        _buffers: &mut GroupBuffers,
        _rows: &Rows<'_, S>,
        _first: usize,
        _states: &[Self],
        _cotangent: &[S],
        _gradients: &mut GradientRows<'_, S>,
    ) -> Handled {
        Handled::NONE
    }
}

impl Arithmetic for f64 {}

impl Arithmetic for f32 {
    #[inline(always)]
    fn group_forward<V: Simd, L: Layout, S: Storage<Real = f32>>(
        buffers: &mut GroupBuffers,
        rows: &Rows<'_, S>,
        first: usize,
        output: &mut [MaybeUninit<S>],
        states: &mut [f32],
    ) -> Handled {
        if const { !has_vectors::<V>() } || rows.columns >= MAX_COLUMNS {
            return Handled::NONE;
        }
        buffers.forward::<V, L, S>(rows, first, output, states)
    }

    #[inline(always)]
    fn group_backward<V: Simd, L: Layout, S: Storage<Real = f32>>(
        buffers: &mut GroupBuffers,
        rows: &Rows<'_, S>,
        first: usize,
        states: &[f32],
        cotangent: &[S],
        gradients: &mut GradientRows<'_, S>,
    ) -> Handled {
        if const { !has_vectors::<V>() } || rows.columns >= MAX_COLUMNS {
            return Handled::NONE;
        }
        buffers.backward::<V, L, S>(rows, first, states, cotangent, gradients)
    }
}

/// Length of the longest row with a lane of its own. For longer ones, the transposition costs more than the sums across
/// lanes.
const MAX_COLUMNS_ACROSS: usize = 256;

/// The same for the softmax as the alpha of a call, which has one sum.
const MAX_SOFTMAX_COLUMNS_ACROSS: usize = 128;

/// The entries of a row of this length cannot be counted in `f32`.
const MAX_COLUMNS: usize = 1 << 24;

/// One row of a call.
#[derive(Clone, Copy)]
pub(super) struct RowCall<'a, F> {
    logits: &'a [F],
    reference: RowReference<&'a [F]>,
    alpha: f64,
    parameters: RowParameters,
}

/// The output and the states of a block of rows.
type Block<'b, S> = (&'b mut [MaybeUninit<S>], &'b mut [<S as Storage>::Real]);

/// The inputs of a call, contiguous.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, S: Storage> {
    pub logits: &'a [S],
    pub count: usize,
    pub columns: usize,
    /// Alpha of each row; `None` if it is the number in the parameters.
    pub alpha_rows: Option<&'a [S::Real]>,
    pub reference: RowReference<&'a [S::Real]>,
    /// The distance between the references of two adjacent rows: the number of columns, or zero if the rows share one.
    pub reference_stride: usize,
    pub parameters: RowParameters,
}

impl<'a, S: Storage> Rows<'a, S> {
    #[inline(always)]
    fn row<'b>(&self, index: usize, buffer: &'b mut Vec<S::Real>) -> RowCall<'b, S::Real>
    where
        'a: 'b,
    {
        let entries = index * self.columns..(index + 1) * self.columns;
        RowCall {
            logits: S::read(&self.logits[entries], buffer),
            reference: match self.reference {
                RowReference::Values(q) => {
                    RowReference::Values(&q[index * self.reference_stride..][..self.columns])
                }
                constant => constant,
            },
            alpha: match self.alpha_rows {
                None => self.parameters.alpha,
                Some(alpha) => alpha[index].into_f64(),
            },
            parameters: self.parameters,
        }
    }

    /// Computes the output and the state of every row.
    pub fn forward(&self) -> (Vec<S>, Vec<S::Real>) {
        let width = self.output_width();
        let mut states = vec![<S::Real as num_traits::Float>::nan(); self.count * STATE_LEN];
        if self.logits.is_empty() {
            return (vec![S::ZERO; self.count * width], states);
        }
        let rows = self.rows_per_task();
        let mut output = Box::new_uninit_slice(self.count * width);
        let task = |(i, (output, states)): (usize, Block<'_, S>)| {
            AutoArch::new().dispatch(Forward {
                rows: self,
                first: i * rows,
                width,
                output,
                states,
            });
        };
        if self.count <= rows {
            task((0, (&mut output, &mut states)));
        } else {
            output
                .par_chunks_mut(rows * width)
                .zip(states.par_chunks_mut(rows * STATE_LEN))
                .enumerate()
                .for_each(task);
        }
        // SAFETY: each task has written every entry of its rows.
        (unsafe { output.assume_init() }.into_vec(), states)
    }

    /// Computes the gradients of `<cotangent, output>` in the wanted inputs, row by row.
    pub fn backward(
        &self,
        states: &[S::Real],
        cotangent: &[S],
        wanted: GradientMask,
    ) -> CpuGradients<S> {
        let entries = self.count * self.columns;
        if self.logits.is_empty() {
            return CpuGradients {
                logits: wanted.logits.then(Vec::new),
                alpha: wanted.alpha.then(|| vec![S::Real::ZERO; self.count]),
                reference: wanted.reference.then(Vec::new),
            };
        }
        let mut logits = wanted.logits.then(|| Box::new_uninit_slice(entries));
        let mut alpha = wanted.alpha.then(|| Box::new_uninit_slice(self.count));
        let mut reference = wanted.reference.then(|| Box::new_uninit_slice(entries));
        let rows = self.rows_per_task();
        let mut tasks = Vec::with_capacity(self.count.div_ceil(rows));
        let mut remainder = GradientRows {
            count: self.count,
            logits: logits.as_deref_mut(),
            alpha: alpha.as_deref_mut(),
            reference: reference.as_deref_mut(),
        };
        while remainder.count > 0 {
            tasks.push(remainder.split_off(rows, self.columns));
        }
        let task = |(i, gradients)| {
            AutoArch::new().dispatch(Backward {
                rows: self,
                states,
                cotangent,
                first: i * rows,
                gradients,
            });
        };
        if tasks.len() == 1 {
            tasks.into_iter().enumerate().for_each(task);
        } else {
            tasks.into_par_iter().enumerate().for_each(task);
        }
        // SAFETY: each task has written every entry of its rows.
        unsafe {
            CpuGradients {
                logits: logits.map(|x| x.assume_init().into_vec()),
                alpha: alpha.map(|x| x.assume_init().into_vec()),
                reference: reference.map(|x| x.assume_init().into_vec()),
            }
        }
    }

    /// Whether each row has a lane of its own.
    fn is_across(&self) -> bool {
        let is_softmax = self.alpha_rows.is_none() && self.parameters.alpha == 1.0;
        let most = if is_softmax {
            MAX_SOFTMAX_COLUMNS_ACROSS
        } else {
            MAX_COLUMNS_ACROSS
        };
        self.columns <= most
    }

    /// The number of rows in a task: all of them if there is one thread, or too few entries to wake another one.
    fn rows_per_task(&self) -> usize {
        let mut rows = PARALLEL_ENTRIES.div_ceil(self.columns);
        if self.is_across() {
            // The rows in the lanes of a vector do not depend on the number of threads.
            rows = rows.next_multiple_of(MAX_LANES);
        }
        if self.count < 2 * rows || rayon::current_num_threads() == 1 {
            self.count
        } else {
            rows
        }
    }

    /// The number of rows in the group that begins at a row, of the rows that are left.
    #[inline(always)]
    fn group_len<V: Simd, L: Layout>(&self, first: usize, left: usize) -> usize {
        let most = left.min(lanes::<V>());
        if !L::ALONG_ROW {
            return most;
        }
        let most = most.min(GROUP_ENTRIES / self.columns).max(1);
        let Some(alphas) = self.alpha_rows else {
            return most;
        };
        // A row has the kernel of its alpha whatever the alphas of the others are.
        let alphas = &alphas[first..first + most];
        let kernel = |alpha: &S::Real| dispatch::own_curve(alpha.into_f64());
        let is_other = |alpha: &S::Real| kernel(alpha) != kernel(&alphas[0]);
        alphas.iter().position(is_other).unwrap_or(most).max(1)
    }

    /// The number of values in a row's output.
    fn output_width(&self) -> usize {
        if self.parameters.output.is_per_entry() {
            self.columns
        } else {
            1
        }
    }
}

/// The operator with the uniform reference on contiguous rows of `f32` that belong to no tensor.
#[cfg(feature = "rl")]
pub(crate) struct UniformRows<'a>(Rows<'a, f32>);

#[cfg(feature = "rl")]
impl<'a> UniformRows<'a> {
    pub fn new(logits: &'a [f32], columns: usize, parameters: RowParameters) -> Self {
        Self(Rows {
            logits,
            count: logits.len() / columns,
            columns,
            alpha_rows: None,
            reference: RowReference::Uniform,
            reference_stride: 0,
            parameters,
        })
    }

    /// Computes the output and the state of every row.
    pub fn forward(&self) -> (Vec<f32>, Vec<f32>) {
        self.0.forward()
    }

    /// Computes the gradient of `<cotangent, output>` in the logits.
    pub fn backward(&self, states: &[f32], cotangent: &[f32]) -> Vec<f32> {
        let gradients = self.0.backward(states, cotangent, GradientMask::LOGITS);
        gradients.logits.expect("the wanted gradient")
    }
}

/// The gradients of a call. `None` stands for a gradient that is not wanted.
pub(super) struct CpuGradients<S: Storage> {
    pub logits: Option<Vec<S>>,
    pub alpha: Option<Vec<S::Real>>,
    pub reference: Option<Vec<S::Real>>,
}

/// The buffers for the gradients of some rows. A kernel writes every entry.
pub(super) struct GradientRows<'g, S: Storage> {
    count: usize,
    logits: Option<&'g mut [MaybeUninit<S>]>,
    alpha: Option<&'g mut [MaybeUninit<S::Real>]>,
    reference: Option<&'g mut [MaybeUninit<S::Real>]>,
}

/// Splits the first numbers off a slice.
fn split_front<'g, T>(slice: &mut Option<&'g mut [T]>, numbers: usize) -> Option<&'g mut [T]> {
    let (front, remainder) = slice.take()?.split_at_mut(numbers);
    *slice = Some(remainder);
    Some(front)
}

impl<'g, S: Storage> GradientRows<'g, S> {
    fn is_empty(&self) -> bool {
        self.logits.is_none() && self.alpha.is_none() && self.reference.is_none()
    }

    /// Splits off the first `rows` rows, or all if there are fewer.
    #[inline(always)]
    fn split_off(&mut self, rows: usize, columns: usize) -> Self {
        let count = rows.min(self.count);
        self.count -= count;
        Self {
            count,
            logits: split_front(&mut self.logits, count * columns),
            alpha: split_front(&mut self.alpha, count),
            reference: split_front(&mut self.reference, count * columns),
        }
    }
}

/// Number of entries of a task. Waking one of rayon's workers takes about ten microseconds, the time in which a thread
/// computes this many entries.
const PARALLEL_ENTRIES: usize = 4 * 1024;

/// Largest number of entries in a group of several long rows. Their roots are found at the same time, so the latency of
/// a step is that of one row, but their entries are to stay in the first cache.
const GROUP_ENTRIES: usize = 4 * 1024;

/// The buffers of a task.
struct Scratch<F> {
    logits: Vec<F>,
    cotangent: Vec<F>,
    group: GroupBuffers,
    f64_buffers: F64Buffers,
}

impl<F> Default for Scratch<F> {
    fn default() -> Self {
        Self {
            logits: Vec::new(),
            cotangent: Vec::new(),
            group: GroupBuffers::default(),
            f64_buffers: F64Buffers::default(),
        }
    }
}

/// The forward pass of a block of rows.
struct Forward<'r, 'a, S: Storage> {
    rows: &'r Rows<'a, S>,
    first: usize,
    width: usize,
    output: &'r mut [MaybeUninit<S>],
    states: &'r mut [S::Real],
}

impl<S: Storage> WithSimd for Forward<'_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self) {
        if self.rows.is_across() {
            self.run::<V, AcrossRows>();
        } else {
            self.run::<V, AlongRow>();
        }
    }
}

impl<S: Storage> Forward<'_, '_, S> {
    /// Computes the rows in groups.
    #[inline(always)]
    fn run<V: Simd, L: Layout>(self) {
        let mut scratch = Scratch::default();
        let Self {
            rows,
            mut first,
            width,
            mut output,
            mut states,
        } = self;
        while !states.is_empty() {
            let left = states.len() / STATE_LEN;
            let count = rows.group_len::<V, L>(first, left);
            let (group_output, other_output) = output.split_at_mut(count * width);
            let (group_states, other_states) = states.split_at_mut(count * STATE_LEN);
            (output, states) = (other_output, other_states);
            let buffers = &mut scratch.group;
            let handled =
                S::Real::group_forward::<V, L, S>(buffers, rows, first, group_output, group_states);
            if !handled.has_all(count) {
                let outputs = group_output.chunks_exact_mut(width);
                let group = outputs.zip(group_states.chunks_exact_mut(STATE_LEN));
                for (i, (y, state)) in group.enumerate() {
                    if handled.has(i) {
                        continue;
                    }
                    let row = rows.row(first + i, &mut scratch.logits);
                    let found = scalar::forward(&mut scratch.f64_buffers, row, y);
                    state.copy_from_slice(&found);
                }
            }
            first += count;
        }
    }
}

/// The backward pass of a block of rows.
struct Backward<'r, 'a, S: Storage> {
    rows: &'r Rows<'a, S>,
    states: &'r [S::Real],
    cotangent: &'r [S],
    first: usize,
    gradients: GradientRows<'r, S>,
}

impl<S: Storage> WithSimd for Backward<'_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self) {
        if self.rows.is_across() {
            self.run::<V, AcrossRows>();
        } else {
            self.run::<V, AlongRow>();
        }
    }
}

impl<S: Storage> Backward<'_, '_, S> {
    #[inline(always)]
    fn run<V: Simd, L: Layout>(mut self) {
        let mut scratch = Scratch::default();
        let (width, columns) = (self.rows.output_width(), self.rows.columns);
        let per_entry = self.rows.parameters.output.is_per_entry();
        let mut first = self.first;
        while self.gradients.count > 0 {
            let count = self.rows.group_len::<V, L>(first, self.gradients.count);
            let mut gradients = self.gradients.split_off(count, columns);
            let last = first + gradients.count;
            let states = &self.states[first * STATE_LEN..last * STATE_LEN];
            let cotangent = &self.cotangent[first * width..last * width];
            // The vectorized kernels do not compute the gradients of one number for a row in alpha and the reference.
            let wanted = gradients.logits.is_some() || per_entry;
            let handled = if wanted {
                let buffers = &mut scratch.group;
                S::Real::group_backward::<V, L, S>(
                    buffers,
                    self.rows,
                    first,
                    states,
                    cotangent,
                    &mut gradients,
                )
            } else {
                Handled::NONE
            };
            let given = states
                .chunks_exact(STATE_LEN)
                .zip(cotangent.chunks_exact(width));
            for (i, (state, c)) in given.enumerate() {
                let mut row_gradients = gradients.split_off(1, columns);
                if handled.has(i) {
                    row_gradients.logits = None;
                    if per_entry {
                        continue;
                    }
                }
                if row_gradients.is_empty() {
                    continue;
                }
                let row = self.rows.row(first + i, &mut scratch.logits);
                let c = S::read(c, &mut scratch.cotangent);
                let state = [state[0], state[1]];
                scalar::backward(&mut scratch.f64_buffers, row, state, c, row_gradients);
            }
            first = last;
        }
    }
}

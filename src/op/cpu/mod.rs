//! The row kernels of the CPU backends, over contiguous rows, in parallel.
//!
//! Outputs that are one number for each entry, and their gradients in the logits, are computed in `f32`
//! by the vectorised kernels of `lanes` wherever those reach; all else by the scalar layer.

mod lanes;

use super::backend::STATE;
use super::{Output, RowParameters, Wrt};
use crate::math::{Measure, Real, Row, RowState};
use burn::tensor::{bf16, f16};
use lanes::Lanes;
use macerator::{AutoArch, Simd, WithSimd};
use rayon::prelude::*;

/// A type that tensors are stored in, and the type that its rows are computed in.
pub(super) trait Storage: Copy + Send + Sync {
    type Real: Arithmetic;

    const ZERO: Self;

    /// The row in the arithmetic type: itself, or converted into the buffer.
    fn read<'a>(row: &'a [Self], buffer: &'a mut Vec<Self::Real>) -> &'a [Self::Real];

    /// Has `fill` write the row, directly or through one rounding.
    fn write(row: &mut [Self], buffer: &mut Vec<Self::Real>, fill: impl FnOnce(&mut [Self::Real]));
}

macro_rules! stored_as_computed {
    ($($real:ty),*) => {$(
        impl Storage for $real {
            type Real = $real;

            const ZERO: Self = 0.0;

            #[inline(always)]
            fn read<'a>(row: &'a [Self], _buffer: &'a mut Vec<Self>) -> &'a [Self] {
                row
            }

            #[inline(always)]
            fn write(row: &mut [Self], _buffer: &mut Vec<Self>, fill: impl FnOnce(&mut [Self])) {
                fill(row);
            }
        }
    )*};
}
stored_as_computed!(f32, f64);

macro_rules! stored_in_half {
    ($($half:ty),*) => {$(
        impl Storage for $half {
            type Real = f32;

            const ZERO: Self = <$half>::ZERO;

            #[inline(always)]
            fn read<'a>(row: &'a [Self], buffer: &'a mut Vec<f32>) -> &'a [f32] {
                buffer.clear();
                buffer.extend(row.iter().map(|x| x.to_f32()));
                buffer
            }

            #[inline(always)]
            fn write(row: &mut [Self], buffer: &mut Vec<f32>, fill: impl FnOnce(&mut [f32])) {
                buffer.clear();
                buffer.resize(row.len(), 0.0);
                fill(buffer);
                for (stored, &x) in row.iter_mut().zip(buffer.iter()) {
                    *stored = Self::from_f32(x);
                }
            }
        }
    )*};
}
stored_in_half!(f16, bf16);

/// An arithmetic, with vectorised kernels or without. Each returns whether it has answered.
pub(super) trait Arithmetic: Real {
    fn forward(_lanes: &mut Lanes, _row: RowCall<'_, Self>, _y: &mut [Self]) -> Option<RowState<Self>> {
        None
    }

    fn backward(
        _lanes: &mut Lanes,
        _row: RowCall<'_, Self>,
        _state: RowState<Self>,
        _cotangent: &[Self],
        _grad: &mut [Self],
    ) -> bool {
        false
    }
}

impl Arithmetic for f64 {}

impl Arithmetic for f32 {
    #[inline(always)]
    fn forward(lanes: &mut Lanes, row: RowCall<'_, f32>, y: &mut [f32]) -> Option<RowState<f32>> {
        lanes.forward(row, y)
    }

    #[inline(always)]
    fn backward(
        lanes: &mut Lanes,
        row: RowCall<'_, f32>,
        state: RowState<f32>,
        cotangent: &[f32],
        grad: &mut [f32],
    ) -> bool {
        lanes.backward(row, state, cotangent, grad)
    }
}

/// One row of a call.
#[derive(Clone, Copy)]
pub(super) struct RowCall<'a, F> {
    logits: &'a [F],
    reference: Measure<'a, F>,
    alpha: f64,
    parameters: RowParameters,
}

impl<'a, F: Real> RowCall<'a, F> {
    fn scalar(&self) -> Row<'a, F> {
        Row::new(self.logits, self.reference, self.alpha)
            .with_empty_row(self.parameters.empty_row)
    }
}

/// The orders of the rows.
#[derive(Clone, Copy)]
pub(super) enum Orders<'a, F> {
    Number(f64),
    Rows(&'a [F]),
}

/// The references of the rows.
#[derive(Clone, Copy)]
pub(super) enum References<'a, F> {
    /// The same for every row.
    Every(Measure<'a, F>),
    /// One after the other.
    Rows(&'a [F]),
}

/// The inputs of a call, contiguous.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, S: Storage> {
    pub logits: &'a [S],
    pub count: usize,
    pub columns: usize,
    pub alpha: Orders<'a, S::Real>,
    pub reference: References<'a, S::Real>,
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
            logits: S::read(&self.logits[entries.clone()], buffer),
            reference: match self.reference {
                References::Every(measure) => measure,
                References::Rows(q) => Measure::Given(&q[entries]),
            },
            alpha: match self.alpha {
                Orders::Number(alpha) => alpha,
                Orders::Rows(alpha) => alpha[index].wide(),
            },
            parameters: self.parameters,
        }
    }

    /// The output and the state of every row.
    pub fn forward(&self) -> (Vec<S>, Vec<S::Real>) {
        let width = self.output_width();
        let mut output = vec![S::ZERO; self.count * width];
        let mut states = vec![<S::Real as num_traits::Float>::nan(); self.count * STATE];
        if !self.logits.is_empty() {
            self.in_parallel(&mut output, width, &mut states, STATE, |first, output, states| {
                let mut scratch = Scratch::default();
                let rows = output.chunks_exact_mut(width);
                for (i, (y, state)) in rows.zip(states.chunks_exact_mut(STATE)).enumerate() {
                    let row = self.row(first + i, &mut scratch.logits);
                    S::write(y, &mut scratch.output, |y| {
                        let found = forward_row(&mut scratch.lanes, row, y);
                        state.copy_from_slice(&[found.root, found.rest]);
                    });
                }
            });
        }
        (output, states)
    }

    /// The gradient of `<cotangent, output>` in the input `wrt`, row by row.
    pub fn backward<G: Storage<Real = S::Real>>(
        &self,
        states: &[S::Real],
        cotangent: &[S],
        wrt: Wrt,
    ) -> Vec<G> {
        let width = match wrt {
            Wrt::Logits | Wrt::Reference => self.columns,
            Wrt::Alpha => 1,
        };
        let mut gradient = vec![G::ZERO; self.count * width];
        if self.logits.is_empty() {
            return gradient;
        }
        let cotangents = self.output_width();
        // The second slice of a task is not used.
        self.in_parallel(&mut gradient, width, &mut [(); 0], 0, |first, gradient, _| {
            let mut scratch = Scratch::default();
            for (i, g) in gradient.chunks_exact_mut(width).enumerate() {
                let index = first + i;
                let row = self.row(index, &mut scratch.logits);
                let state = RowState {
                    root: states[index * STATE],
                    rest: states[index * STATE + 1],
                };
                let c = &cotangent[index * cotangents..(index + 1) * cotangents];
                let c = S::read(c, &mut scratch.cotangent);
                G::write(g, &mut scratch.output, |g| {
                    backward_row(&mut scratch.lanes, row, state, c, g, wrt);
                });
            }
        });
        gradient
    }

    /// Numbers of a row's output.
    fn output_width(&self) -> usize {
        if self.parameters.output.is_by_entry() {
            self.columns
        } else {
            1
        }
    }

    /// Runs `task` on blocks of rows, with the vector instructions of this machine: the index of the
    /// first row, and the block's part of both slices, which hold so many numbers for each row.
    fn in_parallel<A: Send, B: Send>(
        &self,
        a: &mut [A],
        a_width: usize,
        b: &mut [B],
        b_width: usize,
        task: impl Fn(usize, &mut [A], &mut [B]) + Sync,
    ) {
        let rows = PARALLEL_ENTRIES.div_ceil(self.columns);
        if self.count <= rows {
            vectorised(|| task(0, a, b));
        } else if b_width == 0 {
            a.par_chunks_mut(rows * a_width)
                .enumerate()
                .for_each(|(i, a)| vectorised(|| task(i * rows, a, &mut [])));
        } else {
            a.par_chunks_mut(rows * a_width)
                .zip(b.par_chunks_mut(rows * b_width))
                .enumerate()
                .for_each(|(i, (a, b))| vectorised(|| task(i * rows, a, b)));
        }
    }
}

/// Entries below which a call stays on its thread: waking rayon's workers costs some ten
/// microseconds, which is what this many entries cost to compute.
const PARALLEL_ENTRIES: usize = 4 * 1024;

/// The buffers of a task.
struct Scratch<F> {
    logits: Vec<F>,
    cotangent: Vec<F>,
    output: Vec<F>,
    lanes: Lanes,
}

impl<F> Default for Scratch<F> {
    fn default() -> Self {
        Self {
            logits: Vec::new(),
            cotangent: Vec::new(),
            output: Vec::new(),
            lanes: Lanes::default(),
        }
    }
}

/// Runs what is inlined into `f` with the widest vector instructions that this machine has.
fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    struct Closure<F>(F);
    impl<R, F: FnOnce() -> R> WithSimd for Closure<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(self) -> R {
            (self.0)()
        }
    }
    AutoArch::new().dispatch(Closure(f))
}

#[inline(always)]
fn forward_row<F: Arithmetic>(lanes: &mut Lanes, call: RowCall<'_, F>, y: &mut [F]) -> RowState<F> {
    match F::forward(lanes, call, y) {
        Some(state) => state,
        None => scalar_forward(call, y),
    }
}

#[inline(never)]
fn scalar_forward<F: Real>(call: RowCall<'_, F>, y: &mut [F]) -> RowState<F> {
    let row = call.scalar();
    let state = row.solve(call.parameters.solver);
    match call.parameters.output {
        Output::Probabilities => row.softargmax(&state, y),
        Output::LogProbabilities => row.log_softargmax(&state, y),
        Output::Value => y[0] = row.value(&state),
        Output::Divergence => y[0] = row.divergence(&state),
    }
    state
}

#[inline(always)]
fn backward_row<F: Arithmetic>(
    lanes: &mut Lanes,
    call: RowCall<'_, F>,
    state: RowState<F>,
    cotangent: &[F],
    grad: &mut [F],
    wrt: Wrt,
) {
    if wrt != Wrt::Logits || !F::backward(lanes, call, state, cotangent, grad) {
        scalar_backward(call, state, cotangent, grad, wrt);
    }
}

#[inline(never)]
fn scalar_backward<F: Real>(
    call: RowCall<'_, F>,
    state: RowState<F>,
    c: &[F],
    grad: &mut [F],
    wrt: Wrt,
) {
    let (row, state) = (call.scalar(), &state);
    match (call.parameters.output, wrt) {
        (Output::Probabilities, Wrt::Logits) => row.softargmax_backward(state, c, grad),
        (Output::Probabilities, Wrt::Alpha) => grad[0] = row.softargmax_backward_alpha(state, c),
        (Output::Probabilities, Wrt::Reference) => {
            row.softargmax_backward_reference(state, c, grad);
        }
        (Output::LogProbabilities, Wrt::Logits) => row.log_softargmax_backward(state, c, grad),
        (Output::LogProbabilities, Wrt::Alpha) => {
            grad[0] = row.log_softargmax_backward_alpha(state, c);
        }
        (Output::LogProbabilities, Wrt::Reference) => {
            row.log_softargmax_backward_reference(state, c, grad);
        }
        (Output::Value, Wrt::Logits) => row.value_backward(state, c[0], grad),
        (Output::Value, Wrt::Alpha) => grad[0] = row.value_backward_alpha(state, c[0]),
        (Output::Value, Wrt::Reference) => row.value_backward_reference(state, c[0], grad),
        (Output::Divergence, Wrt::Logits) => row.divergence_backward(state, c[0], grad),
        (Output::Divergence, Wrt::Alpha) => grad[0] = row.divergence_backward_alpha(state, c[0]),
        (Output::Divergence, Wrt::Reference) => {
            row.divergence_backward_reference(state, c[0], grad);
        }
    }
}

//! The row kernels of the CPU backends, over contiguous rows, in parallel.
//!
//! Outputs that are one number for each entry, and their gradients in the logits, are computed in `f32`
//! by the vectorised kernels of `lanes` wherever those reach; all else by the scalar layer, in `f64`.

#[cfg(feature = "rl")]
pub(in crate::op) mod activation;
mod elementary;
mod lanes;
mod vector;

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

    /// Where the row is computed: in its place, or in the buffer.
    fn place<'a>(row: &'a mut [Self], buffer: &'a mut Vec<Self::Real>) -> &'a mut [Self::Real];

    /// Rounds what was computed in the buffer into the row.
    fn keep(row: &mut [Self], buffer: &[Self::Real]);
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
            fn place<'a>(row: &'a mut [Self], _buffer: &'a mut Vec<Self>) -> &'a mut [Self] {
                row
            }

            #[inline(always)]
            fn keep(_row: &mut [Self], _buffer: &[Self]) {}
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
            fn place<'a>(row: &'a mut [Self], buffer: &'a mut Vec<f32>) -> &'a mut [f32] {
                buffer.clear();
                buffer.resize(row.len(), 0.0);
                buffer
            }

            #[inline(always)]
            fn keep(row: &mut [Self], buffer: &[f32]) {
                for (stored, &x) in row.iter_mut().zip(buffer) {
                    *stored = Self::from_f32(x);
                }
            }
        }
    )*};
}
stored_in_half!(f16, bf16);

/// The state of a row as a tensor keeps it: the root as a sum of two numbers, or, in `f64`, the two numbers
/// of [`RowState`].
type State<F> = [F; STATE];

/// An arithmetic, with vectorised kernels or without. Each says whether it has answered.
pub(super) trait Arithmetic: Real {
    fn forward<S: Simd>(
        _lanes: &mut Lanes,
        _row: RowCall<'_, Self>,
        _y: &mut [Self],
    ) -> Option<State<Self>> {
        None
    }

    fn backward<S: Simd>(
        _lanes: &mut Lanes,
        _row: RowCall<'_, Self>,
        _state: State<Self>,
        _cotangent: &[Self],
        _grad: &mut [Self],
    ) -> bool {
        false
    }
}

impl Arithmetic for f64 {}

impl Arithmetic for f32 {
    #[inline(always)]
    fn forward<S: Simd>(
        lanes: &mut Lanes,
        row: RowCall<'_, f32>,
        y: &mut [f32],
    ) -> Option<State<f32>> {
        // Exactly countable in f32.
        if row.logits.len() >= 1 << 24 {
            return None;
        }
        lanes.forward::<S>(row, y)
    }

    #[inline(always)]
    fn backward<S: Simd>(
        lanes: &mut Lanes,
        row: RowCall<'_, f32>,
        state: State<f32>,
        cotangent: &[f32],
        grad: &mut [f32],
    ) -> bool {
        row.logits.len() < 1 << 24 && lanes.backward::<S>(row, state, cotangent, grad)
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
            let rows = self.rows_of_a_task();
            let task = |(i, (output, states)): (usize, (&mut [S], &mut [S::Real]))| {
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
                    .zip(states.par_chunks_mut(rows * STATE))
                    .enumerate()
                    .for_each(task);
            }
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
        if !self.logits.is_empty() {
            let rows = self.rows_of_a_task();
            let task = |(i, gradient): (usize, &mut [G])| {
                AutoArch::new().dispatch(Backward {
                    rows: self,
                    states,
                    cotangent,
                    wrt,
                    width,
                    first: i * rows,
                    gradient,
                });
            };
            if self.count <= rows {
                task((0, &mut gradient));
            } else {
                gradient
                    .par_chunks_mut(rows * width)
                    .enumerate()
                    .for_each(task);
            }
        }
        gradient
    }

    /// Rows to a task: as many as make it worth waking another thread.
    fn rows_of_a_task(&self) -> usize {
        PARALLEL_ENTRIES.div_ceil(self.columns)
    }

    /// Numbers of a row's output.
    fn output_width(&self) -> usize {
        if self.parameters.output.is_by_entry() {
            self.columns
        } else {
            1
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
    wide: Wide,
}

/// A row in `f64`.
#[derive(Default)]
struct Wide {
    logits: Vec<f64>,
    reference: Vec<f64>,
    cotangent: Vec<f64>,
    output: Vec<f64>,
}

fn widen<F: Real>(buffer: &mut Vec<f64>, values: &[F]) {
    buffer.clear();
    buffer.extend(values.iter().map(|x| x.wide()));
}

fn narrow<F: Real>(values: &mut [F], buffer: &[f64]) {
    for (value, &wide) in values.iter_mut().zip(buffer) {
        *value = F::of(wide);
    }
}

impl Wide {
    /// The row of a call, and a buffer for its cotangent and one for what is computed.
    fn row<F: Real>(
        &mut self,
        call: RowCall<'_, F>,
        numbers: usize,
    ) -> (Row<'_, f64>, &mut Vec<f64>, &mut Vec<f64>) {
        widen(&mut self.logits, call.logits);
        let measure = match call.reference {
            Measure::Uniform => Measure::Uniform,
            Measure::Ones => Measure::Ones,
            Measure::Given(q) => {
                widen(&mut self.reference, q);
                Measure::Given(self.reference.as_slice())
            }
        };
        self.output.clear();
        self.output.resize(numbers, 0.0);
        let row =
            Row::new(&self.logits, measure, call.alpha).with_empty_row(call.parameters.empty_row);
        (row, &mut self.cotangent, &mut self.output)
    }
}

impl<F> Default for Scratch<F> {
    fn default() -> Self {
        Self {
            logits: Vec::new(),
            cotangent: Vec::new(),
            output: Vec::new(),
            lanes: Lanes::default(),
            wide: Wide::default(),
        }
    }
}

/// A block of rows, forward.
struct Forward<'r, 'a, S: Storage> {
    rows: &'r Rows<'a, S>,
    first: usize,
    width: usize,
    output: &'r mut [S],
    states: &'r mut [S::Real],
}

impl<S: Storage> WithSimd for Forward<'_, '_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self) {
        let mut scratch = Scratch::default();
        let outputs = self.output.chunks_exact_mut(self.width);
        for (i, (y, state)) in outputs.zip(self.states.chunks_exact_mut(STATE)).enumerate() {
            let row = self.rows.row(self.first + i, &mut scratch.logits);
            // Not in a closure, which would be compiled without the vector instructions.
            let place = S::place(y, &mut scratch.output);
            let found = match S::Real::forward::<V>(&mut scratch.lanes, row, place) {
                Some(found) => found,
                None => scalar_forward(&mut scratch.wide, row, place),
            };
            S::keep(y, &scratch.output);
            state.copy_from_slice(&found);
        }
    }
}

/// A block of rows, backward.
struct Backward<'r, 'a, S: Storage, G> {
    rows: &'r Rows<'a, S>,
    states: &'r [S::Real],
    cotangent: &'r [S],
    wrt: Wrt,
    first: usize,
    width: usize,
    gradient: &'r mut [G],
}

impl<S: Storage, G: Storage<Real = S::Real>> WithSimd for Backward<'_, '_, S, G> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self) {
        let mut scratch = Scratch::default();
        let cotangents = self.rows.output_width();
        for (i, g) in self.gradient.chunks_exact_mut(self.width).enumerate() {
            let index = self.first + i;
            let row = self.rows.row(index, &mut scratch.logits);
            let state = [self.states[index * STATE], self.states[index * STATE + 1]];
            let c = &self.cotangent[index * cotangents..(index + 1) * cotangents];
            let c = S::read(c, &mut scratch.cotangent);
            let place = G::place(g, &mut scratch.output);
            let answered = self.wrt == Wrt::Logits
                && S::Real::backward::<V>(&mut scratch.lanes, row, state, c, place);
            if !answered {
                scalar_backward(&mut scratch.wide, row, state, c, place, self.wrt);
            }
            G::keep(g, &scratch.output);
        }
    }
}

#[inline(never)]
fn scalar_forward<F: Real>(wide: &mut Wide, call: RowCall<'_, F>, output: &mut [F]) -> State<F> {
    let (row, _, y) = wide.row(call, output.len());
    let state = row.solve(call.parameters.solver);
    match call.parameters.output {
        Output::Probabilities => row.softargmax(&state, y),
        Output::LogProbabilities => {
            row.log_softargmax(&state, y);
            // A logarithm that only this type is too narrow for stays a number.
            let lowest = F::min_value().wide();
            for log_p in y.iter_mut().filter(|log_p| log_p.is_finite()) {
                *log_p = log_p.max(lowest);
            }
        }
        Output::Value => y[0] = row.value(&state),
        Output::Divergence => y[0] = row.divergence(&state),
    }
    narrow(output, y);
    split(state)
}

/// A state in `f64` as a tensor of `F` keeps it.
fn split<F: Real>(state: RowState<f64>) -> State<F> {
    let root = F::of(state.root);
    [root, F::of(state.root - root.wide() + state.rest)]
}

/// The way back.
fn joined<F: Real>([root, rest]: State<F>) -> RowState<f64> {
    let sum = root.wide() + rest.wide();
    RowState {
        root: sum,
        // What does not fit the sum: nothing where both are f32.
        rest: rest.wide() - (sum - root.wide()),
    }
}

#[inline(never)]
fn scalar_backward<F: Real>(
    wide: &mut Wide,
    call: RowCall<'_, F>,
    state: State<F>,
    cotangent: &[F],
    gradient: &mut [F],
    wrt: Wrt,
) {
    let (row, c, grad) = wide.row(call, gradient.len());
    widen(c, cotangent);
    let state = &joined(state);
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
    narrow(gradient, grad);
}

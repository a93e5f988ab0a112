//! The row kernels of the CPU backends: the scalar layer over contiguous rows, in parallel.

use super::{Output, RowParameters, Wrt};
use crate::math::{Measure, Real, Row, RowState};
use burn::tensor::{bf16, f16};
use rayon::prelude::*;

/// A type that tensors are stored in, and the type that its rows are computed in.
pub(super) trait Storage: Copy + Send + Sync {
    type Real: Real;

    const ZERO: Self;

    /// The row in the arithmetic type: itself, or converted into the buffer.
    fn read<'a>(row: &'a [Self], buffer: &'a mut Vec<Self::Real>) -> &'a [Self::Real];

    /// Has `fill` write the row, directly or through one rounding.
    fn write(row: &mut [Self], fill: impl FnOnce(&mut [Self::Real]));
}

macro_rules! stored_as_computed {
    ($($real:ty),*) => {$(
        impl Storage for $real {
            type Real = $real;

            const ZERO: Self = 0.0;

            fn read<'a>(row: &'a [Self], _buffer: &'a mut Vec<Self>) -> &'a [Self] {
                row
            }

            fn write(row: &mut [Self], fill: impl FnOnce(&mut [Self])) {
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

            fn read<'a>(row: &'a [Self], buffer: &'a mut Vec<f32>) -> &'a [f32] {
                buffer.clear();
                buffer.extend(row.iter().map(|x| x.to_f32()));
                buffer
            }

            fn write(row: &mut [Self], fill: impl FnOnce(&mut [f32])) {
                let mut computed = vec![0.0; row.len()];
                fill(&mut computed);
                for (stored, x) in row.iter_mut().zip(computed) {
                    *stored = Self::from_f32(x);
                }
            }
        }
    )*};
}
stored_in_half!(f16, bf16);

/// Entries below which a call stays on its thread: waking rayon's workers costs some ten
/// microseconds, which is what this many entries cost to compute.
const PARALLEL_ENTRIES: usize = 4 * 1024;

/// Rows to a task such that each task has at least [`PARALLEL_ENTRIES`].
fn rows_per_task(columns: usize) -> usize {
    PARALLEL_ENTRIES.div_ceil(columns)
}

/// The output and the state of every row.
pub(super) fn forward<S: Storage>(
    logits: &[S],
    [rows, columns]: [usize; 2],
    reference: Measure<'_, S::Real>,
    parameters: RowParameters,
) -> (Vec<S>, Vec<S::Real>) {
    let mut output = vec![S::ZERO; logits.len()];
    let mut states = vec![<S::Real as num_traits::Float>::nan(); rows];
    if logits.is_empty() {
        return (output, states);
    }
    let task = |x: &[S], y: &mut [S], states: &mut [S::Real]| {
        let mut buffer = Vec::new();
        let rows = x.chunks_exact(columns).zip(y.chunks_exact_mut(columns));
        for ((x, y), log_ratio) in rows.zip(states) {
            let row = Row::new(S::read(x, &mut buffer), reference, parameters.alpha);
            let state = row.solve(parameters.solver);
            S::write(y, |y| match parameters.output {
                Output::Probabilities => row.softargmax(&state, y),
                Output::LogProbabilities => row.log_softargmax(&state, y),
            });
            *log_ratio = state.log_ratio;
        }
    };
    let rows = rows_per_task(columns);
    let block = rows * columns;
    if logits.len() <= block {
        task(logits, &mut output, &mut states);
    } else {
        logits
            .par_chunks(block)
            .zip(output.par_chunks_mut(block))
            .zip(states.par_chunks_mut(rows))
            .for_each(|((x, y), states)| task(x, y, states));
    }
    (output, states)
}

/// The gradient of `<cotangent, output>` in the input `wrt`, row by row.
pub(super) fn backward<S: Storage, G: Storage<Real = S::Real>>(
    logits: &[S],
    columns: usize,
    reference: Measure<'_, S::Real>,
    states: &[S::Real],
    cotangent: &[S],
    parameters: RowParameters,
    wrt: Wrt,
) -> Vec<G> {
    let mut gradient = vec![G::ZERO; logits.len()];
    if logits.is_empty() {
        return gradient;
    }
    let task = |x: &[S], c: &[S], states: &[S::Real], g: &mut [G]| {
        let (mut x_buffer, mut c_buffer) = (Vec::new(), Vec::new());
        let rows = x.chunks_exact(columns).zip(c.chunks_exact(columns));
        for (((x, c), &log_ratio), g) in rows.zip(states).zip(g.chunks_exact_mut(columns)) {
            let row = Row::new(S::read(x, &mut x_buffer), reference, parameters.alpha);
            let cotangent = S::read(c, &mut c_buffer);
            let state = RowState { log_ratio };
            G::write(g, |g| match (parameters.output, wrt) {
                (Output::Probabilities, Wrt::Logits) => {
                    row.softargmax_backward(&state, cotangent, g);
                }
                (Output::Probabilities, Wrt::Reference) => {
                    row.softargmax_backward_reference(&state, cotangent, g);
                }
                (Output::LogProbabilities, Wrt::Logits) => {
                    row.log_softargmax_backward(&state, cotangent, g);
                }
                (Output::LogProbabilities, Wrt::Reference) => {
                    row.log_softargmax_backward_reference(&state, cotangent, g);
                }
            });
        }
    };
    let rows = rows_per_task(columns);
    let block = rows * columns;
    if logits.len() <= block {
        task(logits, cotangent, states, &mut gradient);
    } else {
        logits
            .par_chunks(block)
            .zip(cotangent.par_chunks(block))
            .zip(states.par_chunks(rows))
            .zip(gradient.par_chunks_mut(block))
            .for_each(|(((x, c), states), g)| task(x, c, states, g));
    }
    gradient
}

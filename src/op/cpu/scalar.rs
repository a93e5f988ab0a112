//! Rows computed by the scalar layer, in `f64` for every storage type.

use super::{GradientRows, RowCall, State, Storage};
use crate::math::{Output, Real, Row, RowGradients, RowReference, RowState};
use std::mem::MaybeUninit;

/// The buffers of a row in `f64`.
#[derive(Default)]
pub(super) struct F64Buffers {
    logits: Vec<f64>,
    reference: Vec<f64>,
    cotangent: Vec<f64>,
    results: Results,
}

/// The buffers for the results of a row.
#[derive(Default)]
struct Results {
    entries: Vec<f64>,
    reference: Vec<f64>,
}

fn widen<F: Real>(buffer: &mut Vec<f64>, values: &[F]) {
    buffer.clear();
    buffer.extend(values.iter().map(|x| x.into_f64()));
}

fn zeros(buffer: &mut Vec<f64>, output_len: usize) -> &mut [f64] {
    buffer.clear();
    buffer.resize(output_len, 0.0);
    buffer
}

fn narrow<S: Storage>(row: &mut [MaybeUninit<S>], numbers: &[f64]) {
    for (entry, &x) in row.iter_mut().zip(numbers) {
        entry.write(S::from_real(S::Real::from_f64(x)));
    }
}

impl F64Buffers {
    /// Converts the row of a call. Returns it with the buffers for its cotangent and its results.
    fn row<F: Real>(
        &mut self,
        call: RowCall<'_, F>,
    ) -> (Row<'_, f64>, &mut Vec<f64>, &mut Results) {
        widen(&mut self.logits, call.logits);
        let reference = match call.reference {
            RowReference::Uniform => RowReference::Uniform,
            RowReference::Ones => RowReference::Ones,
            RowReference::Values(q) => {
                widen(&mut self.reference, q);
                RowReference::Values(self.reference.as_slice())
            }
        };
        let row =
            Row::new(&self.logits, reference, call.alpha).with_empty_row(call.parameters.empty_row);
        (row, &mut self.cotangent, &mut self.results)
    }
}

#[inline(never)]
pub(super) fn forward<S: Storage>(
    buffers: &mut F64Buffers,
    call: RowCall<'_, S::Real>,
    output: &mut [MaybeUninit<S>],
) -> State<S::Real> {
    let (row, _, results) = buffers.row(call);
    let y = zeros(&mut results.entries, output.len());
    let state = row.solve(call.parameters.solver);
    row.output(call.parameters.output, &state, y);
    if call.parameters.output == Output::LogProbabilities {
        // A finite logarithm that is out of range for the arithmetic stays finite.
        let lowest = <S::Real as num_traits::Float>::min_value().into_f64();
        for log_p in y.iter_mut().filter(|log_p| log_p.is_finite()) {
            *log_p = log_p.max(lowest);
        }
    }
    narrow(output, y);
    split(state)
}

/// Converts a state in `f64` to the form that a tensor of `F` stores.
fn split<F: Real>(state: RowState<f64>) -> State<F> {
    let root = F::from_f64(state.root);
    [
        root,
        F::from_f64(state.root - root.into_f64() + state.remainder),
    ]
}

/// The inverse of [`split`].
fn joined<F: Real>([root, remainder]: State<F>) -> RowState<f64> {
    let sum = root.into_f64() + remainder.into_f64();
    RowState {
        root: sum,
        // The rounding error of the sum, zero if both are f32.
        remainder: remainder.into_f64() - (sum - root.into_f64()),
    }
}

/// Fills the gradients of a row that have a buffer.
#[inline(never)]
pub(super) fn backward<S: Storage>(
    buffers: &mut F64Buffers,
    call: RowCall<'_, S::Real>,
    state: State<S::Real>,
    cotangent: &[S::Real],
    GradientRows {
        logits,
        alpha,
        reference,
        ..
    }: GradientRows<'_, S>,
) {
    let (row, c, results) = buffers.row(call);
    widen(c, cotangent);
    let columns = call.logits.len();
    let mut alpha_gradient = 0.0;
    let gradients = RowGradients {
        logits: logits
            .is_some()
            .then(|| zeros(&mut results.entries, columns)),
        alpha: alpha.is_some().then_some(&mut alpha_gradient),
        reference: reference
            .is_some()
            .then(|| zeros(&mut results.reference, columns)),
    };
    let state = row.refine(joined(state));
    row.backward(call.parameters.output, &state, c, gradients);
    if let Some(stored) = logits {
        narrow(stored, &results.entries);
    }
    if let Some(alpha) = alpha {
        narrow(alpha, &[alpha_gradient]);
    }
    if let Some(reference) = reference {
        narrow(reference, &results.reference);
    }
}

//! Rows by the scalar layer, in `f64` whatever they are stored in.

use super::{RowCall, State};
use crate::math::{Measure, Real, Row, RowState};
use crate::op::request::{Output, Wrt};

/// A row in `f64`.
#[derive(Default)]
pub(super) struct Wide {
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

#[inline(never)]
pub(super) fn forward<F: Real>(
    wide: &mut Wide,
    call: RowCall<'_, F>,
    output: &mut [F],
) -> State<F> {
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
pub(super) fn backward<F: Real>(
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

//! The comparison of an implementation with the exact values.

use super::batch::Batch;
use super::bounds::Bounds;
use super::case::Case;
use crate::math::Output;

/// An implementation of the operator.
pub trait Implementation {
    /// Computes the output of every row of the batch, one row after another. Returns `None` if the implementation does
    /// not offer the output.
    fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>>;

    /// Computes the gradients of `<c, output>` of every row, with the batch's cotangent, one row after another. A
    /// gradient that the implementation does not offer is `None`.
    fn gradients(&self, batch: &Batch, output: Output) -> Gradients;
}

/// An input of the operator that has a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The logits.
    Logits,
    /// Alpha.
    Alpha,
    /// The reference.
    Reference,
}

impl Input {
    /// Every input.
    pub const ALL: [Self; 3] = [Self::Logits, Self::Alpha, Self::Reference];
}

/// The gradients of one row, or of several rows one after another.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    /// One number for each entry.
    pub logits: Option<Vec<f64>>,
    /// One number for each row.
    pub alpha: Option<Vec<f64>>,
    /// One number for each entry.
    pub reference: Option<Vec<f64>>,
}

impl Gradients {
    /// Returns the gradient in an input.
    pub fn of(&self, input: Input) -> Option<&[f64]> {
        match input {
            Input::Logits => self.logits.as_deref(),
            Input::Alpha => self.alpha.as_deref(),
            Input::Reference => self.reference.as_deref(),
        }
    }
}

/// An output or a gradient that was compared, with its worst error.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// The name of the output or the derivative.
    pub name: String,
    /// The number of rows that were compared.
    pub rows: usize,
    /// The largest error relative to its bound.
    pub worst: Option<WorstError>,
}

/// The largest error of a quantity.
#[derive(Clone, Debug)]
pub struct WorstError {
    /// The absolute error.
    pub error: f64,
    /// The bound of the error.
    pub bound: f64,
    /// The name of the row.
    pub case: String,
}

impl Quantity {
    fn new(name: String) -> Self {
        Self {
            name,
            rows: 0,
            worst: None,
        }
    }

    fn compare_output(&mut self, row: &Case, output: Output, got: &[f64], bounds: &Bounds) {
        self.compare(row, got, &row.output(output), |i, got, want| {
            let want = bounds.as_stored(want);
            let is_zero = want == f64::NEG_INFINITY && bounds.is_off_support(got);
            let want_or_zero = if is_zero { got } else { want };
            (want_or_zero, bounds.output(row, output, i, want))
        });
    }

    fn compare_gradient(
        &mut self,
        row: &Case,
        (output, input): (Output, Input),
        want: &[f64],
        got: &[f64],
        bounds: &Bounds,
    ) {
        let largest = want.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let bound = bounds.gradient(row, output, input, largest);
        self.compare(row, got, want, |_, _, want| match input {
            // Only the gradient in the logits has their storage type.
            Input::Logits => (bounds.as_stored(want), bound),
            Input::Alpha | Input::Reference => (want, bound),
        });
    }

    /// Compares the numbers of a row. `accepted` returns the number that is compared with `got`, and its bound.
    fn compare(
        &mut self,
        row: &Case,
        got: &[f64],
        want: &[f64],
        accepted: impl Fn(usize, f64, f64) -> (f64, f64),
    ) {
        self.rows += 1;
        if got.len() != want.len() {
            self.record(row, f64::NAN, 0.0);
            return;
        }
        for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
            let (want, bound) = accepted(i, got, want);
            let error = if got == want { 0.0 } else { (got - want).abs() };
            self.record(row, error, bound);
        }
    }

    /// Returns the largest error divided by its bound. The implementation is accurate if it is at most one.
    pub fn ratio(&self) -> f64 {
        self.worst.as_ref().map_or(0.0, WorstError::ratio)
    }

    fn record(&mut self, case: &Case, error: f64, bound: f64) {
        let worst = WorstError {
            error,
            bound,
            case: case.name.clone(),
        };
        // NaN counts as the largest error and is not replaced.
        let before = self.ratio();
        if self.worst.is_none() || worst.ratio() > before {
            self.worst = Some(worst);
        }
    }
}

impl WorstError {
    fn ratio(&self) -> f64 {
        if self.error == 0.0 {
            0.0
        } else if self.error.is_nan() {
            f64::INFINITY
        } else {
            self.error / self.bound
        }
    }
}

/// Compares every output and gradient of every batch with the exact values, and returns the worst error of each.
pub fn compare(
    implementation: &impl Implementation,
    batches: &[Batch],
    bounds: &Bounds,
) -> Vec<Quantity> {
    let mut quantities = Vec::new();
    for output in Output::ALL {
        let mut values = Quantity::new(output_name(output).to_owned());
        let mut gradients = Input::ALL.map(|input| {
            let name = format!("d{}/d{}", output_name(output), input_name(input));
            Quantity::new(name)
        });
        for batch in batches {
            if let Some(got) = implementation.output(batch, output) {
                for (row, got) in rows_of(batch, &got) {
                    values.compare_output(row, output, got, bounds);
                }
            }
            let got = implementation.gradients(batch, output);
            let exact: Vec<_> = batch
                .rows()
                .iter()
                .map(|row| row.gradients(output))
                .collect();
            for (input, quantity) in Input::ALL.into_iter().zip(&mut gradients) {
                let Some(got) = got.of(input) else { continue };
                for ((row, got), exact) in rows_of(batch, got).zip(&exact) {
                    if is_differentiable(row, output) {
                        let want = exact.of(input).unwrap_or_default();
                        quantity.compare_gradient(row, (output, input), want, got, bounds);
                    }
                }
            }
        }
        quantities.push(values);
        quantities.extend(gradients);
    }
    quantities
}

/// Returns the rows of a batch, each with its part of the values that an implementation returned. The parts are empty
/// if the values cannot be divided evenly.
fn rows_of<'a>(batch: &'a Batch, got: &'a [f64]) -> impl Iterator<Item = (&'a Case, &'a [f64])> {
    let rows = batch.rows();
    let width = if got.len().is_multiple_of(rows.len()) {
        got.len() / rows.len()
    } else {
        0
    };
    rows.iter()
        .enumerate()
        .map(move |(i, row)| (row, &got[i * width..(i + 1) * width]))
}

/// Whether the output of a row has a gradient. `<c, ln p>` is finite only if every allowed probability is positive, and
/// the edge of the support has no gradient.
fn is_differentiable(row: &Case, output: Output) -> bool {
    let is_finite = output != Output::LogProbabilities || row.exact.p.iter().all(|&p| p > 0.0);
    is_finite && !row.exact.is_at_kink(row.alpha)
}

fn output_name(output: Output) -> &'static str {
    match output {
        Output::Probabilities => "p",
        Output::LogProbabilities => "ln p",
        Output::Value => "V",
        Output::Divergence => "D",
    }
}

fn input_name(input: Input) -> &'static str {
    match input {
        Input::Logits => "x",
        Input::Alpha => "alpha",
        Input::Reference => "q",
    }
}

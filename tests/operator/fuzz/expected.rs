use super::call::{Call, DrawnAlpha, DrawnReference};
use super::field::{for_each_index, offset};
use burn::tensor::DType;
use burn_tsallis::EmptyRow;
use burn_tsallis::conformance::{Bounds, Case, Input, ROW_COTANGENT, rounded};
use burn_tsallis::math::{Output, RowReference, is_valid_alpha};

/// The exact numbers of a tensor, with the largest error of each. An infinite error stands for a number that is not
/// specified.
#[derive(Clone, Debug)]
pub struct Exact {
    shape: Vec<usize>,
    pub values: Vec<f64>,
    pub errors: Vec<f64>,
}

impl Exact {
    fn new(shape: Vec<usize>) -> Self {
        let count = shape.iter().product();
        Self {
            shape,
            values: vec![0.0; count],
            errors: vec![0.0; count],
        }
    }

    /// Returns the row of a number, if the number belongs to one short row.
    fn row_of(&self, mut at: usize, call: &Call) -> Option<Row> {
        let mut index = vec![0; self.shape.len()];
        for dim in (0..self.shape.len()).rev() {
            index[dim] = at % self.shape[dim];
            at /= self.shape[dim];
            if self.shape[dim] != call.shape[dim] && dim != call.dim {
                return None;
            }
        }
        (call.shape[call.dim] <= 400).then(|| Row::of(call, &index))
    }

    /// Adds a number at an index of the logits. The gradient of a tensor that is broadcast is a sum.
    fn add(&mut self, index: &[usize], value: f64, error: f64) {
        let at = offset(&self.shape, index);
        self.values[at] += value;
        self.errors[at] += error;
    }
}

/// The exact results of a call.
pub struct Expected {
    pub output: Exact,
    pub logits: Exact,
    /// The gradient in a tensor of alphas.
    pub alpha: Option<Exact>,
    /// The gradient in a reference that is a tensor.
    pub reference: Option<Exact>,
}

/// One row of a call.
struct Row {
    /// The logits, or the gaps to the largest one over the temperature.
    logits: Vec<f64>,
    /// What was subtracted from the logits.
    shift: f64,
    reference: RowReference<Vec<f64>>,
    alpha: f64,
}

impl Row {
    fn of(call: &Call, row: &[usize]) -> Self {
        let columns = call.shape[call.dim];
        let mut index = row.to_vec();
        let (mut logits, mut reference) = (Vec::new(), Vec::new());
        for column in 0..columns {
            index[call.dim] = column;
            let allowed = call.allowed.as_ref().is_none_or(|a| a.at(&index) == 1.0);
            let mut x = if allowed {
                call.logits.at(&index)
            } else {
                f64::NEG_INFINITY
            };
            let q = match &call.reference {
                DrawnReference::Uniform | DrawnReference::Ones => 1.0,
                DrawnReference::Values(q) | DrawnReference::Vector(q) => q[column],
                DrawnReference::Tensor(q) => q.at(&index),
            };
            // An entry with the reference zero is masked, but its logit still makes the row invalid.
            if q == 0.0 && x < f64::INFINITY {
                x = f64::NEG_INFINITY;
            }
            logits.push(x);
            reference.push(q);
        }
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut shift = 0.0;
        if call.temperature != 1.0 && max.is_finite() {
            // The operator divides the gaps, in the arithmetic.
            let round = |x| rounded(x, call.arithmetic());
            shift = max;
            for x in logits.iter_mut().filter(|x| x.is_finite()) {
                *x = round(round(*x - max) / round(call.temperature));
            }
        }
        Self {
            logits,
            shift,
            reference: match &call.reference {
                DrawnReference::Uniform => RowReference::Uniform,
                DrawnReference::Ones => RowReference::Ones,
                _ => RowReference::Values(reference),
            },
            alpha: call.alpha_at(row),
        }
    }

    fn is_invalid(&self) -> bool {
        // The result of a row without entries does not depend on its alpha.
        let entries = !self.logits.is_empty();
        (entries && !is_valid_alpha(self.alpha))
            || self
                .logits
                .iter()
                .any(|x| x.is_nan() || *x == f64::INFINITY)
    }

    fn is_empty(&self) -> bool {
        self.logits.iter().all(|&x| x == f64::NEG_INFINITY)
    }
}

impl Expected {
    pub fn of(call: &Call) -> Self {
        let mut rows = call.shape.clone();
        rows[call.dim] = 1;
        let mut expected = Self {
            output: Exact::new(if call.output.is_per_entry() {
                call.shape.clone()
            } else {
                rows.clone()
            }),
            logits: Exact::new(call.shape.clone()),
            alpha: match &call.alpha {
                DrawnAlpha::Number(_) => None,
                DrawnAlpha::Tensor(alphas) => Some(Exact::new(alphas.shape.clone())),
            },
            reference: match &call.reference {
                DrawnReference::Vector(_) => {
                    let mut shape = vec![1; call.shape.len()];
                    shape[call.dim] = call.shape[call.dim];
                    Some(Exact::new(shape))
                }
                DrawnReference::Tensor(q) => Some(Exact::new(q.shape.clone())),
                _ => None,
            },
        };
        for_each_index(&rows, |row| expected.add_row(call, row));
        expected
    }

    fn add_row(&mut self, call: &Call, at: &[usize]) {
        let row = Row::of(call, at);
        if row.is_invalid() || row.is_empty() {
            let zero = !row.is_invalid() && call.empty_row == EmptyRow::Zero;
            return self.add_constant(call, at, &row, zero);
        }
        let per_entry = call.output.is_per_entry();
        let columns = row.logits.len();
        let mut index = at.to_vec();
        let mut indices = move |column| {
            index[call.dim] = column;
            index.clone()
        };
        // Half-precision gradients may be subnormal.
        let smallest = match call.dtype {
            DType::F16 => f64::powi(2.0, -24),
            _ => 0.0,
        };
        let bounds = Bounds::for_dtype(call.dtype);
        let cotangent = if per_entry {
            (0..columns)
                .map(|column| call.cotangents.at(&indices(column)))
                .collect()
        } else {
            vec![0.0; columns]
        };
        let (alpha, shift) = (row.alpha, row.shift);
        // The logits are not rounded again.
        let case = Case::computed(
            String::new(),
            alpha,
            row.reference,
            row.logits,
            cotangent,
            DType::F64,
        );
        let output_scale = match call.output {
            Output::Value => call.temperature,
            _ => 1.0,
        };
        let max = case
            .logits
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let in_range = (-2.0..=3.0).contains(&alpha);
        // The exact results are computed in `f64` too, from gaps that are rounded.
        let widest = case.exact.gaps.iter().copied().fold(0.0, f64::max);
        let margin = match call.dtype {
            DType::F64 => (widest / 100.0).max(2.0),
            _ => 1.0,
        };
        for (i, want) in case.output(call.output).into_iter().enumerate() {
            let error = if in_range || call.output == Output::Probabilities {
                bounds.output(&case, call.output, i, want)
            } else {
                f64::INFINITY
            };
            let mut scaled = want * output_scale;
            let mut error = error * output_scale * margin;
            if call.output == Output::Value {
                // The value is the sum of the largest logit and the value of the gaps to it.
                scaled += shift;
                for number in [scaled, shift, max] {
                    error = error.max(bounds.output(&case, call.output, i, number));
                }
            }
            let index = if per_entry { indices(i) } else { at.to_vec() };
            let stored = bounds.as_stored(scaled);
            self.output.add(&index, stored, error + smallest);
        }
        // The output of one number for each row has the cotangent of the conformance tests, scaled.
        let row_scale = if per_entry {
            1.0
        } else {
            call.cotangents.at(at) / ROW_COTANGENT
        };
        let specified = in_range && is_differentiable(&case, call.output);
        let exact = case.gradients(call.output);
        let logarithms = rounding_unit(call.dtype)
            * (0..columns)
                .filter(|&i| case.exact.p[i] > 0.0)
                .map(|i| alpha_term(&case, call.output, i))
                .sum::<f64>();
        let mut add = |input, target: &mut Exact, scale: f64| {
            let exact = exact.of(input).unwrap_or_default();
            let largest = exact.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
            let scale = scale * row_scale;
            let cancellation = match (call.output, input) {
                (Output::LogProbabilities | Output::Probabilities, Input::Alpha) => logarithms,
                (Output::LogProbabilities, input) => cancellation(&case, input, call.dtype),
                _ => 0.0,
            };
            let error = if specified {
                let bound = bounds.gradient(&case, call.output, input, largest) + cancellation;
                // Rows that the conformance tests do not have.
                2.0 * margin * bound * scale.abs() + smallest
            } else {
                f64::INFINITY
            };
            for (i, &gradient) in exact.iter().enumerate() {
                let index = match input {
                    Input::Alpha => at.to_vec(),
                    Input::Logits | Input::Reference => indices(i),
                };
                let is_masked = input != Input::Alpha && case.logits[i] == f64::NEG_INFINITY;
                let mut value = gradient * scale;
                if input == Input::Logits {
                    value = bounds.as_stored(value);
                }
                target.add(&index, value, if is_masked { 0.0 } else { error });
            }
        };
        add(
            Input::Logits,
            &mut self.logits,
            output_scale / call.temperature,
        );
        if let Some(alphas) = &mut self.alpha {
            add(Input::Alpha, alphas, output_scale);
        }
        if let Some(reference) = &mut self.reference {
            add(Input::Reference, reference, output_scale);
        }
    }

    /// Adds a row whose results are all `NaN`, or all zero.
    fn add_constant(&mut self, call: &Call, at: &[usize], row: &Row, zero: bool) {
        let value = if zero { 0.0 } else { f64::NAN };
        let mut index = at.to_vec();
        for (column, &x) in row.logits.iter().enumerate() {
            index[call.dim] = column;
            // The mask itself has no gradient.
            let error = if x == f64::NEG_INFINITY && !zero {
                f64::INFINITY
            } else {
                0.0
            };
            self.logits.add(&index, value, error);
            if let Some(reference) = &mut self.reference {
                reference.add(&index, value, error);
            }
            if call.output.is_per_entry() {
                let output = match call.output {
                    Output::LogProbabilities if zero => f64::NEG_INFINITY,
                    _ => value,
                };
                self.output.add(&index, output, 0.0);
            }
        }
        if !call.output.is_per_entry() {
            self.output.add(at, value, 0.0);
        }
        if let Some(alphas) = &mut self.alpha {
            alphas.add(at, value, 0.0);
        }
    }
}

/// Returns the rounding error of `s_i - w_i sum s`, the gradient of `<c, ln p>` in the logits with
/// `s = c u^(1 - alpha)`, or of its multiple `u_i / k_i` in the reference. The terms may be much larger than their
/// difference if the cotangents have one sign.
fn cancellation(case: &Case, input: Input, dtype: DType) -> f64 {
    let (mut largest, mut sum, mut weight, mut total) = (0.0_f64, 0.0, 0.0_f64, 0.0);
    for (i, &p) in case.exact.p.iter().enumerate().filter(|&(_, &p)| p > 0.0) {
        let q = case.exact.q[i];
        let log_u = case.exact.log_p[i] - q.ln();
        let slope = ((1.0 - case.alpha) * log_u).exp();
        let factor = match input {
            Input::Reference => 1.0 / (slope * q),
            Input::Logits | Input::Alpha => 1.0,
        };
        let term = case.cotangent[i].abs() * slope;
        largest = largest.max(term * factor);
        sum += term;
        weight = weight.max(p * slope * factor);
        total += p * slope;
    }
    rounding_unit(dtype) * (largest + sum * weight / total)
}

/// Returns the size of a term of the gradient in alpha, which may be much larger than their sum.
fn alpha_term(case: &Case, output: Output, i: usize) -> f64 {
    let (c, log_p) = (case.cotangent[i].abs(), case.exact.log_p[i].abs());
    let log_u = (case.exact.log_p[i] - case.exact.q[i].ln()).abs();
    match output {
        Output::LogProbabilities => c * log_p,
        _ => c * case.exact.p[i] * (1.0 + log_u).powi(2),
    }
}

/// Returns the relative error of a few operations.
fn rounding_unit(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 4e-12,
        _ => 2e-6,
    }
}

/// Whether `<c, output>` has a gradient in the row: `<c, ln p>` needs a positive probability for every allowed entry,
/// and the edge of the support has no gradient.
fn is_differentiable(case: &Case, output: Output) -> bool {
    let mut entries = case.logits.iter().zip(&case.exact.p);
    let is_finite = output != Output::LogProbabilities
        || entries.all(|(&x, &p)| x == f64::NEG_INFINITY || p > 0.0);
    is_finite && !case.exact.is_at_kink(case.alpha) && !is_at_edge(case)
}

/// Whether an entry lies within a few roundings of the edge of the support: rounding decides on which side it
/// falls.
fn is_at_edge(case: &Case) -> bool {
    if case.alpha <= 1.0 {
        return false;
    }
    let entries = case.exact.log_p.iter().zip(&case.exact.q);
    let log_u = entries.map(|(log_p, q)| log_p - q.ln());
    let log_u_max = log_u.fold(f64::NEG_INFINITY, f64::max);
    let edge = ((case.alpha - 1.0) * log_u_max).exp() / (case.alpha - 1.0);
    let near = |gap: f64| (gap / edge - 1.0).abs() < 1e-6;
    case.exact.gaps.iter().any(|&gap| near(gap))
}

/// Describes the first number that is not within its error, and its row if it is short, or returns `None`.
pub fn first_error(call: &Call, what: &str, got: &[f64], want: &Exact) -> Option<String> {
    if got.len() != want.values.len() {
        let count = want.values.len();
        return Some(format!("{what}: {} numbers instead of {count}", got.len()));
    }
    let bounds = Bounds::for_dtype(call.dtype);
    let is_log = what == "output" && call.output == Output::LogProbabilities;
    for (i, (&got, (&value, &error))) in got
        .iter()
        .zip(want.values.iter().zip(&want.errors))
        .enumerate()
    {
        let agrees = got == value
            || error == f64::INFINITY
            || (got.is_nan() && value.is_nan())
            || (got - value).abs() <= error
            // Next to the largest number of the storage type.
            || (value.is_infinite() && bounds.as_stored(1.01 * got) == value)
            || (is_log
                && (value == f64::NEG_INFINITY || error > value.abs())
                && bounds.is_off_support(got));
        if !agrees {
            let row = want.row_of(i, call).map_or(String::new(), |row| {
                format!(
                    "\n  alpha {:?}, reference {:?}, logits {:?}",
                    row.alpha, row.reference, row.logits
                )
            });
            return Some(format!(
                "{what}[{i}] is {got:e} instead of {value:e} (error {:.3e}, bound {error:.3e}){row}",
                (got - value).abs()
            ));
        }
    }
    None
}

//! The test rows: lines of a file, or the built-in set.

use super::exact::Exact;
use super::report::Gradients;
use crate::math::{Output, Row, RowGradients, RowReference, Solver};
use burn::tensor::{DType, bf16, f16};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// One row with its exact values.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name in reports.
    pub name: String,
    /// Alpha.
    pub alpha: f64,
    /// The reference.
    pub reference: RowReference<Vec<f64>>,
    /// The logits, `-inf` for a masked entry.
    pub logits: Vec<f64>,
    /// The cotangent of the outputs that have one number for each entry.
    pub cotangent: Vec<f64>,
    /// The exact values.
    pub exact: Exact,
    /// The gradients of `<c, p>` from a file.
    file_gradients: Option<Gradients>,
}

/// The cotangent of the outputs that have one number for each row.
pub const ROW_COTANGENT: f64 = 0.75;

impl Case {
    /// Creates a row with the values that the scalar layer computes in `f64`, on inputs rounded to `dtype`.
    pub fn computed(
        name: String,
        alpha: f64,
        reference: RowReference<Vec<f64>>,
        logits: Vec<f64>,
        cotangent: Vec<f64>,
        dtype: DType,
    ) -> Self {
        let logits: Vec<f64> = logits.into_iter().map(|x| rounded(x, dtype)).collect();
        let reference = match reference {
            // The reference is f32 if the logits have half precision.
            RowReference::Values(q) if dtype != DType::F64 => {
                RowReference::Values(q.into_iter().map(|q| rounded(q, DType::F32)).collect())
            }
            other => other,
        };
        Self {
            exact: Exact::new(&logits, reference.as_deref(), alpha),
            cotangent: cotangent.into_iter().map(|c| rounded(c, dtype)).collect(),
            name,
            alpha,
            reference,
            logits,
            file_gradients: None,
        }
    }

    /// Appends masked columns, up to this length.
    pub(super) fn pad(&mut self, columns: usize) {
        // The nonzero cotangent of a masked column must not affect the others.
        let cotangent = self.cotangent[0];
        self.logits.resize(columns, f64::NEG_INFINITY);
        self.cotangent.resize(columns, cotangent);
        let q = match &mut self.reference {
            RowReference::Values(q) => {
                q.resize(columns, 1.0);
                1.0
            }
            RowReference::Uniform | RowReference::Ones => self.exact.q[0],
        };
        self.exact.pad(columns, q);
        if let Some(given) = &mut self.file_gradients {
            let entries = [&mut given.logits, &mut given.reference];
            for entries in entries.into_iter().flatten() {
                entries.resize(columns, 0.0);
            }
        }
    }

    /// Returns the exact output.
    pub fn output(&self, output: Output) -> Vec<f64> {
        match output {
            Output::Probabilities => self.exact.p.clone(),
            Output::LogProbabilities => self.exact.log_p.clone(),
            Output::Value => vec![self.exact.value],
            Output::Divergence => vec![self.exact.divergence],
        }
    }

    /// Returns the exact gradients of `<c, output>`, with [`ROW_COTANGENT`] as `c` if the output is one number.
    pub fn gradients(&self, output: Output) -> Gradients {
        if let (Output::Probabilities, Some(given)) = (output, &self.file_gradients) {
            return given.clone();
        }
        let row = Row::new(&self.logits, self.reference.as_deref(), self.alpha);
        let (mut logits, mut reference) =
            (vec![0.0; self.logits.len()], vec![0.0; self.logits.len()]);
        let mut alpha = 0.0;
        let cotangent: &[f64] = if output.is_per_entry() {
            &self.cotangent
        } else {
            &[ROW_COTANGENT]
        };
        let gradients = RowGradients {
            logits: Some(&mut logits),
            alpha: Some(&mut alpha),
            reference: Some(&mut reference),
        };
        row.backward(output, &row.solve(Solver::Newton), cotangent, gradients);
        Gradients {
            logits: Some(logits),
            alpha: Some(vec![alpha]),
            reference: Some(reference),
        }
    }

    /// Returns the largest `|c_i| u_i^(1 - alpha)`. The gradients of `<c, ln p>` are differences of such terms.
    pub(super) fn max_scaled_cotangent(&self) -> f64 {
        (0..self.exact.p.len())
            .filter(|&i| self.exact.p[i] > 0.0)
            .map(|i| {
                let log_u = self.exact.log_p[i] - self.exact.q[i].ln();
                self.cotangent[i].abs() * ((1.0 - self.alpha) * log_u).exp()
            })
            .fold(0.0, f64::max)
    }

    /// Returns the largest cotangent of the probabilities.
    pub fn max_cotangent(&self, output: Output) -> f64 {
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0_f64, f64::max);
        match output {
            Output::Probabilities | Output::LogProbabilities => {
                largest(&mut self.cotangent.iter().map(|c| c.abs()))
            }
            Output::Value => ROW_COTANGENT,
            // The cotangent is f'(u) of every entry on the support.
            Output::Divergence => {
                let generator = crate::math::Tsallis::<f64>::new(self.alpha);
                let on_support = (0..self.exact.p.len()).filter(|&i| self.exact.p[i] > 0.0);
                let slopes = largest(&mut on_support.map(|i| {
                    let log_u = self.exact.log_p[i] - self.exact.q[i].ln();
                    generator.derivative_at_log(log_u).abs()
                }));
                ROW_COTANGENT * slopes
            }
        }
    }
}

/// Rounds a number to a dtype.
pub fn rounded(x: f64, dtype: DType) -> f64 {
    match dtype {
        DType::F64 => x,
        DType::F16 => f16::from_f64(x).to_f64(),
        DType::BF16 => bf16::from_f64(x).to_f64(),
        _ => f64::from(x as f32),
    }
}

/// An error of a file of cases.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// A line is not a case.
    #[error("{}, line {line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line number, starting at one.
        line: usize,
        /// The cause.
        what: String,
    },
    /// The file has no case.
    #[error("{} has no case", .0.display())]
    Empty(PathBuf),
}

/// One line of a file, in the format of `tests/vectors/README.md`.
#[derive(Deserialize)]
struct Line {
    id: serde_json::Value,
    alpha: f64,
    reference: LineReference,
    logits: Vec<Option<f64>>,
    cotangent: Vec<f64>,
    p: Vec<f64>,
    log_p: Vec<Option<f64>>,
    value: f64,
    divergence: f64,
    grad_logits: Vec<f64>,
    grad_alpha: f64,
    grad_reference: Vec<Option<f64>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LineReference {
    Name(String),
    Values(Vec<f64>),
}

/// Reads cases from a file, for a device that stores logits in this dtype.
///
/// # Errors
///
/// Returns a [`CaseError`] if the file cannot be read, has no case, or has an invalid line.
pub fn read(path: &Path, dtype: DType) -> Result<Vec<Case>, CaseError> {
    let text = std::fs::read_to_string(path).map_err(|error| CaseError::Read {
        path: path.to_owned(),
        error,
    })?;
    // Some editors write a byte-order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    parse(text, path, dtype)
}

/// Returns the cases of `tests/vectors`, which are compiled into the crate.
///
/// # Errors
///
/// Returns a [`CaseError`] if a line is invalid.
pub fn vectors(dtype: DType) -> Result<Vec<Case>, CaseError> {
    let text = include_str!("../../tests/vectors/tsallis_softargmax.jsonl");
    let path = Path::new("tests/vectors/tsallis_softargmax.jsonl");
    parse(text, path, dtype)
}

fn parse(text: &str, path: &Path, dtype: DType) -> Result<Vec<Case>, CaseError> {
    let mut cases = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let case = serde_json::from_str::<Line>(line)
            .map_err(|error| error.to_string())
            .and_then(|line| line.into_case(dtype));
        cases.push(case.map_err(|what| CaseError::Line {
            path: path.to_owned(),
            line: index + 1,
            what,
        })?);
    }
    if cases.is_empty() {
        return Err(CaseError::Empty(path.to_owned()));
    }
    Ok(cases)
}

impl Line {
    fn into_case(self, dtype: DType) -> Result<Case, String> {
        let columns = self.logits.len();
        let lengths = [
            ("cotangent", self.cotangent.len()),
            ("p", self.p.len()),
            ("log_p", self.log_p.len()),
            ("grad_logits", self.grad_logits.len()),
            ("grad_reference", self.grad_reference.len()),
        ];
        for (name, length) in lengths {
            if length != columns {
                return Err(format!(
                    "{name} has {length} numbers: it must have {columns}, one for each logit"
                ));
            }
        }
        if columns == 0 || self.logits.iter().all(Option::is_none) {
            return Err("every logit is masked: at least one must be a number".to_owned());
        }
        if !crate::math::is_valid_alpha(self.alpha) {
            return Err(format!(
                "alpha is {}: it must be a number from -50 to 50",
                self.alpha
            ));
        }
        let reference = match self.reference {
            LineReference::Name(name) if name == "uniform" => RowReference::Uniform,
            LineReference::Name(name) if name == "ones" => RowReference::Ones,
            LineReference::Name(name) => {
                return Err(format!(
                    "reference is {name:?}: it must be \"uniform\", \"ones\" or a list of numbers"
                ));
            }
            LineReference::Values(q) if q.len() == columns => RowReference::Values(q),
            LineReference::Values(q) => {
                return Err(format!(
                    "reference has {} numbers: it must have {columns}, one for each logit",
                    q.len()
                ));
            }
        };
        let name = match self.id {
            serde_json::Value::String(id) => id,
            id => id.to_string(),
        };
        let name = format!("{name} (alpha {}, {columns} columns)", self.alpha);
        let logits = or_null(self.logits, f64::NEG_INFINITY);
        // The inputs are exact in f32. A less precise type rounds them and has other exact values.
        if !matches!(dtype, DType::F32 | DType::F64) {
            let case = Case::computed(name, self.alpha, reference, logits, self.cotangent, dtype);
            return Ok(case);
        }
        let mut exact = Exact::new(&logits, reference.as_deref(), self.alpha);
        exact.p = self.p;
        exact.log_p = or_null(self.log_p, f64::NEG_INFINITY);
        exact.value = self.value;
        exact.divergence = self.divergence;
        exact.compute_sensitivity(&logits, self.alpha);
        Ok(Case {
            name,
            alpha: self.alpha,
            reference,
            logits,
            cotangent: self.cotangent,
            exact,
            file_gradients: Some(Gradients {
                logits: Some(self.grad_logits),
                alpha: Some(vec![self.grad_alpha]),
                reference: Some(or_null(self.grad_reference, 0.0)),
            }),
        })
    }
}

fn or_null(list: Vec<Option<f64>>, null: f64) -> Vec<f64> {
    list.into_iter().map(|x| x.unwrap_or(null)).collect()
}

/// The alphas of the built-in set: the range of the bounds, its special cases and the neighborhood of one.
const ALPHAS: [f64; 19] = [
    -2.0, -1.0, -0.5, 0.0, 0.1, 0.5, TWO_THIRDS, 0.7, 0.75, 0.9, 0.999, 1.0, 1.001, 1.25, 1.5,
    1.75, 2.0, 2.5, 3.0,
];
const TWO_THIRDS: f64 = 2.0 / 3.0;

/// The lengths of the built-in rows. They select both kernels of a device and the ends of their chunks.
const LENGTHS: [usize; 7] = [1, 2, 7, 18, 33, 257, 1000];

/// The number of rows for each alpha and length, which share a batch.
const ROWS: usize = 3;

/// The length of the longest built-in rows, which a workgroup of a GPU reads again for every pass, and their alphas.
const LONGEST: usize = 16_400;
const LONGEST_ALPHAS: [f64; 3] = [0.5, 1.25, 2.5];

/// Returns the built-in set: three rows for every alpha and length, and two long rows for some alphas. The kind of
/// reference alternates with alpha and length. Scale, ties and masks alternate with the rows.
pub fn built_in(dtype: DType) -> Vec<Case> {
    let mut random = Random(0x853c_49e6_748f_ea9b);
    let mut cases = Vec::new();
    for (i, alpha) in ALPHAS.into_iter().enumerate() {
        for (j, columns) in LENGTHS.into_iter().enumerate() {
            let mut reference = random.reference(i + j, columns);
            for turn in i + j..i + j + ROWS {
                // Either the same reference for every row, or a new one for each.
                if i.is_multiple_of(2) {
                    reference = random.reference(i + j, columns);
                }
                let number = cases.len();
                let logits = random.logits(turn, columns);
                let reference = reference.clone();
                cases.push(random.case(number, alpha, reference, logits, dtype));
            }
        }
    }
    for alpha in LONGEST_ALPHAS {
        for turn in [0, 2] {
            let logits = random.logits(turn, LONGEST);
            let reference = random.values(LONGEST);
            let number = cases.len();
            cases.push(random.case(number, alpha, reference, logits, dtype));
        }
    }
    cases
}

/// A linear congruential generator, which returns the same numbers on every machine.
struct Random(u64);

impl Random {
    /// Returns a number from -1 to 1.
    fn centered(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
    }

    fn logits(&mut self, turn: usize, columns: usize) -> Vec<f64> {
        let scale = [1.0, 0.01, 5.0, 50.0][turn % 4];
        let offset = [0.0, 0.0, 300.0][turn % 3];
        let mut logits: Vec<f64> = (0..columns)
            .map(|_| offset + scale * self.centered())
            .collect();
        if turn.is_multiple_of(5) {
            // Ties of the largest logit.
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for x in logits.iter_mut().step_by(3) {
                *x = top;
            }
        }
        if turn.is_multiple_of(2) {
            for x in logits.iter_mut().skip(1).step_by(4) {
                *x = f64::NEG_INFINITY;
            }
        }
        logits
    }

    fn reference(&mut self, turn: usize, columns: usize) -> RowReference<Vec<f64>> {
        match turn % 3 {
            0 => RowReference::Uniform,
            1 => RowReference::Ones,
            _ => self.values(columns),
        }
    }

    fn values(&mut self, columns: usize) -> RowReference<Vec<f64>> {
        let q = (0..columns).map(|_| (0.2 + self.centered().abs()) / columns as f64);
        RowReference::Values(q.collect())
    }

    fn case(
        &mut self,
        number: usize,
        alpha: f64,
        reference: RowReference<Vec<f64>>,
        logits: Vec<f64>,
        dtype: DType,
    ) -> Case {
        let columns = logits.len();
        let name = format!("built-in {number} (alpha {alpha}, {columns} columns)");
        let cotangent = (0..columns).map(|_| 2.0 * self.centered()).collect();
        Case::computed(name, alpha, reference, logits, cotangent, dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_file() {
        let text = include_str!("../../tests/vectors/tsallis_softargmax.jsonl");
        let first = text.lines().next().expect("a case");
        let name = format!("tsallis-cases-{}.jsonl", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, format!("\u{feff}{first}\n")).expect("written");
        let cases = read(&path, DType::F32);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(cases.expect("one case").len(), 1);
    }
}

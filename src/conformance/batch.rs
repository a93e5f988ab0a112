//! Rows that an implementation computes in one call.

use super::case::{Case, ROW_COTANGENT};
use crate::math::RowReference;
use crate::op::Output;

/// Rows of one length, with references of one kind, for one call of an implementation.
///
/// Neighbors differ in mask and scale, and in alpha if it is a tensor. An error that mixes the lanes of a vector or the
/// rows of a workgroup then makes a row wrong.
#[derive(Clone, Debug)]
pub struct Batch {
    rows: Vec<Case>,
    alpha: AlphaKind,
}

/// The form of alpha in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlphaKind {
    /// A number, the same for every row.
    Number,
    /// A tensor with a number for each row.
    Tensor,
}

/// The rule by which rows are put into batches.
#[derive(Clone, Copy, Debug)]
pub struct Grouping {
    /// The form of alpha in a batch.
    pub alpha: AlphaKind,
    /// Whether rows of several lengths share a batch. Shorter rows are padded with masked columns.
    pub padded: bool,
    /// The smallest number of rows in a batch of short rows. A batch with fewer rows repeats them.
    pub min_rows: usize,
}

impl Grouping {
    /// Every form in which a caller passes rows: rows of one length with alpha as a number, rows of one length with a
    /// tensor of alphas, in more rows than a workgroup has, and rows of several lengths with alpha as a number.
    pub const EVERY_FORM: [Self; 3] = [
        Self {
            alpha: AlphaKind::Number,
            padded: false,
            min_rows: 3,
        },
        Self {
            alpha: AlphaKind::Tensor,
            padded: false,
            min_rows: 70,
        },
        Self {
            alpha: AlphaKind::Number,
            padded: true,
            min_rows: 3,
        },
    ];
}

/// The lengths below which padded rows share a batch. Longer rows are not padded.
const PADDED_LENGTHS: [usize; 3] = [16, 32, 128];

impl Batch {
    /// Puts rows into the batches of [`Grouping::EVERY_FORM`].
    pub fn every_form(rows: &[Case]) -> Vec<Self> {
        let forms = Grouping::EVERY_FORM.into_iter();
        forms.flat_map(|form| Self::group(rows, form)).collect()
    }

    /// Puts rows into batches. The rows of a batch keep their order.
    pub fn group(rows: &[Case], grouping: Grouping) -> Vec<Self> {
        let mut batches: Vec<(Key, Vec<Case>)> = Vec::new();
        for row in rows {
            let key = Key::new(row, grouping);
            match batches.iter_mut().find(|(other, _)| *other == key) {
                Some((_, rows)) => rows.push(row.clone()),
                None => batches.push((key, vec![row.clone()])),
            }
        }
        let batches = batches.into_iter().map(|(_, mut rows)| {
            let columns = rows.iter().map(|row| row.logits.len()).max().unwrap_or(0);
            rows.iter_mut().for_each(|row| row.pad(columns));
            // A long row takes a workgroup of its own.
            let min_rows = if columns > 64 { 1 } else { grouping.min_rows };
            let count = rows.len().max(min_rows);
            Self {
                rows: rows.into_iter().cycle().take(count).collect(),
                alpha: grouping.alpha,
            }
        });
        batches.collect()
    }

    /// Returns the rows, with their exact values.
    pub fn rows(&self) -> &[Case] {
        &self.rows
    }

    /// Returns the length of the rows.
    pub fn columns(&self) -> usize {
        self.rows[0].logits.len()
    }

    /// Returns the form of alpha.
    pub fn alpha_kind(&self) -> AlphaKind {
        self.alpha
    }

    /// Returns alpha of each row.
    pub fn alphas(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.alpha).collect()
    }

    /// Returns the logits, one row after another.
    pub fn logits(&self) -> Vec<f64> {
        self.rows
            .iter()
            .flat_map(|row| row.logits.clone())
            .collect()
    }

    /// Returns the cotangent of an output, with the shape of the output, one row after another.
    pub fn cotangent(&self, output: Output) -> Vec<f64> {
        match output {
            Output::Probabilities | Output::LogProbabilities => {
                let rows = self.rows.iter();
                rows.flat_map(|row| row.cotangent.clone()).collect()
            }
            Output::Value | Output::Divergence => vec![ROW_COTANGENT; self.rows.len()],
        }
    }

    /// Returns the reference. If it is given, its numbers are those of each row, one row after another.
    pub fn reference(&self) -> RowReference<Vec<f64>> {
        let mut numbers = Vec::new();
        for row in &self.rows {
            match &row.reference {
                RowReference::Uniform => return RowReference::Uniform,
                RowReference::Ones => return RowReference::Ones,
                RowReference::Values(q) => numbers.extend(q),
            }
        }
        RowReference::Values(numbers)
    }

    /// Returns the given reference if it is the same for every row.
    pub fn shared_reference(&self) -> Option<&[f64]> {
        let first = &self.rows[0].reference;
        match first {
            RowReference::Values(q) if self.rows.iter().all(|row| row.reference == *first) => {
                Some(q)
            }
            _ => None,
        }
    }
}

/// The properties that the rows of a batch share.
#[derive(PartialEq)]
struct Key {
    reference: std::mem::Discriminant<RowReference<Vec<f64>>>,
    columns: usize,
    alpha: Option<f64>,
}

impl Key {
    fn new(row: &Case, grouping: Grouping) -> Self {
        let columns = row.logits.len();
        let padded = PADDED_LENGTHS
            .into_iter()
            .find(|&length| grouping.padded && columns <= length);
        Self {
            reference: std::mem::discriminant(&row.reference),
            columns: padded.unwrap_or(columns),
            alpha: (grouping.alpha == AlphaKind::Number).then_some(row.alpha),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{built_in, vectors};
    use burn::tensor::DType;

    fn groupings() -> impl Iterator<Item = Grouping> {
        [AlphaKind::Number, AlphaKind::Tensor]
            .into_iter()
            .flat_map(|alpha| {
                [false, true].map(|padded| Grouping {
                    alpha,
                    padded,
                    min_rows: 3,
                })
            })
    }

    #[test]
    fn every_row_is_in_a_batch_and_every_batch_is_uniform() {
        let mut rows = vectors(DType::F32).expect("the vectors of the repository are valid");
        rows.extend(built_in(DType::F32));
        for grouping in groupings() {
            let batches = Batch::group(&rows, grouping);
            let mut names = std::collections::HashSet::new();
            for batch in &batches {
                assert!(batch.rows().len() >= 3 || batch.columns() > 64);
                assert_eq!(batch.logits().len(), batch.rows().len() * batch.columns());
                for row in batch.rows() {
                    names.insert(row.name.clone());
                    assert_eq!(row.cotangent.len(), batch.columns());
                    assert_eq!(row.exact.p.len(), batch.columns());
                    if grouping.alpha == AlphaKind::Number {
                        assert_eq!(row.alpha, batch.rows()[0].alpha);
                    }
                }
            }
            assert_eq!(names.len(), rows.len(), "{grouping:?}");
        }
    }

    /// The exact values of a padded row are those that the scalar layer computes for it.
    #[test]
    fn padding_does_not_change_the_exact_values() {
        let rows = vectors(DType::F64).expect("the vectors of the repository are valid");
        for row in rows {
            let mut padded = row.clone();
            padded.pad(row.logits.len() + 5);
            let computed = Case::computed(
                row.name.clone(),
                row.alpha,
                padded.reference.clone(),
                padded.logits.clone(),
                padded.cotangent.clone(),
                DType::F64,
            );
            for (i, (&p, &want)) in padded.exact.p.iter().zip(&computed.exact.p).enumerate() {
                assert!(
                    (p - want).abs() <= 1e-12 * want.max(1e-300),
                    "{} [{i}]",
                    row.name
                );
            }
            assert_eq!(padded.exact.q, computed.exact.q, "{}", row.name);
            assert_eq!(padded.exact.gaps, computed.exact.gaps, "{}", row.name);
        }
    }
}

//! The reference of the rows, and the masks that follow from the entries, the reference and alpha.

use super::generator::Generator;
use super::values::{Mask, Values, max_finite};
use crate::math::{EmptyRow, MAX_ALPHA};
use crate::op::request::ReferenceTensor;
use burn::backend::Backend;

/// The reference measure over the allowed entries of the rows.
pub(super) struct MaskedReference<B: Backend> {
    /// The reference, and one for an ignored entry.
    pub(super) q: Values<B>,
    /// The entries that are left out of every sum.
    pub(super) ignored: Mask<B>,
    /// The rows with the result `NaN`, and the rows without an allowed entry.
    pub(super) invalid: Mask<B>,
    pub(super) empty: Mask<B>,
    /// The number of allowed entries of each row.
    count: Values<B>,
    is_uniform: bool,
    empty_row: EmptyRow,
}

impl<B: Backend> MaskedReference<B> {
    /// Creates the reference for rows `x` in the arithmetic dtype: logits or probabilities.
    pub(super) fn new(
        reference: ReferenceTensor<B>,
        x: &Values<B>,
        generator: &Generator<B>,
        empty_row: EmptyRow,
    ) -> Self {
        let shape = x.shape();
        let largest = max_finite(x.dtype());
        let ones = x.filled(1.0);
        let given = match reference {
            ReferenceTensor::Uniform => None,
            ReferenceTensor::Ones => Some(ones.clone()),
            ReferenceTensor::Vector(q) => {
                let mut row = shape.clone();
                for dim in 0..x.last() {
                    row[dim] = 1;
                }
                Some(Values(B::float_reshape(q, row)).expand(&shape))
            }
            ReferenceTensor::Rows(q) => Some(Values(q)),
        };

        // Only -inf is below the lowest finite number. NaN fails every comparison.
        let mut masked = x.below(-largest);
        let mut invalid_entry = !x.at_or_below(largest);
        if let Some(q) = &given {
            masked = masked | q.equals(0.0);
            invalid_entry = invalid_entry | !(q.at_or_above(0.0) & q.at_or_below(largest));
        }
        let ignored = masked | invalid_entry.clone();

        let count = ones.mask_fill(&ignored, 0.0).sum();
        let invalid_count = x.filled(0.0).mask_fill(&invalid_entry, 1.0).sum();
        let alpha_is_valid = generator.alpha.abs().at_or_below(MAX_ALPHA);
        let invalid = invalid_count.above(0.0) | !alpha_is_valid;
        let empty = count.equals(0.0);
        let is_uniform = given.is_none();
        let q = given.unwrap_or_else(|| (count.filled(1.0) / &count).expand(&shape));
        Self {
            q: q.mask_fill(&ignored, 1.0),
            ignored,
            invalid,
            empty,
            count,
            is_uniform,
            empty_row,
        }
    }

    /// Returns the bracket of `ln u_max` of rows with these gaps.
    pub(super) fn bracket(&self, gap: &Values<B>) -> (Values<B>, Values<B>) {
        if self.is_uniform {
            let hi = self.count.ln();
            return (&hi * 0.0, hi);
        }
        let q = self.q.mask_fill(&self.ignored, 0.0);
        let at_max = q.mask_fill(&gap.above(0.0), 0.0).max();
        (-q.sum().ln(), -at_max.ln())
    }

    /// Sums over the allowed entries.
    pub(super) fn over_allowed(&self, terms: Values<B>) -> Values<B> {
        terms.mask_fill(&self.ignored, 0.0).sum()
    }

    /// Fills in the results of the rows that are invalid or empty.
    pub(super) fn fill_fallback(&self, rows: Values<B>, empty: f64) -> Values<B> {
        let empty = match self.empty_row {
            EmptyRow::NaN => f64::NAN,
            EmptyRow::Zero => empty,
        };
        rows.mask_fill(&self.empty, empty)
            .mask_fill(&self.invalid, f64::NAN)
    }
}

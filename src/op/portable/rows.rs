//! The rows of a tensor.

use super::values::{Mask, Values};
use crate::math::{EmptyRow, MAX_ALPHA, Real, Solver};
use crate::op::backend::arithmetic_dtype;
use crate::op::{AlphaTensor, ReferenceTensor, RowParameters};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::DType;

/// The rows of a tensor, as [`crate::math::Row`] is one row.
pub(super) struct Rows<B: Backend> {
    pub(super) parameters: RowParameters,
    pub(super) dtype: DType,
    /// The reduced dimension.
    pub(super) last: usize,
    /// `alpha` and `c = 1 - alpha`, broadcasting to the row state.
    pub(super) alpha: Values<B>,
    pub(super) c: Values<B>,
    /// Whether the orders are a tensor, of which nothing is known here.
    pub(super) alpha_is_tensor: bool,
    /// The largest allowed logit.
    pub(super) max: Values<B>,
    /// `x_max - x_i` and what its rounding lost, zero where the entry is not allowed.
    pub(super) gap: Values<B>,
    pub(super) gap_rest: Values<B>,
    /// The reference, one where the entry is not allowed.
    pub(super) q: Values<B>,
    /// The entries that leave every sum.
    pub(super) ignored: Mask<B>,
    /// The rows that answer `NaN`, and those without an allowed entry.
    pub(super) poisoned: Mask<B>,
    pub(super) empty: Mask<B>,
    /// The bracket of `ln u_max`.
    pub(super) lo: Values<B>,
    pub(super) hi: Values<B>,
    /// The rows whose root is the reach, if there may be any.
    pub(super) by_reach: Option<Mask<B>>,
}

impl<B: Backend> Rows<B> {
    pub(super) fn new(
        logits: FloatTensor<B>,
        alpha: AlphaTensor<B>,
        reference: ReferenceTensor<B>,
        parameters: RowParameters,
    ) -> Self {
        let dtype = arithmetic_dtype(logits.dtype());
        let last = logits.rank() - 1;
        let x = Values::<B>(logits).cast(dtype);
        let shape = x.shape();
        let largest = largest_number(dtype);
        let ones = x.filled(1.0);
        let alpha_is_tensor = matches!(alpha, AlphaTensor::Rows(_));
        let (alpha, c) = match alpha {
            // c is taken before rounding, so that an order close to 1 keeps its distance from 1.
            AlphaTensor::Number => (
                Values::number(parameters.alpha, &x),
                Values::number(1.0 - parameters.alpha, &x),
            ),
            AlphaTensor::Rows(alpha) => {
                let alpha = Values(alpha);
                let c = -(&alpha - 1.0);
                (alpha, c)
            }
        };
        let given = match reference {
            ReferenceTensor::Uniform => None,
            ReferenceTensor::Ones => Some(ones.clone()),
            ReferenceTensor::Vector(q) => {
                let mut row = shape.clone();
                for dim in 0..last {
                    row[dim] = 1;
                }
                Some(Values(B::float_reshape(q, row)).expand(&shape))
            }
            ReferenceTensor::Rows(q) => Some(Values(q)),
        };

        // -inf is the one number below the lowest finite one, and NaN fails every comparison.
        let mut masked = x.below(-largest);
        let mut bad = !x.at_or_below(largest);
        if let Some(q) = &given {
            masked = masked | q.equals(0.0);
            bad = bad | !(q.at_or_above(0.0) & q.at_or_below(largest));
        }
        let ignored = masked | bad.clone();

        let candidates = x.fill(&ignored, -largest);
        let max = candidates.max();
        // Finite logits may lie further apart than the largest number.
        let gap = (&max - &candidates).at_most(largest);
        // Knuth's exact difference.
        let x_seen = &max - &gap;
        let max_seen = &gap + &x_seen;
        let gap_rest = (&max - &max_seen) + (x_seen - &candidates);
        let gap = gap.fill(&ignored, 0.0);
        let gap_rest = gap_rest.fill(&ignored, 0.0);

        let count = ones.fill(&ignored, 0.0).sum();
        let bad_count = x.filled(0.0).fill(&bad, 1.0).sum();
        let order_is_good = alpha.abs().at_or_below(MAX_ALPHA);
        let poisoned = bad_count.above(0.0) | !order_is_good;
        let empty = count.equals(0.0);
        let (q, lo, hi) = match given {
            None => {
                let hi = count.ln();
                let q = (count.filled(1.0) / count).expand(&shape);
                (q, &hi * 0.0, hi)
            }
            Some(q) => {
                let q = q.fill(&ignored, 0.0);
                let at_max = q.fill(&gap.above(0.0), 0.0).max();
                (q.clone(), -q.sum().ln(), -at_max.ln())
            }
        };
        let may_be_sparse = alpha_is_tensor || parameters.alpha > Solver::NEWTON_MAX_ALPHA;
        let by_reach = may_be_sparse.then(|| {
            let widest = lo.abs().max_pair(&hi.abs());
            // Below -1, c is that of an alpha above 2.
            c.below(1.0 - Solver::NEWTON_MAX_ALPHA) & (-(widest * &c)).at_or_below(log_space(dtype))
        });
        Self {
            parameters,
            dtype,
            last,
            alpha,
            c,
            alpha_is_tensor,
            max,
            gap,
            gap_rest,
            q: q.fill(&ignored, 1.0),
            ignored,
            poisoned,
            empty,
            lo,
            hi,
            by_reach,
        }
    }

    /// The sum over the allowed entries.
    pub(super) fn over_allowed(&self, terms: Values<B>) -> Values<B> {
        terms.fill(&self.ignored, 0.0).sum()
    }

    /// The answers of the rows that have none.
    pub(super) fn answer(&self, rows: Values<B>, empty: f64) -> Values<B> {
        let empty = match self.parameters.empty_row {
            EmptyRow::NaN => f64::NAN,
            EmptyRow::Zero => empty,
        };
        rows.fill(&self.empty, empty).fill(&self.poisoned, f64::NAN)
    }
}

/// The largest number of an arithmetic.
pub(super) fn largest_number(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}

/// [`Real::LOG_SPACE`].
pub(super) fn log_space(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::LOG_SPACE,
        _ => f64::from(f32::LOG_SPACE),
    }
}

//! The rows of a tensor.

use super::generator::Order;
use super::reference::Reference;
use super::values::{Mask, Values, largest_number, log_space};
use crate::math::Solver;
use crate::op::request::{AlphaTensor, ReferenceTensor, RowParameters, arithmetic_dtype};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::DType;

/// The rows of a tensor, as [`crate::math::Row`] is one row.
pub(super) struct Rows<B: Backend> {
    pub(super) dtype: DType,
    /// The reduced dimension.
    pub(super) last: usize,
    pub(super) order: Order<B>,
    pub(super) reference: Reference<B>,
    /// The largest allowed logit.
    pub(super) max: Values<B>,
    /// `x_max - x_i` and what its rounding lost, zero where the entry is not allowed.
    pub(super) gap: Values<B>,
    pub(super) gap_rest: Values<B>,
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
        let largest = largest_number(dtype);
        let order = Order::new(alpha, parameters.alpha, &x);
        let reference = Reference::new(reference, &x, &order, parameters.empty_row);

        let candidates = x.fill(&reference.ignored, -largest);
        let max = candidates.max();
        // Finite logits may lie further apart than the largest number.
        let gap = (&max - &candidates).at_most(largest);
        // Knuth's exact difference.
        let x_seen = &max - &gap;
        let max_seen = &gap + &x_seen;
        let gap_rest = (&max - &max_seen) + (x_seen - &candidates);
        let gap = gap.fill(&reference.ignored, 0.0);
        let gap_rest = gap_rest.fill(&reference.ignored, 0.0);

        let (lo, hi) = reference.bracket(&gap);
        let may_be_sparse = order
            .number
            .is_none_or(|alpha| alpha > Solver::NEWTON_MAX_ALPHA);
        let by_reach = may_be_sparse.then(|| {
            let widest = lo.abs().max_pair(&hi.abs());
            // Below -1, c is that of an alpha above 2.
            order.c.below(1.0 - Solver::NEWTON_MAX_ALPHA)
                & (-(widest * &order.c)).at_or_below(log_space(dtype))
        });
        Self {
            dtype,
            last,
            order,
            reference,
            max,
            gap,
            gap_rest,
            lo,
            hi,
            by_reach,
        }
    }
}

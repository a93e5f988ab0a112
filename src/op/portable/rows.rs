//! The rows of a tensor.

use super::generator::Generator;
use super::reference::MaskedReference;
use super::values::{Mask, Values, log_space, max_finite};
use crate::math::Solver;
use crate::op::request::{AlphaTensor, ReferenceTensor, RowParameters, arithmetic_dtype};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::DType;

/// The rows of a tensor, the counterpart of [`crate::math::Row`] for many rows.
pub(super) struct Rows<B: Backend> {
    pub(super) dtype: DType,
    /// The reduced dimension.
    pub(super) last: usize,
    pub(super) generator: Generator<B>,
    pub(super) reference: MaskedReference<B>,
    /// The largest allowed logit.
    pub(super) max: Values<B>,
    /// `x_max - x_i` and its rounding error, both zero for a masked entry.
    pub(super) gap: Values<B>,
    pub(super) gap_remainder: Values<B>,
    /// The bracket of `ln u_max`.
    pub(super) lo: Values<B>,
    pub(super) hi: Values<B>,
    /// The rows whose root is the support radius. `None` if alpha is a number that excludes such rows.
    pub(super) by_support_radius: Option<Mask<B>>,
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
        let largest = max_finite(dtype);
        let generator = Generator::new(alpha, parameters.alpha, &x);
        let reference = MaskedReference::new(reference, &x, &generator, parameters.empty_row);

        let candidates = x.mask_fill(&reference.ignored, -largest);
        let max = candidates.max();
        // The difference of finite logits may overflow.
        let gap = (&max - &candidates).clamp_max(largest);
        // Knuth's error-free difference.
        let x_seen = &max - &gap;
        let max_seen = &gap + &x_seen;
        let gap_remainder = (&max - &max_seen) + (x_seen - &candidates);
        let gap = gap.mask_fill(&reference.ignored, 0.0);
        let gap_remainder = gap_remainder.mask_fill(&reference.ignored, 0.0);

        let (lo, hi) = reference.bracket(&gap);
        let may_be_sparse = generator
            .number
            .is_none_or(|alpha| alpha > Solver::NEWTON_MAX_ALPHA);
        let by_support_radius = may_be_sparse.then(|| {
            let max_abs_log = lo.abs().max_pair(&hi.abs());
            // c below -1 means alpha above 2.
            generator.c.below(1.0 - Solver::NEWTON_MAX_ALPHA)
                & (-(max_abs_log * &generator.c)).at_or_below(log_space(dtype))
        });
        Self {
            dtype,
            last,
            generator,
            reference,
            max,
            gap,
            gap_remainder,
            lo,
            hi,
            by_support_radius,
        }
    }
}

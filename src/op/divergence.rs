use super::TsallisOptions;
use super::call::Call;
use crate::math::Output;
use burn::Tensor;
use burn::tensor::AsIndex;

/// Computes the Tsallis divergence of given probabilities from a reference.
///
/// `D = sum_i q_i f(p_i / q_i)`, `f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1))`,
///
/// with the limits `KL(p || q) + sum q - sum p` at `alpha = 1` and `KL(q || p) + sum p - sum q` at `alpha = 0`
/// (arXiv 2601.12604). For probabilities that [`tsallis_softargmax`](crate::tsallis_softargmax) returned,
/// [`tsallis_divergence`](crate::tsallis_divergence) of the logits is more accurate.
///
/// The function is differentiable in the probabilities, in alpha if it is a tensor, and in the reference if it is a
/// tensor. At `p_i = 0` the derivative in `p_i` is `-1 / (alpha - 1)` for `alpha > 1` and `-inf` otherwise. For
/// `alpha <= 0` the divergence itself is infinite there.
///
/// # Arguments
///
/// - `probabilities`: non-negative numbers, of any shape. They need not sum to one.
/// - `options`: alpha as a number or a tensor, or [`TsallisOptions`]. The function uses alpha, the reference, the mask
///   of allowed entries and the result for an empty row. It ignores the temperature and the solver.
/// - `dim`: the dimension that the sum reduces. A negative dimension counts from the end.
///
/// # Returns
///
/// The divergences, with the dtype of the probabilities and their shape, but size 1 along `dim`. A negative probability
/// gives `NaN` in its row.
///
/// # Panics
///
/// - If `dim` is outside `[-D, D)`.
/// - If an alpha tensor, the reference or the mask does not fit the shape of the probabilities.
/// - If `options` is a number outside `-50..=50`, or `NaN`.
/// - If the backend of the probabilities is enabled on `burn` but not on this crate.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::tsallis_divergence_from_probabilities;
///
/// let p = Tensor::<2>::from_data([[0.5, 0.3, 0.2]], &Device::flex());
/// // At alpha = 2, half of Pearson's chi-squared divergence from the uniform distribution.
/// let divergence = tsallis_divergence_from_probabilities(p, 2.0, -1);
/// assert!((divergence.into_scalar::<f32>() - 0.07).abs() < 1e-6);
/// # }
/// ```
pub fn tsallis_divergence_from_probabilities<const D: usize>(
    probabilities: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    let mut options = options.into();
    options.temperature = 1.0;
    let dim = dim.expect_dim_index(D);
    Call::new(probabilities, &options, dim, Output::Divergence).divergence()
}

use super::TsallisOptions;
use super::call::Call;
use crate::math::Output;
use burn::Tensor;
use burn::tensor::AsIndex;

/// The Tsallis divergence of given probabilities from a reference:
///
/// `D = sum_i q_i f(p_i / q_i)`, `f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1))`,
///
/// with the limits `KL(p || q)` at `alpha = 1` and `KL(q || p)` at `alpha = 0`, both up to
/// `sum q - sum p`. For the probabilities of the operator itself,
/// [`tsallis_divergence`](crate::tsallis_divergence) of their logits keeps more digits.
///
/// Differentiable in the probabilities, in the orders where they are a tensor, and in the reference where
/// it is one. At `p_i = 0` the derivative in `p_i` is `-1 / (alpha - 1)` for `alpha > 1` and `-inf`
/// elsewhere, and for `alpha <= 0` the divergence is infinite.
///
/// # Arguments
/// - `probabilities`: numbers that are not negative, any shape. They need not sum to one.
/// - `options`: the order, or [`TsallisOptions`]: order, reference, allowed entries and the answer of an
///   empty row are used, temperature and solver have no meaning here.
/// - `dim`: the dimension that is summed over. Negative dimensions count from the end.
///
/// # Returns
/// Divergences, of the probabilities' shape with size 1 along `dim`. A negative probability gives `NaN`
/// in its row.
///
/// # Panics
/// As [`tsallis_softargmax`](crate::tsallis_softargmax).
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

//! The softargmax of other f-divergences.

mod options;
mod root;

pub use options::{FDivergence, FSoftargmaxOptions};

use super::{Alpha, tsallis_softargmax};
use burn::Tensor;
use burn::tensor::AsIndex;
use root::Family;

/// Computes the softargmax of an f-divergence along a dimension.
///
/// `p = argmax_p <p, x> - D_f(p || q)`, `p_i = q_i [(f')^-1(x_i - mu)]_+` with `mu` such that `sum_i p_i = 1`,
///
/// for `D_f(p || q) = sum_i q_i f(p_i / q_i)` and the reference measure `q` (arXiv 2601.12604).
///
/// The divergences of the Tsallis family use [`tsallis_softargmax`](crate::tsallis_softargmax), and so does the squared
/// Hellinger distance, which is half of one of them. Jensen-Shannon and Le Cam are computed with Burn's own operations
/// on every device.
///
/// A logit of `-inf` masks its entry: the probability and the gradient of the entry are zero. A `NaN` or `+inf` gives
/// `NaN` in its own row only. The function is differentiable (first order only) in the logits, and in the reference if
/// it is a tensor.
///
/// # Arguments
///
/// - `logits`: the logits `x`, of any shape.
/// - `options`: the divergence, or [`FSoftargmaxOptions`].
/// - `dim`: the dimension along which the probabilities sum to one. A negative dimension counts from the end.
///
/// # Returns
///
/// The probabilities, with the shape and the dtype of the logits.
///
/// # Panics
///
/// - If `dim` is outside `[-D, D)`.
/// - If the reference or the mask does not fit the shape of the logits.
/// - If the divergence is neither Jensen-Shannon nor Le Cam, and the backend of the logits is enabled on `burn` but not
///   on this crate.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::{FDivergence, f_softargmax};
///
/// let x = Tensor::<1>::from_data([2.0, 1.0, 0.1], &Device::flex());
/// let p = f_softargmax(x, FDivergence::JensenShannon, -1);
/// assert!((p.sum().into_scalar::<f32>() - 1.0).abs() < 1e-6);
/// # }
/// ```
pub fn f_softargmax<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<FSoftargmaxOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    let options = options.into();
    let dim = dim.expect_dim_index(D);
    let tsallis = |alpha, temperature| {
        let mut given = options.tsallis.clone();
        given.alpha = Alpha::Number(alpha);
        given.temperature *= temperature;
        tsallis_softargmax(logits.clone(), given, dim)
    };
    let family = |family| root::softargmax(logits.clone(), &options.tsallis, dim, family);
    match options.divergence {
        FDivergence::KullbackLeibler => tsallis(1.0, 1.0),
        FDivergence::ReverseKullbackLeibler => tsallis(0.0, 1.0),
        FDivergence::PearsonChiSquared => tsallis(2.0, 1.0),
        FDivergence::NeymanChiSquared => tsallis(-1.0, 1.0),
        // f = f_(1/2) / 2, so half of the temperature gives half of the divergence.
        FDivergence::Hellinger => tsallis(0.5, 0.5),
        FDivergence::JensenShannon => family(Family::JensenShannon),
        FDivergence::LeCam => family(Family::LeCam),
    }
}

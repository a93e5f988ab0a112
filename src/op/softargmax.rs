use super::TsallisOptions;
use super::call::Call;
use crate::math::Output;
use burn::Tensor;
use burn::tensor::AsIndex;

/// Computes the Tsallis softargmax along a dimension.
///
#[cfg_attr(
    doc,
    doc = r"$$p_i = q_i \left\[1 + (\alpha - 1)(x_i - \mu)\right\]\_+^{1 / (\alpha - 1)}$$"
)]
#[cfg_attr(
    not(doc),
    doc = "`p_i = q_i [1 + (alpha - 1)(x_i - mu)]_+^(1 / (alpha - 1))`"
)]
///
/// with `mu` such that `sum_i p_i = 1`.
///
/// `p` maximizes `<p, x> - D_f(p || q)` for the Tsallis divergence `D_f` with parameter `alpha` and the
/// reference measure `q` (arXiv 2601.12604). It is heavy-tailed for `alpha < 1`, the softmax of `x + ln q` at
/// `alpha = 1`, and sparse for `alpha > 1`.
///
/// A logit of `-inf` masks its entry: the probability and the gradient of the entry are zero, and the entry is
/// left out of every sum. A `NaN` or `+inf` gives `NaN` in its own row only. The result for a row without an allowed
/// entry is set by [`EmptyRow`](crate::EmptyRow).
///
/// The function is differentiable in the logits, in alpha if it is a tensor, and in the reference if it is a
/// tensor. The gradient is first-order only, as Burn's autodiff is.
///
/// # Arguments
///
/// - `logits`: the logits `x`, of any shape.
/// - `options`: alpha as a number or a tensor, or [`TsallisOptions`].
/// - `dim`: the dimension along which the probabilities sum to one. A negative dimension counts from the end.
///
/// # Returns
///
/// The probabilities, with the shape and the dtype of the logits.
///
/// # Panics
///
/// - If `dim` is outside `[-D, D)`.
/// - If an alpha tensor, the reference or the mask does not fit the shape of the logits.
/// - If `options` is a number outside `-50..=50`, or `NaN`.
/// - If the backend of the logits is enabled on `burn` but not on this crate.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::{Reference, TsallisOptions, tsallis_softargmax};
///
/// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1]], &Device::flex());
///
/// // Heavy-tailed, with the uniform reference.
/// let p = tsallis_softargmax(x.clone(), 0.5, -1);
/// let expected = TensorData::from([[0.6535, 0.2261, 0.1204]]);
/// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
///
/// // 1.5-entmax.
/// let entmax = TsallisOptions::new(1.5).with_reference(Reference::Ones);
/// let p = tsallis_softargmax(x, entmax, -1);
/// let expected = TensorData::from([[0.8307, 0.1693, 0.0]]);
/// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
/// # }
/// ```
pub fn tsallis_softargmax<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    call(logits, options, dim, Output::Probabilities).output()
}

/// Computes the logarithm of the Tsallis softargmax along a dimension.
///
#[cfg_attr(
    doc,
    doc = r"$$\ln p_i = \ln q_i + \ln u_i, \qquad
u_i = \left\[1 + (\alpha - 1)(x_i - \mu)\right\]\_+^{1 / (\alpha - 1)}$$"
)]
#[cfg_attr(
    not(doc),
    doc = "`ln p_i = ln q_i + ln u_i`, `u_i = [1 + (alpha - 1)(x_i - mu)]_+^(1 / (alpha - 1))`"
)]
///
/// with `mu` such that `sum_i q_i u_i = 1`, and `-inf` if the probability is zero. `p` is the output of
/// [`tsallis_softargmax`] (arXiv 2601.12604).
///
/// The logarithm is computed from the root `mu` and not from `p`, so a probability that underflows still has a finite
/// logarithm.
///
/// A logit of `-inf` masks its entry. A `NaN` or `+inf` gives `NaN` in its own row only. The function is differentiable
/// (first order only) in the logits, and in alpha and the reference if they are tensors.
///
/// # Arguments
///
/// - `logits`: the logits `x`, of any shape.
/// - `options`: alpha as a number or a tensor, or [`TsallisOptions`].
/// - `dim`: the dimension along which the probabilities sum to one. A negative dimension counts from the end.
///
/// # Returns
///
/// The logarithms, with the shape and the dtype of the logits.
///
/// # Panics
///
/// - If `dim` is outside `[-D, D)`.
/// - If an alpha tensor, the reference or the mask does not fit the shape of the logits.
/// - If `options` is a number outside `-50..=50`, or `NaN`.
/// - If the backend of the logits is enabled on `burn` but not on this crate.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::{Reference, TsallisOptions, tsallis_log_softargmax, tsallis_softargmax};
///
/// let x = Tensor::<1>::from_data([0.0, -200.0], &Device::flex());
/// let softmax = TsallisOptions::new(1.0).with_reference(Reference::Ones);
/// let p = tsallis_softargmax(x.clone(), &softmax, 0);
/// let log_p = tsallis_log_softargmax(x, &softmax, 0);
/// // e^-200 underflows in f32; its logarithm does not.
/// assert_eq!(p.slice([1..2]).into_scalar::<f32>(), 0.0);
/// assert_eq!(log_p.slice([1..2]).into_scalar::<f32>(), -200.0);
/// # }
/// ```
pub fn tsallis_log_softargmax<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    call(logits, options, dim, Output::LogProbabilities).output()
}

/// Computes the value of the maximization problem that [`tsallis_softargmax`] solves: a smooth maximum of the logits.
///
#[cfg_attr(
    doc,
    doc = r"$$V = \max_p \langle p, x \rangle - t D_f(p \parallel q)
= t \left(\mu + \sum_i q_i f^\ast(x_i / t - \mu)\right)$$"
)]
#[cfg_attr(
    not(doc),
    doc = "`V = max_p <p, x> - t D_f(p || q) = t (mu + sum_i q_i f*(x_i / t - mu))`"
)]
///
/// at temperature `t`, for the Tsallis divergence `D_f` with parameter `alpha` and the reference measure `q`
/// (arXiv 2601.12604). `f*` is the convex conjugate of the generator `f`.
///
/// The gradient of `V` in the logits is `p`. At `alpha = 1` and `t = 1`, `V = logsumexp(x + ln q) + 1 - sum q`. `V` is
/// at most the largest logit, for any reference. If the reference sums to one, `V` is also at least `<q, x>`.
///
/// A logit of `-inf` masks its entry. A `NaN` or `+inf` gives `NaN` in its own row only. The function is differentiable
/// (first order only) in the logits, and in alpha and the reference if they are tensors.
///
/// # Arguments
///
/// - `logits`: the logits `x`, of any shape.
/// - `options`: alpha as a number or a tensor, or [`TsallisOptions`].
/// - `dim`: the dimension that the maximization reduces. A negative dimension counts from the end.
///
/// # Returns
///
/// The values, with the dtype of the logits and their shape, but size 1 along `dim`.
///
/// # Panics
///
/// - If `dim` is outside `[-D, D)`.
/// - If an alpha tensor, the reference or the mask does not fit the shape of the logits.
/// - If `options` is a number outside `-50..=50`, or `NaN`.
/// - If the backend of the logits is enabled on `burn` but not on this crate.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::tsallis_value;
///
/// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1]], &Device::flex());
/// let value = tsallis_value(x, 0.5, -1);
/// assert_eq!(value.dims(), [1, 1]);
/// assert!((value.into_scalar::<f32>() - 1.3115).abs() < 1e-4);
/// # }
/// ```
pub fn tsallis_value<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    call(logits, options, dim, Output::Value).output()
}

/// Computes the Tsallis divergence of the output of [`tsallis_softargmax`] from its reference.
///
#[cfg_attr(
    doc,
    doc = r"$$D = \sum_i q_i f(p_i / q_i), \qquad f(u) = \frac{u^\alpha - \alpha u + \alpha - 1}{\alpha (\alpha - 1)}$$"
)]
#[cfg_attr(
    not(doc),
    doc = "`D = sum_i q_i f(p_i / q_i)`, `f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1))`"
)]
///
/// with the limits of `f` at `alpha = 0` and `alpha = 1` (arXiv 2601.12604). `p` is the softargmax of the logits and
/// `q` the reference measure.
///
/// The divergence is computed from the root `mu`, which avoids the cancellation of `<p, x> - V`. For probabilities that
/// were not computed from logits, use
/// [`tsallis_divergence_from_probabilities`](crate::tsallis_divergence_from_probabilities).
///
/// A logit of `-inf` masks its entry. A `NaN` or `+inf` gives `NaN` in its own row only. The function is differentiable
/// (first order only) in the logits, and in alpha and the reference if they are tensors.
///
/// # Arguments
///
/// - `logits`: the logits `x`, of any shape.
/// - `options`: alpha as a number or a tensor, or [`TsallisOptions`].
/// - `dim`: the dimension along which the probabilities sum to one. A negative dimension counts from the end.
///
/// # Returns
///
/// The divergences, with the dtype of the logits and their shape, but size 1 along `dim`.
///
/// # Panics
///
/// - If `dim` is outside `[-D, D)`.
/// - If an alpha tensor, the reference or the mask does not fit the shape of the logits.
/// - If `options` is a number outside `-50..=50`, or `NaN`.
/// - If the backend of the logits is enabled on `burn` but not on this crate.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::tsallis_divergence;
///
/// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1]], &Device::flex());
/// let divergence = tsallis_divergence(x, 0.5, -1);
/// assert_eq!(divergence.dims(), [1, 1]);
/// assert!((divergence.into_scalar::<f32>() - 0.2337).abs() < 1e-4);
/// # }
/// ```
pub fn tsallis_divergence<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    call(logits, options, dim, Output::Divergence).output()
}

/// Computes the vector-Jacobian product `J^T c` of [`tsallis_softargmax`] in the logits, without autodiff.
///
/// `(J^T c)_i = k_i (c_i - <w, c>) / t`, with `k_i = q_i u_i^(2 - alpha)`, `w = k / sum k`, `u = p / q` and the
/// temperature `t`. It follows from the definition of the softargmax (arXiv 2601.12604) by the implicit function
/// theorem.
///
/// # Arguments
///
/// - `logits`: the logits `x`, of any shape.
/// - `cotangent`: the cotangent `c`, with the shape of the logits. It is cast to their dtype.
/// - `options`: alpha as a number or a tensor, or [`TsallisOptions`].
/// - `dim`: the dimension along which the probabilities sum to one. A negative dimension counts from the end.
///
/// # Returns
///
/// The product, with the shape and the dtype of the logits. Autodiff treats it as a constant.
///
/// # Panics
///
/// - If the shape of `cotangent` is not that of the logits.
/// - If `dim` is outside `[-D, D)`.
/// - If an alpha tensor, the reference or the mask does not fit the shape of the logits.
/// - If `options` is a number outside `-50..=50`, or `NaN`.
/// - If the backend of the logits is enabled on `burn` but not on this crate.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::{Reference, TsallisOptions, tsallis_softargmax_vjp};
///
/// let device = Device::flex();
/// let x = Tensor::<1>::from_data([2.0, 1.5, 0.1], &device);
/// let c = Tensor::<1>::from_data([1.0, 0.0, 0.0], &device);
/// // Sparsemax: p = [0.75, 0.25, 0], and every k on the support is one.
/// let sparsemax = TsallisOptions::new(2.0).with_reference(Reference::Ones);
/// let gradient = tsallis_softargmax_vjp(x, c, sparsemax, 0);
/// let expected = TensorData::from([0.5, -0.5, 0.0]);
/// gradient.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
/// # }
/// ```
pub fn tsallis_softargmax_vjp<const D: usize>(
    logits: Tensor<D>,
    cotangent: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    assert_eq!(
        logits.dims(),
        cotangent.dims(),
        "the cotangent must have the shape of the logits"
    );
    call(logits, options, dim, Output::Probabilities).gradient(cotangent)
}

/// Computes the Jacobian-vector product `J v` of [`tsallis_softargmax`] in the logits, without autodiff.
///
/// `J v` is the directional derivative of the probabilities along `v`: `(J v)_i = k_i (v_i - <w, v>) / t`, with
/// `k_i = q_i u_i^(2 - alpha)`, `w = k / sum k`, `u = p / q` and the temperature `t` (arXiv 2601.12604). The Jacobian
/// is symmetric, so the product equals [`tsallis_softargmax_vjp`] of `v`.
///
/// # Arguments
///
/// - `logits`: the logits `x`, of any shape.
/// - `tangent`: the tangent `v`, with the shape of the logits. It is cast to their dtype.
/// - `options`: alpha as a number or a tensor, or [`TsallisOptions`].
/// - `dim`: the dimension along which the probabilities sum to one. A negative dimension counts from the end.
///
/// # Returns
///
/// The product, with the shape and the dtype of the logits. Autodiff treats it as a constant.
///
/// # Panics
///
/// - If the shape of `tangent` is not that of the logits.
/// - If `dim` is outside `[-D, D)`.
/// - If an alpha tensor, the reference or the mask does not fit the shape of the logits.
/// - If `options` is a number outside `-50..=50`, or `NaN`.
/// - If the backend of the logits is enabled on `burn` but not on this crate.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::tsallis_softargmax_jvp;
///
/// let device = Device::flex();
/// let x = Tensor::<1>::from_data([2.0, 1.0, 0.1], &device);
/// let v = Tensor::<1>::from_data([1.0, 0.0, -1.0], &device);
/// let change = tsallis_softargmax_jvp(x, v, 0.5, 0);
/// // The probabilities keep their sum.
/// assert!(change.sum().into_scalar::<f32>().abs() < 1e-6);
/// # }
/// ```
pub fn tsallis_softargmax_jvp<const D: usize>(
    logits: Tensor<D>,
    tangent: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    tsallis_softargmax_vjp(logits, tangent, options, dim)
}

fn call<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
    output: Output,
) -> Call<D> {
    Call::new(logits, &options.into(), dim.expect_dim_index(D), output)
}

use super::TsallisOptions;
use super::call::Call;
use crate::math::Output;
use burn::Tensor;
use burn::tensor::AsIndex;

/// The Tsallis softargmax of the logits along a dimension:
///
/// `p_i = q_i [1 + (alpha - 1)(x_i - mu)]_+^(1 / (alpha - 1))`, with `mu` such that `sum_i p_i = 1`.
///
/// It is the distribution that maximizes `<p, x> - D_f(p || q)` for the Tsallis divergence of order
/// `alpha` to the reference `q` (arXiv 2601.12604): heavy-tailed for `alpha < 1`, the softmax of
/// `x + ln q` at `alpha = 1`, sparse for `alpha > 1`.
///
/// A logit of `-inf` is an entry that is not allowed: its probability and its gradient are zero and
/// it leaves every sum. A `NaN` or a `+inf` gives `NaN` in its row only; a row without an allowed
/// entry answers what [`EmptyRow`](crate::EmptyRow) says.
///
/// Differentiable in the logits, in the orders where they are a tensor, and in the reference where it is
/// one, once: Burn's autodiff is first-order.
///
/// ```
/// use burn_tsallis::{Reference, TsallisOptions, tsallis_softargmax};
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1]], &Device::flex());
/// let heavy = tsallis_softargmax(x.clone(), 0.5, -1);
/// let entmax = TsallisOptions::new(1.5).with_reference(Reference::Ones);
/// let sparse = tsallis_softargmax(x, entmax, -1);
/// assert_eq!(sparse.into_data().as_slice::<f32>().unwrap()[2], 0.0);
/// # let _ = heavy; }
/// ```
///
/// # Arguments
/// - `logits`: any shape.
/// - `options`: the order `alpha`, a number or a tensor, or [`TsallisOptions`].
/// - `dim`: the dimension along which the probabilities sum to one. Negative dimensions count from
///   the end.
///
/// # Returns
/// Probabilities, of the logits' shape and dtype.
///
/// # Panics
/// - If `dim` is outside `[-D, D)`.
/// - If the shape of an order, a reference or a mask does not fit the logits.
/// - If a number given as `options` is not an order: see [`TsallisOptions::new`].
pub fn tsallis_softargmax<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    call(logits, options, dim, Output::Probabilities).output()
}

/// The logarithm of [`tsallis_softargmax`], computed from the root itself: `ln q_i + ln u_i` with
/// `u = p / q`, and `-inf` where the probability is zero. A probability that underflows keeps its
/// logarithm.
///
/// # Arguments
/// As [`tsallis_softargmax`].
///
/// # Panics
/// As [`tsallis_softargmax`].
pub fn tsallis_log_softargmax<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    call(logits, options, dim, Output::LogProbabilities).output()
}

/// The value of the maximization whose answer is [`tsallis_softargmax`], the smooth maximum of the
/// logits:
///
/// `V = max_p <p, x> - t D_f(p || q) = t (mu + sum_i q_i f*(x_i / t - mu))` at temperature `t`,
///
/// with gradient `p` in the logits. At `alpha = 1` it is `logsumexp(x + ln q) + 1 - sum q`. Under a
/// uniform or normalized reference it is at most the largest logit.
///
/// # Arguments
/// As [`tsallis_softargmax`].
///
/// # Returns
/// Values, of the logits' shape with size 1 along `dim`.
///
/// # Panics
/// As [`tsallis_softargmax`].
pub fn tsallis_value<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    call(logits, options, dim, Output::Value).output()
}

/// The Tsallis divergence of [`tsallis_softargmax`] from its reference:
///
/// `D = sum_i q_i f(p_i / q_i)`, `f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1))`,
///
/// computed from the root, without the cancellation of `<p, x> - V`. For probabilities that do not come
/// from logits see
/// [`tsallis_divergence_from_probabilities`](crate::tsallis_divergence_from_probabilities).
///
/// # Arguments
/// As [`tsallis_softargmax`].
///
/// # Returns
/// Divergences, of the logits' shape with size 1 along `dim`.
///
/// # Panics
/// As [`tsallis_softargmax`].
pub fn tsallis_divergence<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions<D>>,
    dim: impl AsIndex,
) -> Tensor<D> {
    call(logits, options, dim, Output::Divergence).output()
}

/// The vector-Jacobian product `J^T c` of [`tsallis_softargmax`] in the logits, outside autodiff:
/// `k_i (c_i - <w, c>) / t` with `k_i = q_i u_i^(2 - alpha)` and `w = k / sum k`.
///
/// # Arguments
/// - `cotangent`: `c`, of the logits' shape; in another dtype it is cast to theirs.
/// - The others as [`tsallis_softargmax`].
///
/// # Returns
/// A constant to autodiff, of the logits' shape and dtype.
///
/// # Panics
/// As [`tsallis_softargmax`], and if the shape of `cotangent` is not that of the logits.
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

/// The Jacobian-vector product `J v` of [`tsallis_softargmax`] in the logits, outside autodiff: the
/// change of the probabilities when the logits move along `v`. The Jacobian is symmetric, so it is
/// [`tsallis_softargmax_vjp`] of `v`.
///
/// # Arguments
/// - `tangent`: `v`, of the logits' shape; in another dtype it is cast to theirs.
/// - The others as [`tsallis_softargmax`].
///
/// # Panics
/// As [`tsallis_softargmax_vjp`].
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

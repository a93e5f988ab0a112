use super::backend::arithmetic_dtype;
use super::{
    Output, Reference, ReferenceTensor, RowParameters, TsallisBackend, TsallisError, TsallisOptions,
};
use burn::Tensor;
use burn::backend::Dispatch;

/// The Tsallis softargmax of the logits along a dimension:
///
/// `p_i = q_i [1 + (alpha - 1)(x_i - mu)]_+^(1 / (alpha - 1))`, with `mu` such that `sum_i p_i = 1`.
///
/// It is the distribution that maximises `<p, x> - D_f(p || q)` for the Tsallis divergence of order
/// `alpha` to the reference `q` (arXiv 2601.12604): heavy-tailed for `alpha < 1`, the softmax of
/// `x + ln q` at `alpha = 1`, sparse for `alpha > 1`.
///
/// A logit of `-inf` is an entry that is not allowed: its probability and its gradient are zero and
/// it leaves every sum. A `NaN` or a `+inf` gives `NaN` in its row only, and so does a row without
/// an allowed entry.
///
/// The bounds of the tests are held to for `alpha` from -1 to 2. Above, probabilities close to the edge of
/// the support lose digits in `f32`, and a row may not sum to one by as much:
/// [`MAX_ALPHA`](super::MAX_ALPHA) has the figures.
///
/// Differentiable in the logits and in a [`Reference::Vector`], once: Burn's autodiff is
/// first-order.
///
/// # Arguments
/// - `logits`: any shape.
/// - `options`: the order `alpha`, or [`TsallisOptions`].
/// - `dim`: the dimension along which the probabilities sum to one. Negative dimensions count from
///   the end.
///
/// # Returns
/// Probabilities, of the logits' shape and dtype.
///
/// # Panics
/// - If `dim` is outside `[-D, D)`.
/// - If a reference vector has not as many entries as the logits along `dim`.
/// - If a number given as `options` is not an order: see [`TsallisOptions::new`].
pub fn tsallis_softargmax<const D: usize>(
    logits: Tensor<D>,
    options: impl Into<TsallisOptions>,
    dim: isize,
) -> Tensor<D> {
    try_tsallis_softargmax(logits, &options.into(), dim).unwrap_or_else(|error| panic!("{error}"))
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
    options: impl Into<TsallisOptions>,
    dim: isize,
) -> Tensor<D> {
    try_tsallis_log_softargmax(logits, &options.into(), dim)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// As [`tsallis_softargmax`].
///
/// # Errors
/// [`TsallisError::Dim`] if `dim` is outside `[-D, D)`.
///
/// # Panics
/// If a reference vector has not as many entries as the logits along `dim`: shapes panic, as Burn's do.
pub fn try_tsallis_softargmax<const D: usize>(
    logits: Tensor<D>,
    options: &TsallisOptions,
    dim: isize,
) -> Result<Tensor<D>, TsallisError> {
    along(logits, options, dim, Output::Probabilities)
}

/// As [`tsallis_log_softargmax`].
///
/// # Errors
/// [`TsallisError::Dim`] if `dim` is outside `[-D, D)`.
///
/// # Panics
/// If a reference vector has not as many entries as the logits along `dim`: shapes panic, as Burn's do.
pub fn try_tsallis_log_softargmax<const D: usize>(
    logits: Tensor<D>,
    options: &TsallisOptions,
    dim: isize,
) -> Result<Tensor<D>, TsallisError> {
    along(logits, options, dim, Output::LogProbabilities)
}

fn along<const D: usize>(
    logits: Tensor<D>,
    options: &TsallisOptions,
    dim: isize,
    output: Output,
) -> Result<Tensor<D>, TsallisError> {
    let rank = D as isize;
    if !(-rank..rank).contains(&dim) {
        return Err(TsallisError::Dim { dim, rank: D });
    }
    let dim = dim.rem_euclid(rank) as usize;
    let columns = logits.dims()[dim];
    let reference = match options.reference() {
        Reference::Uniform => ReferenceTensor::Uniform,
        Reference::Ones => ReferenceTensor::Ones,
        Reference::Vector(q) => {
            assert_eq!(
                q.dims()[0],
                columns,
                "a reference of {} entries does not fit logits of shape {:?} along dimension {dim}",
                q.dims()[0],
                logits.dims(),
            );
            let q = q.clone().cast(arithmetic_dtype(logits.dtype()));
            ReferenceTensor::Vector(q.into_dispatch())
        }
    };
    let parameters = RowParameters {
        alpha: options.alpha(),
        solver: options.solver(),
        output,
    };
    // The kernels reduce the last dimension; a strided one is a view here and one copy in the kernel.
    let rows = logits.swap_dims(dim, D - 1).into_dispatch();
    let (answer, _) = Dispatch::tsallis_forward(rows, reference, parameters);
    Ok(Tensor::from_dispatch(answer).swap_dims(dim, D - 1))
}

use crate::op::expanded;
use crate::{Alpha, EmptyRow, Reference, TsallisOptions, tsallis_softargmax};
use burn::Tensor;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Int};

/// Computes scaled dot-product attention with Tsallis softargmax weights:
///
/// `softargmax_alpha(Q K^T scale + bias) V`, with the reference measure `q = 1`.
///
/// At `alpha = 1` it equals [`burn::tensor::module::attention`]. For `alpha > 1` keys with low scores get a weight
/// of exactly zero. A query whose keys are all masked gets an output and a gradient of zero.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::ops::AttentionModuleOptions;
/// use burn::tensor::{Device, Distribution, Tensor};
/// use burn_tsallis::nn::attention::tsallis_attention;
///
/// let device = Device::flex();
/// let [q, k, v] = [(); 3].map(|()| {
///     Tensor::<4>::random([2, 8, 16, 32], Distribution::Normal(0.0, 1.0), &device)
/// });
/// let causal = AttentionModuleOptions { is_causal: true, ..Default::default() };
/// let context = tsallis_attention(q, k, v, 1.5, None, None, causal);
/// assert_eq!(context.dims(), [2, 8, 16, 32]);
/// # }
/// ```
///
/// # Arguments
/// - `query`: `[batch, heads, queries, size]`.
/// - `key`: `[batch, heads, keys, size]`.
/// - `value`: `[batch, heads, keys, value size]`.
/// - `alpha`: a number, or a tensor with size 1 along the keys and 1 or full along the other dimensions of the scores.
///   `[1, heads, 1, 1]` is one alpha for each head.
/// - `mask`: `true` where a key is masked; broadcasts to `[batch, heads, queries, keys]`.
/// - `bias`: added to the scaled scores; broadcasts to the same shape.
/// - `options`: the scale (default `1 / sqrt(size)`), the soft cap and causal masking, as in Burn's attention. The
///   causal mask aligns the last query with the last key.
///
/// # Returns
/// The context, `[batch, heads, queries, value size]`.
///
/// # Panics
/// If the shapes do not fit each other, if `alpha` is a number outside `-50..=50` or `NaN`, or if the soft cap is not
/// positive.
pub fn tsallis_attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    alpha: impl Into<Alpha<4>>,
    mask: Option<Tensor<4, Bool>>,
    bias: Option<Tensor<4>>,
    options: AttentionModuleOptions,
) -> Tensor<4> {
    tsallis_attention_weights(query, key, alpha, mask, bias, options).matmul(value)
}

/// Computes the weights of [`tsallis_attention`], `softargmax_alpha(Q K^T scale + bias)`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::attention::tsallis_attention_weights;
///
/// // Scores 2 and 0 at alpha = 2, the sparsemax: the second key gets no weight.
/// let device = Device::flex();
/// let query = Tensor::<4>::from_data([[[[2.0]]]], &device);
/// let key = Tensor::<4>::from_data([[[[1.0], [0.0]]]], &device);
/// let weights = tsallis_attention_weights(query, key, 2.0, None, None, Default::default());
/// assert_eq!(weights.into_data().as_slice::<f32>().unwrap(), [1.0, 0.0]);
/// # }
/// ```
///
/// # Arguments
/// - `query`: `[batch, heads, queries, size]`.
/// - `key`: `[batch, heads, keys, size]`.
/// - `alpha`, `mask`, `bias`, `options`: those of [`tsallis_attention`].
///
/// # Returns
/// The weights, `[batch, heads, queries, keys]`. They sum to one over the keys, or are all zero if every key is masked.
///
/// # Panics
/// If the shapes do not fit each other, if `alpha` is a number outside `-50..=50` or `NaN`, or if the soft cap is not
/// positive.
pub fn tsallis_attention_weights(
    query: Tensor<4>,
    key: Tensor<4>,
    alpha: impl Into<Alpha<4>>,
    mask: Option<Tensor<4, Bool>>,
    bias: Option<Tensor<4>>,
    options: AttentionModuleOptions,
) -> Tensor<4> {
    weights(masked_scores(query, key, mask, bias, options), alpha.into())
}

/// Computes `Q K^T scale + bias`, with `-inf` where any mask is `true`. Each mask broadcasts on its own.
pub(super) fn masked_scores(
    query: Tensor<4>,
    key: Tensor<4>,
    masks: impl IntoIterator<Item = Tensor<4, Bool>>,
    bias: Option<Tensor<4>>,
    options: AttentionModuleOptions,
) -> Tensor<4> {
    let [_, _, _, size] = query.dims();
    let scale = options.scale.unwrap_or_else(|| 1.0 / (size as f64).sqrt());
    // Scale the queries, which have fewer elements than the scores.
    let mut scores = query.mul_scalar(scale).matmul(key.transpose());
    if let Some(cap) = options.softcap {
        assert!(cap > 0.0, "softcap is {cap}: it must be positive");
        scores = scores.div_scalar(cap).tanh().mul_scalar(cap);
    }
    if let Some(bias) = bias {
        scores = scores + bias;
    }
    if options.is_causal {
        let causal = causal_mask(&scores);
        scores = scores.mask_fill(causal, f64::NEG_INFINITY);
    }
    for mask in masks {
        scores = scores.mask_fill(mask, f64::NEG_INFINITY);
    }
    scores
}

/// Computes the softargmax over the keys.
pub(super) fn weights(scores: Tensor<4>, alpha: Alpha<4>) -> Tensor<4> {
    let options = TsallisOptions::new(alpha)
        .with_reference(Reference::Ones)
        .with_empty_row(EmptyRow::Zero);
    tsallis_softargmax(scores, options, 3)
}

/// Computes the weights with an additional key, whose score and value are zero, and drops that key: the quiet softmax
/// at `alpha = 1`.
pub(super) fn quiet_weights(scores: Tensor<4>, alpha: Alpha<4>) -> Tensor<4> {
    let [batch, heads, queries, keys] = scores.dims();
    let zero_score = Tensor::zeros(
        [batch, heads, queries, 1],
        (&scores.device(), scores.dtype()),
    );
    weights(Tensor::cat(vec![scores, zero_score], 3), alpha).narrow(3, 0, keys)
}

/// Returns a mask `[1, 1, queries, keys]` that is `true` where a key is later than the query.
fn causal_mask(scores: &Tensor<4>) -> Tensor<4, Bool> {
    let [_, _, queries, keys] = scores.dims();
    let device = scores.device();
    let last_seen = Tensor::<1, Int>::arange(0..queries as i64, &device)
        .add_scalar(keys as i64 - queries as i64)
        .reshape([1, 1, queries, 1]);
    let key = Tensor::<1, Int>::arange(0..keys as i64, &device).reshape([1, 1, 1, keys]);
    let shape = [1, 1, queries, keys];
    expanded(key, shape).greater(expanded(last_seen, shape))
}

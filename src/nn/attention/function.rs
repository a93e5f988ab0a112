use crate::{Alpha, EmptyRow, Reference, TsallisOptions, tsallis_softargmax};
use burn::Tensor;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Int};

/// Scaled dot-product attention whose weights are a Tsallis softargmax:
///
/// `softargmax_alpha(Q K^T scale + bias) V`, with the reference `ones`,
///
/// what [`burn::tensor::module::attention`] is at `alpha = 1`. Above one a query leaves out the keys that
/// matter least altogether: their weights are exactly zero. A query that may see no key gets zeros,
/// and a gradient of zero.
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
/// - `alpha`: the order, a number, or a tensor with size 1 along the keys and 1 or full along the other
///   dimensions of the scores: `[1, heads, 1, 1]` is one for each head.
/// - `mask`: `true` where a key is masked; broadcasts to `[batch, heads, queries, keys]`.
/// - `bias`: added to the scaled scores; broadcasts to the same shape.
/// - `options`: scale (`1 / sqrt(size)` unless given), soft cap and causal masking, as Burn's attention
///   has them. The causal mask is aligned at the last query and the last key.
///
/// # Returns
/// The context, `[batch, heads, queries, value size]`.
///
/// # Panics
/// If shapes do not fit each other, if `alpha` is a number that is not an order, or if the soft cap is not
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

/// The weights of [`tsallis_attention`].
///
/// # Arguments
/// As [`tsallis_attention`].
///
/// # Returns
/// Weights, `[batch, heads, queries, keys]`, which sum to one over the keys, or are all zero where every
/// key is masked.
///
/// # Panics
/// As [`tsallis_attention`].
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

/// `Q K^T scale + bias`, `-inf` where a key is masked by one of the masks, each of which broadcasts by itself.
pub(super) fn masked_scores(
    query: Tensor<4>,
    key: Tensor<4>,
    masks: impl IntoIterator<Item = Tensor<4, Bool>>,
    bias: Option<Tensor<4>>,
    options: AttentionModuleOptions,
) -> Tensor<4> {
    let [_, _, _, size] = query.dims();
    let scale = options.scale.unwrap_or_else(|| 1.0 / (size as f64).sqrt());
    // The queries are fewer numbers than the scores.
    let mut scores = query.mul_scalar(scale).matmul(key.transpose());
    if let Some(cap) = options.softcap {
        assert!(cap > 0.0, "the soft cap must be positive, and is {cap}");
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

/// The softargmax over the keys.
pub(super) fn weights(scores: Tensor<4>, alpha: Alpha<4>) -> Tensor<4> {
    let options = TsallisOptions::new(alpha)
        .with_reference(Reference::Ones)
        .with_empty_row(EmptyRow::Zero);
    tsallis_softargmax(scores, options, 3)
}

/// The weights of one key more, whose score is zero and whose value nobody takes: what the quiet softmax
/// is at `alpha = 1`.
pub(super) fn quiet_weights(scores: Tensor<4>, alpha: Alpha<4>) -> Tensor<4> {
    let [batch, heads, queries, keys] = scores.dims();
    let zero_score = Tensor::zeros(
        [batch, heads, queries, 1],
        (&scores.device(), scores.dtype()),
    );
    weights(Tensor::cat(vec![scores, zero_score], 3), alpha).narrow(3, 0, keys)
}

/// `[1, 1, queries, keys]`, `true` where a key is later than the query.
fn causal_mask(scores: &Tensor<4>) -> Tensor<4, Bool> {
    let [_, _, queries, keys] = scores.dims();
    let device = scores.device();
    let last_seen = Tensor::<1, Int>::arange(0..queries as i64, &device)
        .add_scalar(keys as i64 - queries as i64)
        .reshape([1, 1, queries, 1]);
    let key = Tensor::<1, Int>::arange(0..keys as i64, &device).reshape([1, 1, 1, keys]);
    let shape = [1, 1, queries, keys];
    key.expand(shape).greater(last_seen.expand(shape))
}

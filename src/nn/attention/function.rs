use super::options::BlockMask;
use super::{TsallisAttentionOptions, TsallisAttentionOutput};
use crate::nn::empty::depending_on;
use crate::op::{
    AlphaTensor, AttentionInputs, AttentionParameters, OptionalMask, OptionalTensor,
    TsallisBackend, alpha_rows, check_broadcast, computed_dtype, expanded,
};
use crate::{Alpha, EmptyRow, Reference, TsallisOptions, tsallis_softargmax};
use burn::Tensor;
use burn::backend::Dispatch;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, DType, Int, TensorData};

/// Computes scaled dot-product attention with Tsallis softargmax weights:
///
/// `softargmax_alpha(Q K^T scale + bias) V`, with the reference measure `q = 1`.
///
/// The weights of all queries never exist at once: the memory beyond the inputs and the output grows with the number of
/// keys, and not with its product with the number of queries. The same holds for the backward pass, which computes the
/// scores again. [`tsallis_attention_with`] has more options, and [`tsallis_attention_weights`] returns the weights.
///
/// At `alpha = 1` it equals [`burn::tensor::module::attention`]. For `alpha > 1` keys with low scores get a weight
/// of exactly zero. A query whose keys are all masked gets an output and a gradient of zero.
///
/// A key that every query masks leaves no trace, even if it or its value is not finite. On the CPU a value that is not
/// finite reaches the queries that give it a positive weight; on other devices it makes the context of every query that
/// does not mask it `NaN`.
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
/// - `key`: `[batch, key heads, keys, size]`. The number of key heads divides the number of heads, and consecutive heads
///   share one.
/// - `value`: `[batch, key heads, keys, value size]`.
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
    let options = TsallisAttentionOptions {
        mask,
        bias,
        ..TsallisAttentionOptions::new(alpha).with_options(options)
    };
    tsallis_attention_with(query, key, value, &options)
}

/// Computes [`tsallis_attention`] with more options: a window, the lengths of the sequences, a block mask, and a null
/// score.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::attention::{TsallisAttentionOptions, tsallis_attention_with};
///
/// let device = Device::flex();
/// let zeros = Tensor::<4>::zeros([1, 1, 1, 4], &device);
/// let value = Tensor::<4>::from_data([[[[6.0]]]], &device);
/// // Two equal scores, one of them the null score.
/// let options = TsallisAttentionOptions::new(1.5).with_null_score(0.0);
/// let context = tsallis_attention_with(zeros.clone(), zeros, value, &options);
/// assert!((context.into_scalar::<f32>() - 3.0).abs() < 1e-5);
/// # }
/// ```
///
/// # Arguments
/// - `query`: `[batch, heads, queries, size]`.
/// - `key`: `[batch, key heads, keys, size]`. The number of key heads divides the number of heads, and consecutive heads
///   share one.
/// - `value`: `[batch, key heads, keys, value size]`.
///
/// # Returns
/// The context, `[batch, heads, queries, value size]`.
///
/// # Panics
/// If the shapes do not fit each other, if the soft cap is not positive, if the window or the size of the blocks of a
/// block mask is zero, if a key length is larger than the number of keys, or if the null score is not finite.
pub fn tsallis_attention_with(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    options: &TsallisAttentionOptions,
) -> Tensor<4> {
    attend(query, key, value, options, false).0
}

/// Computes [`tsallis_attention_with`], the root of each query and the number of keys that it attends to.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::attention::{TsallisAttentionOptions, tsallis_attention_with_statistics};
///
/// // Scores 2 and 0 at alpha = 2, the sparsemax: the second key gets no weight.
/// let device = Device::flex();
/// let query = Tensor::<4>::from_data([[[[2.0]]]], &device);
/// let key = Tensor::<4>::from_data([[[[1.0], [0.0]]]], &device);
/// let options = TsallisAttentionOptions::new(2.0);
/// let output = tsallis_attention_with_statistics(query, key.clone(), key, &options);
/// assert_eq!(output.support_size.into_scalar::<i64>(), 1);
/// // 1 + (2 - mu) is the weight of the first key.
/// assert_eq!(output.root.into_scalar::<f32>(), 2.0);
/// # }
/// ```
///
/// # Panics
/// If [`tsallis_attention_with`] panics for the same arguments.
pub fn tsallis_attention_with_statistics(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    options: &TsallisAttentionOptions,
) -> TsallisAttentionOutput {
    let (context, statistics) = attend(query, key, value, options, true);
    let [batch, heads, queries, _] = context.dims();
    let statistics = statistics.unwrap_or_else(|| {
        let values = [f32::NEG_INFINITY, 0.0].repeat(batch * heads * queries);
        let data = TensorData::new(values, [batch, heads, queries, 2]);
        Tensor::from_data(data, (&context.device(), context.dtype()))
    });
    let column = |i| {
        statistics
            .clone()
            .narrow(3, i, 1)
            .reshape([batch, heads, queries])
    };
    TsallisAttentionOutput {
        root: column(0),
        support_size: column(1).int(),
        context,
    }
}

/// Computes the context and, if there are any rows, their roots and support sizes.
fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    options: &TsallisAttentionOptions,
    with_statistics: bool,
) -> (Tensor<4>, Option<Tensor<4>>) {
    let Scores {
        batch,
        heads,
        key_heads,
        queries,
        keys,
        size,
    } = Scores::new(query.dims(), key.dims());
    let value_dims = value.dims();
    let [_, value_heads, _, value_size] = value_dims;
    let key_heads = key_heads.max(value_heads);
    let fits = [1, batch].contains(&value_dims[0])
        && [1, key_heads].contains(&value_heads)
        && value_dims[2] == keys
        && heads.checked_rem(key_heads).unwrap_or(0) == 0;
    assert!(
        fits,
        "a value of shape {value_dims:?} does not fit a query of shape {:?} and a key of shape {:?}",
        query.dims(),
        key.dims(),
    );
    let shape = [batch, heads, queries, keys];
    options.check(shape);
    for mask in [&options.mask, &options.padding].into_iter().flatten() {
        check_broadcast(mask.dims(), shape, "a mask");
    }
    if let Some(bias) = &options.bias {
        check_broadcast(bias.dims(), shape, "a bias");
    }
    let storage = query.dtype();
    let context_shape = [batch, heads, queries, value_size];
    if context_shape.contains(&0) || keys == 0 {
        let zeros = Tensor::zeros(context_shape, (&query.device(), storage));
        let bias = options.bias.iter().map(|bias| bias.clone().sum());
        let inputs = [query.sum(), key.sum(), value.sum()];
        return (depending_on(zeros, inputs.into_iter().chain(bias)), None);
    }
    let arithmetic = computed_dtype(&query.device(), query.dtype());
    // The device may not compute in double precision.
    let dtype = match storage {
        DType::F64 => arithmetic,
        _ => storage,
    };
    let input = |x: Tensor<4>, shape| x.cast(dtype).expand(shape).into_dispatch();
    let mask = |mask: Option<&Tensor<4, Bool>>| match mask {
        None => OptionalMask::None,
        Some(mask) => OptionalMask::Some(mask.clone().into_dispatch()),
    };
    let block_mask = options.block_mask.as_ref();
    let rows = [batch, heads, queries, 1];
    let inputs = AttentionInputs {
        query: input(query, [batch, heads, queries, size]),
        key: input(key, [batch, key_heads, keys, size]),
        value: input(value, [batch, key_heads, keys, value_size]),
        alpha: match &options.alpha {
            Alpha::Number(_) => AlphaTensor::Number,
            Alpha::Tensor(alpha) => {
                AlphaTensor::Rows(alpha_rows(alpha.clone(), rows, 3, arithmetic).into_dispatch())
            }
        },
        bias: match &options.bias {
            None => OptionalTensor::None,
            Some(bias) => OptionalTensor::Some(bias.clone().cast(arithmetic).into_dispatch()),
        },
        mask: mask(options.mask.as_ref()),
        padding: mask(options.padding.as_ref()),
        block_mask: mask(block_mask.map(|blocks| &blocks.mask)),
    };
    let parameters = AttentionParameters {
        alpha: match options.alpha {
            Alpha::Number(alpha) => alpha,
            // Not used: each row has its own alpha.
            Alpha::Tensor(_) => 1.0,
        },
        scale: scale(&options.options, size),
        softcap: options.options.softcap,
        is_causal: options.options.is_causal,
        window: options.window,
        key_lengths: options.key_lengths.clone(),
        block_size: block_mask.map_or([queries, keys], |blocks| blocks.size),
        null_score: options.null_score,
        with_statistics,
    };
    let output = Dispatch::tsallis_attention(inputs, parameters);
    let statistics = output.statistics.into_option().map(Tensor::from_dispatch);
    let context = Tensor::<4>::from_dispatch(output.context).cast(storage);
    (context, statistics)
}

impl TsallisAttentionOptions {
    fn check(&self, scores: [usize; 4]) {
        let [batch, heads, queries, keys] = scores;
        check_softcap(&self.options);
        assert!(
            self.window != Some(0),
            "window is 0: it must be at least 1, since a window of 1 is the key at the query's own position"
        );
        if let Some(lengths) = &self.key_lengths {
            assert!(
                lengths.len() == batch,
                "key_lengths has {} numbers: it must have one for each of the {batch} sequences",
                lengths.len()
            );
            if let Some((i, length)) = lengths
                .iter()
                .enumerate()
                .find(|&(_, &length)| length > keys)
            {
                panic!(
                    "key_lengths[{i}] is {length}: it must be at most {keys}, the number of keys"
                );
            }
        }
        if let Some(BlockMask { mask, size }) = &self.block_mask {
            assert!(
                !size.contains(&0),
                "the blocks of a block mask have size {size:?}: both sizes must be at least 1"
            );
            let [mask_batch, mask_heads, query_blocks, key_blocks] = mask.dims();
            let want = [queries.div_ceil(size[0]), keys.div_ceil(size[1])];
            let fits = [1, batch].contains(&mask_batch)
                && [1, heads].contains(&mask_heads)
                && [query_blocks, key_blocks] == want;
            assert!(
                fits,
                "a block mask of shape {:?} does not fit scores of shape {scores:?} in blocks of {size:?}: it must have \
                 shape [{batch} or 1, {heads} or 1, {}, {}]",
                mask.dims(),
                want[0],
                want[1],
            );
        }
        if let Some(null_score) = self.null_score {
            assert!(
                null_score.is_finite(),
                "null_score is {null_score}: it must be a finite number"
            );
        }
    }
}

fn check_softcap(options: &AttentionModuleOptions) {
    if let Some(cap) = options.softcap {
        assert!(cap > 0.0, "softcap is {cap}: it must be positive");
    }
}

fn scale(options: &AttentionModuleOptions, size: usize) -> f64 {
    options.scale.unwrap_or_else(|| 1.0 / (size as f64).sqrt())
}

/// The sizes of the scores of a query and a key.
struct Scores {
    batch: usize,
    heads: usize,
    key_heads: usize,
    queries: usize,
    keys: usize,
    size: usize,
}

impl Scores {
    /// A query and a key with one sequence or one head are used for all.
    fn new(query: [usize; 4], key: [usize; 4]) -> Self {
        let one_or_equal = |a: usize, b: usize| a == b || a == 1 || b == 1;
        assert!(
            one_or_equal(query[0], key[0]) && query[3] == key[3],
            "a key of shape {key:?} does not fit a query of shape {query:?}: the first sizes must be equal or 1, and \
             the last sizes must be equal"
        );
        assert!(
            query[3] > 0,
            "a query of shape {query:?} has no features: the last size must be at least 1"
        );
        let either = |a: usize, b: usize| if a == 1 { b } else { a };
        let heads = either(query[1], key[1]);
        assert!(
            heads.checked_rem(key[1]).unwrap_or(0) == 0,
            "the query has {heads} heads and the key has {}: the heads of the key must divide those of the query",
            key[1]
        );
        Self {
            batch: either(query[0], key[0]),
            heads,
            key_heads: key[1],
            queries: query[2],
            keys: key[2],
            size: query[3],
        }
    }
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
    let Scores {
        batch,
        heads,
        key_heads,
        queries,
        keys,
        size,
    } = Scores::new(query.dims(), key.dims());
    check_softcap(&options);
    // Scale the queries, which have fewer elements than the scores.
    let query = query.mul_scalar(scale(&options, size));
    let shape = [batch, heads, queries, keys];
    if shape.contains(&0) {
        let zeros = Tensor::zeros(shape, (&query.device(), query.dtype()));
        return depending_on(zeros, [query.sum(), key.sum()]);
    }
    let masks: Vec<_> = masks.into_iter().collect();
    let key = masks.iter().fold(key, without_masked_keys);
    let mut scores = if key_heads == 1 || key_heads == heads {
        query.matmul(key.transpose())
    } else {
        let group = heads / key_heads;
        let [query_batch, ..] = query.dims();
        let query = query.reshape([query_batch, key_heads, group * queries, size]);
        query.matmul(key.transpose()).reshape(shape)
    };
    if let Some(cap) = options.softcap {
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

/// Multiplies the weights by the values. The result is zero if there is no key.
pub(super) fn context(weights: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
    let [batch, heads, queries, keys] = weights.dims();
    let shape = [batch, heads, queries, value.dims()[3]];
    if shape.contains(&0) || keys == 0 {
        let zeros = Tensor::zeros(shape, (&value.device(), value.dtype()));
        return depending_on(zeros, [weights.sum(), value.sum()]);
    }
    weights.matmul(value)
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

/// Sets the keys, or values, that a mask hides from every query to zero. The mask must have the heads of the keys or one.
pub(super) fn without_masked_keys(x: Tensor<4>, mask: &Tensor<4, Bool>) -> Tensor<4> {
    let [batch, heads, keys, size] = x.dims();
    let [mask_batch, mask_heads, _, _] = mask.dims();
    if ![1, heads].contains(&mask_heads) || x.dims().contains(&0) || mask.dims().contains(&0) {
        return x;
    }
    let shape = [batch.max(mask_batch), heads, keys, size];
    let hidden = mask.clone().all_dim(2).swap_dims(2, 3);
    x.expand(shape).mask_fill(hidden.expand(shape), 0.0)
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

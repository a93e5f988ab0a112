use crate::nn::cache::TensorCache;
use burn::Tensor;

/// The cache of a [`TsallisMultiHeadAttention`](super::TsallisMultiHeadAttention) while a sequence is decoded one token
/// at a time. Works like Burn's [`MhaCache`](burn::nn::attention::MhaCache).
///
/// Every call after the first must add at least one position. In self-attention, mask each query from later keys: the
/// cached contexts of earlier positions are not updated.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::attention::generate_autoregressive_mask;
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::attention::{
///     TsallisMhaCache, TsallisMhaInput, TsallisMultiHeadAttentionConfig,
/// };
///
/// let device = Device::flex();
/// let attention = TsallisMultiHeadAttentionConfig::new(8, 2).init(&device);
/// let mut cache = TsallisMhaCache::autoregressive();
/// for length in 1..=3 {
///     let input = TsallisMhaInput::self_attn(Tensor::zeros([1, length, 8], &device))
///         .mask_attn(generate_autoregressive_mask(1, length, &device));
///     let output = attention.forward_cache(input, &mut cache);
///     assert_eq!(output.context.dims(), [1, length, 8]);
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisMhaCache {
    pub(super) query: Projection<4>,
    pub(super) key: Projection<4>,
    pub(super) value: Projection<4>,
    pub(super) output: Projection<3>,
}

/// The cached output of one linear layer.
#[derive(Clone, Debug)]
pub(super) enum Projection<const D: usize> {
    /// For a sequence that grows along this dimension of the output.
    Growing(TensorCache<D>, usize),
    /// For a sequence that does not change.
    Full(TensorCache<D>),
}

impl TsallisMhaCache {
    /// Creates an empty cache for self-attention: queries, keys and values grow.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::attention::{
    ///     TsallisMhaCache, TsallisMhaInput, TsallisMultiHeadAttentionConfig,
    /// };
    ///
    /// let device = Device::flex();
    /// let attention = TsallisMultiHeadAttentionConfig::new(8, 2).init(&device);
    /// let mut cache = TsallisMhaCache::autoregressive();
    /// let input = TsallisMhaInput::self_attn(Tensor::zeros([1, 3, 8], &device));
    /// assert_eq!(attention.forward_cache(input, &mut cache).weights.dims(), [1, 2, 3, 3]);
    /// # }
    /// ```
    pub fn autoregressive() -> Self {
        Self {
            query: Projection::Growing(TensorCache::empty(), 2),
            key: Projection::Growing(TensorCache::empty(), 2),
            value: Projection::Growing(TensorCache::empty(), 2),
            output: Projection::Growing(TensorCache::empty(), 1),
        }
    }

    /// Creates an empty cache for cross-attention: queries grow, keys and values are those of the first call.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::attention::{
    ///     TsallisMhaCache, TsallisMhaInput, TsallisMultiHeadAttentionConfig,
    /// };
    ///
    /// let device = Device::flex();
    /// let attention = TsallisMultiHeadAttentionConfig::new(8, 2).init(&device);
    /// let mut cache = TsallisMhaCache::autoregressive_cross_attention();
    /// let memory = Tensor::zeros([1, 5, 8], &device);
    /// for queries in 1..=3 {
    ///     let input = TsallisMhaInput::new(
    ///         Tensor::zeros([1, queries, 8], &device),
    ///         memory.clone(),
    ///         memory.clone(),
    ///     );
    ///     let weights = attention.forward_cache(input, &mut cache).weights;
    ///     assert_eq!(weights.dims(), [1, 2, queries, 5]);
    /// }
    /// # }
    /// ```
    pub fn autoregressive_cross_attention() -> Self {
        Self {
            key: Projection::Full(TensorCache::empty()),
            value: Projection::Full(TensorCache::empty()),
            ..Self::autoregressive()
        }
    }
}

impl<const D: usize> Projection<D> {
    pub fn forward(
        &mut self,
        sequence: Tensor<3>,
        layer: impl Fn(Tensor<3>) -> Tensor<D>,
    ) -> Tensor<D> {
        match self {
            Self::Growing(cache, dim) => cache.append(sequence, *dim, layer),
            Self::Full(cache) => cache.get_or_compute(sequence, layer),
        }
    }
}

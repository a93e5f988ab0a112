use crate::{Alpha, TsallisOptions};
use burn::Tensor;
use burn::tensor::Bool;
use burn::tensor::ops::AttentionModuleOptions;

/// The options of [`tsallis_attention_with`](super::tsallis_attention_with): alpha, the masks and the bias.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::ops::AttentionModuleOptions;
/// use burn::tensor::{Device, Distribution, Tensor};
/// use burn_tsallis::nn::attention::{TsallisAttentionOptions, tsallis_attention_with};
///
/// let device = Device::flex();
/// let random = |heads| Tensor::<4>::random([2, heads, 16, 32], Distribution::Normal(0.0, 1.0), &device);
/// // Eight heads of queries share two heads of keys, and each query attends to itself and the three keys before it.
/// let options = TsallisAttentionOptions::new(1.5)
///     .with_options(AttentionModuleOptions { is_causal: true, ..Default::default() })
///     .with_window(4);
/// let context = tsallis_attention_with(random(8), random(2), random(2), &options);
/// assert_eq!(context.dims(), [2, 8, 16, 32]);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisAttentionOptions {
    pub(super) alpha: Alpha<4>,
    pub(super) mask: Option<Tensor<4, Bool>>,
    pub(super) padding: Option<Tensor<4, Bool>>,
    pub(super) bias: Option<Tensor<4>>,
    pub(super) options: AttentionModuleOptions,
    pub(super) window: Option<usize>,
    pub(super) key_lengths: Option<Vec<usize>>,
    pub(super) block_mask: Option<BlockMask>,
    pub(super) null_score: Option<f64>,
}

/// A mask of blocks of scores, and the number of queries and of keys in a block.
#[derive(Clone, Debug)]
pub(super) struct BlockMask {
    pub mask: Tensor<4, Bool>,
    pub size: [usize; 2],
}

impl TsallisAttentionOptions {
    /// Creates options without masks.
    ///
    /// `alpha` is a number, or a tensor with size 1 along the keys and 1 or full along the other dimensions of the
    /// scores. `[1, heads, 1, 1]` is one alpha for each head.
    ///
    /// # Panics
    ///
    /// If `alpha` is a number outside `-50..=50` or `NaN`.
    pub fn new(alpha: impl Into<Alpha<4>>) -> Self {
        let alpha = alpha.into();
        // Checks a number.
        let _ = TsallisOptions::<4>::new(alpha.clone());
        Self {
            alpha,
            mask: None,
            padding: None,
            bias: None,
            options: AttentionModuleOptions::default(),
            window: None,
            key_lengths: None,
            block_mask: None,
            null_score: None,
        }
    }

    /// Sets the mask, which is `true` where a key is masked. It broadcasts to `[batch, heads, queries, keys]`.
    #[must_use]
    pub fn with_mask(mut self, mask: Tensor<4, Bool>) -> Self {
        self.mask = Some(mask);
        self
    }

    /// Sets a second mask, such as the padding of each sequence, `[batch, 1, 1, keys]`. It broadcasts on its own.
    #[must_use]
    pub fn with_padding(mut self, padding: Tensor<4, Bool>) -> Self {
        self.padding = Some(padding);
        self
    }

    /// Sets the bias, which is added to the scaled scores. It broadcasts to `[batch, heads, queries, keys]`.
    ///
    /// The gradient has the shape of the bias: that of a bias of the full shape has as many entries as all scores.
    #[must_use]
    pub fn with_bias(mut self, bias: Tensor<4>) -> Self {
        self.bias = Some(bias);
        self
    }

    /// Sets the scale (default `1 / sqrt(size)`), the soft cap and causal masking, as in Burn's attention. The causal
    /// mask aligns the last query with the last key.
    #[must_use]
    pub fn with_options(mut self, options: AttentionModuleOptions) -> Self {
        self.options = options;
        self
    }

    /// Masks the keys at a distance of `window` and more from the query: a query attends to itself and to `window - 1`
    /// keys before it and, if the mask is not causal, after it. The last query is at the position of the last key.
    #[must_use]
    pub fn with_window(mut self, window: usize) -> Self {
        self.window = Some(window);
        self
    }

    /// Sets the number of keys of each sequence of the batch. The keys after them are masked. The position of the
    /// queries does not depend on it.
    #[must_use]
    pub fn with_key_lengths(mut self, key_lengths: Vec<usize>) -> Self {
        self.key_lengths = Some(key_lengths);
        self
    }

    /// Sets a mask of blocks of `size[0]` queries and `size[1]` keys, which is `true` where a block is masked.
    ///
    /// Its shape is `[batch or 1, heads or 1, queries / size[0], keys / size[1]]`, rounded up. The first block begins at
    /// the first query and the first key, and the last block may be smaller.
    ///
    /// On the CPU, blocks of keys that no query of a slab of 32 to 128 queries needs are neither computed nor read.
    /// Blocks of fewer than 32 queries or keys therefore save little. Other devices compute all blocks.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Distribution, Tensor};
    /// use burn_tsallis::nn::attention::{TsallisAttentionOptions, tsallis_attention_with};
    ///
    /// let device = Device::flex();
    /// let random = |length| {
    ///     Tensor::<4>::random([1, 2, length, 16], Distribution::Normal(0.0, 1.0), &device)
    /// };
    /// let (query, key, value) = (random(100), random(192), random(192));
    /// // Two blocks of queries by three blocks of keys. The first queries attend to the first keys only, the others to
    /// // the first and the last.
    /// let mask = Tensor::<4, Bool>::from_data([[[[false, true, true], [false, true, false]]]], &device);
    /// let options = TsallisAttentionOptions::new(1.5).with_block_mask(mask, [64, 64]);
    /// let context = tsallis_attention_with(query, key, value, &options);
    /// assert_eq!(context.dims(), [1, 2, 100, 16]);
    /// # }
    /// ```
    #[must_use]
    pub fn with_block_mask(mut self, mask: Tensor<4, Bool>, size: [usize; 2]) -> Self {
        self.block_mask = Some(BlockMask { mask, size });
        self
    }

    /// Adds a key with this score and a value of zero, so that a head can attend to nothing: the quiet softmax at
    /// `alpha = 1` and a score of zero.
    #[must_use]
    pub fn with_null_score(mut self, null_score: f64) -> Self {
        self.null_score = Some(null_score);
        self
    }
}

/// The result of [`tsallis_attention_with_statistics`](super::tsallis_attention_with_statistics).
#[derive(Clone, Debug)]
pub struct TsallisAttentionOutput {
    /// The context, `[batch, heads, queries, value size]`.
    pub context: Tensor<4>,
    /// The root `mu` of each query, `[batch, heads, queries]`: the weight of a key with score `x` is
    /// `[1 + (alpha - 1)(x - mu)]_+^(1 / (alpha - 1))`. It is the logarithm of the sum of exponentials at `alpha = 1`,
    /// and `-inf` if every key is masked. Autodiff treats it as a constant.
    pub root: Tensor<3>,
    /// The number of keys with a positive weight, `[batch, heads, queries]`.
    pub support_size: Tensor<3, burn::tensor::Int>,
}

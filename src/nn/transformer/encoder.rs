use super::layer::{residual, with_caches};
#[cfg(doc)]
use crate::nn::attention::TsallisMultiHeadAttentionConfig;
use crate::nn::attention::{TsallisMhaCache, TsallisMhaInput, TsallisMultiHeadAttention};
use crate::nn::cache::TensorCache;
use crate::nn::display::one_line;
use crate::nn::empty::depending_on;
use crate::nn::error::or_panic;
use crate::nn::{AlphaConfig, ModuleConfigError};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay};
use burn::nn::activation::ActivationConfig;
use burn::nn::transformer::PositionWiseFeedForward;
use burn::nn::{Dropout, LayerNorm};
use burn::tensor::{Bool, Device};

/// Configuration of a [`TsallisTransformerEncoder`]. Create the encoder with [`init`](Self::init).
///
/// It has the fields of Burn's
/// [`TransformerEncoderConfig`](burn::nn::transformer::TransformerEncoderConfig), and `alpha`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::nn::AlphaConfig;
/// use burn_tsallis::nn::transformer::TsallisTransformerEncoderConfig;
///
/// let encoder = TsallisTransformerEncoderConfig::new(32, 64, 4, 2)
///     .with_alpha(AlphaConfig::learned(1.5))
///     .with_norm_first(true)
///     .init(&Device::flex());
/// assert_eq!(encoder.layers.len(), 2);
/// # }
/// ```
#[derive(Config, Debug)]
pub struct TsallisTransformerEncoderConfig {
    /// The model width: the feature size of inputs and outputs.
    pub d_model: usize,
    /// The hidden size of the position-wise feed-forward networks.
    pub d_ff: usize,
    /// The number of attention heads. It must divide `d_model`.
    pub n_heads: usize,
    /// The number of layers.
    pub n_layers: usize,
    /// The alpha values of the attention in every layer; see [`TsallisMultiHeadAttentionConfig::alpha`]. Each layer
    /// learns its own values. Default: 1.5, fixed.
    #[config(default = "AlphaConfig::fixed(1.5)")]
    pub alpha: AlphaConfig,
    /// The dropout rate. Default: 0.1.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Whether the layers are normalized before attention and feed-forward network (pre-norm) instead of after them
    /// (post-norm). Default: false.
    #[config(default = false)]
    pub norm_first: bool,
    /// Whether a head can attend to nothing; see [`TsallisMultiHeadAttentionConfig::quiet_softmax`]. Default: false.
    #[config(default = false)]
    pub quiet_softmax: bool,
    /// The initializer of the linear layers. Default: that of Burn's encoder.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
    /// The activation of the feed-forward networks. Default: Gelu.
    #[config(default = "ActivationConfig::Gelu")]
    pub activation: ActivationConfig,
    /// The epsilon of the layer normalizations. Default: 1e-5.
    #[config(default = 1e-5)]
    pub layer_norm_eps: f64,
}

impl TsallisTransformerEncoderConfig {
    /// Creates the encoder.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::transformer::TsallisTransformerEncoderConfig;
    ///
    /// let encoder = TsallisTransformerEncoderConfig::new(32, 64, 4, 2).init(&Device::flex());
    /// assert_eq!(encoder.n_layers, 2);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_init`](Self::try_init) returns an error, with the message of that error.
    pub fn init(&self, device: &Device) -> TsallisTransformerEncoder {
        or_panic(self.try_init(device))
    }

    /// Creates the encoder, or returns an error.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::transformer::TsallisTransformerEncoderConfig;
    ///
    /// // Three heads do not divide ten features.
    /// let config = TsallisTransformerEncoderConfig::new(10, 64, 3, 2);
    /// assert!(config.try_init(&Device::flex()).is_err());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ModuleConfigError`] if `d_model` is not a positive multiple of `n_heads`, or if alpha or the dropout
    /// rate is invalid.
    pub fn try_init(
        &self,
        device: &Device,
    ) -> Result<TsallisTransformerEncoder, ModuleConfigError> {
        let layers = (0..self.n_layers)
            .map(|_| TsallisTransformerEncoderLayer::try_new(self, device))
            .collect::<Result<_, _>>()?;
        Ok(TsallisTransformerEncoder {
            layers,
            d_model: self.d_model,
            d_ff: self.d_ff,
            n_heads: self.n_heads,
            n_layers: self.n_layers,
            dropout: self.dropout,
            norm_first: self.norm_first,
            quiet_softmax: self.quiet_softmax,
        })
    }
}

/// A transformer encoder whose attention is [`TsallisMultiHeadAttention`].
///
/// It replaces Burn's [`TransformerEncoder`](burn::nn::transformer::TransformerEncoder). A layer computes
///
/// `y = norm_1(x + attention(x))`, `z = norm_2(y + pwff(y))`,
///
/// or, if `norm_first` is set, `y = x + attention(norm_2(x))`, `z = y + pwff(norm_1(y))`.
///
/// Sources: the encoder, Vaswani et al., Attention is all you need, arXiv 1706.03762; an alpha learned for each
/// head, Correia, Niculae and Martins, Adaptively sparse transformers, arXiv 1909.00015.
///
/// The encoder loads a record of Burn's encoder; if alpha is learned, use `record.allow_partial(true)`. At `alpha = 1`
/// it computes the same function, except for a query whose keys are all masked; see [`TsallisMultiHeadAttention`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::AlphaConfig;
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
/// };
///
/// let device = Device::flex();
/// let encoder = TsallisTransformerEncoderConfig::new(32, 64, 4, 2)
///     .with_alpha(AlphaConfig::learned(1.5))
///     .init(&device);
/// let x = Tensor::zeros([2, 7, 32], &device);
/// let y = encoder.forward(TsallisTransformerEncoderInput::new(x));
/// assert_eq!(y.dims(), [2, 7, 32]);
/// # }
/// ```
///
/// Created by [`TsallisTransformerEncoderConfig`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct TsallisTransformerEncoder {
    /// The layers.
    pub layers: Vec<TsallisTransformerEncoderLayer>,
    /// The model width: the feature size of inputs and outputs.
    pub d_model: usize,
    /// The hidden size of the feed-forward networks.
    pub d_ff: usize,
    /// The number of attention heads.
    pub n_heads: usize,
    /// The number of layers.
    pub n_layers: usize,
    /// The dropout rate.
    pub dropout: f64,
    /// Whether the layers are normalized before attention and feed-forward network (pre-norm).
    pub norm_first: bool,
    /// Whether a head can attend to nothing.
    pub quiet_softmax: bool,
}

impl ModuleDisplay for TsallisTransformerEncoder {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        one_line()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let alpha = self
            .layers
            .first()
            .map(|layer| layer.mha.alpha.summary())
            .unwrap_or_default();
        content
            .add("d_model", &self.d_model)
            .add("d_ff", &self.d_ff)
            .add("n_heads", &self.n_heads)
            .add("n_layers", &self.n_layers)
            .add("alpha", alpha.as_str())
            .add("dropout", &self.dropout)
            .add("norm_first", &self.norm_first)
            .add("quiet_softmax", &self.quiet_softmax)
            .optional()
    }
}

/// The input of [`TsallisTransformerEncoder`], like Burn's
/// [`TransformerEncoderInput`](burn::nn::transformer::TransformerEncoderInput).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::attention::generate_autoregressive_mask;
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
/// };
///
/// let device = Device::flex();
/// let encoder = TsallisTransformerEncoderConfig::new(8, 16, 2, 1).init(&device);
/// let causal = TsallisTransformerEncoderInput::new(Tensor::zeros([2, 5, 8], &device))
///     .mask_attn(generate_autoregressive_mask(2, 5, &device));
/// assert_eq!(encoder.forward(causal).dims(), [2, 5, 8]);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisTransformerEncoderInput {
    tensor: Tensor<3>,
    mask_pad: Option<Tensor<2, Bool>>,
    mask_attn: Option<Tensor<3, Bool>>,
}

impl TsallisTransformerEncoderInput {
    /// Creates an input without masks.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let encoder = TsallisTransformerEncoderConfig::new(8, 16, 2, 1).init(&device);
    /// let input = TsallisTransformerEncoderInput::new(Tensor::zeros([2, 5, 8], &device));
    /// assert_eq!(encoder.forward(input).dims(), [2, 5, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - tensor: `[batch, length, d_model]`
    pub fn new(tensor: Tensor<3>) -> Self {
        Self {
            tensor,
            mask_pad: None,
            mask_attn: None,
        }
    }

    /// Sets the padding mask, which is `true` for padding.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let encoder = TsallisTransformerEncoderConfig::new(8, 16, 2, 1).init(&device);
    /// let padding = Tensor::<2, Bool>::from_data([[false, false, true]], &device);
    /// let input = TsallisTransformerEncoderInput::new(Tensor::zeros([1, 3, 8], &device))
    ///     .mask_pad(padding);
    /// assert_eq!(encoder.forward(input).dims(), [1, 3, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - `mask_pad`: `[batch, length]`, or `[1, length]` for every sequence
    pub fn mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.mask_pad = Some(mask_pad);
        self
    }

    /// Sets the attention mask, which is `true` where a position must not attend to another.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::nn::attention::generate_autoregressive_mask;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let encoder = TsallisTransformerEncoderConfig::new(8, 16, 2, 1).init(&device);
    /// let input = TsallisTransformerEncoderInput::new(Tensor::zeros([2, 3, 8], &device))
    ///     .mask_attn(generate_autoregressive_mask(1, 3, &device));
    /// assert_eq!(encoder.forward(input).dims(), [2, 3, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - `mask_attn`: `[batch, length, length]`, or `[1, length, length]` for every sequence
    pub fn mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.mask_attn = Some(mask_attn);
        self
    }
}

impl TsallisTransformerEncoder {
    /// Encodes a batch of sequences.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let encoder = TsallisTransformerEncoderConfig::new(8, 16, 2, 3).init(&device);
    /// let input = TsallisTransformerEncoderInput::new(Tensor::zeros([2, 5, 8], &device));
    /// assert_eq!(encoder.forward(input).dims(), [2, 5, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - input and output: `[batch, length, d_model]`
    ///
    /// # Panics
    /// If the last dimension of the input is not `d_model`, or if a mask does not broadcast to the sequences.
    pub fn forward(&self, input: TsallisTransformerEncoderInput) -> Tensor<3> {
        self.layers.iter().fold(input.tensor, |x, layer| {
            layer.forward(x, input.mask_pad.clone(), input.mask_attn.clone())
        })
    }

    /// Encodes sequences that are decoded one token at a time.
    ///
    /// The input holds the whole sequences so far. The first call processes all of them; later calls process only the
    /// new positions and take the rest from the cache, which
    /// [`new_autoregressive_cache`](Self::new_autoregressive_cache) creates. Every later call must add at least one
    /// position. The output equals that of [`forward`](Self::forward) only if each query is masked from later keys.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let encoder = TsallisTransformerEncoderConfig::new(8, 16, 2, 1).init(&device);
    /// let mut cache = encoder.new_autoregressive_cache();
    /// for length in 1..=3 {
    ///     let so_far = TsallisTransformerEncoderInput::new(Tensor::zeros([1, length, 8], &device));
    ///     let output = encoder.forward_autoregressive_inference(so_far, &mut cache);
    ///     assert_eq!(output.dims(), [1, length, 8]);
    /// }
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - input and output: `[batch, length, d_model]`
    ///
    /// # Panics
    /// If the last dimension of the input is not `d_model`, if a mask does not broadcast to the sequences, or if the
    /// cache was created by an encoder with another number of layers.
    pub fn forward_autoregressive_inference(
        &self,
        input: TsallisTransformerEncoderInput,
        cache: &mut TsallisTransformerEncoderAutoregressiveCache,
    ) -> Tensor<3> {
        let mut x = input.tensor;
        for (layer, cache) in with_caches(&self.layers, &mut cache.layers) {
            let (mask_pad, mask_attn) = (input.mask_pad.clone(), input.mask_attn.clone());
            x = layer.forward_autoregressive_inference(x, mask_pad, mask_attn, cache);
        }
        x
    }

    /// Creates an empty cache for
    /// [`forward_autoregressive_inference`](Self::forward_autoregressive_inference).
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let encoder = TsallisTransformerEncoderConfig::new(8, 16, 2, 1).init(&device);
    /// let mut cache = encoder.new_autoregressive_cache();
    /// let input = TsallisTransformerEncoderInput::new(Tensor::zeros([1, 1, 8], &device));
    /// assert_eq!(encoder.forward_autoregressive_inference(input, &mut cache).dims(), [1, 1, 8]);
    /// # }
    /// ```
    pub fn new_autoregressive_cache(&self) -> TsallisTransformerEncoderAutoregressiveCache {
        TsallisTransformerEncoderAutoregressiveCache {
            layers: vec![
                TsallisTransformerEncoderLayerAutoregressiveCache::empty();
                self.layers.len()
            ],
        }
    }
}

/// A layer of [`TsallisTransformerEncoder`]: attention and a feed-forward network, each with a residual connection.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderLayer,
/// };
///
/// let device = Device::flex();
/// let config = TsallisTransformerEncoderConfig::new(8, 16, 2, 1);
/// let layer = TsallisTransformerEncoderLayer::new(&config, &device);
/// let y = layer.forward(Tensor::zeros([2, 5, 8], &device), None, None);
/// assert_eq!(y.dims(), [2, 5, 8]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct TsallisTransformerEncoderLayer {
    /// The self-attention.
    pub mha: TsallisMultiHeadAttention,
    /// The feed-forward network.
    pub pwff: PositionWiseFeedForward,
    /// The normalization between the attention and the feed-forward network.
    pub norm_1: LayerNorm,
    /// The normalization before the attention if `norm_first` is set, otherwise that of the output.
    pub norm_2: LayerNorm,
    /// The dropout of the attention and feed-forward outputs, before they are added to the residual.
    pub dropout: Dropout,
    /// Whether the layer is normalized before attention and feed-forward network (pre-norm).
    pub norm_first: bool,
}

impl TsallisTransformerEncoderLayer {
    /// Creates a layer of the configured encoder.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderLayer,
    /// };
    ///
    /// let config = TsallisTransformerEncoderConfig::new(8, 16, 2, 1);
    /// let layer = TsallisTransformerEncoderLayer::new(&config, &Device::flex());
    /// assert_eq!(layer.mha.n_heads, 2);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_new`](Self::try_new) returns an error, with the message of that error.
    pub fn new(config: &TsallisTransformerEncoderConfig, device: &Device) -> Self {
        or_panic(Self::try_new(config, device))
    }

    /// Creates a layer of the configured encoder, or returns an error.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderLayer,
    /// };
    ///
    /// let config = TsallisTransformerEncoderConfig::new(8, 16, 2, 1).with_dropout(1.0);
    /// assert!(TsallisTransformerEncoderLayer::try_new(&config, &Device::flex()).is_err());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ModuleConfigError`] if `d_model` is not a positive multiple of `n_heads`, or if alpha or the dropout
    /// rate is invalid.
    pub fn try_new(
        config: &TsallisTransformerEncoderConfig,
        device: &Device,
    ) -> Result<Self, ModuleConfigError> {
        Ok(Self {
            mha: config.attention(device)?,
            pwff: config.feed_forward(device),
            norm_1: config.norm(device),
            norm_2: config.norm(device),
            dropout: config.layer_dropout(),
            norm_first: config.norm_first,
        })
    }

    /// Applies the layer to a batch of sequences. The masks are those of [`TsallisTransformerEncoderInput`].
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderLayer,
    /// };
    ///
    /// let device = Device::flex();
    /// let config = TsallisTransformerEncoderConfig::new(8, 16, 2, 1);
    /// let layer = TsallisTransformerEncoderLayer::new(&config, &device);
    /// let padding = Tensor::<2, Bool>::from_data([[false, false, true]], &device);
    /// let y = layer.forward(Tensor::zeros([1, 3, 8], &device), Some(padding), None);
    /// assert_eq!(y.dims(), [1, 3, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - input and output: `[batch, length, d_model]`
    /// - `mask_pad`: `[batch, length]`, or `[1, length]` for every sequence
    /// - `mask_attn`: `[batch, length, length]`, or `[1, length, length]` for every sequence
    ///
    /// # Panics
    /// If the last dimension of the input is not `d_model`, or if a mask does not broadcast to the sequences.
    pub fn forward(
        &self,
        input: Tensor<3>,
        mask_pad: Option<Tensor<2, Bool>>,
        mask_attn: Option<Tensor<3, Bool>>,
    ) -> Tensor<3> {
        if input.dims().contains(&0) {
            return depending_on(input, [self.norm_1.gamma.val().sum()]);
        }
        let masked =
            |x| TsallisMhaInput::self_attn(x).with_masks(mask_pad.clone(), mask_attn.clone());
        residual(
            input,
            self.norm_first,
            &self.dropout,
            [&mut |x| self.mha.forward_context(masked(x)), &mut |x| {
                self.pwff.forward(x)
            }],
            [&mut |x| self.norm_1.forward(x), &mut |x| {
                self.norm_2.forward(x)
            }],
        )
    }

    /// Applies the layer to sequences that are decoded one token at a time.
    ///
    /// The input holds the whole sequences so far. The first call processes all of them; later calls process only the
    /// new positions and take the rest from the cache. Every later call must add at least one position. The output
    /// equals that of [`forward`](Self::forward) only if each query is masked from later keys.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderLayer,
    ///     TsallisTransformerEncoderLayerAutoregressiveCache,
    /// };
    ///
    /// let device = Device::flex();
    /// let config = TsallisTransformerEncoderConfig::new(8, 16, 2, 1);
    /// let layer = TsallisTransformerEncoderLayer::new(&config, &device);
    /// let mut cache = TsallisTransformerEncoderLayerAutoregressiveCache::empty();
    /// for length in 1..=3 {
    ///     let so_far = Tensor::zeros([1, length, 8], &device);
    ///     let y = layer.forward_autoregressive_inference(so_far, None, None, &mut cache);
    ///     assert_eq!(y.dims(), [1, length, 8]);
    /// }
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - input and output: `[batch, length, d_model]`
    /// - `mask_pad`: `[batch, length]`, or `[1, length]` for every sequence
    /// - `mask_attn`: `[batch, length, length]`, or `[1, length, length]` for every sequence
    ///
    /// # Panics
    /// If the last dimension of the input is not `d_model`, or if a mask does not broadcast to the sequences.
    pub fn forward_autoregressive_inference(
        &self,
        input: Tensor<3>,
        mask_pad: Option<Tensor<2, Bool>>,
        mask_attn: Option<Tensor<3, Bool>>,
        cache: &mut TsallisTransformerEncoderLayerAutoregressiveCache,
    ) -> Tensor<3> {
        let TsallisTransformerEncoderLayerAutoregressiveCache {
            mha,
            pwff,
            norm_1,
            norm_2,
        } = cache;
        let masked =
            |x| TsallisMhaInput::self_attn(x).with_masks(mask_pad.clone(), mask_attn.clone());
        residual(
            input,
            self.norm_first,
            &self.dropout,
            [
                &mut |x| self.mha.forward_cache_context(masked(x), mha),
                &mut |x| pwff.append(x, 1, |x| self.pwff.forward(x)),
            ],
            [
                &mut |x| norm_1.append(x, 1, |x| self.norm_1.forward(x)),
                &mut |x| norm_2.append(x, 1, |x| self.norm_2.forward(x)),
            ],
        )
    }
}

/// The cache of a [`TsallisTransformerEncoderLayer`] while sequences are decoded one token at a time.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderLayer,
///     TsallisTransformerEncoderLayerAutoregressiveCache,
/// };
///
/// let device = Device::flex();
/// let config = TsallisTransformerEncoderConfig::new(8, 16, 2, 1);
/// let layer = TsallisTransformerEncoderLayer::new(&config, &device);
/// let mut cache = TsallisTransformerEncoderLayerAutoregressiveCache::empty();
/// let x = Tensor::zeros([1, 1, 8], &device);
/// let y = layer.forward_autoregressive_inference(x, None, None, &mut cache);
/// assert_eq!(y.dims(), [1, 1, 8]);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisTransformerEncoderLayerAutoregressiveCache {
    mha: TsallisMhaCache,
    pwff: TensorCache<3>,
    norm_1: TensorCache<3>,
    norm_2: TensorCache<3>,
}

impl TsallisTransformerEncoderLayerAutoregressiveCache {
    /// Creates an empty cache.
    ///
    /// ```
    /// use burn_tsallis::nn::transformer::TsallisTransformerEncoderLayerAutoregressiveCache;
    ///
    /// let cache = TsallisTransformerEncoderLayerAutoregressiveCache::empty();
    /// # let _ = cache;
    /// ```
    pub fn empty() -> Self {
        Self {
            mha: TsallisMhaCache::autoregressive(),
            pwff: TensorCache::empty(),
            norm_1: TensorCache::empty(),
            norm_2: TensorCache::empty(),
        }
    }
}

/// The cache of a [`TsallisTransformerEncoder`] while sequences are decoded one token at a time.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
/// };
///
/// let device = Device::flex();
/// let encoder = TsallisTransformerEncoderConfig::new(8, 16, 2, 1).init(&device);
/// let mut cache = encoder.new_autoregressive_cache();
/// for length in 1..=3 {
///     let so_far = TsallisTransformerEncoderInput::new(Tensor::zeros([1, length, 8], &device));
///     let y = encoder.forward_autoregressive_inference(so_far, &mut cache);
///     assert_eq!(y.dims(), [1, length, 8]);
/// }
/// # }
/// ```
///
/// Created by [`TsallisTransformerEncoder::new_autoregressive_cache`].
#[derive(Clone, Debug)]
pub struct TsallisTransformerEncoderAutoregressiveCache {
    layers: Vec<TsallisTransformerEncoderLayerAutoregressiveCache>,
}

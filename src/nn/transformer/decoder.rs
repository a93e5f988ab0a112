use super::encoder::TsallisTransformerEncoderConfig;
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

/// Configuration of a [`TsallisTransformerDecoder`]. Create the decoder with [`init`](Self::init).
///
/// It has the fields of Burn's
/// [`TransformerDecoderConfig`](burn::nn::transformer::TransformerDecoderConfig), and `alpha`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::nn::AlphaConfig;
/// use burn_tsallis::nn::transformer::TsallisTransformerDecoderConfig;
///
/// let decoder = TsallisTransformerDecoderConfig::new(32, 64, 4, 2)
///     .with_alpha(AlphaConfig::learned(1.5))
///     .with_norm_first(true)
///     .init(&Device::flex());
/// assert_eq!(decoder.layers.len(), 2);
/// # }
/// ```
#[derive(Config, Debug)]
pub struct TsallisTransformerDecoderConfig {
    /// The model width: the feature size of inputs and outputs.
    pub d_model: usize,
    /// The hidden size of the position-wise feed-forward networks.
    pub d_ff: usize,
    /// The number of attention heads. It must divide `d_model`.
    pub n_heads: usize,
    /// The number of layers.
    pub n_layers: usize,
    /// The alpha values of the self-attention and the cross-attention in every layer; see
    /// [`TsallisMultiHeadAttentionConfig::alpha`]. Each attention learns its own values. Default: 1.5, fixed.
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
    /// The initializer of the linear layers. Default: that of Burn's decoder.
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

impl TsallisTransformerDecoderConfig {
    /// Creates the decoder.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::transformer::TsallisTransformerDecoderConfig;
    ///
    /// let decoder = TsallisTransformerDecoderConfig::new(32, 64, 4, 2).init(&Device::flex());
    /// assert_eq!(decoder.n_layers, 2);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_init`](Self::try_init) returns an error, with the message of that error.
    pub fn init(&self, device: &Device) -> TsallisTransformerDecoder {
        or_panic(self.try_init(device))
    }

    /// Creates the decoder, or returns an error.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::transformer::TsallisTransformerDecoderConfig;
    ///
    /// // Three heads do not divide ten features.
    /// let config = TsallisTransformerDecoderConfig::new(10, 64, 3, 2);
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
    ) -> Result<TsallisTransformerDecoder, ModuleConfigError> {
        let layers = (0..self.n_layers)
            .map(|_| TsallisTransformerDecoderLayer::try_new(self, device))
            .collect::<Result<_, _>>()?;
        Ok(TsallisTransformerDecoder {
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

    /// Returns the configuration of the encoder with the same components.
    fn encoder(&self) -> TsallisTransformerEncoderConfig {
        TsallisTransformerEncoderConfig {
            d_model: self.d_model,
            d_ff: self.d_ff,
            n_heads: self.n_heads,
            n_layers: self.n_layers,
            alpha: self.alpha.clone(),
            dropout: self.dropout,
            norm_first: self.norm_first,
            quiet_softmax: self.quiet_softmax,
            initializer: self.initializer.clone(),
            activation: self.activation.clone(),
            layer_norm_eps: self.layer_norm_eps,
        }
    }
}

/// A transformer decoder whose attention is [`TsallisMultiHeadAttention`].
///
/// It replaces Burn's [`TransformerDecoder`](burn::nn::transformer::TransformerDecoder). A layer computes, from its
/// input `x` and the memory `m`,
///
/// `y = norm_1(x + self_attn(x))`, `z = norm_2(y + cross_attn(y, m))`, `norm_3(z + pwff(z))`,
///
/// or, if `norm_first` is set, `y = x + self_attn(norm_3(x))`, `z = y + cross_attn(norm_1(y), m)`,
/// `z + pwff(norm_2(z))`.
///
/// The decoder loads a record of Burn's decoder; if alpha is learned, use `record.allow_partial(true)`. At `alpha = 1`
/// it computes the same function, except for a query whose keys are all masked; see [`TsallisMultiHeadAttention`]. The
/// caller provides the mask of the targets, as for Burn's decoder;
/// [`generate_autoregressive_mask`](burn::nn::attention::generate_autoregressive_mask) creates a causal one.
///
/// Sources: the decoder, Vaswani et al., Attention is all you need, arXiv 1706.03762; an alpha learned for each
/// head, Correia, Niculae and Martins, Adaptively sparse transformers, arXiv 1909.00015.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::attention::generate_autoregressive_mask;
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::AlphaConfig;
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
/// };
///
/// let device = Device::flex();
/// let decoder = TsallisTransformerDecoderConfig::new(32, 64, 4, 2)
///     .with_alpha(AlphaConfig::learned(1.5))
///     .init(&device);
/// let (x, memory) = (Tensor::zeros([2, 5, 32], &device), Tensor::zeros([2, 7, 32], &device));
/// let input = TsallisTransformerDecoderInput::new(x, memory)
///     .target_mask_attn(generate_autoregressive_mask(1, 5, &device));
/// assert_eq!(decoder.forward(input).dims(), [2, 5, 32]);
/// # }
/// ```
///
/// Created by [`TsallisTransformerDecoderConfig`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct TsallisTransformerDecoder {
    /// The layers.
    pub layers: Vec<TsallisTransformerDecoderLayer>,
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

impl ModuleDisplay for TsallisTransformerDecoder {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        one_line()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let alpha = self
            .layers
            .first()
            .map(|layer| layer.self_attn.alpha.summary())
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

/// The input of [`TsallisTransformerDecoder`], like Burn's
/// [`TransformerDecoderInput`](burn::nn::transformer::TransformerDecoderInput).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::attention::generate_autoregressive_mask;
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
/// };
///
/// let device = Device::flex();
/// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
/// let (x, memory) = (Tensor::zeros([1, 3, 8], &device), Tensor::zeros([1, 2, 8], &device));
/// let input = TsallisTransformerDecoderInput::new(x, memory)
///     .target_mask_attn(generate_autoregressive_mask(1, 3, &device));
/// assert_eq!(decoder.forward(input).dims(), [1, 3, 8]);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisTransformerDecoderInput {
    target: Tensor<3>,
    target_mask_pad: Option<Tensor<2, Bool>>,
    target_mask_attn: Option<Tensor<3, Bool>>,
    memory: Tensor<3>,
    memory_mask_pad: Option<Tensor<2, Bool>>,
    memory_mask_attn: Option<Tensor<3, Bool>>,
}

impl TsallisTransformerDecoderInput {
    /// Creates an input without masks, from the targets and the memory, which is the output of an encoder.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
    /// let (x, memory) = (Tensor::zeros([1, 3, 8], &device), Tensor::zeros([1, 2, 8], &device));
    /// let input = TsallisTransformerDecoderInput::new(x, memory);
    /// assert_eq!(decoder.forward(input).dims(), [1, 3, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - target: `[batch, length, d_model]`
    /// - memory: `[batch, memory, d_model]`
    pub fn new(target: Tensor<3>, memory: Tensor<3>) -> Self {
        Self {
            target,
            target_mask_pad: None,
            target_mask_attn: None,
            memory,
            memory_mask_pad: None,
            memory_mask_attn: None,
        }
    }

    /// Sets the padding mask of the targets, which is `true` for padding.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
    /// let (x, memory) = (Tensor::zeros([1, 3, 8], &device), Tensor::zeros([1, 2, 8], &device));
    /// let padding = Tensor::<2, Bool>::from_data([[false, false, true]], &device);
    /// let input = TsallisTransformerDecoderInput::new(x, memory).target_mask_pad(padding);
    /// assert_eq!(decoder.forward(input).dims(), [1, 3, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - `mask_pad`: `[batch, length]`, or `[1, length]` for every sequence
    pub fn target_mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.target_mask_pad = Some(mask_pad);
        self
    }

    /// Sets the attention mask of the targets, which is `true` where a target must not attend to another.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::nn::attention::generate_autoregressive_mask;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
    /// let (x, memory) = (Tensor::zeros([1, 3, 8], &device), Tensor::zeros([1, 2, 8], &device));
    /// let input = TsallisTransformerDecoderInput::new(x, memory)
    ///     .target_mask_attn(generate_autoregressive_mask(1, 3, &device));
    /// assert_eq!(decoder.forward(input).dims(), [1, 3, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - `mask_attn`: `[batch, length, length]`, or `[1, length, length]` for every sequence
    pub fn target_mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.target_mask_attn = Some(mask_attn);
        self
    }

    /// Sets the padding mask of the memory, which is `true` for padding.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
    /// let (x, memory) = (Tensor::zeros([1, 3, 8], &device), Tensor::zeros([1, 2, 8], &device));
    /// let padding = Tensor::<2, Bool>::from_data([[false, true]], &device);
    /// let input = TsallisTransformerDecoderInput::new(x, memory).memory_mask_pad(padding);
    /// assert_eq!(decoder.forward(input).dims(), [1, 3, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - `mask_pad`: `[batch, memory]`, or `[1, memory]` for every sequence
    pub fn memory_mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.memory_mask_pad = Some(mask_pad);
        self
    }

    /// Sets the attention mask of the memory, which is `true` where a target must not attend to a position of the
    /// memory.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
    /// let (x, memory) = (Tensor::zeros([1, 3, 8], &device), Tensor::zeros([1, 2, 8], &device));
    /// let mask = Tensor::<3, Bool>::from_data([[[false, true]; 3]], &device);
    /// let input = TsallisTransformerDecoderInput::new(x, memory).memory_mask_attn(mask);
    /// assert_eq!(decoder.forward(input).dims(), [1, 3, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - `mask_attn`: `[batch, length, memory]`, or `[1, length, memory]` for every sequence
    pub fn memory_mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.memory_mask_attn = Some(mask_attn);
        self
    }

    fn self_attn(&self, x: Tensor<3>) -> TsallisMhaInput {
        TsallisMhaInput::self_attn(x)
            .with_masks(self.target_mask_pad.clone(), self.target_mask_attn.clone())
    }

    fn cross_attn(&self, x: Tensor<3>) -> TsallisMhaInput {
        TsallisMhaInput::new(x, self.memory.clone(), self.memory.clone())
            .with_masks(self.memory_mask_pad.clone(), self.memory_mask_attn.clone())
    }
}

impl TsallisTransformerDecoder {
    /// Decodes a batch of sequences.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
    /// let (x, memory) = (Tensor::zeros([1, 3, 8], &device), Tensor::zeros([1, 2, 8], &device));
    /// let y = decoder.forward(TsallisTransformerDecoderInput::new(x, memory));
    /// assert_eq!(y.dims(), [1, 3, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - targets and output: `[batch, length, d_model]`
    /// - memory: `[batch, memory, d_model]`
    ///
    /// # Panics
    /// If the last dimension of the targets or the memory is not `d_model`, if their batch sizes differ, or if a mask
    /// does not broadcast to the sequences.
    pub fn forward(&self, input: TsallisTransformerDecoderInput) -> Tensor<3> {
        self.layers
            .iter()
            .fold(input, |input, layer| layer.forward(input))
            .target
    }

    /// Decodes one token at a time.
    ///
    /// The input holds the memory and all targets so far. The first call processes all of them; later calls process
    /// only the new targets and take the rest from the cache, which
    /// [`new_autoregressive_cache`](Self::new_autoregressive_cache) creates. The memory is that of the first call.
    /// Every later call must add at least one target. The output equals that of [`forward`](Self::forward) only if each
    /// target is masked from later targets.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
    /// let memory = Tensor::<3>::zeros([1, 2, 8], &device);
    /// let mut cache = decoder.new_autoregressive_cache();
    /// for length in 1..=3 {
    ///     let so_far = Tensor::zeros([1, length, 8], &device);
    ///     let input = TsallisTransformerDecoderInput::new(so_far, memory.clone());
    ///     let output = decoder.forward_autoregressive_inference(input, &mut cache);
    ///     assert_eq!(output.dims(), [1, length, 8]);
    /// }
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - targets and output: `[batch, length, d_model]`
    /// - memory: `[batch, memory, d_model]`
    ///
    /// # Panics
    /// If [`forward`](Self::forward) panics for the same input, or if the cache was created by a decoder with another
    /// number of layers.
    pub fn forward_autoregressive_inference(
        &self,
        input: TsallisTransformerDecoderInput,
        cache: &mut TsallisTransformerDecoderAutoregressiveCache,
    ) -> Tensor<3> {
        with_caches(&self.layers, &mut cache.layers)
            .fold(input, |input, (layer, cache)| {
                layer.forward_autoregressive_inference(input, cache)
            })
            .target
    }

    /// Creates an empty cache for
    /// [`forward_autoregressive_inference`](Self::forward_autoregressive_inference).
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    /// };
    ///
    /// let device = Device::flex();
    /// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
    /// let (x, memory) = (Tensor::zeros([1, 3, 8], &device), Tensor::zeros([1, 2, 8], &device));
    /// let mut cache = decoder.new_autoregressive_cache();
    /// let input = TsallisTransformerDecoderInput::new(x, memory);
    /// assert_eq!(decoder.forward_autoregressive_inference(input, &mut cache).dims(), [1, 3, 8]);
    /// # }
    /// ```
    pub fn new_autoregressive_cache(&self) -> TsallisTransformerDecoderAutoregressiveCache {
        TsallisTransformerDecoderAutoregressiveCache {
            layers: vec![
                TsallisTransformerDecoderLayerAutoregressiveCache::empty();
                self.layers.len()
            ],
        }
    }
}

/// A layer of [`TsallisTransformerDecoder`]: self-attention, cross-attention and a feed-forward network, each with a
/// residual connection.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderLayer,
/// };
///
/// let config = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).with_norm_first(true);
/// let layer = TsallisTransformerDecoderLayer::new(&config, &Device::flex());
/// assert!(layer.norm_first);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct TsallisTransformerDecoderLayer {
    /// The cross-attention, to the memory.
    pub cross_attn: TsallisMultiHeadAttention,
    /// The self-attention, to the targets.
    pub self_attn: TsallisMultiHeadAttention,
    /// The feed-forward network.
    pub pwff: PositionWiseFeedForward,
    /// The normalization between the self-attention and the cross-attention.
    pub norm_1: LayerNorm,
    /// The normalization between the cross-attention and the feed-forward network.
    pub norm_2: LayerNorm,
    /// The normalization before the self-attention if `norm_first` is set, otherwise that of the output.
    pub norm_3: LayerNorm,
    /// The dropout of the attention and feed-forward outputs, before they are added to the residual.
    pub dropout: Dropout,
    /// Whether the layer is normalized before attention and feed-forward network (pre-norm).
    pub norm_first: bool,
}

impl TsallisTransformerDecoderLayer {
    /// Creates a layer of the configured decoder.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderLayer,
    /// };
    ///
    /// let config = TsallisTransformerDecoderConfig::new(8, 16, 2, 1);
    /// let layer = TsallisTransformerDecoderLayer::new(&config, &Device::flex());
    /// assert_eq!(layer.self_attn.n_heads, 2);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_new`](Self::try_new) returns an error, with the message of that error.
    pub fn new(config: &TsallisTransformerDecoderConfig, device: &Device) -> Self {
        or_panic(Self::try_new(config, device))
    }

    /// Creates a layer of the configured decoder, or returns an error.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderLayer,
    /// };
    ///
    /// let config = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).with_dropout(1.0);
    /// assert!(TsallisTransformerDecoderLayer::try_new(&config, &Device::flex()).is_err());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ModuleConfigError`] if `d_model` is not a positive multiple of `n_heads`, or if alpha or the dropout
    /// rate is invalid.
    pub fn try_new(
        config: &TsallisTransformerDecoderConfig,
        device: &Device,
    ) -> Result<Self, ModuleConfigError> {
        let components = config.encoder();
        Ok(Self {
            cross_attn: components.attention(device)?,
            self_attn: components.attention(device)?,
            pwff: components.feed_forward(device),
            norm_1: components.norm(device),
            norm_2: components.norm(device),
            norm_3: components.norm(device),
            dropout: components.layer_dropout(),
            norm_first: config.norm_first,
        })
    }

    /// Applies the layer, and returns the input with the targets replaced by the output.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    ///     TsallisTransformerDecoderLayer,
    /// };
    ///
    /// let device = Device::flex();
    /// let config = TsallisTransformerDecoderConfig::new(8, 16, 2, 1);
    /// let layer = TsallisTransformerDecoderLayer::new(&config, &device);
    /// let (x, memory) = (Tensor::zeros([1, 3, 8], &device), Tensor::zeros([1, 2, 8], &device));
    /// let input = TsallisTransformerDecoderInput::new(x, memory);
    /// // The result is the input of the next layer.
    /// let input = layer.forward(input);
    /// # let _ = layer.forward(input);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - targets and output: `[batch, length, d_model]`
    /// - memory: `[batch, memory, d_model]`
    ///
    /// # Panics
    /// If the last dimension of the targets or the memory is not `d_model`, if their batch sizes differ, or if a mask
    /// does not broadcast to the sequences.
    pub fn forward(
        &self,
        mut input: TsallisTransformerDecoderInput,
    ) -> TsallisTransformerDecoderInput {
        if input.target.dims().contains(&0) {
            let sums = [input.memory.clone().sum(), self.norm_1.gamma.val().sum()];
            input.target = depending_on(input.target, sums);
            return input;
        }
        input.target = residual(
            input.target.clone(),
            self.norm_first,
            &self.dropout,
            [
                &mut |x| self.self_attn.forward_context(input.self_attn(x)),
                &mut |x| self.cross_attn.forward_context(input.cross_attn(x)),
                &mut |x| self.pwff.forward(x),
            ],
            [
                &mut |x| self.norm_1.forward(x),
                &mut |x| self.norm_2.forward(x),
                &mut |x| self.norm_3.forward(x),
            ],
        );
        input
    }

    /// Applies the layer while sequences are decoded one token at a time, and returns the input with the targets
    /// replaced by the output.
    ///
    /// The input holds the memory and all targets so far. The first call processes all of them; later calls process
    /// only the new targets and take the rest from the cache. The memory is that of the first call. Every later call
    /// must add at least one target. The output equals that of [`forward`](Self::forward) only if each target is
    /// masked from later targets.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::transformer::{
    ///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    ///     TsallisTransformerDecoderLayer, TsallisTransformerDecoderLayerAutoregressiveCache,
    /// };
    ///
    /// let device = Device::flex();
    /// let config = TsallisTransformerDecoderConfig::new(8, 16, 2, 1);
    /// let layer = TsallisTransformerDecoderLayer::new(&config, &device);
    /// let memory = Tensor::<3>::zeros([1, 2, 8], &device);
    /// let mut cache = TsallisTransformerDecoderLayerAutoregressiveCache::empty();
    /// for length in 1..=3 {
    ///     let so_far = Tensor::zeros([1, length, 8], &device);
    ///     let input = TsallisTransformerDecoderInput::new(so_far, memory.clone());
    ///     let _output = layer.forward_autoregressive_inference(input, &mut cache);
    /// }
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - targets and output: `[batch, length, d_model]`
    /// - memory: `[batch, memory, d_model]`
    ///
    /// # Panics
    /// If [`forward`](Self::forward) panics for the same input.
    pub fn forward_autoregressive_inference(
        &self,
        mut input: TsallisTransformerDecoderInput,
        cache: &mut TsallisTransformerDecoderLayerAutoregressiveCache,
    ) -> TsallisTransformerDecoderInput {
        let TsallisTransformerDecoderLayerAutoregressiveCache {
            cross_attn,
            self_attn,
            pwff,
            norm_1,
            norm_2,
            norm_3,
        } = cache;
        input.target = residual(
            input.target.clone(),
            self.norm_first,
            &self.dropout,
            [
                &mut |x| {
                    let attention = &self.self_attn;
                    attention.forward_cache_context(input.self_attn(x), self_attn)
                },
                &mut |x| {
                    let attention = &self.cross_attn;
                    attention.forward_cache_context(input.cross_attn(x), cross_attn)
                },
                &mut |x| pwff.append(x, 1, |x| self.pwff.forward(x)),
            ],
            [
                &mut |x| norm_1.append(x, 1, |x| self.norm_1.forward(x)),
                &mut |x| norm_2.append(x, 1, |x| self.norm_2.forward(x)),
                &mut |x| norm_3.append(x, 1, |x| self.norm_3.forward(x)),
            ],
        );
        input
    }
}

/// The cache of a [`TsallisTransformerDecoderLayer`] while sequences are decoded one token at a time.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
///     TsallisTransformerDecoderLayer, TsallisTransformerDecoderLayerAutoregressiveCache,
/// };
///
/// let device = Device::flex();
/// let config = TsallisTransformerDecoderConfig::new(8, 16, 2, 1);
/// let layer = TsallisTransformerDecoderLayer::new(&config, &device);
/// let (x, memory) = (Tensor::zeros([1, 1, 8], &device), Tensor::zeros([1, 2, 8], &device));
/// let mut cache = TsallisTransformerDecoderLayerAutoregressiveCache::empty();
/// let input = TsallisTransformerDecoderInput::new(x, memory);
/// let _output = layer.forward_autoregressive_inference(input, &mut cache);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisTransformerDecoderLayerAutoregressiveCache {
    cross_attn: TsallisMhaCache,
    self_attn: TsallisMhaCache,
    pwff: TensorCache<3>,
    norm_1: TensorCache<3>,
    norm_2: TensorCache<3>,
    norm_3: TensorCache<3>,
}

impl TsallisTransformerDecoderLayerAutoregressiveCache {
    /// Creates an empty cache.
    ///
    /// ```
    /// use burn_tsallis::nn::transformer::TsallisTransformerDecoderLayerAutoregressiveCache;
    ///
    /// let cache = TsallisTransformerDecoderLayerAutoregressiveCache::empty();
    /// # let _ = cache;
    /// ```
    pub fn empty() -> Self {
        Self {
            cross_attn: TsallisMhaCache::autoregressive_cross_attention(),
            self_attn: TsallisMhaCache::autoregressive(),
            pwff: TensorCache::empty(),
            norm_1: TensorCache::empty(),
            norm_2: TensorCache::empty(),
            norm_3: TensorCache::empty(),
        }
    }
}

/// The cache of a [`TsallisTransformerDecoder`] while sequences are decoded one token at a time.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::transformer::{
///     TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
/// };
///
/// let device = Device::flex();
/// let decoder = TsallisTransformerDecoderConfig::new(8, 16, 2, 1).init(&device);
/// let memory = Tensor::<3>::zeros([1, 2, 8], &device);
/// let mut cache = decoder.new_autoregressive_cache();
/// for length in 1..=3 {
///     let so_far = Tensor::zeros([1, length, 8], &device);
///     let input = TsallisTransformerDecoderInput::new(so_far, memory.clone());
///     let output = decoder.forward_autoregressive_inference(input, &mut cache);
///     assert_eq!(output.dims(), [1, length, 8]);
/// }
/// # }
/// ```
///
/// Created by [`TsallisTransformerDecoder::new_autoregressive_cache`].
#[derive(Clone, Debug)]
pub struct TsallisTransformerDecoderAutoregressiveCache {
    layers: Vec<TsallisTransformerDecoderLayerAutoregressiveCache>,
}

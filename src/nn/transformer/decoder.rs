use super::layer::{LayerConfig, residual, with_caches};
#[cfg(doc)]
use crate::nn::attention::TsallisMultiHeadAttentionConfig;
use crate::nn::attention::{TsallisMhaCache, TsallisMhaInput, TsallisMultiHeadAttention};
use crate::nn::cache::TensorCache;
use crate::nn::error::or_panic;
use crate::nn::{AlphaConfig, ModuleConfigError};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay};
use burn::nn::activation::ActivationConfig;
use burn::nn::transformer::PositionWiseFeedForward;
use burn::nn::{Dropout, LayerNorm};
use burn::tensor::{Bool, Device};

/// Configuration of a [`TsallisTransformerDecoder`], which its [`init`](Self::init) makes: that of Burn's
/// [`TransformerDecoder`](burn::nn::transformer::TransformerDecoder), and the order of its attention.
#[derive(Config, Debug)]
pub struct TsallisTransformerDecoderConfig {
    /// The features of the model.
    pub d_model: usize,
    /// The hidden features of the position-wise feed-forward network.
    pub d_ff: usize,
    /// The number of attention heads, which divides `d_model`.
    pub n_heads: usize,
    /// The number of layers.
    pub n_layers: usize,
    /// The order of the attention, as [`TsallisMultiHeadAttentionConfig::alpha`], in every layer, to the
    /// targets and to the memory. Learned orders are each attention's own. Default: 1.5, fixed.
    #[config(default = "AlphaConfig::fixed(1.5)")]
    pub alpha: AlphaConfig,
    /// The dropout rate. Default: 0.1.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Whether layers are normalized before attention and feed-forward network, and not after.
    /// Default: false.
    #[config(default = false)]
    pub norm_first: bool,
    /// Let a head look at nothing: see [`TsallisMultiHeadAttentionConfig::quiet_softmax`].
    /// Default: false.
    #[config(default = false)]
    pub quiet_softmax: bool,
    /// How the linear layers are initialized. Default: Burn's.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
    /// The activation of the feed-forward network. Default: Gelu.
    #[config(default = "ActivationConfig::Gelu")]
    pub activation: ActivationConfig,
    /// The epsilon of the layer normalizations. Default: 1e-5.
    #[config(default = 1e-5)]
    pub layer_norm_eps: f64,
}

impl TsallisTransformerDecoderConfig {
    /// The module.
    ///
    /// # Panics
    ///
    /// Where [`try_init`](Self::try_init) returns an error, with its words.
    pub fn init(&self, device: &Device) -> TsallisTransformerDecoder {
        or_panic(self.try_init(device))
    }

    /// As [`init`](Self::init).
    ///
    /// # Errors
    ///
    /// That of [`TsallisMultiHeadAttentionConfig::try_init`].
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

    fn layer(&self) -> LayerConfig<'_> {
        LayerConfig {
            d_model: self.d_model,
            d_ff: self.d_ff,
            n_heads: self.n_heads,
            alpha: &self.alpha,
            dropout: self.dropout,
            quiet_softmax: self.quiet_softmax,
            initializer: &self.initializer,
            activation: &self.activation,
            layer_norm_eps: self.layer_norm_eps,
        }
    }
}

/// A transformer decoder whose attention is [`TsallisMultiHeadAttention`]: Burn's
/// [`TransformerDecoder`](burn::nn::transformer::TransformerDecoder) under another name, with an order. A
/// layer that sees the memory `m` is
///
/// `y = norm_1(x + self_attn(x))`, `z = norm_2(y + cross_attn(y, m))`, `norm_3(z + pwff(z))`,
///
/// or `y = x + self_attn(norm_3(x))`, `z = y + cross_attn(norm_1(y), m)`, `z + pwff(norm_2(z))` where the
/// layers are normalized first.
///
/// It loads a record of Burn's decoder, with `record.allow_partial(true)` where the orders are learned, and is
/// that decoder at `alpha = 1`. The mask of the targets is the caller's, as Burn's is: a causal one is
/// [`generate_autoregressive_mask`](burn::nn::attention::generate_autoregressive_mask).
///
/// Sources: the decoder, Vaswani et al., Attention is all you need, arXiv 1706.03762; orders learned for each
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
    /// The features of the model.
    pub d_model: usize,
    /// The hidden features of the feed-forward networks.
    pub d_ff: usize,
    /// The number of attention heads.
    pub n_heads: usize,
    /// The number of layers.
    pub n_layers: usize,
    /// The dropout rate.
    pub dropout: f64,
    /// Whether layers are normalized first.
    pub norm_first: bool,
    /// Whether a head may look at nothing.
    pub quiet_softmax: bool,
}

impl ModuleDisplay for TsallisTransformerDecoder {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
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

/// The input of [`TsallisTransformerDecoder`], which is Burn's
/// [`TransformerDecoderInput`](burn::nn::transformer::TransformerDecoderInput) under another name.
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
    /// The targets, `[batch, length, d_model]`, and the memory, `[batch, memory, d_model]`, which is what an
    /// encoder gives.
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

    /// With a mask of the targets, `[batch, length]`, or `[1, length]` for every sequence, `true` where one is
    /// padding.
    pub fn target_mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.target_mask_pad = Some(mask_pad);
        self
    }

    /// With a mask of the targets that each target sees, `[batch, length, length]`, or `[1, length, length]`
    /// for every sequence, `true` where it does not.
    pub fn target_mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.target_mask_attn = Some(mask_attn);
        self
    }

    /// With a mask of the memory, `[batch, memory]`, or `[1, memory]` for every sequence, `true` where a position
    /// is padding.
    pub fn memory_mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.memory_mask_pad = Some(mask_pad);
        self
    }

    /// With a mask of the memory that each target sees, `[batch, length, memory]`, or `[1, length, memory]` for
    /// every sequence, `true` where it does not.
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
    /// Decodes.
    ///
    /// # Shapes
    /// - targets and output: `[batch, length, d_model]`
    /// - memory: `[batch, memory, d_model]`
    ///
    /// # Panics
    /// If the features are not `d_model`, or if a mask does not broadcast to the sequences.
    pub fn forward(&self, input: TsallisTransformerDecoderInput) -> Tensor<3> {
        self.layers
            .iter()
            .fold(input, |input, layer| layer.forward(input))
            .target
    }

    /// Decodes one token at a time: the input holds all targets so far, of which the layers see only what is
    /// new, and the memory, of which they keep what they saw first. The cache is one of
    /// [`new_autoregressive_cache`](Self::new_autoregressive_cache).
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    /// As [`forward`](Self::forward), and if the cache was made by a decoder with another number of layers.
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

    /// A cache that holds nothing yet.
    pub fn new_autoregressive_cache(&self) -> TsallisTransformerDecoderAutoregressiveCache {
        TsallisTransformerDecoderAutoregressiveCache {
            layers: self
                .layers
                .iter()
                .map(|_| TsallisTransformerDecoderLayerAutoregressiveCache::empty())
                .collect(),
        }
    }
}

/// A layer of [`TsallisTransformerDecoder`]: attention to the targets, attention to the memory and a
/// feed-forward network, each beside a residual path.
#[derive(Module, Debug)]
pub struct TsallisTransformerDecoderLayer {
    /// The attention to the memory.
    pub cross_attn: TsallisMultiHeadAttention,
    /// The attention to the targets.
    pub self_attn: TsallisMultiHeadAttention,
    /// The feed-forward network.
    pub pwff: PositionWiseFeedForward,
    /// The normalization between the two attentions.
    pub norm_1: LayerNorm,
    /// The normalization between the attention to the memory and the feed-forward network.
    pub norm_2: LayerNorm,
    /// The normalization before the attention to the targets, if it is first, else of the output.
    pub norm_3: LayerNorm,
    /// Dropout of what the residual paths are added to.
    pub dropout: Dropout,
    /// Whether layers are normalized first.
    pub norm_first: bool,
}

impl TsallisTransformerDecoderLayer {
    /// A layer of this decoder.
    ///
    /// # Panics
    ///
    /// Where [`try_new`](Self::try_new) returns an error, with its words.
    pub fn new(config: &TsallisTransformerDecoderConfig, device: &Device) -> Self {
        or_panic(Self::try_new(config, device))
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// That of [`TsallisMultiHeadAttentionConfig::try_init`].
    pub fn try_new(
        config: &TsallisTransformerDecoderConfig,
        device: &Device,
    ) -> Result<Self, ModuleConfigError> {
        let layer = config.layer();
        Ok(Self {
            cross_attn: layer.attention(device)?,
            self_attn: layer.attention(device)?,
            pwff: layer.feed_forward(device),
            norm_1: layer.norm(device),
            norm_2: layer.norm(device),
            norm_3: layer.norm(device),
            dropout: layer.dropout(),
            norm_first: config.norm_first,
        })
    }

    /// Decodes, as [`TsallisTransformerDecoder::forward`]: the input with the output in the place of the
    /// targets.
    ///
    /// # Shapes
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn forward(
        &self,
        mut input: TsallisTransformerDecoderInput,
    ) -> TsallisTransformerDecoderInput {
        input.target = residual(
            input.target.clone(),
            self.norm_first,
            &self.dropout,
            [
                &mut |x| self.self_attn.forward(input.self_attn(x)).context,
                &mut |x| self.cross_attn.forward(input.cross_attn(x)).context,
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

    /// Decodes, as [`TsallisTransformerDecoder::forward_autoregressive_inference`].
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
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
                    attention
                        .forward_cache(input.self_attn(x), self_attn)
                        .context
                },
                &mut |x| {
                    let attention = &self.cross_attn;
                    attention
                        .forward_cache(input.cross_attn(x), cross_attn)
                        .context
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

/// What a [`TsallisTransformerDecoderLayer`] keeps while tokens are decoded one at a time.
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
    /// A cache that holds nothing yet.
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

/// What a [`TsallisTransformerDecoder`] keeps while tokens are decoded one at a time.
#[derive(Clone, Debug)]
pub struct TsallisTransformerDecoderAutoregressiveCache {
    layers: Vec<TsallisTransformerDecoderLayerAutoregressiveCache>,
}

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

/// Configuration of a [`TsallisTransformerEncoder`], which its [`init`](Self::init) makes: that of Burn's
/// [`TransformerEncoder`](burn::nn::transformer::TransformerEncoder), and the order of its attention.
#[derive(Config, Debug)]
pub struct TsallisTransformerEncoderConfig {
    /// The features of the model.
    pub d_model: usize,
    /// The hidden features of the position-wise feed-forward network.
    pub d_ff: usize,
    /// The number of attention heads, which divides `d_model`.
    pub n_heads: usize,
    /// The number of layers.
    pub n_layers: usize,
    /// The order of the attention, as [`TsallisMultiHeadAttentionConfig::alpha`], in every layer.
    /// Default: 1.5, fixed.
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

impl TsallisTransformerEncoderConfig {
    /// The module.
    ///
    /// # Panics
    ///
    /// Where [`try_init`](Self::try_init) returns an error, with its words.
    pub fn init(&self, device: &Device) -> TsallisTransformerEncoder {
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

/// A transformer encoder whose attention is [`TsallisMultiHeadAttention`]: Burn's
/// [`TransformerEncoder`](burn::nn::transformer::TransformerEncoder) under another name, with an order. A layer is
///
/// `y = norm_1(x + attention(x))`, `z = norm_2(y + pwff(y))`,
///
/// or `y = x + attention(norm_2(x))`, `z = y + pwff(norm_1(y))` where the layers are normalized first.
///
/// Sources: the encoder, Vaswani et al., Attention is all you need, arXiv 1706.03762; orders learned for each
/// head, Correia, Niculae and Martins, Adaptively sparse transformers, arXiv 1909.00015.
///
/// It loads a record of Burn's encoder, with `record.allow_partial(true)` where the orders are learned, and is
/// that encoder at `alpha = 1`.
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

impl ModuleDisplay for TsallisTransformerEncoder {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
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

/// The input of [`TsallisTransformerEncoder`], which is Burn's
/// [`TransformerEncoderInput`](burn::nn::transformer::TransformerEncoderInput) under another name.
#[derive(Clone, Debug)]
pub struct TsallisTransformerEncoderInput {
    tensor: Tensor<3>,
    mask_pad: Option<Tensor<2, Bool>>,
    mask_attn: Option<Tensor<3, Bool>>,
}

impl TsallisTransformerEncoderInput {
    /// The sequences, `[batch, length, d_model]`.
    pub fn new(tensor: Tensor<3>) -> Self {
        Self {
            tensor,
            mask_pad: None,
            mask_attn: None,
        }
    }

    /// With a mask of the positions, `[batch, length]`, or `[1, length]` for every sequence, `true` where one
    /// is padding.
    pub fn mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.mask_pad = Some(mask_pad);
        self
    }

    /// With a mask of what each position sees, `[batch, length, length]`, or `[1, length, length]` for every
    /// sequence, `true` where it does not.
    pub fn mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.mask_attn = Some(mask_attn);
        self
    }
}

impl TsallisTransformerEncoder {
    /// Encodes.
    ///
    /// # Shapes
    /// - input and output: `[batch, length, d_model]`
    ///
    /// # Panics
    /// If the features are not `d_model`, or if a mask does not broadcast to the sequences.
    pub fn forward(&self, input: TsallisTransformerEncoderInput) -> Tensor<3> {
        self.layers.iter().fold(input.tensor, |x, layer| {
            layer.forward(x, input.mask_pad.clone(), input.mask_attn.clone())
        })
    }

    /// Encodes while a sequence is decoded one token at a time: the input holds the whole sequence so
    /// far, of which the layers see only what is new. The cache is one of
    /// [`new_autoregressive_cache`](Self::new_autoregressive_cache).
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    /// As [`forward`](Self::forward), and if the cache was made by an encoder with another number of layers.
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

    /// A cache that holds nothing yet.
    pub fn new_autoregressive_cache(&self) -> TsallisTransformerEncoderAutoregressiveCache {
        TsallisTransformerEncoderAutoregressiveCache {
            layers: self
                .layers
                .iter()
                .map(|_| TsallisTransformerEncoderLayerAutoregressiveCache::empty())
                .collect(),
        }
    }
}

/// A layer of [`TsallisTransformerEncoder`]: attention and a feed-forward network, each beside a residual
/// path.
#[derive(Module, Debug)]
pub struct TsallisTransformerEncoderLayer {
    /// The attention.
    pub mha: TsallisMultiHeadAttention,
    /// The feed-forward network.
    pub pwff: PositionWiseFeedForward,
    /// The normalization around the feed-forward network: before it, if it is first, else of what it is
    /// given.
    pub norm_1: LayerNorm,
    /// The normalization before the attention, if it is first, else of the output.
    pub norm_2: LayerNorm,
    /// Dropout of what the residual paths are added to.
    pub dropout: Dropout,
    /// Whether layers are normalized first.
    pub norm_first: bool,
}

impl TsallisTransformerEncoderLayer {
    /// A layer of this encoder.
    ///
    /// # Panics
    ///
    /// Where [`try_new`](Self::try_new) returns an error, with its words.
    pub fn new(config: &TsallisTransformerEncoderConfig, device: &Device) -> Self {
        or_panic(Self::try_new(config, device))
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// That of [`TsallisMultiHeadAttentionConfig::try_init`].
    pub fn try_new(
        config: &TsallisTransformerEncoderConfig,
        device: &Device,
    ) -> Result<Self, ModuleConfigError> {
        let layer = config.layer();
        Ok(Self {
            mha: layer.attention(device)?,
            pwff: layer.feed_forward(device),
            norm_1: layer.norm(device),
            norm_2: layer.norm(device),
            dropout: layer.dropout(),
            norm_first: config.norm_first,
        })
    }

    /// Encodes, as [`TsallisTransformerEncoder::forward`].
    ///
    /// # Shapes
    /// - input and output: `[batch, length, d_model]`
    /// - `mask_pad`: `[batch, length]`
    /// - `mask_attn`: `[batch, length, length]`
    ///
    /// # Panics
    /// If a shape is another.
    pub fn forward(
        &self,
        input: Tensor<3>,
        mask_pad: Option<Tensor<2, Bool>>,
        mask_attn: Option<Tensor<3, Bool>>,
    ) -> Tensor<3> {
        let masked =
            |x| TsallisMhaInput::self_attn(x).with_masks(mask_pad.clone(), mask_attn.clone());
        residual(
            input,
            self.norm_first,
            &self.dropout,
            [&mut |x| self.mha.forward(masked(x)).context, &mut |x| {
                self.pwff.forward(x)
            }],
            [&mut |x| self.norm_1.forward(x), &mut |x| {
                self.norm_2.forward(x)
            }],
        )
    }

    /// Encodes, as [`TsallisTransformerEncoder::forward_autoregressive_inference`].
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
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
                &mut |x| self.mha.forward_cache(masked(x), mha).context,
                &mut |x| pwff.append(x, 1, |x| self.pwff.forward(x)),
            ],
            [
                &mut |x| norm_1.append(x, 1, |x| self.norm_1.forward(x)),
                &mut |x| norm_2.append(x, 1, |x| self.norm_2.forward(x)),
            ],
        )
    }
}

/// What a [`TsallisTransformerEncoderLayer`] keeps while tokens are decoded one at a time.
#[derive(Clone, Debug)]
pub struct TsallisTransformerEncoderLayerAutoregressiveCache {
    mha: TsallisMhaCache,
    pwff: TensorCache<3>,
    norm_1: TensorCache<3>,
    norm_2: TensorCache<3>,
}

impl TsallisTransformerEncoderLayerAutoregressiveCache {
    /// A cache that holds nothing yet.
    pub fn empty() -> Self {
        Self {
            mha: TsallisMhaCache::autoregressive(),
            pwff: TensorCache::empty(),
            norm_1: TensorCache::empty(),
            norm_2: TensorCache::empty(),
        }
    }
}

/// What a [`TsallisTransformerEncoder`] keeps while tokens are decoded one at a time.
#[derive(Clone, Debug)]
pub struct TsallisTransformerEncoderAutoregressiveCache {
    layers: Vec<TsallisTransformerEncoderLayerAutoregressiveCache>,
}

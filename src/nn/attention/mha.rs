use super::function::{context, masked_scores, quiet_weights, weights, without_masked_keys};
use super::{MhaOutput, TsallisAttentionOptions, TsallisMhaCache, tsallis_attention_with};
use crate::nn::empty::linear;
use crate::nn::error::{check_dropout, or_panic};
use crate::nn::{AlphaConfig, ModuleConfigError, TsallisAlpha};
use crate::op::expanded;
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, assert_shape};

/// Configuration of a [`TsallisMultiHeadAttention`]. Create the module with [`init`](Self::init).
///
/// It has the fields of Burn's
/// [`MultiHeadAttentionConfig`](burn::nn::attention::MultiHeadAttentionConfig), and `alpha`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::nn::AlphaConfig;
/// use burn_tsallis::nn::attention::TsallisMultiHeadAttentionConfig;
///
/// let attention = TsallisMultiHeadAttentionConfig::new(32, 4)
///     .with_alpha(AlphaConfig::learned(1.5))
///     .with_dropout(0.0)
///     .init(&Device::flex());
/// assert_eq!(attention.d_k, 8);
/// # }
/// ```
#[derive(Config, Debug)]
pub struct TsallisMultiHeadAttentionConfig {
    /// The model width: the feature size of inputs and outputs.
    pub d_model: usize,
    /// The number of heads. It must divide `d_model`.
    pub n_heads: usize,
    /// The alpha values: one for all heads or one for each, fixed or learned. Each head learns its own alpha, even if
    /// all start at the same value. Default: 1.5, fixed.
    #[config(default = "AlphaConfig::fixed(1.5)")]
    pub alpha: AlphaConfig,
    /// The dropout rate of the attention weights in training. Default: 0.1.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Accepted for compatibility with Burn's configuration, and ignored: the weight of a masked key is exactly zero
    /// without it. Default: -1e4.
    #[config(default = -1.0e4)]
    pub min_float: f64,
    /// Whether a head can attend to nothing, through an additional key whose score and value are zero. At `alpha = 1`
    /// this is Burn's quiet softmax. Default: false.
    #[config(default = false)]
    pub quiet_softmax: bool,
    /// The initializer of the linear layers. Default: that of Burn's attention.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
    /// Whether the key layer has a bias. Default: true.
    #[config(default = true)]
    pub key_bias: bool,
    /// Whether the value layer has a bias. Default: true.
    #[config(default = true)]
    pub value_bias: bool,
    /// Whether the query layer has a bias. Default: true.
    #[config(default = true)]
    pub query_bias: bool,
    /// Whether the output layer has a bias. Default: true.
    #[config(default = true)]
    pub output_bias: bool,
}

impl TsallisMultiHeadAttentionConfig {
    /// Creates the module.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::attention::TsallisMultiHeadAttentionConfig;
    ///
    /// let attention = TsallisMultiHeadAttentionConfig::new(32, 4).init(&Device::flex());
    /// assert_eq!(attention.n_heads, 4);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_init`](Self::try_init) returns an error, with the message of that error.
    pub fn init(&self, device: &Device) -> TsallisMultiHeadAttention {
        or_panic(self.try_init(device))
    }

    /// Creates the module, or returns an error.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::attention::TsallisMultiHeadAttentionConfig;
    ///
    /// let error = TsallisMultiHeadAttentionConfig::new(10, 3).try_init(&Device::flex()).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "d_model is 10 and n_heads is 3: d_model must be a positive multiple of n_heads"
    /// );
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
    ) -> Result<TsallisMultiHeadAttention, ModuleConfigError> {
        let (d_model, n_heads) = (self.d_model, self.n_heads);
        if n_heads == 0 || d_model == 0 || d_model % n_heads != 0 {
            return Err(ModuleConfigError::Heads { d_model, n_heads });
        }
        check_dropout(self.dropout)?;
        let linear = |bias| {
            LinearConfig::new(d_model, d_model)
                .with_initializer(self.initializer.clone())
                .with_bias(bias)
                .init(device)
        };
        Ok(TsallisMultiHeadAttention {
            query: linear(self.query_bias),
            key: linear(self.key_bias),
            value: linear(self.value_bias),
            output: linear(self.output_bias),
            alpha: self.alpha.try_init(n_heads, device)?,
            dropout: DropoutConfig::new(self.dropout).init(),
            d_model,
            n_heads,
            d_k: d_model / n_heads,
            quiet_softmax: self.quiet_softmax,
        })
    }
}

/// Multi-head attention whose weights are a Tsallis softargmax of the scores, with the reference measure `q = 1`.
///
/// It replaces Burn's [`MultiHeadAttention`](burn::nn::attention::MultiHeadAttention). Head `h` of queries `Q`, keys
/// `K` and values `V` is
///
/// `softargmax_alpha_h(Q_h K_h^T / sqrt(d_k)) V_h`.
///
/// Linear layers produce `Q`, `K` and `V` from the inputs, and another one produces the output from the concatenated
/// heads.
///
/// Sources: Vaswani et al., Attention is all you need, arXiv 1706.03762; with an alpha learned for each head,
/// Correia, Niculae and Martins, Adaptively sparse transformers, arXiv 1909.00015.
///
/// Methods, shapes, the meaning of the masks, and the names of fields and parameters are those of Burn's attention. The
/// module therefore loads a record of Burn's attention; if alpha is learned, use `record.allow_partial(true)`. At
/// `alpha = 1` its output is Burn's except for a query whose keys are all masked: here its weights are zero and its
/// context is the bias of the output layer, whereas in Burn it attends to every key equally.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::module::Module;
/// use burn::nn::attention::MultiHeadAttentionConfig;
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::AlphaConfig;
/// use burn_tsallis::nn::attention::{TsallisMhaInput, TsallisMultiHeadAttentionConfig};
///
/// let device = Device::flex();
/// let trained = MultiHeadAttentionConfig::new(32, 4).init(&device).into_record();
/// let attention = TsallisMultiHeadAttentionConfig::new(32, 4)
///     .with_alpha(AlphaConfig::learned(1.1))
///     .init(&device)
///     .load_record(trained.allow_partial(true));
///
/// let output = attention.forward(TsallisMhaInput::self_attn(Tensor::zeros([2, 7, 32], &device)));
/// assert_eq!(output.context.dims(), [2, 7, 32]);
/// assert_eq!(output.weights.dims(), [2, 4, 7, 7]);
/// # }
/// ```
///
/// Created by [`TsallisMultiHeadAttentionConfig`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct TsallisMultiHeadAttention {
    /// The linear layer of the queries.
    pub query: Linear,
    /// The linear layer of the keys.
    pub key: Linear,
    /// The linear layer of the values.
    pub value: Linear,
    /// The linear layer of the output.
    pub output: Linear,
    /// The alpha of each head.
    pub alpha: TsallisAlpha,
    /// The dropout of the attention weights.
    pub dropout: Dropout,
    /// The model width: the feature size of inputs and outputs.
    pub d_model: usize,
    /// The number of heads.
    pub n_heads: usize,
    /// The feature size of a head, `d_model / n_heads`.
    pub d_k: usize,
    /// Whether a head can attend to nothing.
    pub quiet_softmax: bool,
}

impl ModuleDisplay for TsallisMultiHeadAttention {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("d_model", &self.d_model)
            .add("n_heads", &self.n_heads)
            .add("d_k", &self.d_k)
            .add("alpha", self.alpha.summary().as_str())
            .add("dropout", &self.dropout.prob)
            .add("quiet_softmax", &self.quiet_softmax)
            .optional()
    }
}

/// The input of [`TsallisMultiHeadAttention`], like Burn's [`MhaInput`](burn::nn::attention::MhaInput).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::nn::attention::generate_autoregressive_mask;
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::attention::{TsallisMhaInput, TsallisMultiHeadAttentionConfig};
///
/// let device = Device::flex();
/// let attention = TsallisMultiHeadAttentionConfig::new(32, 4).init(&device);
/// let causal = TsallisMhaInput::self_attn(Tensor::zeros([2, 7, 32], &device))
///     .mask_attn(generate_autoregressive_mask(2, 7, &device));
/// assert_eq!(attention.forward(causal).context.dims(), [2, 7, 32]);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisMhaInput {
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    mask_pad: Option<Tensor<2, Bool>>,
    mask_attn: Option<Tensor<3, Bool>>,
}

impl TsallisMhaInput {
    /// Creates the input of self-attention: the tensor is query, key and value.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::attention::{TsallisMhaInput, TsallisMultiHeadAttentionConfig};
    ///
    /// let device = Device::flex();
    /// let attention = TsallisMultiHeadAttentionConfig::new(32, 4).init(&device);
    /// let input = TsallisMhaInput::self_attn(Tensor::zeros([2, 7, 32], &device));
    /// assert_eq!(attention.forward(input).weights.dims(), [2, 4, 7, 7]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - tensor: `[batch, length, d_model]`
    pub fn self_attn(tensor: Tensor<3>) -> Self {
        Self::new(tensor.clone(), tensor.clone(), tensor)
    }

    /// Creates the input of cross-attention: queries, and keys with their values.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::attention::{TsallisMhaInput, TsallisMultiHeadAttentionConfig};
    ///
    /// let device = Device::flex();
    /// let attention = TsallisMultiHeadAttentionConfig::new(32, 4).init(&device);
    /// let (x, memory) = (Tensor::zeros([2, 3, 32], &device), Tensor::zeros([2, 7, 32], &device));
    /// let input = TsallisMhaInput::new(x, memory.clone(), memory);
    /// assert_eq!(attention.forward(input).weights.dims(), [2, 4, 3, 7]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - query: `[batch, queries, d_model]`
    /// - key, value: `[batch, keys, d_model]`
    pub fn new(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>) -> Self {
        Self {
            query,
            key,
            value,
            mask_pad: None,
            mask_attn: None,
        }
    }

    /// Sets the padding mask of the keys, which is `true` for padding.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor};
    /// use burn_tsallis::nn::attention::{TsallisMhaInput, TsallisMultiHeadAttentionConfig};
    ///
    /// let device = Device::flex();
    /// let attention = TsallisMultiHeadAttentionConfig::new(8, 1).init(&device);
    /// let padding = Tensor::<2, Bool>::from_data([[false, true]], &device);
    /// let input = TsallisMhaInput::self_attn(Tensor::zeros([1, 2, 8], &device)).mask_pad(padding);
    /// let weights = attention.forward(input).weights.into_data();
    /// assert_eq!(weights.as_slice::<f32>().unwrap(), [1.0, 0.0, 1.0, 0.0]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - `mask_pad`: `[batch, keys]`, or `[1, keys]` for every sequence
    pub fn mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.mask_pad = Some(mask_pad);
        self
    }

    /// Sets the attention mask, which is `true` where a query must not attend to a key.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor};
    /// use burn_tsallis::nn::attention::{TsallisMhaInput, TsallisMultiHeadAttentionConfig};
    ///
    /// let device = Device::flex();
    /// let attention = TsallisMultiHeadAttentionConfig::new(8, 1).init(&device);
    /// // The first query attends only to the first key, and the second query only to the second key.
    /// let mask = Tensor::<3, Bool>::from_data([[[false, true], [true, false]]], &device);
    /// let input = TsallisMhaInput::self_attn(Tensor::zeros([1, 2, 8], &device)).mask_attn(mask);
    /// let weights = attention.forward(input).weights.into_data();
    /// assert_eq!(weights.as_slice::<f32>().unwrap(), [1.0, 0.0, 0.0, 1.0]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - `mask_attn`: `[batch, queries, keys]`, or `[1, queries, keys]` for every sequence
    pub fn mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.mask_attn = Some(mask_attn);
        self
    }

    /// Sets both masks.
    pub(in crate::nn) fn with_masks(
        self,
        mask_pad: Option<Tensor<2, Bool>>,
        mask_attn: Option<Tensor<3, Bool>>,
    ) -> Self {
        Self {
            mask_pad,
            mask_attn,
            ..self
        }
    }
}

impl TsallisMultiHeadAttention {
    /// Computes the context and the attention weights, which are returned after dropout.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::attention::{TsallisMhaInput, TsallisMultiHeadAttentionConfig};
    ///
    /// let device = Device::flex();
    /// let attention = TsallisMultiHeadAttentionConfig::new(32, 4).init(&device);
    /// let output = attention.forward(TsallisMhaInput::self_attn(Tensor::zeros([2, 7, 32], &device)));
    /// assert_eq!(output.context.dims(), [2, 7, 32]);
    /// assert_eq!(output.weights.dims(), [2, 4, 7, 7]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - query: `[batch, queries, d_model]`
    /// - key, value: `[batch, keys, d_model]`
    /// - output: the context `[batch, queries, d_model]`, and the weights `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If a last dimension is not `d_model`, if the batch sizes of query, key and value or the lengths of key and value
    /// differ, or if a mask does not broadcast to the weights.
    pub fn forward(&self, input: TsallisMhaInput) -> MhaOutput {
        let (heads, masks) = self.split(input);
        let (weights, context) = self.attend(heads, masks);
        MhaOutput {
            weights,
            context: linear(&self.output, context),
        }
    }

    /// Computes the context without the attention weights: the memory grows with the number of keys, and not with its
    /// product with the number of queries.
    ///
    /// The context is that of [`forward`](Self::forward) up to rounding. Dropout of the weights needs the weights, so a
    /// module with `dropout > 0` computes them on an autodiff device.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::attention::{TsallisMhaInput, TsallisMultiHeadAttentionConfig};
    ///
    /// let device = Device::flex();
    /// let attention = TsallisMultiHeadAttentionConfig::new(32, 4).init(&device);
    /// let input = TsallisMhaInput::self_attn(Tensor::zeros([2, 7, 32], &device));
    /// assert_eq!(attention.forward_context(input).dims(), [2, 7, 32]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - query: `[batch, queries, d_model]`
    /// - key, value: `[batch, keys, d_model]`
    /// - output: `[batch, queries, d_model]`
    ///
    /// # Panics
    /// If [`forward`](Self::forward) panics for the same input.
    pub fn forward_context(&self, input: TsallisMhaInput) -> Tensor<3> {
        let (heads, masks) = self.split(input);
        linear(&self.output, self.context(heads, masks))
    }

    /// Computes the context and the attention weights while a sequence is decoded one token at a time.
    ///
    /// The input holds the whole sequence so far. The first call processes all of it. Every later call must add at least
    /// one position, and panics otherwise: the linear layers are applied to the new positions only, and the rest is
    /// taken from the cache. With a cache of
    /// [`autoregressive_cross_attention`](TsallisMhaCache::autoregressive_cross_attention), the keys and values are
    /// those of the first call.
    ///
    /// In self-attention, the contexts of earlier positions are those of earlier calls. They equal those of
    /// [`forward`](Self::forward) for the whole sequence only if each query is masked from later keys. The context of
    /// the newest position is the same with and without such a mask.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::nn::attention::generate_autoregressive_mask;
    /// use burn::tensor::{Device, Distribution, Tensor, Tolerance};
    /// use burn_tsallis::nn::attention::{
    ///     TsallisMhaCache, TsallisMhaInput, TsallisMultiHeadAttentionConfig,
    /// };
    ///
    /// let device = Device::flex();
    /// let attention = TsallisMultiHeadAttentionConfig::new(8, 2).init(&device);
    /// let x = Tensor::<3>::random([1, 4, 8], Distribution::Normal(0.0, 1.0), &device);
    /// let causal = |length| {
    ///     TsallisMhaInput::self_attn(x.clone().narrow(1, 0, length))
    ///         .mask_attn(generate_autoregressive_mask(1, length, &device))
    /// };
    /// let mut cache = TsallisMhaCache::autoregressive();
    /// for length in 1..=4 {
    ///     let step = attention.forward_cache(causal(length), &mut cache).context;
    ///     let whole = attention.forward(causal(length)).context.into_data();
    ///     step.into_data().assert_approx_eq::<f32>(&whole, Tolerance::absolute(1e-5));
    /// }
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - query: `[batch, queries, d_model]`
    /// - key, value: `[batch, keys, d_model]`
    /// - output: the context `[batch, queries, d_model]`, and the weights `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If [`forward`](Self::forward) panics for the same input.
    pub fn forward_cache(&self, input: TsallisMhaInput, cache: &mut TsallisMhaCache) -> MhaOutput {
        let (heads, masks) = self.split_cached(input, cache);
        let (weights, context) = self.attend(heads, masks);
        MhaOutput {
            weights,
            context: cache.output.forward(context, |x| linear(&self.output, x)),
        }
    }

    /// Computes the context of [`forward_cache`](Self::forward_cache) without the attention weights, for the new
    /// queries only.
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
    /// let input = |length| TsallisMhaInput::self_attn(Tensor::zeros([1, length, 8], &device));
    /// attention.forward_cache_context(input(3), &mut cache);
    /// let context = attention.forward_cache_context(input(5), &mut cache);
    /// assert_eq!(context.dims(), [1, 5, 8]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - query: `[batch, queries, d_model]`
    /// - key, value: `[batch, keys, d_model]`
    /// - output: `[batch, queries, d_model]`
    ///
    /// # Panics
    /// If [`forward`](Self::forward) panics for the same input.
    pub fn forward_cache_context(
        &self,
        input: TsallisMhaInput,
        cache: &mut TsallisMhaCache,
    ) -> Tensor<3> {
        let (heads, masks) = self.split_cached(input, cache);
        let context = self.context(heads, masks);
        cache.output.forward(context, |x| linear(&self.output, x))
    }

    /// Applies the layers of the inputs and splits the results into heads.
    fn split(&self, input: TsallisMhaInput) -> (Heads, Masks) {
        self.check(&input);
        let input = without_padding(input);
        let heads = Heads {
            query: self.heads(input.query, &self.query),
            key: self.heads(input.key, &self.key),
            value: self.heads(input.value, &self.value),
        };
        (heads, Masks::new(input.mask_pad, input.mask_attn))
    }

    /// Does the same for the new positions only.
    fn split_cached(&self, input: TsallisMhaInput, cache: &mut TsallisMhaCache) -> (Heads, Masks) {
        self.check(&input);
        let input = without_padding(input);
        let (query, key, value) = (&mut cache.query, &mut cache.key, &mut cache.value);
        let heads = Heads {
            query: query.forward(input.query, |x| self.heads(x, &self.query)),
            key: key.forward(input.key, |x| self.heads(x, &self.key)),
            value: value.forward(input.value, |x| self.heads(x, &self.value)),
        };
        (heads, Masks::new(input.mask_pad, input.mask_attn))
    }

    fn check(&self, input: &TsallisMhaInput) {
        let [batch, _, _] = input.query.dims();
        let [_, keys, _] = input.key.dims();
        assert_shape!(input.query, [_, _, self.d_model]);
        assert_shape!(input.key, [batch, _, self.d_model]);
        assert_shape!(input.value, [batch, keys, self.d_model]);
    }

    /// Computes the weights, and the contexts of the heads side by side.
    fn attend(&self, heads: Heads, masks: Masks) -> (Tensor<4>, Tensor<3>) {
        let Heads { query, key, value } = heads;
        let alpha = self
            .alpha
            .to_alpha([1, self.n_heads, 1, 1], &query.device());
        let masks: Vec<_> = [masks.padding, masks.attention]
            .into_iter()
            .flatten()
            .collect();
        let value = masks.iter().fold(value, without_masked_keys);
        let scores = masked_scores(query, key, masks, None, AttentionModuleOptions::default());
        let weights = if self.quiet_softmax {
            quiet_weights(scores, alpha)
        } else {
            weights(scores, alpha)
        };
        let weights = self.dropout.forward(weights);
        let context = context(weights.clone(), value);
        (weights, self.side_by_side(context))
    }

    /// Computes the contexts of the heads side by side, without the weights if dropout does not need them.
    fn context(&self, heads: Heads, masks: Masks) -> Tensor<3> {
        let Heads { query, key, value } = heads;
        let device = query.device();
        if self.dropout.prob > 0.0 && device.is_autodiff() {
            return self.attend(Heads { query, key, value }, masks).1;
        }
        let alpha = self.alpha.to_alpha([1, self.n_heads, 1, 1], &device);
        let options = TsallisAttentionOptions {
            mask: masks.attention,
            padding: masks.padding,
            null_score: self.quiet_softmax.then_some(0.0),
            ..TsallisAttentionOptions::new(alpha)
        };
        self.side_by_side(tsallis_attention_with(query, key, value, &options))
    }

    fn side_by_side(&self, context: Tensor<4>) -> Tensor<3> {
        let [batch, _, queries, _] = context.dims();
        context
            .swap_dims(1, 2)
            .reshape([batch, queries, self.d_model])
    }

    /// Applies a layer and splits its output into heads: `[batch, length, d_model]` to `[batch, heads, length, d_k]`.
    fn heads(&self, x: Tensor<3>, layer: &Linear) -> Tensor<4> {
        let [batch, length, _] = x.dims();
        linear(layer, x)
            .reshape([batch, length, self.n_heads, self.d_k])
            .swap_dims(1, 2)
    }
}

/// Sets the keys and values of padding to zero. They have no weight, but a product with zero is `NaN` for a number that is
/// not finite, also in the gradients of the layers.
fn without_padding(input: TsallisMhaInput) -> TsallisMhaInput {
    let Some(mask) = &input.mask_pad else {
        return input;
    };
    let fill = |x: Tensor<3>| {
        let padding = expanded(mask.clone().unsqueeze_dim(2), x.dims());
        x.mask_fill(padding, 0.0)
    };
    TsallisMhaInput {
        key: fill(input.key.clone()),
        value: fill(input.value.clone()),
        ..input
    }
}

/// The queries, keys and values of the heads.
struct Heads {
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
}

/// Both masks in shapes that broadcast to the scores.
struct Masks {
    padding: Option<Tensor<4, Bool>>,
    attention: Option<Tensor<4, Bool>>,
}

impl Masks {
    fn new(mask_pad: Option<Tensor<2, Bool>>, mask_attn: Option<Tensor<3, Bool>>) -> Self {
        Self {
            padding: mask_pad.map(|mask| mask.unsqueeze_dim::<3>(1).unsqueeze_dim(1)),
            attention: mask_attn.map(|mask| mask.unsqueeze_dim(1)),
        }
    }
}

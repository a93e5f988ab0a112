use super::function::{masked_scores, quiet_weights, weights};
use super::{MhaOutput, TsallisMhaCache};
use crate::nn::error::{check_dropout, or_panic};
use crate::nn::{AlphaConfig, ModuleConfigError, TsallisAlpha};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, assert_shape};

/// Configuration of a [`TsallisMultiHeadAttention`], which its [`init`](Self::init) makes: that of Burn's
/// [`MultiHeadAttention`](burn::nn::attention::MultiHeadAttention), and the order.
#[derive(Config, Debug)]
pub struct TsallisMultiHeadAttentionConfig {
    /// The features of the inputs and of the output.
    pub d_model: usize,
    /// The number of heads, which divides `d_model`.
    pub n_heads: usize,
    /// The order: one for all heads, or one for each, fixed or learned. Learned orders are one for each head
    /// in any case. Default: 1.5, fixed.
    #[config(default = "AlphaConfig::fixed(1.5)")]
    pub alpha: AlphaConfig,
    /// The rate at which weights are dropped in training. Default: 0.1.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Taken so that a configuration of Burn's attention reads as it is, and without an effect: the weight
    /// of a masked key is exactly zero, and needs no small score. Default: -1e4.
    #[config(default = -1.0e4)]
    pub min_float: f64,
    /// Let a head look at nothing: a key more, whose score is zero and whose value is left out. At
    /// `alpha = 1` that is Burn's quiet softmax. Default: false.
    #[config(default = false)]
    pub quiet_softmax: bool,
    /// How the linear layers are initialized. Default: Burn's.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
    /// Whether the layer of the keys has a bias. Default: true.
    #[config(default = true)]
    pub key_bias: bool,
    /// Whether the layer of the values has a bias. Default: true.
    #[config(default = true)]
    pub value_bias: bool,
    /// Whether the layer of the queries has a bias. Default: true.
    #[config(default = true)]
    pub query_bias: bool,
    /// Whether the layer of the output has a bias. Default: true.
    #[config(default = true)]
    pub output_bias: bool,
}

impl TsallisMultiHeadAttentionConfig {
    /// The module.
    ///
    /// # Panics
    ///
    /// Where [`try_init`](Self::try_init) returns an error, with its words.
    pub fn init(&self, device: &Device) -> TsallisMultiHeadAttention {
        or_panic(self.try_init(device))
    }

    /// As [`init`](Self::init).
    ///
    /// # Errors
    ///
    /// [`ModuleConfigError`] if `d_model` does not divide into the heads, or if an order or the dropout rate is
    /// not one that can be computed with.
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

/// Multi-head attention whose weights are a Tsallis softargmax of the scores, with the reference `ones`: Burn's
/// [`MultiHeadAttention`](burn::nn::attention::MultiHeadAttention) under another name, with an order.
/// Head `h` of queries `Q`, keys `K` and values `V` is
///
/// `softargmax_alpha_h(Q_h K_h^T / sqrt(d_k)) V_h`,
///
/// a linear layer for each of `Q`, `K` and `V` before, and one for the heads side by side after.
///
/// Sources: Vaswani et al., Attention is all you need, arXiv 1706.03762; with an order learned for each head,
/// Correia, Niculae and Martins, Adaptively sparse transformers, arXiv 1909.00015.
///
/// Fields, methods, shapes and the meaning of the masks are Burn's, and so are the names of the
/// parameters: it loads a record of Burn's attention, with `record.allow_partial(true)` where the orders are
/// learned. At `alpha = 1` its output is Burn's, except for a query whose keys are all masked: its
/// weights are zero here, and its context is the bias of the output layer, where Burn's attends to
/// every key alike.
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
    /// The layer of the queries.
    pub query: Linear,
    /// The layer of the keys.
    pub key: Linear,
    /// The layer of the values.
    pub value: Linear,
    /// The layer of the output.
    pub output: Linear,
    /// The order of each head.
    pub alpha: TsallisAlpha,
    /// Dropout of the weights.
    pub dropout: Dropout,
    /// The features of the inputs and of the output.
    pub d_model: usize,
    /// The number of heads.
    pub n_heads: usize,
    /// The features of a head.
    pub d_k: usize,
    /// Whether a head may look at nothing.
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

/// The input of [`TsallisMultiHeadAttention`], which is Burn's
/// [`MhaInput`](burn::nn::attention::MhaInput) under another name.
#[derive(Clone, Debug)]
pub struct TsallisMhaInput {
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    mask_pad: Option<Tensor<2, Bool>>,
    mask_attn: Option<Tensor<3, Bool>>,
}

impl TsallisMhaInput {
    /// Self-attention: the tensor is query, key and value.
    ///
    /// # Shapes
    /// - tensor: `[batch, length, d_model]`
    pub fn self_attn(tensor: Tensor<3>) -> Self {
        Self::new(tensor.clone(), tensor.clone(), tensor)
    }

    /// Queries that look at keys and their values.
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

    /// With a mask of the keys, `[batch, keys]`, or `[1, keys]` for every sequence, `true` where one is padding.
    pub fn mask_pad(mut self, mask_pad: Tensor<2, Bool>) -> Self {
        self.mask_pad = Some(mask_pad);
        self
    }

    /// With a mask of the keys of each query, `[batch, queries, keys]`, or `[1, queries, keys]` for every
    /// sequence, `true` where one is not seen.
    pub fn mask_attn(mut self, mask_attn: Tensor<3, Bool>) -> Self {
        self.mask_attn = Some(mask_attn);
        self
    }

    /// With these masks, if any.
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
    /// Attends.
    ///
    /// # Shapes
    /// - query: `[batch, queries, d_model]`
    /// - key, value: `[batch, keys, d_model]`
    /// - output: the context `[batch, queries, d_model]`, and the weights `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If a shape is another.
    pub fn forward(&self, input: TsallisMhaInput) -> MhaOutput {
        self.check(&input);
        let query = self.heads(input.query, &self.query);
        let key = self.heads(input.key, &self.key);
        let value = self.heads(input.value, &self.value);
        let masks = masks(input.mask_pad, input.mask_attn);
        let (weights, context) = self.attend(query, key, value, masks);
        MhaOutput {
            weights,
            context: self.output.forward(context),
        }
    }

    /// Attends while a sequence is decoded one token at a time: the input holds the whole sequence so
    /// far, of which the layers see only what is new.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_cache(&self, input: TsallisMhaInput, cache: &mut TsallisMhaCache) -> MhaOutput {
        self.check(&input);
        let query = cache
            .query
            .forward(input.query, |x| self.heads(x, &self.query));
        let key = cache.key.forward(input.key, |x| self.heads(x, &self.key));
        let value = cache
            .value
            .forward(input.value, |x| self.heads(x, &self.value));
        let masks = masks(input.mask_pad, input.mask_attn);
        let (weights, context) = self.attend(query, key, value, masks);
        MhaOutput {
            weights,
            context: cache.output.forward(context, |x| self.output.forward(x)),
        }
    }

    fn check(&self, input: &TsallisMhaInput) {
        let [batch, _, _] = input.query.dims();
        let [_, keys, _] = input.key.dims();
        assert_shape!(input.query, [_, _, self.d_model]);
        assert_shape!(input.key, [batch, _, self.d_model]);
        assert_shape!(input.value, [batch, keys, self.d_model]);
    }

    /// The weights, and the heads' contexts side by side.
    fn attend(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        masks: impl Iterator<Item = Tensor<4, Bool>>,
    ) -> (Tensor<4>, Tensor<3>) {
        let [batch, _, queries, _] = query.dims();
        let alpha = self
            .alpha
            .to_alpha([1, self.n_heads, 1, 1], &query.device());
        let scores = masked_scores(query, key, masks, None, AttentionModuleOptions::default());
        let weights = if self.quiet_softmax {
            quiet_weights(scores, alpha)
        } else {
            weights(scores, alpha)
        };
        let weights = self.dropout.forward(weights);
        let context =
            weights
                .clone()
                .matmul(value)
                .swap_dims(1, 2)
                .reshape([batch, queries, self.d_model]);
        (weights, context)
    }

    /// `[batch, length, d_model]` through a layer to `[batch, heads, length, d_k]`.
    fn heads(&self, x: Tensor<3>, layer: &Linear) -> Tensor<4> {
        let [batch, length, _] = x.dims();
        layer
            .forward(x)
            .reshape([batch, length, self.n_heads, self.d_k])
            .swap_dims(1, 2)
    }
}

/// Both masks, as they broadcast to the scores.
fn masks(
    mask_pad: Option<Tensor<2, Bool>>,
    mask_attn: Option<Tensor<3, Bool>>,
) -> impl Iterator<Item = Tensor<4, Bool>> {
    let pad = mask_pad.map(|mask| mask.unsqueeze_dim::<3>(1).unsqueeze_dim(1));
    let attn = mask_attn.map(|mask| mask.unsqueeze_dim(1));
    pad.into_iter().chain(attn)
}

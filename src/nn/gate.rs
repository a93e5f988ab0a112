use super::empty::{linear, rows};
use super::error::or_panic;
use super::one_hot::one_hot;
use super::{AlphaConfig, ModuleConfigError, TsallisAlpha};
use crate::nn::display::one_line;
use crate::op::computed_dtype;
use crate::{EmptyRow, Reference, TsallisOptions, tsallis_softargmax};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Bool, Device, Int};

/// Configuration of a [`TsallisGate`]. Create the gate with [`init`](Self::init).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::nn::{AlphaConfig, TsallisGateConfig};
///
/// let gate = TsallisGateConfig::new(16, 4)
///     .with_alpha(AlphaConfig::learned(1.5))
///     .with_temperature(2.0)
///     .init(&Device::flex());
/// assert_eq!(gate.temperature, 2.0);
/// # }
/// ```
#[derive(Config, Debug)]
pub struct TsallisGateConfig {
    /// The number of features of a token.
    pub d_model: usize,
    /// The number of experts.
    pub n_experts: usize,
    /// The alpha of the softargmax. For `alpha > 1` a token can be routed to a few of the experts. For `alpha <= 1` it
    /// is routed to all. Default: 1.5, fixed.
    #[config(default = "AlphaConfig::fixed(1.5)")]
    pub alpha: AlphaConfig,
    /// The temperature `t` that divides the logits. A lower temperature sends a token to fewer experts if `alpha > 1`.
    /// Default: 1.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// Whether the linear layer has a bias. Default: false.
    #[config(default = false)]
    pub bias: bool,
    /// The initializer of the linear layer. Default: that of Burn's [`LinearConfig`].
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
}

impl TsallisGateConfig {
    /// Creates the gate.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::TsallisGateConfig;
    ///
    /// let gate = TsallisGateConfig::new(16, 4).init(&Device::flex());
    /// assert_eq!(gate.n_experts, 4);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_init`](Self::try_init) returns an error, with the message of that error.
    pub fn init(&self, device: &Device) -> TsallisGate {
        or_panic(self.try_init(device))
    }

    /// Creates the gate, or returns an error.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::TsallisGateConfig;
    ///
    /// let error = TsallisGateConfig::new(16, 0).try_init(&Device::flex()).unwrap_err();
    /// assert_eq!(error.to_string(), "n_experts is 0: it must be at least 1");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ModuleConfigError`] if `d_model` or `n_experts` is zero, or if alpha or the temperature is invalid.
    pub fn try_init(&self, device: &Device) -> Result<TsallisGate, ModuleConfigError> {
        for (name, size) in [("d_model", self.d_model), ("n_experts", self.n_experts)] {
            if size == 0 {
                return Err(ModuleConfigError::Zero { name });
            }
        }
        TsallisOptions::<1>::new(1.0).try_with_temperature(self.temperature)?;
        Ok(TsallisGate {
            linear: LinearConfig::new(self.d_model, self.n_experts)
                .with_bias(self.bias)
                .with_initializer(self.initializer.clone())
                .init(device),
            alpha: self.alpha.try_init(1, device)?,
            temperature: self.temperature,
            n_experts: self.n_experts,
        })
    }
}

/// The gate of a mixture of experts: a linear layer followed by a Tsallis softargmax with the reference measure
/// `q = 1`,
///
/// `w = softargmax_alpha(W x / t)`, `w_e = [1 + (alpha - 1)((W x)_e / t - mu)]_+^(1 / (alpha - 1))`.
///
/// For `alpha > 1` the weights are sparse. Each token then selects its own number of experts, and the weights stay
/// differentiable; a top-k gate fixes that number.
///
/// Sources: gates of experts, Shazeer et al., Outrageously large neural networks, arXiv 1701.06538; the
/// sparse softargmax, Peters, Niculae and Martins, Sparse sequence-to-sequence models, arXiv 1905.05702.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Distribution, Tensor};
/// use burn_tsallis::nn::TsallisGateConfig;
///
/// let device = Device::flex();
/// let gate = TsallisGateConfig::new(16, 4).init(&device);
/// let tokens = Tensor::<2>::random([32, 16], Distribution::Normal(0.0, 1.0), &device);
/// let routes = gate.forward(tokens);
/// assert_eq!(routes.weights.dims(), [32, 4]);
/// let load: f32 = routes.load().sum().into_scalar();
/// assert!((load - 1.0).abs() < 1e-5);
/// # }
/// ```
///
/// Created by [`TsallisGateConfig`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct TsallisGate {
    /// The linear layer that computes the logits of the experts.
    pub linear: Linear,
    /// The alpha of the softargmax.
    pub alpha: TsallisAlpha,
    /// The temperature that divides the logits.
    pub temperature: f64,
    /// The number of experts.
    pub n_experts: usize,
}

impl ModuleDisplay for TsallisGate {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        one_line()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("n_experts", &self.n_experts)
            .add("alpha", self.alpha.summary().as_str())
            .add("temperature", &self.temperature)
            .optional()
    }
}

impl TsallisGate {
    /// Routes tokens to experts.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisGateConfig;
    ///
    /// let device = Device::flex();
    /// let gate = TsallisGateConfig::new(16, 4).init(&device);
    /// // Two sequences of five tokens.
    /// let routes = gate.forward(Tensor::<3>::zeros([2, 5, 16], &device));
    /// assert_eq!(routes.weights.dims(), [2, 5, 4]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - tokens: `[.., d_model]`
    /// - weights of the output: `[.., n_experts]`
    ///
    /// # Panics
    /// If the last dimension of the tokens is not `d_model`.
    pub fn forward<const D: usize>(&self, tokens: Tensor<D>) -> TsallisGateOutput<D> {
        self.route(linear(&self.linear, tokens), None)
    }

    /// Routes tokens to experts, with a mask that is `true` for padding. Padding is routed to no expert and excluded
    /// from the statistics.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor};
    /// use burn_tsallis::nn::TsallisGateConfig;
    ///
    /// let device = Device::flex();
    /// let gate = TsallisGateConfig::new(16, 4).init(&device);
    /// let mask = Tensor::<2, Bool>::from_data([[false], [true]], &device);
    /// let routes = gate.forward_masked(Tensor::<2>::zeros([2, 16], &device), mask);
    /// assert_eq!(routes.support_size().into_data().iter::<i64>().collect::<Vec<_>>(), [4, 0]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - tokens: `[.., d_model]`
    /// - mask: `[.., 1]`
    /// - weights of the output: `[.., n_experts]`
    ///
    /// # Panics
    /// If the mask has another shape, or if the last dimension of the tokens is not `d_model`.
    pub fn forward_masked<const D: usize>(
        &self,
        tokens: Tensor<D>,
        mask: Tensor<D, Bool>,
    ) -> TsallisGateOutput<D> {
        let mut shape = tokens.dims();
        shape[D - 1] = 1;
        assert_eq!(
            mask.dims(),
            shape,
            "the mask must have one entry for each token"
        );
        self.route(linear(&self.linear, tokens), Some(mask))
    }

    fn route<const D: usize>(
        &self,
        logits: Tensor<D>,
        mask: Option<Tensor<D, Bool>>,
    ) -> TsallisGateOutput<D> {
        let alpha = self.alpha.to_alpha([1; D], &logits.device());
        let mut options = TsallisOptions::new(alpha)
            .with_reference(Reference::Ones)
            .with_temperature(self.temperature)
            .with_empty_row(EmptyRow::Zero);
        if let Some(mask) = mask {
            options = options.with_allowed(mask.bool_not());
        }
        TsallisGateOutput {
            weights: tsallis_softargmax(logits.clone(), options, -1),
            logits,
        }
    }
}

/// The output of a [`TsallisGate`]: the weights of the experts for each token.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::TsallisGateConfig;
///
/// let device = Device::flex();
/// let gate = TsallisGateConfig::new(16, 4).init(&device);
/// let routes = gate.forward(Tensor::<2>::zeros([3, 16], &device));
/// for sum in routes.weights.sum_dim(1).into_data().iter::<f32>() {
///     assert!((sum - 1.0).abs() < 1e-5);
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TsallisGateOutput<const D: usize> {
    /// The weight of each expert, `[.., n_experts]`. The weights of a token sum to one; those of padding are zero.
    pub weights: Tensor<D>,
    /// The logits of the softargmax, not divided by the temperature: `[.., n_experts]`.
    pub logits: Tensor<D>,
}

impl<const D: usize> TsallisGateOutput<D> {
    /// Returns which experts have a positive weight, `[.., n_experts]`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisGateOutput;
    ///
    /// let weights = Tensor::<2>::from_data([[1.0, 0.0], [0.25, 0.75]], &Device::flex());
    /// let routes = TsallisGateOutput { logits: weights.clone(), weights };
    /// let support = routes.support().into_data();
    /// assert_eq!(support.iter::<bool>().collect::<Vec<_>>(), [true, false, true, true]);
    /// # }
    /// ```
    pub fn support(&self) -> Tensor<D, Bool> {
        self.weights.clone().greater_scalar(0.0)
    }

    /// Returns the number of experts with a positive weight for each token, `[.., 1]`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisGateOutput;
    ///
    /// let weights = Tensor::<2>::from_data([[1.0, 0.0], [0.25, 0.75]], &Device::flex());
    /// let routes = TsallisGateOutput { logits: weights.clone(), weights };
    /// assert_eq!(routes.support_size().into_data().iter::<i64>().collect::<Vec<_>>(), [1, 2]);
    /// # }
    /// ```
    pub fn support_size(&self) -> Tensor<D, Int> {
        self.support().int().sum_dim(D - 1)
    }

    /// Computes the load of each expert: the number of tokens that are routed to it, divided by the number of all
    /// routes.
    ///
    /// The shape is `[n_experts]`, and the loads sum to one. A token with three positive weights has three routes.
    ///
    /// The load is a constant to autodiff. It is `NaN` if no token is routed.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisGateOutput;
    ///
    /// let weights = Tensor::<2>::from_data([[1.0, 0.0], [0.25, 0.75]], &Device::flex());
    /// let load = TsallisGateOutput { logits: weights.clone(), weights }.load().into_data();
    /// // The first expert has two of the three routes.
    /// assert!((load.as_slice::<f32>().unwrap()[0] - 2.0 / 3.0).abs() < 1e-6);
    /// # }
    /// ```
    pub fn load(&self) -> Tensor<1> {
        self.load_share().cast(self.weights.dtype())
    }

    /// Computes the importance of each expert, its share of the total weight: `[n_experts]`, sum 1.
    ///
    /// The importance is differentiable. It is `NaN` if no token is routed.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisGateOutput;
    ///
    /// let weights = Tensor::<2>::from_data([[1.0, 0.0], [0.25, 0.75]], &Device::flex());
    /// let importance = TsallisGateOutput { logits: weights.clone(), weights }.importance().into_data();
    /// assert_eq!(importance.as_slice::<f32>().unwrap(), [0.625, 0.375]);
    /// # }
    /// ```
    pub fn importance(&self) -> Tensor<1> {
        self.importance_share().cast(self.weights.dtype())
    }

    /// Computes the balance loss of the importance, shape `[1]`: `n_experts sum_e importance_e^2`, which is one plus the
    /// squared coefficient of variation of the importance (arXiv 1701.06538).
    ///
    /// The loss is 1 if the weight is spread evenly, for every `alpha`, and larger otherwise. At most it is the number of
    /// experts.
    ///
    /// An expert without tokens has a gradient of zero and cannot recover. Start at a temperature at which every expert
    /// gets some tokens.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisGateOutput;
    ///
    /// let weights = Tensor::<2>::from_data([[1.0, 0.0], [0.25, 0.75]], &Device::flex());
    /// let routes = TsallisGateOutput { logits: weights.clone(), weights };
    /// let loss = routes.balance_loss().into_scalar::<f32>();
    /// assert!((loss - 1.0625).abs() < 1e-5); // 2 (0.625^2 + 0.375^2)
    /// # }
    /// ```
    pub fn balance_loss(&self) -> Tensor<1> {
        let importance = self.importance_share();
        self.mean_product(importance.clone(), importance)
    }

    /// Computes the load-balancing loss of the Switch Transformer (arXiv 2101.03961), shape `[1]`:
    /// `n_experts sum_e f_e importance_e`, where `f_e` is the share of the tokens whose largest weight is that of `e`.
    ///
    /// The loss is 1 if the tokens and the weight are spread evenly. Its gradient flows through the importance only.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisGateOutput;
    ///
    /// let weights = Tensor::<2>::from_data([[1.0, 0.0], [0.75, 0.25]], &Device::flex());
    /// let routes = TsallisGateOutput { logits: weights.clone(), weights };
    /// // Both tokens go to the first expert first: 2 (1 * 0.875 + 0 * 0.125).
    /// assert_eq!(routes.switch_balance_loss().into_scalar::<f32>(), 1.75);
    /// # }
    /// ```
    pub fn switch_balance_loss(&self) -> Tensor<1> {
        let weights = rows(self.weights.clone().detach());
        let [tokens, experts] = weights.dims();
        if tokens == 0 {
            return self.mean_product(share(weights), self.importance_share());
        }
        let first = one_hot(weights.clone().argmax(1), &weights);
        // A masked token has no weight.
        let none = weights.max_dim(1).lower_equal_scalar(0.0);
        let first = first.mask_fill(none.expand([tokens, experts]), 0.0);
        self.mean_product(share(first), self.importance_share())
    }

    /// `n_experts sum_e a_e b_e`, in the dtype of the weights.
    fn mean_product(&self, a: Tensor<1>, b: Tensor<1>) -> Tensor<1> {
        let experts = self.weights.dims()[D - 1];
        (a * b)
            .sum()
            .mul_scalar(experts as f64)
            .cast(self.weights.dtype())
    }

    fn load_share(&self) -> Tensor<1> {
        let zeros = self.weights.clone().detach().zeros_like();
        share(zeros.mask_fill(self.support(), 1.0))
    }

    fn importance_share(&self) -> Tensor<1> {
        share(self.weights.clone())
    }
}

/// Returns the share of each expert over all tokens, in a dtype that can hold the sums: `f16` overflows above 65504
/// tokens.
fn share<const D: usize>(values: Tensor<D>) -> Tensor<1> {
    let dtype = computed_dtype(&values.device(), values.dtype());
    let values = rows(values.cast(dtype));
    let [_, experts] = values.dims();
    let total: Tensor<1> = values.sum_dim(0).reshape([experts]);
    total.clone() / total.sum()
}

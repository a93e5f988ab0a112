use super::error::or_panic;
use super::{AlphaConfig, ModuleConfigError, TsallisAlpha};
use crate::op::arithmetic_dtype;
use crate::{EmptyRow, Reference, TsallisOptions, tsallis_softargmax};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Bool, Device, Int};

/// Configuration of a [`TsallisGate`], which its [`init`](Self::init) makes.
#[derive(Config, Debug)]
pub struct TsallisGateConfig {
    /// The features of a token.
    pub d_model: usize,
    /// The number of experts.
    pub n_experts: usize,
    /// The order: above one, a token goes to some of the experts only. Default: 1.5, fixed.
    #[config(default = "AlphaConfig::fixed(1.5)")]
    pub alpha: AlphaConfig,
    /// What the logits are divided by: the lower, the fewer experts a token goes to. Default: 1.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// Whether the linear layer has a bias. Default: false.
    #[config(default = false)]
    pub bias: bool,
    /// How the linear layer is initialized. Default: Burn's.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
}

impl TsallisGateConfig {
    /// The module.
    ///
    /// # Panics
    ///
    /// Where [`try_init`](Self::try_init) returns an error, with its words.
    pub fn init(&self, device: &Device) -> TsallisGate {
        or_panic(self.try_init(device))
    }

    /// As [`init`](Self::init).
    ///
    /// # Errors
    ///
    /// [`ModuleConfigError`] if a size is zero, or if the order or the temperature is not one that can be
    /// computed with.
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

/// The gate of a mixture of experts: a linear layer and a Tsallis softargmax with the reference `ones`,
///
/// `w = softargmax_alpha(W x / t)`, `w_e = [1 + (alpha - 1)((W x)_e / t - mu)]_+^(1 / (alpha - 1))`.
///
/// Above `alpha = 1` the weights are sparse, and how many experts a token goes to is decided token by
/// token, differentiably, where a top-k gate fixes it.
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
    /// The layer that gives the logits of the experts.
    pub linear: Linear,
    /// The order.
    pub alpha: TsallisAlpha,
    /// What the logits are divided by.
    pub temperature: f64,
    /// The number of experts.
    pub n_experts: usize,
}

impl ModuleDisplay for TsallisGate {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
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
    /// Routes tokens.
    ///
    /// # Shapes
    /// - tokens: `[.., d_model]`
    /// - weights of the output: `[.., n_experts]`
    pub fn forward<const D: usize>(&self, tokens: Tensor<D>) -> TsallisGateOutput<D> {
        self.route(self.linear.forward(tokens), None)
    }

    /// Routes tokens, of which some are padding: `mask` is `true` there. They go to no expert, and leave
    /// the statistics.
    ///
    /// # Shapes
    /// - tokens: `[.., d_model]`
    /// - mask: `[.., 1]`
    ///
    /// # Panics
    /// If the mask has another shape.
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
            "the mask of the tokens must have one entry for each"
        );
        self.route(self.linear.forward(tokens), Some(mask))
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

/// Where a [`TsallisGate`] sends tokens.
#[derive(Clone, Debug)]
pub struct TsallisGateOutput<const D: usize> {
    /// The weight of each expert, `[.., n_experts]`: they sum to one, or are zero for padding.
    pub weights: Tensor<D>,
    /// What they are the softargmax of, `[.., n_experts]`.
    pub logits: Tensor<D>,
}

impl<const D: usize> TsallisGateOutput<D> {
    /// Which experts a token goes to, `[.., n_experts]`.
    pub fn support(&self) -> Tensor<D, Bool> {
        self.weights.clone().greater_scalar(0.0)
    }

    /// How many experts each token goes to, `[.., 1]`.
    pub fn support_size(&self) -> Tensor<D, Int> {
        self.support().int().sum_dim(D - 1)
    }

    /// The load of each expert, its share of all routes from a token to an expert: `[n_experts]`, sum 1. A
    /// constant to autodiff. `NaN` if there is no token.
    pub fn load(&self) -> Tensor<1> {
        self.load_share().cast(self.weights.dtype())
    }

    /// The importance of each expert, its share of all weight: `[n_experts]`, sum 1. `NaN` if there is no
    /// token.
    pub fn importance(&self) -> Tensor<1> {
        self.importance_share().cast(self.weights.dtype())
    }

    /// The load-balancing loss of the Switch Transformer (arXiv 2101.03961), for supports of any size:
    ///
    /// `n_experts sum_e load_e importance_e`,
    ///
    /// which is 1 where tokens and weight are spread evenly, and larger where the experts that are
    /// used most also weigh most. Its gradient goes through the importance. Shape `[1]`.
    ///
    /// An expert that no token goes to has no gradient, and is not found again: start at a temperature
    /// that leaves each some tokens.
    pub fn balance_loss(&self) -> Tensor<1> {
        let experts = self.weights.dims()[D - 1];
        (self.load_share() * self.importance_share())
            .sum()
            .mul_scalar(experts as f64)
            .cast(self.weights.dtype())
    }

    fn load_share(&self) -> Tensor<1> {
        share(
            self.weights
                .clone()
                .detach()
                .zeros_like()
                .mask_fill(self.support(), 1.0),
        )
    }

    fn importance_share(&self) -> Tensor<1> {
        share(self.weights.clone())
    }
}

/// The share of each expert, over all tokens, in the dtype that can hold their sums: those of `f16` end at
/// 65504 tokens.
fn share<const D: usize>(values: Tensor<D>) -> Tensor<1> {
    let shape = values.dims();
    let (tokens, experts) = (shape[..D - 1].iter().product::<usize>(), shape[D - 1]);
    let dtype = arithmetic_dtype(values.dtype());
    let values = values.cast(dtype).reshape([tokens, experts]);
    let total: Tensor<1> = values.sum_dim(0).reshape([experts]);
    total.clone() / total.sum()
}

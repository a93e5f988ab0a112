use super::error::or_panic;
use super::{AlphaConfig, ModuleConfigError, ReferenceConfig, TsallisAlpha};
use crate::math::EmptyRow;
use crate::{TsallisOptions, tsallis_softargmax};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};
use burn::tensor::{Bool, Device};

/// Configuration of a [`TsallisSoftargmax`], which its [`init`](Self::init) makes.
#[derive(Config, Debug)]
pub struct TsallisSoftargmaxConfig {
    /// The order, or orders.
    pub alpha: AlphaConfig,
    /// The shape of the orders, aligned with the last dimensions of the logits, as broadcasting does: size
    /// 1 along the reduced dimension, and 1 or full along the others. `[heads, 1, 1]` gives every head
    /// of logits `[batch, heads, queries, keys]` its own. Default: one order for all.
    #[config(default = "vec![1]")]
    pub alpha_shape: Vec<usize>,
    /// The dimension along which probabilities sum to one. Negative dimensions count from the end.
    /// Default: the last.
    #[config(default = "-1")]
    pub dim: isize,
    /// The reference measure. Default: ones.
    #[config(default = "ReferenceConfig::Ones")]
    pub reference: ReferenceConfig,
    /// What logits are divided by. Default: 1.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// What a row without an allowed entry answers. Default: `NaN`.
    #[config(default = "EmptyRow::NaN")]
    pub empty_row: EmptyRow,
}

impl TsallisSoftargmaxConfig {
    /// The module.
    ///
    /// # Panics
    ///
    /// Where [`try_init`](Self::try_init) returns an error, with its words.
    pub fn init(&self, device: &Device) -> TsallisSoftargmax {
        or_panic(self.try_init(device))
    }

    /// As [`init`](Self::init).
    ///
    /// # Errors
    ///
    /// [`ModuleConfigError`] if an order, the reference or the temperature is not one that can be computed with.
    pub fn try_init(&self, device: &Device) -> Result<TsallisSoftargmax, ModuleConfigError> {
        let count = self.alpha_shape.iter().product();
        if count == 0 {
            return Err(ModuleConfigError::Zero {
                name: "alpha_shape",
            });
        }
        let module = TsallisSoftargmax {
            alpha: self.alpha.try_init(count, device)?,
            config: self.clone(),
        };
        self.try_options(TsallisOptions::<1>::new(1.0))?;
        Ok(module)
    }

    /// What is not the order.
    fn try_options<const D: usize>(
        &self,
        options: TsallisOptions<D>,
    ) -> Result<TsallisOptions<D>, ModuleConfigError> {
        let options = self
            .reference
            .apply(options)?
            .try_with_temperature(self.temperature)?;
        Ok(options.with_empty_row(self.empty_row))
    }
}

/// The Tsallis softargmax as a layer, with an order that is fixed or learned:
///
/// `p_i = q_i [1 + (alpha - 1)(x_i / t - mu)]_+^(1 / (alpha - 1))`, `mu` such that `sum_i p_i = 1`.
///
/// The reference is `ones` unless it is configured, so that it is the softmax at `alpha = 1`, 1.5-entmax at
/// 1.5 and the sparsemax at 2. Source: arXiv 2601.12604; the entmax family: arXiv 1905.05702.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::{AlphaConfig, TsallisSoftargmaxConfig};
///
/// let device = Device::flex();
/// let entmax15 = TsallisSoftargmaxConfig::new(1.5.into()).init(&device);
/// let p = entmax15.forward(Tensor::<1>::from_data([2.0, 1.0, 0.1], &device));
/// assert_eq!(p.into_data().as_slice::<f32>().unwrap()[2], 0.0);
///
/// // An order of its own for each of eight heads, learned from 1.5.
/// let heads = TsallisSoftargmaxConfig::new(AlphaConfig::learned(1.5))
///     .with_alpha_shape(vec![8, 1, 1])
///     .init(&device);
/// let p = heads.forward(Tensor::<4>::zeros([2, 8, 5, 4], &device));
/// assert_eq!(p.dims(), [2, 8, 5, 4]);
/// # }
/// ```
///
/// Created by [`TsallisSoftargmaxConfig`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct TsallisSoftargmax {
    /// The order, or orders.
    pub alpha: TsallisAlpha,
    #[module(skip)]
    config: TsallisSoftargmaxConfig,
}

impl ModuleDisplay for TsallisSoftargmax {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("alpha", self.alpha.summary().as_str())
            .add("dim", &self.config.dim)
            .add_debug_attribute("reference", &self.config.reference)
            .add("temperature", &self.config.temperature)
            .optional()
    }
}

impl TsallisSoftargmax {
    /// Logits to probabilities.
    ///
    /// # Shapes
    /// - logits: any that the shape of the orders broadcasts to
    /// - output: that of the logits
    ///
    /// # Panics
    /// If the logits do not have the configured dimension, or the orders do not broadcast to them.
    pub fn forward<const D: usize>(&self, logits: Tensor<D>) -> Tensor<D> {
        self.apply(logits, None)
    }

    /// As [`forward`](Self::forward), with a mask that is `true` where an entry is masked, as Burn's
    /// attention masks are: its probability and its gradient are zero.
    ///
    /// # Shapes
    /// - mask: any that broadcasts to the logits
    ///
    /// # Panics
    /// As [`forward`](Self::forward), and if the mask does not broadcast to the logits.
    pub fn forward_masked<const D: usize>(
        &self,
        logits: Tensor<D>,
        mask: Tensor<D, Bool>,
    ) -> Tensor<D> {
        self.apply(logits, Some(mask))
    }

    /// What the layer computes with, for the functions of the operator: with
    /// [`tsallis_log_softargmax`](crate::tsallis_log_softargmax), along [`dim`](Self::dim), it gives the
    /// logarithms of what [`forward`](Self::forward) gives.
    ///
    /// # Panics
    /// If the orders have more dimensions than the logits.
    pub fn options<const D: usize>(&self, device: &Device) -> TsallisOptions<D> {
        let given = &self.config.alpha_shape;
        assert!(
            given.len() <= D,
            "alphas of shape {given:?} have more dimensions than logits of rank {D}"
        );
        let mut shape = [1; D];
        shape[D - given.len()..].copy_from_slice(given);
        let options = TsallisOptions::new(self.alpha.to_alpha(shape, device));
        or_panic(self.config.try_options(options))
    }

    /// The dimension along which probabilities sum to one, as it was configured.
    pub fn dim(&self) -> isize {
        self.config.dim
    }

    fn apply<const D: usize>(&self, logits: Tensor<D>, mask: Option<Tensor<D, Bool>>) -> Tensor<D> {
        let mut options = self.options(&logits.device());
        if let Some(mask) = mask {
            options = options.with_allowed(mask.bool_not());
        }
        tsallis_softargmax(logits, options, self.config.dim)
    }
}

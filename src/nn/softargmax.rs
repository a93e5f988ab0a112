use super::error::or_panic;
use super::{AlphaConfig, ModuleConfigError, ReferenceConfig, TsallisAlpha};
use crate::math::EmptyRow;
use crate::nn::display::one_line;
use crate::{TsallisOptions, tsallis_softargmax};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};
use burn::tensor::{Bool, Device};

/// Configuration of a [`TsallisSoftargmax`]. Create the module with [`init`](Self::init).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::nn::{AlphaConfig, TsallisSoftargmaxConfig};
///
/// let module = TsallisSoftargmaxConfig::new(AlphaConfig::learned(1.5))
///     .with_dim(1)
///     .with_temperature(0.5)
///     .init(&Device::flex());
/// assert_eq!(module.dim(), 1);
/// # }
/// ```
#[derive(Config, Debug)]
pub struct TsallisSoftargmaxConfig {
    /// The alpha values.
    pub alpha: AlphaConfig,
    /// The shape of the alpha values, aligned with the last dimensions of the logits as in broadcasting. Its size is 1
    /// along the reduced dimension, and 1 or full along the others. `[heads, 1, 1]` gives each head of logits
    /// `[batch, heads, queries, keys]` its own alpha. Default: `[1]`, one alpha for all rows.
    #[config(default = "vec![1]")]
    pub alpha_shape: Vec<usize>,
    /// The dimension along which the probabilities sum to one. Negative dimensions count from the end. Default: the
    /// last one.
    #[config(default = "-1")]
    pub dim: isize,
    /// The reference measure. Default: ones.
    #[config(default = "ReferenceConfig::Ones")]
    pub reference: ReferenceConfig,
    /// The temperature that divides the logits. Default: 1.
    #[config(default = 1.0)]
    pub temperature: f64,
    /// The result for a row without an allowed entry. Default: `NaN`.
    #[config(default = "EmptyRow::NaN")]
    pub empty_row: EmptyRow,
}

impl TsallisSoftargmaxConfig {
    /// Creates the module.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::TsallisSoftargmaxConfig;
    ///
    /// let sparsemax = TsallisSoftargmaxConfig::new(2.0.into()).init(&Device::flex());
    /// assert!(!sparsemax.alpha.is_learned());
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_init`](Self::try_init) returns an error, with the message of that error.
    pub fn init(&self, device: &Device) -> TsallisSoftargmax {
        or_panic(self.try_init(device))
    }

    /// Creates the module, or returns an error.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::TsallisSoftargmaxConfig;
    ///
    /// let config = TsallisSoftargmaxConfig::new(1.5.into()).with_temperature(0.0);
    /// assert!(config.try_init(&Device::flex()).is_err());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ModuleConfigError`] if alpha, its shape, the reference or the temperature is invalid.
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

    /// Sets every option except alpha.
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

/// The Tsallis softargmax as a layer with a fixed or a learned alpha:
///
/// `p_i = q_i [1 + (alpha - 1)(x_i / t - mu)]_+^(1 / (alpha - 1))`, `mu` such that `sum_i p_i = 1`.
///
/// The reference measure is `q = 1` by default. Then it is the softmax at `alpha = 1`, 1.5-entmax at 1.5 and the
/// sparsemax at 2. Source: arXiv 2601.12604; the entmax family: arXiv 1905.05702.
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
/// // One alpha for each of eight heads, learned from a start of 1.5.
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
    /// The alpha values.
    pub alpha: TsallisAlpha,
    #[module(skip)]
    config: TsallisSoftargmaxConfig,
}

impl ModuleDisplay for TsallisSoftargmax {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        one_line()
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
    /// Computes the probabilities of the logits.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisSoftargmaxConfig;
    ///
    /// let device = Device::flex();
    /// let sparsemax = TsallisSoftargmaxConfig::new(2.0.into()).init(&device);
    /// let p = sparsemax.forward(Tensor::<1>::from_data([0.5, 0.25, -2.0], &device)).into_data();
    /// for (p, expected) in p.iter::<f32>().zip([0.625, 0.375, 0.0]) {
    ///     assert!((p - expected).abs() < 1e-6);
    /// }
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - logits: any shape that the shape of the alpha values broadcasts to
    /// - output: the shape of the logits
    ///
    /// # Panics
    /// If the logits do not have the configured dimension, or if the alpha values do not broadcast to them.
    pub fn forward<const D: usize>(&self, logits: Tensor<D>) -> Tensor<D> {
        self.apply(logits, None)
    }

    /// Computes the probabilities of the logits under a mask.
    ///
    /// The mask is `true` where an entry is masked, like Burn's attention masks. A masked entry has a probability and a
    /// gradient of zero.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Bool, Device, Tensor};
    /// use burn_tsallis::nn::TsallisSoftargmaxConfig;
    ///
    /// let device = Device::flex();
    /// let softmax = TsallisSoftargmaxConfig::new(1.0.into()).init(&device);
    /// let logits = Tensor::<1>::from_data([0.0, 9.0, 0.0], &device);
    /// let mask = Tensor::<1, Bool>::from_data([false, true, false], &device);
    /// let p = softmax.forward_masked(logits, mask).into_data();
    /// assert_eq!(p.as_slice::<f32>().unwrap()[1], 0.0);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - logits: any shape that the shape of the alpha values broadcasts to
    /// - mask: any shape that broadcasts to the logits
    /// - output: the shape of the logits
    ///
    /// # Panics
    /// If the logits do not have the configured dimension, or if the alpha values or the mask do not broadcast to them.
    pub fn forward_masked<const D: usize>(
        &self,
        logits: Tensor<D>,
        mask: Tensor<D, Bool>,
    ) -> Tensor<D> {
        self.apply(logits, Some(mask))
    }

    /// Returns the options of the layer, for use with the functions of the operator.
    ///
    /// With [`tsallis_log_softargmax`](crate::tsallis_log_softargmax) along [`dim`](Self::dim), for example, they give
    /// the logarithms of the probabilities that [`forward`](Self::forward) returns.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::TsallisSoftargmaxConfig;
    /// use burn_tsallis::tsallis_log_softargmax;
    ///
    /// let device = Device::flex();
    /// let module = TsallisSoftargmaxConfig::new(1.5.into()).init(&device);
    /// let logits = Tensor::<1>::from_data([2.0, 1.0, 0.1], &device);
    /// let log_p = tsallis_log_softargmax(logits, module.options(&device), module.dim()).into_data();
    /// assert_eq!(log_p.as_slice::<f32>().unwrap()[2], f32::NEG_INFINITY);
    /// # }
    /// ```
    ///
    /// # Panics
    /// If the alpha values have more dimensions than the logits.
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

    /// Returns the configured dimension along which the probabilities sum to one.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::TsallisSoftargmaxConfig;
    ///
    /// let module = TsallisSoftargmaxConfig::new(1.5.into()).init(&Device::flex());
    /// assert_eq!(module.dim(), -1);
    /// # }
    /// ```
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

use super::ModuleConfigError;
use super::error::or_panic;
use crate::math::{MAX_ALPHA, is_valid_alpha};
use crate::{Alpha, TsallisError};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay, Param};
use burn::tensor::{Device, TensorData, activation};

/// Configuration of the alpha values of a module: fixed numbers, or parameters learned inside an interval.
///
/// A single value applies to all heads or rows of the configured module. Otherwise there is one value for each
/// head or row.
///
/// ```
/// use burn_tsallis::nn::AlphaConfig;
///
/// let fixed = AlphaConfig::fixed(1.5);
/// assert_eq!(fixed, 1.5.into());
/// let learned = AlphaConfig::learned(1.5).with_interval(1.0, 2.0);
/// # let _ = learned;
/// ```
#[derive(Config, Debug, PartialEq)]
pub enum AlphaConfig {
    /// Constant values.
    Fixed {
        /// One value for all heads or rows, or one for each.
        values: Vec<f64>,
    },
    /// Learned parameters; see [`TsallisAlpha`].
    Learned {
        /// The initial values: one for all heads or rows, or one for each.
        start: Vec<f64>,
        /// The lower end of the interval that bounds the values.
        min: f64,
        /// The upper end of the interval.
        max: f64,
    },
}

impl AlphaConfig {
    /// The default interval of a learned alpha.
    ///
    /// Its lower end is close to 0: for `alpha <= 0` a probability of zero has an infinite divergence. Its upper end
    /// is above the sparsemax, `alpha = 2`.
    ///
    /// ```
    /// use burn_tsallis::nn::AlphaConfig;
    ///
    /// assert_eq!(AlphaConfig::INTERVAL, (0.05, 2.5));
    /// ```
    pub const INTERVAL: (f64, f64) = (0.05, 2.5);

    /// Creates a configuration with one constant value for all heads or rows.
    ///
    /// ```
    /// use burn_tsallis::nn::AlphaConfig;
    ///
    /// assert_eq!(AlphaConfig::fixed(1.5), AlphaConfig::fixed_each([1.5]));
    /// ```
    pub fn fixed(alpha: f64) -> Self {
        Self::fixed_each([alpha])
    }

    /// Creates a configuration with one constant value for each head or row.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::AlphaConfig;
    ///
    /// let device = Device::flex();
    /// let alpha = AlphaConfig::fixed_each([1.0, 1.5]).init(2, &device);
    /// let values = alpha.values(&device).into_data();
    /// assert_eq!(values.as_slice::<f32>().unwrap(), [1.0, 1.5]);
    /// # }
    /// ```
    pub fn fixed_each(alphas: impl Into<Vec<f64>>) -> Self {
        Self::Fixed {
            values: alphas.into(),
        }
    }

    /// Creates a configuration of learned values that all start at `start`, inside [`INTERVAL`](Self::INTERVAL).
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::AlphaConfig;
    ///
    /// let alpha = AlphaConfig::learned(1.5).init(8, &Device::flex());
    /// assert!(alpha.is_learned());
    /// # }
    /// ```
    pub fn learned(start: f64) -> Self {
        Self::learned_each([start])
    }

    /// Creates a configuration of learned values, each with its own start, inside [`INTERVAL`](Self::INTERVAL).
    ///
    /// ```
    /// use burn_tsallis::nn::AlphaConfig;
    ///
    /// // Two heads: one starts as the softmax, the other as 1.5-entmax.
    /// let config = AlphaConfig::learned_each([1.0, 1.5]);
    /// assert!(matches!(config, AlphaConfig::Learned { start, .. } if start == [1.0, 1.5]));
    /// ```
    pub fn learned_each(starts: impl Into<Vec<f64>>) -> Self {
        let (min, max) = Self::INTERVAL;
        Self::Learned {
            start: starts.into(),
            min,
            max,
        }
    }

    /// Sets the interval of learned values. A fixed configuration is returned unchanged.
    ///
    /// ```
    /// use burn_tsallis::nn::AlphaConfig;
    ///
    /// let config = AlphaConfig::learned(1.5).with_interval(1.0, 2.0);
    /// assert!(matches!(config, AlphaConfig::Learned { min: 1.0, max: 2.0, .. }));
    /// ```
    pub fn with_interval(self, min: f64, max: f64) -> Self {
        match self {
            Self::Learned { start, .. } => Self::Learned { start, min, max },
            fixed @ Self::Fixed { .. } => fixed,
        }
    }

    /// Creates the alpha values of a module with `count` heads or rows.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::AlphaConfig;
    ///
    /// let device = Device::flex();
    /// let alpha = AlphaConfig::fixed(1.5).init(4, &device);
    /// assert_eq!(alpha.values(&device).dims(), [4]);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_init`](Self::try_init) returns an error, with the message of that error.
    pub fn init(&self, count: usize, device: &Device) -> TsallisAlpha {
        or_panic(self.try_init(count, device))
    }

    /// Creates the alpha values of a module with `count` heads or rows, or returns an error.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::{AlphaConfig, ModuleConfigError};
    ///
    /// let error = AlphaConfig::fixed_each([1.0, 1.5]).try_init(3, &Device::flex()).unwrap_err();
    /// assert_eq!(error, ModuleConfigError::AlphaCount { given: 2, wanted: 3 });
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ModuleConfigError`]
    /// - if a value is outside `-50..=50`, or `NaN`,
    /// - if the interval is empty or extends beyond these numbers,
    /// - if a learned value does not start strictly inside its interval,
    /// - or if the number of values is neither 1 nor `count`.
    pub fn try_init(
        &self,
        count: usize,
        device: &Device,
    ) -> Result<TsallisAlpha, ModuleConfigError> {
        let (Self::Fixed { values: given } | Self::Learned { start: given, .. }) = self;
        if given.len() != 1 && given.len() != count {
            return Err(ModuleConfigError::AlphaCount {
                given: given.len(),
                wanted: count,
            });
        }
        if let Some(&invalid) = given.iter().find(|&&alpha| !is_valid_alpha(alpha)) {
            return Err(TsallisError::Alpha(invalid).into());
        }
        let raw = match self {
            Self::Fixed { .. } => None,
            Self::Learned { start, min, max } => {
                let (min, max) = (*min, *max);
                if !(-MAX_ALPHA <= min && min < max && max <= MAX_ALPHA) {
                    return Err(ModuleConfigError::Interval { min, max });
                }
                if let Some(&value) = start.iter().find(|&&alpha| !(min < alpha && alpha < max)) {
                    return Err(ModuleConfigError::Start { value, min, max });
                }
                let raw = (0..count)
                    .map(|i| start[i % start.len()])
                    .map(|alpha| ((alpha - min) / (max - alpha)).ln())
                    .collect();
                Some(Param::from_tensor(vector(raw, device)))
            }
        };
        Ok(TsallisAlpha {
            raw,
            config: self.clone(),
            count,
        })
    }
}

impl From<f64> for AlphaConfig {
    fn from(alpha: f64) -> Self {
        Self::fixed(alpha)
    }
}

/// The alpha values of a module: constants, or learned parameters that stay inside an interval:
///
/// `alpha = min + (max - min) sigmoid(raw)`.
///
/// Only rounding can make a value equal to an end of the interval.
///
/// A record stores `raw`. It does not store fixed values, which belong to the configuration.
///
/// The modules of this crate contain it. A model of your own can contain it too, and then learns its alpha values
/// together with its other parameters:
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::module::Module;
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::attention::tsallis_attention;
/// use burn_tsallis::nn::{AlphaConfig, TsallisAlpha};
///
/// /// Attention without linear layers, with one alpha for each head.
/// #[derive(Module, Debug)]
/// struct Heads {
///     alpha: TsallisAlpha,
///     n_heads: usize,
/// }
///
/// impl Heads {
///     fn forward(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
///         let alpha = self.alpha.to_alpha([1, self.n_heads, 1, 1], &q.device());
///         tsallis_attention(q, k, v, alpha, None, None, Default::default())
///     }
/// }
///
/// let device = Device::flex().autodiff();
/// let heads = Heads { alpha: AlphaConfig::learned(1.5).init(8, &device), n_heads: 8 };
/// let x = Tensor::<4>::zeros([2, 8, 5, 4], &device);
/// let gradients = heads.forward(x.clone(), x.clone(), x).sum().backward();
/// let raw = heads.alpha.raw.as_ref().unwrap().val();
/// assert_eq!(raw.grad(&gradients).unwrap().dims(), [8]);
/// # }
/// ```
///
/// Created by [`AlphaConfig::init`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct TsallisAlpha {
    /// The unbounded parameters, shape `[count]`. `None` if the values are fixed.
    pub raw: Option<Param<Tensor<1>>>,
    #[module(skip)]
    config: AlphaConfig,
    #[module(skip)]
    count: usize,
}

impl ModuleDisplay for TsallisAlpha {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.summary()).optional()
    }
}

impl TsallisAlpha {
    /// Returns whether the alpha values are learned parameters.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::AlphaConfig;
    ///
    /// let device = Device::flex();
    /// assert!(AlphaConfig::learned(1.5).init(1, &device).is_learned());
    /// assert!(!AlphaConfig::fixed(1.5).init(1, &device).is_learned());
    /// # }
    /// ```
    pub fn is_learned(&self) -> bool {
        self.raw.is_some()
    }

    /// Returns the current alpha values, shape `[count]`. Differentiable if they are learned.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::AlphaConfig;
    ///
    /// let device = Device::flex();
    /// let alpha = AlphaConfig::learned(1.5).init(2, &device);
    /// for value in alpha.values(&device).into_data().iter::<f32>() {
    ///     assert!((value - 1.5).abs() < 1e-5);
    /// }
    /// # }
    /// ```
    pub fn values(&self, device: &Device) -> Tensor<1> {
        match (&self.raw, &self.config) {
            (Some(raw), AlphaConfig::Learned { min, max, .. }) => activation::sigmoid(raw.val())
                .mul_scalar(max - min)
                .add_scalar(*min),
            (_, AlphaConfig::Fixed { values } | AlphaConfig::Learned { start: values, .. }) => {
                let each = (0..self.count).map(|i| values[i % values.len()]);
                vector(each.collect(), device)
            }
        }
    }

    /// Returns the alpha argument of the operator for logits of rank `D`.
    ///
    /// A single fixed value is returned as a number. Other values are returned as a tensor of the given shape, which
    /// has size 1 along the reduced dimension.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::AlphaConfig;
    /// use burn_tsallis::tsallis_softargmax;
    ///
    /// // One alpha for each of the two rows of the logits.
    /// let device = Device::flex();
    /// let alpha = AlphaConfig::fixed_each([1.0, 2.0]).init(2, &device);
    /// let logits = Tensor::<2>::zeros([2, 5], &device);
    /// let p = tsallis_softargmax(logits, alpha.to_alpha([2, 1], &device), -1);
    /// assert_eq!(p.dims(), [2, 5]);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If the product of the shape is not the number of alpha values, unless a single fixed value applies to all.
    pub fn to_alpha<const D: usize>(&self, shape: [usize; D], device: &Device) -> Alpha<D> {
        match &self.config {
            AlphaConfig::Fixed { values } if values.len() == 1 => Alpha::Number(values[0]),
            _ => Alpha::Tensor(self.values(device).reshape(shape)),
        }
    }

    /// Returns the text that a module's display shows.
    pub(super) fn summary(&self) -> String {
        match &self.config {
            AlphaConfig::Fixed { values } if values.len() == 1 => values[0].to_string(),
            AlphaConfig::Fixed { values } => format!("{values:?}"),
            AlphaConfig::Learned { min, max, .. } => {
                format!("{} learned in ({min}, {max})", self.count)
            }
        }
    }
}

fn vector(values: Vec<f64>, device: &Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]).convert::<f32>(), device)
}

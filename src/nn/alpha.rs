use super::ModuleConfigError;
use super::error::or_panic;
use crate::math::{MAX_ALPHA, is_valid_alpha};
use crate::{Alpha, TsallisError};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay, Param};
use burn::tensor::{Device, TensorData, activation};

/// How the orders `alpha` of a module are set: fixed, or learned inside an interval.
///
/// There is one value for all, or one for each head or row of the module that is configured.
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
    /// Numbers that stay what they are.
    Fixed {
        /// One for all, or one for each.
        values: Vec<f64>,
    },
    /// Parameters: see [`TsallisAlpha`].
    Learned {
        /// Where they start: one for all, or one for each.
        start: Vec<f64>,
        /// The lower end of the interval that they stay in.
        min: f64,
        /// The upper end.
        max: f64,
    },
}

impl AlphaConfig {
    /// The interval of a learned `alpha`, unless told otherwise: from close to the end of the orders
    /// whose divergence is finite, to beyond the sparsemax.
    pub const INTERVAL: (f64, f64) = (0.05, 2.5);

    /// One order for all.
    pub fn fixed(alpha: f64) -> Self {
        Self::fixed_each([alpha])
    }

    /// One order for each.
    pub fn fixed_each(alphas: impl Into<Vec<f64>>) -> Self {
        Self::Fixed {
            values: alphas.into(),
        }
    }

    /// Learned orders that all start at `start`, inside [`INTERVAL`](Self::INTERVAL).
    pub fn learned(start: f64) -> Self {
        Self::learned_each([start])
    }

    /// Learned orders, each with its own start, inside [`INTERVAL`](Self::INTERVAL).
    pub fn learned_each(starts: impl Into<Vec<f64>>) -> Self {
        let (min, max) = Self::INTERVAL;
        Self::Learned {
            start: starts.into(),
            min,
            max,
        }
    }

    /// With this interval, if the orders are learned.
    pub fn with_interval(self, min: f64, max: f64) -> Self {
        match self {
            Self::Learned { start, .. } => Self::Learned { start, min, max },
            fixed @ Self::Fixed { .. } => fixed,
        }
    }

    /// The orders of a module that has `count` heads or rows.
    ///
    /// # Panics
    ///
    /// Where [`try_init`](Self::try_init) returns an error, with its words.
    pub fn init(&self, count: usize, device: &Device) -> TsallisAlpha {
        or_panic(self.try_init(count, device))
    }

    /// As [`init`](Self::init).
    ///
    /// # Errors
    ///
    /// [`ModuleConfigError`] if a number is not an order, does not lie inside the interval, or if there are
    /// neither one nor `count` of them.
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

/// The orders of a module: numbers that were fixed, or parameters kept inside an interval by
///
/// `alpha = min + (max - min) sigmoid(raw)`.
///
/// The ends are reached by rounding only. A record holds `raw`, and nothing of a fixed order, which
/// belongs to the configuration.
///
/// It is a part of the modules here, and of a model of one's own, whose orders are then learned with all else:
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::module::Module;
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::attention::tsallis_attention;
/// use burn_tsallis::nn::{AlphaConfig, TsallisAlpha};
///
/// /// Attention without layers, an order for each head.
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
    /// What is learned, without bounds: shape `[count]`. Nothing where the orders are fixed.
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
    /// Whether the orders are parameters.
    pub fn is_learned(&self) -> bool {
        self.raw.is_some()
    }

    /// The orders as they are now, shape `[count]`; differentiable where they are learned.
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

    /// The orders as the operator takes them for logits of rank `D`: a number where one is fixed for all,
    /// else a tensor of this shape, which has size 1 along the reduced dimension.
    ///
    /// # Panics
    /// If the product of the shape is not the number of orders.
    pub fn to_alpha<const D: usize>(&self, shape: [usize; D], device: &Device) -> Alpha<D> {
        match &self.config {
            AlphaConfig::Fixed { values } if values.len() == 1 => Alpha::Number(values[0]),
            _ => Alpha::Tensor(self.values(device).reshape(shape)),
        }
    }

    /// In the words of a module's display.
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

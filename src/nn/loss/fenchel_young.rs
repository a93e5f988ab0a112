use super::Reduction;
use super::solved_rows::SolvedRows;
use crate::nn::display::one_line;
use crate::nn::error::or_panic;
use crate::nn::one_hot::one_hot;
use crate::nn::{ModuleConfigError, ReferenceConfig};
use crate::op::{computed_dtype, expanded};
use crate::{TsallisOptions, tsallis_value};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};
use burn::tensor::{Bool, DType, Device, Int, assert_shape};

/// Configuration of a [`FenchelYoungLoss`]. Create the loss with [`init`](Self::init).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::Device;
/// use burn_tsallis::nn::loss::{FenchelYoungLossConfig, Reduction};
///
/// let loss = FenchelYoungLossConfig::new(1.5)
///     .with_smoothing(Some(0.1))
///     .with_reduction(Reduction::Sum)
///     .init(&Device::flex());
/// assert_eq!(loss.alpha, 1.5);
/// # }
/// ```
#[derive(Config, Debug)]
pub struct FenchelYoungLossConfig {
    /// The alpha of the softargmax, from -50 to 50.
    pub alpha: f64,
    /// The reference measure. Default: ones.
    #[config(default = "ReferenceConfig::Ones")]
    pub reference: ReferenceConfig,
    /// Target values to ignore, such as padding tokens or `-100`. Samples with one of these targets have no loss and no
    /// gradient, and the mean does not count them. Default: none.
    pub pad_tokens: Option<Vec<i64>>,
    /// The weights of the classes, one for each class of the logits. The weight of a sample is that of its target class,
    /// also with label smoothing. Default: 1 for every class.
    pub weights: Option<Vec<f32>>,
    /// The label smoothing `s`, from 0 to 1: a target `t` becomes `(1 - s) t + s / K` on the `K` allowed classes of a
    /// sample, and `(1 - s) t` elsewhere. Default: none.
    pub smoothing: Option<f32>,
    /// The reduction of a batch: the weighted mean over its rows (`Mean`, `Auto`), the weighted sum (`Sum`), or that
    /// sum divided by the size of the first dimension (`BatchMean`). The mean excludes ignored samples; the size of the
    /// batch includes them. Default: the mean.
    #[config(default = "Reduction::Mean")]
    pub reduction: Reduction,
}

impl FenchelYoungLossConfig {
    /// Creates the loss.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::loss::FenchelYoungLossConfig;
    ///
    /// let sparsemax_loss = FenchelYoungLossConfig::new(2.0).init(&Device::flex());
    /// assert_eq!(sparsemax_loss.alpha, 2.0);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_init`](Self::try_init) returns an error, with the message of that error.
    pub fn init(&self, device: &Device) -> FenchelYoungLoss {
        or_panic(self.try_init(device))
    }

    /// Creates the loss, or returns an error.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::Device;
    /// use burn_tsallis::nn::loss::FenchelYoungLossConfig;
    ///
    /// let config = FenchelYoungLossConfig::new(1.5).with_smoothing(Some(1.5));
    /// let error = config.try_init(&Device::flex()).unwrap_err();
    /// assert_eq!(error.to_string(), "smoothing is 1.5: it must be a number from 0 to 1");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ModuleConfigError`] if alpha, the reference, the smoothing or a weight is invalid.
    pub fn try_init(&self, device: &Device) -> Result<FenchelYoungLoss, ModuleConfigError> {
        self.reference
            .apply(TsallisOptions::<1>::try_new(self.alpha)?)?;
        if let Some(smoothing) = self.smoothing
            && !(0.0..=1.0).contains(&smoothing)
        {
            return Err(ModuleConfigError::Rate {
                name: "smoothing",
                value: f64::from(smoothing),
                max: "1",
            });
        }
        for (index, &value) in self.weights.iter().flatten().enumerate() {
            if !(0.0..f32::INFINITY).contains(&value) {
                return Err(ModuleConfigError::Weight { index, value });
            }
        }
        Ok(FenchelYoungLoss {
            alpha: self.alpha,
            reference: self.reference.clone(),
            pad_tokens: self.pad_tokens.clone(),
            weights: self
                .weights
                .as_ref()
                .map(|weights| Tensor::from_floats(weights.as_slice(), device)),
            smoothing: self.smoothing,
            reduction: self.reduction.clone(),
        })
    }
}

/// The Fenchel-Young loss of the Tsallis softargmax, between logits `x` and a target distribution `t`:
///
/// `L(x; t) = V(x) + D_f(t || q) - <x, t>`, `V(x) = max_p <p, x> - D_f(p || q)`.
///
/// The loss is never negative, and zero exactly if the softargmax `p` of the logits is `t`. Its gradient is `p - t`,
/// which needs no derivative of the root.
///
/// With the reference measure `q = 1`, the default, it is the cross-entropy at `alpha = 1` (for a target distribution,
/// the cross-entropy minus the entropy of the target), the 1.5-entmax loss at 1.5, and the sparsemax loss at 2. For
/// `alpha > 1` it is zero as soon as the logit of the target class exceeds all others by `1 / (alpha - 1)`.
///
/// For `alpha <= 0` the divergence of a distribution that contains a zero is infinite. The loss of a class target
/// without smoothing is then infinite too, but its gradient is still `p - t`.
///
/// A class with a logit of `-inf` or a reference of zero is forbidden. It does not contribute to the loss and receives
/// no share of the label smoothing. The loss is infinite if the target assigns it a positive probability.
///
/// # Differences from Burn's `CrossEntropyLoss`
///
/// At `alpha = 1` without smoothing, the losses are equal, weighted or not. With label smoothing:
///
/// - The loss is the cross-entropy minus the entropy of the smoothed target, so that it is zero if the softargmax is
///   the target. The difference is constant, and the gradients are equal.
/// - The weight of a sample is the weight of its target class. Burn's loss multiplies each term of the smoothed sum by
///   the weight of its own class. For the logits `(2, 1, 0)`, the target 0, the weights `(1, 2, 3)` and the smoothing
///   0.3, the mean is 0.068574 here, which is 0.707606 with the entropy 0.639032 of the target, and 1.329888 there.
///
/// Class targets are a vector for logits of rank 2. Flatten logits of a higher rank first, as for Burn's loss. Target
/// distributions may have any rank.
///
/// Source: Blondel, Martins and Niculae, Learning with Fenchel-Young losses, arXiv 1901.02324.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_tsallis::nn::loss::FenchelYoungLossConfig;
///
/// let device = Device::flex().autodiff();
/// let loss = FenchelYoungLossConfig::new(1.5).init(&device);
/// let logits = Tensor::<2>::from_data([[2.0, 0.5, -1.0], [0.0, 0.2, 3.0]], &device).require_grad();
/// let targets = Tensor::<1, Int>::from_data([1, 2], &device);
/// let gradients = loss.forward(logits.clone(), targets).backward();
/// // The second sample has the margin 1 / (alpha - 1) = 2, so its gradient is zero.
/// let second = logits.grad(&gradients).unwrap().slice([1..2, 0..3]);
/// assert_eq!(second.abs().sum().into_scalar::<f32>(), 0.0);
/// # }
/// ```
///
/// Created by [`FenchelYoungLossConfig`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct FenchelYoungLoss {
    /// The alpha of the softargmax.
    pub alpha: f64,
    /// The reference measure.
    #[module(skip)]
    pub reference: ReferenceConfig,
    /// The target values to ignore.
    #[module(skip)]
    pub pad_tokens: Option<Vec<i64>>,
    /// The weight of each class.
    pub weights: Option<Tensor<1>>,
    /// The label smoothing.
    pub smoothing: Option<f32>,
    /// The reduction of a batch.
    #[module(skip)]
    pub reduction: Reduction,
}

impl ModuleDisplay for FenchelYoungLoss {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        one_line()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("alpha", &self.alpha)
            .add_debug_attribute("reference", &self.reference)
            .add_debug_attribute("pad_tokens", &self.pad_tokens)
            .add("weights", &self.weights)
            .add_debug_attribute("smoothing", &self.smoothing)
            .add_debug_attribute("reduction", &self.reduction)
            .optional()
    }
}

impl FenchelYoungLoss {
    /// Computes the reduced loss of a batch with one target class for each sample.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Int, Tensor};
    /// use burn_tsallis::nn::loss::FenchelYoungLossConfig;
    ///
    /// // The cross-entropy: ln 2 for two equal logits.
    /// let device = Device::flex();
    /// let loss = FenchelYoungLossConfig::new(1.0).init(&device);
    /// let targets = Tensor::<1, Int>::from_data([1], &device);
    /// let value = loss.forward(Tensor::zeros([1, 2], &device), targets).into_scalar::<f32>();
    /// assert!((value - 2.0_f32.ln()).abs() < 1e-5);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - logits: `[batch, classes]`
    /// - targets: `[batch]`, each a class or one of `pad_tokens`
    /// - output: `[1]`; the mean is `NaN` if every sample of the batch is ignored
    ///
    /// # Panics
    /// If there is not one target for each sample, or not one weight for each class. A target that is no class also panics
    /// on flex and ndarray. On a GPU, which does not check indices, its loss is `NaN`.
    pub fn forward(&self, logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
        let ([batch, _], dtype) = (logits.dims(), logits.dtype());
        let (losses, weights) = self.class_losses(logits, targets);
        self.reduce(losses, weights, batch).cast(dtype)
    }

    /// Computes the loss of each sample, times the weight of its class. It is zero for an ignored sample.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Int, Tensor};
    /// use burn_tsallis::nn::loss::FenchelYoungLossConfig;
    ///
    /// // The sparsemax loss: zero from a margin of 1 on, and 1/4 for two equal logits.
    /// let device = Device::flex();
    /// let loss = FenchelYoungLossConfig::new(2.0).init(&device);
    /// let logits = Tensor::<2>::from_data([[3.0, 0.0], [0.0, 0.0]], &device);
    /// let targets = Tensor::<1, Int>::from_data([0, 0], &device);
    /// let losses = loss.forward_no_reduction(logits, targets).into_data();
    /// let losses = losses.as_slice::<f32>().unwrap();
    /// assert_eq!(losses[0], 0.0);
    /// assert!((losses[1] - 0.25).abs() < 1e-6);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - logits: `[batch, classes]`
    /// - targets: `[batch]`, each a class or one of `pad_tokens`
    /// - output: `[batch]`
    ///
    /// # Panics
    /// If there is not one target for each sample, or not one weight for each class.
    pub fn forward_no_reduction(&self, logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
        let dtype = logits.dtype();
        let (losses, weights) = self.class_losses(logits, targets);
        weighted(losses, weights).cast(dtype)
    }

    /// Computes the reduced loss of a batch with one target distribution for each row.
    ///
    /// The targets are constants and receive no gradient. With class weights `w`, the weight of a row is `<w, t>`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::loss::FenchelYoungLossConfig;
    ///
    /// // The target is the softargmax of the logits, so the loss is zero.
    /// let device = Device::flex();
    /// let loss = FenchelYoungLossConfig::new(1.5).init(&device);
    /// let targets = Tensor::<2>::from_data([[0.5, 0.5]], &device);
    /// let value = loss.forward_distribution(Tensor::zeros([1, 2], &device), targets);
    /// assert!(value.into_scalar::<f32>() < 1e-6);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - logits and targets: `[batch, .., classes]`, or `[classes]` for a batch of one
    /// - output: `[1]`
    ///
    /// # Panics
    /// If the shapes differ, or if there is not one weight for each class.
    pub fn forward_distribution<const D: usize>(
        &self,
        logits: Tensor<D>,
        targets: Tensor<D>,
    ) -> Tensor<1> {
        let (batch, dtype) = (row_shape(&logits)[0], logits.dtype());
        let (losses, weights) = self.distribution_losses(logits, targets);
        self.reduce(losses, weights, batch).cast(dtype)
    }

    /// Computes the loss of each row against its target distribution, times the weight of the row.
    ///
    /// The targets are constants and receive no gradient. With class weights `w`, the weight of a row is `<w, t>`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::loss::FenchelYoungLossConfig;
    ///
    /// let device = Device::flex();
    /// let loss = FenchelYoungLossConfig::new(1.5).init(&device);
    /// let targets = Tensor::<3>::full([2, 3, 4], 0.25, &device);
    /// let losses = loss.forward_distribution_no_reduction(Tensor::zeros([2, 3, 4], &device), targets);
    /// assert_eq!(losses.dims(), [2, 3, 1]);
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - logits and targets: `[batch, .., classes]`, or `[classes]` for a batch of one
    /// - output: `[batch, .., 1]`
    ///
    /// # Panics
    /// If the shapes differ, or if there is not one weight for each class.
    pub fn forward_distribution_no_reduction<const D: usize>(
        &self,
        logits: Tensor<D>,
        targets: Tensor<D>,
    ) -> Tensor<D> {
        let (shape, dtype) = (row_shape(&logits), logits.dtype());
        let (losses, weights) = self.distribution_losses(logits, targets);
        weighted(losses, weights).reshape(shape).cast(dtype)
    }

    /// Computes the loss of each sample, and its weight unless all weights are one, in the dtype of the computation.
    fn class_losses(
        &self,
        logits: Tensor<2>,
        targets: Tensor<1, Int>,
    ) -> (Tensor<1>, Option<Tensor<1>>) {
        let [batch, classes] = logits.dims();
        assert_shape!(targets, [batch]);
        let ignored = self
            .pad_tokens
            .iter()
            .flatten()
            .map(|&token| targets.clone().equal_scalar(token))
            .reduce(Tensor::bool_or);
        // An ignored sample may have a target that is not a class, and logits that are not finite.
        let (logits, targets) = match &ignored {
            Some(ignored) => {
                let rows = expanded(ignored.clone().reshape([batch, 1]), [batch, classes]);
                let logits = arithmetic(logits).mask_fill(rows, 0.0);
                (logits, targets.mask_fill(ignored.clone(), 0))
            }
            None => (arithmetic(logits), targets),
        };
        let column = targets.clone().reshape([batch, 1]);
        let no_class = targets
            .clone()
            .lower_scalar(0)
            .bool_or(targets.clone().greater_equal_scalar(classes as i64));
        let losses = if self.smoothing.is_some() {
            let targets = one_hot(column, &logits);
            self.rows(logits, targets)
        } else {
            let value = self.solved(&logits).class_losses(column.clone());
            let optimum = tsallis_value(logits.clone(), self.options(), -1);
            with_gradient_of(value, optimum - finite(logits).gather(1, column))
        };
        // A device that does not check indices has read another entry.
        let losses = losses.reshape([batch]).mask_fill(no_class, f64::NAN);
        let weights = self
            .class_weights(classes, losses.dtype())
            .map(|weights| weights.gather(0, targets));
        match ignored {
            None => (losses, weights),
            Some(ignored) => {
                let weights = weights.unwrap_or_else(|| losses.clone().detach().ones_like());
                let none = |of: Tensor<1>, ignored: Tensor<1, Bool>| of.mask_fill(ignored, 0.0);
                (none(losses, ignored.clone()), Some(none(weights, ignored)))
            }
        }
    }

    fn distribution_losses<const D: usize>(
        &self,
        logits: Tensor<D>,
        targets: Tensor<D>,
    ) -> (Tensor<1>, Option<Tensor<1>>) {
        assert_eq!(
            logits.dims(),
            targets.dims(),
            "the targets must have the shape of the logits"
        );
        let count = row_shape(&logits).iter().product::<usize>();
        let (logits, targets) = (arithmetic(logits), arithmetic(targets.detach()));
        let classes = logits.dims()[D - 1];
        let weights = self.class_weights(classes, logits.dtype()).map(|weights| {
            let mut along = [1; D];
            along[D - 1] = classes;
            (targets.clone() * weights.reshape(along))
                .sum_dim(D - 1)
                .reshape([count])
        });
        (self.rows(logits, targets).reshape([count]), weights)
    }

    /// Returns the weight of each class, in the dtype of the losses.
    fn class_weights(&self, classes: usize, dtype: DType) -> Option<Tensor<1>> {
        let weights = self.weights.clone()?;
        let [given] = weights.dims();
        assert!(
            given == classes,
            "weights has {given} entries: the logits have {classes} classes"
        );
        Some(weights.cast(dtype))
    }

    /// Computes the losses against distributions that are not smoothed yet, with size 1 along the last dimension.
    fn rows<const D: usize>(&self, logits: Tensor<D>, targets: Tensor<D>) -> Tensor<D> {
        let solved = self.solved(&logits);
        let targets = match self.smoothing {
            Some(s) => smoothed(targets, f64::from(s), solved.forbidden()),
            None => targets,
        };
        let value = solved.losses(targets.clone());
        let optimum = tsallis_value(logits.clone(), self.options(), -1);
        with_gradient_of(value, optimum - (finite(logits) * targets).sum_dim(D - 1))
    }

    fn options<const D: usize>(&self) -> TsallisOptions<D> {
        or_panic(self.reference.apply(TsallisOptions::new(self.alpha)))
    }

    fn solved<const D: usize>(&self, logits: &Tensor<D>) -> SolvedRows<D> {
        SolvedRows::new(logits.clone(), self.options(), self.alpha, &self.reference)
    }

    fn reduce(&self, losses: Tensor<1>, weights: Option<Tensor<1>>, batch: usize) -> Tensor<1> {
        match self.reduction {
            Reduction::Sum => weighted(losses, weights).sum(),
            Reduction::BatchMean => {
                // Not a division, whose gradient in Burn has a reciprocal in `f32`.
                weighted(losses, weights).sum() * (1.0 / batch as f64)
            }
            Reduction::Mean | Reduction::Auto => match weights {
                None => losses.mean(),
                Some(weights) => {
                    let total = weights.clone().sum();
                    weighted(losses, Some(weights)).sum() / total
                }
            },
        }
    }
}

/// Computes `(1 - s) t + s / K`, in which only the `K` allowed classes of a row get a share.
fn smoothed<const D: usize>(targets: Tensor<D>, s: f64, forbidden: Tensor<D, Bool>) -> Tensor<D> {
    let allowed = targets.ones_like().mask_fill(forbidden, 0.0);
    let count = allowed.clone().sum_dim(D - 1);
    targets.mul_scalar(1.0 - s) + allowed.mul_scalar(s) / count
}

/// Returns `value` with the gradient of `surrogate`, which is `V - <x, t>`. The two differ by a constant. Negative
/// values are replaced by zero, since only rounding causes them.
fn with_gradient_of<const D: usize>(value: Tensor<D>, surrogate: Tensor<D>) -> Tensor<D> {
    let rounded = value.clone().lower_scalar(0.0);
    value.mask_fill(rounded, 0.0) + (surrogate.clone() - surrogate.detach())
}

/// Casts to the dtype of the computation.
fn arithmetic<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let dtype = computed_dtype(&tensor.device(), tensor.dtype());
    tensor.cast(dtype)
}

/// Returns the shape of one value for each row.
fn row_shape<const D: usize>(logits: &Tensor<D>) -> [usize; D] {
    let mut shape = logits.dims();
    shape[D - 1] = 1;
    shape
}

/// Replaces logits of `-inf` by zero. Their targets are zero.
fn finite<const D: usize>(logits: Tensor<D>) -> Tensor<D> {
    let forbidden = logits.clone().equal_scalar(f32::NEG_INFINITY);
    logits.mask_fill(forbidden, 0.0)
}

fn weighted(losses: Tensor<1>, weights: Option<Tensor<1>>) -> Tensor<1> {
    match weights {
        Some(weights) => losses * weights,
        None => losses,
    }
}

use super::Reduction;
use crate::nn::ModuleConfigError;
use crate::nn::display::one_line;
use crate::nn::error::or_panic;
use crate::op::computed_dtype;
use crate::{EmptyRow, Reference, TsallisOptions, tsallis_divergence_from_probabilities};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};

/// Configuration of a [`TsallisDivergenceLoss`]. Create the loss with [`init`](Self::init).
///
/// ```
/// use burn_tsallis::nn::loss::TsallisDivergenceLossConfig;
///
/// let loss = TsallisDivergenceLossConfig::new(0.5).init();
/// assert_eq!(loss.alpha, 0.5);
/// ```
#[derive(Config, Debug)]
pub struct TsallisDivergenceLossConfig {
    /// The alpha of the divergence, from -50 to 50.
    pub alpha: f64,
}

impl TsallisDivergenceLossConfig {
    /// Creates the loss.
    ///
    /// ```
    /// use burn_tsallis::nn::loss::TsallisDivergenceLossConfig;
    ///
    /// let kullback_leibler = TsallisDivergenceLossConfig::new(1.0).init();
    /// assert_eq!(kullback_leibler.alpha, 1.0);
    /// ```
    ///
    /// # Panics
    ///
    /// If [`try_init`](Self::try_init) returns an error, with the message of that error.
    pub fn init(&self) -> TsallisDivergenceLoss {
        or_panic(self.try_init())
    }

    /// Creates the loss, or returns an error.
    ///
    /// ```
    /// use burn_tsallis::nn::loss::TsallisDivergenceLossConfig;
    ///
    /// assert!(TsallisDivergenceLossConfig::new(f64::NAN).try_init().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`ModuleConfigError`] if alpha is outside `-50..=50`, or `NaN`.
    pub fn try_init(&self) -> Result<TsallisDivergenceLoss, ModuleConfigError> {
        TsallisOptions::<1>::try_new(self.alpha)?;
        Ok(TsallisDivergenceLoss { alpha: self.alpha })
    }
}

/// The Tsallis divergence of target distributions `t` from predicted distributions `p`, along the last dimension:
///
/// `D(t || p) = sum_i p_i f(t_i / p_i)`, `f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1))`.
///
/// It is `KL(t || p)` at `alpha = 1`, as computed by [`KLDivLoss`](burn::nn::loss::KLDivLoss), `KL(p || t)` at 0, and
/// four times one minus the Bhattacharyya coefficient at 1/2. Exchanging the two distributions exchanges `alpha` with
/// `1 - alpha`: `D_alpha(p || t) = D_(1 - alpha)(t || p)`.
///
/// The predictions are probabilities rather than their logarithms, because sparse predictions contain zeros. An entry
/// with `p_i = 0` contributes `t_i / (1 - alpha)` if `alpha < 1`. If `alpha >= 1` and `t_i > 0`, it makes the
/// divergence infinite. The loss is differentiable in the predictions and in the targets. For `alpha >= 1` the gradient
/// with respect to a target with `p_i = 0` is zero.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use burn_tsallis::nn::loss::{Reduction, TsallisDivergenceLossConfig};
///
/// let device = Device::flex();
/// let hellinger = TsallisDivergenceLossConfig::new(0.5).init();
/// let p = Tensor::<2>::from_data([[1.0, 0.0]], &device);
/// let t = Tensor::<2>::from_data([[0.0, 1.0]], &device);
/// // Disjoint distributions have the largest divergence, 1 / (alpha (1 - alpha)).
/// let loss = hellinger.forward(p, t, Reduction::Mean);
/// assert!((loss.into_scalar::<f32>() - 4.0).abs() < 1e-5);
/// # }
/// ```
///
/// Created by [`TsallisDivergenceLossConfig`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct TsallisDivergenceLoss {
    /// The alpha of the divergence.
    pub alpha: f64,
}

impl ModuleDisplay for TsallisDivergenceLoss {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        one_line()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add("alpha", &self.alpha).optional()
    }
}

impl TsallisDivergenceLoss {
    /// Computes the reduced divergence of a batch.
    ///
    /// The reduction is the mean over the rows (`Mean`), their sum (`Sum`), or that sum divided by the size of the
    /// first dimension (`BatchMean`, `Auto`).
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::loss::{Reduction, TsallisDivergenceLossConfig};
    ///
    /// let device = Device::flex();
    /// let loss = TsallisDivergenceLossConfig::new(1.0).init();
    /// let p = Tensor::<2>::from_data([[0.5, 0.5]], &device);
    /// let t = Tensor::<2>::from_data([[0.75, 0.25]], &device);
    /// let kl = loss.forward(p, t, Reduction::Mean).into_scalar::<f32>();
    /// assert!((kl - 0.1308).abs() < 1e-4); // 3/4 ln(3/2) + 1/4 ln(1/2)
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - predictions and targets: `[batch, .., classes]`, or `[classes]` for a batch of one
    /// - output: `[1]`
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward<const D: usize>(
        &self,
        predictions: Tensor<D>,
        targets: Tensor<D>,
        reduction: Reduction,
    ) -> Tensor<1> {
        let dtype = predictions.dtype();
        let losses = self.rows(predictions, targets);
        let batch = losses.dims()[0];
        let loss = match reduction {
            Reduction::Mean => losses.mean(),
            Reduction::Sum => losses.sum(),
            Reduction::BatchMean | Reduction::Auto => {
                // Not a division, whose gradient in Burn has a reciprocal in `f32`.
                losses.sum() * (1.0 / batch as f64)
            }
        };
        loss.cast(dtype)
    }

    /// Computes the divergence of each row.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::nn::loss::TsallisDivergenceLossConfig;
    ///
    /// let device = Device::flex();
    /// let loss = TsallisDivergenceLossConfig::new(1.5).init();
    /// let p = Tensor::<2>::from_data([[0.5, 0.5], [0.25, 0.75]], &device);
    /// let divergences = loss.forward_no_reduction(p.clone(), p);
    /// assert_eq!(divergences.dims(), [2, 1]);
    /// assert!(divergences.into_data().iter::<f32>().all(|d| d.abs() < 1e-6));
    /// # }
    /// ```
    ///
    /// # Shapes
    /// - predictions and targets: `[.., classes]`
    /// - output: `[.., 1]`
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward_no_reduction<const D: usize>(
        &self,
        predictions: Tensor<D>,
        targets: Tensor<D>,
    ) -> Tensor<D> {
        let dtype = predictions.dtype();
        self.rows(predictions, targets).cast(dtype)
    }

    /// Computes the divergence of each row, in the dtype of the computation.
    fn rows<const D: usize>(&self, predictions: Tensor<D>, targets: Tensor<D>) -> Tensor<D> {
        assert_eq!(
            predictions.dims(),
            targets.dims(),
            "the targets must have the shape of the predictions"
        );
        let dtype = computed_dtype(&predictions.device(), predictions.dtype());
        let (predictions, targets) = (predictions.cast(dtype), targets.cast(dtype));
        // The operator ignores an entry with a reference of zero, so its contribution is added here.
        let seen = predictions.clone().not_equal_scalar(0.0);
        let missed_cost = targets.clone().mask_fill(seen, 0.0);
        let missed_cost = if self.alpha < 1.0 {
            missed_cost.mul_scalar(1.0 / (1.0 - self.alpha))
        } else {
            // Detached: the gradient of the product would be `0 * inf` at every other entry.
            let none = missed_cost.clone().equal_scalar(0.0);
            missed_cost
                .detach()
                .mul_scalar(f64::INFINITY)
                .mask_fill(none, 0.0)
        };
        let options = TsallisOptions::new(self.alpha)
            .with_reference(Reference::Tensor(predictions))
            .with_empty_row(EmptyRow::Zero);
        tsallis_divergence_from_probabilities(targets, options, -1) + missed_cost.sum_dim(D - 1)
    }
}

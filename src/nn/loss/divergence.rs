use super::Reduction;
use crate::nn::ModuleConfigError;
use crate::nn::error::or_panic;
use crate::op::arithmetic_dtype;
use crate::{EmptyRow, Reference, TsallisOptions, tsallis_divergence_from_probabilities};
use burn::Tensor;
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};

/// Configuration of a [`TsallisDivergenceLoss`], which its [`init`](Self::init) makes.
#[derive(Config, Debug)]
pub struct TsallisDivergenceLossConfig {
    /// The order.
    pub alpha: f64,
}

impl TsallisDivergenceLossConfig {
    /// The loss.
    ///
    /// # Panics
    ///
    /// Where [`try_init`](Self::try_init) returns an error, with its words.
    pub fn init(&self) -> TsallisDivergenceLoss {
        or_panic(self.try_init())
    }

    /// As [`init`](Self::init).
    ///
    /// # Errors
    ///
    /// [`ModuleConfigError`] if the order is not one.
    pub fn try_init(&self) -> Result<TsallisDivergenceLoss, ModuleConfigError> {
        TsallisOptions::<1>::try_new(self.alpha)?;
        Ok(TsallisDivergenceLoss { alpha: self.alpha })
    }
}

/// The Tsallis divergence of target distributions `t` from predicted ones `p`, along the last dimension:
///
/// `D(t || p) = sum_i p_i f(t_i / p_i)`, `f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1))`.
///
/// It is `KL(t || p)` at `alpha = 1`, what [`KLDivLoss`](burn::nn::loss::KLDivLoss) computes,
/// `KL(p || t)` at 0, and four times one minus the Bhattacharyya coefficient at 1/2. The divergence in
/// the other direction is that of order `1 - alpha`: `D_alpha(p || t) = D_(1 - alpha)(t || p)`.
///
/// Predictions are probabilities, and not their logarithms, since sparse ones are zero: where `p_i = 0` a
/// target `t_i` costs `t_i / (1 - alpha)` for `alpha < 1`, and makes the divergence infinite from 1 on.
/// Differentiable in the predictions and in the targets; from 1 on, such a target has a gradient of zero.
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
/// // As far apart as can be: 1 / (alpha (1 - alpha)).
/// let loss = hellinger.forward(p, t, Reduction::Mean);
/// assert!((loss.into_scalar::<f32>() - 4.0).abs() < 1e-5);
/// # }
/// ```
///
/// Created by [`TsallisDivergenceLossConfig`].
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct TsallisDivergenceLoss {
    /// The order.
    pub alpha: f64,
}

impl ModuleDisplay for TsallisDivergenceLoss {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content.add("alpha", &self.alpha).optional()
    }
}

impl TsallisDivergenceLoss {
    /// The divergences of a batch, reduced: their mean over the rows (`Mean`), their sum (`Sum`), or that sum
    /// over the size of the first dimension (`BatchMean`, `Auto`).
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
            Reduction::BatchMean | Reduction::Auto => losses.sum() / batch as f64,
        };
        loss.cast(dtype)
    }

    /// The divergence of each row.
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

    /// The divergence of each row, in the dtype that the predictions are computed in.
    fn rows<const D: usize>(&self, predictions: Tensor<D>, targets: Tensor<D>) -> Tensor<D> {
        assert_eq!(
            predictions.dims(),
            targets.dims(),
            "the targets must have the shape of the predictions"
        );
        let dtype = arithmetic_dtype(predictions.dtype());
        let (predictions, targets) = (predictions.cast(dtype), targets.cast(dtype));
        // To the operator a reference of zero is an entry that is not there.
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

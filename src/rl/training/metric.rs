use crate::rl::ppo::{PpoConfig, UpdateMetrics};
use burn::Tensor;
use burn::tensor::{Device, ExecutionError, TensorReadError};
use burn::train::ItemLazy;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Adaptor, LossInput, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric,
    NumericAttributes, NumericEntry, SerializedEntry,
};
use std::sync::Arc;

/// What an update reports to Burn's metrics: to its [`LossMetric`](burn::train::metric::LossMetric), and to
/// every [`PpoMetric`].
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingUpdate {
    /// The numbers of the update.
    pub metrics: UpdateMetrics,
    /// The mean of the loss over its minibatches. Of a regulariser in the loss it has the value that the
    /// rollout's policy gave.
    pub loss: f64,
}

impl TrainingUpdate {
    pub(super) fn new(metrics: UpdateMetrics, config: &PpoConfig) -> Self {
        let mut loss = metrics.policy_loss + config.value_coefficient * metrics.value_loss
            - config.entropy_coefficient * metrics.entropy;
        if config.regulariser.is_in_loss() {
            loss += config.beta * metrics.tsallis_divergence;
        }
        Self { metrics, loss }
    }
}

impl ItemLazy for TrainingUpdate {
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Adaptor<LossInput> for TrainingUpdate {
    fn adapt(&self) -> LossInput {
        // The metric reads it back at once: it stays on the host whatever the learner runs on.
        LossInput::new(Tensor::from_data([self.loss], &Device::flex()))
    }
}

impl Adaptor<UpdateMetrics> for TrainingUpdate {
    fn adapt(&self) -> UpdateMetrics {
        self.metrics.clone()
    }
}

/// One number of [`UpdateMetrics`] as a Burn metric.
///
/// ```
/// use burn::train::metric::Metric;
/// use burn_tsallis::rl::training::PpoMetric;
///
/// let variance = PpoMetric::new("Explained Variance", |m| m.explained_variance)
///     .with_higher_is_better(true);
/// assert_eq!(variance.name().as_str(), "Explained Variance");
/// ```
#[derive(Clone)]
pub struct PpoMetric {
    name: MetricName,
    value: fn(&UpdateMetrics) -> f64,
    higher_is_better: bool,
    state: NumericMetricState,
}

impl PpoMetric {
    /// The metric of this name, which must be unique in a training, with the value that `value` takes.
    pub fn new(name: &str, value: fn(&UpdateMetrics) -> f64) -> Self {
        Self {
            name: Arc::new(name.to_owned()),
            value,
            higher_is_better: false,
            state: NumericMetricState::new(),
        }
    }

    /// Says whether a high value is a good one. It is not unless this says so.
    pub fn with_higher_is_better(self, higher_is_better: bool) -> Self {
        Self {
            higher_is_better,
            ..self
        }
    }

    /// [`UpdateMetrics::policy_loss`].
    pub fn policy_loss() -> Self {
        Self::new("Policy Loss", |m| m.policy_loss)
    }

    /// [`UpdateMetrics::value_loss`].
    pub fn value_loss() -> Self {
        Self::new("Value Loss", |m| m.value_loss)
    }

    /// [`UpdateMetrics::entropy`].
    pub fn entropy() -> Self {
        Self::new("Policy Entropy", |m| m.entropy)
    }

    /// [`UpdateMetrics::approx_kl`].
    pub fn approx_kl() -> Self {
        Self::new("Approx. KL", |m| m.approx_kl)
    }

    /// [`UpdateMetrics::clip_fraction`].
    pub fn clip_fraction() -> Self {
        Self::new("Clip Fraction", |m| m.clip_fraction)
    }

    /// [`UpdateMetrics::tsallis_divergence`].
    pub fn tsallis_divergence() -> Self {
        Self::new("Tsallis Divergence", |m| m.tsallis_divergence)
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name()).precision(4)
    }
}

impl Metric for PpoMetric {
    type Input = UpdateMetrics;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: self.higher_is_better,
        }
        .into()
    }

    fn update(
        &mut self,
        metrics: &UpdateMetrics,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.state.update((self.value)(metrics), 1);
        let format = self.format();
        Ok(self.state.compute_update(format))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        let format = self.format();
        Ok(self.state.compute_final(format))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Numeric for PpoMetric {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}

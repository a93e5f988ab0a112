use crate::rl::ppo::UpdateMetrics;
use burn::Tensor;
use burn::tensor::{Device, ExecutionError, TensorReadError};
use burn::train::ItemLazy;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Adaptor, LossInput, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric,
    NumericAttributes, NumericEntry, SerializedEntry,
};
use std::sync::Arc;

impl ItemLazy for UpdateMetrics {
    /// Returns at once: an update has already read its metrics from the device.
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Adaptor<LossInput> for UpdateMetrics {
    /// Returns the loss of the policy.
    fn adapt(&self) -> LossInput {
        LossInput::new(Tensor::from_data([self.policy_loss], &host()))
    }
}

/// Returns a device on the host. Its metric reads the number back at once, whatever device the learner uses.
fn host() -> Device {
    #[cfg(feature = "flex")]
    return Device::flex();
    #[cfg(not(feature = "flex"))]
    return Device::default();
}

impl Adaptor<Self> for UpdateMetrics {
    fn adapt(&self) -> Self {
        self.clone()
    }
}

/// A number of [`UpdateMetrics`] as a Burn metric.
///
/// ```
/// use burn_tsallis::rl::training::PpoMetric;
///
/// let entropy = PpoMetric::new("Entropy", |update| update.policy_entropy);
/// let value_loss = PpoMetric::new("Value Loss", |update| update.value_loss);
/// ```
#[derive(Clone)]
pub struct PpoMetric {
    name: MetricName,
    value: fn(&UpdateMetrics) -> f64,
    state: NumericMetricState,
}

impl PpoMetric {
    /// Creates a metric whose value `value` computes from an update. `name` must be unique within a training run.
    pub fn new(name: &str, value: fn(&UpdateMetrics) -> f64) -> Self {
        Self {
            name: Arc::new(name.to_owned()),
            value,
            state: NumericMetricState::new(),
        }
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
            higher_is_better: false,
        }
        .into()
    }

    fn update(
        &mut self,
        update: &UpdateMetrics,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.state.update((self.value)(update), 1);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
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

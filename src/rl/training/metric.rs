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
    /// Nothing is pending: an update reads its metrics itself.
    fn sync(self) -> Result<Self, ExecutionError> {
        Ok(self)
    }
}

impl Adaptor<LossInput> for UpdateMetrics {
    /// The loss of the policy.
    fn adapt(&self) -> LossInput {
        LossInput::new(Tensor::from_data([self.policy_loss], &host()))
    }
}

/// Where a number stays that its metric reads back at once, whatever the learner runs on.
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

/// A number of [`UpdateMetrics`] as a metric of Burn's.
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
    /// The metric of this name, which must be unique in a training, with the value that `value` takes from
    /// an update.
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

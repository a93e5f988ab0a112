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

/// A device for numbers of the host.
fn host() -> Device {
    #[cfg(feature = "flex")]
    return Device::flex();
    #[cfg(not(feature = "flex"))]
    return Device::default();
}

/// A number of [`UpdateMetrics`] as a metric of Burn's.
///
/// ```
/// use burn_tsallis::rl::training::UpdateMetric;
///
/// let entropy = UpdateMetric::new("Entropy", |update| update.policy_entropy);
/// let value_loss = UpdateMetric::new("Value loss", |update| update.value_loss);
/// ```
#[derive(Clone)]
pub struct UpdateMetric {
    name: MetricName,
    value: fn(&UpdateMetrics) -> f64,
    state: NumericMetricState,
}

/// What an [`UpdateMetric`] is given.
#[derive(Clone, Debug)]
pub struct UpdateValue(UpdateMetrics);

impl UpdateMetric {
    /// The metric of this name, with the value that the function takes from an update.
    pub fn new(name: &str, value: fn(&UpdateMetrics) -> f64) -> Self {
        Self {
            name: Arc::new(name.to_owned()),
            value,
            state: NumericMetricState::default(),
        }
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name.clone()).precision(4)
    }
}

impl Adaptor<UpdateValue> for UpdateMetrics {
    fn adapt(&self) -> UpdateValue {
        UpdateValue(self.clone())
    }
}

impl Metric for UpdateMetric {
    type Input = UpdateValue;

    fn update(
        &mut self,
        update: &UpdateValue,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        self.state.update((self.value)(&update.0), 1);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }

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
}

impl Numeric for UpdateMetric {
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

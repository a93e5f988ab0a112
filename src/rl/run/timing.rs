use crate::rl::ppo::{UpdateMetrics, UpdateTimes};
use serde::{Deserialize, Serialize};

/// One row of `timing.csv`: the times of an update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Number of updates so far, including this one.
    pub update: usize,
    /// Number of environment steps so far.
    pub global_step: usize,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Environment steps per second of this update.
    #[serde(rename = "charts/SPS")]
    pub steps_per_second: f64,
    /// Seconds for stepping the environments and evaluating the states.
    pub rollout_seconds: f64,
    /// Seconds for the losses of the minibatches.
    pub forward_seconds: f64,
    /// Seconds for the gradients of these losses.
    pub backward_seconds: f64,
    /// Seconds for the steps of the optimizer.
    pub optimizer_seconds: f64,
    /// Seconds for the whole update.
    pub total_seconds: f64,
}

impl Timing {
    /// Creates the row of an update with `steps` environment steps that ended after `seconds` seconds of
    /// training.
    pub(super) fn new(
        metrics: &UpdateMetrics,
        steps: usize,
        times: UpdateTimes,
        seconds: f64,
    ) -> Self {
        let total_seconds = times.total.as_secs_f64();
        Self {
            update: metrics.update,
            global_step: metrics.global_step,
            seconds,
            steps_per_second: steps as f64 / total_seconds,
            rollout_seconds: times.rollout.as_secs_f64(),
            forward_seconds: times.forward.as_secs_f64(),
            backward_seconds: times.backward.as_secs_f64(),
            optimizer_seconds: times.optimizer.as_secs_f64(),
            total_seconds,
        }
    }
}

use crate::rl::ppo::{UpdateMetrics, UpdateTimes};
use serde::{Deserialize, Serialize};

/// One row of `timing.csv`: what an update took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Updates so far, this one included.
    pub update: usize,
    /// Environment steps so far.
    pub global_step: usize,
    /// Seconds that the run has been trained for.
    pub seconds: f64,
    /// Environment steps per second of this update.
    #[serde(rename = "charts/SPS")]
    pub steps_per_second: f64,
    /// Stepping the environments and evaluating the states.
    pub rollout_seconds: f64,
    /// The losses of the minibatches.
    pub forward_seconds: f64,
    /// Their gradients.
    pub backward_seconds: f64,
    /// Steps of the optimizer.
    pub optimizer_seconds: f64,
    /// All of the update.
    pub total_seconds: f64,
}

impl Timing {
    /// The row of an update of `steps` environment steps that ended after so many seconds of the run.
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

use serde::{Deserialize, Serialize};

/// One row of `metrics.csv`: what an update saw and did. Nothing here depends on the clock.
///
/// The names of the columns are CleanRL's where it has one. Losses are means over the minibatches of
/// the update, those of the policy over the states of its rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateMetrics {
    /// Updates so far, this one included.
    pub update: usize,
    /// Environment steps so far.
    pub global_step: usize,
    /// The learning rate of this update.
    #[serde(rename = "charts/learning_rate")]
    pub learning_rate: f64,
    /// Episodes finished so far.
    #[serde(rename = "charts/episodes")]
    pub episodes: usize,
    /// Mean return, without noise or regulariser, of the episodes that ended in this rollout.
    #[serde(rename = "charts/episodic_return")]
    pub episodic_return: Option<f64>,
    /// Mean length of the same episodes.
    #[serde(rename = "charts/episodic_length")]
    pub episodic_length: Option<f64>,
    /// Mean return of the last 100 episodes, or of as many as there are.
    #[serde(rename = "charts/episodic_return_100")]
    pub recent_return: Option<f64>,
    /// Minus the clipped surrogate.
    #[serde(rename = "losses/policy_loss")]
    pub policy_loss: f64,
    /// Half the squared error of the value, the larger of the clipped and the unclipped.
    #[serde(rename = "losses/value_loss")]
    pub value_loss: f64,
    /// Shannon entropy of the policy that is being updated, in nats.
    #[serde(rename = "losses/entropy")]
    pub entropy: f64,
    /// `E[-ln ratio]`.
    #[serde(rename = "losses/old_approx_kl")]
    pub old_approx_kl: f64,
    /// `E[ratio - 1 - ln ratio]`.
    #[serde(rename = "losses/approx_kl")]
    pub approx_kl: f64,
    /// Share of ratios outside the clip range.
    #[serde(rename = "losses/clipfrac")]
    pub clip_fraction: f64,
    /// Norm of the gradient of all parameters before it is clipped.
    #[serde(rename = "losses/grad_norm")]
    pub grad_norm: f64,
    /// Share of the variance of the returns that the values explain.
    #[serde(rename = "losses/explained_variance")]
    pub explained_variance: f64,
    /// Mean over states of the smallest probability.
    #[serde(rename = "policy/min_prob")]
    pub min_prob: f64,
    /// Mean Shannon entropy of the rollout's policy, in nats.
    #[serde(rename = "policy/entropy")]
    pub policy_entropy: f64,
    /// Mean divergence of the rollout's policy to the uniform one: what beta multiplies.
    #[serde(rename = "policy/tsallis_divergence")]
    pub tsallis_divergence: f64,
    /// Mean over states of the largest logit less the smallest.
    #[serde(rename = "policy/logit_gap")]
    pub logit_gap: f64,
    /// Share of states with an action of probability above 0.99.
    #[serde(rename = "policy/near_deterministic")]
    pub near_deterministic: f64,
}

/// Means over the states of a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PolicyStatistics {
    states: usize,
    min_prob: f64,
    entropy: f64,
    divergence: f64,
    logit_gap: f64,
    near_deterministic: f64,
}

impl PolicyStatistics {
    /// Takes one state into account.
    pub fn record(&mut self, logits: &[f32], log_probs: &[f32], divergence: f64) {
        let (mut smallest, mut largest) = (f64::INFINITY, 0.0_f64);
        for &log_p in log_probs {
            let log_p = f64::from(log_p);
            let p = log_p.exp();
            smallest = smallest.min(p);
            largest = largest.max(p);
            if p > 0.0 {
                self.entropy -= p * log_p;
            }
        }
        let extreme =
            |pick: fn(f32, f32) -> f32| logits.iter().copied().reduce(pick).unwrap_or(0.0);
        self.states += 1;
        self.min_prob += smallest;
        self.divergence += divergence;
        self.logit_gap += f64::from(extreme(f32::max)) - f64::from(extreme(f32::min));
        self.near_deterministic += f64::from(u8::from(largest > 0.99));
    }

    /// Writes the means into the row of an update.
    pub(super) fn write(&self, metrics: &mut UpdateMetrics) {
        let states = self.states.max(1) as f64;
        metrics.min_prob = self.min_prob / states;
        metrics.policy_entropy = self.entropy / states;
        metrics.tsallis_divergence = self.divergence / states;
        metrics.logit_gap = self.logit_gap / states;
        metrics.near_deterministic = self.near_deterministic / states;
    }
}

use crate::rl::policy::TsallisPolicyHead;
use burn::Tensor;
use burn::tensor::Bool;
use serde::{Deserialize, Serialize};

/// One row of `metrics.csv`: the measurements of an update. No value depends on the clock.
///
/// Columns have CleanRL's names if CleanRL has them. Losses are means over the minibatches of the update.
/// Policy statistics are means over the states of its rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateMetrics {
    /// Number of updates so far, including this one.
    pub update: usize,
    /// Number of environment steps so far.
    pub global_step: usize,
    /// The learning rate of this update.
    #[serde(rename = "charts/learning_rate")]
    pub learning_rate: f64,
    /// Number of episodes that ended so far.
    #[serde(rename = "charts/episodes")]
    pub episodes: usize,
    /// Mean return, without noise or regularizer, of the episodes that ended in this rollout.
    #[serde(rename = "charts/episodic_return")]
    pub episodic_return: Option<f64>,
    /// Mean length of the same episodes.
    #[serde(rename = "charts/episodic_length")]
    pub episodic_length: Option<f64>,
    /// Mean return of the last 100 episodes, or of all if there are fewer.
    #[serde(rename = "charts/episodic_return_100")]
    pub recent_return: Option<f64>,
    /// Number of episodes so far that left the best path, or `None` if the environment does not report it.
    #[serde(rename = "charts/bad_episodes")]
    pub bad_episodes: Option<usize>,
    /// Passes over the rollout; fewer than configured if the target KL divergence ended them.
    #[serde(rename = "charts/epochs")]
    pub epochs: usize,
    /// The negative clipped surrogate.
    #[serde(rename = "losses/policy_loss")]
    pub policy_loss: f64,
    /// Half the squared error of the value; the larger of the clipped and the unclipped one.
    #[serde(rename = "losses/value_loss")]
    pub value_loss: f64,
    /// Shannon entropy of the policy during the update, in nats.
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
    /// Mean over states, and over the dimensions of the actions, of the smallest probability.
    #[serde(rename = "policy/min_prob")]
    pub min_prob: f64,
    /// Mean Shannon entropy of the rollout's policy, in nats.
    #[serde(rename = "policy/entropy")]
    pub policy_entropy: f64,
    /// Mean divergence of the rollout's policy from the uniform distribution, the quantity that beta
    /// multiplies. It is the sum over the dimensions of the actions.
    #[serde(rename = "policy/tsallis_divergence")]
    pub tsallis_divergence: f64,
    /// Mean divergence of the joint distribution over all dimensions, or `None` if there is one dimension. From the
    /// divergences `D_i` of the dimensions, `1 + a (a - 1) D = prod_i (1 + a (a - 1) D_i)`; for `a` = 0 and 1, the sum.
    #[serde(
        rename = "policy/joint_divergence",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub joint_divergence: Option<f64>,
    /// Mean over states and dimensions of the largest logit minus the smallest.
    #[serde(rename = "policy/logit_gap")]
    pub logit_gap: f64,
    /// Share of states, and of their dimensions, with an action of probability above 0.99.
    #[serde(rename = "policy/near_deterministic")]
    pub near_deterministic: f64,
}

/// Statistics of the policy, as means over the states of a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PolicyStatistics {
    min_prob: f64,
    entropy: f64,
    divergence: f64,
    joint_divergence: Option<f64>,
    logit_gap: f64,
    near_deterministic: f64,
}

impl PolicyStatistics {
    /// Computes the means for [`new`](Self::new) from logits and log-probabilities, both `[states, logits]`,
    /// over the allowed actions.
    pub(super) fn means(
        policy: &TsallisPolicyHead,
        logits: Tensor<2>,
        log_probs: Tensor<2>,
        allowed: Option<Tensor<2, Bool>>,
    ) -> Tensor<2> {
        let (logits, allowed) = policy.rows(logits, allowed);
        let log_probs = policy.split(log_probs);
        let p = log_probs.clone().exp();
        // Without the clamp, a probability of zero would give zero times minus infinity, which is NaN.
        let entropy = -(p.clone() * log_probs.clamp_min(f32::MIN_POSITIVE.ln())).sum_dim(1);
        let forbidden = allowed.map(Tensor::bool_not);
        let without = |x: &Tensor<2>, value: f32| match &forbidden {
            Some(forbidden) => x.clone().mask_fill(forbidden.clone(), value),
            None => x.clone(),
        };
        let gap = without(&logits, f32::NEG_INFINITY).max_dim(1)
            - without(&logits, f32::INFINITY).min_dim(1);
        let means = [
            without(&p, 1.0).min_dim(1),
            entropy,
            gap,
            p.max_dim(1).greater_elem(0.99).float(),
        ];
        Tensor::cat(means.map(Tensor::mean).to_vec(), 0).unsqueeze()
    }

    /// Creates the statistics from the [`means`](Self::means) and the divergences of the dimensions of each state, which
    /// have this alpha.
    pub(super) fn new<'a>(
        means: &[f32],
        divergences: impl ExactSizeIterator<Item = &'a [f32]> + Clone,
        alpha: f64,
    ) -> Self {
        let mean = |index: usize| means.get(index).copied().map_or(f64::NAN, f64::from);
        let states = divergences.len() as f64;
        let dimensions = divergences.clone().next().map_or(1, <[f32]>::len);
        let numbers = divergences.clone().flatten().copied().map(f64::from);
        let sum: f64 = numbers.sum();
        let joint = |divergences| joint_divergence(divergences, alpha);
        Self {
            min_prob: mean(0),
            // The means are over the dimensions too, and the entropy of the joint distribution is the sum.
            entropy: dimensions as f64 * mean(1),
            logit_gap: mean(2),
            near_deterministic: mean(3),
            divergence: sum / states,
            joint_divergence: (dimensions > 1)
                .then(|| divergences.map(joint).sum::<f64>() / states),
        }
    }

    /// Writes the statistics into the row of an update.
    pub(super) fn write(&self, metrics: &mut UpdateMetrics) {
        metrics.min_prob = self.min_prob;
        metrics.policy_entropy = self.entropy;
        metrics.tsallis_divergence = self.divergence;
        metrics.joint_divergence = self.joint_divergence;
        metrics.logit_gap = self.logit_gap;
        metrics.near_deterministic = self.near_deterministic;
    }
}

/// Returns the divergence of a product distribution from the product of the references: `D` with
/// `1 + a (a - 1) D = prod_i (1 + a (a - 1) D_i)`, and the sum of `D_i` in the limits `a` = 0 and 1.
fn joint_divergence(divergences: &[f32], alpha: f64) -> f64 {
    let scale = alpha * (alpha - 1.0);
    // Expanded, so that a small scale does not cancel: 1 + s D = (1 + s A) (1 + s B) has D = A + B + s A B.
    divergences.iter().fold(0.0, |joint, &divergence| {
        let divergence = f64::from(divergence);
        joint + divergence + scale * joint * divergence
    })
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::{TsallisOptions, tsallis_divergence_from_probabilities};
    use burn::tensor::Device;

    /// Compares with the divergence of all pairs of actions.
    #[test]
    fn the_joint_divergence_is_that_of_the_product() {
        let device = Device::flex();
        let divergence = |p: Vec<f32>, alpha| {
            let p = Tensor::<1>::from_floats(&p[..], &device);
            let divergence =
                tsallis_divergence_from_probabilities(p, TsallisOptions::new(alpha), 0);
            divergence.into_scalar::<f32>()
        };
        let (first, second) = ([0.7, 0.2, 0.1_f32], [0.05, 0.95_f32]);
        let product = first.iter().flat_map(|p| second.map(|q| p * q)).collect();
        let product: Vec<f32> = product;
        for alpha in [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0] {
            let parts = [
                divergence(first.to_vec(), alpha),
                divergence(second.to_vec(), alpha),
            ];
            let joint = joint_divergence(&parts, alpha);
            let wanted = f64::from(divergence(product.clone(), alpha));
            assert!(
                (joint - wanted).abs() < 1e-5 * wanted,
                "{alpha}: {joint} {wanted}"
            );
        }
    }
}

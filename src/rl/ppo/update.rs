use super::objective::{
    ObjectiveParameters, PolicyForm, SAMPLE_COLUMNS, TermColumn, clipped_objective,
};
use super::{ClippedAdam, LearnerError, PpoConfig, Rollout, UpdateMetrics, UpdateTimes};
use crate::experiment::Stream;
use crate::rl::policy::{ActorCritic, select_mask};
use crate::rl::transfer::{indices, matrix, read};
use burn::Tensor;
use burn::tensor::{Bool, Device};
use rand::seq::SliceRandom;
use std::time::Instant;

/// The steps of a pass over the rollout in the order of its minibatches, as tensors of `[batch, _]`.
struct EpochBatch {
    observations: Tensor<2>,
    allowed: Option<Tensor<2, Bool>>,
    /// The columns of [`SampleColumn`](super::objective::SampleColumn).
    samples: Tensor<2>,
}

impl EpochBatch {
    fn new(rollout: &Rollout, order: &[usize], config: &PpoConfig, device: &Device) -> Self {
        let mut samples = Vec::with_capacity(order.len() * SAMPLE_COLUMNS);
        for steps in order.chunks_exact(config.minibatch()) {
            let (mean, deviation) = if config.normalize_advantages {
                mean_and_std(steps.iter().map(|&i| rollout.advantages[i]))
            } else {
                (0.0, 1.0)
            };
            samples.extend(steps.iter().flat_map(|&i| {
                // In the order of the columns.
                [
                    rollout.actions[i] as f32,
                    rollout.log_probs[i],
                    ((rollout.advantages[i] - mean) / deviation) as f32,
                    rollout.returns[i] as f32,
                    rollout.values[i] as f32,
                ]
            }));
        }
        let rows = indices(order.iter().copied(), device);
        Self {
            allowed: rollout
                .allowed
                .clone()
                .map(|allowed| select_mask(allowed, 0, rows.clone())),
            observations: rollout.observations.clone().select(0, rows),
            samples: matrix(samples, SAMPLE_COLUMNS, device),
        }
    }

    fn minibatch(&self, index: usize, size: usize) -> Self {
        let rows = index * size..(index + 1) * size;
        Self {
            observations: self.observations.clone().slice([rows.clone()]),
            allowed: self
                .allowed
                .as_ref()
                .map(|allowed| allowed.clone().slice([rows.clone()])),
            samples: self.samples.clone().slice([rows]),
        }
    }
}

/// Returns the mean and the standard deviation for the normalization of advantages.
fn mean_and_std(advantages: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let count = advantages.len() as f64;
    let mean = advantages.clone().sum::<f64>() / count;
    let squares = advantages.map(|a| (a - mean).powi(2)).sum::<f64>();
    // The guard of CleanRL for a minibatch without variance.
    (mean, (squares / count).sqrt() + 1e-8)
}

/// The reported tensors of a minibatch. They are concatenated with those of the other minibatches and read
/// once per update.
struct MinibatchReport {
    /// The columns of [`TermColumn`].
    terms: Tensor<2>,
    /// The policy in the form of its [`PolicyForm`].
    policy: Tensor<2>,
    /// The norm of the gradient, `[1, 1]`.
    norm: Option<Tensor<2>>,
}

/// Passes over the rollout in minibatches and steps the optimizer on each.
#[expect(
    clippy::too_many_arguments,
    reason = "the fields of a learner, borrowed separately"
)]
pub(super) fn update(
    mut model: ActorCritic,
    optimizer: &mut ClippedAdam,
    rollout: &Rollout,
    order: &mut Stream,
    config: &PpoConfig,
    metrics: &mut UpdateMetrics,
    times: &mut UpdateTimes,
    device: &Device,
) -> Result<ActorCritic, LearnerError> {
    let inner = device.clone().inner();
    let mut steps: Vec<usize> = (0..config.batch()).collect();
    let mut reported: Vec<MinibatchReport> = Vec::new();
    for epoch in 1..=config.epochs {
        steps.shuffle(order);
        let epoch_batch = EpochBatch::new(rollout, &steps, config, &inner);
        let epoch_start = reported.len();
        for index in 0..config.minibatches {
            let started = Instant::now();
            let minibatch = epoch_batch.minibatch(index, config.minibatch());
            let (loss, mut report) = loss(&model, minibatch, config);
            let forward = Instant::now();
            let gradients = loss.backward();
            let backward = Instant::now();
            let norm;
            (model, norm) = optimizer.step(metrics.learning_rate, model, gradients);
            report.norm = Some(norm.unsqueeze_dim(1));
            reported.push(report);
            times.forward += forward - started;
            times.backward += backward - forward;
            times.optimizer += backward.elapsed();
        }
        metrics.epochs = epoch;
        if let Some(target) = config.target_kl {
            let terms = reported[epoch_start..].iter().map(|r| r.terms.clone());
            let ratio = column(&Tensor::cat(terms.collect(), 0), TermColumn::Ratio);
            let [kl] = read([approx_kl(ratio).mean().unsqueeze()])?;
            if f64::from(kl[0]) > target {
                break;
            }
        }
    }
    report(reported, config, metrics)?;
    Ok(model)
}

/// Returns the loss of a minibatch and its report.
fn loss(
    model: &ActorCritic,
    batch: EpochBatch,
    config: &PpoConfig,
) -> (Tensor<1>, MinibatchReport) {
    let (logits, values) = model.forward(batch.observations);
    let head = model.policy();
    let form = policy_form(config);
    let policy = match form {
        PolicyForm::Log => head.log_probabilities(logits.clone(), batch.allowed.clone()),
        PolicyForm::Probability => head.probabilities(logits.clone(), batch.allowed.clone()),
    };
    let parameters = ObjectiveParameters {
        form,
        clip: config.clip as f32,
        value_clip: config.value_clip.unwrap_or(f64::INFINITY) as f32,
        value_coefficient: config.value_coefficient as f32,
    };
    let (mut loss, terms) = clipped_objective(policy.clone(), values, batch.samples, parameters);
    if config.regularizer.is_in_loss() {
        let alpha = config.regularizer_alpha;
        let divergence = head.divergence(logits.clone(), alpha, batch.allowed.clone());
        loss = loss + divergence.mean().mul_scalar(config.beta);
    }
    if config.entropy_coefficient > 0.0 {
        let p = head.probabilities(logits, batch.allowed);
        loss = loss - entropy(p).mean().mul_scalar(config.entropy_coefficient);
    }
    let reported = MinibatchReport {
        terms: terms.inner(),
        policy: policy.inner(),
        norm: None,
    };
    (loss, reported)
}

/// Returns the form of the policy. With alpha > 1, an action may be outside the support, and its logarithm is
/// then infinite.
fn policy_form(config: &PpoConfig) -> PolicyForm {
    if config.alpha > 1.0 {
        PolicyForm::Probability
    } else {
        PolicyForm::Log
    }
}

fn column(terms: &Tensor<2>, term: TermColumn) -> Tensor<2> {
    let index = term as usize;
    terms.clone().slice([0..terms.dims()[0], index..index + 1])
}

/// Computes the Shannon entropy of each row, in nats: `[batch, actions]` to `[batch, 1]`.
fn entropy(probabilities: Tensor<2>) -> Tensor<2> {
    // At zero the product is zero and its derivative finite.
    let log_p = probabilities.clone().clamp_min(f32::MIN_POSITIVE).log();
    -(probabilities * log_p).sum_dim(1)
}

/// Computes `ratio - 1 - ln ratio`, whose mean estimates `KL(old || new)` (Schulman 2020).
fn approx_kl(ratio: Tensor<2>) -> Tensor<2> {
    ratio.clone() - 1.0 - log_ratio(ratio)
}

fn log_ratio(ratio: Tensor<2>) -> Tensor<2> {
    // The logarithm of the smallest normal number replaces that of a ratio of zero.
    ratio.clamp_min(f32::MIN_POSITIVE).log()
}

/// Writes the means of the reports into `metrics`.
fn report(
    reported: Vec<MinibatchReport>,
    config: &PpoConfig,
    metrics: &mut UpdateMetrics,
) -> Result<(), LearnerError> {
    let all = |of: fn(&MinibatchReport) -> Option<&Tensor<2>>| {
        Tensor::cat(reported.iter().filter_map(of).cloned().collect(), 0)
    };
    let terms = all(|r| Some(&r.terms));
    let policy = all(|r| Some(&r.policy));
    let probabilities = match policy_form(config) {
        PolicyForm::Log => policy.exp(),
        PolicyForm::Probability => policy,
    };
    let ratio = column(&terms, TermColumn::Ratio);
    let outside = (ratio.clone() - 1.0)
        .abs()
        .greater_elem(config.clip)
        .float();
    let means = [
        column(&terms, TermColumn::Surrogate).neg(),
        column(&terms, TermColumn::ValueLoss),
        entropy(probabilities),
        log_ratio(ratio.clone()).neg(),
        approx_kl(ratio),
        outside,
        all(|r| r.norm.as_ref()),
    ];
    let means = Tensor::cat(means.map(Tensor::mean).to_vec(), 0);
    let [means] = read([means.unsqueeze()])?;
    let fields: [(&mut f64, &'static str); 7] = [
        (&mut metrics.policy_loss, "policy loss"),
        (&mut metrics.value_loss, "value loss"),
        (&mut metrics.entropy, "entropy"),
        (&mut metrics.old_approx_kl, "approximate KL divergence"),
        (&mut metrics.approx_kl, "approximate KL divergence"),
        (&mut metrics.clip_fraction, "clip fraction"),
        (&mut metrics.grad_norm, "gradient norm"),
    ];
    for ((field, name), &mean) in fields.into_iter().zip(&means) {
        *field = f64::from(mean);
        if !field.is_finite() {
            return Err(LearnerError::NotFinite(name));
        }
    }
    Ok(())
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::experiment::{Purpose, stream};
    use crate::rl::env::VectorEnvironment;
    use crate::rl::policy::NetworkConfig;
    use crate::rl::ppo::Regularizer;
    use burn::module::Module;

    fn config(alpha: f64) -> PpoConfig {
        PpoConfig {
            alpha,
            regularizer_alpha: alpha,
            environments: 4,
            rollout_steps: 16,
            minibatches: 2,
            network: NetworkConfig {
                hidden: vec![8],
                ..NetworkConfig::default()
            },
            ..PpoConfig::default()
        }
    }

    /// Returns networks with a policy that is not uniform, and a rollout of this policy.
    fn rollout(config: &PpoConfig, device: &Device) -> (ActorCritic, Rollout) {
        let mut environments = VectorEnvironment::new(config.make_environments())
            .expect("environments that are alike");
        let mut weights = stream(1, Purpose::Weights, 0);
        let model = ActorCritic::new(
            environments.observation_size(),
            environments.actions(),
            &config.network,
            config.alpha,
            device,
            &mut weights,
        );
        let model = crate::rl::ppo::optimizer::tests::scaled(model, 3.0);
        let mut actions: Vec<_> = (0..config.environments as u32)
            .map(|i| stream(1, Purpose::Actions, i))
            .collect();
        let rollout = Rollout::collect(
            &model.valid(),
            &mut environments,
            &mut actions,
            config,
            &device.clone().inner(),
        )
        .expect("a rollout");
        (model, rollout)
    }

    fn first_minibatch(rollout: &Rollout, config: &PpoConfig, device: &Device) -> EpochBatch {
        let order: Vec<usize> = (0..config.batch()).rev().collect();
        EpochBatch::new(rollout, &order, config, &device.clone().inner())
            .minibatch(0, config.minibatch())
    }

    #[test]
    fn the_first_ratios_are_one() {
        let device = Device::flex().autodiff();
        for alpha in [-1.0, 0.3, 0.5, 1.0, 1.5, 2.0] {
            let config = config(alpha);
            let (model, rollout) = rollout(&config, &device);
            let (_, reported) = loss(&model, first_minibatch(&rollout, &config, &device), &config);
            let ratio = column(&reported.terms, TermColumn::Ratio);
            let ratios: Vec<f32> = ratio.clone().into_data().iter().collect();
            assert_eq!(ratios.len(), config.minibatch());
            for ratio in ratios {
                assert!((ratio - 1.0).abs() < 1e-5, "alpha {alpha}: {ratio}");
            }
            let kl = approx_kl(ratio).mean().into_scalar::<f32>();
            assert!(kl.abs() <= 1e-8, "alpha {alpha}: {kl}");
        }
    }

    /// Compares the gradient of the whole loss with central differences in a direction. The policy differs
    /// from that of the rollout, and every term of the loss is present.
    #[test]
    fn the_gradient_is_that_of_the_loss() {
        use crate::rl::ppo::optimizer::tests::{dot_of_gradient, moved};
        let device = Device::flex().autodiff();
        for alpha in [0.5, 1.0, 1.5] {
            let config = PpoConfig {
                regularizer: Regularizer::Both,
                beta: 0.5,
                entropy_coefficient: 0.3,
                value_clip: Some(0.05),
                ..config(alpha)
            };
            let (model, rollout) = rollout(&config, &device);
            let at = |step: f32| {
                let batch = first_minibatch(&rollout, &config, &device);
                let model = moved(model.clone(), 0.05 + step);
                let (loss, _) = loss(&model, batch, &config);
                (model, loss)
            };
            let (model, value) = at(0.0);
            let slope = dot_of_gradient(&model, value.backward());
            let step = 2e-3;
            let value = |step| f64::from(at(step).1.into_scalar::<f32>());
            let difference = (value(step) - value(-step)) / (2.0 * f64::from(step));
            assert!(
                (slope - difference).abs() < 2e-2 * difference.abs().max(0.05),
                "alpha {alpha}: {slope} against {difference}"
            );
        }
    }

    #[test]
    fn advantages_of_a_minibatch_have_mean_zero_and_variance_one() {
        let device = Device::flex().autodiff();
        let config = config(0.5);
        let (_, rollout) = rollout(&config, &device);
        let samples = first_minibatch(&rollout, &config, &device).samples;
        let advantages = samples.slice([0..config.minibatch(), 2..3]);
        let values: Vec<f32> = advantages.into_data().iter().collect();
        let (mean, deviation) = mean_and_std(values.iter().map(|&a| f64::from(a)));
        assert!(mean.abs() < 1e-6 && (deviation - 1.0).abs() < 1e-5);
    }

    #[test]
    fn a_target_kl_ends_the_passes() {
        let device = Device::flex();
        let metrics = |target_kl| {
            let config = PpoConfig {
                target_kl,
                learning_rate: 0.05,
                ..config(0.5)
            };
            let mut learner = crate::rl::ppo::Learner::new(config, &device).expect("valid");
            learner.update().expect("an update")
        };
        assert_eq!(metrics(None).epochs, 16);
        assert!(metrics(Some(1e-3)).epochs < 16);
    }
}

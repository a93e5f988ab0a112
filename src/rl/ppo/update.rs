use super::{ClippedAdam, LearnerError, PpoConfig, Rollout, Times, UpdateMetrics};
use crate::rl::policy::ActorCritic;
use crate::rl::random::Stream;
use crate::rl::transfer::{indices, matrix, read};
use burn::Tensor;
use burn::tensor::{Bool, Device, Int};
use rand::seq::SliceRandom;
use std::time::Instant;

/// The steps of a pass over the rollout in the order in which its minibatches take them, as tensors of
/// `[batch, _]`.
struct Pass {
    observations: Tensor<2>,
    allowed: Option<Tensor<2, Bool>>,
    actions: Tensor<2, Int>,
    log_probs: Tensor<2>,
    advantages: Tensor<2>,
    returns: Tensor<2>,
    values: Tensor<2>,
}

impl Pass {
    fn new(rollout: &Rollout, order: &[usize], config: &PpoConfig, device: &Device) -> Self {
        let column = |value: &dyn Fn(usize) -> f32| {
            matrix(order.iter().map(|&i| value(i)).collect(), 1, device)
        };
        let advantages = order.chunks_exact(config.minibatch()).flat_map(|steps| {
            let (mean, deviation) = if config.normalise_advantages {
                moments(steps.iter().map(|&i| rollout.advantages[i]))
            } else {
                (0.0, 1.0)
            };
            steps
                .iter()
                .map(move |&i| ((rollout.advantages[i] - mean) / deviation) as f32)
        });
        let advantages = matrix(advantages.collect(), 1, device);
        let rows = indices(order.iter().copied(), device);
        let actions = order.iter().map(|&i| rollout.actions[i]);
        Self {
            allowed: rollout
                .allowed
                .clone()
                .map(|allowed| allowed.select(0, rows.clone())),
            observations: rollout.observations.clone().select(0, rows),
            actions: indices(actions, device).unsqueeze_dim(1),
            log_probs: column(&|i| rollout.log_probs[i]),
            advantages,
            returns: column(&|i| rollout.returns[i] as f32),
            values: column(&|i| rollout.values[i] as f32),
        }
    }

    fn minibatch(&self, index: usize, size: usize) -> Self {
        let rows = index * size..(index + 1) * size;
        let of = |tensor: &Tensor<2>| tensor.clone().slice([rows.clone()]);
        Self {
            observations: of(&self.observations),
            allowed: self
                .allowed
                .as_ref()
                .map(|allowed| allowed.clone().slice([rows.clone()])),
            actions: self.actions.clone().slice([rows.clone()]),
            log_probs: of(&self.log_probs),
            advantages: of(&self.advantages),
            returns: of(&self.returns),
            values: of(&self.values),
        }
    }
}

/// The mean and the standard deviation that advantages are normalised by.
fn moments(advantages: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let count = advantages.len() as f64;
    let mean = advantages.clone().sum::<f64>() / count;
    let squares = advantages.map(|a| (a - mean).powi(2)).sum::<f64>();
    // CleanRL's guard of a minibatch without spread.
    (mean, (squares / count).sqrt() + 1e-8)
}

/// What is reported of a minibatch, as columns that are put together and read once an update.
struct Reported {
    ratio: Tensor<2>,
    surrogate: Tensor<2>,
    value_loss: Tensor<2>,
    probabilities: Tensor<2>,
    norm: Tensor<2>,
}

/// Passes over the rollout in minibatches and steps the optimiser on each.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of a learner, borrowed apart"
)]
pub(super) fn update(
    mut model: ActorCritic,
    optimiser: &mut ClippedAdam,
    rollout: &Rollout,
    order: &mut Stream,
    config: &PpoConfig,
    metrics: &mut UpdateMetrics,
    times: &mut Times,
    device: &Device,
) -> Result<ActorCritic, LearnerError> {
    let inner = device.clone().inner();
    let mut steps: Vec<usize> = (0..config.batch()).collect();
    let mut reported: Vec<Reported> = Vec::new();
    for epoch in 1..=config.epochs {
        steps.shuffle(order);
        let pass = Pass::new(rollout, &steps, config, &inner);
        let begun = reported.len();
        for index in 0..config.minibatches {
            let started = Instant::now();
            let minibatch = pass.minibatch(index, config.minibatch());
            let (loss, mut report) = loss(&model, minibatch, config);
            let forward = Instant::now();
            let gradients = loss.backward();
            let backward = Instant::now();
            let norm;
            (model, norm) = optimiser.step(metrics.learning_rate, model, gradients);
            report.norm = norm.unsqueeze_dim(1);
            reported.push(report);
            times.forward += forward - started;
            times.backward += backward - forward;
            times.optimiser += backward.elapsed();
        }
        metrics.epochs = epoch;
        if let Some(target) = config.target_kl {
            let ratios = reported[begun..].iter().map(|r| r.ratio.clone());
            let [kl] = read([approx_kl(Tensor::cat(ratios.collect(), 0))
                .mean()
                .unsqueeze()])?;
            if f64::from(kl[0]) > target {
                break;
            }
        }
    }
    report(reported, config, metrics)?;
    Ok(model)
}

/// The loss of a minibatch, and what is reported of it.
fn loss(model: &ActorCritic, batch: Pass, config: &PpoConfig) -> (Tensor<1>, Reported) {
    let (logits, values) = model.forward(batch.observations);
    let policy = model.policy();
    let probabilities;
    // Above one an action may have left the support: its ratio is zero and its gradient finite, which
    // only the form without a logarithm keeps.
    let ratio = if config.alpha > 1.0 {
        let p = policy.probabilities(logits.clone(), batch.allowed.clone());
        probabilities = p.clone().inner();
        p.gather(1, batch.actions) / batch.log_probs.exp()
    } else {
        let log_p = policy.log_probabilities(logits.clone(), batch.allowed.clone());
        probabilities = log_p.clone().inner().exp();
        (log_p.gather(1, batch.actions) - batch.log_probs).exp()
    };
    let clipped = ratio.clone().clamp(1.0 - config.clip, 1.0 + config.clip);
    let surrogate = (ratio.clone() * batch.advantages.clone()).min_pair(clipped * batch.advantages);

    let error = (values.clone() - batch.returns.clone()).square();
    let error = match config.value_clip {
        None => error,
        Some(range) => {
            let moved = (values - batch.values.clone()).clamp(-range, range);
            error.max_pair((batch.values + moved - batch.returns).square())
        }
    };
    let reported = Reported {
        ratio: ratio.inner(),
        surrogate: surrogate.clone().inner(),
        value_loss: error.clone().inner().mul_scalar(0.5),
        norm: probabilities.clone(),
        probabilities,
    };
    let mut loss = (error.mul_scalar(0.5 * config.value_coefficient) - surrogate).mean();
    if config.regulariser.is_in_loss() {
        let alpha = config.regulariser_alpha;
        let divergence = policy.divergence(logits.clone(), alpha, batch.allowed.clone());
        loss = loss + divergence.mean().mul_scalar(config.beta);
    }
    if config.entropy_coefficient > 0.0 {
        let p = policy.probabilities(logits, batch.allowed);
        loss = loss - entropy(p).mean().mul_scalar(config.entropy_coefficient);
    }
    (loss, reported)
}

/// The Shannon entropy of each row, in nats: `[batch, actions]` to `[batch, 1]`.
fn entropy(probabilities: Tensor<2>) -> Tensor<2> {
    // At zero the product is zero and its derivative finite.
    let log_p = probabilities.clone().clamp_min(f32::MIN_POSITIVE).log();
    -(probabilities * log_p).sum_dim(1)
}

/// `ratio - 1 - ln ratio`, whose mean estimates `KL(old || new)` (Schulman 2020).
fn approx_kl(ratio: Tensor<2>) -> Tensor<2> {
    ratio.clone() - 1.0 - log_ratio(ratio)
}

fn log_ratio(ratio: Tensor<2>) -> Tensor<2> {
    // ln of the smallest normal number stands for the logarithm of a ratio of zero.
    ratio.clamp_min(f32::MIN_POSITIVE).log()
}

/// Writes the means of what was reported.
fn report(
    reported: Vec<Reported>,
    config: &PpoConfig,
    metrics: &mut UpdateMetrics,
) -> Result<(), LearnerError> {
    let column = |of: fn(&Reported) -> &Tensor<2>| {
        Tensor::cat(reported.iter().map(|r| of(r).clone()).collect(), 0)
    };
    let ratio = column(|r| &r.ratio);
    let outside = (ratio.clone() - 1.0)
        .abs()
        .greater_elem(config.clip)
        .float();
    let means = [
        column(|r| &r.surrogate).neg(),
        column(|r| &r.value_loss),
        entropy(column(|r| &r.probabilities)),
        log_ratio(ratio.clone()).neg(),
        approx_kl(ratio),
        outside,
        column(|r| &r.norm),
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

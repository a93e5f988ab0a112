use super::rollout::{matrix, read};
use super::{LearnerError, PpoConfig, Rollout, UpdateMetrics};
use crate::rl::policy::ActorCritic;
use crate::rl::random::Stream;
use burn::Tensor;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, TensorData};
use rand::seq::SliceRandom;

/// The steps of one minibatch, as tensors of `[minibatch, _]`.
struct Minibatch {
    observations: Tensor<2>,
    actions: Tensor<2, Int>,
    log_probs: Tensor<2>,
    /// Normalised to mean zero and variance one over the minibatch.
    advantages: Tensor<2>,
    returns: Tensor<2>,
    values: Tensor<2>,
}

impl Minibatch {
    fn new(rollout: &Rollout, steps: &[usize], device: &Device) -> Self {
        let observation_size = rollout.observations.len() / rollout.actions.len();
        let column = |value: &dyn Fn(usize) -> f32| {
            matrix(steps.iter().map(|&i| value(i)).collect(), 1, device)
        };
        let count = steps.len() as f64;
        let mean = steps.iter().map(|&i| rollout.advantages[i]).sum::<f64>() / count;
        let squares = steps
            .iter()
            .map(|&i| (rollout.advantages[i] - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt() + 1e-8;
        let mut observations = Vec::with_capacity(steps.len() * observation_size);
        for &i in steps {
            let start = i * observation_size;
            observations.extend_from_slice(&rollout.observations[start..start + observation_size]);
        }
        let actions: Vec<i32> = steps.iter().map(|&i| rollout.actions[i] as i32).collect();
        Self {
            observations: matrix(observations, observation_size, device),
            actions: Tensor::from_data(TensorData::new(actions, [steps.len(), 1]), device),
            log_probs: column(&|i| rollout.log_probs[i]),
            advantages: column(&|i| ((rollout.advantages[i] - mean) / deviation) as f32),
            returns: column(&|i| rollout.returns[i] as f32),
            values: column(&|i| rollout.values[i] as f32),
        }
    }
}

/// Sums over minibatches of what the metrics report, in the order of [`write_means`].
const REPORTED: usize = 7;

/// Passes over the rollout in minibatches and steps the optimiser on each.
pub(super) fn update(
    mut model: ActorCritic,
    optimiser: &mut ModuleOptimizer,
    rollout: &Rollout,
    order: &mut Stream,
    config: &PpoConfig,
    metrics: &mut UpdateMetrics,
    device: &Device,
) -> Result<ActorCritic, LearnerError> {
    let mut steps: Vec<usize> = (0..config.batch()).collect();
    let mut sums = Tensor::<1>::zeros([REPORTED], &device.clone().inner());
    for _ in 0..config.epochs {
        steps.shuffle(order);
        for steps in steps.chunks_exact(config.batch() / config.minibatches) {
            let minibatch = Minibatch::new(rollout, steps, device);
            let (loss, mut reported) = loss(&model, minibatch, config);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let (gradients, norm) = clip_global_norm(&model, gradients, config.max_grad_norm);
            model = optimiser.step(metrics.learning_rate, model, gradients);
            reported.push(norm);
            // Summed on the device, and read once an update.
            sums = sums + Tensor::cat(reported, 0);
        }
    }
    write_means(&read(sums)?, config, metrics)?;
    Ok(model)
}

/// The loss of a minibatch, and what is reported of it.
fn loss(model: &ActorCritic, batch: Minibatch, config: &PpoConfig) -> (Tensor<1>, Vec<Tensor<1>>) {
    let logits = model.logits(batch.observations.clone());
    let policy = model.policy();
    let probabilities;
    // Above one an action may have left the support: its ratio is zero and its gradient finite, which
    // only the form without a logarithm keeps.
    let ratio = if config.alpha > 1.0 {
        let p = policy.probabilities(logits);
        probabilities = p.clone().inner();
        p.gather(1, batch.actions) / batch.log_probs.exp()
    } else {
        let log_p = policy.log_probabilities(logits);
        probabilities = log_p.clone().inner().exp();
        (log_p.gather(1, batch.actions) - batch.log_probs).exp()
    };
    let clipped = ratio.clone().clamp(1.0 - config.clip, 1.0 + config.clip);
    let surrogate = (ratio.clone() * batch.advantages.clone()).min_pair(clipped * batch.advantages);
    let policy_loss = -surrogate.mean();

    let values = model.values(batch.observations);
    let moved = (values.clone() - batch.values.clone()).clamp(-config.clip, config.clip);
    let error = (values - batch.returns.clone()).square();
    let clipped_error = (batch.values + moved - batch.returns).square();
    let value_loss = error.max_pair(clipped_error).mean() * 0.5;

    let ratio = ratio.inner();
    // ln of the smallest normal number stands for the logarithm of a ratio of zero.
    let log_ratio = ratio.clone().clamp_min(f32::MIN_POSITIVE).log();
    let outside = (ratio.clone() - 1.0)
        .abs()
        .greater_elem(config.clip)
        .float();
    let log_p = probabilities.clone().clamp_min(f32::MIN_POSITIVE).log();
    let reported = vec![
        policy_loss.clone().inner(),
        value_loss.clone().inner(),
        -(probabilities * log_p).sum_dim(1).mean(),
        -log_ratio.clone().mean(),
        (ratio - 1.0 - log_ratio).mean(),
        outside.mean(),
    ];
    (
        policy_loss + value_loss * config.value_coefficient,
        reported,
    )
}

fn write_means(
    sums: &[f32],
    config: &PpoConfig,
    metrics: &mut UpdateMetrics,
) -> Result<(), LearnerError> {
    let count = (config.epochs * config.minibatches) as f64;
    let fields: [(&mut f64, &'static str); REPORTED] = [
        (&mut metrics.policy_loss, "policy loss"),
        (&mut metrics.value_loss, "value loss"),
        (&mut metrics.entropy, "entropy"),
        (&mut metrics.old_approx_kl, "approximate KL divergence"),
        (&mut metrics.approx_kl, "approximate KL divergence"),
        (&mut metrics.clip_fraction, "clip fraction"),
        (&mut metrics.grad_norm, "gradient norm"),
    ];
    for ((field, name), &sum) in fields.into_iter().zip(sums) {
        *field = f64::from(sum) / count;
        if !field.is_finite() {
            return Err(LearnerError::NotFinite(name));
        }
    }
    Ok(())
}

/// Scales the gradients of all parameters together down to the norm `limit`, and returns their norm
/// before. Burn's own clipping takes each parameter by itself. Nothing is read back.
fn clip_global_norm<M: Module>(
    model: &M,
    mut gradients: GradientsParams,
    limit: f64,
) -> (GradientsParams, Tensor<1>) {
    struct SumOfSquares<'a>(&'a GradientsParams, Option<Tensor<1>>);

    impl ModuleVisitor for SumOfSquares<'_> {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.get::<D>(parameter.id) {
                let sum = gradient.square().sum();
                self.1 = Some(match self.1.take() {
                    Some(total) => total + sum,
                    None => sum,
                });
            }
        }
    }

    struct Scale<'a>(&'a mut GradientsParams, Tensor<1>);

    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.remove::<D>(parameter.id) {
                self.0
                    .register::<D>(parameter.id, gradient * self.1.clone().unsqueeze());
            }
        }
    }

    let mut squares = SumOfSquares(&gradients, None);
    model.visit(&mut squares);
    let Some(squares) = squares.1 else {
        unreachable!("the loss depends on the parameters");
    };
    let norm = squares.sqrt();
    let factor = (norm.clone() + 1e-6)
        .recip()
        .mul_scalar(limit)
        .clamp_max(1.0);
    model.visit(&mut Scale(&mut gradients, factor));
    (gradients, norm)
}

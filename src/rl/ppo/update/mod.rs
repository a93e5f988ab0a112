//! The passes over a rollout that step the networks.

#[cfg(any(feature = "flex", feature = "ndarray"))]
mod host;
mod module;
mod report;

use super::objective::{ObjectiveParameters, PolicyForm, SAMPLE_COLUMNS, clipped_objective};
use super::{ClippedAdam, LearnerError, PpoConfig, Rollout, UpdateMetrics, UpdateTimes};
use crate::experiment::Stream;
use crate::rl::policy::{ActorCritic, TsallisPolicyHead};
use burn::Tensor;
use burn::tensor::{Bool, Device};
#[cfg(any(feature = "flex", feature = "ndarray"))]
use host::HostNetworks;
use module::ModuleNetworks;
use rand::seq::SliceRandom;
use report::Report;

/// Returns the mean and the standard deviation for the normalization of advantages.
fn mean_and_std(advantages: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let count = advantages.len() as f64;
    let mean = advantages.clone().sum::<f64>() / count;
    let squares = advantages.map(|a| (a - mean).powi(2)).sum::<f64>();
    // The guard of CleanRL for a minibatch without variance.
    (mean, (squares / count).sqrt() + 1e-8)
}

/// The networks of an update and their optimizer.
trait Networks {
    /// The data of a pass over the rollout.
    type Pass;

    /// Returns the data of a pass over the steps of the rollout in this order.
    fn pass(&self, order: &[usize]) -> Self::Pass;

    /// Steps the optimizer on the minibatch with this index in the pass, which has these steps of the rollout.
    fn step(&mut self, pass: &Self::Pass, index: usize, steps: &[usize], times: &mut UpdateTimes);

    /// Returns the report of all minibatches so far.
    fn report(&mut self) -> Result<&Report, LearnerError>;
}

/// Passes over the rollout in minibatches and steps the optimizer on each.
///
/// On a CPU with parameters of `f32`, the networks are computed [on the host](host), without a graph. Otherwise
/// they are [modules](module) under Burn's autodiff.
#[expect(
    clippy::too_many_arguments,
    reason = "the fields of a learner, borrowed separately"
)]
pub(super) fn update(
    model: ActorCritic,
    optimizer: &mut ClippedAdam,
    rollout: &Rollout,
    order: &mut Stream,
    config: &PpoConfig,
    metrics: &mut UpdateMetrics,
    times: &mut UpdateTimes,
    device: &Device,
) -> Result<ActorCritic, LearnerError> {
    let learning_rate = metrics.learning_rate;
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    if optimizer.is_on_host() {
        let mut networks =
            HostNetworks::new(&model, optimizer, rollout, config, learning_rate, device);
        passes(&mut networks, order, config, metrics, times)?;
        let model = optimizer.set_host(networks.adam, model);
        forget_dropped_parameters(device);
        return Ok(model);
    }
    let mut networks =
        ModuleNetworks::new(model, optimizer, rollout, config, learning_rate, device);
    passes(&mut networks, order, config, metrics, times)?;
    Ok(networks.model)
}

/// Frees what Burn's autodiff keeps of the parameters of earlier updates. It registers each parameter of a module, and
/// forgets the dropped ones only in a backward pass, which the host networks do not need.
#[cfg(any(feature = "flex", feature = "ndarray"))]
fn forget_dropped_parameters(device: &Device) {
    Tensor::<1>::zeros([1], device).require_grad().backward();
}

/// Steps the networks on every minibatch of every pass, and writes the means of the reports into `metrics`.
fn passes<N: Networks>(
    networks: &mut N,
    order: &mut Stream,
    config: &PpoConfig,
    metrics: &mut UpdateMetrics,
    times: &mut UpdateTimes,
) -> Result<(), LearnerError> {
    let mut steps: Vec<usize> = (0..config.batch()).collect();
    let mut reported = 0;
    for epoch in 1..=config.epochs {
        steps.shuffle(order);
        let pass = networks.pass(&steps);
        let minibatches = steps.chunks_exact(config.minibatch());
        for (index, steps) in minibatches.take(config.minibatches).enumerate() {
            networks.step(&pass, index, steps, times);
        }
        metrics.epochs = epoch;
        if let Some(target) = config.target_kl {
            let report = networks.report()?;
            if report.approx_kl(reported) > target {
                break;
            }
            reported = report.steps();
        }
    }
    networks.report()?.write(config, metrics)
}

/// Adds the columns of [`SampleColumn`](super::objective::SampleColumn) and the actions of the steps of a minibatch.
fn extend_samples(samples: &mut Vec<f32>, rollout: &Rollout, steps: &[usize], config: &PpoConfig) {
    let (mean, deviation) = if config.normalize_advantages {
        mean_and_std(steps.iter().map(|&i| rollout.advantages[i]))
    } else {
        (0.0, 1.0)
    };
    let space = &rollout.action_space;
    for &i in steps {
        // In the order of the columns.
        samples.extend([
            rollout.log_probs[i],
            ((rollout.advantages[i] - mean) / deviation) as f32,
            rollout.returns[i] as f32,
            rollout.values[i] as f32,
        ]);
        let actions = &rollout.actions[i * space.dimensions()..][..space.dimensions()];
        samples.extend(space.flat_indices(actions).map(|index| index as f32));
    }
}

/// Returns the number of columns of the samples of a rollout.
fn sample_columns(rollout: &Rollout) -> usize {
    SAMPLE_COLUMNS + rollout.action_space.dimensions()
}

/// Returns the loss of a minibatch with these logits and values, its terms with the columns of [`TermColumn`](super::objective::TermColumn), and
/// the policy in its [`PolicyForm`]. The terms and the policy are constants.
fn loss(
    head: &TsallisPolicyHead,
    (logits, values): (Tensor<2>, Tensor<2>),
    allowed: Option<Tensor<2, Bool>>,
    samples: Tensor<2>,
    config: &PpoConfig,
) -> (Tensor<1>, [Tensor<2>; 2]) {
    let parameters = objective_parameters(config);
    let policy = match parameters.form {
        PolicyForm::Log => head.log_probabilities(logits.clone(), allowed.clone()),
        PolicyForm::Probability => head.probabilities(logits.clone(), allowed.clone()),
    };
    let (mut loss, terms) = clipped_objective(policy.clone(), values, samples, parameters);
    if config.regularizer.is_in_loss() {
        let alpha = config.regularizer_alpha;
        let divergence = head.divergence(logits.clone(), alpha, allowed.clone());
        loss = loss + divergence.mean().mul_scalar(config.beta);
    }
    if config.entropy_coefficient > 0.0 {
        let p = head.probabilities(logits, allowed);
        loss = loss - entropy(p).mean().mul_scalar(config.entropy_coefficient);
    }
    (loss, [terms.inner(), policy.inner()])
}

fn objective_parameters(config: &PpoConfig) -> ObjectiveParameters {
    ObjectiveParameters {
        form: policy_form(config),
        clip: config.clip as f32,
        value_clip: config.value_clip.unwrap_or(f64::INFINITY) as f32,
        value_coefficient: config.value_coefficient as f32,
    }
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

/// Computes the Shannon entropy of each row, in nats: `[batch, logits]` to `[batch, 1]`.
fn entropy(probabilities: Tensor<2>) -> Tensor<2> {
    // At zero the product is zero and its derivative finite.
    let log_p = probabilities.clone().clamp_min(f32::MIN_POSITIVE).log();
    -(probabilities * log_p).sum_dim(1)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::module::PassBatch;
    use super::*;
    use crate::experiment::{Purpose, stream};
    use crate::rl::policy::{Activation, NetworkConfig};
    use crate::rl::ppo::Regularizer;
    use crate::rl::ppo::objective::{SampleColumn, TERM_COLUMNS, TermColumn};
    use crate::rl::ppo::optimizer::tests::{flat_gradient, parameters_of};
    use crate::rl::transfer::mask;
    use burn::module::Module;
    use burn::tensor::{TensorData, Tolerance};

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
        let mut environments = config.make_environments().expect("environments");
        let mut weights = stream(1, Purpose::Weights, 0);
        let model = ActorCritic::new(
            environments.observation_size(),
            environments.spaces().actions.clone(),
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

    fn first_minibatch(rollout: &Rollout, config: &PpoConfig, device: &Device) -> PassBatch {
        let order: Vec<usize> = (0..config.batch()).rev().collect();
        PassBatch::new(rollout, &order, config, &device.clone().inner())
            .minibatch(0, config.minibatch())
    }

    #[test]
    fn the_first_ratios_are_one() {
        let device = Device::flex().autodiff();
        let alphas = [-1.0, 0.3, 0.5, 1.0, 1.5, 2.0].into_iter();
        for (alpha, environment) in
            alphas.flat_map(|alpha| ["cartpole", "identity:4x3x2"].map(|name| (alpha, name)))
        {
            let config = PpoConfig {
                environment: environment.parse().expect("a name of an environment"),
                ..config(alpha)
            };
            let (model, rollout) = rollout(&config, &device);
            let batch = first_minibatch(&rollout, &config, &device);
            let (_, [terms, policy]) = batch.loss(&model, &config);
            let report = Report {
                terms: terms.into_data().iter().collect(),
                policy: policy.into_data().iter().collect(),
                norms: Vec::new(),
            };
            assert_eq!(report.steps(), config.minibatch());
            for terms in report.terms.chunks_exact(TERM_COLUMNS) {
                let ratio = terms[TermColumn::Ratio as usize];
                assert!((ratio - 1.0).abs() < 1e-5, "alpha {alpha}: {ratio}");
            }
            let kl = report.approx_kl(0);
            assert!(kl.abs() <= 1e-10, "alpha {alpha}: {kl}");
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
                let (loss, _) = batch.loss(&model, &config);
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

    /// Returns a mask that allows the actions of the rollout and two thirds of the others.
    fn masked(rollout: Rollout, device: &Device) -> Rollout {
        let space = &rollout.action_space;
        let mut flags = Vec::new();
        for (i, taken) in rollout.actions.chunks_exact(space.dimensions()).enumerate() {
            let taken: Vec<_> = space.flat_indices(taken).collect();
            let actions = 0..space.logits();
            flags.extend(actions.map(|action| taken.contains(&action) || (i + action) % 3 > 0));
        }
        space.forbid_padding(&mut flags);
        let flags = mask(flags, space.logits(), &device.clone().inner());
        Rollout {
            allowed: Some(flags),
            ..rollout
        }
    }

    fn networks(hidden: &[usize], activation: Activation, shared: bool) -> NetworkConfig {
        NetworkConfig {
            hidden: hidden.to_vec(),
            activation,
            shared,
            ..NetworkConfig::default()
        }
    }

    /// The difference of no entry exceeds a millionth of the largest one. The policy differs from that of the
    /// rollout.
    #[test]
    fn the_host_computes_the_gradient_of_the_modules() {
        let device = Device::flex().autodiff();
        let architectures = [
            networks(&[64, 64], Activation::Tanh, false),
            networks(&[8, 5], Activation::Relu, true),
            networks(&[], Activation::Tanh, false),
        ];
        for alpha in [0.5, 0.7, 1.0, 1.5] {
            for (i, regularizer) in [Regularizer::Reward, Regularizer::Loss, Regularizer::Both]
                .into_iter()
                .enumerate()
            {
                for (j, network) in architectures.iter().enumerate() {
                    let environment = [
                        "cartpole",
                        "identity:3x2",
                        "identity:7",
                        "identity:3",
                        "identity:2x2x2",
                        "identity:4x3x2",
                        "identity:5x2",
                        "cartpole",
                        "identity:3x3",
                    ][3 * i + j];
                    let config = PpoConfig {
                        environment: environment.parse().expect("a name of an environment"),
                        regularizer,
                        regularizer_alpha: if j == 1 { 0.9 } else { alpha },
                        beta: 0.5,
                        entropy_coefficient: 0.3 * j as f64,
                        value_clip: (i < 2).then_some(0.05),
                        normalize_advantages: i > 0,
                        network: network.clone(),
                        ..config(alpha)
                    };
                    let (model, rollout) = rollout(&config, &device);
                    let model = crate::rl::ppo::optimizer::tests::moved(model, 0.05);
                    let rollout = if j == 0 {
                        rollout
                    } else {
                        masked(rollout, &device)
                    };
                    let optimizer = ClippedAdam::new(&model, &config);
                    let mut host =
                        HostNetworks::new(&model, &optimizer, &rollout, &config, 0.1, &device);
                    let order: Vec<usize> = (0..config.batch()).rev().collect();
                    let steps = &order[..config.minibatch()];
                    host.differentiate(steps, &mut UpdateTimes::default());

                    let batch = first_minibatch(&rollout, &config, &device);
                    let (loss, [terms, policy]) = batch.loss(&model, &config);
                    let gradient = flat_gradient(&model, loss.backward());
                    let largest = gradient.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
                    assert_eq!(gradient.len(), host.gradient.len());
                    for (ours, theirs) in host.gradient.iter().zip(gradient) {
                        assert!(
                            (ours - theirs).abs() <= 1e-6 * largest,
                            "{config:?}: {ours} {theirs} of {largest}"
                        );
                    }
                    let report = host.report().expect("on the host");
                    for (ours, theirs) in [(&report.terms, terms), (&report.policy, policy)] {
                        let theirs = theirs.into_data();
                        let ours = TensorData::new(ours.clone(), theirs.shape().clone());
                        ours.assert_approx_eq(&theirs, Tolerance::<f32>::rel_abs(1e-5, 1e-5));
                    }
                }
            }
        }
    }

    /// Both continue from the same steps of the modules.
    #[test]
    fn the_host_learns_as_the_modules() {
        let device = Device::flex().autodiff();
        let config = PpoConfig {
            epochs: 3,
            ..config(0.5)
        };
        let (model, rollout) = rollout(&config, &device);
        let run = |model: ActorCritic, optimizer: &mut ClippedAdam, seed: u64, on_host: bool| {
            let (mut order, mut metrics) = (
                stream(seed, Purpose::Minibatches, 0),
                UpdateMetrics::default(),
            );
            let mut times = UpdateTimes::default();
            let (learning_rate, order, metrics) = (1e-3, &mut order, &mut metrics);
            let model = if on_host {
                let mut host =
                    HostNetworks::new(&model, optimizer, &rollout, &config, learning_rate, &device);
                passes(&mut host, order, &config, metrics, &mut times).expect("finite");
                let adam = host.adam;
                optimizer.set_host(adam, model)
            } else {
                let mut modules = ModuleNetworks::new(
                    model,
                    optimizer,
                    &rollout,
                    &config,
                    learning_rate,
                    &device,
                );
                passes(&mut modules, order, &config, metrics, &mut times).expect("finite");
                modules.model
            };
            (model, metrics.clone())
        };
        let mut optimizer = ClippedAdam::new(&model, &config);
        let (model, _) = run(model, &mut optimizer, 1, false);
        let mut other = optimizer.clone();
        let (modules, wanted) = run(model.clone(), &mut optimizer, 2, false);
        let (host, metrics) = run(model, &mut other, 2, true);
        assert_eq!((optimizer.steps(), other.steps()), (12, 12));
        for (ours, theirs) in parameters_of(&host).iter().zip(parameters_of(&modules)) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
        assert!((metrics.grad_norm - wanted.grad_norm).abs() < 1e-5 * wanted.grad_norm);
        assert!((metrics.policy_loss - wanted.policy_loss).abs() < 1e-5);
        assert!((metrics.value_loss - wanted.value_loss).abs() < 1e-5 * wanted.value_loss);
    }

    #[test]
    fn advantages_of_a_minibatch_have_mean_zero_and_variance_one() {
        let device = Device::flex().autodiff();
        let config = config(0.5);
        let (_, rollout) = rollout(&config, &device);
        let samples = first_minibatch(&rollout, &config, &device).samples;
        let column = SampleColumn::Advantage as usize;
        let advantages = samples.slice([0..config.minibatch(), column..column + 1]);
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

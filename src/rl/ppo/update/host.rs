//! The networks on the host, for devices whose memory is the host's: slices in buffers that all minibatches share, and
//! no graph. A loss with terms beside the clipped objective has a graph, which begins at the logits and the values.

use super::{
    ClippedAdam, LearnerError, Networks, PpoConfig, Report, Rollout, UpdateTimes, extend_samples,
    loss, objective_parameters, sample_columns,
};
use crate::math::Output;
use crate::op::cpu::UniformRows;
use crate::rl::policy::{ActorCritic, FlatActorCritic, Outputs, TsallisPolicyHead, forbid};
use crate::rl::ppo::adam::HostAdam;
use crate::rl::ppo::objective::{PolicyForm, objective};
use crate::rl::transfer::{mask, matrix};
use burn::tensor::{Device, Gradients, Tensor};
use std::time::Instant;

/// The networks, their optimizer and the rollout on the host.
pub(super) struct HostNetworks<'a> {
    networks: FlatActorCritic,
    pub adam: HostAdam,
    /// The gradient of the parameters.
    pub gradient: Vec<f32>,
    /// The columns of [`SampleColumn`](crate::rl::ppo::objective::SampleColumn) and the actions of a minibatch.
    samples: Vec<f32>,
    head: &'a TsallisPolicyHead,
    rollout: &'a Rollout,
    observations: Vec<f32>,
    allowed: Option<Vec<bool>>,
    config: &'a PpoConfig,
    learning_rate: f64,
    device: &'a Device,
    report: Report,
}

impl<'a> HostNetworks<'a> {
    pub fn new(
        model: &'a ActorCritic,
        optimizer: &ClippedAdam,
        rollout: &'a Rollout,
        config: &'a PpoConfig,
        learning_rate: f64,
        device: &'a Device,
    ) -> Self {
        let adam = optimizer.to_host(config);
        let allowed = rollout.allowed.as_ref();
        Self {
            networks: model.flat(config.minibatch()),
            gradient: vec![0.0; adam.parameters.len()],
            samples: Vec::with_capacity(config.minibatch() * sample_columns(rollout)),
            adam,
            head: model.policy(),
            rollout,
            observations: rollout.observations.to_data().iter().collect(),
            allowed: allowed.map(|allowed| allowed.to_data().iter().collect()),
            config,
            learning_rate,
            device,
            report: Report::default(),
        }
    }

    /// Computes the gradient of the loss of a minibatch, and reports its terms and its policy.
    pub fn differentiate(&mut self, steps: &[usize], times: &mut UpdateTimes) {
        let started = Instant::now();
        let observations = self.networks.observations();
        let columns = observations.len() / steps.len();
        let rows = select(&self.observations, columns, steps);
        for (to, from) in observations.chunks_exact_mut(columns).zip(rows) {
            to.copy_from_slice(from);
        }
        self.samples.clear();
        extend_samples(&mut self.samples, self.rollout, steps, self.config);
        let outputs = self.networks.forward(&self.adam.parameters);
        let columns = outputs.logits.len() / steps.len();
        let allowed = self.allowed.as_ref().map(|allowed| {
            let rows = select(allowed, columns, steps);
            rows.flatten().copied().collect()
        });
        let loss = Loss {
            head: self.head,
            samples: &self.samples,
            allowed,
            config: self.config,
            report: &mut self.report,
        };
        let config = self.config;
        if config.regularizer.is_in_loss() || config.entropy_coefficient > 0.0 {
            loss.differentiate_graph(outputs, self.device);
        } else {
            loss.differentiate(outputs, times);
        }
        let forward = Instant::now();
        self.networks
            .backward(&self.adam.parameters, &mut self.gradient);
        times.forward += forward - started;
        times.backward += forward.elapsed();
    }
}

impl Networks for HostNetworks<'_> {
    type Pass = ();

    fn pass(&self, _: &[usize]) {}

    fn step(&mut self, (): &(), _: usize, steps: &[usize], times: &mut UpdateTimes) {
        self.differentiate(steps, times);
        let started = Instant::now();
        let norm = self.adam.step(self.learning_rate, &self.gradient);
        self.report.norms.push(norm);
        times.optimizer += started.elapsed();
    }

    fn report(&mut self) -> Result<&Report, LearnerError> {
        Ok(&self.report)
    }
}

/// The loss of a minibatch as a function of the outputs of the networks.
struct Loss<'a> {
    head: &'a TsallisPolicyHead,
    samples: &'a [f32],
    allowed: Option<Vec<bool>>,
    config: &'a PpoConfig,
    report: &'a mut Report,
}

impl Loss<'_> {
    /// Computes the gradients of the clipped objective.
    fn differentiate(self, outputs: Outputs<'_>, times: &mut UpdateTimes) {
        let logits = outputs.logits;
        // The gradient of a masked entry is zero.
        forbid(logits, self.allowed.as_deref());
        let parameters = objective_parameters(self.config);
        let output = match parameters.form {
            PolicyForm::Log => Output::LogProbabilities,
            PolicyForm::Probability => Output::Probabilities,
        };
        let columns = self.head.action_space().largest();
        let rows = UniformRows::new(logits, columns, self.head.row_parameters(output));
        let started = Instant::now();
        let (policy, states) = rows.forward();
        times.operator += started.elapsed();
        let objective = objective(&policy, outputs.values, self.samples, parameters);
        let started = Instant::now();
        let logits_gradient = rows.backward(&states, &objective.policy_grad);
        times.operator += started.elapsed();
        outputs.logits_gradient.copy_from_slice(&logits_gradient);
        outputs
            .values_gradient
            .copy_from_slice(&objective.value_grad);
        self.report.terms.extend(objective.terms);
        self.report.policy.extend(policy);
    }

    /// Computes the gradients of any loss by Burn's autodiff.
    fn differentiate_graph(self, outputs: Outputs<'_>, device: &Device) {
        let inner = device.clone().inner();
        let states = outputs.values.len();
        let columns = outputs.logits.len() / states;
        let logits = matrix(outputs.logits.to_vec(), columns, device).require_grad();
        let values = matrix(outputs.values.to_vec(), 1, device).require_grad();
        let (loss, [terms, policy]) = loss(
            self.head,
            (logits.clone(), values.clone()),
            self.allowed.map(|allowed| mask(allowed, columns, &inner)),
            matrix(self.samples.to_vec(), self.samples.len() / states, &inner),
            self.config,
        );
        let mut gradients = loss.backward();
        write_gradient(&logits, &mut gradients, outputs.logits_gradient);
        write_gradient(&values, &mut gradients, outputs.values_gradient);
        self.report.terms.extend(terms.into_data().iter::<f32>());
        self.report.policy.extend(policy.into_data().iter::<f32>());
    }
}

/// Returns rows of a matrix.
fn select<'a, T>(
    matrix: &'a [T],
    columns: usize,
    rows: &'a [usize],
) -> impl Iterator<Item = &'a [T]> {
    rows.iter()
        .map(move |row| &matrix[row * columns..][..columns])
}

/// Copies the gradient of a leaf.
fn write_gradient(leaf: &Tensor<2>, gradients: &mut Gradients, to: &mut [f32]) {
    let gradient = leaf.grad_remove(gradients);
    let data = gradient
        .expect("the loss depends on every leaf")
        .into_data();
    to.copy_from_slice(data.as_slice().expect("the gradient is f32"));
}

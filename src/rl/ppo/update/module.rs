//! The networks as Burn modules under its autodiff, on any device.

use super::{
    ClippedAdam, LearnerError, Networks, PpoConfig, Report, Rollout, UpdateTimes, extend_samples,
    loss, sample_columns,
};
use crate::rl::policy::{ActorCritic, select_mask};
use crate::rl::transfer::{indices, matrix, read};
use burn::Tensor;
use burn::tensor::{Bool, Device};
use std::time::Instant;

/// The steps of a pass over the rollout in the order of its minibatches, as tensors of `[batch, _]`.
pub(super) struct PassBatch {
    pub observations: Tensor<2>,
    pub allowed: Option<Tensor<2, Bool>>,
    /// The columns of [`SampleColumn`](crate::rl::ppo::objective::SampleColumn) and the actions.
    pub samples: Tensor<2>,
}

impl PassBatch {
    pub fn new(rollout: &Rollout, order: &[usize], config: &PpoConfig, device: &Device) -> Self {
        let columns = sample_columns(rollout);
        let mut samples = Vec::with_capacity(order.len() * columns);
        for steps in order.chunks_exact(config.minibatch()) {
            extend_samples(&mut samples, rollout, steps, config);
        }
        let rows = indices(order.iter().copied(), device);
        Self {
            allowed: rollout
                .allowed
                .clone()
                .map(|allowed| select_mask(allowed, 0, rows.clone())),
            observations: rollout.observations.clone().select(0, rows),
            samples: matrix(samples, columns, device),
        }
    }

    pub fn minibatch(&self, index: usize, size: usize) -> Self {
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

    /// Returns the [loss] of the batch, its terms and the policy.
    pub fn loss(self, model: &ActorCritic, config: &PpoConfig) -> (Tensor<1>, [Tensor<2>; 2]) {
        let outputs = model.forward(self.observations);
        loss(model.policy(), outputs, self.allowed, self.samples, config)
    }
}

/// Modules and their optimizer.
pub(super) struct ModuleNetworks<'a> {
    pub model: ActorCritic,
    optimizer: &'a mut ClippedAdam,
    rollout: &'a Rollout,
    config: &'a PpoConfig,
    learning_rate: f64,
    device: Device,
    /// The terms, the policies and the norms of the minibatches that are not in the report yet.
    reported: [Vec<Tensor<2>>; 3],
    report: Report,
}

impl<'a> ModuleNetworks<'a> {
    pub fn new(
        model: ActorCritic,
        optimizer: &'a mut ClippedAdam,
        rollout: &'a Rollout,
        config: &'a PpoConfig,
        learning_rate: f64,
        device: &Device,
    ) -> Self {
        Self {
            model,
            optimizer,
            rollout,
            config,
            learning_rate,
            device: device.clone().inner(),
            reported: Default::default(),
            report: Report::default(),
        }
    }
}

impl Networks for ModuleNetworks<'_> {
    type Pass = PassBatch;

    fn pass(&self, order: &[usize]) -> PassBatch {
        PassBatch::new(self.rollout, order, self.config, &self.device)
    }

    fn step(&mut self, pass: &PassBatch, index: usize, _: &[usize], times: &mut UpdateTimes) {
        let started = Instant::now();
        let minibatch = pass.minibatch(index, self.config.minibatch());
        let (loss, [terms, policy]) = minibatch.loss(&self.model, self.config);
        let forward = Instant::now();
        let gradients = loss.backward();
        let backward = Instant::now();
        let model = self.model.clone();
        let (model, norm) = self.optimizer.step(self.learning_rate, model, gradients);
        self.model = model;
        let reported = [terms, policy, norm.unsqueeze_dim(1)];
        for (all, reported) in self.reported.iter_mut().zip(reported) {
            all.push(reported);
        }
        times.forward += forward - started;
        times.backward += backward - forward;
        times.optimizer += backward.elapsed();
    }

    fn report(&mut self) -> Result<&Report, LearnerError> {
        let reported = std::mem::take(&mut self.reported);
        if !reported[0].is_empty() {
            let [terms, policy, norms] = read(reported.map(|all| Tensor::cat(all, 0)))?;
            self.report.terms.extend(terms);
            self.report.policy.extend(policy);
            self.report.norms.extend(norms);
        }
        Ok(&self.report)
    }
}

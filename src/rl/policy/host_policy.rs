use super::exponential_noise::draws;
use super::{ActorCritic, FlatActorCritic};
use crate::experiment::Stream;
use crate::math::Output;
use crate::op::RowParameters;
use crate::op::cpu::UniformRows;

/// A policy that draws actions on the host.
pub(in crate::rl) struct HostPolicy {
    networks: FlatActorCritic,
    parameters: Vec<f32>,
    rows: RowParameters,
    /// The number of actions in a row.
    columns: usize,
}

impl HostPolicy {
    /// Creates the policy of networks with these parameters, in the order of Burn's visitors, for `states` states
    /// at once.
    pub fn new(model: &ActorCritic, parameters: Vec<f32>, states: usize) -> Self {
        Self {
            networks: model.flat(states),
            parameters,
            columns: model.policy().action_space().largest(),
            rows: model.policy().row_parameters(Output::Probabilities),
        }
    }

    /// Returns the logits of the states, and an action for each dimension of each state, drawn like
    /// [`TsallisPolicyHead::sample`](super::TsallisPolicyHead::sample) with noise from the stream of the state. An
    /// action is `None` if its probabilities are not finite.
    pub fn draw(
        &mut self,
        observations: &[f32],
        allowed: Option<&[bool]>,
        streams: &mut [Stream],
    ) -> (Vec<f32>, Vec<Option<usize>>) {
        self.networks.observations().copy_from_slice(observations);
        let masked = self.networks.logits(&self.parameters);
        let logits = masked.to_vec();
        forbid(masked, allowed);
        let columns = self.columns;
        let dimensions = logits.len() / columns / streams.len();
        let (probabilities, _) = UniformRows::new(masked, columns, self.rows).forward();
        let rows = probabilities.chunks_exact(columns).enumerate();
        let drawn = rows.map(|(row, probabilities)| {
            let mut best = (0.0, None);
            let noise = draws(&mut streams[row / dimensions], columns);
            for (action, (p, noise)) in probabilities.iter().zip(noise).enumerate() {
                if p / noise > best.0 {
                    best = (p / noise, Some(action));
                }
            }
            best.1
        });
        (logits, drawn.collect())
    }
}

/// Masks the logits of the actions that are not allowed.
pub(in crate::rl) fn forbid(logits: &mut [f32], allowed: Option<&[bool]>) {
    for (logit, allowed) in logits.iter_mut().zip(allowed.into_iter().flatten()) {
        if !allowed {
            *logit = f32::NEG_INFINITY;
        }
    }
}

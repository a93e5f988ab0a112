use super::one_hot::one_hot;
use super::{
    ActionSpace, EnvironmentBatch, EnvironmentError, Identity, RestoreError, Transition,
    VectorStep, state,
};
use crate::experiment::{Purpose, Stream, stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A batch of [`Identity`] environments with several dimensions of actions. The reward is the share of the dimensions
/// whose action has the index of their state.
///
/// * Observation: the state of each dimension, one-hot.
/// * States: drawn uniformly at every step, independent of the actions.
/// * Truncated after [`Identity::MAX_STEPS`] steps; never terminated.
///
/// ```
/// use burn_tsallis::rl::env::{EnvironmentBatch, FactoredIdentity};
///
/// // Sixteen environments, each with a dimension of four actions and one of three.
/// let identity = FactoredIdentity::new(16, &[4, 3]);
/// assert_eq!((identity.observation_size(), identity.action_space().logits()), (7, 8));
/// ```
#[derive(Clone, Debug)]
pub struct FactoredIdentity {
    sizes: Vec<usize>,
    environments: Vec<State>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    wanted: Vec<usize>,
    steps: usize,
    states: Stream,
}

impl State {
    fn new(sizes: &[usize], seed: u64, index: u32) -> Self {
        let mut state = Self {
            wanted: Vec::with_capacity(sizes.len()),
            steps: 0,
            states: stream(seed, Purpose::Dynamics, index),
        };
        state.draw(sizes);
        state
    }

    fn observe(&self, sizes: &[usize], observation: &mut [f32]) {
        let mut rest = observation;
        for (&wanted, &size) in self.wanted.iter().zip(sizes) {
            let (dimension, after) = rest.split_at_mut(size);
            one_hot(Some(wanted), dimension);
            rest = after;
        }
    }

    fn draw(&mut self, sizes: &[usize]) {
        let states = &mut self.states;
        self.wanted.clear();
        self.wanted
            .extend(sizes.iter().map(|&size| states.random_range(0..size)));
    }
}

impl FactoredIdentity {
    /// Creates `count` environments whose dimensions have these numbers of actions. They draw their states from
    /// [`Purpose::Dynamics`].
    ///
    /// # Panics
    ///
    /// If there is no dimension, or if a dimension has no action.
    pub fn new(count: usize, sizes: &[usize]) -> Self {
        assert!(
            !sizes.is_empty() && !sizes.contains(&0),
            "a factored identity needs at least one dimension, and one action in each: {sizes:?}"
        );
        let state = |i| State::new(sizes, 0, i);
        Self {
            sizes: sizes.to_vec(),
            environments: (0..count as u32).map(state).collect(),
        }
    }
}

impl EnvironmentBatch for FactoredIdentity {
    fn len(&self) -> usize {
        self.environments.len()
    }

    fn observation_size(&self) -> usize {
        self.sizes.iter().sum()
    }

    fn action_space(&self) -> ActionSpace {
        self.sizes.clone().into()
    }

    fn seed(&mut self, seed: u64, first_index: u32) -> Result<(), EnvironmentError> {
        for (index, environment) in (first_index..).zip(&mut self.environments) {
            *environment = State::new(&self.sizes, seed, index);
        }
        Ok(())
    }

    fn observe(&self, observations: &mut [f32]) -> Result<(), EnvironmentError> {
        let rows = observations.chunks_exact_mut(self.observation_size());
        for (environment, row) in self.environments.iter().zip(rows) {
            environment.observe(&self.sizes, row);
        }
        Ok(())
    }

    fn step(&mut self, actions: &[usize], step: &mut VectorStep) -> Result<(), EnvironmentError> {
        let dimensions = self.sizes.len();
        let rows = actions.chunks_exact(dimensions);
        for (environment, actions) in self.environments.iter_mut().zip(rows) {
            let wanted = environment.wanted.iter().zip(actions);
            let right = wanted.filter(|(wanted, action)| wanted == action).count();
            environment.draw(&self.sizes);
            environment.steps += 1;
            let transition = Transition {
                truncated: environment.steps >= Identity::MAX_STEPS,
                ..Transition::ongoing(right as f64 / dimensions as f64)
            };
            let size = self.sizes.iter().sum();
            if let Some(observation) = step.push_with_room(transition, size) {
                environment.observe(&self.sizes, observation);
                environment.steps = 0;
                environment.draw(&self.sizes);
            }
        }
        Ok(())
    }

    fn save(&self) -> Option<Value> {
        state::save(&self.environments)
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        const NAME: &str = "the factored identity";
        let saved: Vec<State> = state::restore(NAME, saved)?;
        state::check_count(&saved, self.environments.len())?;
        for environment in &saved {
            if environment.wanted.len() != self.sizes.len() {
                let reason = format!("it has {} dimensions", environment.wanted.len());
                return Err(state::malformed(NAME, reason));
            }
            for (&wanted, &size) in environment.wanted.iter().zip(&self.sizes) {
                state::check_index(NAME, "state", wanted, size)?;
            }
            state::check_index(NAME, "steps", environment.steps, Identity::MAX_STEPS)?;
        }
        self.environments = saved;
        Ok(())
    }
}

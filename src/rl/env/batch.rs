use super::{ActionSpace, DiscreteEnvironment, EnvironmentError, RestoreError, VectorStep, state};
use serde_json::Value;
use std::collections::BTreeMap;

/// Environments that are stepped together, such as those of another process, which one exchange steps.
/// [`VectorEnvironment`](super::VectorEnvironment) checks every value of a batch.
///
/// A batch is always within episodes. A step in which an episode ends also begins the next episode of that
/// environment (`AutoresetMode.SAME_STEP` in Gymnasium's terms).
///
/// The wrappers of single environments do not apply to a batch. [`RecordedBatch`](super::RecordedBatch) records its
/// episodes and adds noise to its rewards. A batch with a time limit truncates its episodes itself.
pub trait EnvironmentBatch: Send {
    /// Returns the number of environments, which is at least one.
    fn len(&self) -> usize;

    /// Returns whether there is no environment.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of components of an observation, which is at least one.
    fn observation_size(&self) -> usize;

    /// Returns the actions of each environment.
    fn action_space(&self) -> ActionSpace;

    /// Recreates every random stream of the environment `i` from `seed` and the index `first_index + i`, and begins an
    /// episode in each environment.
    ///
    /// # Errors
    ///
    /// If the environments fail.
    fn seed(&mut self, seed: u64, first_index: u32) -> Result<(), EnvironmentError>;

    /// Overwrites `observations` with the observations of all environments, `[len, observation_size]`.
    ///
    /// # Errors
    ///
    /// If the environments fail.
    fn observe(&self, observations: &mut [f32]) -> Result<(), EnvironmentError>;

    /// Returns whether [`action_masks`](Self::action_masks) may forbid an action. The value never changes.
    fn has_action_mask(&self) -> bool {
        false
    }

    /// Writes which actions are allowed, `[len, dimensions, K]` ([`ActionSpace`]). The padding of a ragged space can be
    /// any value. At least one action of each dimension must be allowed.
    ///
    /// # Errors
    ///
    /// If the environments fail.
    fn action_masks(&self, allowed: &mut [bool]) -> Result<(), EnvironmentError> {
        allowed.fill(true);
        Ok(())
    }

    /// Takes an action in each environment, `[len, dimensions]`, and adds the result of each environment to `step`,
    /// which is empty ([`VectorStep::push`]).
    ///
    /// # Errors
    ///
    /// If the environments fail. They cannot be stepped further after an error.
    fn step(&mut self, actions: &[usize], step: &mut VectorStep) -> Result<(), EnvironmentError>;

    /// Returns the mean return over 100 episodes at which the environments count as solved, or `None` if there is no such
    /// convention.
    fn solved_return(&self) -> Option<f64> {
        None
    }

    /// Returns the versions of the programs that the environments need, by name. Other versions may behave differently.
    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Returns everything that changes, including the random streams, or `None` if the environments cannot be saved.
    fn save(&self) -> Option<Value> {
        None
    }

    /// Restores the states that [`save`](Self::save) returned.
    ///
    /// # Errors
    ///
    /// If `saved` is not a state of these environments.
    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let _ = saved;
        Err(RestoreError::Unsupported)
    }
}

impl<B: EnvironmentBatch + ?Sized> EnvironmentBatch for Box<B> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn observation_size(&self) -> usize {
        (**self).observation_size()
    }

    fn action_space(&self) -> ActionSpace {
        (**self).action_space()
    }

    fn seed(&mut self, seed: u64, first_index: u32) -> Result<(), EnvironmentError> {
        (**self).seed(seed, first_index)
    }

    fn observe(&self, observations: &mut [f32]) -> Result<(), EnvironmentError> {
        (**self).observe(observations)
    }

    fn has_action_mask(&self) -> bool {
        (**self).has_action_mask()
    }

    fn action_masks(&self, allowed: &mut [bool]) -> Result<(), EnvironmentError> {
        (**self).action_masks(allowed)
    }

    fn step(&mut self, actions: &[usize], step: &mut VectorStep) -> Result<(), EnvironmentError> {
        (**self).step(actions, step)
    }

    fn versions(&self) -> BTreeMap<String, String> {
        (**self).versions()
    }

    fn solved_return(&self) -> Option<f64> {
        (**self).solved_return()
    }

    fn save(&self) -> Option<Value> {
        (**self).save()
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        (**self).restore(saved)
    }
}

/// Single environments, stepped one after another.
pub(super) struct SingleEnvironments(Vec<Box<dyn DiscreteEnvironment>>);

impl SingleEnvironments {
    /// Groups environments, which must have the same sizes.
    pub fn new(environments: Vec<Box<dyn DiscreteEnvironment>>) -> Result<Self, EnvironmentError> {
        let sizes = |e: &dyn DiscreteEnvironment| (e.observation_size(), e.actions());
        let first = environments
            .first()
            .map(|e| sizes(e))
            .ok_or(EnvironmentError::NoEnvironment)?;
        for (index, environment) in environments.iter().enumerate() {
            let (observation_size, actions) = sizes(environment);
            if observation_size == 0 || actions == 0 {
                return Err(EnvironmentError::Empty {
                    index,
                    observation_size,
                    actions,
                });
            }
            if (observation_size, actions) != first {
                return Err(EnvironmentError::SizesDiffer {
                    index,
                    observation_size,
                    actions,
                    first,
                });
            }
        }
        Ok(Self(environments))
    }
}

fn observe(
    environment: &dyn DiscreteEnvironment,
    index: usize,
    observation: &mut [f32],
) -> Result<(), EnvironmentError> {
    environment
        .observe(observation)
        .map_err(|sizes| EnvironmentError::ObservationSize { index, sizes })
}

impl EnvironmentBatch for SingleEnvironments {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn observation_size(&self) -> usize {
        self.0[0].observation_size()
    }

    fn action_space(&self) -> ActionSpace {
        self.0[0].actions().into()
    }

    fn seed(&mut self, seed: u64, first_index: u32) -> Result<(), EnvironmentError> {
        for (index, environment) in (first_index..).zip(&mut self.0) {
            environment.seed(seed, index);
        }
        Ok(())
    }

    fn observe(&self, observations: &mut [f32]) -> Result<(), EnvironmentError> {
        let rows = observations.chunks_exact_mut(self.observation_size());
        for (index, (environment, row)) in self.0.iter().zip(rows).enumerate() {
            observe(environment, index, row)?;
        }
        Ok(())
    }

    fn has_action_mask(&self) -> bool {
        self.0.iter().any(DiscreteEnvironment::has_action_mask)
    }

    fn action_masks(&self, allowed: &mut [bool]) -> Result<(), EnvironmentError> {
        let rows = allowed.chunks_exact_mut(self.0[0].actions());
        for (environment, row) in self.0.iter().zip(rows) {
            environment.action_mask(row);
        }
        Ok(())
    }

    fn step(&mut self, actions: &[usize], step: &mut VectorStep) -> Result<(), EnvironmentError> {
        let size = self.observation_size();
        for (index, (environment, &action)) in self.0.iter_mut().zip(actions).enumerate() {
            let transition = environment.step(action);
            if let Some(observation) = step.push_with_room(transition, size) {
                observe(environment, index, observation)?;
                environment.reset();
            }
        }
        Ok(())
    }

    fn save(&self) -> Option<Value> {
        let states: Option<Vec<_>> = self.0.iter().map(DiscreteEnvironment::save).collect();
        states.map(Value::Array)
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let states: Vec<Value> = state::restore("the environments", saved)?;
        state::check_count(&states, self.len())?;
        for (environment, state) in self.0.iter_mut().zip(&states) {
            environment.restore(state)?;
        }
        Ok(())
    }
}

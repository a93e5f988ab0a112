use super::{DiscreteEnvironment, EnvironmentError, RestoreError, Transition};
use serde_json::Value;

/// Environments of one kind that are stepped together. If an episode ends, the next one begins in the same
/// step, and [`VectorStep`] keeps the last observation of the ended episode (`AutoresetMode.SAME_STEP` in
/// Gymnasium's terms).
///
/// All values from the environments are checked. A reward or an observation that is not finite, an
/// observation of the wrong size, or a mask that allows no action is an [`EnvironmentError`] that names the
/// environment.
pub struct VectorEnvironment {
    environments: Vec<Box<dyn DiscreteEnvironment>>,
    observation_size: usize,
    actions: usize,
    has_action_mask: bool,
}

/// The result of a step of all environments. Passing it to [`VectorEnvironment::step`] again overwrites it
/// without allocating.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorStep {
    /// One transition for each environment.
    pub transitions: Vec<Transition>,
    ended: Vec<usize>,
    final_observations: Vec<f32>,
}

impl VectorStep {
    /// Returns the indices of the environments whose episode ended, in ascending order.
    pub fn ended(&self) -> &[usize] {
        &self.ended
    }

    /// Returns the index and the last observation of the episode, for each environment whose episode ended.
    pub fn final_observations(&self) -> impl ExactSizeIterator<Item = (usize, &[f32])> {
        let size = self
            .final_observations
            .len()
            .checked_div(self.ended.len())
            .unwrap_or(1);
        self.ended
            .iter()
            .copied()
            .zip(self.final_observations.chunks_exact(size))
    }

    fn clear(&mut self) {
        self.transitions.clear();
        self.ended.clear();
        self.final_observations.clear();
    }
}

impl VectorEnvironment {
    /// Groups environments that are each at the beginning of an episode.
    ///
    /// # Errors
    ///
    /// If `environments` is empty, if an environment has no observation component or no action, or if the
    /// sizes differ.
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
        Ok(Self {
            has_action_mask: environments
                .iter()
                .any(DiscreteEnvironment::has_action_mask),
            environments,
            observation_size: first.0,
            actions: first.1,
        })
    }

    /// Creates `count` environments with `make`, and seeds each with `seed` and its index.
    ///
    /// # Errors
    ///
    /// If `count` is zero, if an environment has no observation component or no action, or if the sizes
    /// differ.
    pub fn seeded<E: DiscreteEnvironment + 'static>(
        count: usize,
        seed: u64,
        mut make: impl FnMut() -> E,
    ) -> Result<Self, EnvironmentError> {
        let boxed = |_| Box::new(make()) as Box<dyn DiscreteEnvironment>;
        let mut environments = Self::new((0..count).map(boxed).collect())?;
        environments.seed(seed);
        Ok(environments)
    }

    /// Returns the number of environments.
    pub fn len(&self) -> usize {
        self.environments.len()
    }

    /// Returns whether there is no environment. This is never the case, because [`new`](Self::new) requires
    /// one.
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty()
    }

    /// Returns the number of components of an observation.
    pub fn observation_size(&self) -> usize {
        self.observation_size
    }

    /// Returns the number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Seeds each environment with `seed` and its index, and begins an episode in each.
    pub fn seed(&mut self, seed: u64) {
        for (index, environment) in (0_u32..).zip(&mut self.environments) {
            environment.seed(seed, index);
        }
    }

    /// Writes the observations of all environments into `observations`, one after another.
    ///
    /// # Errors
    ///
    /// If an observation has the wrong size or a component that is not finite.
    ///
    /// # Panics
    ///
    /// If `observations` does not hold [`len`](Self::len) times
    /// [`observation_size`](Self::observation_size) numbers.
    pub fn observe_into(&self, observations: &mut [f32]) -> Result<(), EnvironmentError> {
        assert_eq!(
            observations.len(),
            self.len() * self.observation_size,
            "`observations` must have room for one observation of each environment"
        );
        let rows = observations.chunks_exact_mut(self.observation_size);
        for (index, (environment, row)) in self.environments.iter().zip(rows).enumerate() {
            observe_checked(environment, index, row)?;
        }
        Ok(())
    }

    /// Returns whether [`action_masks_into`](Self::action_masks_into) may forbid an action.
    pub fn has_action_mask(&self) -> bool {
        self.has_action_mask
    }

    /// Writes which actions each environment allows into `allowed`, one environment after another.
    ///
    /// # Errors
    ///
    /// If an environment allows no action.
    ///
    /// # Panics
    ///
    /// If `allowed` does not hold [`len`](Self::len) times [`actions`](Self::actions) entries.
    pub fn action_masks_into(&self, allowed: &mut [bool]) -> Result<(), EnvironmentError> {
        assert_eq!(
            allowed.len(),
            self.len() * self.actions,
            "`allowed` must have room for one mask of each environment"
        );
        let rows = allowed.chunks_exact_mut(self.actions);
        for (index, (environment, row)) in self.environments.iter().zip(rows).enumerate() {
            environment.action_mask(row);
            if !row.contains(&true) {
                return Err(EnvironmentError::NoAction { index });
            }
        }
        Ok(())
    }

    /// Takes one action in each environment and writes the result into `step`.
    ///
    /// # Errors
    ///
    /// If a reward is not finite, or if the last observation of an episode is not finite or has the wrong
    /// size. The environments cannot be stepped further after an error, because only some of them have been
    /// stepped.
    ///
    /// # Panics
    ///
    /// If `actions` does not have one action for each environment, or if an environment does not have its
    /// action.
    pub fn step(
        &mut self,
        actions: &[usize],
        step: &mut VectorStep,
    ) -> Result<(), EnvironmentError> {
        assert_eq!(
            actions.len(),
            self.len(),
            "`actions` must have one action for each environment"
        );
        step.clear();
        for (index, (environment, &action)) in self.environments.iter_mut().zip(actions).enumerate()
        {
            let transition = environment.step(action);
            if !transition.reward.is_finite() {
                return Err(EnvironmentError::Reward {
                    index,
                    reward: transition.reward,
                });
            }
            if transition.done() {
                let begin = step.final_observations.len();
                step.final_observations
                    .resize(begin + self.observation_size, 0.0);
                observe_checked(environment, index, &mut step.final_observations[begin..])?;
                step.ended.push(index);
                environment.reset();
            }
            step.transitions.push(transition);
        }
        Ok(())
    }

    /// Returns the states of all environments, or `None` if one of them cannot be saved.
    pub fn save(&self) -> Option<Value> {
        let states: Option<Vec<_>> = self
            .environments
            .iter()
            .map(DiscreteEnvironment::save)
            .collect();
        states.map(Value::Array)
    }

    /// Restores the states that [`save`](Self::save) returned.
    ///
    /// # Errors
    ///
    /// If `saved` does not hold a valid state for each environment. The environments must be
    /// [seeded](Self::seed) after an error, because only some of them may have been restored.
    pub fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let states: Vec<Value> = super::state::restore("the environments", saved)?;
        if states.len() != self.len() {
            return Err(RestoreError::Count {
                saved: states.len(),
                environments: self.len(),
            });
        }
        for (environment, state) in self.environments.iter_mut().zip(&states) {
            environment.restore(state)?;
        }
        Ok(())
    }
}

fn observe_checked(
    environment: &dyn DiscreteEnvironment,
    index: usize,
    observation: &mut [f32],
) -> Result<(), EnvironmentError> {
    environment
        .observe(observation)
        .map_err(|sizes| EnvironmentError::ObservationSize { index, sizes })?;
    if all_finite(observation) {
        return Ok(());
    }
    let component = observation.iter().position(|x| !x.is_finite());
    component.map_or(Ok(()), |component| {
        Err(EnvironmentError::Observation {
            index,
            component,
            value: observation[component],
        })
    })
}

/// Returns whether every number is finite, without a branch for each number.
fn all_finite(numbers: &[f32]) -> bool {
    const EXPONENT: u32 = f32::INFINITY.to_bits();
    numbers
        .iter()
        .fold(true, |all, x| all & (x.to_bits() & EXPONENT != EXPONENT))
}

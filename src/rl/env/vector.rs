use super::{DiscreteEnvironment, EnvironmentError, RestoreError, Transition};
use serde_json::Value;

/// Environments of one kind, stepped together. One whose episode ends begins the next in the same step, and
/// hands out the observation that its episode ended with (`AutoresetMode.SAME_STEP` in Gymnasium's terms).
///
/// What the environments give is checked: a reward or an observation that is not finite, an observation
/// of a wrong size and a mask that allows nothing are an [`EnvironmentError`] that names the environment.
pub struct VectorEnvironment {
    environments: Vec<Box<dyn DiscreteEnvironment>>,
    observation_size: usize,
    actions: usize,
    has_action_mask: bool,
}

/// What a step of all environments led to. Given to [`VectorEnvironment::step`] again, it is written anew
/// without allocating.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorStep {
    /// One transition for each environment.
    pub transitions: Vec<Transition>,
    ended: Vec<usize>,
    final_observations: Vec<f32>,
}

impl VectorStep {
    /// The environments whose episode ended, in rising order.
    pub fn ended(&self) -> &[usize] {
        &self.ended
    }

    /// For each environment whose episode ended, its index and the last observation of the episode.
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
    /// The environments, each at the beginning of an episode.
    ///
    /// # Errors
    ///
    /// If there is none, if one has no observation or no action, or if their sizes differ.
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

    /// `count` environments that are made alike, each seeded with `seed` and its index.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
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

    /// The number of environments.
    pub fn len(&self) -> usize {
        self.environments.len()
    }

    /// Whether there is no environment, which [`new`](Self::new) does not allow.
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty()
    }

    /// The number of components of an observation.
    pub fn observation_size(&self) -> usize {
        self.observation_size
    }

    /// The number of actions.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Seeds each environment with `seed` and its index, and begins an episode in each.
    pub fn seed(&mut self, seed: u64) {
        for (index, environment) in (0_u32..).zip(&mut self.environments) {
            environment.seed(seed, index);
        }
    }

    /// Writes the observations of all environments, one after another.
    ///
    /// # Errors
    ///
    /// If an observation is of a wrong size or holds a number that is not finite.
    ///
    /// # Panics
    ///
    /// If `observations` does not hold [`len`](Self::len) times
    /// [`observation_size`](Self::observation_size) numbers.
    pub fn observe_into(&self, observations: &mut [f32]) -> Result<(), EnvironmentError> {
        assert_eq!(
            observations.len(),
            self.len() * self.observation_size,
            "room for one observation of each environment"
        );
        let rows = observations.chunks_exact_mut(self.observation_size);
        for (index, (environment, row)) in self.environments.iter().zip(rows).enumerate() {
            observe_checked(environment, index, row)?;
        }
        Ok(())
    }

    /// Whether [`action_masks_into`](Self::action_masks_into) may forbid an action.
    pub fn has_action_mask(&self) -> bool {
        self.has_action_mask
    }

    /// Writes which actions each environment allows, one environment after another.
    ///
    /// # Errors
    ///
    /// If an environment allows none.
    ///
    /// # Panics
    ///
    /// If `allowed` does not hold [`len`](Self::len) times [`actions`](Self::actions) entries.
    pub fn action_masks_into(&self, allowed: &mut [bool]) -> Result<(), EnvironmentError> {
        assert_eq!(
            allowed.len(),
            self.len() * self.actions,
            "room for one mask of each environment"
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

    /// Takes one action in each environment, and writes into `step` what that led to.
    ///
    /// # Errors
    ///
    /// If a reward or the last observation of an episode is not finite. The environments cannot be stepped
    /// on then, since some have been stepped and others not.
    ///
    /// # Panics
    ///
    /// If there is not one action for each environment, or if an environment does not have its action.
    pub fn step(
        &mut self,
        actions: &[usize],
        step: &mut VectorStep,
    ) -> Result<(), EnvironmentError> {
        assert_eq!(actions.len(), self.len(), "one action for each environment");
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

    /// The states of all environments; none where one of them does not save its own.
    pub fn save(&self) -> Option<Value> {
        let states: Option<Vec<_>> = self
            .environments
            .iter()
            .map(DiscreteEnvironment::save)
            .collect();
        states.map(Value::Array)
    }

    /// Goes on from where [`save`](Self::save) was called.
    ///
    /// # Errors
    ///
    /// If `saved` does not hold a state for each environment. The environments must be
    /// [seeded](Self::seed) then, since some may have been restored and others not.
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

/// Whether every number is finite, without a branch for each.
fn all_finite(numbers: &[f32]) -> bool {
    const EXPONENT: u32 = f32::INFINITY.to_bits();
    numbers
        .iter()
        .fold(true, |all, x| all & (x.to_bits() & EXPONENT != EXPONENT))
}

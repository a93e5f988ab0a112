use super::batch::SingleEnvironments;
use super::environment::check_action;
use super::{
    DiscreteEnvironment, EnvironmentBatch, EnvironmentError, Normalization, RestoreError,
    RewardStatistics, RunningStatistics, Spaces, Transition,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Environments of one kind that are stepped together. If an episode ends, the next one begins in the same
/// step, and [`VectorStep`] keeps the last observation of the ended episode (`AutoresetMode.SAME_STEP` in
/// Gymnasium's terms).
///
/// All values from the environments are checked. A reward or an observation that is not finite, an
/// observation of the wrong size, or a mask that allows no action is an [`EnvironmentError`] that names the
/// environment.
///
/// Observations and rewards can be [normalized](Self::normalize) by running statistics, after these checks. The
/// statistics change in [`step`](Self::step) only.
pub struct VectorEnvironment {
    batch: Box<dyn EnvironmentBatch>,
    spaces: Spaces,
    has_action_mask: bool,
    normalizer: Option<Normalizer>,
}

/// The normalization of observations and rewards.
struct Normalizer {
    statistics: Normalization,
    /// The discount factor of the returns.
    gamma: f64,
    /// Whether the statistics no longer change.
    frozen: bool,
    /// The observations of all environments.
    observations: Vec<f32>,
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

    /// Adds the result of the next environment. `last_observation` is the last observation of the episode and is
    /// ignored unless the episode ended.
    pub fn push(&mut self, transition: Transition, last_observation: &[f32]) {
        if let Some(room) = self.push_with_room(transition, last_observation.len()) {
            room.copy_from_slice(last_observation);
        }
    }

    /// Adds the transition of the next environment. If its episode ended, returns the room for its last observation.
    pub(super) fn push_with_room(
        &mut self,
        transition: Transition,
        observation_size: usize,
    ) -> Option<&mut [f32]> {
        self.transitions.push(transition);
        if !transition.done() {
            return None;
        }
        self.ended.push(self.transitions.len() - 1);
        let begin = self.final_observations.len();
        self.final_observations
            .resize(begin + observation_size, 0.0);
        Some(&mut self.final_observations[begin..])
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
        Self::from_batch(SingleEnvironments::new(environments)?)
    }

    /// Uses the environments of a batch.
    ///
    /// # Errors
    ///
    /// If the batch is empty, or if its environments have no observation component or no action.
    pub fn from_batch(batch: impl EnvironmentBatch + 'static) -> Result<Self, EnvironmentError> {
        if batch.is_empty() {
            return Err(EnvironmentError::NoEnvironment);
        }
        let spaces = Spaces {
            observation_size: batch.observation_size(),
            actions: batch.action_space(),
        };
        if spaces.observation_size == 0 || spaces.actions.is_empty() {
            return Err(EnvironmentError::Empty {
                index: 0,
                observation_size: spaces.observation_size,
                actions: spaces.actions.sizes().iter().copied().min().unwrap_or(0),
            });
        }
        Ok(Self {
            has_action_mask: batch.has_action_mask() || spaces.actions.is_ragged(),
            batch: Box::new(batch),
            spaces,
            normalizer: None,
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
        environments.seed(seed)?;
        Ok(environments)
    }

    /// Returns the number of environments.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Returns whether there is no environment. This is never the case, because [`new`](Self::new) requires
    /// one.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Returns the observations and the actions of each environment.
    pub fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    /// Returns the number of components of an observation.
    pub fn observation_size(&self) -> usize {
        self.spaces.observation_size
    }

    /// Returns the number of entries of a mask, which is the number of actions if there is one dimension
    /// ([`ActionSpace::logits`](super::ActionSpace::logits)).
    pub fn actions(&self) -> usize {
        self.spaces.actions.logits()
    }

    /// Seeds each environment with `seed` and its index, and begins an episode in each.
    ///
    /// # Errors
    ///
    /// If the environments fail. Those of this process never do.
    pub fn seed(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.seed_from(seed, 0)
    }

    /// Seeds like [`seed`](Self::seed), with indices from `first_index` on.
    ///
    /// # Errors
    ///
    /// If the environments fail.
    pub fn seed_from(&mut self, seed: u64, first_index: u32) -> Result<(), EnvironmentError> {
        self.batch.seed(seed, first_index)
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
            self.len() * self.observation_size(),
            "`observations` must have room for one observation of each environment"
        );
        self.observe_raw(observations)?;
        if let Some(statistics) = self.observation_statistics() {
            for observation in observations.chunks_exact_mut(self.observation_size()) {
                statistics.normalize(observation);
            }
        }
        Ok(())
    }

    /// Writes the observations without normalization.
    fn observe_raw(&self, observations: &mut [f32]) -> Result<(), EnvironmentError> {
        self.batch.observe(observations)?;
        let rows = observations.chunks_exact(self.observation_size());
        check_observations(rows.enumerate())
    }

    /// Normalizes observations and rewards from now on, as the wrappers of CleanRL do: each component of the
    /// observations to mean 0 and variance 1, and the rewards, including their noise, by the standard deviation of their
    /// discounted return; both clipped to -10 and 10. The running statistics of all environments are shared and begin
    /// here, with the current observations. [`Episode`](super::Episode) keeps the original rewards.
    ///
    /// # Arguments
    /// - observations: whether to normalize observations.
    /// - rewards: the discount factor of the returns, or `None` to leave the rewards as they are.
    ///
    /// # Errors
    ///
    /// If the environments fail.
    pub fn normalize(
        &mut self,
        observations: bool,
        rewards: Option<f64>,
    ) -> Result<(), EnvironmentError> {
        let size = self.observation_size();
        let mut normalizer = Normalizer {
            statistics: Normalization {
                observations: observations.then(|| RunningStatistics::new(size)),
                rewards: rewards.map(|_| RewardStatistics::new(self.len())),
            },
            gamma: rewards.unwrap_or(0.0),
            frozen: false,
            observations: vec![0.0; self.len() * size],
        };
        normalizer.add_observations(self)?;
        self.normalizer = Some(normalizer);
        Ok(())
    }

    /// Normalizes observations by statistics that no longer change, as in an evaluation.
    ///
    /// # Panics
    ///
    /// If the statistics have another size than the observations.
    pub fn normalize_with(&mut self, observations: RunningStatistics) {
        assert_eq!(
            observations.mean().len(),
            self.observation_size(),
            "the statistics must have the size of an observation"
        );
        self.normalizer = Some(Normalizer {
            statistics: Normalization {
                observations: Some(observations),
                rewards: None,
            },
            gamma: 0.0,
            frozen: true,
            observations: Vec::new(),
        });
    }

    /// Returns the statistics of the normalization, or `None` without one.
    pub fn normalization(&self) -> Option<&Normalization> {
        self.normalizer.as_ref().map(|n| &n.statistics)
    }

    /// Returns the statistics by which observations are normalized, or `None` if they are not.
    pub fn observation_statistics(&self) -> Option<&RunningStatistics> {
        self.normalization()?.observations.as_ref()
    }

    /// Restores the statistics of the [normalization](Self::normalization).
    ///
    /// # Errors
    ///
    /// If they are not statistics of these environments, or if they normalize something else. The statistics are then
    /// unchanged.
    pub fn restore_normalization(
        &mut self,
        saved: Option<Normalization>,
    ) -> Result<(), RestoreError> {
        let (size, environments) = (self.observation_size(), self.len());
        let normalized = |n: &Normalization| (n.observations.is_some(), n.rewards.is_some());
        let own = self.normalization().map(normalized);
        if own != saved.as_ref().map(normalized) {
            let reason = "they normalize other values than the configuration";
            return Err(super::state::malformed("the running statistics", reason));
        }
        let (Some(normalizer), Some(saved)) = (&mut self.normalizer, saved) else {
            return Ok(());
        };
        if let Some(observations) = &saved.observations {
            observations.check(size)?;
        }
        if let Some(rewards) = &saved.rewards {
            rewards.check(environments)?;
        }
        normalizer.statistics = saved;
        Ok(())
    }

    /// Begins the discounted returns anew, for environments that begin new episodes.
    pub(in crate::rl) fn begin_returns(&mut self) {
        let normalizer = self.normalizer.as_mut();
        if let Some(rewards) = normalizer.and_then(|n| n.statistics.rewards.as_mut()) {
            rewards.begin_episodes();
        }
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
            self.len() * self.actions(),
            "`allowed` must have room for one mask of each environment"
        );
        self.batch.action_masks(allowed)?;
        let space = &self.spaces.actions;
        space.forbid_padding(allowed);
        let mut rows = allowed.chunks_exact(space.largest());
        match rows.position(|row| !row.contains(&true)) {
            None => Ok(()),
            Some(row) => Err(EnvironmentError::NoAction {
                index: row / space.dimensions(),
            }),
        }
    }

    /// Takes an action in each environment, one index for each dimension, and writes the result into `step`.
    ///
    /// # Errors
    ///
    /// If the environments fail, if a reward is not finite, or if the last observation of an episode is not finite or
    /// has the wrong size. The environments cannot be stepped further after an error, because only some of them have been
    /// stepped.
    ///
    /// # Panics
    ///
    /// If `actions` does not have one action for each environment, or if an environment does not have its
    /// action. Also if a batch does not return one transition for each environment.
    pub fn step(
        &mut self,
        actions: &[usize],
        step: &mut VectorStep,
    ) -> Result<(), EnvironmentError> {
        let sizes = self.spaces.actions.sizes();
        assert_eq!(
            actions.len(),
            self.len() * sizes.len(),
            "`actions` must have one action for each environment"
        );
        for (&action, &size) in actions.iter().zip(sizes.iter().cycle()) {
            check_action(action, size);
        }
        step.clear();
        self.batch.step(actions, step)?;
        assert!(
            step.transitions.len() == self.len()
                && step.final_observations.len() == step.ended.len() * self.observation_size(),
            "a batch must return a transition of each environment, and the last observation of each episode that ended"
        );
        let mut rewards = step.transitions.iter().map(|transition| transition.reward);
        if let Some(index) = rewards.position(|reward| !reward.is_finite()) {
            let reward = step.transitions[index].reward;
            return Err(EnvironmentError::Reward { index, reward });
        }
        check_observations(step.final_observations())?;
        let Some(mut normalizer) = self.normalizer.take() else {
            return Ok(());
        };
        let normalized = normalizer.apply(self, step);
        self.normalizer = Some(normalizer);
        normalized
    }

    /// Returns the versions of the programs that the environments need, by name ([`EnvironmentBatch::versions`]).
    pub fn versions(&self) -> BTreeMap<String, String> {
        self.batch.versions()
    }

    /// Returns the mean return over 100 episodes at which the environments count as solved
    /// ([`EnvironmentBatch::solved_return`]).
    pub fn solved_return(&self) -> Option<f64> {
        self.batch.solved_return()
    }

    /// Returns the states of all environments, or `None` if one of them cannot be saved.
    pub fn save(&self) -> Option<Value> {
        self.batch.save()
    }

    /// Restores the states that [`save`](Self::save) returned.
    ///
    /// # Errors
    ///
    /// If `saved` does not hold a valid state for each environment. The environments must be
    /// [seeded](Self::seed) after an error, because only some of them may have been restored.
    pub fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        self.batch.restore(saved)
    }
}

impl Normalizer {
    /// Adds the current observations to their statistics.
    fn add_observations(
        &mut self,
        environments: &VectorEnvironment,
    ) -> Result<(), EnvironmentError> {
        let Some(statistics) = &mut self.statistics.observations else {
            return Ok(());
        };
        environments.observe_raw(&mut self.observations)?;
        let rows = self
            .observations
            .chunks_exact(environments.observation_size());
        rows.for_each(|observation| statistics.add(observation));
        Ok(())
    }

    /// Adds the result of a step to the statistics, and normalizes it.
    fn apply(
        &mut self,
        environments: &VectorEnvironment,
        step: &mut VectorStep,
    ) -> Result<(), EnvironmentError> {
        if let Some(rewards) = &mut self.statistics.rewards {
            let large = |t: &Transition| t.reward.abs() > f64::from(f32::MAX);
            if let Some(index) = step.transitions.iter().position(large) {
                let reward = step.transitions[index].reward;
                return Err(EnvironmentError::LargeReward { index, reward });
            }
            rewards.normalize(&mut step.transitions, self.gamma);
        }
        let size = environments.observation_size();
        if !self.frozen {
            if let Some(statistics) = &mut self.statistics.observations {
                let rows = step.final_observations.chunks_exact(size);
                rows.for_each(|observation| statistics.add(observation));
            }
            self.add_observations(environments)?;
        }
        if let Some(statistics) = &self.statistics.observations {
            let rows = step.final_observations.chunks_exact_mut(size);
            rows.for_each(|observation| statistics.normalize(observation));
        }
        Ok(())
    }
}

/// Returns an error if a component of an observation is not finite. Each observation has the index of its environment.
fn check_observations<'a>(
    observations: impl Iterator<Item = (usize, &'a [f32])>,
) -> Result<(), EnvironmentError> {
    for (index, observation) in observations {
        if all_finite(observation) {
            continue;
        }
        if let Some(component) = observation.iter().position(|x| !x.is_finite()) {
            let value = observation[component];
            return Err(EnvironmentError::Observation {
                index,
                component,
                value,
            });
        }
    }
    Ok(())
}

/// Returns whether every number is finite, without a branch for each number.
fn all_finite(numbers: &[f32]) -> bool {
    const EXPONENT: u32 = f32::INFINITY.to_bits();
    numbers
        .iter()
        .fold(true, |all, x| all & (x.to_bits() & EXPONENT != EXPONENT))
}

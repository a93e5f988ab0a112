use super::{ObservationSizeError, RestoreError, Transition};
use serde_json::Value;

/// An environment with finitely many actions and its own random streams.
///
/// An environment is always within an episode. Constructors begin the first episode, drawn from the streams
/// of seed 0 and index 0. After a [`Transition`] that is [`done`](Transition::done), the caller calls
/// [`reset`](Self::reset) before the next step.
///
/// [`save`](Self::save) does not include the arguments of the constructor. A wrapper forwards every method to
/// the environment that it wraps.
pub trait DiscreteEnvironment: Send {
    /// Returns the number of components of an observation, which is at least one.
    fn observation_size(&self) -> usize;

    /// Returns the number of actions, which is at least one. The actions are `0..actions`.
    fn actions(&self) -> usize;

    /// Recreates every random stream from a seed and an index ([`stream`](crate::experiment::stream)), and
    /// begins an episode. `index` is the position of the environment among those that are stepped together.
    fn seed(&mut self, seed: u64, index: u32);

    /// Begins an episode.
    fn reset(&mut self);

    /// Takes an action in the current state and returns the transition.
    ///
    /// # Panics
    ///
    /// If there is no such action.
    fn step(&mut self, action: usize) -> Transition;

    /// Overwrites `observation` with the observation of the current state, which has
    /// [`observation_size`](Self::observation_size) components.
    ///
    /// # Errors
    ///
    /// If the observation does not have [`observation_size`](Self::observation_size) components. Only a
    /// user-defined environment can return this error.
    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError>;

    /// Returns whether [`action_mask`](Self::action_mask) may forbid an action. The value never changes.
    fn has_action_mask(&self) -> bool {
        false
    }

    /// Writes which of the [`actions`](Self::actions) are allowed in the current state. At least one must be
    /// allowed.
    fn action_mask(&self, allowed: &mut [bool]) {
        allowed.fill(true);
    }

    /// Returns whether the current episode can no longer follow the best path, or `None` if the environment
    /// does not track this. bsuite counts such episodes of [`DeepSea`](super::DeepSea).
    fn bad_episode(&self) -> Option<bool> {
        None
    }

    /// Returns everything that changes, including the random streams, or `None` if the environment cannot be
    /// saved. After [`restore`](Self::restore), an environment that was constructed with the same arguments
    /// continues exactly as this one does.
    fn save(&self) -> Option<Value> {
        None
    }

    /// Restores the state that [`save`](Self::save) returned.
    ///
    /// # Errors
    ///
    /// If `saved` is not a state of this environment. The environment is then unchanged.
    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let _ = saved;
        Err(RestoreError::Unsupported)
    }
}

impl<E: DiscreteEnvironment + ?Sized> DiscreteEnvironment for Box<E> {
    fn observation_size(&self) -> usize {
        (**self).observation_size()
    }

    fn actions(&self) -> usize {
        (**self).actions()
    }

    fn seed(&mut self, seed: u64, index: u32) {
        (**self).seed(seed, index);
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn step(&mut self, action: usize) -> Transition {
        (**self).step(action)
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        (**self).observe(observation)
    }

    fn has_action_mask(&self) -> bool {
        (**self).has_action_mask()
    }

    fn action_mask(&self, allowed: &mut [bool]) {
        (**self).action_mask(allowed);
    }

    fn bad_episode(&self) -> Option<bool> {
        (**self).bad_episode()
    }

    fn save(&self) -> Option<Value> {
        (**self).save()
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        (**self).restore(saved)
    }
}

/// Panics if the environment does not have the action.
pub(super) fn check_action(action: usize, actions: usize) {
    assert!(
        action < actions,
        "invalid action {action}: the actions of this environment are 0 to {}",
        actions - 1
    );
}

/// Implements [`burn::rl::Environment`] for a [`DiscreteEnvironment`] with an inherent method `state`.
macro_rules! burn_environment {
    ($environment:ty, $state:ty, $max_steps:expr) => {
        impl burn::rl::Environment for $environment {
            type State = $state;
            type Action = usize;

            const MAX_STEPS: usize = $max_steps;

            fn state(&self) -> Self::State {
                <$environment>::state(self)
            }

            fn step(&mut self, action: usize) -> burn::rl::StepResult<Self::State> {
                let transition = $crate::rl::env::DiscreteEnvironment::step(self, action);
                burn::rl::StepResult {
                    next_state: <$environment>::state(self),
                    reward: transition.reward,
                    done: transition.terminated,
                    truncated: transition.truncated,
                }
            }

            fn reset(&mut self) {
                $crate::rl::env::DiscreteEnvironment::reset(self);
            }
        }
    };
}
pub(super) use burn_environment;

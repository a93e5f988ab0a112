use super::{ObservationSizeError, RestoreError, Transition};
use serde_json::Value;

/// An environment with finitely many actions that draws from streams of its own.
///
/// A value is in an episode at any time: constructors begin one, drawn from the streams of seed 0 and
/// index 0. After a [`Transition`] that is [`done`](Transition::done), the caller calls
/// [`reset`](Self::reset) before the next step.
///
/// What is not [`save`](Self::save)d is what the constructor was given. A wrapper passes every method on
/// to what it wraps.
pub trait DiscreteEnvironment: Send {
    /// The number of components of an observation, at least one.
    fn observation_size(&self) -> usize;

    /// The number of actions, at least one; they are `0..actions`.
    fn actions(&self) -> usize;

    /// Makes every random stream anew from a seed and the index of the environment among those that are
    /// stepped together ([`stream`](crate::experiment::stream)), and begins an episode.
    fn seed(&mut self, seed: u64, index: u32);

    /// Begins an episode.
    fn reset(&mut self);

    /// Takes an action in the current state.
    ///
    /// # Panics
    ///
    /// If there is no such action.
    fn step(&mut self, action: usize) -> Transition;

    /// Writes the observation of the current state, of [`observation_size`](Self::observation_size)
    /// components, over what is in `observation`.
    ///
    /// # Errors
    ///
    /// If what the environment observes has another size than it was said to have, which can only be so
    /// for one of a user's own.
    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError>;

    /// Whether [`action_mask`](Self::action_mask) may forbid an action. It does not change.
    fn has_action_mask(&self) -> bool {
        false
    }

    /// Writes which of the [`actions`](Self::actions) may be taken in the current state; at least one
    /// of them.
    fn action_mask(&self, allowed: &mut [bool]) {
        allowed.fill(true);
    }

    /// Whether the current episode has left the best way for good, where the environment can tell:
    /// bsuite counts such episodes of [`DeepSea`](super::DeepSea).
    fn bad_episode(&self) -> Option<bool> {
        None
    }

    /// Everything that changes, random streams included, such that an environment made alike goes on
    /// after [`restore`](Self::restore) as this one does; none where that cannot be had.
    fn save(&self) -> Option<Value> {
        None
    }

    /// Goes on from where [`save`](Self::save) was called.
    ///
    /// # Errors
    ///
    /// If `saved` is not a state of this environment, which is then as it was.
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

/// Panics at an action that an environment does not have.
pub(super) fn check_action(action: usize, actions: usize) {
    assert!(
        action < actions,
        "action {action} of an environment whose actions are 0 to {}",
        actions - 1
    );
}

/// [`burn::rl::Environment`] for an environment with an inherent `state` and [`DiscreteEnvironment`].
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

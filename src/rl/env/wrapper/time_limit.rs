use super::{SavedWrapper, delegate};
use crate::rl::env::{DiscreteEnvironment, RestoreError, Transition, state};
use serde_json::Value;

/// Truncates the episodes of an environment after a number of steps. If an episode terminates in its last
/// allowed step, the transition is both terminated and truncated, as in Gymnasium.
#[derive(Clone, Debug)]
pub struct TimeLimit<E> {
    environment: E,
    limit: usize,
    steps: usize,
}

impl<E: DiscreteEnvironment> TimeLimit<E> {
    /// Limits the episodes of `environment`, which must be at the beginning of an episode, to `limit` steps.
    /// A limit of zero has the effect of a limit of one, because every episode has a step.
    pub fn new(environment: E, limit: usize) -> Self {
        Self {
            environment,
            limit,
            steps: 0,
        }
    }
}

impl<E: DiscreteEnvironment> DiscreteEnvironment for TimeLimit<E> {
    delegate!(environment);

    fn seed(&mut self, seed: u64, index: u32) {
        self.steps = 0;
        self.environment.seed(seed, index);
    }

    fn reset(&mut self) {
        self.steps = 0;
        self.environment.reset();
    }

    fn step(&mut self, action: usize) -> Transition {
        self.steps += 1;
        let transition = self.environment.step(action);
        Transition {
            truncated: transition.truncated || self.steps >= self.limit,
            ..transition
        }
    }

    fn save(&self) -> Option<Value> {
        state::save(&SavedWrapper {
            wrapper: self.steps,
            environment: self.environment.save()?,
        })
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        const NAME: &str = "the time limit";
        let saved: SavedWrapper<usize> = state::restore(NAME, saved)?;
        // An episode has at least one step.
        let most = self.limit.max(1);
        state::check_index(NAME, "steps", saved.wrapper, most.saturating_add(1))?;
        self.environment.restore(&saved.environment)?;
        self.steps = saved.wrapper;
        Ok(())
    }
}

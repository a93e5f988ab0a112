use super::DiscreteEnvironment;
use burn::rl::{Environment, StepResult};

/// Adapts a [`DiscreteEnvironment`], with or without wrappers, to [`burn::rl::Environment`]. Its state is the
/// observation for a policy, with the action mask if the environment has one.
///
/// The environments of this module also implement Burn's trait themselves, but with the states of the
/// problem, such as the cell of [`DeepSea`](super::DeepSea). A policy cannot observe such a state.
///
/// ```
/// use burn::rl::Environment;
/// use burn_tsallis::rl::env::{Identity, ToBurnEnvironment};
///
/// let environment = ToBurnEnvironment::new(Identity::new(3));
/// assert_eq!(environment.state().values.iter().sum::<f32>(), 1.0);
/// ```
#[derive(Clone, Debug)]
pub struct ToBurnEnvironment<E>(E);

/// The observation of a state for a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The components of the observation.
    pub values: Vec<f32>,
    /// Which actions are allowed, or `None` if the environment has no action mask.
    pub allowed: Option<Vec<bool>>,
}

impl<E: DiscreteEnvironment> ToBurnEnvironment<E> {
    /// Adapts `environment`, in its current state.
    pub fn new(environment: E) -> Self {
        Self(environment)
    }

    /// Returns the adapted environment.
    pub fn into_inner(self) -> E {
        self.0
    }
}

impl<E: DiscreteEnvironment> Environment for ToBurnEnvironment<E> {
    type State = Observation;
    type Action = usize;

    /// The environment ends its episodes itself.
    const MAX_STEPS: usize = usize::MAX;

    /// # Panics
    ///
    /// If the observation does not have the size that the environment declares.
    fn state(&self) -> Observation {
        let mut values = vec![0.0; self.0.observation_size()];
        if let Err(error) = self.0.observe(&mut values) {
            panic!("the environment returned {error}");
        }
        let allowed = self.0.has_action_mask().then(|| {
            let mut allowed = vec![false; self.0.actions()];
            self.0.action_mask(&mut allowed);
            allowed
        });
        Observation { values, allowed }
    }

    fn step(&mut self, action: usize) -> StepResult<Observation> {
        let transition = self.0.step(action);
        StepResult {
            next_state: self.state(),
            reward: transition.reward,
            done: transition.terminated,
            truncated: transition.truncated,
        }
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

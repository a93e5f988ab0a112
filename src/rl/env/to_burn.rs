use super::DiscreteEnvironment;
use burn::rl::{Environment, StepResult};

/// Any [`DiscreteEnvironment`], wrapped ones included, for what takes a [`burn::rl::Environment`]: its state
/// is what a policy observes of it, with the mask of the actions where it has one.
///
/// The environments here implement Burn's trait themselves, but with the states of the problem, such as the
/// cell of [`DeepSea`](super::DeepSea), of which a policy does not know how they are observed.
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

/// What a policy observes.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Its components.
    pub values: Vec<f32>,
    /// Which actions may be taken, where the environment says.
    pub allowed: Option<Vec<bool>>,
}

impl<E: DiscreteEnvironment> ToBurnEnvironment<E> {
    /// `environment`, in the state that it is in.
    pub fn new(environment: E) -> Self {
        Self(environment)
    }

    /// The environment.
    pub fn into_inner(self) -> E {
        self.0
    }
}

impl<E: DiscreteEnvironment> Environment for ToBurnEnvironment<E> {
    type State = Observation;
    type Action = usize;

    /// The environment itself ends its episodes.
    const MAX_STEPS: usize = usize::MAX;

    /// # Panics
    ///
    /// If what the environment observes has another size than it was said to have.
    fn state(&self) -> Observation {
        let mut values = vec![0.0; self.0.observation_size()];
        if let Err(error) = self.0.observe(&mut values) {
            panic!("the environment gave {error}");
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

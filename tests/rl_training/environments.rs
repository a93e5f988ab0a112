use burn::rl::{Environment, StepResult};
use burn_tsallis::rl::env::{DiscreteEnvironment, Identity, ObservationSizeError, Transition};

/// Cycles through three states, observed one-hot. The action whose index is that of the state is forbidden,
/// and the next one is rewarded. Truncated after ten steps.
pub struct Turns {
    first: usize,
    steps: usize,
}

impl Turns {
    pub fn new() -> Self {
        Self { first: 0, steps: 0 }
    }

    fn state(&self) -> usize {
        (self.first + self.steps) % 3
    }
}

impl DiscreteEnvironment for Turns {
    fn observation_size(&self) -> usize {
        3
    }

    fn actions(&self) -> usize {
        3
    }

    fn seed(&mut self, _: u64, index: u32) {
        self.first = index as usize % 3;
    }

    fn reset(&mut self) {
        self.steps = 0;
    }

    fn step(&mut self, action: usize) -> Transition {
        assert_ne!(action, self.state(), "a forbidden action was taken");
        let right = action == (self.state() + 1) % 3;
        self.steps += 1;
        Transition {
            truncated: self.steps >= 10,
            ..Transition::ongoing(f64::from(right))
        }
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        observation.fill(0.0);
        observation[self.state()] = 1.0;
        Ok(())
    }

    fn has_action_mask(&self) -> bool {
        true
    }

    fn action_mask(&self, allowed: &mut [bool]) {
        allowed.fill(true);
        allowed[self.state()] = false;
    }
}

/// An [`Identity`] that implements only Burn's trait. Each step calls `at` with its number and adds the
/// result to the reward.
pub struct Watched<F> {
    identity: Identity,
    at: F,
    steps: usize,
}

impl<F> Watched<F> {
    pub fn new(at: F) -> Self {
        Self {
            identity: Identity::new(3),
            at,
            steps: 0,
        }
    }
}

impl<F: Fn(usize) -> f64> Environment for Watched<F> {
    type State = [f32; 3];
    type Action = usize;
    const MAX_STEPS: usize = 10;

    fn state(&self) -> [f32; 3] {
        std::array::from_fn(|i| f32::from(i == self.identity.state()))
    }

    fn step(&mut self, action: usize) -> StepResult<[f32; 3]> {
        self.steps += 1;
        let result = Environment::step(&mut self.identity, action);
        StepResult {
            next_state: self.state(),
            reward: result.reward + (self.at)(self.steps),
            done: false,
            truncated: false,
        }
    }

    fn reset(&mut self) {
        Environment::reset(&mut self.identity);
    }
}

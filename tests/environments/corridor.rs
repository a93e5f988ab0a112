use burn_tsallis::rl::env::{DiscreteEnvironment, ObservationSizeError, Transition};

/// A corridor of states 0 to 3. Action 0 goes left, 1 stays and 2 goes right; left is forbidden in state 0.
/// An episode terminates in state 3, with the configured reward and observation component.
#[derive(Clone)]
pub struct Corridor {
    pub state: usize,
    pub reward: f64,
    pub component: f32,
    pub allows_nothing: bool,
}

impl Corridor {
    pub fn new() -> Self {
        Self {
            state: 0,
            reward: 1.0,
            component: 3.0,
            allows_nothing: false,
        }
    }
}

impl DiscreteEnvironment for Corridor {
    fn observation_size(&self) -> usize {
        2
    }

    fn actions(&self) -> usize {
        3
    }

    fn seed(&mut self, _seed: u64, _index: u32) {
        self.reset();
    }

    fn reset(&mut self) {
        self.state = 0;
    }

    fn step(&mut self, action: usize) -> Transition {
        self.state = (self.state + action).saturating_sub(1);
        let terminated = self.state == 3;
        Transition {
            terminated,
            ..Transition::ongoing(if terminated { self.reward } else { 0.0 })
        }
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        let last = if self.state == 3 { self.component } else { 0.0 };
        observation.copy_from_slice(&[self.state as f32, last]);
        Ok(())
    }

    fn has_action_mask(&self) -> bool {
        true
    }

    fn action_mask(&self, allowed: &mut [bool]) {
        allowed.fill(!self.allows_nothing);
        allowed[0] &= self.state > 0;
    }

    fn bad_episode(&self) -> Option<bool> {
        Some(self.state < 2)
    }
}

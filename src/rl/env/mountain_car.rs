use super::environment::{burn_environment, check_action};
use super::{DiscreteEnvironment, ObservationSizeError, RestoreError, Transition, state};
use crate::experiment::{Purpose, Stream, stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// MountainCar-v0 as Gymnasium defines it: a car in a valley that is too weak to drive straight up the hill. The
/// actions push it left (0), not at all (1) or right (2).
///
/// * Observation: position and velocity.
/// * Reward: -1 for every step, including the step that ends the episode.
/// * Terminated: at the position 0.5 or beyond, moving right. Truncated: after 200 steps.
/// * Initial state: position uniform in (-0.6, -0.4), velocity 0.
///
/// The state is kept in `f64`, as in Gymnasium. A step from the same state agrees with Gymnasium's to the last bit
/// if both use the same cosine, and to 1e-15 otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MountainCar {
    state: [f64; 2],
    steps: usize,
    resets: Stream,
}

const NAME: &str = "MountainCar";
const LEFT_END: f64 = -1.2;
const RIGHT_END: f64 = 0.6;
const GOAL: f64 = 0.5;
const MAX_SPEED: f64 = 0.07;
const FORCE: f64 = 0.001;
const GRAVITY: f64 = 0.0025;

impl MountainCar {
    /// The number of steps after which an episode is truncated.
    pub const MAX_STEPS: usize = 200;

    /// Creates an environment that draws its initial states from [`Purpose::Resets`].
    pub fn new() -> Self {
        let mut environment = Self {
            state: [0.0; 2],
            steps: 0,
            resets: stream(0, Purpose::Resets, 0),
        };
        environment.reset();
        environment
    }

    /// Returns the position and the velocity.
    pub fn state(&self) -> [f64; 2] {
        self.state
    }

    /// Sets the state and begins an episode in it.
    pub fn set_state(&mut self, state: [f64; 2]) {
        self.state = state;
        self.steps = 0;
    }
}

impl Default for MountainCar {
    fn default() -> Self {
        Self::new()
    }
}

impl DiscreteEnvironment for MountainCar {
    fn observation_size(&self) -> usize {
        2
    }

    fn actions(&self) -> usize {
        3
    }

    fn seed(&mut self, seed: u64, index: u32) {
        self.resets = stream(seed, Purpose::Resets, index);
        self.reset();
    }

    fn reset(&mut self) {
        let position = self.resets.random_range(-0.6..-0.4);
        self.set_state([position, 0.0]);
    }

    fn step(&mut self, action: usize) -> Transition {
        check_action(action, 3);
        let [position, velocity] = self.state;
        let push = (action as f64 - 1.0) * FORCE;
        let velocity = velocity + (push + (3.0 * position).cos() * -GRAVITY);
        let velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED);
        let position = (position + velocity).clamp(LEFT_END, RIGHT_END);
        let stopped = position == LEFT_END && velocity < 0.0;
        let velocity = if stopped { 0.0 } else { velocity };
        self.state = [position, velocity];
        self.steps += 1;
        Transition {
            terminated: position >= GOAL && velocity >= 0.0,
            truncated: self.steps >= Self::MAX_STEPS,
            ..Transition::ongoing(-1.0)
        }
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        for (o, s) in observation.iter_mut().zip(self.state) {
            *o = s as f32;
        }
        Ok(())
    }

    fn save(&self) -> Option<Value> {
        state::save(self)
    }

    fn restore(&mut self, saved: &Value) -> Result<(), RestoreError> {
        let saved: Self = state::restore(NAME, saved)?;
        state::check_index(NAME, "steps", saved.steps, Self::MAX_STEPS + 1)?;
        *self = saved;
        Ok(())
    }
}

burn_environment!(MountainCar, [f64; 2], MountainCar::MAX_STEPS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rl::env::trajectory::assert_replays;

    #[test]
    fn initial_states_lie_in_the_valley_and_differ() {
        let mut environment = MountainCar::new();
        let mut seen = Vec::new();
        for _ in 0..1000 {
            DiscreteEnvironment::reset(&mut environment);
            let [position, velocity] = environment.state;
            assert!((-0.6..-0.4).contains(&position) && velocity == 0.0);
            seen.push(position);
        }
        seen.dedup();
        assert_eq!(seen.len(), 1000);
        let mean = seen.iter().sum::<f64>() / 1000.0;
        // The standard error of the mean is 0.2 / sqrt(12000).
        assert!((mean + 0.5).abs() < 4.0 * 0.2 / 12000_f64.sqrt(), "{mean}");
    }

    #[test]
    fn trajectories_of_gymnasium() {
        let file = include_str!("../../../tests/data/environments/mountain_car.json");
        let put = |environment: &mut MountainCar, state| environment.state = state;
        assert_replays(file, MountainCar::new, put, MountainCar::state, 1e-15);
    }

    /// Pushing along with the velocity leaves the valley.
    #[test]
    fn a_car_that_swings_reaches_the_goal_and_one_that_only_pushes_does_not() {
        let run = |action: fn([f64; 2]) -> usize| {
            let mut environment = MountainCar::new();
            environment.set_state([-0.5, 0.0]);
            let steps = std::iter::repeat_with(|| {
                let action = action(environment.state);
                DiscreteEnvironment::step(&mut environment, action)
            });
            let steps: Vec<_> = steps.take(MountainCar::MAX_STEPS).collect();
            let last = steps.iter().position(Transition::done).expect("an end");
            (last + 1, steps[last])
        };
        let (steps, last) = run(|[_, velocity]| if velocity < 0.0 { 0 } else { 2 });
        assert!(last.terminated && !last.truncated && steps < 130, "{steps}");
        let (steps, last) = run(|_| 2);
        assert!(last.truncated && !last.terminated && steps == MountainCar::MAX_STEPS);
    }
}

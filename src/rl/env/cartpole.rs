use super::environment::{burn_environment, check_action};
use super::{DiscreteEnvironment, ObservationSizeError, RestoreError, Transition, state};
use crate::experiment::{Purpose, Stream, stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// CartPole-v1 as Gymnasium defines it: a pole on a cart that is pushed left (action 0) or right (1).
///
/// * Observation: position, velocity, angle and angular velocity, in SI units and radians.
/// * Reward: 1 for every step, including the step that ends the episode.
/// * Terminated: position beyond ±2.4 m or angle beyond ±12 degrees. Truncated: after 500 steps.
/// * Initial state: each component uniform in (-0.05, 0.05).
///
/// The state is kept in `f64`, as in Gymnasium. Each step is one explicit Euler step of 20 ms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CartPole {
    state: [f64; 4],
    steps: usize,
    resets: Stream,
}

const GRAVITY: f64 = 9.8;
const CART_MASS: f64 = 1.0;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = CART_MASS + POLE_MASS;
/// Half the length of the pole.
const HALF_LENGTH: f64 = 0.5;
const FORCE: f64 = 10.0;
const STEP_SECONDS: f64 = 0.02;
const POSITION_LIMIT: f64 = 2.4;
const ANGLE_LIMIT: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
const INITIAL_RANGE: f64 = 0.05;

impl CartPole {
    /// The number of steps after which an episode is truncated.
    pub const MAX_STEPS: usize = 500;

    /// Creates an environment that draws its initial states from [`Purpose::Resets`].
    pub fn new() -> Self {
        let mut environment = Self {
            state: [0.0; 4],
            steps: 0,
            resets: stream(0, Purpose::Resets, 0),
        };
        environment.reset();
        environment
    }

    /// Returns the position, velocity, angle and angular velocity.
    pub fn state(&self) -> [f64; 4] {
        self.state
    }

    /// Sets the state and begins an episode in it.
    pub fn set_state(&mut self, state: [f64; 4]) {
        self.state = state;
        self.steps = 0;
    }
}

impl Default for CartPole {
    fn default() -> Self {
        Self::new()
    }
}

impl DiscreteEnvironment for CartPole {
    fn observation_size(&self) -> usize {
        4
    }

    fn actions(&self) -> usize {
        2
    }

    fn seed(&mut self, seed: u64, index: u32) {
        self.resets = stream(seed, Purpose::Resets, index);
        self.reset();
    }

    fn reset(&mut self) {
        let mut draw = || self.resets.random_range(-INITIAL_RANGE..INITIAL_RANGE);
        let state = [draw(), draw(), draw(), draw()];
        self.set_state(state);
    }

    fn step(&mut self, action: usize) -> Transition {
        check_action(action, 2);
        let [position, velocity, angle, angular_velocity] = self.state;
        let force = if action == 1 { FORCE } else { -FORCE };
        let (sin, cos) = angle.sin_cos();
        let pole_moment = POLE_MASS * HALF_LENGTH;
        let push = (force + pole_moment * angular_velocity.powi(2) * sin) / TOTAL_MASS;
        let angular_acceleration = (GRAVITY * sin - cos * push)
            / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cos.powi(2) / TOTAL_MASS));
        let acceleration = push - pole_moment * angular_acceleration * cos / TOTAL_MASS;

        let position = position + STEP_SECONDS * velocity;
        let angle = angle + STEP_SECONDS * angular_velocity;
        self.state = [
            position,
            velocity + STEP_SECONDS * acceleration,
            angle,
            angular_velocity + STEP_SECONDS * angular_acceleration,
        ];
        self.steps += 1;

        Transition {
            terminated: position.abs() > POSITION_LIMIT || angle.abs() > ANGLE_LIMIT,
            truncated: self.steps >= Self::MAX_STEPS,
            ..Transition::ongoing(1.0)
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
        let saved: Self = state::restore("CartPole", saved)?;
        state::check_index("CartPole", "steps", saved.steps, Self::MAX_STEPS + 1)?;
        *self = saved;
        Ok(())
    }
}

burn_environment!(CartPole, [f64; 4], CartPole::MAX_STEPS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rl::env::trajectory::assert_replays;

    #[test]
    fn initial_states_lie_in_the_range_and_differ() {
        let mut environment = CartPole::new();
        let mut seen = Vec::new();
        for _ in 0..1000 {
            DiscreteEnvironment::reset(&mut environment);
            let state = CartPole::state(&environment);
            assert!(state.iter().all(|x| x.abs() < INITIAL_RANGE));
            seen.push(state);
        }
        seen.dedup();
        assert_eq!(seen.len(), 1000);
        for component in 0..4 {
            let mean = seen.iter().map(|s| s[component]).sum::<f64>() / 1000.0;
            // The standard error of the mean is 0.05 / sqrt(3000).
            assert!(
                mean.abs() < 4.0 * 0.05 / 3000_f64.sqrt(),
                "{component}: {mean}"
            );
        }
    }

    /// The published equations, written out by hand, at a state with a moving pole.
    #[test]
    fn one_step_of_the_published_equations() {
        let mut environment = CartPole::new();
        let (x, v, a, w) = (0.1, -0.3, 0.05, 0.4_f64);
        environment.set_state([x, v, a, w]);
        DiscreteEnvironment::step(&mut environment, 0);
        let temp = (-10.0 + 0.05 * w * w * a.sin()) / 1.1;
        let angular =
            (9.8 * a.sin() - a.cos() * temp) / (0.5 * (4.0 / 3.0 - 0.1 * a.cos() * a.cos() / 1.1));
        let linear = temp - 0.05 * angular * a.cos() / 1.1;
        let want = [
            x + 0.02 * v,
            v + 0.02 * linear,
            a + 0.02 * w,
            w + 0.02 * angular,
        ];
        for (got, want) in CartPole::state(&environment).into_iter().zip(want) {
            assert!((got - want).abs() < 1e-15, "{got} {want}");
        }
    }

    #[test]
    fn trajectories_of_gymnasium() {
        let file = include_str!("../../../tests/data/environments/cartpole.json");
        let put = |environment: &mut CartPole, state| environment.state = state;
        assert_replays(file, CartPole::new, put, CartPole::state, 1e-12);
    }

    #[test]
    fn a_pole_that_falls_terminates_and_one_that_stands_truncates() {
        let mut environment = CartPole::new();
        environment.set_state([0.0, 0.0, 0.2, 1.0]);
        let last = std::iter::repeat_with(|| DiscreteEnvironment::step(&mut environment, 1))
            .take(20)
            .find(Transition::done)
            .expect("a pole at 11 degrees that falls ends within 20 steps");
        assert!(last.terminated && !last.truncated && last.reward == 1.0);

        // A hand-written controller balances the pole.
        environment.set_state([0.0; 4]);
        for step in 1..=CartPole::MAX_STEPS {
            let [x, v, a, w] = CartPole::state(&environment);
            let action = usize::from(0.1 * x + 0.3 * v + 4.0 * a + w > 0.0);
            let transition = DiscreteEnvironment::step(&mut environment, action);
            assert!(!transition.terminated);
            assert_eq!(transition.truncated, step == CartPole::MAX_STEPS);
        }
    }
}

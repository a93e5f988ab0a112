use super::environment::{burn_environment, check_action};
use super::{DiscreteEnvironment, ObservationSizeError, RestoreError, Transition, state};
use crate::experiment::{Purpose, Stream, stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::f64::consts::{PI, TAU};

/// Acrobot-v1 as Gymnasium defines it, with the dynamics of the book of Sutton and Barto: two links that hang from a
/// fixed joint. The actions apply the torque -1 (action 0), 0 (1) or 1 (2) to the joint between them.
///
/// * Observation: cosine and sine of the first angle, cosine and sine of the second, and the two angular velocities.
/// * Reward: -1 for every step, and 0 for the step that reaches the goal.
/// * Terminated: the free end is more than the length of one link above the fixed joint. Truncated: after 500 steps.
/// * Initial state: each component uniform in (-0.1, 0.1), rounded to `f32`.
///
/// The state is kept in `f64`, as in Gymnasium. Each step is one Runge-Kutta step of fourth order of 0.2 s. A step from
/// the same state agrees with Gymnasium's to 1e-12: the sines of NumPy and of the standard library may differ in the
/// last bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acrobot {
    /// The angle of the first link from the vertical, that of the second link from the first, and their velocities.
    links: [f64; 4],
    steps: usize,
    resets: Stream,
}

const NAME: &str = "Acrobot";
const STEP_SECONDS: f64 = 0.2;
const MAX_VELOCITIES: [f64; 2] = [4.0 * PI, 9.0 * PI];
const INITIAL_RANGE: f64 = 0.1;
const GRAVITY: f64 = 9.8;
// The lengths, masses and moments of inertia of both links are 1. The center of mass is in the middle.
const CENTER: f64 = 0.5;

impl Acrobot {
    /// The number of steps after which an episode is truncated.
    pub const MAX_STEPS: usize = 500;

    /// Creates an environment that draws its initial states from [`Purpose::Resets`].
    pub fn new() -> Self {
        let mut environment = Self {
            links: [0.0; 4],
            steps: 0,
            resets: stream(0, Purpose::Resets, 0),
        };
        environment.reset();
        environment
    }

    /// Returns the two angles, in (-pi, pi), and their velocities.
    pub fn state(&self) -> [f64; 4] {
        self.links
    }

    /// Sets the state and begins an episode in it.
    pub fn set_state(&mut self, state: [f64; 4]) {
        self.links = state;
        self.steps = 0;
    }
}

impl Default for Acrobot {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the derivative of the state in time.
fn derivative([first, second, v1, v2]: [f64; 4], torque: f64) -> [f64; 4] {
    let (sin, cos) = second.sin_cos();
    let square = CENTER * CENTER;
    let d1 = square + (1.0 + square + 2.0 * CENTER * cos) + 1.0 + 1.0;
    let d2 = (square + CENTER * cos) + 1.0;
    let phi2 = CENTER * GRAVITY * (first + second - PI / 2.0).cos();
    let phi1 = -CENTER * v2 * v2 * sin - 2.0 * CENTER * v2 * v1 * sin
        + (CENTER + 1.0) * GRAVITY * (first - PI / 2.0).cos()
        + phi2;
    let a2 =
        (torque + d2 / d1 * phi1 - CENTER * v1 * v1 * sin - phi2) / (square + 1.0 - d2 * d2 / d1);
    let a1 = -(d2 * a2 + phi1) / d1;
    [v1, v2, a1, a2]
}

/// Returns the state after one Runge-Kutta step of fourth order.
fn runge_kutta(state: [f64; 4], torque: f64) -> [f64; 4] {
    let moved = |slope: [f64; 4], seconds: f64| {
        let at = std::array::from_fn(|i| state[i] + seconds * slope[i]);
        derivative(at, torque)
    };
    let k1 = derivative(state, torque);
    let k2 = moved(k1, STEP_SECONDS / 2.0);
    let k3 = moved(k2, STEP_SECONDS / 2.0);
    let k4 = moved(k3, STEP_SECONDS);
    std::array::from_fn(|i| {
        state[i] + STEP_SECONDS / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i])
    })
}

/// Returns the angle in (-pi, pi), with Gymnasium's rounding.
fn wrapped(angle: f64) -> f64 {
    // A step moves an angle by a few turns at most. Of a larger one, a subtracted turn may leave no trace.
    let mut angle = if angle.abs() > 8.0 * TAU {
        angle % TAU
    } else {
        angle
    };
    while angle > PI {
        angle -= TAU;
    }
    while angle < -PI {
        angle += TAU;
    }
    angle
}

impl DiscreteEnvironment for Acrobot {
    fn observation_size(&self) -> usize {
        6
    }

    fn actions(&self) -> usize {
        3
    }

    fn seed(&mut self, seed: u64, index: u32) {
        self.resets = stream(seed, Purpose::Resets, index);
        self.reset();
    }

    fn reset(&mut self) {
        let mut draw = || {
            let component: f64 = self.resets.random_range(-INITIAL_RANGE..INITIAL_RANGE);
            f64::from(component as f32)
        };
        let state = [draw(), draw(), draw(), draw()];
        self.set_state(state);
    }

    fn step(&mut self, action: usize) -> Transition {
        check_action(action, 3);
        let [first, second, v1, v2] = runge_kutta(self.links, action as f64 - 1.0);
        let (first, second) = (wrapped(first), wrapped(second));
        let [most1, most2] = MAX_VELOCITIES;
        self.links = [
            first,
            second,
            v1.clamp(-most1, most1),
            v2.clamp(-most2, most2),
        ];
        self.steps += 1;
        let terminated = -first.cos() - (second + first).cos() > 1.0;
        Transition {
            terminated,
            truncated: self.steps >= Self::MAX_STEPS,
            ..Transition::ongoing(if terminated { 0.0 } else { -1.0 })
        }
    }

    fn observe(&self, observation: &mut [f32]) -> Result<(), ObservationSizeError> {
        let [first, second, v1, v2] = self.links;
        let components = [first.cos(), first.sin(), second.cos(), second.sin(), v1, v2];
        for (o, component) in observation.iter_mut().zip(components) {
            *o = component as f32;
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

burn_environment!(Acrobot, [f64; 4], Acrobot::MAX_STEPS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rl::env::trajectory::assert_replays;

    #[test]
    fn initial_states_lie_in_the_range_and_are_f32() {
        let mut environment = Acrobot::new();
        for _ in 0..1000 {
            DiscreteEnvironment::reset(&mut environment);
            for component in environment.links {
                assert!(component.abs() <= f64::from(INITIAL_RANGE as f32));
                assert_eq!(f64::from(component as f32), component);
            }
        }
    }

    #[test]
    fn trajectories_of_gymnasium() {
        let file = include_str!("../../../tests/data/environments/acrobot.json");
        let put = |environment: &mut Acrobot, state| environment.links = state;
        assert_replays(file, Acrobot::new, put, Acrobot::state, 1e-12);
    }

    /// Torque along with the velocity of the second link swings the links up.
    #[test]
    fn links_that_swing_reach_the_goal_and_links_at_rest_do_not() {
        let run = |action: fn([f64; 4]) -> usize| {
            let mut environment = Acrobot::new();
            environment.set_state([0.0; 4]);
            let steps = std::iter::repeat_with(|| {
                let action = action(environment.links);
                DiscreteEnvironment::step(&mut environment, action)
            });
            let steps: Vec<_> = steps.take(Acrobot::MAX_STEPS).collect();
            let last = steps.iter().position(Transition::done).expect("an end");
            (last + 1, steps[last])
        };
        let (steps, last) = run(|[_, _, v1, _]| if v1 < 0.0 { 2 } else { 0 });
        assert!(last.terminated && last.reward == 0.0, "{steps}: {last:?}");
        let (steps, last) = run(|_| 1);
        assert!(last.truncated && last.reward == -1.0 && steps == Acrobot::MAX_STEPS);
    }

    #[test]
    fn angles_of_any_size_are_wrapped() {
        for angle in [0.0, 3.0, -3.0, 4.0, -4.0, 100.0, 1e300, -1e300] {
            assert!(wrapped(angle).abs() <= PI, "{angle}");
            assert!((wrapped(angle).sin() - angle.sin()).abs() < 1e-9 || angle.abs() > 1e9);
        }
        assert!(wrapped(f64::NAN).is_nan());
    }
}

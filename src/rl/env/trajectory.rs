//! Compares an environment with trajectories of Gymnasium (`tests/data/environments`).

use super::DiscreteEnvironment;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
#[serde(bound = "S: DeserializeOwned")]
struct Trajectory<S> {
    name: String,
    actions: String,
    reward: f64,
    last_reward: f64,
    /// The first state, the state after every [`EVERY`] steps, and the last state.
    states: Vec<S>,
    terminated: bool,
    truncated: bool,
}

const EVERY: usize = 20;

/// Replays the trajectories in a file, from each recorded state to the next. `put` changes the state within an episode.
pub(super) fn assert_replays<E: DiscreteEnvironment, const N: usize>(
    file: &str,
    make: fn() -> E,
    put: impl Fn(&mut E, [f64; N]),
    state: impl Fn(&E) -> [f64; N],
    tolerance: f64,
) where
    [f64; N]: DeserializeOwned,
{
    let trajectories: Vec<Trajectory<[f64; N]>> = serde_json::from_str(file).expect("trajectories");
    assert!(!trajectories.is_empty());
    for trajectory in trajectories {
        let (name, steps) = (&trajectory.name, trajectory.actions.len());
        let parts = trajectory.actions.as_bytes().chunks(EVERY);
        assert_eq!(parts.len() + 1, trajectory.states.len(), "{name}");
        let mut environment = make();
        let mut done = 0;
        for (part, ends) in parts.zip(trajectory.states.windows(2)) {
            put(&mut environment, ends[0]);
            for action in part {
                let transition = environment.step(usize::from(action - b'0'));
                done += 1;
                let last = done == steps;
                let reward = if last {
                    trajectory.last_reward
                } else {
                    trajectory.reward
                };
                assert_eq!(transition.reward, reward, "{name} {done}");
                assert_eq!(
                    transition.terminated,
                    last && trajectory.terminated,
                    "{name} {done}"
                );
                assert_eq!(
                    transition.truncated,
                    last && trajectory.truncated,
                    "{name} {done}"
                );
            }
            for (got, want) in state(&environment).into_iter().zip(ends[1]) {
                assert!(
                    (got - want).abs() < tolerance,
                    "{name} {done}: {got} {want}"
                );
            }
        }
    }
}

//! Tests of the Python process. Those of its faults need `python3`, the others a Python with Gymnasium
//! (`TSALLIS_PYTHON`). Without them, the tests are skipped unless `TSALLIS_REQUIRE_GYMNASIUM=1`.

use burn_tsallis::rl::env::{
    Acrobot, CartPole, DiscreteEnvironment, EnvironmentBatch, Gymnasium, GymnasiumConfig,
    GymnasiumError, MountainCar, VectorEnvironment, VectorStep,
};
use serde_json::{Map, Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gymnasium");

/// Returns whether a Python can be used. Prints a note or panics if not.
fn is_there(found: bool, what: &str) -> bool {
    let required = std::env::var_os("TSALLIS_REQUIRE_GYMNASIUM").is_some_and(|value| value == "1");
    assert!(found || !required, "{what} was not found");
    if !found {
        println!("SKIPPED: {what} was not found");
    }
    found
}

fn config(python: &str) -> GymnasiumConfig {
    GymnasiumConfig {
        python: format!("{FOLDER}/{python}"),
        timeout: 20.0,
        ..GymnasiumConfig::default()
    }
}

/// Returns the settings of the Python that has Gymnasium, or `None` without one.
fn gymnasium(arguments: Value) -> Option<GymnasiumConfig> {
    let found = std::env::var_os("TSALLIS_PYTHON").is_some();
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    is_there(found, "a Python with Gymnasium (TSALLIS_PYTHON)").then(|| GymnasiumConfig {
        arguments,
        ..config("python")
    })
}

/// Returns the error of the fake Python with a fault, and the time that it took.
fn fault(fault: &str) -> (String, Duration) {
    let timeout = if fault.contains("hang") { 4.0 } else { 20.0 };
    let config = GymnasiumConfig {
        timeout,
        ..config("fake_python")
    };
    let started = Instant::now();
    let failed = || {
        let environments = Gymnasium::start(fault, 3, 11, &config)?;
        let mut environments = VectorEnvironment::from_batch(environments)?;
        environments.seed(0)?;
        let mut step = VectorStep::default();
        for _ in 0..4 {
            environments.step(&[0, 1, 2], &mut step)?;
        }
        Ok(())
    };
    let error: Box<dyn std::error::Error> = match failed() {
        Ok(()) => panic!("{fault}: no error"),
        Err(error) => error,
    };
    (error.to_string(), started.elapsed())
}

fn has_python() -> bool {
    let python = Command::new("python3").arg("--version").output();
    is_there(
        python.is_ok_and(|output| output.status.success()),
        "python3",
    )
}

#[test]
fn every_fault_of_the_process_is_named() {
    if !has_python() {
        return;
    }
    for (name, words) in [
        ("refused", "no such environment"),
        (
            "silent",
            "ended without an answer (exit status: 3); it printed nothing",
        ),
        (
            "garbage",
            "sent no valid reply: it begins with \"Loading \"; its last lines:\n  printing to the pipe",
        ),
        ("huge", "sent no valid reply: its length is 2147483648"),
        (
            "version",
            "protocol, autoreset and environments are (2, \"SameStep\", 3) instead of (1, \"SameStep\", 3)",
        ),
        ("autoreset", "are (1, \"NextStep\", 3) instead of"),
        ("count", "are (1, \"SameStep\", 4) instead of"),
        ("bounds", "component 0 of the actions is from 1 to -1"),
        ("no actions", "0 actions: at least one of each is required"),
        ("killed", "ended without an answer ("),
        (
            "last words",
            "exit status: 7); its last lines:\n  line 20\n",
        ),
        (
            "exception",
            "an environment raised ValueError: boom\nTraceback\n  line 1\nValueError: boom",
        ),
        ("half", "ended without an answer (exit status: 0)"),
        ("short", "its length is 50 instead of 51 to 75"),
        (
            "long",
            "its length is 59 instead of 51 with 0 ended episodes",
        ),
        ("flags", "its flags are [7, 7, 7]"),
        ("kind", "its kind is 'X' instead of 'O'"),
        (
            "nan",
            "environment 0 returned the reward NaN: rewards must be finite",
        ),
        (
            "hang at the start",
            "gave no answer for 4 s (--env-timeout); its last lines:\n  waiting for a license",
        ),
        (
            "hang",
            "gave no answer for 4 s (--env-timeout); its last lines:\n  thinking",
        ),
    ] {
        let (message, took) = fault(name);
        assert!(message.contains(words), "{name}: {message}");
        assert!(took < Duration::from_secs(15), "{name}: {took:?}");
    }
}

#[test]
fn a_program_that_is_no_python_is_named() {
    let start = |python: &str| {
        let config = GymnasiumConfig {
            python: python.to_owned(),
            ..GymnasiumConfig::default()
        };
        Gymnasium::start("CartPole-v1", 1, 11, &config)
            .err()
            .expect("no Python")
    };
    let error = start("/no/python");
    assert!(error.is_usage());
    let message = error.to_string();
    assert!(
        message.starts_with("cannot start \"/no/python\": No such file"),
        "{message}"
    );
    assert!(
        message.contains("pip install \"gymnasium[mujoco]\""),
        "{message}"
    );
    let error = start("true");
    assert!(matches!(error, GymnasiumError::Died { .. }), "{error}");
    if has_python() {
        let error = start(&format!("{FOLDER}/bare_python"));
        assert!(error.is_usage());
        let message = error.to_string();
        let words = "cannot import gymnasium (No module named 'gymnasium'): install it with `";
        assert!(message.contains(words), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn rewards_flags_and_final_observations_arrive() {
    if !has_python() {
        return;
    }
    let mut environments =
        Gymnasium::start("ends", 2, 11, &config("fake_python")).expect("a server");
    assert_eq!(environments.versions()["python"], "3.fake");
    environments.seed(0, 0).expect("an answer");
    let mut observations = [0.0; 4];
    for count in 1..=4 {
        let mut step = VectorStep::default();
        environments.step(&[0, 2], &mut step).expect("a step");
        environments
            .observe(&mut observations)
            .expect("observations");
        assert_eq!(observations, [0.0, 1.0, 2.0, 3.0]);
        assert!(
            step.transitions
                .iter()
                .all(|transition| transition.reward == 1.0)
        );
        let ended = count >= 3;
        assert!(
            step.transitions
                .iter()
                .all(|t| t.terminated == ended && t.truncated == ended)
        );
        let wanted: &[(usize, &[f32])] = &[(0, &[9.0, 9.0]), (1, &[9.0, 9.0])];
        let finals: Vec<_> = step.final_observations().collect();
        assert_eq!(finals, if ended { wanted } else { &[] });
    }
    assert!(environments.save().is_none());
}

/// Takes a step from each of 10 000 states in one of our environments and in Gymnasium's, and compares the observations.
fn assert_agrees<E: DiscreteEnvironment, const N: usize>(
    name: &str,
    mut ours: E,
    set_state: impl Fn(&mut E, [f64; N]),
    least: [f64; N],
    most: [f64; N],
) {
    const STEPS: usize = 10_000;
    let mut draw = 1_u64;
    let mut uniform = || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (draw >> 11) as f64 / (1_u64 << 53) as f64
    };
    let states: Vec<[f64; N]> = (0..STEPS)
        .map(|_| std::array::from_fn(|i| least[i] + (most[i] - least[i]) * uniform()))
        .collect();
    let states_json: Vec<&[f64]> = states.iter().map(|state| &state[..]).collect();
    let Some(config) = gymnasium(json!({ "name": name, "states": states_json })) else {
        return;
    };
    let id = "tsallis_environments:FromStates-v0";
    let theirs = Gymnasium::start(id, 1, 11, &config).expect("Gymnasium");
    assert_eq!(theirs.action_space().sizes(), [ours.actions()]);
    let mut theirs = VectorEnvironment::from_batch(theirs).expect("an environment");
    theirs.seed(0).expect("a first episode");
    let size = ours.observation_size();
    let (mut got, mut want) = (vec![0.0; size], vec![0.0; size]);
    let mut step = VectorStep::default();
    let mut ended = 0;
    for (count, state) in states.into_iter().enumerate() {
        let action = count % ours.actions();
        set_state(&mut ours, state);
        let transition = ours.step(action);
        ours.observe(&mut got).expect("an observation");
        theirs.step(&[action], &mut step).expect("a step");
        assert_eq!(step.transitions, [transition], "{name} {state:?}");
        match step.final_observations().next() {
            Some((_, last)) => want.copy_from_slice(last),
            None => theirs.observe_into(&mut want).expect("an observation"),
        }
        ended += usize::from(transition.terminated);
        for (got, want) in got.iter().zip(&want) {
            // The sines of NumPy and of the standard library may differ in the last bit of an f64.
            assert!(
                (got - want).abs() <= 2.0 * f32::EPSILON * want.abs().max(1e-3),
                "{name} {state:?}: {got} {want}"
            );
        }
    }
    assert!(
        (100..9900).contains(&ended),
        "{ended} of {STEPS} steps end an episode"
    );
}

#[test]
fn the_environments_of_this_crate_agree_with_gymnasium() {
    assert_agrees(
        "CartPole-v1",
        CartPole::new(),
        CartPole::set_state,
        [-2.5, -3.0, -0.25, -3.0],
        [2.5, 3.0, 0.25, 3.0],
    );
    let pi = std::f64::consts::PI;
    assert_agrees(
        "Acrobot-v1",
        Acrobot::new(),
        Acrobot::set_state,
        [-pi, -pi, -4.0 * pi, -9.0 * pi],
        [pi, pi, 4.0 * pi, 9.0 * pi],
    );
    assert_agrees(
        "MountainCar-v0",
        MountainCar::new(),
        MountainCar::set_state,
        [-1.2, -0.07],
        [0.6, 0.07],
    );
}

/// The environment observes its actions, and fails if one is not in its space.
#[test]
fn actions_arrive_as_the_space_has_them() {
    type Case = (
        &'static str,
        &'static [usize],
        &'static [usize],
        &'static [f32],
    );
    let cases: [Case; 6] = [
        ("discrete", &[4], &[2], &[1.0]),
        ("multi", &[4, 3, 2], &[3, 0, 1], &[3.0, 0.0, 1.0]),
        ("grid", &[4, 3, 2, 5], &[3, 2, 0, 4], &[3.0, 2.0, 0.0, 4.0]),
        ("box", &[5, 5], &[4, 1], &[1.0, 0.75]),
        ("double", &[5, 5], &[0, 4], &[-0.1, 0.1]),
        ("whole", &[5, 5], &[1, 4], &[1.0, 3.0]),
    ];
    for (space, sizes, action, wanted) in cases {
        let Some(config) = gymnasium(json!({ "action": space })) else {
            return;
        };
        let id = "tsallis_environments:Spaces-v0";
        let mut environments = Gymnasium::start(id, 2, 5, &config).expect(space);
        assert_eq!(environments.action_space().sizes(), sizes, "{space}");
        environments.seed(7, 3).expect("a first episode");
        let width = wanted.len();
        let mut observations = vec![0.0; 2 * 2 * width];
        environments
            .observe(&mut observations)
            .expect("observations");
        let seeds = [observations[0], observations[2 * width]];
        assert_ne!(seeds[0], seeds[1]);
        for count in 1..=4_u8 {
            let mut step = VectorStep::default();
            let actions = [action, action].concat();
            environments.step(&actions, &mut step).expect(space);
            environments
                .observe(&mut observations)
                .expect("observations");
            // After three steps, a new episode begins in the same step.
            let (now, first) = if count == 3 {
                (0.0, seeds[0] + 1.0)
            } else {
                (f32::from(count % 3), wanted[0])
            };
            assert_eq!(observations[0], first, "{space} {count}");
            assert_eq!(observations[width], now, "{space} {count}");
            assert_eq!(
                step.transitions[1].reward,
                0.5 * f64::from((count - 1) % 3 + 1)
            );
            let finals: Vec<_> = step.final_observations().collect();
            let last = [wanted, &vec![3.0; width][..]].concat();
            let both = [(0, &last[..]), (1, &last[..])];
            assert_eq!(
                finals,
                if count == 3 { &both[..] } else { &[] },
                "{space} {count}"
            );
        }
    }
}

#[test]
fn a_seed_decides_the_initial_states() {
    let Some(config) = gymnasium(json!({})) else {
        return;
    };
    let first = |seed, index| {
        let mut environments = Gymnasium::start("CartPole-v1", 2, 11, &config).expect("Gymnasium");
        environments.seed(seed, index).expect("a first episode");
        let mut observations = [0.0; 8];
        environments
            .observe(&mut observations)
            .expect("observations");
        observations
    };
    let all = first(1, 0);
    assert_eq!(all, first(1, 0));
    assert_eq!(all[4..], first(1, 1)[..4]);
    assert_ne!(all[..4], all[4..]);
    assert_ne!(all, first(2, 0));
}

#[test]
fn spaces_and_names_that_are_not_served_are_named_in_one_line() {
    let refused = |id: &str, arguments: Value, words: &str| {
        let Some(config) = gymnasium(arguments) else {
            return;
        };
        let error = Gymnasium::start(id, 1, 11, &config).err().expect(words);
        let message = error.to_string();
        assert!(error.is_usage() && message.contains(words), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    };
    let spaces = "tsallis_environments:Spaces-v0";
    for observation in ["multi", "dict", "tuple", "text"] {
        let words = "served are actions in Discrete, MultiDiscrete and bounded Box spaces, and observations in Box";
        refused(spaces, json!({ "observation": observation }), words);
    }
    refused(
        spaces,
        json!({ "observation": "large" }),
        "its observations have 100800 components",
    );
    refused(spaces, json!({ "action": "dict" }), "its actions are Dict");
    refused(
        spaces,
        json!({ "action": "unbounded" }),
        "bins need finite bounds",
    );
    refused(
        "Nope-v0",
        json!({}),
        "Gymnasium cannot make 'Nope-v0': Environment `Nope` doesn't exist",
    );
    refused(
        "CartPole-v1",
        json!({ "mass": 2 }),
        "with {\"mass\": 2}: TypeError",
    );
    refused(
        "no_such_package:Nope-v0",
        json!({}),
        "No module named 'no_such_package'",
    );
    refused(
        "tsallis_environments:Faulty-v0",
        json!({ "fault": "constructor" }),
        "KeyError: 'level 1' (line ",
    );
}

#[test]
fn images_and_discrete_observations_are_served() {
    for (observation, size) in [("image", 192), ("discrete", 4)] {
        let Some(config) = gymnasium(json!({ "observation": observation })) else {
            return;
        };
        let id = "tsallis_environments:Spaces-v0";
        let mut environments = Gymnasium::start(id, 1, 11, &config).expect(observation);
        assert_eq!(environments.observation_size(), size);
        environments.seed(0, 0).expect("a first episode");
        let mut seen = vec![0.0; size];
        environments.observe(&mut seen).expect("an observation");
        let sum: f32 = seen.iter().sum();
        assert!(
            if observation == "image" {
                sum > 1000.0
            } else {
                sum == 1.0
            },
            "{seen:?}"
        );
    }
}

/// Takes steps in an environment with a fault at its 40th step.
fn faulty(fault: &str) -> Option<String> {
    let arguments = json!({ "fault": fault });
    let config = GymnasiumConfig {
        timeout: if fault == "hangs" || fault == "spins" {
            6.0
        } else {
            20.0
        },
        ..gymnasium(arguments)?
    };
    let id = "tsallis_environments:Faulty-v0";
    let environments = Gymnasium::start(id, 2, 11, &config).expect("an environment");
    let mut environments = VectorEnvironment::from_batch(environments).expect("sizes");
    environments.seed(0).expect("a first episode");
    let mut step = VectorStep::default();
    let error = (0..100).find_map(|_| environments.step(&[0, 1], &mut step).err());
    Some(error.map_or(String::new(), |error| error.to_string()))
}

#[test]
fn faults_of_an_environment_arrive_with_their_cause() {
    for (fault, words) in [
        (
            "raises",
            "an environment raised ValueError: the car left the road\nTraceback (most recent call last)",
        ),
        ("exits", "an environment raised SystemExit: 4"),
        ("dies", "(exit status: 5); its last lines:\n  a last word"),
        (
            "hangs",
            "gave no answer for 6 s (--env-timeout); its last lines:\n  thinking",
        ),
        ("spins", "gave no answer for 6 s"),
        (
            "shape",
            "ValueError: an observation has the shape (1,) instead of (2,)",
        ),
        (
            "infinite",
            "environment 0 returned an observation whose component 1 is inf",
        ),
        ("nan", "environment 0 returned the reward NaN"),
        ("none", "environment 0 returned the reward NaN"),
    ] {
        let Some(message) = faulty(fault) else {
            return;
        };
        assert!(message.contains(words), "{fault}: {message}");
    }
    // What an environment prints does no harm, and it reads nothing.
    assert_eq!(faulty("prints"), Some(String::new()));
}

/// The arguments arrive as JSON has them.
#[test]
fn arguments_are_handed_on() {
    let Some(mut config) = gymnasium(json!({ "sutton_barto_reward": true })) else {
        return;
    };
    let mut reward = || {
        let mut environments = Gymnasium::start("CartPole-v1", 1, 11, &config).expect("Gymnasium");
        environments.seed(0, 0).expect("a first episode");
        let mut step = VectorStep::default();
        environments.step(&[0], &mut step).expect("a step");
        config.arguments = Map::new();
        step.transitions[0].reward
    };
    assert_eq!([reward(), reward()], [0.0, 1.0]);
}

use burn_tsallis::rl::env::{
    Acrobot, Bandit, CartPole, DeepSea, DiscreteEnvironment, EpisodeStatistics, FactoredIdentity,
    Identity, MountainCar, NChain, RecordedBatch, RestoreError, RewardNoise, TimeLimit,
    VectorEnvironment, VectorStep,
};

use std::ops::Range;

type Boxed = Box<dyn DiscreteEnvironment>;

/// Returns the rewards, flags, episodes and observations of steps. A new episode begins where one ends.
fn play(environment: &mut Boxed, steps: Range<usize>) -> Vec<String> {
    let mut observation = vec![0.0; environment.observation_size()];
    steps
        .map(|i| {
            // Actions that favor one side make long episodes.
            let action = usize::from(i % 3 != 0) % environment.actions();
            let transition = environment.step(action);
            if transition.done() {
                environment.reset();
            }
            environment
                .observe(&mut observation)
                .expect("an observation");
            format!("{transition:?} {observation:?}")
        })
        .collect()
}

fn wrapped(environment: Boxed) -> Boxed {
    let limited = TimeLimit::new(environment, 9);
    let noisy = RewardNoise::new(EpisodeStatistics::new(limited), 0.7);
    Box::new(noisy.with_first_step_exempt(true))
}

/// Returns every environment, without and with wrappers.
fn all() -> Vec<fn() -> Boxed> {
    vec![
        || Box::new(CartPole::new()),
        || Box::new(DeepSea::new(6, 42)),
        || Box::new(DeepSea::new(6, 42).stochastic()),
        || Box::new(NChain::new(5)),
        || Box::new(Bandit::random(4, 1)),
        || Box::new(Identity::new(3)),
        || Box::new(Acrobot::new()),
        || Box::new(MountainCar::new()),
        || wrapped(Box::new(CartPole::new())),
        || wrapped(Box::new(DeepSea::new(6, 42).stochastic())),
        || wrapped(Box::new(NChain::new(5))),
        || wrapped(Box::new(Bandit::random(4, 1))),
        || wrapped(Box::new(Identity::new(3))),
        || wrapped(Box::new(Acrobot::new())),
    ]
}

/// A run that is saved at any step, read back from text and restored into a new environment continues like
/// the uninterrupted run, bit for bit.
#[test]
fn a_restored_run_is_the_straight_run() {
    const STEPS: usize = 40;
    for (kind, make) in all().into_iter().enumerate() {
        let mut straight = make();
        straight.seed(11, 2);
        let wanted = play(&mut straight, 0..STEPS);
        for cut in [0, 1, 5, 9, 23] {
            let mut first = make();
            first.seed(11, 2);
            play(&mut first, 0..cut);
            let text = first.save().expect("a state").to_string();
            let mut second = make();
            second.seed(5, 0);
            play(&mut second, 0..3);
            let saved = serde_json::from_str(&text).expect("JSON");
            second.restore(&saved).expect("a state");
            assert_eq!(
                play(&mut second, cut..STEPS),
                wanted[cut..],
                "environment {kind}, cut at {cut}"
            );
        }
    }
}

#[test]
fn a_seed_decides_everything() {
    for (kind, make) in all().into_iter().enumerate() {
        let run = |seed, index| {
            let mut environment = make();
            play(&mut environment, 0..4);
            environment.seed(seed, index);
            play(&mut environment, 0..30)
        };
        assert_eq!(run(3, 1), run(3, 1), "environment {kind}");
        // The deterministic sea and the chain draw no random numbers.
        if ![1, 3].contains(&kind) {
            assert_ne!(run(3, 1), run(3, 2), "environment {kind}");
            assert_ne!(run(3, 1), run(4, 1), "environment {kind}");
        }
    }
}

/// Replaces every number that is counted in steps.
fn with_steps(state: &mut serde_json::Value, count: usize) {
    match state {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let counted = ["steps", "length"].contains(&name.as_str());
                // The time limit saves its number of steps alone.
                if counted || (name == "wrapper" && value.is_u64()) {
                    *value = count.into();
                } else {
                    with_steps(value, count);
                }
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(|v| with_steps(v, count)),
        _ => {}
    }
}

/// A number of steps from a damaged file is refused, or does not overflow.
#[test]
fn any_number_of_steps_can_be_restored_or_is_refused() {
    let mut refused = 0;
    for make in all() {
        for count in [usize::MAX, usize::MAX - 1, 1 << 40] {
            let mut environment = make();
            environment.seed(1, 0);
            let mut state = environment.save().expect("a state");
            with_steps(&mut state, count);
            match environment.restore(&state) {
                Ok(()) => drop(play(&mut environment, 0..3)),
                Err(_) => refused += 1,
            }
        }
    }
    // CartPole, NChain, Identity, Acrobot and MountainCar, and every time limit.
    assert_eq!(refused, 3 * (5 + 6));
    // The statistics have no limit of their own.
    let mut environment = EpisodeStatistics::new(NChain::new(5));
    let mut state = environment.save().expect("a state");
    state["wrapper"]["length"] = usize::MAX.into();
    environment.restore(&state).expect("a length");
    environment.step(0);
}

#[test]
fn a_state_of_something_else_is_refused_and_changes_nothing() {
    for (i, make) in all().into_iter().enumerate() {
        for (j, other) in all().into_iter().enumerate() {
            // The states of these environments have the same form.
            let alike = [[1, 2], [2, 1], [4, 5]].contains(&[i, j]);
            if i == j || alike {
                continue;
            }
            let mut environment = make();
            environment.seed(1, 0);
            let before = environment.save();
            let mut other = other();
            play(&mut other, 0..4);
            if environment
                .restore(&other.save().expect("a state"))
                .is_err()
            {
                assert_eq!(environment.save(), before, "{i} from {j}");
            } else {
                panic!("environment {i} took the state of environment {j}");
            }
        }
    }
}

#[test]
fn a_state_out_of_range_is_refused() {
    let refused = |mut small: Boxed, mut large: Boxed, words: &str| {
        for _ in 0..6 {
            large.step(1);
        }
        let saved = large.save().expect("a state");
        let message = small.restore(&saved).expect_err(words).to_string();
        assert!(message.contains(words), "{message}");
    };
    refused(
        Box::new(NChain::new(3)),
        Box::new(NChain::new(9)),
        "invalid saved state of NChain: state 7 is not below 3",
    );
    refused(
        Box::new(DeepSea::unmapped(3)),
        Box::new(DeepSea::unmapped(9)),
        "invalid saved state of DeepSea: row 6 is not below 4",
    );
    let mut identity = Identity::new(2);
    let mut saved = identity.save().expect("a state");
    saved["wanted"] = 2.into();
    let message = identity
        .restore(&saved)
        .expect_err("a bad state")
        .to_string();
    assert!(message.contains("state 2 is not below 2"), "{message}");

    let mut cartpole = CartPole::new();
    for damaged in ["null", "[]", "{}", "{\"state\":[0,0,null,0]}"] {
        let damaged = serde_json::from_str(damaged).expect("JSON");
        let error = cartpole.restore(&damaged).expect_err("a damaged state");
        assert!(
            error
                .to_string()
                .starts_with("invalid saved state of CartPole"),
            "{error}"
        );
    }
}

#[test]
fn a_vector_is_saved_and_restored() {
    let single = |count| {
        VectorEnvironment::seeded(count, 7, || wrapped(Box::new(CartPole::new())))
            .expect("environments")
    };
    let batch = |count| {
        let batch = FactoredIdentity::new(count, &[4, 2]);
        let batch = RecordedBatch::new(batch).with_noise(0.7, true);
        let mut environments = VectorEnvironment::from_batch(batch).expect("environments");
        environments.seed(7).expect("seeded");
        environments
    };
    a_vector_is_saved_and_restored_by(&single);
    a_vector_is_saved_and_restored_by(&batch);
}

fn a_vector_is_saved_and_restored_by(make: &dyn Fn(usize) -> VectorEnvironment) {
    let run = |environments: &mut VectorEnvironment, steps: Range<usize>| {
        let mut step = VectorStep::default();
        let dimensions = environments.spaces().actions.dimensions();
        let mut observations = vec![0.0; 3 * environments.observation_size()];
        let mut seen = Vec::new();
        for i in steps {
            let actions = [i % 2, 1, (i / 2) % 2].repeat(dimensions);
            environments.step(&actions, &mut step).expect("a step");
            environments
                .observe_into(&mut observations)
                .expect("observations");
            seen.push((step.clone(), observations.clone()));
        }
        seen
    };
    let mut straight = make(3);
    let wanted = run(&mut straight, 0..50);
    let mut first = make(3);
    run(&mut first, 0..20);
    let saved = first.save().expect("states");
    let mut second = make(3);
    second.restore(&saved).expect("states");
    assert_eq!(run(&mut second, 20..50), wanted[20..]);

    assert_eq!(
        make(2).restore(&saved),
        Err(RestoreError::Count {
            saved: 3,
            environments: 2
        })
    );
}

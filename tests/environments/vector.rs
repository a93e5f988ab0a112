use crate::corridor::Corridor;
use burn_tsallis::rl::env::{
    ActionSpace, CartPole, DiscreteEnvironment, EnvironmentBatch, EnvironmentError,
    EnvironmentKind, EnvironmentOptions, Identity, NChain, TimeLimit, Transition,
    VectorEnvironment, VectorStep,
};

fn corridors(change: impl Fn(usize, &mut Corridor)) -> VectorEnvironment {
    let corridor = |i| {
        let mut corridor = Corridor::new();
        change(i, &mut corridor);
        Box::new(corridor) as Box<dyn DiscreteEnvironment>
    };
    VectorEnvironment::new((0..3).map(corridor).collect()).expect("three corridors")
}

fn observations(environments: &VectorEnvironment) -> Vec<f32> {
    let mut all = vec![9.0; environments.len() * environments.observation_size()];
    environments.observe_into(&mut all).expect("observations");
    all
}

/// A step returns the last observation of an ended episode and begins the next episode.
#[test]
fn an_episode_that_ends_begins_the_next() {
    let mut environments = corridors(|i, corridor| corridor.state = i);
    let mut step = VectorStep::default();
    environments.step(&[1, 2, 2], &mut step).expect("a step");
    assert_eq!(step.ended(), [2]);
    let last: Vec<_> = step.final_observations().collect();
    assert_eq!(last, [(2, &[3.0, 3.0][..])]);
    assert!(step.transitions[2].terminated && !step.transitions[2].truncated);
    assert_eq!(observations(&environments), [0.0, 0.0, 2.0, 0.0, 0.0, 0.0]);

    environments.step(&[2, 2, 2], &mut step).expect("a step");
    assert_eq!(step.ended(), [1]);
    assert_eq!(step.transitions.len(), 3);
    environments.step(&[1, 1, 1], &mut step).expect("a step");
    assert_eq!(step.ended(), [0; 0]);
    assert_eq!(step.final_observations().len(), 0);
}

#[test]
fn terminated_and_truncated_are_kept_apart() {
    let mut environments = VectorEnvironment::new(vec![
        Box::new(TimeLimit::new(Corridor::new(), 3)),
        Box::new(TimeLimit::new(Corridor::new(), 3)),
        Box::new(TimeLimit::new(Corridor::new(), 9)),
    ])
    .expect("environments");
    let mut step = VectorStep::default();
    for _ in 0..3 {
        environments.step(&[1, 2, 2], &mut step).expect("a step");
    }
    let flags: Vec<_> = step
        .transitions
        .iter()
        .map(|t| (t.terminated, t.truncated))
        .collect();
    assert_eq!(flags, [(false, true), (true, true), (true, false)]);
    let last: Vec<_> = step.final_observations().collect();
    let end = &[3.0, 3.0][..];
    assert_eq!(last, [(0, &[0.0, 0.0][..]), (1, end), (2, end)]);
}

#[test]
fn masks_are_those_of_the_states() {
    let environments = corridors(|i, corridor| corridor.state = i);
    assert!(environments.has_action_mask());
    let mut allowed = [false; 9];
    environments.action_masks_into(&mut allowed).expect("masks");
    let wanted = [false, true, true, true, true, true, true, true, true];
    assert_eq!(allowed, wanted);

    let environments = VectorEnvironment::seeded(2, 0, CartPole::new).expect("environments");
    assert!(!environments.has_action_mask());
    let mut allowed = [false; 4];
    environments.action_masks_into(&mut allowed).expect("masks");
    assert_eq!(allowed, [true; 4]);
}

/// Each environment draws from the streams of its index.
#[test]
fn a_seed_gives_each_environment_its_own_streams() {
    let mut environments = VectorEnvironment::seeded(3, 5, CartPole::new).expect("environments");
    let first = observations(&environments);
    for (i, row) in first.chunks(4).enumerate() {
        let mut alone = CartPole::new();
        alone.seed(5, i as u32);
        let mut observation = [0.0; 4];
        alone.observe(&mut observation).expect("an observation");
        assert_eq!(row, observation);
    }
    assert_ne!(first[..4], first[4..8]);
    environments
        .step(&[0, 1, 0], &mut VectorStep::default())
        .expect("a step");
    environments.seed(5).expect("seeded");
    assert_eq!(observations(&environments), first);
}

#[test]
fn mismatched_environments_are_an_error() {
    let message = |environments: Vec<Box<dyn DiscreteEnvironment>>| {
        VectorEnvironment::new(environments)
            .err()
            .expect("an error")
            .to_string()
    };
    assert_eq!(
        message(Vec::new()),
        "no environment was given: at least one is needed"
    );
    assert_eq!(
        message(vec![
            Box::new(NChain::new(4)),
            Box::new(NChain::new(4)),
            Box::new(Identity::new(4)),
        ]),
        "environment 2 has 4 observation components and 4 actions, but environment 0 has 4 and 2: \
         environments that are stepped together must have the same sizes"
    );
}

/// Errors name the environment, the kind of the invalid value and the value.
#[test]
fn environment_errors_name_the_environment() {
    let wrong = |change: fn(&mut Corridor)| {
        let mut environments = corridors(|i, corridor| {
            if i == 1 {
                change(corridor);
            }
        });
        let mut step = VectorStep::default();
        for _ in 0..2 {
            environments
                .step(&[2; 3], &mut step)
                .expect("within the corridor");
        }
        environments
            .step(&[2; 3], &mut step)
            .expect_err("at its end")
    };
    assert_eq!(
        wrong(|corridor| corridor.reward = f64::NAN).to_string(),
        "environment 1 returned the reward NaN: rewards must be finite"
    );
    assert_eq!(
        wrong(|corridor| corridor.reward = f64::NEG_INFINITY),
        EnvironmentError::Reward {
            index: 1,
            reward: f64::NEG_INFINITY
        }
    );
    assert_eq!(
        wrong(|corridor| corridor.component = f32::NAN).to_string(),
        "environment 1 returned an observation whose component 1 is NaN: observations must be finite"
    );
    assert_eq!(
        wrong(|corridor| corridor.component = f32::INFINITY),
        EnvironmentError::Observation {
            index: 1,
            component: 1,
            value: f32::INFINITY
        }
    );

    let environments = corridors(|i, corridor| {
        corridor.component = f32::NAN;
        corridor.state = if i == 2 { 3 } else { 0 };
    });
    let error = environments.observe_into(&mut [0.0; 6]).expect_err("a NaN");
    assert!(
        error
            .to_string()
            .starts_with("environment 2 returned an observation"),
        "{error}"
    );

    let environments = corridors(|i, corridor| corridor.allows_nothing = i == 2);
    let error = environments.action_masks_into(&mut [true; 9]);
    assert_eq!(error, Err(EnvironmentError::NoAction { index: 2 }));
}

/// Finite numbers of any magnitude pass the check.
#[test]
fn large_and_tiny_observations_are_finite() {
    for component in [f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, -0.0] {
        let environments = corridors(|_, corridor| {
            corridor.component = component;
            corridor.state = 3;
        });
        assert_eq!(
            observations(&environments)[1].to_bits(),
            component.to_bits()
        );
    }
}

#[test]
#[should_panic(expected = "invalid action 2: the actions of this environment are 0 to 1")]
fn an_invalid_action_panics() {
    let mut environments = VectorEnvironment::seeded(1, 0, CartPole::new).expect("one");
    let _ = environments.step(&[2], &mut VectorStep::default());
}

/// The reward is the share of the dimensions whose action is the state, and noise is not in the recorded returns.
#[test]
fn a_factored_identity_rewards_every_dimension() {
    let kind: EnvironmentKind = "identity:4x2x3".parse().expect("a name");
    let options = EnvironmentOptions {
        noise_std: 0.5,
        first_step_without_noise: true,
        ..EnvironmentOptions::default()
    };
    let mut environments = kind.make(5, &options).expect("environments");
    environments.seed(3).expect("seeded");
    assert_eq!(
        environments.spaces().actions,
        ActionSpace::MultiDiscrete(vec![4, 2, 3])
    );
    let mut allowed = [false; 5 * 12];
    environments.action_masks_into(&mut allowed).expect("masks");
    assert!(environments.has_action_mask());
    let padded = [1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0].map(|flag| flag == 1);
    assert_eq!(allowed[..], padded.repeat(5));

    let mut step = VectorStep::default();
    for time in 1..=20 {
        let mut actions = Vec::new();
        for row in observations(&environments).chunks(9) {
            let wanted = [&row[..4], &row[4..6], &row[6..]];
            let wanted = wanted.map(|one_hot| one_hot.iter().position(|&x| x == 1.0));
            let [first, second, third] = wanted.map(|index| index.expect("one-hot"));
            // The first two are right, and the last one is not.
            actions.extend([first, second, (third + 1) % 3]);
        }
        environments.step(&actions, &mut step).expect("a step");
        for transition in &step.transitions {
            assert_eq!(transition.reward == 2.0 / 3.0, time == 1);
            assert_eq!(transition.truncated, time % 10 == 0);
            let episode = transition.episode;
            assert_eq!(episode.is_some(), transition.truncated);
            if let Some(episode) = episode {
                assert!((episode.total_reward - 20.0 / 3.0).abs() < 1e-12);
                assert_eq!(episode.length, 10);
            }
        }
        assert_eq!(step.ended().len(), if time % 10 == 0 { 5 } else { 0 });
    }
}

/// A batch of one environment that fails as a child process does, or returns what it should not.
struct Faulty(&'static str);

impl EnvironmentBatch for Faulty {
    fn len(&self) -> usize {
        if self.0 == "empty" { 0 } else { 1 }
    }

    fn observation_size(&self) -> usize {
        1
    }

    fn action_space(&self) -> ActionSpace {
        match self.0 {
            "no action" => vec![3, 0].into(),
            _ => 2.into(),
        }
    }

    fn seed(&mut self, _seed: u64, _first_index: u32) -> Result<(), EnvironmentError> {
        Ok(())
    }

    fn observe(&self, observations: &mut [f32]) -> Result<(), EnvironmentError> {
        observations[0] = if self.0 == "observation" {
            f32::NAN
        } else {
            0.0
        };
        Ok(())
    }

    fn step(&mut self, _actions: &[usize], step: &mut VectorStep) -> Result<(), EnvironmentError> {
        if self.0 == "dead" {
            let message = "the child process ended:\nTraceback\n  line 1".to_owned();
            return Err(EnvironmentError::Failed(message));
        }
        let reward = if self.0 == "reward" { f64::NAN } else { 0.0 };
        let transition = Transition {
            terminated: self.0 == "final",
            ..Transition::ongoing(reward)
        };
        step.push(transition, &[f32::INFINITY]);
        Ok(())
    }
}

#[test]
fn a_batch_is_checked_as_single_environments_are() {
    let message = |fault| -> String {
        let run = || {
            let mut environments = VectorEnvironment::from_batch(Faulty(fault))?;
            environments.observe_into(&mut [0.0])?;
            environments.step(&[1], &mut VectorStep::default())
        };
        run().expect_err(fault).to_string()
    };
    for (fault, words) in [
        ("empty", "no environment was given: at least one is needed"),
        (
            "no action",
            "environment 0 has 1 observation components and 0 actions",
        ),
        (
            "observation",
            "environment 0 returned an observation whose component 0 is NaN",
        ),
        ("reward", "environment 0 returned the reward NaN"),
        (
            "final",
            "environment 0 returned an observation whose component 0 is inf",
        ),
        ("dead", "the child process ended:\nTraceback\n  line 1"),
    ] {
        assert!(message(fault).starts_with(words), "{}", message(fault));
    }
    let environments = VectorEnvironment::from_batch(Faulty("nothing")).expect("one");
    assert_eq!(environments.save(), None);
}

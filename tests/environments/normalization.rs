//! Normalized observations and rewards of vectorized environments.

use crate::corridor::Corridor;
use burn_tsallis::rl::env::{
    CartPole, EnvironmentError, EpisodeStatistics, RewardNoise, RunningStatistics,
    VectorEnvironment, VectorStep,
};

/// Returns the mean and the variance of numbers and of the initial statistics: -1 and 1, with a weight of 5e-5 each.
fn moments(numbers: &[f64]) -> (f64, f64) {
    let weighted = numbers.iter().map(|&x| (x, 1.0));
    let weighted = || weighted.clone().chain([(-1.0, 5e-5), (1.0, 5e-5)]);
    let count: f64 = weighted().map(|(_, weight)| weight).sum();
    let mean = weighted().map(|(x, weight)| x * weight).sum::<f64>() / count;
    let squares = weighted().map(|(x, weight)| (x - mean).powi(2) * weight);
    (mean, squares.sum::<f64>() / count)
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * other.abs().max(1.0)
}

#[test]
fn running_statistics_are_the_mean_and_the_variance() {
    let mut statistics = RunningStatistics::new(2);
    assert_eq!(
        (statistics.mean(), statistics.variance()),
        (&[0.0; 2][..], &[1.0; 2][..])
    );
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for i in 0..500 {
        let x = [1e3 + f64::from(i).sin(), 1e-3 * f64::from(i * i % 17)];
        statistics.add(&x);
        first.push(x[0]);
        second.push(x[1]);
    }
    for (component, numbers) in [first, second].iter().enumerate() {
        let (mean, variance) = moments(numbers);
        assert!(close(statistics.mean()[component], mean));
        assert!(
            close(statistics.variance()[component], variance),
            "{component}"
        );
    }
    let json = serde_json::to_string(&statistics).expect("JSON");
    let read: RunningStatistics = serde_json::from_str(&json).expect("statistics");
    assert_eq!(read, statistics);

    let mut vector = [1e6, statistics.mean()[1] as f32];
    statistics.normalize(&mut vector);
    assert_eq!(vector[0], 10.0);
    assert!(vector[1].abs() < 1e-3);
}

/// Compares with the same environments without normalization.
#[test]
fn observations_are_normalized_by_all_that_have_been_seen() {
    let make = || VectorEnvironment::seeded(3, 2, CartPole::new).expect("environments");
    let observe = |environments: &VectorEnvironment| {
        let mut observations = vec![0.0; 3 * 4];
        environments
            .observe_into(&mut observations)
            .expect("finite");
        observations
    };
    let (mut raw, mut normalized) = (make(), make());
    normalized.normalize(true, None).expect("finite");
    let mut seen = vec![Vec::new(); 4];
    let mut add = |rows: &[f32]| {
        for row in rows.chunks(4) {
            for (seen, &x) in seen.iter_mut().zip(row) {
                seen.push(f64::from(x));
            }
        }
        seen.iter()
            .map(|numbers| moments(numbers))
            .collect::<Vec<_>>()
    };
    let check = |normalized: &[f32], raw: &[f32], moments: &[(f64, f64)]| {
        for (i, (&x, &raw)) in normalized.iter().zip(raw).enumerate() {
            let (mean, variance) = moments[i % 4];
            let wanted = (f64::from(raw) - mean) / (variance + 1e-8).sqrt();
            assert!(
                (f64::from(x) - wanted.clamp(-10.0, 10.0)).abs() < 1e-5,
                "{x} {wanted}"
            );
        }
    };
    let (mut step, mut raw_step) = (VectorStep::default(), VectorStep::default());
    let observations = observe(&raw);
    check(&observe(&normalized), &observations, &add(&observations));
    let mut episodes = 0;
    for time in 0..60 {
        let actions = [time % 2, 1, usize::from(time % 3 == 0)];
        raw.step(&actions, &mut raw_step).expect("finite");
        normalized.step(&actions, &mut step).expect("finite");
        assert_eq!(step.transitions, raw_step.transitions);
        // The last observations of episodes are among those seen.
        let last = |step: &VectorStep| -> Vec<f32> {
            step.final_observations()
                .flat_map(|(_, last)| last.to_vec())
                .collect()
        };
        add(&last(&raw_step));
        let observations = observe(&raw);
        let moments = add(&observations);
        check(&last(&step), &last(&raw_step), &moments);
        // Observing again adds nothing.
        for _ in 0..2 {
            check(&observe(&normalized), &observations, &moments);
        }
        episodes += step.ended().len();
    }
    assert!(episodes > 3, "{episodes}");

    // In an evaluation the statistics stay as they are.
    let statistics = normalized
        .observation_statistics()
        .expect("normalized")
        .clone();
    let mut frozen = make();
    frozen.normalize_with(statistics.clone());
    for _ in 0..20 {
        frozen.step(&[1; 3], &mut step).expect("finite");
    }
    assert_eq!(frozen.observation_statistics(), Some(&statistics));
    assert_eq!(step.transitions[0].reward, 1.0);
}

/// Rewards with noise are divided by the deviation of their discounted return, and episodes keep those without noise.
#[test]
fn rewards_are_scaled_after_the_noise() {
    const GAMMA: f64 = 0.9;
    let make = || {
        VectorEnvironment::seeded(2, 4, || {
            RewardNoise::new(EpisodeStatistics::new(CartPole::new()), 3.0)
        })
        .expect("environments")
    };
    let (mut raw, mut scaled) = (make(), make());
    scaled.normalize(false, Some(GAMMA)).expect("finite");
    let (mut step, mut raw_step) = (VectorStep::default(), VectorStep::default());
    let (mut discounted, mut seen) = ([0.0; 2], Vec::new());
    for time in 0..80 {
        let actions = [time % 2, 1];
        raw.step(&actions, &mut raw_step).expect("finite");
        scaled.step(&actions, &mut step).expect("finite");
        for (transition, discounted) in raw_step.transitions.iter().zip(&mut discounted) {
            *discounted = GAMMA * *discounted + transition.reward;
            seen.push(*discounted);
            if transition.done() {
                *discounted = 0.0;
            }
        }
        let deviation = (moments(&seen).1 + 1e-8).sqrt();
        for (scaled, raw) in step.transitions.iter().zip(&raw_step.transitions) {
            assert!(close(
                scaled.reward,
                (raw.reward / deviation).clamp(-10.0, 10.0)
            ));
            assert_eq!(scaled.episode, raw.episode);
            if let Some(episode) = scaled.episode {
                assert_eq!(episode.total_reward, episode.length as f64);
            }
        }
    }
}

#[test]
fn invalid_values_do_not_reach_the_statistics() {
    let environments = |corridor: &dyn Fn() -> Corridor| {
        let mut environments = VectorEnvironment::seeded(1, 0, corridor).expect("one");
        environments.normalize(true, Some(0.9)).expect("finite");
        environments
    };
    let steps = |environments: &mut VectorEnvironment| {
        (0..3).try_for_each(|_| environments.step(&[2], &mut VectorStep::default()))
    };
    for component in [f32::NAN, f32::INFINITY] {
        let mut environments = environments(&|| Corridor {
            component,
            ..Corridor::new()
        });
        let error = steps(&mut environments).expect_err("not finite");
        assert!(
            matches!(error, EnvironmentError::Observation { .. }),
            "{error}"
        );
        let statistics = environments.observation_statistics().expect("normalized");
        assert!(statistics.mean().iter().all(|mean| mean.is_finite()));
    }
    let mut environments = environments(&|| Corridor {
        reward: -1e300,
        ..Corridor::new()
    });
    assert_eq!(
        steps(&mut environments).expect_err("too large").to_string(),
        "environment 0 returned the reward -1e300: rewards to be normalized must be between -3.4e38 and 3.4e38"
    );
}

#[test]
fn saved_statistics_are_restored_or_refused() {
    let make = |count, observations, rewards| {
        let mut environments =
            VectorEnvironment::seeded(count, 0, CartPole::new).expect("environments");
        environments
            .normalize(observations, rewards)
            .expect("finite");
        environments
    };
    let mut first = make(2, true, Some(0.9));
    first
        .step(&[0, 1], &mut VectorStep::default())
        .expect("finite");
    let saved = first.normalization().cloned();
    let mut second = make(2, true, Some(0.9));
    second
        .restore_normalization(saved.clone())
        .expect("the same");
    assert_eq!(second.normalization(), saved.as_ref());

    for mut other in [
        make(3, true, Some(0.9)),
        make(2, true, None),
        make(2, false, Some(0.9)),
    ] {
        let before = other.normalization().cloned();
        other
            .restore_normalization(saved.clone())
            .expect_err("another one");
        assert_eq!(other.normalization().cloned(), before);
    }
    for (from, to) in [
        ("\"variance\":[", "\"variance\":[-1.0,"),
        ("\"mean\":[", "\"mean\":[0.5,"),
        ("\"count\":", "\"count\":-"),
    ] {
        let text = serde_json::to_string(&make(2, true, None).normalization()).expect("JSON");
        let damaged = serde_json::from_str(&text.replacen(from, to, 1)).expect("numbers");
        let mut environments = make(2, true, None);
        let error = environments
            .restore_normalization(damaged)
            .expect_err(to)
            .to_string();
        assert!(error.contains("of 4 components"), "{error}");
    }
}

#[test]
#[should_panic(expected = "the statistics must have the size of an observation")]
fn statistics_of_another_size_panic() {
    let mut environments = VectorEnvironment::seeded(1, 0, CartPole::new).expect("one");
    environments.normalize_with(RunningStatistics::new(3));
}

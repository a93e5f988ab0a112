use crate::corridor::Corridor;
use burn_tsallis::rl::env::{
    CartPole, DeepSea, DiscreteEnvironment, EpisodeStatistics, NChain, RewardNoise, TimeLimit,
};

fn rewards(environment: &mut impl DiscreteEnvironment, count: usize) -> Vec<f64> {
    (0..count)
        .map(|i| {
            let transition = environment.step(i % 2);
            if transition.done() {
                environment.reset();
            }
            transition.reward
        })
        .collect()
}

#[test]
fn noise_has_its_standard_deviation_and_no_mean() {
    const STEPS: usize = 20_000;
    let mut noisy = RewardNoise::new(CartPole::new(), 2.0);
    noisy.seed(4, 1);
    let noise: Vec<f64> = rewards(&mut noisy, STEPS).iter().map(|r| r - 1.0).collect();
    let n = STEPS as f64;
    let mean = noise.iter().sum::<f64>() / n;
    assert!(mean.abs() < 4.0 * 2.0 / n.sqrt(), "{mean}");
    let variance = noise.iter().map(|x| x * x).sum::<f64>() / n;
    assert!(
        (variance / 4.0 - 1.0).abs() < 4.0 * (2.0 / n).sqrt(),
        "{variance}"
    );
}

#[test]
fn without_noise_rewards_are_as_they_were() {
    let mut noisy = RewardNoise::new(CartPole::new(), 0.0);
    assert!(rewards(&mut noisy, 100).iter().all(|&r| r == 1.0));
}

/// Only the first step of all is exempt, not the first step of every episode. The rest of the noise is
/// unchanged.
#[test]
fn the_first_step_is_exempt_only_once() {
    let run = |exempt: bool| {
        let limited = TimeLimit::new(CartPole::new(), 3);
        let mut noisy = RewardNoise::new(limited, 0.5).with_first_step_exempt(exempt);
        noisy.seed(0, 0);
        rewards(&mut noisy, 12)
    };
    let (plain, exempt) = (run(false), run(true));
    assert_ne!(plain[0], 1.0);
    assert_eq!(exempt[0], 1.0);
    assert_eq!(plain[1..], exempt[1..]);
    assert!(plain.iter().all(|&r| r != 1.0));
}

#[test]
fn statistics_are_of_the_rewards_without_noise() {
    let limited = TimeLimit::new(CartPole::new(), 7);
    let mut environment = RewardNoise::new(EpisodeStatistics::new(limited), 10.0);
    environment.seed(2, 0);
    for _ in 0..3 {
        for step in 1..=7 {
            let transition = environment.step(step % 2);
            assert_eq!(transition.truncated, step == 7);
            assert_eq!(transition.episode.is_some(), step == 7);
            if let Some(episode) = transition.episode {
                assert_eq!((episode.total_reward, episode.length), (7.0, 7));
                assert_eq!(episode.bad, None);
                environment.reset();
            }
        }
    }
}

#[test]
fn statistics_record_bad_episodes() {
    let mut sea = EpisodeStatistics::new(DeepSea::unmapped(5));
    for (action, bad, total) in [(1, true, -0.008), (0, true, 0.0), (1, false, 0.99)] {
        for row in 0..5 {
            let first_left = bad && row == 0;
            let transition = sea.step(if first_left { 0 } else { action });
            if let Some(episode) = transition.episode {
                assert_eq!(row, 4);
                assert_eq!(episode.bad, Some(bad));
                assert!((episode.total_reward - total).abs() < 1e-12);
            }
        }
        sea.reset();
    }
}

#[test]
fn a_time_limit_truncates_and_does_not_hide_an_end() {
    let mut limited = TimeLimit::new(NChain::new(10), 4);
    for _ in 0..2 {
        for step in 1..=4 {
            let transition = limited.step(1);
            assert_eq!(transition.truncated, step == 4);
            assert!(!transition.terminated);
        }
        limited.reset();
    }

    let mut limited = TimeLimit::new(Corridor::new(), 3);
    limited.step(2);
    limited.step(2);
    let last = limited.step(2);
    assert!(last.terminated && last.truncated);

    let mut limited = TimeLimit::new(Corridor::new(), 0);
    assert!(limited.step(1).truncated);
}

#[test]
fn wrappers_delegate_sizes_masks_and_observations() {
    let limited = TimeLimit::new(Box::new(Corridor::new()), 100);
    let mut environment = RewardNoise::new(EpisodeStatistics::new(limited), 1.0);
    assert_eq!(environment.observation_size(), 2);
    assert_eq!(environment.actions(), 3);
    assert!(environment.has_action_mask());
    let mut allowed = [false; 3];
    environment.action_mask(&mut allowed);
    assert_eq!(allowed, [false, true, true]);
    assert_eq!(environment.bad_episode(), Some(true));
    environment.step(2);
    environment.action_mask(&mut allowed);
    assert_eq!(allowed, [true; 3]);
    environment.step(2);
    assert_eq!(environment.bad_episode(), Some(false));
    let mut observation = [9.0; 2];
    environment
        .observe(&mut observation)
        .expect("an observation");
    assert_eq!(observation, [2.0, 0.0]);
    // Wrappers around an environment that cannot be saved cannot be saved either.
    assert_eq!(environment.save(), None);
}

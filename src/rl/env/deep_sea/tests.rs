use super::*;

#[derive(Deserialize)]
struct Run {
    size: usize,
    mapping_seed: u32,
    deterministic: bool,
    mapping: String,
    optimal_return: f64,
    steps: Vec<Step>,
    total_bad_episodes: u64,
    denoised_return: f64,
}

/// A step of bsuite, with its random draws.
#[derive(Deserialize)]
struct Step {
    action: usize,
    reward: f64,
    cell: Option<usize>,
    last: bool,
    #[serde(default)]
    fails: bool,
    #[serde(default)]
    noise: f64,
}

#[test]
fn runs_of_bsuite() {
    let file = include_str!("../../../../tests/data/environments/deep_sea.json");
    let runs: Vec<Run> = serde_json::from_str(file).expect("runs");
    for run in runs {
        let name = format!("size {}, mapping seed {}", run.size, run.mapping_seed);
        let mut sea = DeepSea::new(run.size, run.mapping_seed);
        if !run.deterministic {
            sea = sea.stochastic();
        }
        let mapping: Vec<bool> = run.mapping.bytes().map(|one| one == b'1').collect();
        assert_eq!(sea.one_is_right, mapping, "{name}");
        assert!((sea.optimal_return() - run.optimal_return).abs() < 1e-15);

        let mut observation = vec![0.0; run.size * run.size];
        for step in run.steps {
            let transition = sea.advance(step.action, step.fails, step.noise);
            assert_eq!(transition.reward, step.reward, "{name}");
            assert_eq!(transition.terminated, step.last, "{name}");
            assert!(!transition.truncated);
            sea.observe(&mut observation).expect("an observation");
            let ones: Vec<usize> = (0..observation.len())
                .filter(|&i| observation[i] == 1.0)
                .collect();
            assert_eq!(ones, Vec::from_iter(step.cell), "{name}");
            assert_eq!(observation.iter().sum::<f32>(), ones.len() as f32);
            if step.last {
                DiscreteEnvironment::reset(&mut sea);
            }
        }
        assert_eq!(sea.total_bad_episodes(), run.total_bad_episodes, "{name}");
        assert_eq!(sea.denoised_return(), run.denoised_return, "{name}");
    }
}

/// Plays an episode that moves right in the rows for which `rightwards` returns true and left in the others.
/// Returns its return and whether it was bad.
fn play(sea: &mut DeepSea, rightwards: impl Fn(usize) -> bool) -> (f64, bool) {
    DiscreteEnvironment::reset(sea);
    let mut total = 0.0;
    loop {
        let (row, column) = DeepSea::state(sea);
        let right = sea.right_action(row, column);
        let action = if rightwards(row) { right } else { 1 - right };
        let transition = DiscreteEnvironment::step(sea, action);
        total += transition.reward;
        if transition.done() {
            return (total, sea.state.bad_episode);
        }
    }
}

#[test]
fn one_way_leads_to_the_treasure() {
    for size in [1, 2, 10, 20] {
        let mut sea = DeepSea::new(size, 42);
        let (best, bad) = play(&mut sea, |_| true);
        assert!((best - 0.99).abs() < 1e-12, "{size}: {best}");
        assert!(!bad);
        assert_eq!(play(&mut sea, |_| false), (0.0, true));
        for wrong in 0..size {
            let (total, bad) = play(&mut sea, |row| row != wrong);
            let cost = 0.01 * (size - 1) as f64 / size as f64;
            assert!((total + cost).abs() < 1e-12, "{size}, {wrong}: {total}");
            assert!(bad);
        }
    }
}

#[test]
fn the_mapping_is_that_of_its_seed() {
    assert_ne!(
        DeepSea::new(10, 1).one_is_right,
        DeepSea::new(10, 2).one_is_right
    );
    let mut sea = DeepSea::new(10, 1);
    let before = sea.one_is_right.clone();
    DiscreteEnvironment::seed(&mut sea, 99, 3);
    assert_eq!(sea.one_is_right, before);
    let unmapped = DeepSea::unmapped(10);
    assert!((0..10).all(|i| unmapped.right_action(i, i) == 1));
}

/// Moves right fail with probability 1 / N and still have their cost. Only the rewards at the ends of the
/// last row are noisy.
#[test]
fn the_stochastic_sea_slips_and_is_noisy() {
    const SIZE: usize = 5;
    const EPISODES: usize = 20_000;
    let mut sea = DeepSea::new(SIZE, 42).stochastic();
    DiscreteEnvironment::seed(&mut sea, 3, 0);
    let (mut moves, mut failures) = (0_u32, 0_u32);
    let mut returns = Vec::new();
    let mut noise = Vec::new();
    for _ in 0..EPISODES {
        DiscreteEnvironment::reset(&mut sea);
        let mut total = 0.0;
        for row in 0..SIZE {
            let (_, column) = DeepSea::state(&sea);
            let action = sea.right_action(row, column);
            let transition = DiscreteEnvironment::step(&mut sea, action);
            total += transition.reward;
            if column < SIZE - 1 {
                moves += 1;
                failures += u32::from(DeepSea::state(&sea).1 == column);
            }
            let treasure = if column == SIZE - 1 { 1.0 } else { 0.0 };
            let rest = transition.reward + 0.01 / SIZE as f64 - treasure;
            if row == SIZE - 1 && (column == 0 || column == SIZE - 1) {
                noise.push(rest);
            } else {
                assert!(rest.abs() < 1e-15, "{rest}");
            }
        }
        assert_eq!(sea.state.row, SIZE);
        returns.push(total);
    }
    assert_eq!(sea.total_bad_episodes(), 0);
    let standard_errors = |mean: f64, wanted: f64, variance: f64, n: f64| {
        (mean - wanted).abs() / (variance / n).sqrt()
    };
    let rate = f64::from(failures) / f64::from(moves);
    assert!(
        standard_errors(rate, 0.2, 0.16, f64::from(moves)) < 4.0,
        "{rate}"
    );
    let n = noise.len() as f64;
    let mean = noise.iter().sum::<f64>() / n;
    let variance = noise.iter().map(|x| x * x).sum::<f64>() / n;
    assert!(standard_errors(mean, 0.0, 1.0, n) < 4.0, "{mean}");
    // The variance of a squared standard normal is two.
    assert!(standard_errors(variance, 1.0, 2.0, n) < 4.0, "{variance}");
    let mean = returns.iter().sum::<f64>() / EPISODES as f64;
    // The variances of the treasure and of the noise add up to at most 1.25.
    let off = standard_errors(mean, sea.optimal_return(), 1.25, EPISODES as f64);
    assert!(off < 4.0, "{mean} {}", sea.optimal_return());
}

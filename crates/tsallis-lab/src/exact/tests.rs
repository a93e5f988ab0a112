//! Tests of the theory of f-PG by finite differences, by enumeration and on random processes.

use super::*;
use crate::mdp::{bandit, deep_sea, garnet, gridworld, nchain};
use crate::policy::{Reference, project_logits};
use crate::testing::{assert_close, divergences};
use crate::{Divergence, Mdp, Policy, SoftargmaxPolicy};
use burn_tsallis::experiment::{Purpose, Stream, stream};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Divergences that the theory covers.
fn covered() -> [Divergence; 7] {
    divergences([
        "0.1",
        "0.3",
        "0.5",
        "0.9",
        "1",
        "hellinger",
        "jensen-shannon",
    ])
}

fn normal(random: &mut Stream) -> f64 {
    StandardNormal.sample(random)
}

fn random_policy(
    mdp: &Mdp,
    divergence: Divergence,
    scale: f64,
    random: &mut Stream,
) -> SoftargmaxPolicy {
    let mut policy = SoftargmaxPolicy::uniform(divergence, mdp.states(), mdp.actions());
    let logits = policy.logits().iter().map(|_| scale * normal(random));
    policy.set_logits(&logits.collect::<Vec<f64>>());
    policy
}

fn moved(policy: &SoftargmaxPolicy, i: usize, by: f64) -> SoftargmaxPolicy {
    let mut policy = policy.clone();
    let (state, action) = (i / policy.actions(), i % policy.actions());
    policy.change(state, |logits| logits[action] += by);
    policy
}

#[test]
fn the_gradient_is_the_slope_of_the_value() {
    let mut random = stream(1, Purpose::Processes, 1);
    let processes = [
        garnet(5, 3, 2, 0.8, 2).expect("sizes"),
        deep_sea(3).expect("a size"),
        gridworld(2, 3, 0.2).expect("a grid"),
    ];
    let more = divergences(["0", "1.4", "le-cam"]);
    for mdp in &processes {
        let evaluator = Evaluator::new(mdp);
        let horizon = FiniteHorizon::new(mdp, 4);
        for divergence in covered().into_iter().chain(more) {
            let (states, actions) = (mdp.states(), mdp.actions());
            // A reference that is not uniform.
            let total = (1..=actions).sum::<usize>() as f64;
            let q = (1..=actions).map(|q| q as f64 / total).collect();
            let reference = Reference::Actions(q);
            let mut policy = SoftargmaxPolicy::new(divergence, states, actions, &reference)
                .expect("full support");
            policy.set_logits(random_policy(mdp, divergence, 0.4, &mut random).logits());
            let gradient = evaluator.gradient(&policy, 0.3).logits;
            let within = horizon.gradient(&policy, 0.3);
            let h = 1e-5;
            for i in 0..gradient.len() {
                let (up, down) = (moved(&policy, i, h), moved(&policy, i, -h));
                let slope =
                    (evaluator.objective(&up, 0.3) - evaluator.objective(&down, 0.3)) / (2.0 * h);
                assert_close(
                    gradient[i],
                    slope,
                    1e-8,
                    format_args!("{} {divergence}", mdp.name()),
                );
                let slope =
                    (horizon.objective(&up, 0.3) - horizon.objective(&down, 0.3)) / (2.0 * h);
                assert_close(
                    within[i],
                    slope,
                    1e-8,
                    format_args!("{} {divergence}", mdp.name()),
                );
            }
        }
    }
}

/// Computes the mean of the estimator over all trajectories of three steps, weighted by their probabilities.
fn enumerated(mdp: &Mdp, policy: &SoftargmaxPolicy, temperature: f64) -> Vec<f64> {
    struct Walk<'a> {
        mdp: &'a Mdp,
        policy: &'a SoftargmaxPolicy,
        temperature: f64,
        mean: Vec<f64>,
    }
    impl Walk<'_> {
        fn go(&mut self, state: usize, t: i32, probability: f64, scores: &[f64]) {
            if t == 3 {
                return;
            }
            let (mdp, policy, lambda) = (self.mdp, self.policy, self.temperature);
            let actions = mdp.actions();
            let weight = mdp.discount().powi(t);
            let mut slope = vec![0.0; actions];
            let y = &policy.derivatives()[policy.range(state)];
            policy.jacobian_product(state, y, &mut slope);
            for (f, i) in slope.iter().zip(policy.range(state)) {
                self.mean[i] -= probability * weight * lambda * f;
            }
            for action in 0..actions {
                let mut with = scores.to_vec();
                let mut credit = vec![0.0; actions];
                credit[action] = 1.0;
                let mut score = vec![0.0; actions];
                policy.score(state, &credit, &mut score);
                for (s, i) in score.iter().zip(policy.range(state)) {
                    with[i] += s;
                }
                let p = probability * policy.row(state)[action];
                for outcome in mdp.outcomes(state, action) {
                    let p = p * outcome.probability;
                    let earned =
                        weight * (outcome.reward - lambda * policy.state_divergence(state));
                    for (mean, score) in self.mean.iter_mut().zip(&with) {
                        *mean += p * earned * score;
                    }
                    if let Some(next) = outcome.next {
                        self.go(next, t + 1, p, &with);
                    }
                }
            }
        }
    }
    let mut walk = Walk {
        mdp,
        policy,
        temperature,
        mean: vec![0.0; policy.logits().len()],
    };
    let zeros = vec![0.0; policy.logits().len()];
    for (state, &rho) in mdp.start().iter().enumerate() {
        walk.go(state, 0, rho, &zeros);
    }
    walk.mean
}

#[test]
fn every_trajectory_weighed_by_its_probability_gives_the_gradient() {
    let mut random = stream(2, Purpose::Processes, 1);
    for mdp in [
        garnet(3, 3, 2, 0.8, 4).expect("sizes"),
        deep_sea(3).expect("a size"),
    ] {
        for divergence in [0.1, 0.5, 1.0].map(Divergence::Tsallis) {
            let policy = random_policy(&mdp, divergence, 0.7, &mut random);
            let mean = enumerated(&mdp, &policy, 0.3);
            let exact = FiniteHorizon::new(&mdp, 3).gradient(&policy, 0.3);
            for (a, b) in mean.iter().zip(&exact) {
                assert_close(*a, *b, 1e-12, format_args!("{} {divergence}", mdp.name()));
            }
        }
    }
}

#[test]
fn a_long_horizon_matches_the_infinite_one() {
    let mdp = nchain(6)
        .expect("a length")
        .with_discount(0.7)
        .expect("a discount");
    let mut random = stream(3, Purpose::Processes, 1);
    let policy = random_policy(&mdp, Divergence::Tsallis(0.5), 1.0, &mut random);
    let exact = Evaluator::new(&mdp).gradient(&policy, 0.2).logits;
    let cut = FiniteHorizon::new(&mdp, 110).gradient(&policy, 0.2);
    for (a, b) in exact.iter().zip(&cut) {
        assert_close(*a, *b, 1e-12, "the gradient");
    }
}

#[test]
fn the_optimum_is_a_zero_of_the_gradient() {
    for seed in 0..5 {
        let mdp = garnet(4, 3, 2, 0.8, seed).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        for divergence in covered().into_iter().chain(divergences(["1.5", "le-cam"])) {
            let policy = SoftargmaxPolicy::uniform(divergence, 4, 3);
            let optimum = optimum(&evaluator, &policy, 0.1);
            let gradient = evaluator.gradient(&optimum.policy, 0.1);
            assert!(
                gradient.norm_squared().sqrt() < 1e-12,
                "{divergence}: {:e}",
                gradient.norm_squared().sqrt()
            );
        }
    }
}

#[test]
fn the_optimum_of_two_arms_is_the_closed_form() {
    let temperature = 0.5;
    // The probability of the better arm at a logit gap of delta.
    type ClosedForm = fn(f64) -> f64;
    let closed: [(f64, ClosedForm); 5] = [
        (0.0, |delta| {
            let d = delta / 2.0;
            let m = (1.0 + (1.0 + 4.0 * d * d).sqrt()) / 2.0;
            0.5 / (m - d)
        }),
        (0.5, |delta| {
            let d = delta / 4.0;
            let m = ((2.0 * d * d + 1.0 + (8.0 * d * d + 1.0).sqrt()) / 2.0).sqrt();
            0.5 / ((m - d) * (m - d))
        }),
        (1.0, |delta| 1.0 / (1.0 + (-delta).exp())),
        (1.5, |delta| {
            let d = (delta / 4.0).min(0.5_f64.sqrt());
            0.5 * ((1.0 - d * d).sqrt() + d).powi(2)
        }),
        (2.0, |delta| (0.5 + delta / 4.0).min(1.0)),
    ];
    for delta in [0.0, 0.3, 1.0, 1.9, 6.0] {
        let mdp = bandit(&[temperature * delta, 0.0], 0.0).expect("arms");
        let evaluator = Evaluator::new(&mdp);
        for (alpha, probability) in closed {
            let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(alpha), 1, 2);
            let best = optimum(&evaluator, &policy, temperature).policy;
            let what = format_args!("alpha {alpha}, delta {delta}");
            assert_close(best.row(0)[0], probability(delta), 1e-14, what);
        }
    }
}

/// Computes `sum_s weight(s) |z - <w, z>|^2`, with the regularized advantages `z`.
fn centered(
    policy: &SoftargmaxPolicy,
    q: &[f64],
    temperature: f64,
    weight: impl Fn(usize) -> f64,
) -> f64 {
    let mut z = vec![0.0; policy.actions()];
    (0..policy.states())
        .map(|state| {
            regularized_advantage(policy, state, q, temperature, &mut z);
            let k = &policy.weights()[policy.range(state)];
            let total: f64 = k.iter().sum();
            let mean: f64 = k.iter().zip(&z).map(|(k, z)| k * z).sum::<f64>() / total;
            weight(state) * z.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>()
        })
        .sum()
}

#[test]
fn the_polyak_lojasiewicz_inequality_and_the_two_it_is_made_of() {
    let mut random = stream(4, Purpose::Processes, 1);
    let (mut whole, mut upper, mut lower) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    let mut cases = 0;
    for seed in 0..24 {
        let mdp = match seed % 4 {
            0 => bandit(&[0.0, random.random::<f64>()], 0.0).expect("arms"),
            1 => bandit(&[0.2, 0.9, random.random::<f64>()], 0.0).expect("arms"),
            2 => garnet(2, 2, 1, 0.5, seed).expect("sizes"),
            _ => garnet(4, 3, 2, 0.8, seed).expect("sizes"),
        };
        let evaluator = Evaluator::new(&mdp);
        let rho = mdp.start().iter().copied().fold(1.0, f64::min);
        for divergence in covered() {
            let temperature = 10_f64.powf(random.random::<f64>() * 2.0 - 1.5);
            let uniform = SoftargmaxPolicy::uniform(divergence, mdp.states(), mdp.actions());
            let optimum = optimum(&evaluator, &uniform, temperature);
            let reached = evaluator.occupancy(&optimum.policy);
            let constants = Constants::for_policy(&mdp, &uniform, temperature).expect("covered");
            for i in 0..20 {
                // From policies near the optimum to saturated ones.
                let scale = 10_f64.powf(f64::from(i % 5) - 3.0);
                let mut policy = random_policy(&mdp, divergence, scale, &mut random);
                if i % 2 == 0 {
                    let near: Vec<f64> = policy
                        .logits()
                        .iter()
                        .zip(optimum.policy.logits())
                        .map(|(a, b)| a + b)
                        .collect();
                    policy.set_logits(&near);
                }
                let gradient = evaluator.gradient(&policy, temperature);
                let gap = optimum.objective - evaluator.objective(&policy, temperature);
                // A smaller difference of two values is rounding.
                if gap < 1e-9 * (1.0 + optimum.objective.abs()) {
                    continue;
                }
                let smallest = policy.smallest_weight();
                let q = &gradient.values.actions;
                let norm = gradient.norm_squared();
                let one_minus = 1.0 - mdp.discount();
                let bound = constants.omega / (2.0 * temperature * one_minus)
                    * centered(&policy, q, temperature, |state| reached[state]);
                let below = (rho * smallest).powi(2) * centered(&policy, q, temperature, |_| 1.0);
                whole = whole.min(norm / (constants.polyak_lojasiewicz(smallest) * gap));
                upper = upper.min(bound / gap);
                lower = lower.min(norm / below);
                cases += 1;
            }
        }
    }
    println!(
        "{cases} policies: |grad|^2 over mu (V* - V) at least {whole:.3}; the gap's bound over it {upper:.3}; |grad|^2 over its bound {lower:.3}"
    );
    assert!(cases > 2000);
    assert!(
        whole >= 1.0 && upper >= 1.0 && lower >= 1.0 - 1e-9,
        "{whole} {upper} {lower}"
    );
    // With larger ratios the bounds would be too loose for the test to detect an error.
    assert!(
        whole < 10.0 && upper < 10.0 && lower < 10.0,
        "{whole} {upper} {lower}"
    );
}

#[test]
fn the_projection_never_lowers_the_value_and_keeps_its_floor() {
    let mut random = stream(5, Purpose::Processes, 1);
    let mut moved = 0;
    for seed in 0..8 {
        let mdp = garnet(4, 3, 2, 0.8, seed).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        for divergence in covered() {
            for temperature in [0.1, 1.0] {
                let policy = SoftargmaxPolicy::uniform(divergence, 4, 3);
                let constants = Constants::for_policy(&mdp, &policy, temperature).expect("covered");
                let tau = constants.floor();
                assert!(tau > 0.0);
                let best = optimum(&evaluator, &policy, temperature).policy;
                let kept = best
                    .probabilities()
                    .iter()
                    .zip(best.reference())
                    .all(|(p, q)| *p >= tau * q);
                assert!(
                    kept,
                    "{divergence}, {temperature}: the optimum is below tau = {tau}"
                );
                for _ in 0..25 {
                    let spread = 10_f64.powf(random.random::<f64>() * 3.0);
                    let mut policy = random_policy(&mdp, divergence, spread, &mut random);
                    let before = evaluator.values(&policy, temperature).states;
                    for state in 0..4 {
                        moved += usize::from(project_logits(&mut policy, state, tau));
                    }
                    let after = evaluator.values(&policy, temperature).states;
                    for (a, b) in after.iter().zip(&before) {
                        assert!(
                            a - b >= -1e-11 * (1.0 + b.abs()),
                            "{divergence}, {temperature}: {b} fell to {a}"
                        );
                    }
                    for (p, q) in policy.probabilities().iter().zip(policy.reference()) {
                        assert!(
                            *p >= tau * q * (1.0 - 1e-7),
                            "{divergence}: {p} below {}",
                            tau * q
                        );
                    }
                }
            }
        }
    }
    assert!(moved > 1000, "{moved} states were projected");
}

/// Multiplying the rewards and the temperature by the same factor does not change the problem.
#[test]
fn the_floor_and_the_curvature_know_the_span_of_the_rewards() {
    for divergence in covered() {
        let of = |scale: f64| {
            Constants::new(divergence, 0.8, 0.1 * scale, scale, 0.25, 0.5).expect("covered")
        };
        let (one, fifty) = (of(1.0), of(50.0));
        assert!((fifty.floor() / one.floor() - 1.0).abs() < 1e-9);
        assert!((fifty.smoothness() / one.smoothness() - 50.0).abs() < 1e-9);
        assert!(fifty.polyak_lojasiewicz(0.1) > 0.0);

        // The optimum of two arms that are far apart is above the floor.
        let mdp = bandit(&[0.0, 50.0], 0.0).expect("arms");
        let mdp = mdp.with_discount(0.0).expect("a discount");
        let uniform = SoftargmaxPolicy::uniform(divergence, 1, 2);
        let floor = Constants::for_policy(&mdp, &uniform, 1.0)
            .expect("covered")
            .floor();
        let best = optimum(&Evaluator::new(&mdp), &uniform, 1.0).policy;
        let (least, q) = (best.row(0)[0], 0.5);
        assert!(
            floor > 0.0 && least >= floor * q,
            "{divergence}: {least} below {floor} q"
        );
    }
    for span in [-1.0, f64::INFINITY, f64::NAN] {
        let error = Constants::new(Divergence::Tsallis(0.5), 0.8, 0.1, span, 0.25, 0.5)
            .expect_err("no span");
        assert!(error.to_string().contains("the span of the rewards"));
    }
}

#[test]
fn the_curvature_is_below_its_bound() {
    let mut random = stream(6, Purpose::Processes, 1);
    for divergence in covered() {
        let mdp = garnet(3, 2, 2, 0.8, 9).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        let bound = Constants::new(divergence, 0.8, 0.1, 1.0, 0.5, 1.0 / 3.0)
            .expect("covered")
            .smoothness();
        let mut largest = 0.0_f64;
        for _ in 0..20 {
            let policy = random_policy(&mdp, divergence, 1.0, &mut random);
            let direction: Vec<f64> = policy
                .logits()
                .iter()
                .map(|_| normal(&mut random))
                .collect();
            let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
            let along = |t: f64| {
                let mut there = policy.clone();
                let logits: Vec<f64> = policy
                    .logits()
                    .iter()
                    .zip(&direction)
                    .map(|(x, d)| x + t * d / length)
                    .collect();
                there.set_logits(&logits);
                evaluator.objective(&there, 0.1)
            };
            let h = 1e-3;
            largest = largest.max(((along(h) - 2.0 * along(0.0) + along(-h)) / (h * h)).abs());
        }
        assert!(
            largest <= bound && largest > 0.0,
            "{divergence}: {largest} {bound}"
        );
    }
}

use super::{Policy, SoftargmaxPolicy};
use burn_tsallis::math::Generator;

/// Applies the projection `U_tau` and returns `true` if a probability changed.
///
/// The projection raises every probability below `tau q` to `tau q`. It takes the added mass from the action with the
/// largest ratio `p / q`. Source: arXiv 2601.12604.
///
/// ```
/// use tsallis_lab::policy::project_probabilities;
///
/// let mut p = [0.97, 0.03, 0.0];
/// assert!(project_probabilities(&mut p, &[0.4, 0.4, 0.2], 0.1));
/// let want = [0.94, 0.04, 0.02];
/// assert!(p.iter().zip(want).all(|(p, want)| (p - want).abs() < 1e-15));
/// ```
///
/// # Panics
///
/// Panics if `tau` is not from 0 to the smallest probability of the reference. The action that gives up mass may have
/// no more than its probability in the reference, so a larger `tau` could make its probability negative.
pub fn project_probabilities(p: &mut [f64], q: &[f64], tau: f64) -> bool {
    let most = q.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(
        (0.0..=most).contains(&tau),
        "the floor must be from 0 to the smallest probability of the reference, {most}, not {tau}"
    );
    let ratio = |i: usize| p[i] / q[i];
    let donor = (1..p.len()).fold(0, |best, i| if ratio(i) > ratio(best) { i } else { best });
    let mut deficit = 0.0;
    for (p, q) in p.iter_mut().zip(q) {
        let floor = tau * q;
        if *p < floor {
            deficit += floor - *p;
            *p = floor;
        }
    }
    p[donor] -= deficit;
    deficit > 0.0
}

/// Applies the projection `T_tau` to one state and returns `true` if the logits changed.
///
/// If a probability is below `tau q`, the logits become those of the policy projected by `U_tau`
/// ([`project_probabilities`]): `theta(s, a) = f'(u'_a)`, up to the constant that keeps the normalizer. Otherwise the
/// logits keep their exact bits.
///
/// With the `tau` of [`Constants::floor`](crate::exact::Constants::floor), no regularized value of a state decreases.
/// Source: arXiv 2601.12604.
///
/// # Panics
///
/// Panics if the logits must change and `tau` is not from 0 to the smallest probability of the reference.
pub fn project_logits(policy: &mut SoftargmaxPolicy, state: usize, tau: f64) -> bool {
    let range = policy.range(state);
    let q = &policy.reference()[range.clone()];
    if policy.row(state).iter().zip(q).all(|(p, q)| *p >= tau * q) {
        return false;
    }
    let mut p = policy.row(state).to_vec();
    project_probabilities(&mut p, q, tau);
    let generator = policy.divergence();
    // mu is x - y of any action on the support. The action with the largest probability has the most accurate one.
    let row = policy.row(state);
    let largest = (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    let mu = policy.logits()[range.start + largest] - policy.derivatives()[range.start + largest];
    let logits: Vec<f64> = p
        .iter()
        .zip(q)
        .map(|(p, q)| mu + generator.derivative(p / q))
        .collect();
    policy.change(state, |row| row.copy_from_slice(&logits));
    true
}

#[cfg(test)]
mod tests {
    use super::super::Reference;
    use super::*;
    use crate::testing::divergences;

    #[test]
    fn projection_changes_only_states_below_the_floor() {
        for divergence in divergences(["0.1", "1", "2", "jensen-shannon"]) {
            let q = vec![0.5, 0.3, 0.2];
            let reference = Reference::Actions(q.clone());
            let mut policy =
                SoftargmaxPolicy::new(divergence, 2, 3, &reference).expect("full support");
            policy.set_logits(&[0.1, 0.0, -0.1, 900.0, 0.0, 1.0]);
            let before = policy.logits().to_vec();
            let tau = 0.05;
            assert!(!project_logits(&mut policy, 0, tau));
            assert_eq!(policy.logits()[..3], before[..3]);
            assert!(project_logits(&mut policy, 1, tau));
            for (p, q) in policy.row(1).iter().zip(&q) {
                assert!(*p >= tau * q * (1.0 - 1e-9), "{divergence}: {p}");
            }
            let sum: f64 = policy.row(1).iter().sum();
            assert!((sum - 1.0).abs() < 1e-12);
            // A second projection changes nothing beyond rounding.
            let once = policy.row(1).to_vec();
            project_logits(&mut policy, 1, tau * (1.0 - 1e-9));
            assert_eq!(policy.row(1), once);
        }
    }

    #[test]
    fn projection_never_makes_a_probability_negative() {
        let q = [0.4, 0.4, 0.2];
        for p in [[0.4, 0.39, 0.21], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]] {
            for tau in [0.0, 0.1, 0.2] {
                let mut moved = p;
                project_probabilities(&mut moved, &q, tau);
                let kept = moved.iter().zip(q).all(|(p, q)| *p >= tau * q - 1e-16);
                assert!(kept && (moved.iter().sum::<f64>() - 1.0).abs() < 1e-15);
            }
        }
    }

    #[test]
    #[should_panic(expected = "the smallest probability of the reference, 0.2, not 0.9")]
    fn a_floor_above_the_smallest_reference_is_refused() {
        project_probabilities(&mut [0.8, 0.1, 0.1], &[0.4, 0.4, 0.2], 0.9);
    }
}

use super::evaluator::{Evaluator, Values, dot};
use crate::policy::TablePolicy;
use crate::{Mdp, Policy, SoftargmaxPolicy};

/// Limit on policy iterations, against cycles that rounding causes. About a dozen are needed.
const ITERATIONS: usize = 1000;

/// Change of the values, relative to the largest, that counts as rounding.
const TOLERANCE: f64 = 1e-14;

/// The regularized optimum of a process: the fixed point of `V(s) = lambda smax(Q(s, .) / lambda)`.
#[derive(Clone, Debug)]
pub struct Optimum {
    /// The values of the optimal policy.
    pub values: Values,
    /// The optimal policy, whose logits are `theta* = Q* / lambda`.
    pub policy: SoftargmaxPolicy,
    /// `V*(rho)`.
    pub objective: f64,
}

/// Finds the regularized optimum by policy iteration, which is Newton's method on the regularized Bellman equation.
///
/// Each iteration sets the logits to `Q / lambda`, with the `Q` of the previous policy, until the values converge. The
/// divergence and the reference are those of `policy`. Its logits are ignored.
///
/// # Panics
///
/// Panics if the temperature is not positive.
pub fn optimum(evaluator: &Evaluator<'_>, policy: &SoftargmaxPolicy, temperature: f64) -> Optimum {
    assert!(
        temperature > 0.0,
        "a regularized optimum needs a positive temperature, not {temperature}"
    );
    let mut policy = policy.clone();
    policy.set_logits(&vec![0.0; policy.logits().len()]);
    let mut values = evaluator.values(&policy, temperature);
    for _ in 0..ITERATIONS {
        let logits: Vec<f64> = values.actions.iter().map(|q| q / temperature).collect();
        policy.set_logits(&logits);
        let next = evaluator.values(&policy, temperature);
        let settled = distance(&next.states, &values.states) <= TOLERANCE * largest(&next.states);
        values = next;
        if settled {
            break;
        }
    }
    Optimum {
        objective: dot(evaluator.mdp().start(), &values.states),
        values,
        policy,
    }
}

/// An iterator over the sweeps of regularized value iteration, `V <- max_p <p, Q> - lambda D`, from values of zero.
///
/// Each sweep reduces the distance to the optimum at least by the factor `gamma`. The iterator does not end.
#[derive(Clone, Debug)]
pub struct ValueIteration<'a> {
    mdp: &'a Mdp,
    policy: SoftargmaxPolicy,
    temperature: f64,
    values: Vec<f64>,
}

/// Starts regularized value iteration with the divergence and the reference of `policy`.
///
/// # Panics
///
/// Panics if the temperature is not positive.
pub fn value_iteration<'a>(
    mdp: &'a Mdp,
    policy: &SoftargmaxPolicy,
    temperature: f64,
) -> ValueIteration<'a> {
    assert!(
        temperature > 0.0,
        "regularized value iteration needs a positive temperature, not {temperature}"
    );
    ValueIteration {
        mdp,
        policy: policy.clone(),
        temperature,
        values: vec![0.0; mdp.states()],
    }
}

impl ValueIteration<'_> {
    /// Returns the greedy policy of the last sweep.
    pub fn policy(&self) -> &SoftargmaxPolicy {
        &self.policy
    }

    /// Returns the values after the last sweep.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

impl Iterator for ValueIteration<'_> {
    /// The largest change of a value.
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let mut q = vec![0.0; self.mdp.actions()];
        let mut next = vec![0.0; self.values.len()];
        for (state, value) in next.iter_mut().enumerate() {
            self.mdp.back_up(state, &self.values, &mut q);
            self.policy.change(state, |logits| {
                for (logit, q) in logits.iter_mut().zip(&q) {
                    *logit = q / self.temperature;
                }
            });
            let paid = self.temperature * self.policy.state_divergence(state);
            *value = dot(self.policy.row(state), &q) - paid;
        }
        let change = distance(&next, &self.values);
        self.values = next;
        Some(change)
    }
}

/// Computes `V*(rho)` without regularization, by policy iteration.
pub fn best_value(evaluator: &Evaluator<'_>) -> f64 {
    dot(evaluator.mdp().start(), &best_values(evaluator).states)
}

/// Computes `V*` and `Q*` without regularization, by policy iteration.
///
/// ```
/// use tsallis_lab::exact::{Evaluator, best_values};
/// use tsallis_lab::mdp::bandit;
///
/// let arms = bandit(&[0.25, 1.0], 0.0)?;
/// assert_eq!(best_values(&Evaluator::new(&arms)).actions, [0.25, 1.0]);
/// # Ok::<(), tsallis_lab::MdpError>(())
/// ```
pub fn best_values(evaluator: &Evaluator<'_>) -> Values {
    let mdp = evaluator.mdp();
    let mut choices = vec![0; mdp.states()];
    let mut best = f64::NEG_INFINITY;
    for _ in 0..ITERATIONS {
        let policy = TablePolicy::deterministic(&choices, mdp.actions());
        let values = evaluator.values(&policy, 0.0);
        let objective: f64 = values.states.iter().sum();
        // Policy iteration never lowers the values. If they do not rise, the difference is rounding.
        let rose = objective > best + TOLERANCE * objective.abs();
        best = best.max(objective);
        let mut changed = false;
        for (choice, row) in choices.iter_mut().zip(values.actions.chunks(mdp.actions())) {
            let greedy = argmax(row);
            if row[greedy] > row[*choice] {
                *choice = greedy;
                changed = true;
            }
        }
        if !changed || !rose {
            return values;
        }
    }
    evaluator.values(&TablePolicy::deterministic(&choices, mdp.actions()), 0.0)
}

/// Computes the largest `E sum_{t < H} gamma^t r_t` of any policy that may depend on the time, by dynamic programming.
/// `H` is `steps`.
pub fn best_finite_horizon_value(mdp: &Mdp, steps: usize) -> f64 {
    let mut v = vec![0.0; mdp.states()];
    let mut q = vec![0.0; mdp.actions()];
    for _ in 0..steps {
        let mut next = vec![0.0; mdp.states()];
        for (state, value) in next.iter_mut().enumerate() {
            mdp.back_up(state, &v, &mut q);
            *value = q[argmax(&q)];
        }
        v = next;
    }
    dot(mdp.start(), &v)
}

fn argmax(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

fn largest(a: &[f64]) -> f64 {
    a.iter().map(|a| a.abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Divergence;
    use crate::exact::FiniteHorizon;
    use crate::mdp::{deep_sea, garnet, nchain};
    use crate::testing::{assert_close, divergences};

    #[test]
    fn best_values_of_the_chain_and_the_sea() {
        let close = |got, want| assert_close(got, want, 1e-6, "the value");
        let chain = |n| nchain(n).expect("a length");
        let sea = |n| deep_sea(n).expect("a size");
        // Truncated after 25 steps, or after the chain's own limit of n + 8.
        for (n, best, left, uniform) in [
            (10, 8.823093, 0.155486, 0.0813),
            (15, 8.390674, 0.196386, 0.0274),
            (20, 5.669240, 0.212179, 0.0243),
        ] {
            let mdp = chain(n);
            let steps = mdp.episode_steps().expect("a limit").min(25);
            close(best_finite_horizon_value(&mdp, steps), best);
            let horizon = FiniteHorizon::new(&mdp, steps);
            let always = |action| TablePolicy::deterministic(&vec![action; n], 2);
            close(horizon.objective(&always(1), 0.0), best);
            close(horizon.objective(&always(0), 0.0), left);
            let got = horizon.objective(&TablePolicy::uniform(n, 2), 0.0);
            assert_close(got, uniform, 5e-5, "the uniform policy");
        }
        let best_of_sea = [0.903955, 0.859416, 0.817064, 0.738495];
        for (n, best) in [10, 15, 20, 30].into_iter().zip(best_of_sea) {
            let mdp = sea(n);
            close(best_value(&Evaluator::new(&mdp)), best);
            close(best_finite_horizon_value(&mdp, n), best);
            let undiscounted = mdp.with_discount(1.0 - 1e-12).expect("a discount");
            close(best_finite_horizon_value(&undiscounted, n), 0.99);
        }
        let uniform = TablePolicy::uniform(225, 2);
        let value = Evaluator::new(&sea(15)).objective(&uniform, 0.0);
        assert_close(value, -0.0047, 5e-4, "the uniform policy");
    }

    #[test]
    fn policy_iteration_and_value_iteration_find_the_same_optimum() {
        let mdp = garnet(6, 3, 2, 0.8, 11).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        for divergence in divergences(["0.1", "1", "2", "jensen-shannon", "le-cam"]) {
            let policy = SoftargmaxPolicy::uniform(divergence, 6, 3);
            let optimum = optimum(&evaluator, &policy, 0.1);
            let mut sweeps = value_iteration(&mdp, &policy, 0.1);
            let changes: Vec<f64> = sweeps.by_ref().take(170).collect();
            // Each sweep contracts by gamma.
            for pair in changes.windows(2).take(60) {
                assert!(pair[1] <= 0.8 * pair[0] + 1e-12, "{divergence}: {pair:?}");
            }
            for (a, b) in sweeps.values().iter().zip(&optimum.values.states) {
                assert_close(*a, *b, 1e-12, divergence);
            }
        }
    }

    #[test]
    fn regularization_bias_is_within_its_bound() {
        let mdp = garnet(6, 3, 2, 0.8, 3).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        let best = best_value(&evaluator);
        for temperature in [0.01, 0.1, 1.0] {
            let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(0.5), 6, 3);
            let optimum = optimum(&evaluator, &policy, temperature);
            let kept = evaluator.objective(&optimum.policy, 0.0);
            // lambda D_max / (1 - gamma); for three actions and alpha = 1/2, D_max = 4 - 4 / sqrt(3).
            let bound = temperature * (4.0 - 4.0 / 3_f64.sqrt()) / 0.2;
            assert!(
                best - kept >= -1e-12 && best - kept <= bound,
                "{best} {kept} {bound}"
            );
        }
    }
}

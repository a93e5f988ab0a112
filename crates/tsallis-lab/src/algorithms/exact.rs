use crate::exact::{Evaluator, Gradient, dot, regularized_advantage};
use crate::policy::project_logits;
use crate::{Policy, SoftargmaxPolicy};

/// The rule that sets the step size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepRule {
    /// The same step size `eta` in every step.
    Fixed(f64),
    /// Backtracking line search with the Armijo condition: the largest of `eta, eta / 2, eta / 4, ..` that raises the
    /// objective by at least a tenth of the first-order prediction. The next search starts at twice the accepted step
    /// size.
    Armijo {
        /// The step size at which the first search starts.
        first: f64,
    },
}

/// The fraction of the first-order prediction that a step must reach.
const ARMIJO_CONSTANT: f64 = 0.1;

/// Halvings after which the search stops without a step.
const MAX_HALVINGS: usize = 60;

/// The direction of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The gradient: f-PG.
    #[default]
    Gradient,
    /// The natural gradient with the Fisher information of the policy:
    ///
    /// ```text
    /// v(s, a) = (pi_a / k_a) (z_a - <pi, z>) / (1 - gamma),    z = Q(s, .) - lambda f'(u)
    /// ```
    ///
    /// For the softmax it is the regularized advantage divided by `1 - gamma`. It moves every state, including states
    /// that the policy never visits.
    Natural,
}

/// f-PG with exact gradients: `theta <- T_tau(theta + eta dV(rho)/dtheta)`, with the optional projection `T_tau`
/// ([`project_logits`]). Source: arXiv 2601.12604.
///
/// ```
/// use tsallis_lab::algorithms::{ExactAscent, StepRule};
/// use tsallis_lab::exact::{Evaluator, optimum};
/// use tsallis_lab::{Divergence, SoftargmaxPolicy, mdp::garnet};
///
/// let mdp = garnet(4, 3, 2, 0.8, 1)?;
/// let evaluator = Evaluator::new(&mdp);
/// let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(0.5), 4, 3);
/// let best = optimum(&evaluator, &policy, 0.1).objective;
/// let mut ascent = ExactAscent::new(&evaluator, policy, 0.1, StepRule::Fixed(2.0));
/// for _ in 0..2000 {
///     ascent.step();
/// }
/// assert!(best - evaluator.objective(ascent.policy(), 0.1) < 1e-4);
/// # Ok::<(), tsallis_lab::MdpError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExactAscent<'a> {
    evaluator: &'a Evaluator<'a>,
    policy: SoftargmaxPolicy,
    temperature: f64,
    rule: StepRule,
    direction: Direction,
    floor: Option<f64>,
    max_step_size: f64,
}

/// The result of one step of [`ExactAscent`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExactStep {
    /// The objective `V(rho)` before the step.
    pub objective: f64,
    /// The squared norm of the gradient, `|dV(rho)/dtheta|^2`, before the step.
    pub norm_squared: f64,
    /// The step size `eta`, or zero if the search found no step that raises the objective.
    pub length: f64,
}

impl<'a> ExactAscent<'a> {
    /// Creates an ascent that starts at `policy`, regularized with `temperature` (`lambda`).
    pub fn new(
        evaluator: &'a Evaluator<'a>,
        policy: SoftargmaxPolicy,
        temperature: f64,
        rule: StepRule,
    ) -> Self {
        let max_step_size = match rule {
            StepRule::Fixed(eta) | StepRule::Armijo { first: eta } => eta,
        };
        Self {
            evaluator,
            policy,
            temperature,
            rule,
            direction: Direction::Gradient,
            floor: None,
            max_step_size,
        }
    }

    /// Sets the direction of the steps. The default is [`Direction::Gradient`].
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Projects the policy after each step so that no probability falls below `tau q`. `tau` must be from 0 to the
    /// smallest probability of the reference. `None`, the default, turns the projection off.
    pub fn with_floor(mut self, tau: Option<f64>) -> Self {
        self.floor = tau;
        self
    }

    /// Returns the policy after the last step.
    pub fn policy(&self) -> &SoftargmaxPolicy {
        &self.policy
    }

    /// Takes one step and returns its result.
    pub fn step(&mut self) -> ExactStep {
        let gradient = self.evaluator.gradient(&self.policy, self.temperature);
        let start = self.evaluator.mdp().start();
        let objective = dot(start, &gradient.values.states);
        let norm_squared = gradient.norm_squared();
        let direction = match self.direction {
            Direction::Gradient => gradient.logits.clone(),
            Direction::Natural => self.natural(&gradient),
        };
        let length = match self.rule {
            StepRule::Fixed(eta) => {
                self.policy = self.moved(&direction, eta);
                eta
            }
            StepRule::Armijo { .. } => {
                let slope = dot(&direction, &gradient.logits);
                self.search(&direction, objective, slope)
            }
        };
        ExactStep {
            objective,
            norm_squared,
            length,
        }
    }

    fn search(&mut self, direction: &[f64], objective: f64, slope: f64) -> f64 {
        let moved = |eta| {
            let there = self.moved(direction, eta);
            (self.evaluator.objective(&there, self.temperature), there)
        };
        match backtrack(self.max_step_size, objective, slope, moved) {
            Some((eta, there)) => {
                self.policy = there;
                self.max_step_size = 2.0 * eta;
                eta
            }
            None => 0.0,
        }
    }

    fn moved(&self, direction: &[f64], eta: f64) -> SoftargmaxPolicy {
        let mut policy = self.policy.clone();
        for state in 0..policy.states() {
            let range = policy.range(state);
            let row = &direction[range];
            // A state whose logits do not change keeps its root.
            if row.iter().all(|&d| d == 0.0) {
                continue;
            }
            policy.step(state, row, eta);
            if let Some(tau) = self.floor {
                project_logits(&mut policy, state, tau);
            }
        }
        policy
    }

    fn natural(&self, gradient: &Gradient) -> Vec<f64> {
        let policy = &self.policy;
        let mut direction = vec![0.0; gradient.logits.len()];
        let mut z = vec![0.0; policy.actions()];
        let discount = self.evaluator.mdp().discount();
        for state in 0..policy.states() {
            let q = &gradient.values.actions;
            regularized_advantage(policy, state, q, self.temperature, &mut z);
            let mean = dot(policy.row(state), &z);
            for (z, i) in z.iter().zip(policy.range(state)) {
                let k = policy.weights()[i];
                if k > 0.0 {
                    direction[i] = policy.probabilities()[i] / k * (z - mean) / (1.0 - discount);
                }
            }
        }
        direction
    }
}

/// Returns the largest of the step sizes `first, first / 2, ..` whose value meets the Armijo condition, with the place
/// that it leads to. `moved` returns the value and the place of a step size. Returns `None` if no step size does.
pub(super) fn backtrack<T>(
    first: f64,
    objective: f64,
    slope: f64,
    moved: impl Fn(f64) -> (f64, T),
) -> Option<(f64, T)> {
    let mut eta = first;
    for _ in 0..MAX_HALVINGS {
        let (value, there) = moved(eta);
        if value >= objective + ARMIJO_CONSTANT * eta * slope {
            return Some((eta, there));
        }
        eta *= 0.5;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Divergence;
    use crate::exact::{Constants, optimum};
    use crate::mdp::{bandit, garnet};
    use crate::testing::policy_of_row;

    /// Returns the optimality gap after `steps` steps, and the largest distance of the logits from `Q* / lambda` up to
    /// a constant in each state.
    fn converge(alpha: f64, steps: usize) -> (f64, f64) {
        let mdp = garnet(4, 3, 4, 0.8, 10).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(alpha), 4, 3);
        let best = optimum(&evaluator, &policy, 0.1);
        let mut ascent = ExactAscent::new(&evaluator, policy, 0.1, StepRule::Fixed(2.0));
        (0..steps).for_each(|_| {
            ascent.step();
        });
        let gap = best.objective - evaluator.objective(ascent.policy(), 0.1);
        let mut away = 0.0_f64;
        let rows = ascent.policy().logits().chunks(3);
        for (theta, wanted) in rows.zip(best.policy.logits().chunks(3)) {
            let shift: f64 = theta.iter().zip(wanted).map(|(a, b)| a - b).sum::<f64>() / 3.0;
            for (a, b) in theta.iter().zip(wanted) {
                away = away.max((a - b - shift).abs());
            }
        }
        (gap, away)
    }

    #[test]
    fn the_fixed_point_is_reached() {
        let bounds = [1e-11, 1e-10, 1e-9, 2e-7, 2e-6];
        for (alpha, bound) in [0.1, 0.3, 0.5, 0.9, 1.0].into_iter().zip(bounds) {
            let (gap, away) = converge(alpha, 5000);
            println!("alpha {alpha}: gap {gap:e}, logits away from Q* / lambda {away:e}");
            assert!(gap.abs() < bound, "alpha {alpha}: {gap:e}");
            // The gap is quadratic in the error of the logits.
            assert!(away < 1e-3 || alpha > 0.5, "alpha {alpha}: {away:e}");
        }
        // Before convergence, the softmax is orders of magnitude behind the heavy tail.
        assert!(converge(1.0, 5000).0 > 1e4 * converge(0.1, 5000).0);
    }

    #[test]
    fn each_armijo_step_raises_the_objective() {
        let mdp = garnet(4, 3, 2, 0.8, 3).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(0.5), 4, 3);
        let best = optimum(&evaluator, &policy, 0.1).objective;
        let rule = StepRule::Armijo { first: 1e3 };
        let mut ascent = ExactAscent::new(&evaluator, policy, 0.1, rule);
        let mut before = f64::NEG_INFINITY;
        for _ in 0..400 {
            let step = ascent.step();
            assert!(step.objective >= before - 1e-13);
            before = step.objective;
        }
        assert!(best - before < 1e-6, "{best} {before}");
    }

    #[test]
    fn the_natural_gradient_of_the_softmax_is_policy_iteration_at_the_right_step() {
        let mdp = garnet(4, 3, 2, 0.8, 3).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(1.0), 4, 3);
        let best = optimum(&evaluator, &policy, 0.1).objective;
        // theta <- theta + eta / (1 - gamma) (Q - lambda theta) with eta = (1 - gamma) / lambda.
        let mut ascent = ExactAscent::new(&evaluator, policy, 0.1, StepRule::Fixed(2.0))
            .with_direction(Direction::Natural);
        (0..12).for_each(|_| {
            ascent.step();
        });
        assert!((best - evaluator.objective(ascent.policy(), 0.1)).abs() < 1e-12);
    }

    #[test]
    fn the_projected_ascent_keeps_its_floor() {
        let mdp = garnet(4, 3, 4, 0.8, 10).expect("sizes");
        let evaluator = Evaluator::new(&mdp);
        let mut policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(0.1), 4, 3);
        let tau = Constants::for_policy(&mdp, &policy, 0.1)
            .expect("covered")
            .floor();
        let best = optimum(&evaluator, &policy, 0.1).objective;
        let logits: Vec<f64> = (0..12).map(|i| f64::from(i % 3) * 500.0).collect();
        policy.set_logits(&logits);
        let begun = best - evaluator.objective(&policy, 0.1);
        let mut ascent =
            ExactAscent::new(&evaluator, policy, 0.1, StepRule::Fixed(2.0)).with_floor(Some(tau));
        for _ in 0..3000 {
            ascent.step();
            let policy = ascent.policy();
            for (p, q) in policy.probabilities().iter().zip(policy.reference()) {
                assert!(*p >= tau * q * (1.0 - 1e-7));
            }
        }
        let gap = best - evaluator.objective(ascent.policy(), 0.1);
        assert!(gap < 0.9 * begun, "{gap} {begun}");
    }

    #[test]
    fn two_arms_escape_in_the_steps_of_the_flow() {
        // lambda = 0, rewards 0 and 1, from a logit gap of -10 to 0 at alpha = 1/2: the flow takes a time of 540.24.
        let mdp = bandit(&[0.0, 1.0], 0.0).expect("arms");
        let evaluator = Evaluator::new(&mdp);
        let policy = policy_of_row(Divergence::Tsallis(0.5), &[10.0, 0.0]);
        let mut ascent = ExactAscent::new(&evaluator, policy, 0.0, StepRule::Fixed(0.1));
        let mut steps = 0;
        while ascent.policy().logits()[1] < ascent.policy().logits()[0] {
            ascent.step();
            steps += 1;
        }
        assert_eq!(steps, 5405);
    }
}

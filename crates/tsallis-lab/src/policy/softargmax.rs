use super::Policy;
use crate::Divergence;
use crate::mdp::SUM_TOLERANCE;
use burn_tsallis::math::{
    FSoftargmax, Generator, Pair, Row, RowReference, Solver, Tsallis, jacobian_product,
    non_negative,
};

/// The reference policy `pi_ref`.
#[derive(Clone, Debug, PartialEq)]
pub enum Reference {
    /// The uniform distribution in every state.
    Uniform,
    /// The same distribution over the actions in every state.
    Actions(Vec<f64>),
    /// A distribution for every state, state by state.
    Table(Vec<f64>),
}

/// An error for a reference that is not a policy with full support.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReferenceError {
    /// There is not one probability for each action, or for each action of each state.
    #[error("the reference has {got} probabilities, not {actions} or {table}")]
    Length {
        /// The number of probabilities.
        got: usize,
        /// The number of actions.
        actions: usize,
        /// The number of states times actions.
        table: usize,
    },
    /// A probability is not positive, or is above 1.
    #[error(
        "the reference must be positive everywhere and at most 1: action {action} in state {state} has {value}"
    )]
    OutOfRange {
        /// The state.
        state: usize,
        /// The action.
        action: usize,
        /// Its probability.
        value: f64,
    },
    /// The probabilities of a state do not sum to 1.
    #[error("the reference of state {state} must sum to 1, not {sum}")]
    Sum {
        /// The state.
        state: usize,
        /// The sum.
        sum: f64,
    },
}

/// The coupled parameterization of f-PG, `pi(. | s) = argmax_p <p, theta(s, .)> - D_f(p || q(s, .))`.
///
/// It stores the quantities that gradients need and updates them when the logits of a state change:
///
/// ```text
/// u = pi / q,  y = f'(u),  k = q / f''(u),  dpi(a)/dtheta(b) = k_a (delta_ab - w_b),  w = k / sum k
/// d ln pi(a)/dtheta(b) = (k_a / pi_a)(delta_ab - w_b),      dD/dtheta(b) = k_b (y_b - <w, y>)
/// ```
///
/// `theta` is not divided by the temperature: the optimum is `theta* = Q* / lambda` up to a constant in each state.
/// Source: arXiv 2601.12604.
#[derive(Clone, Debug)]
pub struct SoftargmaxPolicy {
    divergence: Divergence,
    actions: usize,
    reference: Vec<f64>,
    logits: Vec<f64>,
    probabilities: Vec<f64>,
    derivatives: Vec<f64>,
    weights: Vec<f64>,
    divergences: Vec<f64>,
    log_odds: Vec<f64>,
}

impl SoftargmaxPolicy {
    /// Creates the policy with zero logits, which is the reference itself.
    ///
    /// # Errors
    ///
    /// Returns an error if the reference has the wrong length, a probability is not positive or is above 1, or the
    /// probabilities of a state do not sum to 1.
    pub fn new(
        divergence: Divergence,
        states: usize,
        actions: usize,
        reference: &Reference,
    ) -> Result<Self, ReferenceError> {
        let table = states * actions;
        let mut reference = match reference {
            Reference::Uniform => vec![1.0 / actions as f64; table],
            Reference::Actions(q) if q.len() == actions => q.repeat(states),
            Reference::Table(q) if q.len() == table => q.clone(),
            Reference::Actions(q) | Reference::Table(q) => {
                return Err(ReferenceError::Length {
                    got: q.len(),
                    actions,
                    table,
                });
            }
        };
        for (state, row) in reference.chunks(actions).enumerate() {
            if let Some((action, &value)) = row
                .iter()
                .enumerate()
                .find(|(_, q)| !(**q > 0.0 && **q <= 1.0 + SUM_TOLERANCE))
            {
                return Err(ReferenceError::OutOfRange {
                    state,
                    action,
                    value,
                });
            }
            let sum: f64 = row.iter().sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(ReferenceError::Sum { state, sum });
            }
        }
        // A probability slightly above 1 has a rounding error.
        reference.iter_mut().for_each(|q| *q = q.min(1.0));
        let mut policy = Self {
            divergence,
            actions,
            logits: vec![0.0; table],
            probabilities: reference.clone(),
            derivatives: vec![0.0; table],
            weights: vec![0.0; table],
            divergences: vec![0.0; states],
            log_odds: vec![f64::NAN; states],
            reference,
        };
        (0..states).for_each(|state| policy.refresh(state));
        Ok(policy)
    }

    /// Creates the policy with zero logits and the uniform reference.
    pub fn uniform(divergence: Divergence, states: usize, actions: usize) -> Self {
        Self::new(divergence, states, actions, &Reference::Uniform)
            .expect("the uniform policy has full support")
    }

    /// Returns the divergence of the policy.
    pub fn divergence(&self) -> Divergence {
        self.divergence
    }

    /// Returns the number of states.
    pub fn states(&self) -> usize {
        self.divergences.len()
    }

    /// Returns the logits `theta`, state by state.
    pub fn logits(&self) -> &[f64] {
        &self.logits
    }

    /// Returns the reference `q`, state by state.
    pub fn reference(&self) -> &[f64] {
        &self.reference
    }

    /// Returns the smallest probability of the reference.
    pub fn smallest_reference(&self) -> f64 {
        self.reference.iter().copied().fold(1.0, f64::min)
    }

    /// Returns `k = q / f''(pi / q)`, state by state. It is zero off the support.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Returns the smallest of the [`weights`](Self::weights).
    pub fn smallest_weight(&self) -> f64 {
        self.weights.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Returns `y = f'(pi / q)`, state by state. An action with an infinite `y` is off the support.
    pub fn derivatives(&self) -> &[f64] {
        &self.derivatives
    }

    /// Returns the range of a state's entries in a table of all states and actions.
    pub fn range(&self, state: usize) -> std::ops::Range<usize> {
        state * self.actions..(state + 1) * self.actions
    }

    /// Sets all logits, state by state.
    ///
    /// # Panics
    ///
    /// Panics if `logits` does not have one entry for each action of each state.
    pub fn set_logits(&mut self, logits: &[f64]) {
        self.logits.copy_from_slice(logits);
        (0..self.states()).for_each(|state| self.refresh(state));
    }

    /// Changes the logits of one state with the closure `change`.
    pub fn change(&mut self, state: usize, change: impl FnOnce(&mut [f64])) {
        let range = self.range(state);
        change(&mut self.logits[range]);
        self.refresh(state);
    }

    /// Adds `eta` times `direction` to the logits of one state.
    pub fn step(&mut self, state: usize, direction: &[f64], eta: f64) {
        self.change(state, |logits| {
            for (logit, d) in logits.iter_mut().zip(direction) {
                *logit += eta * d;
            }
        });
    }

    /// Changes the divergence and keeps the logits. The optimum `theta* = Q* / lambda` has the same form for every
    /// divergence, so logits learned under one are useful under another.
    pub fn set_divergence(&mut self, divergence: Divergence) {
        self.divergence = divergence;
        self.log_odds.fill(f64::NAN);
        (0..self.states()).for_each(|state| self.refresh(state));
    }

    /// Writes `J v` of a state to `out`, with `J = dpi/dtheta`. It is the gradient of `<v, pi(. | s)>`.
    pub fn jacobian_product(&self, state: usize, v: &[f64], out: &mut [f64]) {
        jacobian_product(&self.weights[self.range(state)], v, out);
    }

    /// Writes `sum_a c_a d ln pi(a | s)/dtheta(s, .)` to `out`: the scores of the actions, weighted by their `credit`.
    pub fn score(&self, state: usize, credit: &[f64], out: &mut [f64]) {
        let range = self.range(state);
        let (k, p) = (&self.weights[range.clone()], &self.probabilities[range]);
        let mut total = 0.0;
        let mut weight = 0.0;
        for i in 0..credit.len() {
            // An action off the support is never taken and has no credit.
            out[i] = if credit[i] == 0.0 {
                0.0
            } else {
                credit[i] * k[i] / p[i]
            };
            total += out[i];
            weight += k[i];
        }
        for i in 0..credit.len() {
            out[i] -= total * k[i] / weight;
        }
    }

    fn refresh(&mut self, state: usize) {
        match self.divergence {
            Divergence::Tsallis(alpha) if self.actions == 2 && alpha <= 1.0 => {
                self.refresh_pair(state, &Tsallis::new(alpha));
            }
            Divergence::Tsallis(alpha) => self.refresh_row(state, alpha),
            _ => self.refresh_generic(state),
        }
    }

    fn refresh_pair(&mut self, state: usize, generator: &Tsallis<f64>) {
        let i = 2 * state;
        let q = [self.reference[i], self.reference[i + 1]];
        let gap = self.logits[i] - self.logits[i + 1];
        let near = Some(self.log_odds[state]).filter(|near| near.is_finite());
        let pair = Pair::solve(generator, gap, q, near);
        self.log_odds[state] = pair.log_odds;
        let mut divergence = 0.0;
        for (j, q) in q.into_iter().enumerate() {
            let (p, y) = (pair.probabilities[j], pair.derivatives[j]);
            self.probabilities[i + j] = p;
            self.derivatives[i + j] = y;
            self.weights[i + j] = p * pair.log_slopes[j];
            // f(u) = u f'(u) - f*(f'(u))
            divergence += p * y - q * generator.conjugate_at_log(pair.log_ratios[j]);
        }
        self.divergences[state] = non_negative(divergence);
    }

    fn refresh_row(&mut self, state: usize, alpha: f64) {
        let range = self.range(state);
        let q = &self.reference[range.clone()];
        let row = Row::new(&self.logits[range.clone()], RowReference::Values(q), alpha);
        let root = row.solve(Solver::Newton);
        // The buffer of the derivatives first holds ln p, from which they are computed.
        let log_p = &mut self.derivatives[range.clone()];
        row.log_softargmax(&root, log_p);
        row.softargmax(&root, &mut self.probabilities[range.clone()]);
        self.divergences[state] = row.divergence(&root);
        let generator = Tsallis::<f64>::new(alpha);
        for ((y, k), q) in log_p.iter_mut().zip(&mut self.weights[range]).zip(q) {
            let log_u = *y - q.ln();
            *k = if log_u == f64::NEG_INFINITY {
                0.0
            } else {
                q / generator.second_derivative(log_u.exp())
            };
            *y = generator.derivative_at_log(log_u);
        }
    }

    fn refresh_generic(&mut self, state: usize) {
        let range = self.range(state);
        let generator = self.divergence;
        let q = &self.reference[range.clone()];
        let Some(answer) = FSoftargmax::new(&generator, &self.logits[range.clone()], q) else {
            self.probabilities[range.clone()].fill(f64::NAN);
            self.derivatives[range.clone()].fill(f64::NAN);
            self.weights[range].fill(f64::NAN);
            self.divergences[state] = f64::NAN;
            return;
        };
        self.probabilities[range.clone()].copy_from_slice(answer.probabilities());
        self.weights[range.clone()].copy_from_slice(answer.weights());
        self.divergences[state] = answer.divergence();
        for i in range {
            let u = self.probabilities[i] / self.reference[i];
            self.derivatives[i] = generator.derivative(u);
        }
    }
}

impl Policy for SoftargmaxPolicy {
    fn actions(&self) -> usize {
        self.actions
    }

    fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    fn state_divergence(&self, state: usize) -> f64 {
        self.divergences[state]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, divergences};

    /// Every divergence, with two and with four actions.
    fn all() -> impl Iterator<Item = (Divergence, usize)> {
        let alphas = ["-0.5", "0", "0.3", "1", "1.5", "2"];
        let others = ["hellinger", "jensen-shannon", "le-cam"];
        let every = divergences(alphas).into_iter().chain(divergences(others));
        every.flat_map(|divergence| [(divergence, 2), (divergence, 4)])
    }

    fn policy(divergence: Divergence, actions: usize) -> SoftargmaxPolicy {
        let q: Vec<f64> = match actions {
            2 => vec![0.3, 0.7],
            _ => vec![0.1, 0.4, 0.2, 0.3],
        };
        let mut policy = SoftargmaxPolicy::new(divergence, 1, actions, &Reference::Actions(q))
            .expect("full support");
        policy.set_logits(&[0.3, -0.1, 0.2, 0.25][..actions]);
        policy
    }

    #[test]
    fn every_derivative_agrees_with_differences() {
        for (divergence, actions) in all() {
            let here = policy(divergence, actions);
            let h = 1e-6;
            let credit = &[0.7, -1.3, 0.2, 2.0][..actions];
            let mut by_pi = vec![0.0; actions];
            let mut by_log = vec![0.0; actions];
            let mut by_divergence = vec![0.0; actions];
            here.jacobian_product(0, credit, &mut by_pi);
            here.score(0, credit, &mut by_log);
            here.jacobian_product(0, here.derivatives(), &mut by_divergence);
            for b in 0..actions {
                let moved = |by: f64| {
                    let mut policy = here.clone();
                    policy.change(0, |logits| logits[b] += by);
                    policy
                };
                let (up, down) = (moved(h), moved(-h));
                let slope = |f: &dyn Fn(&SoftargmaxPolicy) -> f64| (f(&up) - f(&down)) / (2.0 * h);
                let dot = |f: fn(f64) -> f64| {
                    move |policy: &SoftargmaxPolicy| {
                        let terms = policy.probabilities().iter().zip(credit);
                        terms.map(|(&p, c)| c * f(p)).sum::<f64>()
                    }
                };
                let what = format_args!("{divergence} of {actions}");
                let close = |got, want| assert_close(got, want, 2e-8, what);
                close(by_pi[b], slope(&dot(|p| p)));
                close(by_log[b], slope(&dot(f64::ln)));
                let divergence = |policy: &SoftargmaxPolicy| policy.state_divergence(0);
                close(by_divergence[b], slope(&divergence));
            }
        }
    }

    #[test]
    fn logits_of_zero_are_the_reference_and_cost_nothing() {
        for (divergence, actions) in all() {
            let mut policy = policy(divergence, actions);
            policy.set_logits(&vec![5.0; actions]);
            for (p, q) in policy.probabilities().iter().zip(policy.reference()) {
                assert!((p - q).abs() < 1e-14, "{divergence}");
            }
            assert!(policy.state_divergence(0) < 1e-14);
        }
    }

    #[test]
    fn logits_that_are_no_numbers_are_seen_everywhere() {
        for (divergence, actions) in all() {
            let mut policy = policy(divergence, actions);
            policy.change(0, |logits| logits[1] = f64::NAN);
            assert!(
                policy.probabilities().iter().all(|p| p.is_nan()),
                "{divergence}"
            );
            assert!(policy.state_divergence(0).is_nan(), "{divergence}");
            // Finite logits make the policy finite again.
            policy.change(0, |logits| logits.fill(0.0));
            assert!(policy.state_divergence(0) < 1e-14, "{divergence}");
        }
    }

    #[test]
    fn a_reference_without_full_support_is_refused() {
        let new = |q: Reference| SoftargmaxPolicy::new(Divergence::Tsallis(0.5), 2, 2, &q);
        assert!(matches!(
            new(Reference::Actions(vec![1.0, 0.0])),
            Err(ReferenceError::OutOfRange {
                state: 0,
                action: 1,
                ..
            })
        ));
        assert!(new(Reference::Actions(vec![0.5, 0.6])).is_err());
        assert!(new(Reference::Table(vec![0.5; 3])).is_err());
        assert!(new(Reference::Table(vec![0.5; 4])).is_ok());
    }
}

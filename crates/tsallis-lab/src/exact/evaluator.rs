use super::linear::{Chain, Components};
use crate::{Mdp, Policy, SoftargmaxPolicy};

/// Computes exact values of policies over an infinite horizon. It analyzes the structure of the process once.
///
/// ```
/// use tsallis_lab::exact::Evaluator;
/// use tsallis_lab::mdp::nchain;
/// use tsallis_lab::policy::TablePolicy;
///
/// let mdp = nchain(5)?;
/// let evaluator = Evaluator::new(&mdp);
/// // Three steps to the right end, then a reward of 1 in each step.
/// let right = TablePolicy::deterministic(&[1; 5], 2);
/// let value = evaluator.objective(&right, 0.0);
/// assert!((value - 0.99_f64.powi(3) / 0.01).abs() < 1e-9);
/// # Ok::<(), tsallis_lab::MdpError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Evaluator<'a> {
    mdp: &'a Mdp,
    components: Components,
}

/// The regularized values of a policy:
///
/// ```text
/// V(s) = <pi(. | s), Q(s, .)> - lambda D(s),    Q(s, a) = r(s, a) + gamma E V(s')
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// `V` of each state.
    pub states: Vec<f64>,
    /// `Q`, state by state.
    pub actions: Vec<f64>,
}

/// The gradient of `V(rho)` in the logits, with the values and the occupancy that it was computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// `dV(rho)/dtheta`, state by state.
    pub logits: Vec<f64>,
    /// The values of the policy.
    pub values: Values,
    /// The occupancy `d(s) = (1 - gamma) sum_t gamma^t P(s_t = s)`. Its sum is below one if episodes end.
    pub occupancy: Vec<f64>,
}

impl Gradient {
    /// Returns the squared norm `|dV(rho)/dtheta|^2`.
    pub fn norm_squared(&self) -> f64 {
        self.logits.iter().map(|g| g * g).sum()
    }
}

impl<'a> Evaluator<'a> {
    /// Creates an evaluator and analyzes the structure of the process.
    pub fn new(mdp: &'a Mdp) -> Self {
        Self {
            mdp,
            components: Components::new(mdp),
        }
    }

    /// Returns the process.
    pub fn mdp(&self) -> &'a Mdp {
        self.mdp
    }

    fn chain<'p>(&self, policy: &'p impl Policy) -> Chain<'p>
    where
        'a: 'p,
    {
        Chain {
            mdp: self.mdp,
            probabilities: policy.probabilities(),
            discount: self.mdp.discount(),
        }
    }

    /// Computes the values of a policy, regularized with `temperature` (`lambda`).
    pub fn values(&self, policy: &impl Policy, temperature: f64) -> Values {
        let (states, actions) = (self.mdp.states(), self.mdp.actions());
        let v = self.state_values(policy, temperature);
        let mut q = vec![0.0; states * actions];
        for (state, row) in q.chunks_mut(actions).enumerate() {
            self.mdp.back_up(state, &v, row);
        }
        Values {
            states: v,
            actions: q,
        }
    }

    fn state_values(&self, policy: &impl Policy, temperature: f64) -> Vec<f64> {
        let mut v: Vec<f64> = (0..self.mdp.states())
            .map(|state| step_reward(self.mdp, policy, temperature, state))
            .collect();
        self.components.solve(&self.chain(policy), &mut v);
        v
    }

    /// Computes `V(rho)`, the regularized value under the start distribution.
    pub fn objective(&self, policy: &impl Policy, temperature: f64) -> f64 {
        dot(self.mdp.start(), &self.state_values(policy, temperature))
    }

    /// Computes the occupancy `d(s) = (1 - gamma) sum_t gamma^t P(s_t = s)`, with `s_0` from the start distribution.
    pub fn occupancy(&self, policy: &impl Policy) -> Vec<f64> {
        let mut d = self.mdp.start().to_vec();
        self.components
            .solve_transposed(&self.chain(policy), &mut d);
        d.iter_mut().for_each(|d| *d *= 1.0 - self.mdp.discount());
        d
    }

    /// Computes the gradient of `V(rho)` in the logits of an f-softargmax policy:
    ///
    /// ```text
    /// dV(rho)/dtheta(s, b) = d(s) / (1 - gamma) k_b (z_b - <w, z>),    z = Q(s, .) - lambda f'(u)
    /// ```
    ///
    /// `f'(u)` and `theta` differ by a constant in each state, which the Jacobian maps to zero. Source: arXiv
    /// 2601.12604.
    pub fn gradient(&self, policy: &SoftargmaxPolicy, temperature: f64) -> Gradient {
        let values = self.values(policy, temperature);
        let occupancy = self.occupancy(policy);
        let actions = self.mdp.actions();
        let mut logits = vec![0.0; values.actions.len()];
        let mut z = vec![0.0; actions];
        for (state, row) in logits.chunks_mut(actions).enumerate() {
            regularized_advantage(policy, state, &values.actions, temperature, &mut z);
            policy.jacobian_product(state, &z, row);
            let reached = occupancy[state] / (1.0 - self.mdp.discount());
            row.iter_mut().for_each(|g| *g *= reached);
        }
        Gradient {
            logits,
            values,
            occupancy,
        }
    }
}

/// Computes `z = Q(s, .) - lambda f'(u)` up to a constant. If `f'(u)` is infinite, the action is off the support with
/// weight zero, and its `z` is its action value.
pub(crate) fn regularized_advantage(
    policy: &SoftargmaxPolicy,
    state: usize,
    action_values: &[f64],
    temperature: f64,
    z: &mut [f64],
) {
    for (z, i) in z.iter_mut().zip(policy.range(state)) {
        let y = policy.derivatives()[i];
        *z = action_values[i];
        if temperature > 0.0 && y.is_finite() {
            *z -= temperature * y;
        }
    }
}

/// Computes `<pi, r> - lambda D`.
pub(super) fn step_reward(mdp: &Mdp, policy: &impl Policy, temperature: f64, state: usize) -> f64 {
    let earned: f64 = policy
        .row(state)
        .iter()
        .enumerate()
        .map(|(action, p)| p * mdp.reward(state, action))
        .sum();
    // The divergence may be infinite, and zero times infinity is NaN.
    if temperature == 0.0 {
        earned
    } else {
        earned - temperature * policy.state_divergence(state)
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

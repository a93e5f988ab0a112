use crate::{Divergence, Mdp, SoftargmaxPolicy};
use burn_tsallis::math::Generator;

/// Number of intervals of the logarithmic grid that is searched for a supremum over ratios.
const RATIOS: usize = 4000;

/// The constants in the convergence theorems of f-PG.
///
/// Their form is that of arXiv 2601.12604. Constants that the paper leaves open are replaced by derived bounds, which
/// are tested. The paper assumes rewards in `[0, 1]`, with span `R = 1`. Here the rewards can have any span `R`.
#[derive(Clone, Debug)]
pub struct Constants {
    /// `omega = sup 1 / (u f''(u))` over the ratios `u <= 1 / q_min`.
    pub omega: f64,
    /// `kappa = sup |f'''(u)| / f''(u)^2`.
    pub kappa: f64,
    /// `D_max`, the largest divergence of a deterministic policy from the reference.
    pub largest_divergence: f64,
    divergence: Divergence,
    discount: f64,
    temperature: f64,
    /// `R`.
    reward_span: f64,
    /// The smallest probability of the reference.
    smallest_reference: f64,
    /// The smallest probability of the start distribution.
    smallest_start: f64,
}

/// The reason why the theory does not cover a setting.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AssumptionError {
    /// The generator is not bounded at zero, or its policies are sparse.
    #[error(
        "the theory covers alpha above 0 and at most 1, hellinger and jensen-shannon, not {0}: the divergence of a \
         deterministic policy must be finite, and every action must keep a positive probability"
    )]
    Divergence(Divergence),
    /// The temperature is not positive and finite.
    #[error("the temperature must be positive and finite, not {0}")]
    Temperature(f64),
    /// The discount is not in `[0, 1)`.
    #[error("the discount must be at least 0 and below 1, not {0}")]
    Discount(f64),
    /// The span of the rewards is negative or not finite.
    #[error("the span of the rewards must be at least 0 and finite, not {0}")]
    Rewards(f64),
    /// The smallest probability of the reference is not in `(0, 1/2]`.
    #[error("the smallest probability of the reference must be above 0 and at most 1/2, not {0}")]
    Reference(f64),
    /// The smallest probability of the start distribution is not in `[0, 1]`.
    #[error("the smallest probability of the start distribution must be from 0 to 1, not {0}")]
    Start(f64),
}

impl Constants {
    /// Computes the constants. `reward_span`, `smallest_reference` and `smallest_start` are `R`, `q_min` and `rho_min`.
    ///
    /// # Errors
    ///
    /// Returns an error if the theory does not cover the divergence, or if a number is out of range.
    pub fn new(
        divergence: Divergence,
        discount: f64,
        temperature: f64,
        reward_span: f64,
        smallest_reference: f64,
        smallest_start: f64,
    ) -> Result<Self, AssumptionError> {
        let q = smallest_reference;
        if !(0.0..1.0).contains(&discount) {
            return Err(AssumptionError::Discount(discount));
        }
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(AssumptionError::Temperature(temperature));
        }
        if !(0.0..f64::INFINITY).contains(&reward_span) {
            return Err(AssumptionError::Rewards(reward_span));
        }
        if !(q > 0.0 && q <= 0.5) {
            return Err(AssumptionError::Reference(q));
        }
        if !(0.0..=1.0).contains(&smallest_start) {
            return Err(AssumptionError::Start(smallest_start));
        }
        let (omega, kappa) = omega_and_kappa(divergence, q)?;
        Ok(Self {
            omega,
            kappa,
            largest_divergence: largest_divergence(divergence, q),
            divergence,
            discount,
            temperature,
            reward_span,
            smallest_reference,
            smallest_start,
        })
    }

    /// Computes the constants for a process and policies with the divergence and the reference of `policy`.
    ///
    /// # Errors
    ///
    /// Returns an error if the theory does not cover the divergence, or if a number is out of range.
    pub fn for_policy(
        mdp: &Mdp,
        policy: &SoftargmaxPolicy,
        temperature: f64,
    ) -> Result<Self, AssumptionError> {
        Self::new(
            policy.divergence(),
            mdp.discount(),
            temperature,
            mdp.reward_span(),
            policy.smallest_reference(),
            mdp.start().iter().copied().fold(1.0, f64::min),
        )
    }

    /// Checks that the theory covers a divergence.
    ///
    /// # Errors
    ///
    /// Returns [`AssumptionError::Divergence`] if it does not.
    pub fn check_covers(divergence: Divergence) -> Result<(), AssumptionError> {
        omega_and_kappa(divergence, 0.5).map(|_| ())
    }

    /// Returns the floor `tau` of a projection that does not lower the regularized value of any state:
    ///
    /// ```text
    /// tau = min{ (f')^-1( f'(1/2) - (R + gamma lambda D_max) / (lambda (1 - gamma)) ), q_min / 2 }
    /// ```
    ///
    /// Moving mass `m` to a rare action lowers the expected `Q` by at most `m` times the span of `Q`, which is at most
    /// `(R + gamma lambda D_max) / (1 - gamma)`. It lowers the cost of the divergence by at least
    /// `lambda m (f'(1/2) - f'(tau))`. The optimal policy is above the floor too.
    pub fn floor(&self) -> f64 {
        let generator = self.divergence;
        let (g, lambda) = (self.discount, self.temperature);
        let span = (self.reward_span + g * lambda * self.largest_divergence) / (1.0 - g);
        let lowest = generator.derivative(0.5) - span / lambda;
        generator
            .inverse_derivative(lowest)
            .min(0.5 * self.smallest_reference)
    }

    /// Returns the constant `mu` of the Polyak-Łojasiewicz (PL) inequality `|grad|^2 >= mu (V* - V)` at a policy.
    /// `smallest_weight` is the smallest `k = q / f''(pi / q)` of the policy over all states and actions:
    ///
    /// ```text
    /// mu = 2 lambda (1 - gamma) rho_min^2 min k^2 / omega
    /// ```
    pub fn polyak_lojasiewicz(&self, smallest_weight: f64) -> f64 {
        let (g, rho) = (self.discount, self.smallest_start);
        2.0 * self.temperature * (1.0 - g) * rho * rho * smallest_weight * smallest_weight
            / self.omega
    }

    /// Returns the smallest `k = q / f''(pi / q)` of any policy that is nowhere below the [`floor`](Self::floor).
    pub fn smallest_weight(&self) -> f64 {
        let generator = self.divergence;
        self.smallest_reference / generator.second_derivative(self.floor())
    }

    /// Returns an upper bound on the smoothness constant `L` of the objective (the Lipschitz constant of its gradient
    /// in the logits):
    ///
    /// ```text
    /// L = R2 / (1 - gamma) + gamma (2 C1 R1 + C2 R0) / (1 - gamma)^2 + 2 gamma^2 C1^2 R0 / (1 - gamma)^3
    /// R0 = R + lambda D_max,  R1 = R C1 + lambda D1,  R2 = R C2 + lambda D2,  C1 = omega,  C2 = kappa omega
    /// D1 = sqrt(2) Y,  D2 = 5/2 kappa Y + omega / 2,  Y = sup |f'(u)| / f''(u)
    /// ```
    ///
    /// The bound is loose by a factor of a thousand or more. Step sizes in practice are larger than `1 / (2 L)`.
    pub fn smoothness(&self) -> f64 {
        let (g, lambda) = (self.discount, self.temperature);
        let y = self.largest_slope();
        let (c1, c2) = (self.omega, self.kappa * self.omega);
        let d1 = std::f64::consts::SQRT_2 * y;
        let d2 = 2.5 * self.kappa * y + 0.5 * self.omega;
        let span = self.reward_span;
        let r0 = span + lambda * self.largest_divergence;
        let (r1, r2) = (span * c1 + lambda * d1, span * c2 + lambda * d2);
        r2 / (1.0 - g)
            + g * (2.0 * c1 * r1 + c2 * r0) / (1.0 - g).powi(2)
            + 2.0 * g * g * c1 * c1 * r0 / (1.0 - g).powi(3)
    }

    /// Computes `Y = sup |f'(u)| / f''(u)` over the ratios `u <= 1 / q_min`.
    fn largest_slope(&self) -> f64 {
        let generator = self.divergence;
        let last = -self.smallest_reference.ln();
        // The quotients at ratios below e^-40 are smaller than all others.
        (0..=RATIOS)
            .map(|i| {
                let share = i as f64 / RATIOS as f64;
                let u = (-40.0 + share * (last + 40.0)).exp();
                generator.derivative(u).abs() / generator.second_derivative(u)
            })
            .fold(0.0, f64::max)
    }

    /// Returns the bound on the step size, `eta <= 1 / (2 L)`, with `L` of [`smoothness`](Self::smoothness).
    pub fn step_bound(&self) -> f64 {
        0.5 / self.smoothness()
    }
}

fn omega_and_kappa(divergence: Divergence, q: f64) -> Result<(f64, f64), AssumptionError> {
    match divergence {
        Divergence::Tsallis(alpha) if alpha > 0.0 && alpha <= 1.0 => {
            let power = q.powf(alpha - 1.0);
            Ok((power, (2.0 - alpha) * power))
        }
        Divergence::Hellinger => Ok((2.0 / q.sqrt(), 3.0 / q.sqrt())),
        Divergence::JensenShannon => Ok((1.0 + 1.0 / q, 1.0 + 2.0 / q)),
        Divergence::Tsallis(_) | Divergence::LeCam => Err(AssumptionError::Divergence(divergence)),
    }
}

/// Returns `D_max = max_b q_b f(1 / q_b) + (1 - q_b) f(0)`, the largest divergence of a deterministic policy from the
/// reference. The action with the smallest probability in the reference attains it. It is infinite if `f(0)` is.
pub fn largest_divergence(divergence: Divergence, smallest_reference: f64) -> f64 {
    let (f, q) = (divergence, smallest_reference);
    q * f.value(1.0 / q) + (1.0 - q) * f.value(0.0)
}

/// Returns the paper's choice of alpha for accuracy `epsilon`, `11 / (2 ln(1 / epsilon))`, at which its
/// sample-complexity bound is polynomial in `1 / epsilon`. It is below 1 for `epsilon < e^-5.5`. Source: arXiv
/// 2601.12604.
pub fn optimal_alpha(epsilon: f64) -> f64 {
    // Written without `1 / epsilon`, which overflows for the smallest numbers.
    5.5 / -epsilon.ln()
}

/// Returns the temperature with a regularization bias of at most half of `epsilon`:
/// `lambda = (1 - gamma) epsilon / (2 D_max)`.
pub fn temperature_for(epsilon: f64, discount: f64, largest_divergence: f64) -> f64 {
    0.5 * (1.0 - discount) * epsilon / largest_divergence
}

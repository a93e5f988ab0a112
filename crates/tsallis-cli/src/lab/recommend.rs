use super::number_format::Compact;
use super::text_table::TextTable;
use super::{LabError, check};
use crate::print_paragraph::print_paragraph;
use clap::Args;
use tsallis_lab::Divergence;
use tsallis_lab::exact::{Constants, largest_divergence, optimal_alpha, temperature_for};

/// The formulas of the recommendations.
const FORMULAS: [&str; 9] = [
    "D_max = q_min f(1 / q_min) + (1 - q_min) f(0) with f(u) = (u^alpha - alpha u + alpha - 1) / (alpha (alpha - 1)), \
     or u ln u - u + 1 at alpha = 1",
    "lambda = (1 - gamma) epsilon / (2 D_max)",
    "tau = min((f')^-1(f'(1/2) - (1 + gamma lambda D_max) / (lambda (1 - gamma))), q_min / 2)",
    "eta <= 1 / (2 L)",
    "L = R2 / (1 - gamma) + gamma (2 C1 R1 + C2 R0) / (1 - gamma)^2 + 2 gamma^2 C1^2 R0 / (1 - gamma)^3",
    "  R0 = 1 + lambda D_max, R1 = C1 + sqrt(2) lambda Y, R2 = C2 + lambda (5/2 kappa Y + omega / 2)",
    "  omega = q_min^(alpha - 1) bounds 1 / (u f''), kappa = (2 - alpha) omega bounds |f'''| / f''^2",
    "  C1 = omega, C2 = kappa omega, Y = sup |f'| / f'' over the ratios u up to 1 / q_min",
    "mu = 2 lambda (1 - gamma) rho_min^2 (q_min / f''(tau))^2 / omega: \
     each step multiplies the gap by at most 1 - eta mu / 4",
];

/// Recommend temperature, alpha, floor and step size for a target accuracy.
///
/// Prints each value with its formula, for rewards in [0, 1] and the uniform reference. The values are the bounds of
/// the theory: safe, but far from the best choice in an experiment.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Recommend {
    /// Accuracy: the allowed distance from the value of the best policy.
    #[arg(long, value_name = "NUMBER")]
    epsilon: f64,

    /// Discount factor.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.99)]
    gamma: f64,

    /// Number of actions in each state.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    actions: usize,

    /// Smallest probability of the start distribution over states, rho_min: 1 / S for a uniform start in S states. The
    /// default holds only for a single state; at 0 the guaranteed rate is 0.
    #[arg(long, value_name = "PROBABILITY", default_value_t = 1.0)]
    start_min: f64,

    /// Another alpha to show, besides the recommended one and the softmax.
    #[arg(long, value_name = "ALPHA")]
    alpha: Option<f64>,
}

impl Recommend {
    pub(crate) fn run(self) -> Result<(), LabError> {
        let epsilon = self.epsilon;
        let holds = epsilon > 0.0 && epsilon < 1.0;
        check(holds, "--epsilon", "above 0 and below 1", epsilon)?;
        let holds = (0.0..1.0).contains(&self.gamma);
        check(holds, "--gamma", "at least 0 and below 1", self.gamma)?;
        check(self.actions >= 2, "--actions", "at least 2", self.actions)?;

        let recommended = optimal_alpha(epsilon);
        let mut alphas = vec![recommended.min(1.0), 1.0];
        alphas.extend(self.alpha);
        alphas.sort_by(f64::total_cmp);
        alphas.dedup();
        let q_min = 1.0 / self.actions as f64;
        let settings = alphas
            .into_iter()
            .map(|alpha| {
                let divergence = Divergence::Tsallis(alpha);
                Constants::check_covers(divergence)?;
                let dearest = largest_divergence(divergence, q_min);
                let lambda = temperature_for(epsilon, self.gamma, dearest);
                let needs =
                    "large enough that lambda = (1 - gamma) epsilon / (2 D_max) is positive";
                check(lambda > 0.0, "--epsilon", needs, epsilon)?;
                let constants =
                    Constants::new(divergence, self.gamma, lambda, 1.0, q_min, self.start_min)?;
                Ok((alpha, lambda, constants))
            })
            .collect::<Result<Vec<_>, LabError>>()?;

        print_paragraph(&format!(
            "For an accuracy of {} at discount {} with {} actions:",
            Compact(epsilon),
            self.gamma,
            self.actions
        ));
        println!();
        print_paragraph(&format!(
            "alpha* = 11 / (2 ln(1 / epsilon)) = {}",
            Compact(recommended)
        ));
        if recommended >= 1.0 {
            print_paragraph(
                "  This is not below 1, because the formula requires epsilon < e^-5.5 = 0.0041. Use the softmax, \
                 alpha = 1, at this accuracy.",
            );
        }
        FORMULAS.iter().for_each(|formula| print_paragraph(formula));
        println!();
        let mut table = TextTable::new(0, "alpha, D_max, lambda, tau, 1 / (2 L), mu");
        for (alpha, lambda, constants) in settings {
            let mu = constants.polyak_lojasiewicz(constants.smallest_weight());
            table.row([
                format!("{alpha:.4}"),
                Compact(constants.largest_divergence).to_string(),
                Compact(lambda).to_string(),
                Tiny(constants.floor()).to_string(),
                Tiny(constants.step_bound()).to_string(),
                Tiny(mu).to_string(),
            ]);
        }
        table.print();
        println!();
        print_paragraph(
            "tau and mu are polynomial in lambda below alpha = 1 and exponential in 1 / lambda at alpha = 1. This is \
             the advantage of the heavy tail. The bound 1 / (2 L) is too small by a factor of a thousand or more: use \
             `tsallis converge` to find a practical step size.",
        );
        Ok(())
    }
}

/// Formats a positive number that may have underflowed to zero.
struct Tiny(f64);

impl std::fmt::Display for Tiny {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0.0 {
            f.pad("< 1e-300")
        } else {
            Compact(self.0).fmt(f)
        }
    }
}

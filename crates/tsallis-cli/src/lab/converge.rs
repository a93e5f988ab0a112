use super::number_format::{Compact, or_dash};
use super::progress::Progress;
use super::text_table::TextTable;
use super::{
    LabError, PROCESS_HELP, check_count, check_positive, divergence_label, escape, log_spaced,
    make_folder, print_written, write_table,
};
use crate::plot::{Axis, Figure, GRAY, Line, LinePlot, decade_above, divergence_color};
use crate::print_paragraph::print_paragraph;
use clap::Args;
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tsallis_lab::algorithms::{Direction, ExactAscent, StepRule};
use tsallis_lab::exact::{Constants, Evaluator, optimum, value_iteration};
use tsallis_lab::policy::Reference;
use tsallis_lab::{Divergence, Mdp, SoftargmaxPolicy, unique};

/// Gaps below this, relative to the optimum, are rounding errors.
const ROUNDING: f64 = 1e-13;

/// The number of points of a curve that are drawn and written.
const POINTS: usize = 400;

/// Compare f-PG with exact gradients to regularized value iteration, and measure its rates.
///
/// Writes suboptimality.svg, .png and .csv (the distance of the regularized value from its optimum after each
/// iteration), rates.csv (the measured linear rate and its bound from the Polyak-Lojasiewicz inequality) and
/// escape.svg, .png and .csv (the escape time from a nearly certain wrong policy).
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_long_help = PROCESS_HELP)]
pub(crate) struct Converge {
    /// MDP, such as nchain:15 or a JSON file; the list is at the end of --help.
    #[arg(long, value_name = "NAME", default_value = "garnet:4,3,4,10")]
    mdp: String,

    /// Solve the finite-horizon problem of this many steps, with a time-dependent policy [default: infinite horizon].
    #[arg(long, value_name = "COUNT")]
    horizon: Option<usize>,

    /// Divergences: alphas, or kl (1), reverse-kl (0), pearson (2, half of chi-squared), neyman (-1, likewise half),
    /// hellinger (squared), jensen-shannon (doubled) or le-cam.
    #[arg(long, value_name = "ALPHA", num_args = 1.., default_values = ["0.1", "0.3", "0.5", "0.7", "0.9", "1"])]
    alpha: Vec<Divergence>,

    /// Reference policy: a probability for each action [default: uniform].
    #[arg(long, value_name = "PROBABILITY", num_args = 1..)]
    reference: Vec<f64>,

    /// Weight of the regularizer.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.1)]
    temperature: f64,

    /// Step size; with --armijo, the first one to try.
    #[arg(long, value_name = "NUMBER", default_value_t = 2.0)]
    step_size: f64,

    /// Backtracking line search: halve the step size until the objective rises by at least a tenth of the first-order
    /// prediction (Armijo condition).
    #[arg(long)]
    armijo: bool,

    /// Follow the natural gradient.
    #[arg(long)]
    natural: bool,

    /// After each step, raise every probability below tau q to tau q (the projection T_tau; `tsallis recommend` prints
    /// the formula of tau).
    #[arg(long)]
    project: bool,

    /// Number of steps.
    #[arg(long, value_name = "COUNT", default_value_t = 5000)]
    iterations: usize,

    /// Output folder; existing files are replaced.
    #[arg(long, value_name = "FOLDER", default_value = "runs/converge")]
    out: PathBuf,
}

/// The results for one divergence.
struct Trace {
    divergence: Divergence,
    /// The gap after each iteration.
    gaps: Vec<f64>,
    /// The gap of regularized value iteration after each sweep.
    sweeps: Vec<f64>,
    /// The measured rate per step.
    rate: Option<f64>,
    /// `eta mu / 4` at the last policy.
    pl_bound: Option<f64>,
    /// `1 / (2 L)`.
    step_bound: Option<f64>,
}

/// The starting point for one divergence.
struct Setup {
    policy: SoftargmaxPolicy,
    /// The constants of the theory, if it covers the setting.
    constants: Option<Constants>,
    floor: Option<f64>,
}

impl Converge {
    pub(crate) fn run(self) -> Result<(), LabError> {
        check_positive("--temperature", self.temperature)?;
        check_positive("--step-size", self.step_size)?;
        check_count("--iterations", self.iterations)?;
        let mut mdp = Mdp::from_name(&self.mdp)?;
        if let Some(steps) = self.horizon {
            mdp = mdp.unrolled(steps)?;
        }
        let divergences = unique(self.alpha.iter().copied());
        // All settings are validated before the first computation starts.
        let starts = divergences
            .iter()
            .map(|&divergence| self.setup(&mdp, divergence))
            .collect::<Result<Vec<_>, _>>()?;
        make_folder(&self.out)?;
        let evaluator = Evaluator::new(&mdp);
        let steps = self.iterations + self.sweeps(&mdp);
        let progress = Mutex::new(Progress::new(steps * starts.len(), "steps"));
        let traces: Vec<Trace> = starts
            .into_par_iter()
            .map(|start| self.trace(&evaluator, start, &progress))
            .collect();
        progress
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .finish();
        self.draw(&mdp, &traces)?;
        self.write(&traces)?;
        self.print_table(&traces);
        let mut names = vec!["suboptimality.svg", "suboptimality.csv", "rates.csv"];
        let alphas: Vec<f64> = divergences
            .iter()
            .filter_map(|divergence| match *divergence {
                Divergence::Tsallis(alpha) if alpha <= 1.0 => Some(alpha),
                _ => None,
            })
            .collect();
        if alphas.is_empty() {
            print_paragraph("No alpha is 1 or less, so there is no figure of escape times.");
        } else {
            escape::report(&self.out, &alphas)?;
            names.extend(["escape.svg", "escape.csv"]);
        }
        names.push("the figures as PNG");
        print_written(&self.out, &names.join(", "));
        Ok(())
    }

    /// Returns the initial policy of the ascent and the floor for its steps.
    fn setup(&self, mdp: &Mdp, divergence: Divergence) -> Result<Setup, LabError> {
        let reference = if self.reference.is_empty() {
            Reference::Uniform
        } else {
            Reference::Actions(self.reference.clone())
        };
        let policy = SoftargmaxPolicy::new(divergence, mdp.states(), mdp.actions(), &reference)?;
        let constants = Constants::for_policy(mdp, &policy, self.temperature);
        let floor = if self.project {
            Some(constants.clone()?.floor())
        } else {
            None
        };
        let constants = constants.ok();
        Ok(Setup {
            policy,
            constants,
            floor,
        })
    }

    /// Returns the number of sweeps of value iteration: enough to converge, and at most the number of iterations.
    fn sweeps(&self, mdp: &Mdp) -> usize {
        self.iterations
            .min((40.0 / (1.0 - mdp.discount())) as usize)
    }

    fn trace(&self, evaluator: &Evaluator<'_>, start: Setup, progress: &Mutex<Progress>) -> Trace {
        let mdp = evaluator.mdp();
        let divergence = start.policy.divergence();
        let chunk = (self.iterations / 100).max(1);
        let report = |n: usize| {
            if n > 0 && n.is_multiple_of(chunk) {
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                progress.advance(chunk, || divergence_label(divergence));
            }
        };
        let best = optimum(evaluator, &start.policy, self.temperature).objective;
        let rule = if self.armijo {
            StepRule::Armijo {
                first: self.step_size,
            }
        } else {
            StepRule::Fixed(self.step_size)
        };
        let direction = if self.natural {
            Direction::Natural
        } else {
            Direction::Gradient
        };
        let mut ascent = ExactAscent::new(evaluator, start.policy.clone(), self.temperature, rule)
            .with_direction(direction)
            .with_floor(start.floor);
        let gaps: Vec<f64> = (0..=self.iterations)
            .map(|n| {
                report(n);
                best - ascent.step().objective
            })
            .collect();
        let mut sweeps = value_iteration(mdp, &start.policy, self.temperature);
        let sweeps = (0..self.sweeps(mdp))
            .map(|n| {
                report(n + 1);
                sweeps.next();
                best - evaluator.objective(sweeps.policy(), self.temperature)
            })
            .collect();
        let smallest = ascent.policy().smallest_weight();
        // The inequality applies only to the plain gradient with a fixed step.
        let constants = start.constants.filter(|_| !self.natural && !self.armijo);
        let pl_bound = |of: &Constants| 0.25 * self.step_size * of.polyak_lojasiewicz(smallest);
        Trace {
            divergence,
            rate: measured_rate(&gaps, ROUNDING * best.abs().max(1.0)),
            gaps,
            sweeps,
            pl_bound: constants.as_ref().map(pl_bound),
            step_bound: constants.as_ref().map(Constants::step_bound),
        }
    }

    fn draw(&self, mdp: &Mdp, traces: &[Trace]) -> Result<(), LabError> {
        let largest = traces
            .iter()
            .flat_map(|trace| &trace.gaps)
            .copied()
            .fold(1e-6, f64::max);
        let range = 1e-15..decade_above(largest);
        let mut plot = LinePlot::new(
            Axis::log("iteration").range(1.0..self.iterations.max(2) as f64),
            Axis::log("distance of the regularized value from its optimum").range(range),
        );
        for trace in traces {
            let points = log_spaced(self.iterations, POINTS).map(|n| (n as f64, trace.gaps[n]));
            let line = Line::new(points, divergence_color(trace.divergence));
            plot = plot.line(line.label(divergence_label(trace.divergence)));
        }
        // Only the first one is drawn because they differ little.
        if let Some(trace) = traces.first() {
            let sweeps = trace
                .sweeps
                .iter()
                .enumerate()
                .map(|(n, gap)| ((n + 1) as f64, *gap));
            let label = format!("value iteration, {}", divergence_label(trace.divergence));
            plot = plot.line(Line::new(sweeps, GRAY).dashed().label(label));
        }
        let step = if self.armijo {
            "Armijo steps".to_owned()
        } else {
            format!("η = {}", self.step_size)
        };
        let method = if self.natural {
            "Natural gradient"
        } else {
            "Exact f-PG"
        };
        Figure::new((960, 640))
            .title(format!(
                "{method} on {}, λ = {}, {step}",
                mdp.name(),
                self.temperature
            ))
            .panel(plot)
            .save(&self.out.join("suboptimality"))?;
        Ok(())
    }

    fn write(&self, traces: &[Trace]) -> Result<(), LabError> {
        let mut header = "iteration".to_owned();
        for Trace { divergence, .. } in traces {
            header += &format!(",fpg_{divergence},value_iteration_{divergence}");
        }
        let rows = log_spaced(self.iterations, POINTS).map(|n| {
            let mut row = vec![Some(n as f64)];
            for trace in traces {
                row.push(Some(trace.gaps[n]));
                row.push(trace.sweeps.get(n.wrapping_sub(1)).copied());
            }
            row
        });
        write_table(&self.out.join("suboptimality.csv"), &header, rows)?;
        let header = "divergence,final_gap,measured_rate,pl_bound,step_bound";
        let rows = traces.iter().map(|trace| {
            let last = trace.gaps[self.iterations];
            (
                trace.divergence.to_string(),
                last,
                trace.rate,
                trace.pl_bound,
                trace.step_bound,
            )
        });
        write_table(&self.out.join("rates.csv"), header, rows)
    }

    fn print_table(&self, traces: &[Trace]) {
        let names = "divergence, gap at end, gap < 1e-6, measured rate, PL bound, 1 / (2 L)";
        let mut table = TextTable::new(0, names);
        for trace in traces {
            let reached = trace.gaps.iter().position(|gap| *gap < 1e-6);
            table.row([
                trace.divergence.to_string(),
                Compact(trace.gaps[self.iterations]).to_string(),
                reached.map_or("never".to_owned(), |n| format!("after {n}")),
                or_dash(trace.rate.map(Compact)),
                or_dash(trace.pl_bound.map(Compact)),
                or_dash(trace.step_bound.map(Compact)),
            ]);
        }
        table.print();
        print_paragraph(
            "At a rate r, each step multiplies the gap by e^-r. The PL bound is eta mu / 4, with the constant mu of \
             the Polyak-Lojasiewicz inequality at the last policy. It is a guarantee for eta up to 1 / (2 L) near that \
             policy, and zero if episodes cannot start in every state.",
        );
    }
}

/// Returns the rate at which the gap shrinks, `-ln` of the factor per step, over the last half of the steps before the
/// gap is a rounding error. Returns `None` if there are too few such steps.
fn measured_rate(gaps: &[f64], rounding: f64) -> Option<f64> {
    let end = gaps
        .iter()
        .position(|gap| gap.is_nan() || *gap <= rounding)
        .unwrap_or(gaps.len());
    let (first, last) = (end / 2, end.checked_sub(1)?);
    if last <= first {
        return None;
    }
    let rate = (gaps[first] / gaps[last]).ln() / (last - first) as f64;
    Some(rate).filter(|rate| rate.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_a_geometric_sequence() {
        let gaps: Vec<f64> = (0..200).map(|n| (-0.3 * f64::from(n)).exp()).collect();
        let rate = measured_rate(&gaps, 1e-13).expect("a rate");
        assert!((rate - 0.3).abs() < 1e-9, "{rate}");
        assert_eq!(measured_rate(&[1e-15, 1e-16], 1e-13), None);
        assert_eq!(measured_rate(&[], 1e-13), None);
    }
}

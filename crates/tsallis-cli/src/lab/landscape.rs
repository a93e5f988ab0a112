use super::{
    LabError, check, check_positive, check_within, make_folder, print_written, write_table,
};
use crate::plot::{Axis, Figure, Surface, decade_above};
use burn_tsallis::math::{
    Output, Row, RowGradients, RowReference, Solver, Tsallis, is_valid_alpha,
};
use clap::Args;
use rayon::prelude::*;
use std::path::PathBuf;
use tsallis_lab::mdp::MAX_REWARD;

const SIZE: (u32, u32) = (1280, 1060);

/// Smaller gradient norms are drawn as this value, because the gradient of the softmax underflows.
const MIN_NORM: f64 = 1e-12;

/// The number of points in the figures per point of the table, so that ridges between table points are visible.
const UPSAMPLING: usize = 4;

/// Draw the objective of two arms over their two logits, as in Figure 1 of the paper (arXiv 2601.12604).
///
/// Covers the four pairs of a softmax or Tsallis policy with an entropy or Tsallis regularizer. Writes landscape.svg
/// and .png with the objective, landscape-gradient.svg and .png with the norm of its gradient, which shows the flat
/// regions, and landscape.csv with both.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Landscape {
    /// Alpha of the Tsallis policy and regularizer.
    #[arg(long, value_name = "ALPHA", default_value_t = 0.1)]
    alpha: f64,

    /// Weight of the regularizer.
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    temperature: f64,

    /// Rewards of the two arms.
    #[arg(long, num_args = 2, value_names = ["FIRST", "SECOND"], default_values_t = [0.0, 1.0])]
    rewards: Vec<f64>,

    /// Both logits range from minus this value to this value.
    #[arg(long, value_name = "NUMBER", default_value_t = 50.0)]
    range: f64,

    /// Points along each logit in the table; the figures have four times as many.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    points: usize,

    /// Output folder; existing files are replaced.
    #[arg(long, value_name = "FOLDER", default_value = "runs/landscape")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RegularizerKind {
    Entropy,
    Tsallis,
}

/// A policy and a regularizer.
struct Coupling {
    name: String,
    policy_alpha: f64,
    regularizer: RegularizerKind,
}

/// The objective and the norm of its gradient at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    value: f64,
    gradient: f64,
}

impl Landscape {
    pub(crate) fn run(self) -> Result<(), LabError> {
        check(
            self.alpha > 0.0 && is_valid_alpha(self.alpha),
            "--alpha",
            "above 0 and at most 50 (at 0 and below, a deterministic policy has infinite cost)",
            self.alpha,
        )?;
        check_positive("--temperature", self.temperature)?;
        check_positive("--range", self.range)?;
        check_within("--points", self.points, 2..=500)?;
        for reward in &self.rewards {
            let holds = reward.abs() <= MAX_REWARD;
            check(
                holds,
                "--rewards",
                "from -1e100 to 1e100",
                format!("{reward:e}"),
            )?;
        }
        make_folder(&self.out)?;

        let couplings = self.couplings();
        let fine = self.grid((self.points - 1) * UPSAMPLING + 1);
        let pictures = self.surfaces(&couplings, &fine);
        self.save("landscape", "objective", &couplings, &fine, |i, scale| {
            let values = pictures[i].iter().map(|point| point.value).collect();
            (Axis::linear(scale).ticks(8), values)
        })?;
        let largest_norm = largest_norm(&pictures);
        self.save(
            "landscape-gradient",
            "norm of the gradient",
            &couplings,
            &fine,
            |i, scale| {
                let norms = pictures[i]
                    .iter()
                    .map(|point| point.gradient.max(MIN_NORM))
                    .collect();
                (
                    Axis::log(scale).range(MIN_NORM..decade_above(largest_norm)),
                    norms,
                )
            },
        )?;

        let grid = self.grid(self.points);
        let surfaces = self.surfaces(&couplings, &grid);
        let mut header = "theta_1,theta_2".to_owned();
        for coupling in &couplings {
            let name = coupling.name.replace(" policy, ", "_").replace(' ', "_");
            header += &format!(",objective_{name},gradient_norm_{name}");
        }
        let rows = (0..grid.len() * grid.len()).map(|n| {
            let mut row = vec![grid[n % grid.len()], grid[n / grid.len()]];
            row.extend(surfaces.iter().flat_map(|s| [s[n].value, s[n].gradient]));
            row
        });
        write_table(&self.out.join("landscape.csv"), &header, rows)?;

        println!("Share of the logit square with a gradient norm below 1e-6:");
        for (coupling, surface) in couplings.iter().zip(&surfaces) {
            let flat = surface.iter().filter(|point| point.gradient < 1e-6).count();
            let share = 100.0 * flat as f64 / surface.len() as f64;
            println!("{share:>5.0} %  {}", coupling.name);
        }
        let written = "landscape.svg, landscape-gradient.svg, the same as PNG, landscape.csv";
        print_written(&self.out, written);
        Ok(())
    }

    fn grid(&self, points: usize) -> Vec<f64> {
        let steps = (points - 1) as f64;
        (0..points)
            .map(|i| self.range * (2.0 * i as f64 / steps - 1.0))
            .collect()
    }

    fn surfaces(&self, couplings: &[Coupling], grid: &[f64]) -> Vec<Vec<Point>> {
        couplings
            .iter()
            .map(|coupling| {
                grid.par_iter()
                    .flat_map_iter(|&second| grid.iter().map(move |&first| [first, second]))
                    .map(|theta| self.at(coupling, theta))
                    .collect()
            })
            .collect()
    }

    fn couplings(&self) -> Vec<Coupling> {
        let regularizers = [
            ("entropy", RegularizerKind::Entropy),
            ("Tsallis regularizer", RegularizerKind::Tsallis),
        ];
        [("softmax", 1.0), ("Tsallis", self.alpha)]
            .into_iter()
            .flat_map(|(policy, policy_alpha)| {
                regularizers.map(|(name, regularizer)| Coupling {
                    name: format!("{policy} policy, {name}"),
                    policy_alpha,
                    regularizer,
                })
            })
            .collect()
    }

    /// Returns `<pi, r> - lambda sum_a f(pi_a)` and the norm of its gradient. The policy has the reference `ones`, as
    /// in the paper's figure.
    fn at(&self, coupling: &Coupling, theta: [f64; 2]) -> Point {
        let row = Row::new(&theta, RowReference::Ones, coupling.policy_alpha);
        let state = row.solve(Solver::Newton);
        let (mut p, mut log_p) = ([0.0; 2], [0.0; 2]);
        row.softargmax(&state, &mut p);
        // Costs use the logarithms, because a probability that underflows still has a cost.
        row.log_softargmax(&state, &mut log_p);
        let tsallis = Tsallis::new(self.alpha);
        let mut value = 0.0;
        let mut slope = [0.0; 2];
        for a in 0..2 {
            let (cost, cost_slope) = match coupling.regularizer {
                RegularizerKind::Entropy if p[a] == 0.0 => (0.0, 0.0),
                RegularizerKind::Entropy => (p[a] * log_p[a], log_p[a] + 1.0),
                RegularizerKind::Tsallis => (
                    tsallis.value_at_log(log_p[a]),
                    tsallis.derivative_at_log(log_p[a]),
                ),
            };
            value += p[a] * self.rewards[a] - self.temperature * cost;
            slope[a] = self.rewards[a] - self.temperature * cost_slope;
        }
        let mut gradient = [0.0; 2];
        let wanted = RowGradients {
            logits: Some(&mut gradient),
            ..Default::default()
        };
        row.backward(Output::Probabilities, &state, &slope, wanted);
        Point {
            value,
            gradient: gradient[0].hypot(gradient[1]),
        }
    }

    fn save(
        &self,
        stem: &str,
        scale: &str,
        couplings: &[Coupling],
        grid: &[f64],
        values: impl Fn(usize, &str) -> (Axis, Vec<f64>),
    ) -> Result<(), LabError> {
        let title = format!(
            "Two arms with rewards {} and {}, α = {}, λ = {}: {scale}",
            self.rewards[0], self.rewards[1], self.alpha, self.temperature
        );
        let mut figure = Figure::new(SIZE).title(title).columns(2);
        for (i, coupling) in couplings.iter().enumerate() {
            let axis = |name| (Axis::linear(name).ticks(6), grid.to_vec());
            let surface =
                Surface::new(axis("θ₁"), axis("θ₂"), values(i, scale)).title(&coupling.name);
            figure = figure.panel(surface);
        }
        Ok(figure.save(&self.out.join(stem))?)
    }
}

/// Returns the largest finite norm of all figures, which share their scale, and at least `10 * MIN_NORM`.
fn largest_norm(pictures: &[Vec<Point>]) -> f64 {
    let norms = pictures.iter().flatten().map(|point| point.gradient);
    norms
        .filter(|norm| norm.is_finite())
        .fold(10.0 * MIN_NORM, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landscape() -> Landscape {
        Landscape {
            alpha: 0.1,
            temperature: 1.0,
            rewards: vec![0.0, 1.0],
            range: 50.0,
            points: 50,
            out: PathBuf::new(),
        }
    }

    #[test]
    fn the_values_of_the_paper() {
        let want = [
            ([0.0, 0.0], [1.19315, 0.12296, 1.19315, 0.12296]),
            ([50.0, -50.0], [0.0, -9.9995, 0.04666, -3.26971]),
            ([-50.0, 50.0], [1.0, -8.9995, 1.03334, -2.28302]),
            ([10.0, 0.0], [0.00054, -5.91247, 0.34765, -1.41580]),
            ([0.0, 10.0], [1.00045, -4.91257, 1.19407, -0.56938]),
        ];
        let landscape = landscape();
        for (theta, values) in want {
            for (coupling, value) in landscape.couplings().iter().zip(values) {
                let got = landscape.at(coupling, theta).value;
                assert!(
                    (got - value).abs() < 1e-4,
                    "{} at {theta:?}: {got} {value}",
                    coupling.name
                );
            }
        }
    }

    #[test]
    fn the_scale_of_the_gradient_holds_every_norm() {
        for (rewards, above) in [([0.0, 100.0], 100.0), ([0.0, 1.0], 10.0)] {
            let landscape = Landscape {
                rewards: rewards.to_vec(),
                ..landscape()
            };
            let pictures = landscape.surfaces(&landscape.couplings(), &landscape.grid(101));
            assert_eq!(decade_above(largest_norm(&pictures)), above);
        }
        assert_eq!(largest_norm(&[]), 10.0 * MIN_NORM);
    }

    #[test]
    fn the_gradient_is_the_slope() {
        let landscape = landscape();
        for coupling in landscape.couplings() {
            for theta in [[0.3, -0.4], [4.0, 0.0], [-20.0, 5.0]] {
                let h = 1e-5;
                let slope = |i: usize| {
                    let (mut up, mut down) = (theta, theta);
                    up[i] += h;
                    down[i] -= h;
                    (landscape.at(&coupling, up).value - landscape.at(&coupling, down).value)
                        / (2.0 * h)
                };
                let want = slope(0).hypot(slope(1));
                let got = landscape.at(&coupling, theta).gradient;
                assert!(
                    (got - want).abs() < 1e-6 * want.max(1.0),
                    "{}: {got} {want}",
                    coupling.name
                );
            }
        }
    }
}

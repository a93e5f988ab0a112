use super::number_format::{Compact, or_dash};
use super::progress::Progress;
use super::text_table::TextTable;
use super::{
    LabError, PROCESS_HELP, check_count, check_positive, check_within, make_folder, print_written,
    write_table,
};
use crate::plot::{Axis, Figure, Line, LinePlot, divergence_color};
use crate::print_paragraph::print_paragraph;
use crate::seeds;
use burn_tsallis::experiment::{Purpose, Stream, stream};
use clap::Args;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tsallis_lab::algorithms::{
    ExactAscent, Features, LogitNetwork, NetworkAscent, NetworkPoint, StepRule,
};
use tsallis_lab::exact::{Constants, Evaluator, optimum};
use tsallis_lab::{Divergence, Mdp, SoftargmaxPolicy, unique};

/// Gaps below this, relative to the optimum, are rounding errors.
const ROUNDING: f64 = 1e-12;

/// The powers of ten between which the scale of the logits at random points is drawn.
const RANDOM_SCALES: std::ops::Range<f64> = -1.0..1.5;

/// The number of points of a run that are drawn and written.
const POINTS: usize = 50;

/// Measure the Polyak-Lojasiewicz (PL) inequality of f-PG through small networks.
///
/// Maximizes the exact regularized value in the parameters of a network with one hidden layer of tanh units, with a
/// backtracking line search, and in a table of logits. Along the way and at random points it compares the squared norm
/// of the gradient with the distance of the value from its optimum, and with the constant of the PL inequality for
/// tables. Writes network.csv (one row for each run), curves.csv, and the ratios as ratio.svg and .png.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_long_help = PROCESS_HELP)]
pub(crate) struct Network {
    /// MDP, such as nchain:15 or a JSON file; the list is at the end of --help.
    #[arg(long, value_name = "NAME", default_value = "garnet:4,3,4,10")]
    mdp: String,

    /// Divergences: alphas, or kl (1), reverse-kl (0), pearson (2, half of chi-squared), neyman (-1, likewise half),
    /// hellinger (squared), jensen-shannon (doubled) or le-cam.
    #[arg(long, value_name = "ALPHA", num_args = 1.., default_values = ["0.1", "0.5", "0.9", "1"])]
    alpha: Vec<Divergence>,

    /// Weight of the regularizer.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.1)]
    temperature: f64,

    /// Numbers of hidden units.
    #[arg(long, value_name = "COUNT", num_args = 1.., default_values = ["1", "2", "4", "16"])]
    width: Vec<usize>,

    /// Number of random Gaussian features of a state that the network sees [default: one feature for each state].
    #[arg(long, value_name = "COUNT")]
    features: Option<usize>,

    /// Number of steps.
    #[arg(long, value_name = "COUNT", default_value_t = 2000)]
    iterations: usize,

    /// Number of random points for each network.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    points: usize,

    /// Number of seeds, starting at 0.
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = seeds::seed_count)]
    seeds: u64,

    /// Output folder; existing files are replaced.
    #[arg(long, value_name = "FOLDER", default_value = "runs/network")]
    out: PathBuf,
}

/// A point of a run, with the quantities of the inequality.
#[derive(Clone, Copy, Debug)]
struct Point {
    gap: f64,
    /// `|gradient|^2 / gap` in the parameters.
    ratio: f64,
    /// `|gradient|^2` in the parameters divided by that in the logits.
    transfer: f64,
    /// The constant of the inequality for tables, at the policy of this point.
    constant: Option<f64>,
}

/// A run of a network, or of a table if `width` is 0.
struct Run {
    divergence: Divergence,
    width: usize,
    seed: u64,
    parameters: usize,
    training: Vec<Point>,
    random: Vec<Point>,
}

/// The points with the smallest ratio and how many are below the constant for tables.
#[derive(Clone, Copy, Debug)]
struct Summary {
    smallest_ratio: Option<f64>,
    gap_there: Option<f64>,
    smallest_transfer: Option<f64>,
    share_below_constant: Option<f64>,
}

impl Network {
    pub(crate) fn run(self) -> Result<(), LabError> {
        check_positive("--temperature", self.temperature)?;
        check_count("--iterations", self.iterations)?;
        check_count("--points", self.points)?;
        check_within("--seeds", self.seeds, 1..=1000)?;
        for &width in &self.width {
            check_within("--width", width, 1..=4096)?;
        }
        if let Some(features) = self.features {
            check_within("--features", features, 1..=4096)?;
        }
        let mdp = Mdp::from_name(&self.mdp)?;
        make_folder(&self.out)?;
        let evaluator = Evaluator::new(&mdp);
        let divergences: Vec<Divergence> = unique(self.alpha.iter().copied()).into_iter().collect();
        let mut settings = Vec::new();
        for &divergence in &divergences {
            settings.push((divergence, 0, 0));
            for width in unique(self.width.iter().copied()) {
                settings.extend((0..self.seeds).map(|seed| (divergence, width, seed)));
            }
        }
        let progress = Mutex::new(Progress::new(settings.len(), "runs"));
        let runs: Vec<Run> = settings
            .into_par_iter()
            .map(|(divergence, width, seed)| {
                let run = self.train(&evaluator, divergence, width, seed);
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                progress.advance(1, || format!("{divergence}, width {width}"));
                run
            })
            .collect();
        progress
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .finish();
        self.write(&runs)?;
        self.draw(&mdp, &divergences, &runs)?;
        print_table(&runs);
        print_written(
            &self.out,
            "network.csv, curves.csv, ratio.svg and the figure as PNG",
        );
        Ok(())
    }

    fn train(
        &self,
        evaluator: &Evaluator<'_>,
        divergence: Divergence,
        width: usize,
        seed: u64,
    ) -> Run {
        let mdp = evaluator.mdp();
        let (states, actions) = (mdp.states(), mdp.actions());
        let policy = SoftargmaxPolicy::uniform(divergence, states, actions);
        let best = optimum(evaluator, &policy, self.temperature).objective;
        let constants = Constants::for_policy(mdp, &policy, self.temperature).ok();
        let point = |at: NetworkPoint| Point {
            gap: best - at.objective,
            ratio: at.norm_squared / (best - at.objective),
            transfer: at.norm_squared / at.logits_norm_squared,
            constant: constants
                .as_ref()
                .map(|constants| constants.polyak_lojasiewicz(at.smallest_weight)),
        };
        let is_exact = |point: &Point| point.gap > ROUNDING * best.abs().max(1.0);
        let mut random = stream(seed, Purpose::TabularParameters, 1);
        let mut scale = || 10_f64.powf(random.random_range(RANDOM_SCALES));
        let scales: Vec<f64> = (0..self.points).map(|_| scale()).collect();
        let temperature = self.temperature;
        let (parameters, training, random): (_, Vec<Point>, Vec<Point>);
        if width == 0 {
            let rule = StepRule::Armijo { first: 1.0 };
            let mut ascent = ExactAscent::new(evaluator, policy.clone(), temperature, rule);
            training = (0..=self.iterations)
                .map(|_| {
                    let smallest_weight = ascent.policy().smallest_weight();
                    let step = ascent.step();
                    point(in_logits(
                        step.objective,
                        step.norm_squared,
                        smallest_weight,
                    ))
                })
                .collect();
            let mut draws = stream(seed, Purpose::TabularParameters, 2);
            random = scales
                .iter()
                .map(|&scale| {
                    let mut policy = policy.clone();
                    policy.set_logits(&normal(&mut draws, states * actions, scale));
                    let norm = evaluator.gradient(&policy, temperature).norm_squared();
                    let value = evaluator.objective(&policy, temperature);
                    point(in_logits(value, norm, policy.smallest_weight()))
                })
                .collect();
            parameters = states * actions;
        } else {
            let features = self.features.map_or(Features::OneHot, Features::Gaussian);
            let network = LogitNetwork::new(states, actions, features, width, seed);
            parameters = network.size();
            let ascent =
                |network| NetworkAscent::new(evaluator, policy.clone(), network, temperature, 1.0);
            let mut draws = stream(seed, Purpose::TabularParameters, 2);
            random = scales
                .iter()
                .map(|&scale| {
                    let mut network = network.clone();
                    network.draw(scale, &mut draws);
                    point(ascent(network).point())
                })
                .collect();
            let mut ascent = ascent(network);
            training = (0..=self.iterations)
                .map(|_| point(ascent.step()))
                .collect();
        }
        Run {
            divergence,
            width,
            seed,
            parameters,
            training: training.into_iter().take_while(is_exact).collect(),
            random: random.into_iter().filter(is_exact).collect(),
        }
    }

    fn write(&self, runs: &[Run]) -> Result<(), LabError> {
        let header = "divergence,width,seed,parameters,final_gap,\
            smallest_ratio,gap_there,smallest_transfer,share_below_constant,\
            random_smallest_ratio,random_gap_there,random_smallest_transfer,random_share_below_constant";
        let rows = runs.iter().map(|run| {
            (
                run.divergence.to_string(),
                run.width,
                run.seed,
                run.parameters,
                run.final_gap(),
                summary(&run.training).columns(),
                summary(&run.random).columns(),
            )
        });
        write_table(&self.out.join("network.csv"), header, rows)?;
        let header = "divergence,width,seed,iteration,gap,ratio,transfer,constant";
        let rows = runs.iter().flat_map(|run| {
            run.shown().map(move |(n, p)| {
                let name = run.divergence.to_string();
                (
                    name, run.width, run.seed, n, p.gap, p.ratio, p.transfer, p.constant,
                )
            })
        });
        write_table(&self.out.join("curves.csv"), header, rows)
    }

    fn draw(&self, mdp: &Mdp, divergences: &[Divergence], runs: &[Run]) -> Result<(), LabError> {
        let widths = unique(runs.iter().map(|run| run.width));
        let largest = runs.iter().flat_map(|run| &run.training).map(|p| p.gap);
        let largest = largest.fold(1e-6, f64::max);
        let mut figure = Figure::new((1320, 460 * widths.len().div_ceil(3) as u32 + 50))
            .title(format!(
                "|gradient|² / gap along f-PG on {}, λ = {}, every seed",
                mdp.name(),
                self.temperature
            ))
            .columns(3);
        for width in widths {
            let title = match width {
                0 => "table of logits".to_owned(),
                1 => "1 hidden unit".to_owned(),
                _ => format!("{width} hidden units"),
            };
            let mut plot = LinePlot::new(
                Axis::log("distance of the value from its optimum").range(1e-12..largest),
                Axis::log("squared norm of the gradient / distance").range(1e-10..10.0),
            )
            .title(title);
            for &divergence in divergences {
                let of = |run: &&Run| run.width == width && run.divergence == divergence;
                for (n, run) in runs.iter().filter(of).enumerate() {
                    let points = run.shown().map(|(_, p)| (p.gap, p.ratio));
                    let line = Line::new(points, divergence_color(divergence)).width(1);
                    plot = plot.line(match n {
                        0 => line.label(format!("alpha {divergence}")),
                        _ => line,
                    });
                }
            }
            figure = figure.panel(plot);
        }
        figure.save(&self.out.join("ratio"))?;
        Ok(())
    }
}

impl Run {
    /// Returns the points of training that are drawn and written, with their iterations.
    fn shown(&self) -> impl Iterator<Item = (usize, &Point)> {
        let every = (self.training.len() / POINTS).max(1);
        self.training.iter().enumerate().step_by(every)
    }

    /// Returns the gap at the last point that is not a rounding error.
    fn final_gap(&self) -> f64 {
        self.training.last().map_or(0.0, |point| point.gap)
    }
}

impl Summary {
    fn columns(self) -> [Option<f64>; 4] {
        [
            self.smallest_ratio,
            self.gap_there,
            self.smallest_transfer,
            self.share_below_constant,
        ]
    }
}

fn in_logits(objective: f64, norm_squared: f64, smallest_weight: f64) -> NetworkPoint {
    NetworkPoint {
        objective,
        logits_norm_squared: norm_squared,
        norm_squared,
        smallest_weight,
    }
}

fn normal(random: &mut Stream, count: usize, scale: f64) -> Vec<f64> {
    let draw = |_| -> f64 { StandardNormal.sample(random) };
    (0..count).map(draw).map(|x| scale * x).collect()
}

fn summary<'a>(points: impl IntoIterator<Item = &'a Point>) -> Summary {
    let points: Vec<&Point> = points.into_iter().collect();
    let smallest = points.iter().min_by(|a, b| a.ratio.total_cmp(&b.ratio));
    let below = points
        .iter()
        .map(|point| Some(point.ratio < point.constant?))
        .collect::<Option<Vec<bool>>>();
    let share = |below: Vec<bool>| {
        let count = below.iter().filter(|&&below| below).count();
        count as f64 / below.len() as f64
    };
    Summary {
        smallest_ratio: smallest.map(|point| point.ratio),
        gap_there: smallest.map(|point| point.gap),
        smallest_transfer: points
            .iter()
            .map(|point| point.transfer)
            .min_by(f64::total_cmp),
        share_below_constant: below.filter(|below| !below.is_empty()).map(share),
    }
}

/// Prints the runs of each divergence and width together.
fn print_table(runs: &[Run]) {
    let names = "alpha, width, parameters, median gap at end, smallest ratio, gap there, below PL constant, \
        at random points, gap there, below PL constant";
    let mut table = TextTable::new(0, names);
    let share = |share: Option<f64>| {
        share.map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
    };
    for group in runs.chunk_by(|a, b| a.divergence == b.divergence && a.width == b.width) {
        let training = summary(group.iter().flat_map(|run| &run.training));
        let random = summary(group.iter().flat_map(|run| &run.random));
        let mut gaps: Vec<f64> = group.iter().map(Run::final_gap).collect();
        gaps.sort_by(f64::total_cmp);
        table.row([
            group[0].divergence.to_string(),
            match group[0].width {
                0 => "table".to_owned(),
                width => width.to_string(),
            },
            group[0].parameters.to_string(),
            Compact(gaps[gaps.len() / 2]).to_string(),
            or_dash(training.smallest_ratio.map(Compact)),
            or_dash(training.gap_there.map(Compact)),
            share(training.share_below_constant),
            or_dash(random.smallest_ratio.map(Compact)),
            or_dash(random.gap_there.map(Compact)),
            share(random.share_below_constant),
        ]);
    }
    table.print();
    print_paragraph(
        "The ratio is the squared norm of the gradient in the parameters divided by the gap, the distance of the value \
         from its optimum over all policies. The PL constant is that of the inequality for a table of logits, at the \
         policy of the same point. A gap below 1e-12 is a rounding error and ends a run.",
    );
}

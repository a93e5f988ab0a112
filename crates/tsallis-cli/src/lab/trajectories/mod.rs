//! Trajectories of policies that start nearly certain of a wrong action.

mod environment;
mod observer;
mod problem;
mod report;
mod run;

use super::progress::Progress;
use super::{
    LabError, PROCESS_HELP, check, check_count, check_positive, check_within, make_folder,
    print_written,
};
use crate::parallel::{cores, parallel_map};
use crate::{device, seeds};
use clap::Args;
use observer::Trajectory;
use problem::{Problem, Start};
use run::{Experiment, Method, Setting, learner_config};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tsallis_lab::exact::Evaluator;
use tsallis_lab::mdp::MAX_REWARD;
use tsallis_lab::{Divergence, Mdp, unique};

/// Follow policies that start nearly certain of a wrong action until they escape, and after.
///
/// The wrong action of a state is the one with the lowest optimal value. Every alpha starts at the same logit gap between
/// the wrong action and the others, and at the same probability of the others. A policy has escaped when its exact
/// discounted return is halfway from that of the wrong actions to the best one. The gap is the distance of the regularized
/// value from its optimum. Both are exact for every method. Writes runs.csv (one row for each run), summary.csv (one row
/// for each setting, with 95 % bootstrap intervals), curves.csv, and escape and trajectories as .svg and .png.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_long_help = PROCESS_HELP)]
pub(crate) struct Trajectories {
    /// MDP, such as nchain:15 or a JSON file; the list is at the end of --help.
    #[arg(long, value_name = "NAME", default_value = "nchain:10")]
    mdp: String,

    /// How the policies learn.
    #[arg(long, value_name = "METHOD", default_value = "exact")]
    method: Method,

    /// Divergences: alphas, or kl (1), reverse-kl (0), pearson (2, half of chi-squared), neyman (-1, likewise half),
    /// hellinger (squared), jensen-shannon (doubled) or le-cam. The learner takes alphas only.
    #[arg(long, value_name = "ALPHA", num_args = 1.., default_values = ["0.1", "0.5", "0.7", "0.9", "1"])]
    alpha: Vec<Divergence>,

    /// Logit gaps between the wrong action and the others at the start; 0 is the uniform policy [default: 10, unless
    /// --probability is given].
    #[arg(long, value_name = "NUMBER", num_args = 1..)]
    gap: Vec<f64>,

    /// Probabilities of each other action at the start [default: 0.001, unless --gap is given].
    #[arg(long, value_name = "PROBABILITY", num_args = 1..)]
    probability: Vec<f64>,

    /// Step sizes; for the learner, learning rates [default: 0.1, for the learner 0.001].
    #[arg(long, value_name = "NUMBER", num_args = 1..)]
    step_size: Vec<f64>,

    /// Weights of the regularizer. The curves have the first one.
    #[arg(long, value_name = "NUMBER", num_args = 1.., default_values = ["0.1"])]
    temperature: Vec<f64>,

    /// After each step, raise every probability below this number times that of the reference (the projection T_tau).
    /// Not for the learner.
    #[arg(long, value_name = "TAU")]
    floor: Option<f64>,

    /// Number of iterations [default: 100000 steps, 20000 batches or 150 updates].
    #[arg(long, value_name = "COUNT")]
    iterations: Option<usize>,

    /// Steps after which a sampled episode is truncated, at most the limit of the MDP.
    #[arg(long, value_name = "COUNT", default_value_t = 25)]
    horizon: usize,

    /// Number of seeds, starting at 0; exact gradients need one.
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = seeds::seed_count)]
    seeds: u64,

    /// Device of the learner: flex (the CPU) or another one listed by `tsallis devices`.
    #[arg(long, value_name = "NAME", default_value = "flex")]
    device: String,

    /// Output folder; existing files are replaced.
    #[arg(long, value_name = "FOLDER", default_value = "runs/trajectories")]
    out: PathBuf,
}

/// A setting and the trajectories of its seeds.
struct Group {
    setting: Setting,
    trajectories: Vec<Trajectory>,
}

impl Trajectories {
    pub(crate) fn run(self) -> Result<(), LabError> {
        let mdp = Mdp::from_name(&self.mdp)?;
        let evaluator = Evaluator::new(&mdp);
        let problem = Problem::new(&evaluator)?;
        let iterations = self.iterations.unwrap_or(self.method.default_iterations());
        check_count("--iterations", iterations)?;
        check_count("--horizon", self.horizon)?;
        check_within("--seeds", self.seeds, 1..=1000)?;
        if let Some(floor) = self.floor {
            let most = 1.0 / mdp.actions() as f64;
            check_within("--floor", floor, 0.0..=most)?;
            let is_tabular = self.method != Method::Learner;
            check(
                is_tabular,
                "--method",
                "exact or sampled with --floor",
                "learner",
            )?;
        }
        let settings = self.settings(&mdp)?;
        if self.method == Method::Learner {
            check_learner(&problem, &settings, iterations)?;
        }
        let experiment = Experiment {
            problem: &problem,
            method: self.method,
            iterations,
            horizon: self.horizon,
            floor: self.floor,
            device: device::find(&self.device)?,
        };
        make_folder(&self.out)?;
        let seeds = match self.method {
            Method::Exact => 1,
            Method::Sampled | Method::Learner => self.seeds,
        };
        let runs: Vec<(Setting, u64)> = settings
            .iter()
            .flat_map(|&setting| (0..seeds).map(move |seed| (setting, seed)))
            .collect();
        let progress = Mutex::new(Progress::new(runs.len(), "runs"));
        let trajectories = parallel_map(runs, cores(), |(setting, seed)| {
            let trajectory = experiment.run(&setting, seed);
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.advance(1, || {
                format!("{}, {}", setting.divergence, setting.start.label())
            });
            trajectory
        });
        progress
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .finish();
        let mut trajectories = trajectories.into_iter();
        let groups = settings
            .into_iter()
            .map(|setting| {
                let trajectories = trajectories.by_ref().take(seeds as usize);
                Ok(Group {
                    setting,
                    trajectories: trajectories.collect::<Result<_, _>>()?,
                })
            })
            .collect::<Result<Vec<_>, LabError>>()?;
        report::write(&self.out, &experiment, &groups)?;
        report::draw(&self.out, &experiment, &groups)?;
        report::print(&experiment, &groups);
        print_written(
            &self.out,
            "runs.csv, summary.csv, curves.csv, escape.svg, trajectories.svg, the figures as PNG",
        );
        Ok(())
    }

    /// Returns the settings, with those of one start together.
    fn settings(&self, mdp: &Mdp) -> Result<Vec<Setting>, LabError> {
        let actions = mdp.actions();
        let (mut gaps, mut probabilities) = (self.gap.clone(), self.probability.clone());
        if gaps.is_empty() && probabilities.is_empty() {
            gaps.push(10.0);
            probabilities.push(0.001);
        }
        let mut step_sizes = self.step_size.clone();
        if step_sizes.is_empty() {
            step_sizes.push(self.method.default_step_size());
        }
        for &gap in &gaps {
            let holds = (0.0..=MAX_REWARD).contains(&gap);
            check(holds, "--gap", "from 0 to 1e100", gap)?;
        }
        for &p in &probabilities {
            let needs = format!("above 0 and below {}", 1.0 / actions as f64);
            let holds = p > 0.0 && p < 1.0 / actions as f64;
            check(holds, "--probability", needs, p)?;
        }
        for &step_size in &step_sizes {
            check_positive("--step-size", step_size)?;
        }
        for &temperature in &self.temperature {
            check_positive("--temperature", temperature)?;
        }
        let gaps = unique(gaps).into_iter().map(Start::Gap);
        let probabilities = unique(probabilities).into_iter().map(Start::Probability);
        let mut settings = Vec::new();
        for start in gaps.chain(probabilities) {
            for divergence in unique(self.alpha.iter().copied()) {
                let (gap, probability) = start.gap_and_probability(divergence, actions);
                let needs = "large enough for a finite logit gap";
                check(gap < f64::INFINITY, "--probability", needs, probability)?;
                for step_size in unique(step_sizes.iter().copied()) {
                    for temperature in unique(self.temperature.iter().copied()) {
                        settings.push(Setting {
                            divergence,
                            start,
                            gap,
                            probability,
                            step_size,
                            temperature,
                        });
                    }
                }
            }
        }
        Ok(settings)
    }
}

/// Checks that the learner can run every setting.
fn check_learner(
    problem: &Problem<'_>,
    settings: &[Setting],
    updates: usize,
) -> Result<(), LabError> {
    let mdp = problem.evaluator.mdp();
    for setting in settings {
        let is_tsallis = matches!(setting.divergence, Divergence::Tsallis(_));
        let needs = "a number for the learner";
        check(is_tsallis, "--alpha", needs, setting.divergence)?;
        let is_possible = setting.gap == 0.0 || problem.one_wrong_action().is_some();
        let needs =
            "a process with the same worst action in every state for the learner, or --gap 0";
        check(is_possible, "--mdp", needs, mdp.name())?;
        let mut config = learner_config(setting, mdp.discount(), updates, 0);
        config.network.policy_bias = vec![0.0, setting.gap];
        config.validate()?;
    }
    Ok(())
}

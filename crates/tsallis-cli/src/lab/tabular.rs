use super::number_format::Decimals;
use super::preset::Preset;
use super::progress::Progress;
use super::{LabError, PROCESS_HELP, check, sweep_report};
use crate::{seeds, stop};
use clap::{Args, ValueEnum};
use indicatif::{FormattedDuration, HumanCount};
use std::path::PathBuf;
use std::time::Instant;
use tsallis_lab::algorithms::Sampling;
use tsallis_lab::sweep::{Grid, Method, Table, sweep};
use tsallis_lab::{Divergence, Mdp};

/// Learn finite processes from sampled episodes: every setting of a grid, on every core.
///
/// Fills a folder with results.csv, a row for each run; the same command goes on with a sweep that was
/// stopped, and Ctrl-C stops one. Then writes settings.csv, how each setting ended with each seed; best.csv, the
/// best setting of each method and order; and its curve as SVG, PNG and CSV.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_long_help = PROCESS_HELP)]
pub(crate) struct Tabular {
    /// A named grid; the options below replace its values.
    #[arg(long, value_name = "NAME", default_value = "quick")]
    preset: Preset,

    /// Processes, such as nchain:15 or a JSON file; all of them are listed at the end of --help.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    mdp: Vec<String>,

    /// Methods.
    #[arg(long, value_name = "NAME", num_args = 1.., default_value = "fpg")]
    algorithm: Vec<AlgorithmName>,

    /// Divergences of fpg and natural, and powers of escort: alphas; fpg and natural also take kl, reverse-kl,
    /// pearson, neyman, hellinger, jensen-shannon and le-cam.
    #[arg(long, value_name = "ALPHA", num_args = 1..)]
    alpha: Vec<Divergence>,

    /// Step sizes [default: those of the preset].
    #[arg(long, value_name = "NUMBER", num_args = 1..)]
    step_size: Vec<f64>,

    /// Weights of the regularizer [default: those of the preset].
    #[arg(long, value_name = "NUMBER", num_args = 1..)]
    temperature: Vec<f64>,

    /// Batches of a run; each is a step [default: 20000].
    #[arg(long, value_name = "COUNT")]
    iterations: Option<usize>,

    /// Episodes of a batch [default: 2].
    #[arg(long, value_name = "COUNT")]
    batch: Option<usize>,

    /// Steps after which an episode is cut [default: 25, and 30 in the preset large].
    #[arg(long, value_name = "COUNT")]
    horizon: Option<usize>,

    /// Seeds of each setting; the first is 0 [default: 16, and 4 in the preset quick].
    #[arg(long, value_name = "COUNT", value_parser = seeds::seed_count)]
    seeds: Option<u64>,

    /// Iterations between two points of a curve [default: 300].
    #[arg(long, value_name = "COUNT")]
    every: Option<usize>,

    /// Project each step of fpg onto the floor that the theory keeps.
    #[arg(long)]
    project: bool,

    /// The folder to fill, or to go on with [default: runs/tabular-PRESET].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AlgorithmName {
    /// f-PG; at order 1, softmax and entropy.
    Fpg,
    /// The natural gradient of the same policies.
    Natural,
    /// Softmax with a logarithmic barrier.
    LogBarrier,
    /// The escort transform.
    Escort,
    /// The Hadamard parameterization.
    Hadamard,
    /// f-PG that chooses its order while it learns.
    Adaptive,
}

impl Tabular {
    /// Whether every run of the grid is in the table then.
    pub(crate) fn run(self) -> Result<bool, LabError> {
        let values = self.preset.values();
        let or = |given: &[f64], preset: Vec<f64>| {
            if given.is_empty() {
                preset
            } else {
                given.to_vec()
            }
        };
        let alphas = if self.alpha.is_empty() {
            values.divergences()
        } else {
            self.alpha.clone()
        };
        let grid = Grid {
            methods: self.methods(&alphas)?,
            step_sizes: or(&self.step_size, values.step_sizes.clone()),
            temperatures: or(&self.temperature, values.temperatures.clone()),
            seeds: self.seeds.unwrap_or(values.seeds),
            iterations: self.iterations.unwrap_or(values.iterations),
            sampling: Sampling {
                batch: self.batch.unwrap_or(values.batch),
                horizon: self.horizon.unwrap_or(values.horizon),
            },
            every: self.every.unwrap_or(values.every),
            project: self.project,
        };
        grid.validate()?;
        let names = if self.mdp.is_empty() {
            &values.processes
        } else {
            &self.mdp
        };
        let processes = names
            .iter()
            .map(|name| Mdp::from_name(name))
            .collect::<Result<Vec<_>, _>>()?;
        for (i, mdp) in processes.iter().enumerate() {
            let twice = processes[..i]
                .iter()
                .any(|other| other.name() == mdp.name());
            check(
                !twice,
                "each process",
                "named once",
                format!("\"{}\" twice", mdp.name()),
            )?;
        }
        let folder = self.out.clone().unwrap_or_else(|| {
            let preset = format!("{:?}", self.preset).to_lowercase();
            PathBuf::from("runs").join(format!("tabular-{preset}"))
        });

        let mut table = Table::open(&folder, &grid, &processes)?;
        let planned = grid.runs(&processes);
        let done = planned.iter().filter(|run| table.contains(run)).count();
        let left = planned.len() - done;
        if done > 0 {
            eprintln!(
                "{} of {} runs are there already",
                HumanCount(done as u64),
                HumanCount(planned.len() as u64)
            );
        }
        if left > 0 {
            eprintln!(
                "{} of {} iterations on {} threads, into {}",
                runs(left),
                HumanCount(grid.iterations as u64),
                rayon::current_num_threads(),
                folder.display()
            );
        }
        let stop = stop::stop_flag();
        let started = Instant::now();
        let mut progress = Progress::new(left, "runs");
        let swept = sweep(&processes, &grid, &mut table, stop, |row| {
            progress.advance(1, || {
                let alpha = row.alpha.as_deref().unwrap_or("");
                format!(
                    "{} {} {alpha}: {}",
                    row.mdp,
                    row.algorithm,
                    Decimals(row.final_value, 3)
                )
            });
        });
        let finished = progress.finish();
        swept?;
        let elapsed = started.elapsed();
        if finished < left {
            println!(
                "Stopped after {} of {} runs; the same command goes on. What is there:",
                HumanCount((done + finished) as u64),
                HumanCount(planned.len() as u64)
            );
        } else if left > 0 {
            println!("{} in {}.", runs(left), FormattedDuration(elapsed));
        }
        sweep_report::write(&folder, &processes, &grid, &planned, table.rows())?;
        Ok(finished == left)
    }

    fn methods(&self, alphas: &[Divergence]) -> Result<Vec<Method>, LabError> {
        self.algorithm
            .iter()
            .map(|name| {
                Ok(match name {
                    AlgorithmName::Fpg => Method::FPg(alphas.to_vec()),
                    AlgorithmName::Natural => Method::Natural(alphas.to_vec()),
                    AlgorithmName::LogBarrier => Method::LogBarrier,
                    AlgorithmName::Escort => Method::Escort(
                        alphas
                            .iter()
                            .map(|divergence| match divergence {
                                Divergence::Tsallis(power) => Ok(*power),
                                other => Err(LabError::Value {
                                    what: "--alpha with escort",
                                    needs: "numbers, the powers of the transform",
                                    got: other.to_string(),
                                }),
                            })
                            .collect::<Result<_, _>>()?,
                    ),
                    AlgorithmName::Hadamard => Method::Hadamard,
                    AlgorithmName::Adaptive => Method::Adaptive,
                })
            })
            .collect()
    }
}

fn runs(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} run{plural}", HumanCount(count as u64))
}

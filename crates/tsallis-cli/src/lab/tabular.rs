use super::number_format::Decimals;
use super::preset::Preset;
use super::progress::Progress;
use super::{LabError, PROCESS_HELP, check, sweep_report};
use crate::print_paragraph::print_paragraph;
use crate::seeds::Seeds;
use crate::sharding::{Sharding, next_step};
use crate::stop;
use clap::{Args, ValueEnum};
use indicatif::{HumanCount, HumanDuration};
use std::path::PathBuf;
use std::time::Instant;
use tsallis_lab::algorithms::{Algorithm, Sampling};
use tsallis_lab::sweep::{Grid, SettingKey, Table, sweep};
use tsallis_lab::{Divergence, Mdp};

/// Learn policies for finite MDPs from sampled episodes, with every setting of a grid.
///
/// Uses all cores. Writes a folder with results.csv (one row for each run), settings.csv (the final values of each
/// setting), best.csv (the best setting of each method and alpha), and the curves of the best settings as SVG, PNG and
/// CSV. Ctrl-C stops the sweep; the same command resumes it.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true, after_long_help = PROCESS_HELP)]
pub(crate) struct Tabular {
    /// Named grid; the options below replace its values.
    #[arg(long, value_name = "NAME", default_value = "quick")]
    preset: Preset,

    /// MDPs, such as nchain:15 or a JSON file; the list is at the end of --help.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    mdp: Vec<String>,

    /// Methods to compare.
    #[arg(long, value_name = "NAME", num_args = 1.., default_value = "fpg")]
    algorithm: Vec<AlgorithmName>,

    /// Alphas of fpg and natural, and powers of escort; fpg and natural also accept kl (1), reverse-kl (0), pearson (2,
    /// half of chi-squared), neyman (-1, likewise half), hellinger (squared), jensen-shannon (doubled) and le-cam.
    #[arg(long, value_name = "ALPHA", num_args = 1..)]
    alpha: Vec<Divergence>,

    /// Step sizes [default: from the preset].
    #[arg(long, value_name = "NUMBER", num_args = 1..)]
    step_size: Vec<f64>,

    /// Weights of the regularizer [default: from the preset].
    #[arg(long, value_name = "NUMBER", num_args = 1..)]
    temperature: Vec<f64>,

    /// Policy-gradient updates per run, each from one batch [default: 20000].
    #[arg(long, value_name = "COUNT")]
    iterations: Option<usize>,

    /// Episodes per batch [default: 2].
    #[arg(long, value_name = "COUNT")]
    batch: Option<usize>,

    /// Environment steps after which an episode is truncated [default: 25, or 30 in the preset large].
    #[arg(long, value_name = "COUNT")]
    horizon: Option<usize>,

    /// Seeds of each setting, A..B (without B) or the first N [default: 16, or 4 in the preset quick].
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,

    /// Run only the best settings of another sweep, those in its best.csv, and compare each alpha with alpha 1. Give
    /// --seeds that the other sweep does not have, so that the comparison does not favor a setting that was lucky.
    #[arg(long, value_name = "FOLDER")]
    judge: Option<PathBuf>,

    /// Iterations between points of a curve [default: 300].
    #[arg(long, value_name = "COUNT")]
    every: Option<usize>,

    /// After each step of fpg, raise every probability below tau q to tau q (the projection T_tau; `tsallis recommend`
    /// prints the formula of tau).
    #[arg(long)]
    project: bool,

    /// Folder of the sweep, new or to be resumed [default: runs/tabular-PRESET].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    #[command(flatten)]
    sharding: Sharding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AlgorithmName {
    /// f-PG; at alpha 1, softmax with entropy.
    Fpg,
    /// Natural gradient of the same policies.
    Natural,
    /// Softmax with a logarithmic barrier.
    LogBarrier,
    /// Escort transform.
    Escort,
    /// Hadamard parameterization.
    Hadamard,
    /// f-PG that chooses alpha while it learns.
    Adaptive,
}

impl Tabular {
    /// Runs the command and returns whether every run of the grid is in the table.
    pub(crate) fn run(self) -> Result<bool, LabError> {
        let note = self.projection_note();
        let values = self.preset.values();
        let alphas = given_or(self.alpha, values.alphas);
        let mut algorithms = Vec::new();
        for name in self.algorithm {
            algorithms.extend(name.with_alphas(&alphas)?);
        }
        let grid = Grid {
            algorithms,
            step_sizes: given_or(self.step_size, values.step_sizes),
            temperatures: given_or(self.temperature, values.temperatures),
            seeds: self.seeds.map_or(0..values.seeds, |Seeds(seeds)| seeds),
            iterations: self.iterations.unwrap_or(values.iterations),
            sampling: Sampling {
                batch: self.batch.unwrap_or(values.batch),
                horizon: self.horizon.unwrap_or(values.horizon),
            },
            every: self.every.unwrap_or(values.every),
            project: self.project,
            only: self
                .judge
                .as_ref()
                .map(|folder| SettingKey::read(&folder.join(sweep_report::BEST_SETTINGS)))
                .transpose()?,
        };
        grid.validate()?;
        let processes = given_or(self.mdp, values.processes)
            .iter()
            .map(|name| Mdp::from_name(name))
            .collect::<Result<Vec<_>, _>>()?;
        for (i, mdp) in processes.iter().enumerate() {
            let name = mdp.name();
            let twice = processes[..i].iter().any(|other| other.name() == name);
            let got = format!("\"{name}\" twice");
            check(!twice, "each process", "named once", got)?;
        }
        let folder = self.out.unwrap_or_else(|| {
            let preset = format!("{:?}", self.preset).to_lowercase();
            PathBuf::from("runs").join(format!("tabular-{preset}"))
        });

        let mut planned = grid.runs(&processes);
        if let (Some(judged), true) = (&self.judge, planned.is_empty()) {
            return Err(LabError::NothingToJudge(judged.clone()));
        }
        let Sharding { shard, merge } = self.sharding;
        if merge {
            let table = Table::merge(&folder, &grid, &processes)?;
            sweep_report::write(&folder, &processes, &grid, &planned, table.rows())?;
            return Ok(true);
        }
        let mut table = match shard {
            Some(shard) => {
                planned = shard.part(planned).collect();
                Table::open_shard(&folder, shard, &grid, &processes)?
            }
            None => Table::open(&folder, &grid, &processes)?,
        };
        let done = planned.iter().filter(|run| table.contains(run)).count();
        let left = planned.len() - done;
        if done > 0 {
            eprintln!(
                "{} of {} runs are already done",
                HumanCount(done as u64),
                HumanCount(planned.len() as u64)
            );
        }
        if left > 0 {
            eprintln!(
                "{} of {} iterations on {} threads, writing to {}",
                runs(left),
                HumanCount(grid.iterations as u64),
                rayon::current_num_threads(),
                folder.display()
            );
        }
        if let Some(note) = note {
            eprintln!("note: {note}");
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
                "Stopped after {} of {} runs. Run the same command to resume.{}",
                HumanCount((done + finished) as u64),
                HumanCount(planned.len() as u64),
                if shard.is_none() {
                    " Results so far:"
                } else {
                    ""
                }
            );
        } else if left > 0 {
            println!("{} in {}.", runs(left), HumanDuration(elapsed));
        }
        match shard {
            None => sweep_report::write(&folder, &processes, &grid, &planned, table.rows())?,
            Some(shard) if finished == left => print_paragraph(&next_step(shard)),
            Some(_) => {}
        }
        Ok(finished == left)
    }

    /// Returns a note about methods that ignore `--project`.
    fn projection_note(&self) -> Option<String> {
        let others: Vec<String> = self
            .algorithm
            .iter()
            .filter(|name| **name != AlgorithmName::Fpg)
            .filter_map(|name| Some(name.to_possible_value()?.get_name().to_owned()))
            .collect();
        (self.project && !others.is_empty()).then(|| {
            format!(
                "--project changes fpg only: {} without a projection",
                others.join(", ")
            )
        })
    }
}

impl AlgorithmName {
    /// Returns the method with each alpha, or once if it has none.
    fn with_alphas(self, alphas: &[Divergence]) -> Result<Vec<Algorithm>, LabError> {
        let each = alphas.iter().copied();
        Ok(match self {
            Self::Fpg => each.map(Algorithm::FPg).collect(),
            Self::Natural => each.map(Algorithm::Natural).collect(),
            Self::LogBarrier => vec![Algorithm::LogBarrier],
            Self::Escort => {
                let powers = each.map(|divergence| match divergence {
                    Divergence::Tsallis(power) => Ok(Algorithm::Escort(power)),
                    other => Err(LabError::Value {
                        what: "--alpha with escort",
                        needs: "a number, the power of the transform".to_owned(),
                        got: other.to_string(),
                    }),
                });
                powers.collect::<Result<_, _>>()?
            }
            Self::Hadamard => vec![Algorithm::Hadamard],
            Self::Adaptive => vec![Algorithm::Adaptive],
        })
    }
}

/// Returns the values of an option, or those of the preset if the option is not given.
fn given_or<T>(given: Vec<T>, preset: Vec<T>) -> Vec<T> {
    if given.is_empty() { preset } else { given }
}

fn runs(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} run{plural}", HumanCount(count as u64))
}

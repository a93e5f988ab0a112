//! The report of a sweep: its best settings, printed, written and drawn.

mod figures;
mod judged;
mod tables;

use super::number_format::{Compact, Decimals, FullPrecision, or_dash};
use super::text_table::TextTable;
use super::{LabError, file_name, print_written};
use crate::print_paragraph::print_paragraph;
use std::collections::BTreeMap;
use std::path::Path;
pub(super) use tables::BEST_SETTINGS;
use tsallis_lab::Mdp;
use tsallis_lab::exact::best_finite_horizon_value;
use tsallis_lab::sweep::{BestSetting, Grid, PlannedRun, RunRow, best_settings, settings};

/// A process of the sweep with its best possible return.
struct Process<'a> {
    mdp: &'a Mdp,
    /// The number of steps of the longest episode.
    steps: usize,
    best_value: f64,
}

impl<'a> Process<'a> {
    fn new(mdp: &'a Mdp, horizon: usize) -> Self {
        let steps = horizon.min(mdp.episode_steps().unwrap_or(usize::MAX));
        Self {
            mdp,
            steps,
            best_value: best_finite_horizon_value(mdp, steps),
        }
    }

    fn name(&self) -> &'a str {
        self.mdp.name()
    }

    /// Returns a value in percent of the best. Returns `None` if the best is not positive, because a share then has no
    /// meaning.
    fn share(&self, value: f64) -> Option<f64> {
        (self.best_value > 0.0).then(|| 100.0 * value / self.best_value)
    }
}

/// Prints the best settings, and writes best.csv, curves.csv, settings.csv and the figures.
pub(super) fn write(
    folder: &Path,
    processes: &[Mdp],
    grid: &Grid,
    planned: &[PlannedRun],
    rows: &[RunRow],
) -> Result<(), LabError> {
    // The folder may hold rows of other grids, and its rows are in the order in which the runs ended.
    let places: BTreeMap<_, _> = planned.iter().map(PlannedRun::key).zip(0..).collect();
    let mut rows: Vec<(usize, RunRow)> = rows
        .iter()
        .filter_map(|row| Some((*places.get(&row.key())?, row.clone())))
        .collect();
    rows.sort_by_key(|&(place, _)| place);
    let rows: Vec<RunRow> = rows.into_iter().map(|(_, row)| row).collect();
    let best_settings = best_settings(&rows);
    if best_settings.is_empty() {
        println!("No run has finished yet.");
        return Ok(());
    }
    let settings = settings(&rows);
    tables::write(folder, &best_settings, &settings)?;
    let names = "process, method, alpha, step, temperature, seeds, value, error, of best";
    let mut table = TextTable::new(2, names);
    let seeds = grid.seeds.clone().count();
    let processes: Vec<Process> = processes
        .iter()
        .map(|mdp| Process::new(mdp, grid.sampling.horizon))
        .collect();
    let mut names: Vec<String> = Vec::new();
    for process in &processes {
        // Two processes may have the same file name.
        let name = file_name(process.name());
        let same = names.iter().filter(|other| **other == name).count();
        names.push(name.clone());
        let name = if same == 0 {
            name
        } else {
            format!("{name}-{}", same + 1)
        };
        let of_process: Vec<&BestSetting> = best_settings
            .iter()
            .filter(|best| best.mdp == process.name())
            .collect();
        for best in &of_process {
            let share = process.share(best.final_value);
            table.row([
                best.mdp.clone(),
                best.algorithm.clone(),
                or_dash(best.alpha.as_ref()),
                FullPrecision(best.step_size).to_string(),
                or_dash(best.temperature.map(FullPrecision)),
                best.seeds.to_string(),
                Compact(best.final_value).to_string(),
                Compact(best.standard_error).to_string(),
                or_dash(share.map(|share| format!("{} %", Decimals(share, 1)))),
            ]);
        }
        if !of_process.is_empty() {
            figures::draw_curves(folder, process, &name, &of_process, seeds)?;
        }
    }
    let judged = grid.only.is_some().then(|| judged::compare(&settings));
    if let Some(judged) = &judged {
        judged::write(folder, judged)?;
    }
    figures::draw_alphas(folder, &processes, &best_settings, seeds)?;
    figures::draw_temperatures(folder, &processes, &settings, seeds)?;
    table.print();
    print_paragraph(
        "The value is the exact expected discounted return of the final policy over the horizon, without the \
         regularizer, averaged over seeds. The step size and the temperature are those with the largest value among \
         the settings that were run with the most seeds. The error is the standard error of the value. The last column \
         is its share of the best possible value.",
    );
    if let Some(judged) = &judged {
        judged::print(judged);
    }
    let written = "results.csv, settings.csv, best.csv, curves.csv, a figure for each process";
    print_written(folder, written);
    Ok(())
}

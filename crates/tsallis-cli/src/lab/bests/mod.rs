//! Which settings of a sweep were best, said, written and drawn.

mod pictures;
mod tables;

use super::columns::Columns;
use super::values::{Chosen, Fixed, Number};
use super::{LabError, say_written};
use crate::paragraph::say;
use std::collections::BTreeMap;
use std::path::Path;
use tsallis_lab::Mdp;
use tsallis_lab::exact::best_value_within;
use tsallis_lab::sweep::{Best, Grid, Planned, Row, best_settings, settings};

/// A process of the sweep, and what an episode of it can return at most.
struct Process<'a> {
    mdp: &'a Mdp,
    /// The steps of the longest episode.
    steps: usize,
    best_value: f64,
}

impl<'a> Process<'a> {
    fn new(mdp: &'a Mdp, horizon: usize) -> Self {
        let steps = horizon.min(mdp.episode_steps().unwrap_or(usize::MAX));
        Self {
            mdp,
            steps,
            best_value: best_value_within(mdp, steps),
        }
    }

    fn name(&self) -> &'a str {
        self.mdp.name()
    }

    /// A value in per cent of the best; none where the best is a loss, of which a share says nothing.
    fn share(&self, value: f64) -> Option<f64> {
        (self.best_value > 0.0).then(|| 100.0 * value / self.best_value)
    }
}

/// Says, writes and draws which settings were best: best.csv, curves.csv, settings.csv and their pictures.
pub(super) fn report(
    folder: &Path,
    processes: &[Mdp],
    grid: &Grid,
    planned: &[Planned],
    rows: &[Row],
) -> Result<(), LabError> {
    // A folder may hold more than this grid, and holds its rows as they ended.
    let places: BTreeMap<_, _> = planned.iter().map(Planned::key).zip(0..).collect();
    let mut rows: Vec<(usize, Row)> = rows
        .iter()
        .filter_map(|row| Some((*places.get(&row.key())?, row.clone())))
        .collect();
    rows.sort_by_key(|&(place, _)| place);
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let bests = best_settings(&rows);
    if bests.is_empty() {
        println!("No run has ended yet.");
        return Ok(());
    }
    let settings = settings(&rows);
    tables::write(folder, &bests, &settings)?;
    let mut table = Columns::new(
        2,
        &[
            "process",
            "method",
            "order",
            "step",
            "temperature",
            "seeds",
            "value",
            "error",
            "of best",
        ],
    );
    let seeds = grid.seeds as usize;
    let processes: Vec<Process> = processes
        .iter()
        .map(|mdp| Process::new(mdp, grid.sampling.horizon))
        .collect();
    for process in &processes {
        let of_process: Vec<&Best> = bests
            .iter()
            .filter(|best| best.mdp == process.name())
            .collect();
        for best in &of_process {
            table.row([
                best.mdp.clone(),
                best.algorithm.clone(),
                best.order.clone().unwrap_or_else(|| "-".to_owned()),
                Chosen(best.step_size).to_string(),
                best.temperature
                    .map_or("-".to_owned(), |t| Chosen(t).to_string()),
                best.seeds.to_string(),
                Number(best.final_value).to_string(),
                Number(best.standard_error).to_string(),
                process
                    .share(best.final_value)
                    .map_or("-".to_owned(), |share| format!("{} %", Fixed(share, 1))),
            ]);
        }
        if !of_process.is_empty() {
            pictures::draw_curves(folder, process, &of_process, seeds)?;
        }
    }
    pictures::draw_orders(folder, &processes, &bests, seeds)?;
    pictures::draw_temperatures(folder, &processes, &settings, seeds)?;
    table.print();
    say(
        "The value is the exact mean return over the horizon of the last policy, at the step size and the \
         temperature where its mean over the seeds is the largest, of those that were run with the most seeds; its \
         standard error; and its share of the best possible value.",
    );
    say_written(
        folder,
        &[
            "results.csv",
            "settings.csv",
            "best.csv",
            "curves.csv",
            "a picture for each process",
        ],
    );
    Ok(())
}

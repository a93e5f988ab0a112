use super::print::{Columns, say};
use super::values::Number;
use super::{LabError, mean_of_seeds, say_written, write_table};
use crate::cli::plot::{
    Axis, CATEGORIES, Figure, Fill, GREY, Legend, Line, LinePlot, Surface, order_colour,
};
use crate::rl::tabular::Mdp;
use crate::rl::tabular::exact::best_value_within;
use crate::rl::tabular::sweep::{Best, Grid, Planned, Row, best_settings, settings};
use plotters::style::RGBColor;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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

/// Says and draws which settings were best: best.csv, curves.csv and a picture of curves for each process.
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
    write(folder, &bests)?;
    let mut table = Columns::new(
        2,
        &[
            "process",
            "method",
            "order",
            "step",
            "temperature",
            "value",
            "error",
            "of best",
        ],
    );
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
                best.step_size.to_string(),
                best.temperature.map_or("-".to_owned(), |t| t.to_string()),
                Number(best.final_value).to_string(),
                Number(best.standard_error).to_string(),
                process
                    .share(best.final_value)
                    .map_or("-".to_owned(), |share| format!("{share:.1} %")),
            ]);
        }
        if !of_process.is_empty() {
            draw(folder, process, &of_process)?;
        }
    }
    draw_orders(folder, &processes, &bests)?;
    draw_temperatures(folder, &processes, &rows)?;
    table.print();
    say(
        "The value is the exact mean return over the horizon of the last policy, at the step size and the \
         temperature where its mean over the seeds is the largest; its standard error; and its share of the \
         best possible value.",
    );
    say_written(
        folder,
        &[
            "results.csv",
            "best.csv",
            "curves.csv",
            "a picture for each process",
        ],
    );
    Ok(())
}

fn write(folder: &Path, bests: &[Best]) -> Result<(), LabError> {
    let columns = [
        "mdp",
        "algorithm",
        "order",
        "step_size",
        "temperature",
        "settings",
        "seeds",
        "final_value",
        "standard_error",
        "final_return",
    ]
    .map(str::to_owned);
    let rows = bests.iter().map(|best| {
        (
            &best.mdp,
            &best.algorithm,
            &best.order,
            best.step_size,
            best.temperature,
            best.settings,
            best.seeds,
            best.final_value,
            best.standard_error,
            best.final_return,
        )
    });
    write_table(&folder.join("best.csv"), &columns, rows)?;
    let columns = [
        "mdp",
        "algorithm",
        "order",
        "iteration",
        "value_mean",
        "value_std",
    ]
    .map(str::to_owned);
    let rows = bests.iter().flat_map(|best| {
        best.iterations
            .iter()
            .zip(&best.values)
            .map(move |(iteration, (mean, deviation))| {
                let digits = |value: f64| format!("{value:.6}");
                (
                    &best.mdp,
                    &best.algorithm,
                    &best.order,
                    iteration,
                    digits(*mean),
                    digits(*deviation),
                )
            })
    });
    write_table(&folder.join("curves.csv"), &columns, rows)
}

fn draw(folder: &Path, process: &Process, bests: &[&Best]) -> Result<(), LabError> {
    let &Process {
        steps, best_value, ..
    } = process;
    let last = bests
        .iter()
        .filter_map(|best| best.iterations.last())
        .max()
        .copied()
        .unwrap_or(1) as f64;
    let mut plot = LinePlot::new(
        Axis::linear("iteration").range(0.0..last),
        Axis::linear(format!("mean return over {steps} steps, discounted")),
    )
    .legend(Legend::Emptiest)
    .line(
        Line::new([(0.0, best_value), (last, best_value)], GREY)
            .dashed()
            .width(1)
            .label(format!("best possible: {best_value:.3}")),
    );
    for best in bests {
        let points = || best.iterations.iter().zip(&best.values);
        let band = points().map(|(&n, &(mean, std))| (n as f64, mean - std, mean + std));
        let mut line = Line::new(
            points().map(|(&n, &(mean, _))| (n as f64, mean)),
            colour(best),
        )
        .band(band)
        .label(name(best));
        if best.algorithm != "fpg" {
            line = line.dashed();
        }
        plot = plot.line(line);
    }
    Figure::new((1000, 640))
        .title(format!(
            "{}: best step size and temperature of each, {}",
            process.name(),
            mean_of_seeds(bests[0].seeds)
        ))
        .panel(plot)
        .save(&folder.join(process.name().replace([':', ',', '/'], "-")))?;
    Ok(())
}

/// How much of the best possible return each order reaches with its best setting.
fn draw_orders(folder: &Path, processes: &[Process], bests: &[Best]) -> Result<(), LabError> {
    let mut plot = LinePlot::new(
        Axis::linear("order α"),
        Axis::linear("mean return, % of the best possible").range(0.0..102.0),
    )
    .legend(Legend::Emptiest);
    let mut any = false;
    for (process, colour) in processes.iter().zip(CATEGORIES.iter().cycle()) {
        let mut points: Vec<(f64, f64, f64)> = bests
            .iter()
            .filter(|best| best.mdp == process.name() && best.algorithm == "fpg")
            .filter_map(|best| {
                let alpha = best.order.as_deref()?.parse().ok()?;
                let mean = process.share(best.final_value)?;
                Some((alpha, mean, process.share(best.standard_error)?))
            })
            .collect();
        if points.is_empty() {
            continue;
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        any |= points.len() > 1;
        let band = points
            .iter()
            .map(|&(a, mean, error)| (a, mean - error, mean + error));
        let line = Line::new(points.iter().map(|&(a, mean, _)| (a, mean)), *colour);
        let band: Vec<_> = band.collect();
        plot = plot.line(line.band(band).dots().label(process.name()));
    }
    if !any {
        return Ok(());
    }
    Figure::new((900, 600))
        .title("The best step size and temperature of each order, mean ± 1 standard error")
        .panel(plot)
        .save(&folder.join("orders"))?;
    Ok(())
}

/// The mean return of f-PG for each order and temperature, at the best step size of each.
fn draw_temperatures(folder: &Path, processes: &[Process], rows: &[Row]) -> Result<(), LabError> {
    let mut panels = Vec::new();
    for process in processes {
        let mut cells: BTreeMap<(u64, u64), f64> = BTreeMap::new();
        for setting in settings(rows).into_iter().flatten() {
            let row = setting.rows[0];
            let alpha = row
                .order
                .as_deref()
                .and_then(|order| order.parse::<f64>().ok());
            if row.mdp != process.name() || row.algorithm != "fpg" {
                continue;
            }
            if let (Some(alpha), Some(temperature)) = (alpha.filter(|a| *a >= 0.0), row.temperature)
            {
                // Numbers from zero on are ordered as their bits.
                let cell = cells
                    .entry((temperature.to_bits(), alpha.to_bits()))
                    .or_insert(f64::NAN);
                *cell = cell.max(setting.final_value);
            }
        }
        let side = |of: fn(&(u64, u64)) -> u64| -> Vec<f64> {
            let side: BTreeSet<u64> = cells.keys().map(of).collect();
            side.into_iter().map(f64::from_bits).collect()
        };
        let (temperatures, alphas) = (side(|key| key.0), side(|key| key.1));
        // A sweep that was stopped has holes.
        if temperatures.len() < 2
            || alphas.len() < 2
            || cells.len() < temperatures.len() * alphas.len()
        {
            continue;
        }
        let places = |name: &str, values: &[f64]| {
            let words = values.iter().map(f64::to_string);
            let at = (0..values.len()).map(|place| place as f64).collect();
            (Axis::places(name, words), at)
        };
        // The title of the figure says what the colours are. On a scale up to the best possible, what no
        // policy has learnt is of one colour.
        let mut values = Axis::linear("");
        if process.best_value > 0.0 {
            values = values.range(0.0..process.best_value);
        }
        let surface = Surface::new(
            places("order α", &alphas),
            places("temperature λ", &temperatures),
            (values, cells.into_values().collect()),
        );
        panels.push(surface.title(process.name()).fill(Fill::Cells));
    }
    if panels.is_empty() {
        return Ok(());
    }
    let columns = panels.len().min(3);
    let lines = panels.len().div_ceil(columns) as u32;
    let mut figure = Figure::new((90 + 430 * columns as u32, 50 + 370 * lines))
        .title("Mean return by order and temperature, at the best step size of each")
        .columns(columns);
    for panel in panels {
        figure = figure.panel(panel);
    }
    Ok(figure.save(&folder.join("temperatures"))?)
}

fn name(best: &Best) -> String {
    match (best.algorithm.as_str(), best.order.as_deref()) {
        ("fpg", Some("1")) => "α = 1: softmax + entropy".to_owned(),
        ("fpg", Some(order)) if order.parse::<f64>().is_ok() => format!("α = {order}"),
        (algorithm, Some(order)) => format!("{algorithm} {order}"),
        (algorithm, None) => algorithm.to_owned(),
    }
}

fn colour(best: &Best) -> RGBColor {
    match (
        best.order.as_deref().and_then(|order| order.parse().ok()),
        best.algorithm.as_str(),
    ) {
        (Some(alpha), _) => order_colour(alpha),
        (None, "log-barrier") => CATEGORIES[3],
        (None, "hadamard") => CATEGORIES[4],
        (None, "adaptive") => CATEGORIES[2],
        (None, _) => CATEGORIES[5],
    }
}

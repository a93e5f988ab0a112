use super::values::Number;
use super::{LabError, say_written, write_table};
use crate::cli::plot::{Axis, CATEGORIES, Figure, GREY, Legend, Line, LinePlot, order_colour};
use crate::rl::tabular::Mdp;
use crate::rl::tabular::exact::best_value_within;
use crate::rl::tabular::sweep::{Best, Grid, Planned, Row, best_settings};
use plotters::style::RGBColor;
use std::collections::BTreeSet;
use std::path::Path;

/// Says and draws which settings were best: best.csv, curves.csv and a picture of curves for each process.
pub(super) fn report(
    folder: &Path,
    processes: &[Mdp],
    grid: &Grid,
    planned: &[Planned],
    rows: &[Row],
) -> Result<(), LabError> {
    // A folder may hold more than this grid.
    let wanted: BTreeSet<_> = planned.iter().map(Planned::key).collect();
    let rows: Vec<Row> = rows
        .iter()
        .filter(|row| wanted.contains(&row.key()))
        .cloned()
        .collect();
    let bests = best_settings(&rows);
    if bests.is_empty() {
        println!("No run has ended yet.");
        return Ok(());
    }
    write(folder, &bests)?;
    println!(
        "{:<16} {:<12} {:>14} {:>9} {:>11} {:>9} {:>9} {:>11}",
        "process", "method", "order", "step size", "temperature", "value", "± error", "of the best"
    );
    for mdp in processes {
        let steps = grid
            .sampling
            .horizon
            .min(mdp.episode_steps().unwrap_or(usize::MAX));
        let possible = best_value_within(mdp, steps);
        let of_process: Vec<&Best> = bests.iter().filter(|best| best.mdp == mdp.name()).collect();
        for best in &of_process {
            println!(
                "{:<16} {:<12} {:>14} {:>9} {:>11} {:>9} {:>9} {:>9.1} %",
                best.mdp,
                best.algorithm,
                best.order.as_deref().unwrap_or("-"),
                best.step_size,
                best.temperature.map_or("-".to_owned(), |t| t.to_string()),
                Number(best.final_value),
                Number(best.standard_error),
                100.0 * best.final_value / possible,
            );
        }
        if !of_process.is_empty() {
            draw(folder, mdp, steps, possible, &of_process)?;
        }
    }
    println!(
        "The value is the exact mean return over the horizon of the last policy, at the step size and the \
         temperature where its mean over the seeds is the largest."
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

fn draw(
    folder: &Path,
    mdp: &Mdp,
    steps: usize,
    possible: f64,
    bests: &[&Best],
) -> Result<(), LabError> {
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
    .legend(Legend::LowerRight)
    .line(
        Line::new([(0.0, possible), (last, possible)], GREY)
            .dashed()
            .width(1)
            .label(format!("best possible: {possible:.3}")),
    );
    for (i, best) in bests.iter().enumerate() {
        let points = || best.iterations.iter().zip(&best.values);
        let band = points().map(|(&n, &(mean, std))| (n as f64, mean - std, mean + std));
        let mut line = Line::new(
            points().map(|(&n, &(mean, _))| (n as f64, mean)),
            colour(best, i),
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
            "{}: best step size and temperature of each, mean ± 1 std of {} seeds",
            mdp.name(),
            bests[0].seeds
        ))
        .panel(plot)
        .save(&folder.join(mdp.name().replace([':', ',', '/'], "-")))?;
    Ok(())
}

fn name(best: &Best) -> String {
    match (best.algorithm.as_str(), best.order.as_deref()) {
        ("fpg", Some("1")) => "α = 1: softmax + entropy".to_owned(),
        ("fpg", Some(order)) if order.parse::<f64>().is_ok() => format!("α = {order}"),
        (algorithm, Some(order)) => format!("{algorithm} {order}"),
        (algorithm, None) => algorithm.to_owned(),
    }
}

fn colour(best: &Best, i: usize) -> RGBColor {
    match best.order.as_deref().and_then(|order| order.parse().ok()) {
        Some(alpha) => order_colour(alpha),
        None => CATEGORIES[i % CATEGORIES.len()],
    }
}

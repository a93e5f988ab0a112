use super::{Score, Task};
use crate::describe::number;
use crate::plot::{Axis, Figure, Fill, Line, LinePlot, PlotError, Surface, alpha_color};
use crate::statistics::bootstrap_shares;
use std::path::Path;

/// The scores at which a profile is drawn.
const POINTS: usize = 100;

/// Draws, for each task, the share of runs of each alpha whose score is at least x.
pub(super) fn profiles(folder: &Path, tasks: &[Task], score: Score) -> Result<(), PlotError> {
    let panels = tasks.iter().map(|task| {
        let all = task.candidates.iter().flat_map(|c| &c.best().scores);
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &score| {
            (low.min(score), high.max(score))
        });
        let at = |point: usize| low + (high - low) * point as f64 / (POINTS - 1) as f64;
        let levels: Vec<f64> = (0..POINTS).map(at).collect();
        let plot = LinePlot::new(
            Axis::linear(score.quantity()),
            Axis::linear("share of runs with at least this return").range(0.0..1.0),
        );
        let plot = plot.title(title(task));
        task.candidates.iter().fold(plot, |plot, candidate| {
            let shares = bootstrap_shares(&candidate.best().scores, &levels);
            let points = || levels.iter().zip(&shares);
            let line = Line::new(
                points().map(|(&x, share)| (x, share.value)),
                alpha_color(candidate.alpha),
            );
            let band = points().filter(|(_, share)| share.interval.0.is_finite());
            let band = band.map(|(&x, share)| (x, share.interval.0, share.interval.1));
            plot.line(line.band(band).label(label(candidate.alpha)))
        })
    });
    save(
        &folder.join("profiles"),
        "share of runs that reach a return, best setting of each alpha, with 95 % bootstrap intervals",
        panels.collect(),
    )
}

/// Draws, for each task, the scores of all settings of each alpha, from the best to the worst.
pub(super) fn sensitivity(folder: &Path, tasks: &[Task], score: Score) -> Result<(), PlotError> {
    let panels = tasks.iter().map(|task| {
        let plot = LinePlot::new(
            Axis::linear("share of settings"),
            Axis::linear(score.title()),
        );
        let plot = plot.title(title(task));
        task.candidates.iter().fold(plot, |plot, candidate| {
            let last = (candidate.settings.len() - 1).max(1) as f64;
            let settings = candidate.settings.iter().enumerate();
            let points = settings.map(|(rank, runs)| (rank as f64 / last, runs.mean));
            let line = Line::new(points, alpha_color(candidate.alpha)).dots();
            plot.line(line.label(label(candidate.alpha)))
        })
    });
    save(
        &folder.join("sensitivity"),
        "interquartile mean of each setting, from the best to the worst",
        panels.collect(),
    )
}

/// Draws, for each task, the score over alpha and beta with the best learning rate.
pub(super) fn heatmap(folder: &Path, tasks: &[Task], score: Score) -> Result<(), PlotError> {
    let panels = tasks.iter().map(|task| {
        let settings = || task.candidates.iter().flat_map(|c| &c.settings);
        let mut betas: Vec<f64> = settings().map(|runs| runs.setting.beta).collect();
        betas.sort_by(f64::total_cmp);
        betas.dedup();
        let mut values = Vec::new();
        for candidate in &task.candidates {
            for &beta in &betas {
                // The settings are sorted from the best to the worst.
                let mut settings = candidate.settings.iter();
                let best = settings.find(|runs| runs.setting.beta == beta);
                values.push(best.map_or(f64::NAN, |runs| runs.mean));
            }
        }
        let places = |name, values: &[f64]| {
            let places = (0..values.len()).map(|place| place as f64).collect();
            let labels = values.iter().map(|&value| number(value));
            (Axis::places(name, labels), places)
        };
        let alphas: Vec<f64> = task.candidates.iter().map(|c| c.alpha).collect();
        Surface::new(
            places("beta", &betas),
            places("alpha", &alphas),
            (Axis::linear(score.title()), values),
        )
        .fill(Fill::Cells)
        .title(title(task))
    });
    save(
        &folder.join("heatmap"),
        "interquartile mean with the best learning rate",
        panels.collect(),
    )
}

fn title(task: &Task) -> String {
    let environment = task.environment.title();
    format!("{environment}, noise {}", number(task.noise_std))
}

fn label(alpha: f64) -> String {
    format!("alpha {}", number(alpha))
}

fn save<P: Into<crate::plot::Panel>>(
    stem: &Path,
    title: &str,
    panels: Vec<P>,
) -> Result<(), PlotError> {
    let columns = panels.len().min(3);
    let rows = panels.len().div_ceil(columns.max(1));
    let size = (560 * columns.max(1) as u32, 440 * rows as u32 + 50);
    let figure = Figure::new(size).title(title).columns(columns);
    panels.into_iter().fold(figure, Figure::panel).save(stem)
}

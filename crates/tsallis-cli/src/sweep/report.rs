use super::Score;
use super::grid::Setting;
use super::results::ResultRow;
use crate::band::{BandPoint, band};
use crate::describe::{format_return, number};
use crate::markdown::markdown;
use crate::plot::{Axis, Figure, Line, LinePlot, PlotError, alpha_color, category};
use crate::statistics::{bootstrap_interval, interquartile_mean};
use burn_tsallis::experiment::{FileError, write_table};
use burn_tsallis::rl::env::EnvironmentKind;
use burn_tsallis::rl::ppo::PpoConfig;
use burn_tsallis::rl::run::{RunError, RunStatus, SavedRun, Verdict};
use indicatif::HumanCount;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// Returns the settings of a sweep in the order of its flags, each with its rows.
pub(super) fn cells<'a>(
    configs: &[PpoConfig],
    rows: &'a [ResultRow],
) -> Vec<(Setting, Vec<&'a ResultRow>)> {
    let mut cells: Vec<(Setting, Vec<&ResultRow>)> = Vec::new();
    for config in configs {
        let setting = Setting::from_config(config);
        if cells.iter().any(|(other, _)| *other == setting) {
            continue;
        }
        let mut rows: Vec<_> = rows.iter().filter(|row| row.setting() == setting).collect();
        rows.sort_by_key(|row| row.seed);
        cells.push((setting, rows));
    }
    cells
}

/// The statistics of a setting in the table.
struct Cell {
    setting: Setting,
    runs: usize,
    failed: usize,
    mean: f64,
    interval: (f64, f64),
    /// The number of runs that are solved at their end.
    solved: usize,
    /// The number of runs that were solved at any time.
    solved_once: usize,
    steps_to_solved: Option<usize>,
}

impl Cell {
    fn new(setting: Setting, rows: &[&ResultRow], which: Score) -> Self {
        let scores: Vec<f64> = rows.iter().filter_map(|row| which.of(row)).collect();
        let mut steps: Vec<_> = rows.iter().filter_map(|row| row.steps_to_solved).collect();
        steps.sort_unstable();
        let solved = |row: &&&ResultRow| row.verdict == Some(Verdict::Solved);
        Self {
            setting,
            runs: rows.len(),
            failed: rows
                .iter()
                .filter(|row| row.status == RunStatus::Failed)
                .count(),
            mean: interquartile_mean(&scores),
            interval: bootstrap_interval(&scores),
            solved: rows.iter().filter(solved).count(),
            solved_once: steps.len(),
            // Runs that were never solved count as slower than all others.
            steps_to_solved: steps.get(rows.len() / 2).copied(),
        }
    }
}

/// Returns the table of a sweep in Markdown, with the interquartile mean over seeds and its 95 % bootstrap interval.
/// The best mean for each environment, noise, beta and learning rate is bold.
pub(super) fn table(cells: &[(Setting, Vec<&ResultRow>)], which: Score) -> String {
    let solvable = cells
        .iter()
        .any(|(_, rows)| rows.iter().any(|row| row.verdict.is_some()));
    let cells: Vec<Cell> = cells
        .iter()
        .map(|(setting, rows)| Cell::new(setting.clone(), rows, which))
        .collect();
    let failures = cells.iter().any(|cell| cell.failed > 0);
    let mut header = vec!["environment", "noise", "beta", "learning rate", "alpha"];
    let title = which.title();
    header.extend(["seeds", &title, "95 % interval"]);
    if solvable {
        header.extend([
            "solved at the end",
            "solved once",
            "steps to solved (median)",
        ]);
    }
    if failures {
        header.push("failed");
    }
    let rows: Vec<Vec<String>> = cells
        .iter()
        .map(|cell| {
            let setting = &cell.setting;
            let words = |value: f64| {
                if value.is_nan() {
                    "-".to_owned()
                } else {
                    format_return(value, setting.environment.best_return())
                }
            };
            let rivals = cells
                .iter()
                .filter(|other| setting.differs_only_in_alpha(&other.setting));
            let mut rivals = rivals.map(|other| other.mean).filter(|mean| !mean.is_nan());
            let is_best = cell.mean.is_finite() && rivals.all(|mean| mean <= cell.mean);
            let mean = words(cell.mean);
            let mut row = vec![
                setting.environment.title(),
                number(setting.noise_std),
                number(setting.beta),
                number(setting.learning_rate),
                setting.alpha_label(),
                cell.runs.to_string(),
                if is_best { format!("**{mean}**") } else { mean },
                if cell.interval.0.is_nan() {
                    "-".to_owned()
                } else {
                    format!("{} to {}", words(cell.interval.0), words(cell.interval.1))
                },
            ];
            if solvable {
                row.push(format!("{} of {}", cell.solved, cell.runs));
                row.push(format!("{} of {}", cell.solved_once, cell.runs));
                let steps = |steps| HumanCount(steps as u64).to_string();
                row.push(cell.steps_to_solved.map_or("-".to_owned(), steps));
            }
            if failures {
                row.push(cell.failed.to_string());
            }
            row
        })
        .collect();
    markdown(&header, &rows)
}

/// A row of the table of the learning curves.
#[derive(Serialize)]
struct CurveRow {
    environment: EnvironmentKind,
    noise_std: f64,
    beta: f64,
    learning_rate: f64,
    regularizer_alpha: f64,
    alpha: f64,
    global_step: f64,
    /// The interquartile mean over the seeds of the mean return of 100 episodes.
    recent_return: f64,
    low: Option<f64>,
    high: Option<f64>,
}

impl CurveRow {
    fn new(setting: &Setting, point: &BandPoint) -> Self {
        Self {
            environment: setting.environment.clone(),
            noise_std: setting.noise_std,
            beta: setting.beta,
            learning_rate: setting.learning_rate,
            regularizer_alpha: setting.regularizer_alpha,
            alpha: setting.alpha,
            global_step: point.x.round(),
            recent_return: point.mean,
            low: point.interval.map(|(low, _)| low),
            high: point.interval.map(|(_, high)| high),
        }
    }
}

/// Writes the learning curves as `STEM.svg`, `STEM.png` and `STEM.csv`, with a panel for each environment, noise, beta and
/// learning rate, and a line for each alpha. Returns `false` without a file if there is no curve.
pub(super) fn figure(
    stem: &Path,
    cells: &[(Setting, Vec<&ResultRow>)],
    run: impl Fn(&ResultRow) -> std::path::PathBuf,
) -> Result<bool, FigureError> {
    let mut panels: Vec<(Setting, LinePlot)> = Vec::new();
    let mut table = Vec::new();
    let several = |differs: fn(&Setting, &Setting) -> bool| {
        cells
            .iter()
            .any(|(setting, _)| differs(setting, &cells[0].0))
    };
    let beta = several(|a, b| a.beta != b.beta);
    let rate = several(|a, b| a.learning_rate != b.learning_rate);
    let decoupled = cells.iter().any(|(s, _)| s.alpha != s.regularizer_alpha);
    for (index, (setting, rows)) in cells.iter().enumerate() {
        let mut curves = Vec::new();
        for row in rows {
            let metrics = SavedRun::open(run(row)).and_then(|saved| saved.metrics())?;
            let points = metrics
                .iter()
                .filter_map(|m| Some((m.global_step as f64, m.recent_return?)));
            curves.push(points.collect::<Vec<_>>());
        }
        let points = band(&curves);
        if points.is_empty() {
            continue;
        }
        table.extend(points.iter().map(|point| CurveRow::new(setting, point)));
        let (color, dashes) = if decoupled {
            category(index)
        } else {
            (alpha_color(setting.alpha), None)
        };
        let line = Line::new(points.iter().map(|p| (p.x, p.mean)), color)
            .band(points.iter().filter_map(BandPoint::edges))
            .dashes(dashes)
            .label(setting.alpha_label());
        let place = panels
            .iter()
            .position(|(other, _)| other.differs_only_in_alpha(setting));
        let (_, panel) = match place {
            Some(place) => panels.remove(place),
            None => {
                let mut title = format!(
                    "{}, noise {}",
                    setting.environment.title(),
                    number(setting.noise_std)
                );
                if beta {
                    let _ = write!(title, ", beta {}", number(setting.beta));
                }
                if rate {
                    let _ = write!(title, ", learning rate {}", number(setting.learning_rate));
                }
                let panel = LinePlot::new(
                    Axis::linear("environment steps").ticks(6),
                    Axis::linear("mean return of 100 episodes"),
                );
                (setting.clone(), panel.title(title))
            }
        };
        let place = place.unwrap_or(panels.len());
        panels.insert(place, (setting.clone(), panel.line(line)));
    }
    if panels.is_empty() {
        return Ok(false);
    }
    let columns = panels.len().min(3);
    let size = (
        560 * columns as u32,
        440 * panels.len().div_ceil(columns) as u32 + 50,
    );
    let figure = Figure::new(size)
        .title("interquartile mean over seeds, with its 95 % bootstrap interval")
        .columns(columns);
    let figure = panels
        .into_iter()
        .fold(figure, |figure, (_, panel)| figure.panel(panel));
    figure.save(stem)?;
    write_table(&stem.with_extension("csv"), &table)?;
    Ok(true)
}

/// An error that prevents the figure.
#[derive(Debug, thiserror::Error)]
pub(super) enum FigureError {
    #[error(transparent)]
    Plot(#[from] PlotError),
    #[error(transparent)]
    Write(#[from] FileError),
    #[error(transparent)]
    Run(#[from] RunError),
}

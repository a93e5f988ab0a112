//! `tsallis plot`.

use super::CommandError;
use super::band::{BandPoint, band};
use super::describe::{self, describe_config};
use super::plot::{Axis, Figure, Line, LinePlot, category, with_extension};
use super::print_paragraph::print_paragraph;
use super::sweep;
use burn_tsallis::experiment::{FileError, write_atomically};
use burn_tsallis::rl::ppo::{PpoConfig, UpdateMetrics};
use burn_tsallis::rl::run::{RunSummary, SavedRun};
use clap::{Args, ValueEnum};
use indicatif::HumanCount;
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf, is_separator};

/// Draw curves of training runs.
///
/// Runs that differ only in their seed become one curve: their interquartile mean with its 95 % bootstrap interval as a
/// band. Writes the figure as SVG and PNG, and its data as CSV.
#[derive(Debug, Args)]
pub(super) struct Plot {
    /// Folders written by `tsallis train`, for one seed or several, or by `tsallis sweep`.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// Column of metrics.csv to draw, by its full name or the part after the slash.
    #[arg(
        long,
        value_name = "COLUMN",
        default_value = "charts/episodic_return_100"
    )]
    metric: String,

    /// Quantity on the x axis.
    #[arg(long, value_name = "QUANTITY", default_value = "steps")]
    x: XAxis,

    /// Output path without .svg, .png or .csv, or a folder for the files curves.*; existing files are replaced.
    #[arg(long, value_name = "FILE", default_value = "curves")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum XAxis {
    /// Environment steps.
    Steps,
    /// Policy updates.
    Updates,
    /// Completed episodes.
    Episodes,
    /// Seconds of training, from timing.csv.
    Seconds,
}

impl XAxis {
    fn title(self) -> &'static str {
        match self {
            Self::Steps => "environment steps",
            Self::Updates => "updates",
            Self::Episodes => "episodes",
            Self::Seconds => "seconds",
        }
    }

    fn format(self, x: f64) -> String {
        match self {
            Self::Seconds => format!("{x:.1}"),
            Self::Steps | Self::Updates | Self::Episodes => {
                HumanCount(x.round() as u64).to_string()
            }
        }
    }
}

/// An error in the choice of curves.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlotRunsError {
    #[error("no metric {name:?}; the metrics are {}", known.join(", "))]
    Metric { name: String, known: Vec<String> },
    #[error("{} has no {what}: {why}", path.display())]
    NoData {
        path: PathBuf,
        what: String,
        why: String,
    },
    #[error(
        "{} and {} have the same configuration and seed {seed}: pass only one of them",
        one.display(),
        other.display()
    )]
    DuplicateSeed {
        seed: u64,
        one: PathBuf,
        other: PathBuf,
    },
}

/// Runs that differ only in their seeds.
struct Group {
    /// The common configuration, with seed 0.
    config: PpoConfig,
    /// The seed and the folder of each run.
    runs: Vec<(u64, PathBuf)>,
    curves: Vec<Vec<(f64, f64)>>,
}

impl Plot {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let metric = metric(&self.metric)?;
        let mut groups = self.groups(&metric)?;
        groups.sort_by(|a, b| compare_settings(&flatten(&a.config), &flatten(&b.config)));
        let labels = labels(&groups);
        let legend = labels.iter().map(|label| truncate(label, MAX_LABEL_WIDTH));
        let bands: Vec<Vec<BandPoint>> = groups.iter().map(|group| band(&group.curves)).collect();
        let stem = stem(&self.out);
        if let Some(folder) = stem.parent() {
            fs::create_dir_all(folder).map_err(FileError::io("create the folder", folder))?;
        }
        let title = title(&metric);
        let mut plot = LinePlot::new(Axis::linear(self.x.title()), Axis::linear(&title));
        for (index, (points, label)) in bands.iter().zip(legend).enumerate() {
            let (color, dashes) = category(index);
            let line = Line::new(points.iter().map(|p| (p.x, p.mean)), color);
            let band = points.iter().filter_map(BandPoint::edges);
            plot = plot.line(line.dashes(dashes).band(band).label(label));
        }
        let seeds = groups.iter().map(|g| g.curves.len()).max().unwrap_or(0);
        let title = match (&groups[..], seeds) {
            ([group], 1) => describe_config(&group.config),
            ([group], _) => format!("{}, {seeds} seeds", describe_config(&group.config)),
            (_, 1) => title,
            _ => format!("{title}, up to {seeds} seeds"),
        };
        Figure::new((960, 600))
            .title(title)
            .panel(plot)
            .save(&stem)?;
        let csv = table(&groups, &labels, &bands);
        write_atomically(&with_extension(&stem, "csv"), csv.as_bytes())?;
        for ((group, label), points) in groups.iter().zip(&labels).zip(&bands) {
            let count = group.curves.len();
            let seeds = if count == 1 { "seed" } else { "seeds" };
            let Some(last) = points.last() else {
                print_paragraph(&format!(
                    "{label}: the curves of its {count} {seeds} do not overlap"
                ));
                continue;
            };
            let interval = last
                .interval
                .map(|(low, high)| format!(", {low:.4} to {high:.4}"));
            print_paragraph(&format!(
                "{label}: {:.4} at {} {}{}, {count} {seeds}",
                last.mean,
                self.x.format(last.x),
                self.x.title(),
                interval.unwrap_or_default()
            ));
        }
        println!("Written to {0}.svg, {0}.png and {0}.csv", stem.display());
        Ok(())
    }

    /// Groups the runs by configuration. A run that is given twice counts once. Runs without a curve are left out with
    /// a note, unless no run has one.
    fn groups(&self, metric: &str) -> Result<Vec<Group>, CommandError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut without_curve = Vec::new();
        let mut seen = HashSet::new();
        for folder in &self.runs {
            for run in runs(folder)? {
                let path = run.path().to_owned();
                if !seen.insert(fs::canonicalize(&path).unwrap_or_else(|_| path.clone())) {
                    continue;
                }
                // The label of the curve must not show a setting with which the run was not trained.
                run.check_unchanged()?;
                let curve = match self.curve(&run, metric) {
                    Err(CommandError::PlotRuns(error @ PlotRunsError::NoData { .. })) => {
                        without_curve.push(error);
                        continue;
                    }
                    curve => curve?,
                };
                let seed = run.config().config.seed;
                let config = PpoConfig {
                    seed: 0,
                    ..run.config().config.clone()
                };
                match groups.iter_mut().find(|group| group.config == config) {
                    Some(group) => {
                        if let Some((_, one)) = group.runs.iter().find(|(other, _)| *other == seed)
                        {
                            return Err(PlotRunsError::DuplicateSeed {
                                seed,
                                one: one.clone(),
                                other: path,
                            }
                            .into());
                        }
                        group.runs.push((seed, path));
                        group.curves.push(curve);
                    }
                    None => groups.push(Group {
                        config,
                        runs: vec![(seed, path)],
                        curves: vec![curve],
                    }),
                }
            }
        }
        if groups.is_empty() && !without_curve.is_empty() {
            return Err(without_curve.swap_remove(0).into());
        }
        for error in without_curve {
            eprintln!("note: {error}; it is not drawn");
        }
        Ok(groups)
    }

    fn curve(&self, run: &SavedRun, metric: &str) -> Result<Vec<(f64, f64)>, CommandError> {
        let metrics = run.metrics()?;
        let timing = match self.x {
            XAxis::Seconds => run.timing()?,
            _ => Vec::new(),
        };
        // After a crash, one table may lack a row that the other one has.
        let seconds: HashMap<usize, f64> = timing
            .iter()
            .map(|timing| (timing.update, timing.seconds))
            .collect();
        let points: Vec<(f64, f64)> = metrics
            .iter()
            .filter_map(|row| {
                let x = match self.x {
                    XAxis::Steps => row.global_step as f64,
                    XAxis::Updates => row.update as f64,
                    XAxis::Episodes => row.episodes as f64,
                    XAxis::Seconds => *seconds.get(&row.update)?,
                };
                let columns = serde_json::to_value(row).ok()?;
                Some((x, columns.get(metric)?.as_f64()?))
            })
            .collect();
        if points.is_empty() {
            let (what, why) = match self.x {
                _ if metrics.is_empty() => (metric, no_update(run.summary()?.as_ref())),
                XAxis::Seconds if seconds.is_empty() => {
                    ("timing.csv", "the run was trained without it".to_owned())
                }
                _ => (metric, "none of its updates has a value".to_owned()),
            };
            return Err(PlotRunsError::NoData {
                path: run.path().to_owned(),
                what: what.to_owned(),
                why,
            }
            .into());
        }
        Ok(points)
    }
}

/// Returns why a run has no update.
fn no_update(summary: Option<&RunSummary>) -> String {
    match summary {
        None => "the run has not made its first update yet".to_owned(),
        Some(summary) => {
            let reason = summary.reason.as_deref().unwrap_or("unknown reason");
            format!("the run ended before its first update ({reason})")
        }
    }
}

/// Opens the runs in a folder of `train` or `sweep`.
fn runs(folder: &Path) -> Result<Vec<SavedRun>, CommandError> {
    let settings = sweep::setting_folders(folder)?;
    if settings.is_empty() {
        return Ok(SavedRun::open_all(folder)?);
    }
    let mut runs = Vec::new();
    for setting in settings {
        runs.extend(SavedRun::open_all(setting)?);
    }
    Ok(runs)
}

/// Returns a readable title of a column: `logit gap` for `policy/logit_gap`.
fn title(metric: &str) -> String {
    match metric {
        "charts/episodic_return_100" => "mean return of the last 100 episodes".to_owned(),
        _ => {
            let name = metric.split('/').next_back().unwrap_or(metric);
            name.replace('_', " ")
        }
    }
}

/// Finds a column by its full name, or by the part after the slash if that is unique.
fn metric(name: &str) -> Result<String, PlotRunsError> {
    let known: Vec<String> = match serde_json::to_value(UpdateMetrics::default()) {
        Ok(Value::Object(columns)) => columns.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let ends = |column: &&String| column.split('/').next_back() == Some(name);
    let mut short = known.iter().filter(ends);
    match (
        known.iter().find(|column| *column == name),
        short.next(),
        short.next(),
    ) {
        (Some(column), ..) | (None, Some(column), None) => Ok(column.clone()),
        _ => Err(PlotRunsError::Metric {
            name: name.to_owned(),
            known,
        }),
    }
}

/// The maximum length of a label in the legend, in characters.
const MAX_LABEL_WIDTH: usize = 80;

/// The order of settings in a label. All other settings follow.
const LABEL_PRIORITY: [&str; 6] = [
    "environment",
    "alpha",
    "regularizer_alpha",
    "noise_std",
    "beta",
    "learning_rate",
];

/// Returns a label for each group: the settings that differ between groups. Values shared by most groups are omitted.
fn labels(groups: &[Group]) -> Vec<String> {
    if let [group] = groups {
        return vec![describe_config(&group.config)];
    }
    let settings: Vec<Map<String, Value>> = groups.iter().map(|g| flatten(&g.config)).collect();
    let Some(first) = settings.first() else {
        return Vec::new();
    };
    let mut differing: Vec<&str> = first
        .keys()
        .map(String::as_str)
        .filter(|name| settings.iter().any(|other| other[*name] != first[*name]))
        .collect();
    // The alpha of the regularizer is redundant if it always equals the alpha of the policy.
    if groups
        .iter()
        .all(|g| g.config.alpha == g.config.regularizer_alpha)
    {
        differing.retain(|name| *name != "regularizer_alpha");
    }
    differing.sort_by_key(|name| {
        let place = LABEL_PRIORITY
            .iter()
            .position(|name_of_setting| name_of_setting == name);
        place.unwrap_or(LABEL_PRIORITY.len())
    });
    let is_usual = |name: &str, value: &Value| {
        let same = settings.iter().filter(|other| other[name] == *value);
        2 * same.count() > groups.len()
    };
    settings
        .iter()
        .map(|settings| {
            let parts: Vec<String> = differing
                .iter()
                .filter(|name| !is_usual(name, &settings[**name]))
                .map(|name| {
                    format!(
                        "{} {}",
                        name.replace('_', " "),
                        format_setting(&settings[*name])
                    )
                })
                .collect();
            if parts.is_empty() {
                "common settings".to_owned()
            } else {
                parts.join(", ")
            }
        })
        .collect()
}

/// Compares two configurations by the settings of a label, in their order, and then by all others. Numbers are compared
/// by value, so that 2 comes before 10.
fn compare_settings(one: &Map<String, Value>, other: &Map<String, Value>) -> Ordering {
    let names = LABEL_PRIORITY
        .into_iter()
        .chain(one.keys().map(String::as_str));
    names
        .map(|name| compare_values(&one[name], &other[name]))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn compare_values(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let [one, other] = [one, other].map(|number| number.as_f64().unwrap_or(f64::NAN));
            one.total_cmp(&other)
        }
        (Value::String(one), Value::String(other)) => {
            // The name and the size of an environment.
            let parts = |text: &str| {
                let (name, size) = text.split_once(':').unwrap_or((text, ""));
                (name.to_owned(), size.parse::<usize>().ok(), size.to_owned())
            };
            parts(one).cmp(&parts(other))
        }
        (Value::Array(one), Value::Array(other)) => one
            .iter()
            .zip(other)
            .map(|(one, other)| compare_values(one, other))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| one.len().cmp(&other.len())),
        // `none` comes first, and false before true.
        _ => {
            let rank = |value: &Value| (!value.is_null(), value.as_bool());
            rank(one).cmp(&rank(other))
        }
    }
}

/// Returns all settings by name, including the settings of the networks.
fn flatten(config: &PpoConfig) -> Map<String, Value> {
    let mut settings = match serde_json::to_value(config) {
        Ok(Value::Object(settings)) => settings,
        _ => Map::new(),
    };
    if let Some(Value::Object(network)) = settings.remove("network") {
        settings.extend(network);
    }
    settings
}

fn format_setting(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(word) => word.clone(),
        Value::Number(number) => number.as_f64().map_or(number.to_string(), describe::number),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values
            .iter()
            .map(format_setting)
            .collect::<Vec<_>>()
            .join(","),
        Value::Bool(_) | Value::Object(_) => value.to_string(),
    }
}

/// Shortens a text that is too long, with an ellipsis at its end.
fn truncate(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(columns - 1).collect();
    format!("{beginning}…")
}

fn table(groups: &[Group], labels: &[String], bands: &[Vec<BandPoint>]) -> String {
    let mut csv = "curve,seeds,x,mean,low,high\n".to_owned();
    for ((group, label), points) in groups.iter().zip(labels).zip(bands) {
        let label = format!("\"{}\"", label.replace('"', "\"\""));
        for p in points {
            let seeds = group.curves.len();
            let interval = p.interval.map(|(low, high)| format!("{low},{high}"));
            let interval = interval.unwrap_or_else(|| ",".to_owned());
            let _ = writeln!(csv, "{label},{seeds},{},{},{interval}", p.x, p.mean);
        }
    }
    csv
}

/// Returns the output path without the extension of an output file, or the path of `curves` in a folder.
fn stem(out: &Path) -> PathBuf {
    let ends_with_separator = out.to_string_lossy().ends_with(is_separator);
    if ends_with_separator || out.is_dir() {
        return out.join("curves");
    }
    let written = out
        .extension()
        .is_some_and(|extension| ["svg", "png", "csv"].iter().any(|name| extension == *name));
    if written {
        out.with_extension("")
    } else {
        out.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metrics_are_known_by_their_ends_where_that_is_one() {
        assert_eq!(metric("logit_gap").expect("one"), "policy/logit_gap");
        assert_eq!(metric("losses/entropy").expect("one"), "losses/entropy");
        let error = metric("entropy").expect_err("two").to_string();
        assert!(error.contains("losses/entropy, "), "{error}");
        assert!(metric("").is_err());
    }

    #[test]
    fn curves_are_sorted_by_value() {
        let sorted = |key: &str, values: &[Value]| {
            let mut settings: Vec<Map<String, Value>> = values
                .iter()
                .map(|value| {
                    let mut settings = flatten(&PpoConfig::default());
                    settings.insert(key.to_owned(), value.clone());
                    settings
                })
                .collect();
            settings.reverse();
            settings.sort_by(compare_settings);
            settings.iter().map(|s| s[key].clone()).collect::<Vec<_>>()
        };
        for (key, values) in [
            ("alpha", json!([-1.0, 0.5, 2, 10.0])),
            (
                "environment",
                json!(["cartpole", "deepsea:2", "deepsea:10", "nchain:3"]),
            ),
            ("target_kl", json!([null, 0.01, 0.1])),
            ("hidden", json!([[], [8], [8, 8], [64], [128]])),
            ("shared", json!([false, true])),
        ] {
            let values = values.as_array().expect("a list");
            assert_eq!(&sorted(key, values), values, "{key}");
        }
    }

    #[test]
    fn groups_are_named_by_what_differs() {
        let group = |alpha, noise_std| Group {
            config: PpoConfig {
                alpha,
                regularizer_alpha: alpha,
                noise_std,
                ..PpoConfig::default()
            },
            runs: Vec::new(),
            curves: Vec::new(),
        };
        assert_eq!(
            labels(&[group(0.5, 1.0), group(1.0, 1.0)]),
            ["alpha 0.5", "alpha 1"]
        );
        let two = [group(0.5, 1.0), group(1.0, 2.0)];
        assert_eq!(
            labels(&two),
            ["alpha 0.5, noise std 1", "alpha 1, noise std 2"]
        );
        // The settings of most groups are omitted.
        let mut several = [(); 4].map(|()| group(0.5, 1.0));
        several[1].config.gamma = 0.9;
        several[2].config.value_clip = Some(0.2);
        several[3].config.network.hidden = vec![32, 16];
        assert_eq!(
            labels(&several),
            [
                "common settings",
                "gamma 0.9",
                "value clip 0.2",
                "hidden 32,16"
            ]
        );
        assert_eq!(truncate("alpha 0.5", 6), "alpha…");
        assert!(labels(&[group(0.5, 1.0)])[0].starts_with("CartPole"));
    }
}

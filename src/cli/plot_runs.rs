//! `tsallis plot`.

use super::CommandError;
use super::curves::{BandPoint, band};
use super::plot::{Axis, CATEGORIES, Figure, Legend, Line, LinePlot};
use super::sweep;
use super::words::describe;
use crate::rl::ppo::{PpoConfig, UpdateMetrics};
use crate::rl::run::{SavedRun, write_atomically};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Draw the curves of training runs.
///
/// Runs that differ in nothing but their seed become one curve: their interquartile mean, with its 95 %
/// bootstrap interval as a band. Leaves a picture as SVG and PNG, and what it shows as CSV.
#[derive(Debug, Args)]
pub(super) struct Plot {
    /// Folders that `tsallis train` wrote, of one seed or of several, or that `tsallis sweep` did.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// What is drawn: a column of metrics.csv, by its name or by what follows the slash in it.
    #[arg(
        long,
        value_name = "COLUMN",
        default_value = "charts/episodic_return_100"
    )]
    metric: String,

    /// What it is drawn against.
    #[arg(long, value_name = "WHAT", default_value = "steps")]
    x: Along,

    /// The files to write, less .svg, .png and .csv; they are replaced.
    #[arg(long, value_name = "FILE", default_value = "curves")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Along {
    /// Environment steps.
    Steps,
    /// Updates of the policy.
    Updates,
    /// Episodes that ended.
    Episodes,
    /// Seconds of training, from timing.csv.
    Seconds,
}

impl Along {
    fn title(self) -> &'static str {
        match self {
            Self::Steps => "environment steps",
            Self::Updates => "updates",
            Self::Episodes => "episodes",
            Self::Seconds => "seconds",
        }
    }
}

/// Curves that cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlotRunsError {
    #[error("there is no metric {name:?}: there are {}", known.join(", "))]
    Metric { name: String, known: Vec<String> },
    #[error("{} has no {what} yet", path.display())]
    Nothing { path: PathBuf, what: String },
}

/// Runs that differ in their seeds only.
struct Group {
    /// With the seed 0.
    config: PpoConfig,
    curves: Vec<Vec<(f64, f64)>>,
}

impl Plot {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let metric = metric(&self.metric)?;
        let mut groups: Vec<Group> = Vec::new();
        for path in &self.runs {
            for run in runs(path)? {
                let curve = self.curve(&run, &metric)?;
                let config = PpoConfig {
                    seed: 0,
                    ..run.config().config.clone()
                };
                match groups.iter_mut().find(|group| group.config == config) {
                    Some(group) => group.curves.push(curve),
                    None => groups.push(Group {
                        config,
                        curves: vec![curve],
                    }),
                }
            }
        }
        let (labels, legend) = (labels(&groups, usize::MAX), labels(&groups, LEGEND));
        let bands: Vec<Vec<BandPoint>> = groups.iter().map(|group| band(&group.curves)).collect();
        let stem = stem(&self.out);
        let title = title(&metric);
        let mut plot = LinePlot::new(Axis::linear(self.x.title()), Axis::linear(&title));
        // A curve that rises has its end above, one that falls below.
        let rises = bands.iter().flatten().next().map(|p| p.mean)
            <= bands.iter().flatten().last().map(|p| p.mean);
        plot = plot.legend(if rises {
            Legend::LowerRight
        } else {
            Legend::UpperRight
        });
        for (index, (points, label)) in bands.iter().zip(&legend).enumerate() {
            let line = Line::new(
                points.iter().map(|p| (p.x, p.mean)),
                CATEGORIES[index % CATEGORIES.len()],
            );
            let band = points.iter().map(|p| (p.x, p.low, p.high));
            plot = plot.line(line.band(band).label(label.as_str()));
        }
        let seeds = groups.iter().map(|g| g.curves.len()).max().unwrap_or(0);
        let title = match (&groups[..], seeds) {
            ([group], 1) => describe(&group.config),
            ([group], _) => format!("{}, {seeds} seeds", describe(&group.config)),
            (_, 1) => title,
            _ => format!("{title}, up to {seeds} seeds"),
        };
        Figure::new((960, 600))
            .title(title)
            .panel(plot)
            .save(&stem)?;
        let csv = table(&groups, &labels, &bands);
        write_atomically(&with_suffix(&stem, ".csv"), csv.as_bytes())?;
        for ((group, label), points) in groups.iter().zip(&labels).zip(&bands) {
            let count = group.curves.len();
            match points.last() {
                Some(p) => println!(
                    "{label}: {:.4} at {} {}, {:.4} to {:.4}, {count} {}",
                    p.mean,
                    (p.x * 10.0).round() / 10.0,
                    self.x.title(),
                    p.low,
                    p.high,
                    if count == 1 { "seed" } else { "seeds" }
                ),
                None => println!("{label}: its {count} seeds have nothing in common"),
            }
        }
        println!(
            "Drawn as {0}.svg and {0}.png, its numbers are {0}.csv",
            stem.display()
        );
        Ok(())
    }

    fn curve(&self, run: &SavedRun, metric: &str) -> Result<Vec<(f64, f64)>, CommandError> {
        let metrics = run.metrics()?;
        let timing = match self.x {
            Along::Seconds => run.timing()?,
            _ => Vec::new(),
        };
        // After a crash a row of one table may be missing in the other.
        let seconds: HashMap<usize, f64> = timing
            .iter()
            .map(|timing| (timing.update, timing.seconds))
            .collect();
        let points: Vec<(f64, f64)> = metrics
            .iter()
            .filter_map(|row| {
                let x = match self.x {
                    Along::Steps => row.global_step as f64,
                    Along::Updates => row.update as f64,
                    Along::Episodes => row.episodes as f64,
                    Along::Seconds => *seconds.get(&row.update)?,
                };
                let columns = serde_json::to_value(row).ok()?;
                Some((x, columns.get(metric)?.as_f64()?))
            })
            .collect();
        if points.is_empty() {
            let what = match self.x {
                Along::Seconds if seconds.is_empty() => "timing.csv".to_owned(),
                _ => metric.to_owned(),
            };
            let path = run.path().to_owned();
            return Err(PlotRunsError::Nothing { path, what }.into());
        }
        Ok(points)
    }
}

/// The runs in a folder of `train`, or in one of `sweep`.
fn runs(folder: &Path) -> Result<Vec<SavedRun>, CommandError> {
    let settings = sweep::settings(folder)?;
    if settings.is_empty() {
        return Ok(SavedRun::open_all(folder)?);
    }
    let mut runs = Vec::new();
    for setting in settings {
        runs.extend(SavedRun::open_all(setting)?);
    }
    Ok(runs)
}

/// A column in words: `policy/logit_gap` is the logit gap.
fn title(metric: &str) -> String {
    match metric {
        "charts/episodic_return_100" => "mean return of the last 100 episodes".to_owned(),
        _ => {
            let name = metric.split('/').next_back().unwrap_or(metric);
            name.replace('_', " ")
        }
    }
}

/// The column of a name, or of what follows the slash in it.
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

/// Most columns of a name in the legend of a picture.
const LEGEND: usize = 80;

/// What runs are told apart by, the first before the others.
const TELLING: [&str; 6] = [
    "environment",
    "alpha",
    "regulariser_alpha",
    "noise_std",
    "beta",
    "learning_rate",
];

/// In what each group differs from the others, in words of at most so many columns, if fewer settings than all of
/// them tell the groups apart too.
fn labels(groups: &[Group], columns: usize) -> Vec<String> {
    let values: Vec<Value> = groups
        .iter()
        .map(|group| serde_json::to_value(&group.config).unwrap_or_default())
        .collect();
    let (Some(first), true) = (values.first().and_then(Value::as_object), values.len() > 1) else {
        return groups.iter().map(|group| describe(&group.config)).collect();
    };
    let mut differing: Vec<&str> = first
        .keys()
        .map(String::as_str)
        .filter(|name| values.iter().any(|other| other[name] != first[*name]))
        .collect();
    // The order of the regulariser goes without saying where it is that of the policy.
    if groups
        .iter()
        .all(|g| g.config.alpha == g.config.regulariser_alpha)
    {
        differing.retain(|name| *name != "regulariser_alpha");
    }
    differing.sort_by_key(|name| {
        let place = TELLING.iter().position(|telling| telling == name);
        place.unwrap_or(TELLING.len())
    });
    let words = |names: &[&str]| -> Vec<String> {
        values.iter().map(|value| setting(value, names)).collect()
    };
    let mut labels = words(&differing);
    while labels.iter().any(|label| label.chars().count() > columns) {
        differing.pop();
        let shorter = words(&differing);
        let distinct: HashSet<&String> = shorter.iter().collect();
        if distinct.len() < shorter.len() {
            break;
        }
        labels = shorter;
    }
    labels
}

/// Some of the settings of a configuration: `alpha 0.5, noise std 2.0`.
fn setting(config: &Value, names: &[&str]) -> String {
    let parts: Vec<String> = names
        .iter()
        .map(|name| {
            let word = match &config[name] {
                Value::String(word) => word.clone(),
                other => other.to_string(),
            };
            format!("{} {word}", name.replace('_', " "))
        })
        .collect();
    parts.join(", ")
}

fn table(groups: &[Group], labels: &[String], bands: &[Vec<BandPoint>]) -> String {
    let mut csv = "curve,seeds,x,mean,low,high\n".to_owned();
    for ((group, label), points) in groups.iter().zip(labels).zip(bands) {
        let label = format!("\"{}\"", label.replace('"', "\"\""));
        for p in points {
            let seeds = group.curves.len();
            let _ = writeln!(
                csv,
                "{label},{seeds},{},{},{},{}",
                p.x, p.mean, p.low, p.high
            );
        }
    }
    csv
}

/// The name without an extension that is written.
fn stem(out: &Path) -> PathBuf {
    let written = out
        .extension()
        .is_some_and(|extension| ["svg", "png", "csv"].iter().any(|name| extension == *name));
    if written {
        out.with_extension("")
    } else {
        out.to_owned()
    }
}

fn with_suffix(stem: &Path, suffix: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_known_by_their_ends_where_that_is_one() {
        assert_eq!(metric("logit_gap").expect("one"), "policy/logit_gap");
        assert_eq!(metric("losses/entropy").expect("one"), "losses/entropy");
        let error = metric("entropy").expect_err("two").to_string();
        assert!(error.contains("losses/entropy, "), "{error}");
        assert!(metric("").is_err());
    }

    #[test]
    fn groups_are_named_by_what_differs() {
        let group = |alpha, noise_std| Group {
            config: PpoConfig {
                alpha,
                regulariser_alpha: alpha,
                noise_std,
                ..PpoConfig::default()
            },
            curves: Vec::new(),
        };
        assert_eq!(
            labels(&[group(0.5, 1.0), group(1.0, 1.0)], 80),
            ["alpha 0.5", "alpha 1.0"]
        );
        let three = [group(0.5, 1.0), group(0.5, 2.0), group(1.0, 2.0)];
        assert_eq!(labels(&three, 80)[2], "alpha 1.0, noise std 2.0");
        // As much is left out as does not tell them apart.
        assert_eq!(labels(&three, 10)[2], "alpha 1.0, noise std 2.0");
        let two = [group(0.5, 1.0), group(1.0, 2.0)];
        assert_eq!(labels(&two, 10), ["alpha 0.5", "alpha 1.0"]);
        assert!(labels(&[group(0.5, 1.0)], 80)[0].starts_with("CartPole"));
    }
}

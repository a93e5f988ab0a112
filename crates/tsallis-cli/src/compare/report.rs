use super::{Comparison, Runs, Score, Task};
use crate::describe::{format_return, number};
use crate::markdown::markdown;
use burn_tsallis::rl::env::EnvironmentKind;
use serde::Serialize;

/// Returns the table of the best settings in Markdown.
pub(super) fn comparison(comparisons: &[Comparison], score: Score, baseline: f64) -> String {
    let baseline = number(baseline);
    let difference = format!("difference from alpha {baseline}");
    let improvement = format!("probability of improvement on alpha {baseline}");
    let title = score.title();
    let interval = "95 % interval";
    let header = [
        "environment",
        "noise",
        "alpha",
        "beta",
        "learning rate",
        "seeds",
        &title,
        interval,
        &difference,
        interval,
        "found with 80 % power",
        &improvement,
        interval,
    ];
    let rows = comparisons.iter().map(|comparison| {
        let Comparison { task, best, .. } = comparison;
        let words = |value: f64| returns(task, value);
        let range = |(low, high): (f64, f64), words: &dyn Fn(f64) -> String| {
            if low.is_nan() {
                "-".to_owned()
            } else {
                format!("{} to {}", words(low), words(high))
            }
        };
        let share = |value: f64| format!("{value:.3}");
        let mut row = vec![
            task.environment.title(),
            number(task.noise_std),
            number(best.setting.alpha),
            number(best.setting.beta),
            number(best.setting.learning_rate),
            best.scores.len().to_string(),
            words(best.mean),
            range(comparison.interval, &words),
        ];
        match (comparison.baseline, comparison.detectable()) {
            (Some((difference, improvement)), Some(detectable)) => row.extend([
                words(difference.value),
                range(difference.interval, &words),
                if detectable.is_nan() {
                    "-".to_owned()
                } else {
                    words(detectable)
                },
                share(improvement.value),
                range(improvement.interval, &share),
            ]),
            _ => row.extend(["-"; 5].map(str::to_owned)),
        }
        row
    });
    markdown(&header, &rows.collect::<Vec<_>>())
}

/// Returns the table of the scores over all settings in Markdown.
pub(super) fn settings(tasks: &[Task]) -> String {
    let header = [
        "environment",
        "noise",
        "alpha",
        "settings",
        "runs",
        "best",
        "upper quartile",
        "median",
        "lower quartile",
        "worst",
    ];
    let mut rows = Vec::new();
    for task in tasks {
        for candidate in &task.candidates {
            let means: Vec<f64> = candidate.settings.iter().map(|runs| runs.mean).collect();
            // The settings are sorted from the best to the worst.
            let at = |share: f64| means[(share * (means.len() - 1) as f64).round() as usize];
            let runs: usize = candidate
                .settings
                .iter()
                .map(|runs| runs.scores.len())
                .sum();
            let mut row = vec![
                task.environment.title(),
                number(task.noise_std),
                number(candidate.alpha),
                means.len().to_string(),
                runs.to_string(),
            ];
            row.extend([0.0, 0.25, 0.5, 0.75, 1.0].map(|share| returns(task, at(share))));
            rows.push(row);
        }
    }
    markdown(&header, &rows)
}

fn returns(task: &Task, value: f64) -> String {
    format_return(value, task.environment.best_return())
}

/// A row of `comparison.csv`.
#[derive(Serialize)]
pub(super) struct ComparisonRow {
    environment: EnvironmentKind,
    noise_std: f64,
    alpha: f64,
    beta: f64,
    learning_rate: f64,
    seeds: usize,
    score: f64,
    low: Option<f64>,
    high: Option<f64>,
    difference: Option<f64>,
    difference_low: Option<f64>,
    difference_high: Option<f64>,
    detectable_difference: Option<f64>,
    improvement: Option<f64>,
    improvement_low: Option<f64>,
    improvement_high: Option<f64>,
}

pub(super) fn comparison_row(comparison: &Comparison) -> ComparisonRow {
    let &Comparison {
        task,
        best,
        interval: (low, high),
        baseline,
    } = comparison;
    let (difference, improvement) = baseline.unzip();
    // One run has no interval.
    let known = |value: f64| Some(value).filter(|value| !value.is_nan());
    ComparisonRow {
        environment: task.environment.clone(),
        noise_std: task.noise_std,
        alpha: best.setting.alpha,
        beta: best.setting.beta,
        learning_rate: best.setting.learning_rate,
        seeds: best.scores.len(),
        score: best.mean,
        low: known(low),
        high: known(high),
        difference: difference.map(|d| d.value),
        difference_low: difference.and_then(|d| known(d.interval.0)),
        difference_high: difference.and_then(|d| known(d.interval.1)),
        detectable_difference: comparison.detectable().and_then(known),
        improvement: improvement.map(|i| i.value),
        improvement_low: improvement.and_then(|i| known(i.interval.0)),
        improvement_high: improvement.and_then(|i| known(i.interval.1)),
    }
}

/// A row of `settings.csv`.
#[derive(Serialize)]
pub(super) struct SettingRow {
    environment: EnvironmentKind,
    noise_std: f64,
    alpha: f64,
    regularizer_alpha: f64,
    beta: f64,
    learning_rate: f64,
    seeds: usize,
    score: f64,
}

pub(super) fn settings_rows(task: &Task) -> impl Iterator<Item = SettingRow> {
    let settings = task.candidates.iter().flat_map(|c| &c.settings);
    settings.map(
        |Runs {
             setting,
             scores,
             mean,
             ..
         }| SettingRow {
            environment: setting.environment.clone(),
            noise_std: setting.noise_std,
            alpha: setting.alpha,
            regularizer_alpha: setting.regularizer_alpha,
            beta: setting.beta,
            learning_rate: setting.learning_rate,
            seeds: scores.len(),
            score: *mean,
        },
    )
}

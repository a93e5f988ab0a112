use super::RunRow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The setting of a method and an order that ends best on a process.
#[derive(Clone, Debug, PartialEq)]
pub struct BestSetting {
    /// The process.
    pub mdp: String,
    /// The method.
    pub algorithm: String,
    /// Its divergence or its power.
    pub alpha: Option<String>,
    /// `eta` of the best setting.
    pub step_size: f64,
    /// `lambda` of the best setting.
    pub temperature: Option<f64>,
    /// How many settings it is the best of.
    pub settings: usize,
    /// How many seeds it was run with.
    pub seeds: usize,
    /// The mean over the seeds of the exact mean return of the last policy.
    pub final_value: f64,
    /// The standard error of that mean.
    pub standard_error: f64,
    /// The mean over the seeds of the last batch's mean return.
    pub final_return: f64,
    /// Iterations before each point of the curves.
    pub iterations: Vec<usize>,
    /// Mean and standard deviation over the seeds of the exact mean returns.
    pub values: Vec<(f64, f64)>,
}

/// A setting of a method and an order on a process, with its runs over the seeds.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// Its runs.
    pub rows: Vec<&'a RunRow>,
    /// The mean of [`final_value`](RunRow::final_value) over them.
    pub final_value: f64,
    /// The standard error of that mean.
    pub standard_error: f64,
}

impl<'a> Setting<'a> {
    fn new(rows: Vec<&'a RunRow>) -> Self {
        let (final_value, deviation) = mean_and_std(rows.iter().map(|row| row.final_value));
        Self {
            final_value,
            standard_error: deviation / (rows.len() as f64).sqrt(),
            rows,
        }
    }

    /// By the seeds that it was run with, then by its value: a sweep that was stopped leaves settings with a few
    /// seeds, which may be the lucky ones. A setting that diverged is the worst.
    fn compare(&self, other: &Self) -> Ordering {
        let value = |of: &Self| {
            if of.final_value.is_nan() {
                f64::NEG_INFINITY
            } else {
                of.final_value
            }
        };
        let seeds = self.rows.len().cmp(&other.rows.len());
        seeds.then_with(|| value(self).total_cmp(&value(other)))
    }
}

/// The runs of each step size and temperature, which count by their bits.
type Group<'a> = BTreeMap<(u64, Option<u64>), Vec<&'a RunRow>>;

/// The settings of each process, method and order, in the order of the table.
pub fn settings(rows: &[RunRow]) -> Vec<Vec<Setting<'_>>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = BTreeMap::new();
    for row in rows {
        let place = *places
            .entry((&row.mdp, &row.algorithm, &row.alpha))
            .or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group::new());
        }
        let numbers = (row.step_size.to_bits(), row.temperature.map(f64::to_bits));
        groups[place].entry(numbers).or_default().push(row);
    }
    groups
        .into_iter()
        .map(|group| group.into_values().map(Setting::new).collect())
        .collect()
}

/// The best setting of each process, method and alpha: of those that were run with the most seeds, that of the
/// largest mean of [`final_value`](RunRow::final_value) over them. In the order of the table.
pub fn best_settings(rows: &[RunRow]) -> Vec<BestSetting> {
    settings(rows)
        .iter()
        .filter_map(|settings| {
            let best = settings.iter().max_by(|a, b| a.compare(b))?;
            let rows = &best.rows;
            let first = rows.first()?;
            let curves: Vec<Vec<f64>> = rows.iter().map(|row| row.values()).collect();
            let iterations = first.iterations();
            let values = (0..iterations.len())
                .map(|i| mean_and_std(curves.iter().filter_map(|curve| curve.get(i).copied())))
                .collect();
            Some(BestSetting {
                mdp: first.mdp.clone(),
                algorithm: first.algorithm.clone(),
                alpha: first.alpha.clone(),
                step_size: first.step_size,
                temperature: first.temperature,
                settings: settings.len(),
                seeds: rows.len(),
                final_value: best.final_value,
                standard_error: best.standard_error,
                final_return: mean_and_std(rows.iter().map(|row| row.final_return)).0,
                iterations,
                values,
            })
        })
        .collect()
}

/// Mean and standard deviation.
fn mean_and_std(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

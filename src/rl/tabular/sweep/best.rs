use super::Row;
use std::collections::BTreeMap;

/// The setting of a method and an order that ends best on a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// The process.
    pub mdp: String,
    /// The method.
    pub algorithm: String,
    /// Its divergence or its power.
    pub order: Option<String>,
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

/// The best setting of each process, method and order: that of the largest mean of
/// [`final_value`](Row::final_value) over the seeds. In the order of the table.
pub fn best_settings(rows: &[Row]) -> Vec<Best> {
    type Setting = (u64, Option<u64>);
    let mut groups: Vec<((&str, &str, Option<&str>), BTreeMap<Setting, Vec<&Row>>)> = Vec::new();
    for row in rows {
        let key = (
            row.mdp.as_str(),
            row.algorithm.as_str(),
            row.order.as_deref(),
        );
        let at = groups
            .iter()
            .position(|(group, _)| *group == key)
            .unwrap_or_else(|| {
                groups.push((key, BTreeMap::new()));
                groups.len() - 1
            });
        let setting = (row.step_size.to_bits(), row.temperature.map(f64::to_bits));
        groups[at].1.entry(setting).or_default().push(row);
    }
    groups
        .iter()
        .filter_map(|((mdp, algorithm, order), settings)| {
            let mean = |rows: &[&Row]| moments(rows.iter().map(|row| row.final_value)).0;
            // A setting that diverged is the worst.
            let rank = |rows: &[&Row]| {
                Some(mean(rows))
                    .filter(|m| !m.is_nan())
                    .unwrap_or(f64::NEG_INFINITY)
            };
            let rows = settings
                .values()
                .max_by(|a, b| rank(a).total_cmp(&rank(b)))?;
            let first = rows.first()?;
            let (final_value, deviation) = moments(rows.iter().map(|row| row.final_value));
            let curves: Vec<Vec<f64>> = rows.iter().map(|row| row.values()).collect();
            let iterations = first.iterations();
            let values = (0..iterations.len())
                .map(|i| moments(curves.iter().filter_map(|curve| curve.get(i).copied())))
                .collect();
            Some(Best {
                mdp: (*mdp).to_owned(),
                algorithm: (*algorithm).to_owned(),
                order: order.map(str::to_owned),
                step_size: first.step_size,
                temperature: first.temperature,
                settings: settings.len(),
                seeds: rows.len(),
                final_value,
                standard_error: deviation / (rows.len() as f64).sqrt(),
                final_return: moments(rows.iter().map(|row| row.final_return)).0,
                iterations,
                values,
            })
        })
        .collect()
}

/// Mean and standard deviation.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

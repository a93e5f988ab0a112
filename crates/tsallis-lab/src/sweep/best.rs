use super::RunRow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The best setting of a method and alpha on a process, as [`best_settings`] chooses it.
#[derive(Clone, Debug, PartialEq)]
pub struct BestSetting {
    /// The name of the process.
    pub mdp: String,
    /// The name of the method.
    pub algorithm: String,
    /// The divergence or the power of the method, or `None` if it has neither.
    pub alpha: Option<String>,
    /// The step size `eta` of the setting.
    pub step_size: f64,
    /// The temperature `lambda` of the setting, or `None` if the method has none.
    pub temperature: Option<f64>,
    /// The number of settings that were compared.
    pub settings: usize,
    /// The number of seeds that the setting was run with.
    pub seeds: usize,
    /// The mean over the seeds of the exact expected discounted return of the final policy.
    pub final_value: f64,
    /// The standard error of that mean.
    pub standard_error: f64,
    /// The mean over the seeds of the last batch's mean return.
    pub final_return: f64,
    /// The number of iterations before each point of the curves.
    pub iterations: Vec<usize>,
    /// The mean and the standard deviation over the seeds of the exact mean return at each point.
    pub values: Vec<(f64, f64)>,
}

/// A setting of a method and alpha on a process, with one run for each seed.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// The runs of the setting.
    pub rows: Vec<&'a RunRow>,
    /// The mean of [`final_value`](RunRow::final_value) over the runs.
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

    /// Compares the numbers of seeds, then the values. A stopped sweep leaves settings with few seeds, whose mean may
    /// be high by chance. A diverged setting has the lowest value.
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

/// The runs by step size and temperature, which are compared by their bits.
type Group<'a> = BTreeMap<(u64, Option<u64>), Vec<&'a RunRow>>;

/// Returns the settings of each process, method and alpha, in the order of the table.
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

/// Returns the best setting of each process, method and alpha, in the order of the table.
///
/// It is the setting with the largest mean of [`final_value`](RunRow::final_value) among the settings that were run
/// with the most seeds.
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

/// Returns the mean and the standard deviation of a sample, with the divisor `n - 1`.
///
/// ```
/// use tsallis_lab::sweep::mean_and_std;
///
/// assert_eq!(mean_and_std([1.0, 3.0].into_iter()), (2.0, 2_f64.sqrt()));
/// ```
pub fn mean_and_std(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

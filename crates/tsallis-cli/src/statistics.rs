//! Means over seeds and their confidence intervals (Agarwal et al. 2021, arXiv 2108.13264).

use burn_tsallis::experiment::{Purpose, stream};
use rand::RngExt;

/// The number of bootstrap resamples.
const RESAMPLES: usize = 2000;

/// The confidence level of a bootstrap interval.
const CONFIDENCE: f64 = 0.95;

/// Returns the mean of the middle half: the mean of `n` values without the smallest and the largest `n / 4`, rounded
/// down. Returns NaN if there are no values.
pub(super) fn interquartile_mean(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    trimmed_mean(&mut values)
}

fn trimmed_mean(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let cut = values.len() / 4;
    let middle = &values[cut..values.len() - cut];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// Returns the 95 % percentile-bootstrap interval of the interquartile mean of each column.
///
/// Whole rows (seeds) are drawn with replacement. The random stream is fixed, so the same rows give the same intervals.
/// The intervals are NaN for fewer than two rows.
pub(super) fn bootstrap_intervals(rows: &[Vec<f64>], columns: usize) -> Vec<(f64, f64)> {
    let count = rows.len();
    let mut random = stream(0, Purpose::Evaluation, 0);
    let draws: Vec<Vec<usize>> = (0..RESAMPLES)
        .map(|_| {
            (0..count)
                .map(|_| random.random_range(0..count.max(1)))
                .collect()
        })
        .collect();
    let mut sample = vec![0.0; count];
    let mut means = vec![0.0; RESAMPLES];
    (0..columns)
        .map(|column| {
            if count < 2 {
                return (f64::NAN, f64::NAN);
            }
            for (mean, draw) in means.iter_mut().zip(&draws) {
                for (value, &row) in sample.iter_mut().zip(draw) {
                    *value = rows[row][column];
                }
                *mean = trimmed_mean(&mut sample);
            }
            means.sort_unstable_by(f64::total_cmp);
            let tail = (1.0 - CONFIDENCE) / 2.0;
            (quantile(&means, tail), quantile(&means, 1.0 - tail))
        })
        .collect()
}

/// Returns the bootstrap interval of one column.
pub(super) fn bootstrap_interval(values: &[f64]) -> (f64, f64) {
    let rows: Vec<Vec<f64>> = values.iter().map(|&value| vec![value]).collect();
    bootstrap_intervals(&rows, 1)[0]
}

/// Returns a quantile of sorted values by linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_half() {
        // Equal to scipy.stats.trim_mean(values, 0.25).
        assert_eq!(interquartile_mean(&[500.0, 1.0, 2.0, 3.0, -90.0]), 2.0);
        assert_eq!(interquartile_mean(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(interquartile_mean(&[1.0, 2.0]), 1.5);
        assert_eq!(interquartile_mean(&[7.0]), 7.0);
        assert!(interquartile_mean(&[]).is_nan());
    }

    #[test]
    fn intervals_hold_the_mean_and_shrink_with_the_rows() {
        let mut random = stream(3, Purpose::Evaluation, 1);
        let mut draw = |count: usize| -> Vec<f64> {
            (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
        };
        let (few, many) = (draw(5), draw(500));
        let (low, high) = bootstrap_interval(&few);
        assert!(low <= interquartile_mean(&few) && interquartile_mean(&few) <= high);
        let (narrow_low, narrow_high) = bootstrap_interval(&many);
        assert!(narrow_high - narrow_low < (high - low) / 3.0);
        // The standard error of the interquartile mean of n numbers uniform in (-1, 1) is sqrt(2 / 3 n).
        let error = (narrow_high - narrow_low) / (2.0 * 1.96) * 500_f64.sqrt();
        assert!((0.7..0.95).contains(&error), "{error}");
        assert!(bootstrap_interval(&[4.0]).0.is_nan());
        assert_eq!(bootstrap_interval(&few), bootstrap_interval(&few));
    }
}

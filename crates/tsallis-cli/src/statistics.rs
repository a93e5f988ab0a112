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

/// A statistic of two independent samples, with its bootstrap distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    /// The 95 % percentile-bootstrap interval.
    pub(super) interval: (f64, f64),
    /// The standard deviation of the bootstrap distribution.
    pub(super) error: f64,
}

/// Estimates a statistic of two samples, each drawn with replacement. The random stream is fixed. The statistic may
/// reorder the samples. The interval and the error are NaN if a sample has fewer than two values.
pub(super) fn compare_samples(
    a: &[f64],
    b: &[f64],
    statistic: impl Fn(&mut [f64], &mut [f64]) -> f64,
) -> Estimate {
    let (mut left, mut right) = (a.to_vec(), b.to_vec());
    let value = statistic(&mut left, &mut right);
    if a.len().min(b.len()) < 2 {
        return Estimate {
            value,
            interval: (f64::NAN, f64::NAN),
            error: f64::NAN,
        };
    }
    let mut random = stream(0, Purpose::Evaluation, 0);
    let mut draws: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            for (sample, from) in [(&mut left, a), (&mut right, b)] {
                sample.fill_with(|| from[random.random_range(0..from.len())]);
            }
            statistic(&mut left, &mut right)
        })
        .collect();
    let mean = draws.iter().sum::<f64>() / RESAMPLES as f64;
    let squares = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>();
    draws.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Estimate {
        value,
        interval: (quantile(&draws, tail), quantile(&draws, 1.0 - tail)),
        error: (squares / (RESAMPLES - 1) as f64).sqrt(),
    }
}

/// Estimates the share of values that reach each level.
pub(super) fn bootstrap_shares(values: &[f64], levels: &[f64]) -> Vec<Estimate> {
    let share = |level: f64| {
        move |values: &mut [f64], _: &mut [f64]| {
            let reached = values.iter().filter(|&&value| value >= level).count();
            reached as f64 / values.len() as f64
        }
    };
    let levels = levels.iter();
    // The second sample has no part in the statistic.
    levels
        .map(|&level| compare_samples(values, &[0.0; 2], share(level)))
        .collect()
}

/// Returns the mean of `a` minus that of `b`.
pub(super) fn mean_difference(a: &mut [f64], b: &mut [f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    mean(a) - mean(b)
}

/// Returns the interquartile mean of `a` minus that of `b`.
pub(super) fn interquartile_difference(a: &mut [f64], b: &mut [f64]) -> f64 {
    trimmed_mean(a) - trimmed_mean(b)
}

/// Returns the probability that a value of `a` is larger than one of `b`. Equal values count half.
pub(super) fn probability_of_improvement(a: &mut [f64], b: &mut [f64]) -> f64 {
    b.sort_unstable_by(f64::total_cmp);
    let twice: usize = a
        .iter()
        .map(|&x| b.partition_point(|&y| y < x) + b.partition_point(|&y| y <= x))
        .sum();
    twice as f64 / (2 * a.len() * b.len()) as f64
}

/// The number of standard errors between zero and a difference that a two-sided test of 5 % finds with a probability
/// of 80 %: the normal quantiles of 0.975 and 0.8.
pub(super) const DETECTABLE_ERRORS: f64 = 1.959_964 + 0.841_621;

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
    fn two_samples() {
        let (mut a, mut b) = ([3.0, 1.0, 2.0], [2.0, 0.0]);
        // The pairs with a larger first value are 3 > 2, 3 > 0, 1 > 0, 2 > 0; 2 = 2 counts half.
        let improvement = probability_of_improvement(&mut a, &mut b);
        assert_eq!(improvement, 4.5 / 6.0);
        assert_eq!(interquartile_difference(&mut a, &mut b), 1.0);
        let mut random = stream(5, Purpose::Evaluation, 2);
        let mut draw = |mean: f64, count: usize| -> Vec<f64> {
            let uniform = (0..count).map(|_| random.random_range(-1.0..1.0));
            uniform.map(|x: f64| mean + x).collect()
        };
        let (a, b) = (draw(0.2, 400), draw(0.0, 100));
        let difference = compare_samples(&a, &b, interquartile_difference);
        // Twice the variance of the test below: 2 / (3 n) for each sample.
        let error = (2.0 / 3.0 * (1.0 / 400.0 + 1.0 / 100.0_f64)).sqrt();
        assert!(
            (difference.error / error - 1.0).abs() < 0.2,
            "{difference:?}"
        );
        let (low, high) = difference.interval;
        assert!(low < difference.value && difference.value < high);
        assert!(((high - low) / difference.error - 2.0 * 1.96).abs() < 0.3);
        assert!(
            compare_samples(&[1.0], &b, interquartile_difference)
                .error
                .is_nan()
        );
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

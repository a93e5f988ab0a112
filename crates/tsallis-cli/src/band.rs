//! The mean curve of several seeds with its confidence band.

use super::statistics::{bootstrap_intervals, interquartile_mean};

/// The maximum number of points of a mean curve; a picture cannot show more.
const POINTS: usize = 400;

/// A point of the mean curve of several seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BandPoint {
    pub(super) x: f64,
    /// Interquartile mean over the seeds.
    pub(super) mean: f64,
    /// The ends of the 95 % bootstrap interval of the mean; `None` for one seed.
    pub(super) interval: Option<(f64, f64)>,
}

impl BandPoint {
    /// Returns `(x, low, high)`, a point of the band of a line.
    pub(super) fn edges(&self) -> Option<(f64, f64, f64)> {
        self.interval.map(|(low, high)| (self.x, low, high))
    }
}

/// Returns the interquartile mean of the curves with its bootstrap interval, over the range of x that all curves cover.
///
/// The points of each curve must be sorted by x. Curves are interpolated linearly between their points.
pub(super) fn band(curves: &[Vec<(f64, f64)>]) -> Vec<BandPoint> {
    let begin = curves.iter().filter_map(|c| c.first()).map(|p| p.0);
    let end = curves.iter().filter_map(|c| c.last()).map(|p| p.0);
    let begin = begin.fold(f64::NEG_INFINITY, f64::max);
    let end = end.fold(f64::INFINITY, f64::min);
    let Some(longest) = curves.iter().max_by_key(|c| c.len()) else {
        return Vec::new();
    };
    if curves.iter().any(Vec::is_empty) || begin > end {
        return Vec::new();
    }
    let inside: Vec<f64> = longest
        .iter()
        .map(|p| p.0)
        .filter(|x| (begin..=end).contains(x))
        .collect();
    let xs: Vec<f64> = match inside.len() {
        0 => vec![begin],
        // Few enough points: keep those of the longest curve.
        n if n <= POINTS => inside,
        _ => (0..POINTS)
            .map(|i| begin + (end - begin) * i as f64 / (POINTS - 1) as f64)
            .collect(),
    };
    let rows: Vec<Vec<f64>> = curves
        .iter()
        .map(|curve| xs.iter().map(|&x| interpolate(curve, x)).collect())
        .collect();
    let intervals = bootstrap_intervals(&rows, xs.len());
    xs.into_iter()
        .zip(intervals)
        .enumerate()
        .map(|(i, (x, interval))| {
            let column: Vec<f64> = rows.iter().map(|row| row[i]).collect();
            BandPoint {
                x,
                mean: interquartile_mean(&column),
                interval: Some(interval).filter(|_| curves.len() > 1),
            }
        })
        .collect()
}

/// Returns the value of a curve at an x between its ends.
fn interpolate(curve: &[(f64, f64)], x: f64) -> f64 {
    let above = curve.partition_point(|p| p.0 < x).min(curve.len() - 1);
    let (right, value) = curve[above];
    if right <= x || above == 0 {
        return value;
    }
    let (left, before) = curve[above - 1];
    before + (value - before) * (x - left) / (right - left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_meet_where_all_of_them_are() {
        let line = |from: usize, to: usize, slope: f64| -> Vec<(f64, f64)> {
            (from..=to).map(|x| (x as f64, slope * x as f64)).collect()
        };
        let points = band(&[line(0, 10, 1.0), line(2, 8, 2.0), line(0, 9, 3.0)]);
        assert_eq!(points.len(), 7);
        for point in points {
            assert!((2.0..=8.0).contains(&point.x));
            assert!((point.mean - 2.0 * point.x).abs() < 1e-12);
            let (low, high) = point.interval.expect("three curves");
            assert!((low - point.x).abs() < 1e-12 && (high - 3.0 * point.x).abs() < 1e-12);
        }
        assert!(band(&[line(0, 2, 1.0), line(5, 6, 1.0)]).is_empty());
        assert!(band(&[Vec::new()]).is_empty());
        assert!(band(&[]).is_empty());
        // A long curve is resampled to fewer points.
        let long = band(&[line(0, 5000, 1.0)]);
        assert_eq!(long.len(), POINTS);
        assert!(
            long.iter()
                .all(|p| (p.mean - p.x).abs() < 1e-9 && p.interval.is_none())
        );
    }
}

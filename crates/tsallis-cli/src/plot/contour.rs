use std::collections::BTreeMap;

/// Values on a grid, row by row: `values[j * xs.len() + i]` at `(xs[i], ys[j])`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid<'a> {
    pub(super) xs: &'a [f64],
    pub(super) ys: &'a [f64],
    pub(super) values: &'a [f64],
}

/// A side of a grid cell, from the node `(i, j)` to the right or upwards. Nodes start at -1: a frame of nodes
/// below every level surrounds the grid, so that each outline is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Side {
    i: isize,
    j: isize,
    upwards: bool,
}

impl Grid<'_> {
    /// Returns the region where the value is at least `level` as one closed polygon, or an empty one if there is no
    /// such region. The outlines keep the region to their left; cuts, traversed in both directions, join them.
    ///
    /// Source: marching squares; the mean of the corners decides an ambiguous cell.
    pub(super) fn region_above(&self, level: f64) -> Vec<(f64, f64)> {
        let (columns, rows) = (self.xs.len() as isize, self.ys.len() as isize);
        let mut next = BTreeMap::new();
        for j in -1..rows {
            for i in -1..columns {
                self.cross_cell(i, j, level, &mut next);
            }
        }
        let mut polygon = Vec::new();
        while let Some((&first, _)) = next.first_key_value() {
            let mut outline = vec![self.crossing(first, level)];
            let mut side = first;
            while let Some(following) = next.remove(&side) {
                side = following;
                extend(&mut outline, self.crossing(side, level));
            }
            polygon.extend(outline);
            // Back along the cut to the start of the first outline.
            let begun = polygon[0];
            polygon.push(begun);
        }
        polygon
    }

    /// Interpolates bilinearly between the nodes.
    pub(super) fn interpolate(&self, (x, y): (f64, f64)) -> f64 {
        let (i, a) = place(self.xs, x);
        let (j, b) = place(self.ys, y);
        let columns = self.xs.len();
        let at = |i: usize, j: usize| {
            let (i, j) = (i.min(columns - 1), j.min(self.ys.len() - 1));
            self.values[j * columns + i]
        };
        let low = at(i, j) + a * (at(i + 1, j) - at(i, j));
        let high = at(i, j + 1) + a * (at(i + 1, j + 1) - at(i, j + 1));
        low + b * (high - low)
    }

    /// Adds the segments of outline within a cell. Along the corners, each runs from the side that leaves the region to
    /// the side that enters it again.
    fn cross_cell(&self, i: isize, j: isize, level: f64, next: &mut BTreeMap<Side, Side>) {
        let corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)];
        let side = |i, j, upwards| Side { i, j, upwards };
        let sides = [
            side(i, j, false),
            side(i + 1, j, true),
            side(i, j + 1, false),
            side(i, j, true),
        ];
        let inside = corners.map(|(i, j)| self.value(i, j) >= level);
        let leaves = |n: usize| inside[n] && !inside[(n + 1) % 4];
        let comes = |n: usize| !inside[n] && inside[(n + 1) % 4];
        let crossings = (0..4).filter(|&n| leaves(n) || comes(n)).count();
        let mean = corners.map(|(i, j)| self.value(i, j)).iter().sum::<f64>() / 4.0;
        for n in (0..4).filter(|&n| leaves(n)) {
            // Each of two segments cuts off a corner: an outside corner if the mean is inside.
            let forwards = crossings == 2 || mean >= level;
            let end = (1..4)
                .map(|step| if forwards { n + step } else { n + 4 - step } % 4)
                .find(|&m| comes(m));
            if let Some(end) = end {
                next.insert(sides[n], sides[end]);
            }
        }
    }

    fn value(&self, i: isize, j: isize) -> f64 {
        let (columns, rows) = (self.xs.len() as isize, self.ys.len() as isize);
        if (0..columns).contains(&i) && (0..rows).contains(&j) {
            let value = self.values[(j * columns + i) as usize];
            // NaN is in no region.
            if value.is_nan() {
                f64::NEG_INFINITY
            } else {
                value
            }
        } else {
            f64::NEG_INFINITY
        }
    }

    fn crossing(&self, side: Side, level: f64) -> (f64, f64) {
        let (i, j) = (side.i, side.j);
        let (k, l) = if side.upwards { (i, j + 1) } else { (i + 1, j) };
        let (a, b) = (self.value(i, j), self.value(k, l));
        let share = match (a.is_finite(), b.is_finite()) {
            (true, true) => (level - a) / (b - a),
            (true, false) => 0.0,
            _ => 1.0,
        };
        let at = |values: &[f64], n: isize| values[n.clamp(0, values.len() as isize - 1) as usize];
        let mix = |from: f64, to: f64| from + share * (to - from);
        (
            mix(at(self.xs, i), at(self.xs, k)),
            mix(at(self.ys, j), at(self.ys, l)),
        )
    }
}

/// Adds a point, and drops the last one if it lies on a straight line to the new one.
fn extend(outline: &mut Vec<(f64, f64)>, point: (f64, f64)) {
    if let [.., from, last] = outline[..] {
        let (a, b) = (last.0 - from.0, last.1 - from.1);
        let (c, d) = (point.0 - last.0, point.1 - last.1);
        let straight = (a * d - b * c).abs() <= 1e-9 * a.hypot(b) * c.hypot(d);
        if straight && a * c + b * d >= 0.0 {
            outline.pop();
        }
    }
    outline.push(point);
}

/// Returns the index of the node at or before `at` among increasing nodes, and the share of the way to the next node.
fn place(nodes: &[f64], at: f64) -> (usize, f64) {
    let after = nodes.partition_point(|&node| node <= at);
    let i = after.clamp(1, nodes.len().max(2) - 1) - 1;
    match nodes.get(i + 1) {
        Some(next) => (i, ((at - nodes[i]) / (next - nodes[i])).clamp(0.0, 1.0)),
        None => (i, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(polygon: &[(f64, f64)]) -> f64 {
        let next = polygon.iter().cycle().skip(1);
        polygon
            .iter()
            .zip(next)
            .map(|(a, b)| a.0 * b.1 - a.1 * b.0)
            .sum::<f64>()
            / 2.0
    }

    fn region(n: usize, level: f64, f: impl Fn(f64, f64) -> f64) -> Vec<(f64, f64)> {
        let xs: Vec<f64> = (0..n)
            .map(|i| i as f64 / (n - 1) as f64 * 2.0 - 1.0)
            .collect();
        let values: Vec<f64> = xs
            .iter()
            .flat_map(|&y| xs.iter().map(move |&x| (x, y)))
            .map(|(x, y)| f(x, y))
            .collect();
        let grid = Grid {
            xs: &xs,
            ys: &xs,
            values: &values,
        };
        grid.region_above(level)
    }

    #[test]
    fn the_polygon_has_the_area_of_the_region() {
        let pi = std::f64::consts::PI;
        let cone = |x: f64, y: f64| -x.hypot(y);
        assert!((area(&region(81, -0.8, cone)) - pi * 0.64).abs() < 2e-3);
        // The area of a hole is left out.
        let bowl = |x: f64, y: f64| x.hypot(y);
        assert!((area(&region(81, 0.5, bowl)) - (4.0 - pi * 0.25)).abs() < 2e-3);
        // Islands.
        let islands = |x: f64, y: f64| -(x.abs() - 0.5).hypot(y.abs() - 0.5);
        assert!((area(&region(161, -0.3, islands)) - 4.0 * pi * 0.09).abs() < 2e-3);
        // A saddle, with its middle inside and outside.
        let saddle = |x: f64, y: f64| x * y;
        assert!(
            (area(&region(6, 0.01, saddle)) + area(&region(6, -0.01, saddle)) - 4.0).abs() < 1e-9
        );
        // A level below every value, and a level above every value.
        assert!((area(&region(4, -3.0, saddle)) - 4.0).abs() < 1e-12);
        assert!(region(4, 3.0, saddle).is_empty());
        assert!(region(4, 0.0, |_, _| f64::NAN).is_empty());
    }
}

//! The sum of a unit, and sums and maxima over the units of a row.

use super::elementary::is_not_finite;
use super::plan::{Plan, Reduction};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// The number of values that a unit combines in a step. A barrier costs as much as a few reads.
const STEP: u32 = 8;

/// The arrays of shared memory after the first. Each has one number for each unit or plane.
const SECOND: usize = 1;
const THIRD: usize = 2;
const FOURTH: usize = 3;

/// The number of steps in which units combine their numbers in shared memory.
fn steps(units: u32) -> u32 {
    let mut steps = 0;
    while left_after(units, steps) > 1 {
        steps += 1;
    }
    steps
}

/// The number of values that are left after some steps.
fn left_after(units: u32, steps: u32) -> u32 {
    (0..steps).fold(units, |left, _| left.div_ceil(STEP))
}

/// The sum over the entries that a unit processes. It is compensated (Kahan) if they are a whole row.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Sum {
    value: f32,
    /// What rounding added to the value.
    excess: f32,
    #[cube(comptime)]
    compensates: bool,
}

#[cube]
impl Sum {
    pub fn new(#[comptime] plan: Plan) -> Self {
        Sum {
            value: 0.0f32.runtime(),
            excess: 0.0f32.runtime(),
            compensates: comptime!(plan.compensates_sums()),
        }
    }

    pub fn add(&mut self, x: f32) {
        if comptime!(self.compensates) {
            let term = x - self.excess;
            let total = self.value + term;
            self.excess = (total - self.value) - term;
            if is_not_finite(total) {
                // The difference of infinities would turn an infinite sum into NaN.
                self.excess = 0.0f32;
            }
            self.value = total;
        } else {
            self.value += x;
        }
    }

    pub fn total(&self) -> f32 {
        self.value
    }
}

/// The sums of four numbers over the units of a row, or the maxima of the first two and the sums of the last two.
#[cube]
pub(super) fn reduce(
    shared: &mut Shared<[f32]>,
    values: (f32, f32, f32, f32),
    #[comptime] only_sums: bool,
    #[comptime] plan: Plan,
) -> (f32, f32, f32, f32) {
    match comptime!(plan.reduction) {
        Reduction::Alone => values,
        Reduction::Plane => reduce_plane(values, only_sums),
        Reduction::Shared => {
            let units = comptime!(plan.units);
            let n = comptime!(units as usize);
            let local = UNIT_POS_X as usize;
            sync_cube();
            shared[local] = values.0;
            shared[SECOND * n + local] = values.1;
            shared[THIRD * n + local] = values.2;
            shared[FOURTH * n + local] = values.3;
            sync_cube();
            #[unroll]
            for step in 0..comptime!(steps(units)) {
                let left = comptime!(left_after(units, step));
                let next = comptime!(left_after(units, step + 1));
                if UNIT_POS_X < next {
                    let mut a = shared[local];
                    let mut b = shared[SECOND * n + local];
                    let mut c = shared[THIRD * n + local];
                    let mut d = shared[FOURTH * n + local];
                    for other in range_stepped(UNIT_POS_X + next, left, next) {
                        let other = other as usize;
                        if comptime!(only_sums) {
                            a += shared[other];
                            b += shared[SECOND * n + other];
                        } else {
                            a = max(a, shared[other]);
                            b = max(b, shared[SECOND * n + other]);
                        }
                        c += shared[THIRD * n + other];
                        d += shared[FOURTH * n + other];
                    }
                    shared[local] = a;
                    shared[SECOND * n + local] = b;
                    shared[THIRD * n + local] = c;
                    shared[FOURTH * n + local] = d;
                }
                sync_cube();
            }
            (
                shared[0],
                shared[SECOND * n],
                shared[THIRD * n],
                shared[FOURTH * n],
            )
        }
        Reduction::PlaneThenShared { plane } => {
            let planes = comptime!(plan.units / plane);
            let n = comptime!(planes as usize);
            let of_plane = reduce_plane(values, only_sums);
            let at = PLANE_POS as usize;
            sync_cube();
            if UNIT_POS_PLANE == 0u32 {
                shared[at] = of_plane.0;
                shared[SECOND * n + at] = of_plane.1;
                shared[THIRD * n + at] = of_plane.2;
                shared[FOURTH * n + at] = of_plane.3;
            }
            sync_cube();
            // Every plane combines the planes, so that no third barrier is needed. A maximum may be repeated, and a sum
            // may not.
            let other = min(UNIT_POS_PLANE, planes - 1u32) as usize;
            let is_plane = UNIT_POS_PLANE < planes;
            let mut a = shared[other];
            let mut b = shared[SECOND * n + other];
            if comptime!(only_sums) {
                a = select(is_plane, a, 0.0f32);
                b = select(is_plane, b, 0.0f32);
            }
            let c = select(is_plane, shared[THIRD * n + other], 0.0f32);
            let d = select(is_plane, shared[FOURTH * n + other], 0.0f32);
            reduce_plane((a, b, c, d), only_sums)
        }
    }
}

#[cube]
fn reduce_plane(values: (f32, f32, f32, f32), #[comptime] only_sums: bool) -> (f32, f32, f32, f32) {
    let (c, d) = (plane_sum(values.2), plane_sum(values.3));
    if comptime!(only_sums) {
        (plane_sum(values.0), plane_sum(values.1), c, d)
    } else {
        (plane_max(values.0), plane_max(values.1), c, d)
    }
}

/// The sums of two numbers over the units of a row.
#[cube]
pub(super) fn reduce_sums(
    shared: &mut Shared<[f32]>,
    a: f32,
    b: f32,
    #[comptime] plan: Plan,
) -> (f32, f32) {
    match comptime!(plan.reduction) {
        Reduction::Alone => (a, b),
        Reduction::Plane => (plane_sum(a), plane_sum(b)),
        Reduction::Shared => {
            let units = comptime!(plan.units);
            let n = comptime!(units as usize);
            let local = UNIT_POS_X as usize;
            sync_cube();
            shared[local] = a;
            shared[n + local] = b;
            sync_cube();
            #[unroll]
            for step in 0..comptime!(steps(units)) {
                let left = comptime!(left_after(units, step));
                let next = comptime!(left_after(units, step + 1));
                if UNIT_POS_X < next {
                    let mut a = shared[local];
                    let mut b = shared[n + local];
                    for other in range_stepped(UNIT_POS_X + next, left, next) {
                        a += shared[other as usize];
                        b += shared[n + other as usize];
                    }
                    shared[local] = a;
                    shared[n + local] = b;
                }
                sync_cube();
            }
            (shared[0], shared[n])
        }
        Reduction::PlaneThenShared { plane } => {
            let planes = comptime!(plan.units / plane);
            let n = comptime!(planes as usize);
            let (a, b) = (plane_sum(a), plane_sum(b));
            let at = PLANE_POS as usize;
            sync_cube();
            if UNIT_POS_PLANE == 0u32 {
                shared[at] = a;
                shared[n + at] = b;
            }
            sync_cube();
            let other = min(UNIT_POS_PLANE, planes - 1u32) as usize;
            let is_plane = UNIT_POS_PLANE < planes;
            (
                plane_sum(select(is_plane, shared[other], 0.0f32)),
                plane_sum(select(is_plane, shared[n + other], 0.0f32)),
            )
        }
    }
}

/// The column of the largest value of the row. Among equal values it is the first.
#[cube]
pub(super) fn largest_of_row(
    shared: &mut Shared<[f32]>,
    value: f32,
    column: u32,
    #[comptime] plan: Plan,
) -> u32 {
    let (largest, _, _, _) = reduce(shared, (value, value, 0.0f32, 0.0f32), false, plan);
    let candidate = select(value == largest, column, u32::MAX);
    match comptime!(plan.reduction) {
        Reduction::Alone => column,
        Reduction::Plane => plane_min(candidate),
        Reduction::Shared => {
            first_column(candidate, UNIT_POS_X, true.runtime(), comptime!(plan.units))
        }
        Reduction::PlaneThenShared { plane } => {
            let of_plane = plane_min(candidate);
            let planes = comptime!(plan.units / plane);
            first_column(of_plane, PLANE_POS, UNIT_POS_PLANE == 0u32, planes)
        }
    }
}

/// The least of `count` columns, of which the unit with `writes` has the one at `at`.
#[cube]
fn first_column(column: u32, at: u32, writes: bool, #[comptime] count: u32) -> u32 {
    let mut columns = Shared::<[u32]>::new_slice(comptime!(count as usize));
    if writes {
        columns[at as usize] = column;
    }
    sync_cube();
    #[unroll]
    for step in 0..comptime!(steps(count)) {
        let left = comptime!(left_after(count, step));
        let next = comptime!(left_after(count, step + 1));
        if UNIT_POS_X < next {
            let mut first = columns[UNIT_POS_X as usize];
            for other in range_stepped(UNIT_POS_X + next, left, next) {
                first = min(first, columns[other as usize]);
            }
            columns[UNIT_POS_X as usize] = first;
        }
        sync_cube();
    }
    columns[0]
}

/// The sum as plain Rust.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::cube::plan::Layout;

    fn sum(terms: impl IntoIterator<Item = f32>, plan: Plan) -> f32 {
        let mut sum = Sum::new(plan);
        terms.into_iter().for_each(|x| sum.add(x));
        sum.total()
    }

    #[test]
    fn the_error_of_one_unit_does_not_grow_with_the_row() {
        let (x, n) = (0.1_f32, 1_000_000_u32);
        let exact = f64::from(x) * f64::from(n);
        let terms = || (0..n).map(|_| x);
        let error = (f64::from(sum(terms(), Plan::ONE_UNIT)) - exact).abs() / exact;
        assert!(error <= f64::from(f32::EPSILON), "{error}");
        // The order of the additions is that of a plain sum in every other plan.
        let tile = Plan {
            layout: Layout::Tile { entries: 1 },
            ..Plan::ONE_UNIT
        };
        assert_eq!(sum(terms(), tile), terms().sum::<f32>());
    }

    #[test]
    fn sums_that_are_not_finite() {
        let infinity = f32::INFINITY;
        for (terms, expected) in [
            ([1.0, infinity, 2.0], infinity),
            ([f32::MAX, f32::MAX, 1.0], infinity),
            ([-infinity, 1.0, -infinity], -infinity),
        ] {
            assert_eq!(sum(terms, Plan::ONE_UNIT), expected);
        }
        assert!(sum([infinity, -infinity, 1.0], Plan::ONE_UNIT).is_nan());
        assert!(sum([1.0, f32::NAN, 1.0], Plan::ONE_UNIT).is_nan());
    }
}

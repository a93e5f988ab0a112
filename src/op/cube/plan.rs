//! The distribution of rows over the units of a launch.

/// Length of the longest row that one unit computes.
const MAX_TILE_ROW: usize = 32;

/// Number of rows of up to half of [`MAX_TILE_ROW`] entries in a cube, and of longer ones. Two tiles of them stay below
/// 17 KiB of shared memory.
const TILE_ROWS: u32 = 64;
const HALF_TILE_ROWS: u32 = 32;

/// Length of the longest row that a plane computes.
const MAX_PLANE_ROW: usize = 128;

/// Number of units of a cube whose rows take a plane each.
const PLANE_CUBE: u32 = 128;

/// Number of entries of a longer row for each unit, and the limits of the cube size that follows from it. Two cubes of
/// the largest size fit into a multiprocessor with the registers that the kernels need.
const ENTRIES_PER_UNIT: usize = 32;
const MIN_CUBE: u32 = 32;
const MAX_CUBE: u32 = 512;

/// Largest number of entries that are read together.
const MAX_VECTOR: usize = 4;

/// The numbers of entries of a longer row that a unit holds are multiples of this one, so that rows of several lengths
/// share a kernel.
const SHARED_SLOTS: usize = 8;

/// Where a unit finds the entries of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Layout {
    /// In a tile of shared memory that has a row for each unit of the cube. `entries` is the size of the tile.
    Tile { entries: u32 },
    /// In shared memory, `slots` for each unit. For registers LLVM unrolls every pass, and many kernels with 4 entries for
    /// each unit spilled on `sm_90a`.
    Shared { slots: u32 },
    /// In memory, read again for every pass.
    Streaming,
}

/// How the units of a row combine their sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reduction {
    /// A row has one unit.
    Alone,
    /// A row has one plane.
    Plane,
    /// A row has one cube, whose units combine in shared memory.
    Shared,
    /// A row has one cube of planes of this size. Each plane combines its units, and shared memory the planes.
    PlaneThenShared { plane: u32 },
}

/// The distribution of rows over the units of a launch: a part of the key of a compiled kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    pub layout: Layout,
    pub reduction: Reduction,
    /// The number of units of a row, and of rows in a cube.
    pub units: u32,
    pub rows: u32,
    /// The number of neighboring entries that are read and written together.
    pub vector: usize,
}

/// The properties of a device and of the tensors of a call that a plan depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The largest number of units of a cube.
    pub units: u32,
    /// The bytes of shared memory of a cube.
    pub shared_bytes: usize,
    /// The number of units of a plane, if every plane has the same and they can combine numbers.
    pub plane: Option<u32>,
    /// The largest number of entries that can be read together from every row.
    pub vector: usize,
}

impl Plan {
    /// Returns the plan for rows of this length.
    pub fn for_rows(columns: usize, limits: Limits) -> Self {
        let plans = [
            Self::unit_per_row,
            Self::plane_per_row,
            Self::cube_per_row,
            Self::streaming,
        ];
        plans
            .into_iter()
            .find_map(|plan| plan(columns, limits).filter(|plan| plan.fits(limits)))
            .unwrap_or(Self::ONE_UNIT)
    }

    /// The plans for a device that refuses this one.
    pub fn fallbacks(columns: usize, limits: Limits) -> [Self; 2] {
        let streaming = Self::streaming(columns, limits).filter(|plan| plan.fits(limits));
        [streaming.unwrap_or(Self::ONE_UNIT), Self::ONE_UNIT]
    }

    /// One unit for each row, without shared memory: for every device.
    pub const ONE_UNIT: Self = Self {
        layout: Layout::Streaming,
        reduction: Reduction::Alone,
        units: 1,
        rows: 1,
        vector: 1,
    };

    /// One unit for each row, through a tile. `None` for rows that are too long.
    pub fn unit_per_row(columns: usize, limits: Limits) -> Option<Self> {
        let (rows, longest) = if columns * 2 <= MAX_TILE_ROW {
            (TILE_ROWS, MAX_TILE_ROW / 2)
        } else if columns <= MAX_TILE_ROW {
            (HALF_TILE_ROWS, MAX_TILE_ROW)
        } else {
            return None;
        };
        // The barriers of a CPU runtime cost more than the tile saves.
        let rows = rows.min(power_of_two_up_to(limits.units));
        (rows > 1).then_some(Self {
            layout: Layout::Tile {
                // A row of even length takes one more entry.
                entries: rows * (longest as u32 + 1),
            },
            reduction: Reduction::Alone,
            units: 1,
            rows,
            vector: 1,
        })
    }

    /// One plane for each row, in shared memory. `None` without planes, and for rows that are too long.
    pub fn plane_per_row(columns: usize, limits: Limits) -> Option<Self> {
        let plane = limits.plane?;
        let vector = vector(columns, plane, limits);
        (columns <= MAX_PLANE_ROW).then_some(Self {
            layout: Layout::Shared {
                slots: (MAX_PLANE_ROW as u32).div_ceil(plane),
            },
            reduction: Reduction::Plane,
            units: plane,
            rows: (PLANE_CUBE / plane).max(1),
            vector,
        })
    }

    /// One cube for each row, in shared memory.
    pub fn cube_per_row(columns: usize, limits: Limits) -> Option<Self> {
        let units = cube_size(columns, limits);
        let vector = vector(columns, units, limits);
        let slots = columns
            .div_ceil(units as usize)
            .next_multiple_of(SHARED_SLOTS);
        (units > 1).then_some(Self {
            layout: Layout::Shared {
                slots: slots as u32,
            },
            reduction: Reduction::of_cube(units, limits),
            units,
            rows: 1,
            vector,
        })
    }

    /// One cube for each row, which is read again for every pass.
    pub fn streaming(columns: usize, limits: Limits) -> Option<Self> {
        let units = cube_size(columns, limits);
        (units > 1).then_some(Self {
            layout: Layout::Streaming,
            reduction: Reduction::of_cube(units, limits),
            units,
            rows: 1,
            vector: 1,
        })
    }

    /// Whether the cubes of the plan are within the limits.
    pub fn fits(&self, limits: Limits) -> bool {
        let bytes = self.shared_len() * size_of::<f32>();
        self.units * self.rows <= limits.units && bytes <= limits.shared_bytes
    }

    /// Whether one unit may sum a row of any length. The rounding errors of a plain sum grow with the length.
    pub fn compensates_sums(&self) -> bool {
        self.layout == Layout::Streaming && self.reduction == Reduction::Alone
    }

    /// The length of the array in shared memory.
    pub fn shared_len(&self) -> usize {
        let entries = match self.layout {
            // The logits, and the cotangents that the output replaces.
            Layout::Tile { entries } => 2 * entries,
            Layout::Shared { slots } => slots * self.units * self.rows,
            Layout::Streaming => 0,
        };
        self.reduction_len() + entries as usize
    }

    /// The length of the part in which the units combine their numbers. It is at the beginning.
    pub fn reduction_len(&self) -> usize {
        // Two maxima, two sums and a column for each unit or plane.
        match self.reduction {
            Reduction::Shared => 5 * self.units as usize,
            Reduction::PlaneThenShared { plane } => 5 * (self.units / plane) as usize,
            Reduction::Alone | Reduction::Plane => 0,
        }
    }
}

impl Reduction {
    fn of_cube(units: u32, limits: Limits) -> Self {
        match limits.plane {
            Some(plane) if units == plane => Self::Plane,
            // The planes of a cube are combined by one plane.
            Some(plane) if units > plane && units / plane <= plane => {
                Self::PlaneThenShared { plane }
            }
            _ => Self::Shared,
        }
    }
}

/// Returns the number of units of a cube that computes a row.
fn cube_size(columns: usize, limits: Limits) -> u32 {
    let wanted = columns.div_ceil(ENTRIES_PER_UNIT).next_power_of_two();
    (wanted.min(MAX_CUBE as usize) as u32)
        .max(MIN_CUBE)
        .min(power_of_two_up_to(limits.units))
}

/// Returns the number of entries that are read together. It is halved if units would have none.
fn vector(columns: usize, units: u32, limits: Limits) -> usize {
    let mut vector = limits.vector.min(MAX_VECTOR);
    while vector > 1 && units as usize * vector > columns.next_power_of_two() {
        vector /= 2;
    }
    vector
}

fn power_of_two_up_to(limit: u32) -> u32 {
    1 << limit.max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: Limits = Limits {
        units: 1024,
        shared_bytes: 48 << 10,
        plane: Some(32),
        vector: 4,
    };

    #[test]
    fn each_length_has_its_layout() {
        let layout = |columns| {
            let plan = Plan::for_rows(columns, GPU);
            (plan.units, plan.rows, plan.reduction)
        };
        assert_eq!(layout(1), (1, 64, Reduction::Alone));
        assert_eq!(layout(18), (1, 32, Reduction::Alone));
        assert_eq!(layout(64), (32, 4, Reduction::Plane));
        assert_eq!(layout(128), (32, 4, Reduction::Plane));
        assert_eq!(layout(1024), (32, 1, Reduction::Plane));
        let by_planes = Reduction::PlaneThenShared { plane: 32 };
        assert_eq!(layout(4096), (128, 1, by_planes));
        let shared = Layout::Shared { slots: 32 };
        assert_eq!(Plan::for_rows(4096, GPU).layout, shared);
        assert_eq!(Plan::for_rows(8192, GPU).layout, shared);
        assert_eq!(layout(100_000), (512, 1, by_planes));
        assert_eq!(Plan::for_rows(100_000, GPU).layout, Layout::Streaming);
        // A narrower vector, so that every unit has entries.
        let half = Limits { vector: 8, ..GPU };
        assert_eq!(Plan::for_rows(1024, half).vector, 4);
        assert_eq!(Plan::for_rows(64, half).vector, 2);
    }

    #[test]
    fn no_plan_exceeds_the_limits() {
        for units in [1, 2, 24, 64, 256, 1024] {
            for shared_bytes in [0, 1 << 10, 16 << 10] {
                for plane in [None, Some(8), Some(32), Some(64)] {
                    for columns in [1, 2, 16, 17, 32, 33, 1000, 5000, 100_000] {
                        let limits = Limits {
                            units,
                            shared_bytes,
                            plane,
                            vector: 1,
                        };
                        let plan = Plan::for_rows(columns, limits);
                        assert!(plan.units * plan.rows <= units, "{plan:?}");
                        assert!(4 * plan.shared_len() <= shared_bytes, "{plan:?}");
                        if let Layout::Shared { slots } = plan.layout {
                            assert!((plan.units * slots) as usize >= columns, "{plan:?}");
                        }
                    }
                }
            }
        }
    }
}

//! The distribution of rows over the invocations of a workgroup.

/// Length of the longest row that one invocation computes.
const MAX_SHORT_ROW: usize = 32;

/// Number of short rows in a workgroup, and of short rows longer than half of [`MAX_SHORT_ROW`]. Two tiles of them stay
/// below the 16 KiB of workgroup memory that WebGPU guarantees.
const SHORT_WORKGROUP: u32 = 64;
const HALF_WORKGROUP: u32 = 32;

/// Number of entries of a longer row for each invocation, and the limits of the workgroup size that follows from it.
/// Above the upper limit each invocation has too few registers.
const ENTRIES_PER_INVOCATION: usize = 8;
const MIN_WORKGROUP: u32 = 32;
const MAX_WORKGROUP: u32 = 512;

/// Largest number of entries that an invocation holds in registers.
const MAX_SLOTS: u32 = 32;

/// The distribution of rows over the invocations of a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Layout {
    /// One row for each invocation, in tiles of `tile` entries.
    Short { tile: u32 },
    /// One row for each workgroup, in `slots` registers of each invocation. The entries are read in groups of four if
    /// `vec4` is set, otherwise one at a time.
    Registers { slots: u32, vec4: bool },
    /// One row for each workgroup, read again for every pass.
    Streaming,
}

impl Layout {
    /// Returns the layout for rows of this length and the size of its workgroups, on a device whose workgroups have at
    /// most `limit` invocations.
    pub(super) fn for_rows(columns: usize, limit: u32) -> (Self, u32) {
        let limit = 1 << limit.ilog2();
        if columns <= MAX_SHORT_ROW {
            let (workgroup, longest) = if columns * 2 <= MAX_SHORT_ROW {
                (SHORT_WORKGROUP, MAX_SHORT_ROW / 2)
            } else {
                (HALF_WORKGROUP, MAX_SHORT_ROW)
            };
            let workgroup = workgroup.min(limit);
            // A row of even length takes one more entry.
            let tile = workgroup * (longest as u32 + 1);
            return (Self::Short { tile }, workgroup);
        }
        let wanted = columns.div_ceil(ENTRIES_PER_INVOCATION).next_power_of_two();
        let workgroup = (wanted.min(MAX_WORKGROUP as usize) as u32)
            .max(MIN_WORKGROUP)
            .min(limit);
        let vec4 = columns.is_multiple_of(4);
        let lanes = if vec4 { 4 } else { 1 };
        // A power of two, so that rows of several lengths share a kernel.
        let slots = (columns.div_ceil(workgroup as usize * lanes) * lanes).next_power_of_two();
        let layout = if slots <= MAX_SLOTS as usize {
            Self::Registers {
                slots: slots as u32,
                vec4,
            }
        } else {
            Self::Streaming
        };
        (layout, workgroup)
    }
}

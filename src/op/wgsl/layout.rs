//! How rows lie over the invocations of a workgroup.

/// Longest row that one invocation works on.
const MAX_SHORT_ROW: usize = 32;

/// Rows of a workgroup of such invocations, and of rows beyond half that length: two tiles of them stay below
/// the 16 KiB of workgroup memory that WebGPU grants.
const SHORT_WORKGROUP: u32 = 64;
const HALF_WORKGROUP: u32 = 32;

/// Entries that an invocation of a longer row starts from, and the workgroups that follow from it: more
/// invocations than the largest leave too few registers to each.
const ENTRIES_PER_INVOCATION: usize = 8;
const MIN_WORKGROUP: u32 = 32;
const MAX_WORKGROUP: u32 = 512;

/// Most entries that an invocation holds.
const MAX_SLOTS: u32 = 32;

/// How rows lie over the invocations of a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Layout {
    /// A row to an invocation, in tiles of so many entries.
    Short { tile: u32 },
    /// A row to a workgroup, in so many registers of each invocation, read by fours or one by one.
    Registers { slots: u32, vec4: bool },
    /// A row to a workgroup, read again for every pass.
    Streaming,
}

impl Layout {
    /// The layout of rows of this length, and the size of its workgroups, where a device has workgroups of so many
    /// invocations at most.
    pub(super) fn for_rows(columns: usize, limit: u32) -> (Self, u32) {
        let limit = 1 << limit.ilog2();
        if columns <= MAX_SHORT_ROW {
            let (workgroup, longest) = if columns * 2 <= MAX_SHORT_ROW {
                (SHORT_WORKGROUP, MAX_SHORT_ROW / 2)
            } else {
                (HALF_WORKGROUP, MAX_SHORT_ROW)
            };
            let workgroup = workgroup.min(limit);
            // A row of an even length takes one entry more.
            let tile = workgroup * (longest as u32 + 1);
            return (Self::Short { tile }, workgroup);
        }
        let wanted = columns.div_ceil(ENTRIES_PER_INVOCATION).next_power_of_two();
        let workgroup = (wanted.min(MAX_WORKGROUP as usize) as u32)
            .max(MIN_WORKGROUP)
            .min(limit);
        let vec4 = columns.is_multiple_of(4);
        let lanes = if vec4 { 4 } else { 1 };
        // In powers of two, so that lengths share kernels.
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

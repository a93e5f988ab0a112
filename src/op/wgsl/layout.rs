//! How rows lie over the invocations of a workgroup.

/// Longest row that one invocation works on.
const SHORT: usize = 32;

/// Rows of a workgroup of such invocations, and of rows beyond half that length: two tiles of them stay below
/// the 16 KiB of workgroup memory that WebGPU grants.
const SHORT_WORKGROUP: u32 = 64;
const LONG_SHORT_WORKGROUP: u32 = 32;

/// Entries that an invocation of a longer row starts from, and the workgroups that follow from it: more
/// invocations than the largest leave too few registers to each.
const ENTRIES: usize = 8;
const SMALLEST_WORKGROUP: u32 = 32;
const LARGEST_WORKGROUP: u32 = 512;

/// Most entries that an invocation holds.
const MOST_SLOTS: u32 = 32;

/// How rows lie over the invocations of a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Layout {
    /// A row to an invocation, in tiles of so many entries.
    Short { tile: u32 },
    /// A row to a workgroup, in so many registers of each invocation, read by fours or one by one.
    Registers { slots: u32, by_four: bool },
    /// A row to a workgroup, read again for every pass.
    Streaming,
}

impl Layout {
    /// The layout of rows of this length, and the size of its workgroups, where a device has workgroups of so many
    /// invocations at most.
    pub(super) fn of_rows(columns: usize, limit: u32) -> (Self, u32) {
        let limit = 1 << limit.ilog2();
        if columns <= SHORT {
            let (workgroup, longest) = if columns * 2 <= SHORT {
                (SHORT_WORKGROUP, SHORT / 2)
            } else {
                (LONG_SHORT_WORKGROUP, SHORT)
            };
            let workgroup = workgroup.min(limit);
            // A row of an even length takes one entry more.
            let tile = workgroup * (longest as u32 + 1);
            return (Self::Short { tile }, workgroup);
        }
        let wanted = columns.div_ceil(ENTRIES).next_power_of_two();
        let workgroup = (wanted.min(LARGEST_WORKGROUP as usize) as u32)
            .max(SMALLEST_WORKGROUP)
            .min(limit);
        let by_four = columns.is_multiple_of(4);
        let lanes = if by_four { 4 } else { 1 };
        // In powers of two, so that lengths share kernels.
        let slots = (columns.div_ceil(workgroup as usize * lanes) * lanes).next_power_of_two();
        let layout = if slots <= MOST_SLOTS as usize {
            Self::Registers {
                slots: slots as u32,
                by_four,
            }
        } else {
            Self::Streaming
        };
        (layout, workgroup)
    }
}

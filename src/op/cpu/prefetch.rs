//! Requests for rows that a kernel needs soon.

use super::layout::Layout;
use std::ops::Range;
use std::ptr::null;

/// Rows that a kernel needs soon: up to three streams, in the order in which it needs them. The machine asks for the next
/// cache lines of a stream itself, but it stops at the end of a page, and does not follow many short rows. The passes over
/// the present rows share the requests: a machine with many of them delays the loads of a pass, or drops requests.
///
/// | pass | short rows, halves | long rows, streams |
/// |---|---|---|
/// | first | 0 | 0 |
/// | forward: root finder | 1, 2 | |
/// | forward: last | the next two | 1 |
/// | forward: logarithms of the probabilities | 2, 3 | 1 |
/// | backward: value, divergence | 2, 3 | 1 |
/// | backward: entry of the largest logit | 1 | |
/// | backward: ratios of a general alpha | 2, 3 | |
/// | backward: weights and their sums | 2, 3; 4, 5 for a general alpha | 1 |
/// | backward: last | 4, 5 | 2 |
pub(super) struct Soon {
    /// The first address of each half.
    halves: [*const i8; 6],
    len: usize,
    /// Number of bytes of a half for each entry of the present rows.
    bytes: usize,
}

impl Soon {
    /// The rows may lie beyond the end of the memory. Returns `None` if all are empty.
    pub fn new<T>(rows: [Range<*const T>; 3]) -> Option<Self> {
        let mut soon = Self {
            halves: [null(); 6],
            len: 0,
            bytes: size_of::<T>() / 2,
        };
        for rows in rows.into_iter().filter(|rows| !rows.is_empty()) {
            let (start, end): (*const i8, *const i8) = (rows.start.cast(), rows.end.cast());
            let half = (end.addr() - start.addr()) / 2;
            soon.halves[soon.len..soon.len + 2].copy_from_slice(&[start, start.wrapping_add(half)]);
            soon.len += 2;
        }
        (soon.len > 0).then_some(soon)
    }

    /// The half with this number, or the last one, which has been asked for.
    #[inline(always)]
    fn start(&self, half: usize) -> *const i8 {
        self.halves[half.min(self.len - 1)]
    }

    /// One half, for short rows. The passes over long ones ask for whole streams, or for nothing.
    #[inline(always)]
    pub fn half<L: Layout>(soon: Option<&Self>, half: usize) -> Option<Prefetch<1>> {
        match soon {
            Some(soon) if !L::ALONG_ROW => Some(Prefetch {
                lines: [soon.start(half)],
                bytes: soon.bytes,
            }),
            _ => None,
        }
    }

    /// For long rows, a stream from its start to its end. For short ones, two halves at the same time: this one and the
    /// next.
    #[inline(always)]
    pub fn stream<L: Layout>(
        soon: Option<&Self>,
        stream: usize,
        first_half: usize,
    ) -> Option<Prefetch<2>> {
        match soon {
            Some(soon) if L::ALONG_ROW => (2 * stream < soon.len).then(|| Prefetch {
                lines: [soon.start(2 * stream); 2],
                bytes: 2 * soon.bytes,
            }),
            Some(soon) => Some(Prefetch {
                lines: [soon.start(first_half), soon.start(first_half + 1)],
                bytes: soon.bytes,
            }),
            None => None,
        }
    }
}

/// What a pass asks for: `N` cache lines at each pair of vectors.
#[derive(Clone, Copy)]
pub(super) struct Prefetch<const N: usize> {
    lines: [*const i8; N],
    bytes: usize,
}

/// Asks for cache lines at an entry of the present rows: for long ones, adjacent lines of a stream.
#[inline(always)]
pub(super) fn prefetch<L: Layout, const N: usize>(prefetch: Option<Prefetch<N>>, at: usize) {
    const CACHE_LINE: usize = 64;
    let Some(Prefetch { lines, bytes }) = prefetch else {
        return;
    };
    for (n, line) in lines.into_iter().enumerate() {
        let line = if L::ALONG_ROW {
            lines[0].wrapping_add(n * CACHE_LINE)
        } else {
            line
        };
        ask_for(line.wrapping_add(at * bytes));
    }
}

/// Asks for the cache line of an address.
#[inline(always)]
fn ask_for(address: *const i8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch does not access memory.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

//! Vectors of `f32` with the width of the machine, and their loads and stores.

use macerator::{Mask, Scalar, Simd, Vector, vload_unaligned, vstore_unaligned};

pub(crate) type V<S> = Vector<S, f32>;

/// One truth value for each lane.
pub(super) type M<S> = Mask<S, f32>;

/// Copies a mask. The type is not `Copy`, but the type that it wraps is.
#[inline(always)]
pub(super) fn copy_mask<S: Simd>(mask: &M<S>) -> M<S> {
    // SAFETY: a mask is a transparent wrapper of a `Copy` type.
    unsafe { std::ptr::read(mask) }
}

/// Whether the machine has vector instructions. The result is a constant, so the compiler drops the vector kernels on a
/// machine without them.
pub(super) const fn has_vectors<S: Simd>() -> bool {
    // Without vector instructions, the register type is at most this large.
    size_of::<S::Register>() > size_of::<u64>()
}

/// The number of lanes of a vector.
#[inline(always)]
pub(crate) fn lanes<S: Simd>() -> usize {
    <f32 as Scalar>::lanes::<S>()
}

#[inline(always)]
pub(crate) fn splat<S: Simd>(value: f32) -> V<S> {
    <f32 as Scalar>::splat::<S>(value)
}

/// Loads the vector at an entry of a buffer that is padded to whole vectors.
#[inline(always)]
pub(crate) fn load<S: Simd>(buffer: &[f32], at: usize) -> V<S> {
    let vector = &buffer[at..at + lanes::<S>()];
    // SAFETY: the slice holds a whole vector.
    unsafe { vload_unaligned(vector.as_ptr()) }
}

#[inline(always)]
pub(crate) fn store<S: Simd>(buffer: &mut [f32], at: usize, value: V<S>) {
    let vector = &mut buffer[at..at + lanes::<S>()];
    // SAFETY: the slice holds a whole vector.
    unsafe { vstore_unaligned(vector.as_mut_ptr(), value) }
}

/// Loads a vector from a row that may end within it, with zeros after the end.
#[cfg(feature = "rl")]
#[inline(always)]
pub(crate) fn load_row<S: Simd>(row: &[f32], at: usize) -> V<S> {
    if at + lanes::<S>() <= row.len() {
        return load::<S>(row, at);
    }
    let mut padded = [0.0; MAX_LANES];
    padded[..row.len() - at].copy_from_slice(&row[at..]);
    load::<S>(&padded, 0)
}

/// Stores a vector to a row that may end within it.
#[cfg(feature = "rl")]
#[inline(always)]
pub(crate) fn store_row<S: Simd>(row: &mut [f32], at: usize, value: V<S>) {
    if at + lanes::<S>() <= row.len() {
        return store::<S>(row, at, value);
    }
    let mut padded = [0.0; MAX_LANES];
    store::<S>(&mut padded, 0, value);
    let left = row.len() - at;
    row[at..].copy_from_slice(&padded[..left]);
}

/// An upper bound on the number of lanes of every machine.
pub(super) const MAX_LANES: usize = 64;

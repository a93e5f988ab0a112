//! Vectors of `f32`, and their loads and stores.

use macerator::{
    Mask, Scalar, Simd, VAdd, VBitAnd, VBitXor, VDiv, VMul, VSub, Vector, vload_unaligned,
    vstore_unaligned,
};
use std::mem::MaybeUninit;
use std::ops::{Add, AddAssign, BitAnd, BitOr, BitXor, Div, Mul, MulAssign, Not, Shl, Shr, Sub};

/// Two vectors of the machine. Each operation is two instructions that do not depend on each other: the steps of the root
/// finder, of which each depends on the one before, are bound by latency.
pub(crate) struct Pair<S: Simd, T: Scalar>(Vector<S, T>, Vector<S, T>);

pub(crate) type V<S> = Pair<S, f32>;

// Not derived: that would ask for `S: Copy`.
impl<S: Simd, T: Scalar> Clone for Pair<S, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Simd, T: Scalar> Copy for Pair<S, T> {}

macro_rules! operators {
    ($($operator:ident $function:ident $bound:ident),*) => {$(
        impl<S: Simd, T: $bound> $operator for Pair<S, T> {
            type Output = Self;

            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                Self($operator::$function(self.0, other.0), $operator::$function(self.1, other.1))
            }
        }
    )*};
}
operators!(Add add VAdd, Sub sub VSub, Mul mul VMul, Div div VDiv, BitAnd bitand VBitAnd, BitXor bitxor VBitXor);

impl<S: Simd> AddAssign for V<S> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<S: Simd> MulAssign for V<S> {
    #[inline(always)]
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

macro_rules! shifts {
    ($($operator:ident $function:ident $integer:ident),*) => {$(
        impl<S: Simd> $operator<u32> for Pair<S, $integer> {
            type Output = Self;

            #[inline(always)]
            fn $function(self, bits: u32) -> Self {
                Self($operator::$function(self.0, bits), $operator::$function(self.1, bits))
            }
        }
    )*};
}
shifts!(Shl shl u32, Shl shl i32, Shr shr i32);

macro_rules! functions {
    ($($function:ident ($($argument:ident),*)),*) => {$(
        #[inline(always)]
        pub fn $function(self $(, $argument: Self)*) -> Self {
            Self(self.0.$function($($argument.0),*), self.1.$function($($argument.1),*))
        }
    )*};
}

macro_rules! comparisons {
    ($($function:ident),*) => {$(
        #[inline(always)]
        pub fn $function(self, other: Self) -> M<S> {
            M(self.0.$function(other.0), self.1.$function(other.1))
        }
    )*};
}

impl<S: Simd> V<S> {
    functions!(
        mul_add(b, c),
        max(b),
        min(b),
        abs(),
        sqrt(),
        recip(),
        round_ties_even()
    );
    comparisons!(lt, le, gt, ge, eq);

    #[inline(always)]
    pub fn reduce_add(self) -> f32 {
        (self.0 + self.1).reduce_add()
    }

    #[inline(always)]
    pub fn reduce_max(self) -> f32 {
        self.0.max(self.1).reduce_max()
    }

    #[inline(always)]
    pub fn reduce_min(self) -> f32 {
        self.0.min(self.1).reduce_min()
    }
}

impl<S: Simd, T: Scalar> Pair<S, T> {
    #[inline(always)]
    pub fn reinterpret<U: Scalar>(self) -> Pair<S, U> {
        Pair(self.0.reinterpret(), self.1.reinterpret())
    }
}

impl<S: Simd> Pair<S, i32> {
    #[inline(always)]
    pub fn to_float(self) -> V<S> {
        Pair(self.0.to_float(), self.1.to_float())
    }
}

/// One truth value for each lane.
pub(crate) struct M<S: Simd>(Mask<S, f32>, Mask<S, f32>);

impl<S: Simd> M<S> {
    #[inline(always)]
    pub fn select(&self, if_true: V<S>, if_false: V<S>) -> V<S> {
        let M(first, second) = copy_mask(self);
        Pair(
            first.select(if_true.0, if_false.0),
            second.select(if_true.1, if_false.1),
        )
    }

    #[inline(always)]
    pub fn all(&self) -> bool {
        let M(first, second) = copy_mask(self);
        (first & second).all()
    }

    /// The truth values, false beyond the lanes.
    #[inline(always)]
    pub fn to_array(&self) -> [bool; MAX_LANES] {
        let mut values = [false; MAX_LANES];
        let half = lanes::<S>() / 2;
        let M(first, second) = copy_mask(self);
        // SAFETY: no machine has more than MAX_LANES lanes in two vectors, so both masks fit.
        unsafe {
            first.store_as_bool(values.as_mut_ptr());
            second.store_as_bool(values[half..].as_mut_ptr());
        }
        values
    }
}

impl<S: Simd> BitAnd for M<S> {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0, self.1 & other.1)
    }
}

impl<S: Simd> BitOr for M<S> {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0, self.1 | other.1)
    }
}

impl<S: Simd> Not for M<S> {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        Self(!self.0, !self.1)
    }
}

/// Copies a mask. The type is not `Copy`, but the types that it wraps are.
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

/// The number of lanes of a pair of vectors.
#[inline(always)]
pub(crate) fn lanes<S: Simd>() -> usize {
    2 * <f32 as Scalar>::lanes::<S>()
}

#[inline(always)]
pub(crate) fn splat<S: Simd>(value: f32) -> V<S> {
    splat_of::<S, f32>(value)
}

#[inline(always)]
pub(crate) fn splat_of<S: Simd, T: Scalar>(value: T) -> Pair<S, T> {
    Pair(value.splat::<S>(), value.splat::<S>())
}

/// Loads the vectors at an entry of a buffer that is padded to whole ones.
#[inline(always)]
pub(crate) fn load<S: Simd>(buffer: &[f32], at: usize) -> V<S> {
    let (first, second) = buffer[at..at + lanes::<S>()].split_at(lanes::<S>() / 2);
    // SAFETY: each half of the slice holds a whole vector.
    unsafe {
        Pair(
            vload_unaligned(first.as_ptr()),
            vload_unaligned(second.as_ptr()),
        )
    }
}

#[inline(always)]
pub(crate) fn store<S: Simd>(buffer: &mut [f32], at: usize, value: V<S>) {
    let (first, second) = buffer[at..at + lanes::<S>()].split_at_mut(lanes::<S>() / 2);
    // SAFETY: each half of the slice holds a whole vector.
    unsafe {
        vstore_unaligned(first.as_mut_ptr(), value.0);
        vstore_unaligned(second.as_mut_ptr(), value.1);
    }
}

/// Stores vectors to memory that may be uninitialized.
#[inline(always)]
pub(crate) fn write<S: Simd>(buffer: &mut [MaybeUninit<f32>], at: usize, value: V<S>) {
    let (first, second) = buffer[at..at + lanes::<S>()].split_at_mut(lanes::<S>() / 2);
    // SAFETY: each half of the slice holds a whole vector.
    unsafe {
        vstore_unaligned(first.as_mut_ptr().cast::<f32>(), value.0);
        vstore_unaligned(second.as_mut_ptr().cast::<f32>(), value.1);
    }
}

/// The type in which the kernels take the numbers that they write.
pub(super) fn as_unwritten<F>(numbers: &mut [F]) -> &mut [MaybeUninit<F>] {
    // SAFETY: both types have the same layout, and the kernels write numbers only.
    unsafe { &mut *(std::ptr::from_mut(numbers) as *mut [MaybeUninit<F>]) }
}

/// Loads vectors from a row that may end within them, with zeros after the end.
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

/// Stores vectors to a row that may end within them.
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

/// An upper bound on the number of lanes of two vectors of any machine.
pub(super) const MAX_LANES: usize = 64;

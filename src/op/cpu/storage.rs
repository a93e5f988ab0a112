//! The types that rows are stored in.

use super::Arithmetic;
use burn::tensor::{bf16, f16};
use std::mem::MaybeUninit;

/// A type that tensors are stored in, with the type that its rows are computed in.
pub(in crate::op) trait Storage: Copy + Send + Sync {
    type Real: Arithmetic;

    const ZERO: Self;

    /// Whether rows are computed in the type that they are stored in.
    const IS_REAL: bool;

    /// Returns the row in the arithmetic type: the row itself, or the buffer with the converted row.
    fn read<'a>(row: &'a [Self], buffer: &'a mut Vec<Self::Real>) -> &'a [Self::Real];

    /// Returns the row as numbers of the arithmetic type if it is stored in it.
    fn as_real(row: &mut [MaybeUninit<Self>]) -> Option<&mut [MaybeUninit<Self::Real>]>;

    /// Rounds a number to the stored type.
    fn from_real(x: Self::Real) -> Self;

    /// Rounds numbers to the entries of a row.
    #[inline(always)]
    fn write(row: &mut [MaybeUninit<Self>], numbers: &[Self::Real]) {
        for (entry, &x) in row.iter_mut().zip(numbers) {
            entry.write(Self::from_real(x));
        }
    }
}

macro_rules! stored_as_computed {
    ($($real:ty),*) => {$(
        impl Storage for $real {
            type Real = $real;

            const ZERO: Self = 0.0;

            const IS_REAL: bool = true;

            #[inline(always)]
            fn read<'a>(row: &'a [Self], _buffer: &'a mut Vec<Self>) -> &'a [Self] {
                row
            }

            #[inline(always)]
            fn as_real(row: &mut [MaybeUninit<Self>]) -> Option<&mut [MaybeUninit<Self>]> {
                Some(row)
            }

            #[inline(always)]
            fn from_real(x: Self) -> Self {
                x
            }
        }
    )*};
}
stored_as_computed!(f32, f64);

macro_rules! stored_in_half {
    ($($half:ty),*) => {$(
        impl Storage for $half {
            type Real = f32;

            const ZERO: Self = <$half>::ZERO;

            const IS_REAL: bool = false;

            #[inline(always)]
            fn read<'a>(row: &'a [Self], buffer: &'a mut Vec<f32>) -> &'a [f32] {
                buffer.clear();
                buffer.extend(row.iter().map(|x| x.to_f32()));
                buffer
            }

            #[inline(always)]
            fn as_real(_row: &mut [MaybeUninit<Self>]) -> Option<&mut [MaybeUninit<f32>]> {
                None
            }

            #[inline(always)]
            fn from_real(x: f32) -> Self {
                Self::from_f32(x)
            }
        }
    )*};
}
stored_in_half!(f16, bf16);

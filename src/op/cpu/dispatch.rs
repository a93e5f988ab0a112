//! The orders with a curve of their own, and how a kernel is compiled for each.

use super::ratio::{General, Power, RatioCurve, Reciprocal, Softmax};
use crate::math::closed_form;
use macerator::{Simd, WithSimd};
use std::marker::PhantomData;

/// An order, or a range of them, with a curve of its own.
pub(super) trait CurveKind {
    type RatioCurve<S: Simd>: RatioCurve<S>;
}

struct SoftmaxKind;
struct ReciprocalKind<const N: usize>;
struct PowerKind<const N: usize>;
struct GeneralKind;

impl CurveKind for SoftmaxKind {
    type RatioCurve<S: Simd> = Softmax<S>;
}

/// `1 - 1/N`.
impl<const N: usize> CurveKind for ReciprocalKind<N> {
    type RatioCurve<S: Simd> = Reciprocal<S, N>;
}

/// `1 + 1/N`.
impl<const N: usize> CurveKind for PowerKind<N> {
    type RatioCurve<S: Simd> = Power<S, N>;
}

impl CurveKind for GeneralKind {
    type RatioCurve<S: Simd> = General<S>;
}

/// What is computed on rows of one order.
pub(super) trait Kernel {
    type Output;

    fn run<S: Simd, O: CurveKind>(self) -> Self::Output;
}

/// A kernel of a number for an order.
struct KernelFor<K, O>(K, PhantomData<O>);

impl<K: Kernel, O: CurveKind> WithSimd for KernelFor<K, O> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> K::Output {
        self.0.run::<S, O>()
    }
}

/// Runs a kernel for rows of order `alpha`.
///
/// Each order, on each machine, is a function of its own: inlined into their callers, which are many for the
/// types of storage, they take the compiler half an hour.
#[inline(always)]
pub(super) fn run<S: Simd, K: Kernel>(alpha: f64, kernel: K) -> K::Output {
    match closed_form(alpha) {
        Some(1) => outlined::<S, _>(KernelFor::<K, ReciprocalKind<1>>(kernel, PhantomData)),
        Some(2) => outlined::<S, _>(KernelFor::<K, ReciprocalKind<2>>(kernel, PhantomData)),
        Some(3) => outlined::<S, _>(KernelFor::<K, ReciprocalKind<3>>(kernel, PhantomData)),
        Some(4) => outlined::<S, _>(KernelFor::<K, ReciprocalKind<4>>(kernel, PhantomData)),
        Some(-2) => outlined::<S, _>(KernelFor::<K, PowerKind<2>>(kernel, PhantomData)),
        Some(-1) => outlined::<S, _>(KernelFor::<K, PowerKind<1>>(kernel, PhantomData)),
        _ if alpha == 1.0 => outlined::<S, _>(KernelFor::<K, SoftmaxKind>(kernel, PhantomData)),
        _ => outlined::<S, _>(KernelFor::<K, GeneralKind>(kernel, PhantomData)),
    }
}

/// Runs an operation in a function of its own that is compiled for the machine of the caller.
#[inline(always)]
pub(super) fn outlined<S: Simd, W: WithSimd>(operation: W) -> W::Output {
    // SAFETY: the caller is code for this machine, and runs.
    unsafe { S::vectorize(operation) }
}

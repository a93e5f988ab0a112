//! The alphas with their own ratio curve, and the compilation of a kernel for each of them.

use super::curve::{General, Power, RatioCurve, Reciprocal, Softmax};
use crate::math::closed_form;
use macerator::{Simd, WithSimd};
use std::marker::PhantomData;

/// An alpha, or a range of alphas, with its own ratio curve.
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

/// `alpha = 1 - 1/N`.
impl<const N: usize> CurveKind for ReciprocalKind<N> {
    type RatioCurve<S: Simd> = Reciprocal<S, N>;
}

/// `alpha = 1 + 1/N`.
impl<const N: usize> CurveKind for PowerKind<N> {
    type RatioCurve<S: Simd> = Power<S, N>;
}

impl CurveKind for GeneralKind {
    type RatioCurve<S: Simd> = General<S>;
}

/// A computation on rows of one alpha.
pub(super) trait Kernel {
    type Output;

    fn run<S: Simd, O: CurveKind>(self) -> Self::Output;
}

/// A kernel for the curve `O`.
struct KernelFor<K, O>(K, PhantomData<O>);

impl<K: Kernel, O: CurveKind> WithSimd for KernelFor<K, O> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self) -> K::Output {
        self.0.run::<S, O>()
    }
}

/// Returns alpha if it has its own curve, and `None` for the curve of any alpha.
pub(super) fn own_curve(alpha: f64) -> Option<f64> {
    (alpha == 1.0 || closed_form(alpha).is_some()).then_some(alpha)
}

/// Runs a kernel on rows with this `alpha`, or with different ones if it is `None`.
///
/// Each curve is compiled into its own function for each instruction set. Inlining all of them into their callers, one
/// for each storage type, took the compiler half an hour.
#[inline(always)]
pub(super) fn run<S: Simd, K: Kernel>(alpha: Option<f64>, kernel: K) -> K::Output {
    match alpha.and_then(closed_form) {
        Some(1) => outlined::<S, _>(KernelFor::<K, ReciprocalKind<1>>(kernel, PhantomData)),
        Some(2) => outlined::<S, _>(KernelFor::<K, ReciprocalKind<2>>(kernel, PhantomData)),
        Some(3) => outlined::<S, _>(KernelFor::<K, ReciprocalKind<3>>(kernel, PhantomData)),
        Some(4) => outlined::<S, _>(KernelFor::<K, ReciprocalKind<4>>(kernel, PhantomData)),
        Some(-2) => outlined::<S, _>(KernelFor::<K, PowerKind<2>>(kernel, PhantomData)),
        Some(-1) => outlined::<S, _>(KernelFor::<K, PowerKind<1>>(kernel, PhantomData)),
        _ if alpha == Some(1.0) => {
            outlined::<S, _>(KernelFor::<K, SoftmaxKind>(kernel, PhantomData))
        }
        _ => outlined::<S, _>(KernelFor::<K, GeneralKind>(kernel, PhantomData)),
    }
}

/// Runs an operation in its own function, compiled for the instruction set of the caller.
#[inline(always)]
pub(super) fn outlined<S: Simd, W: WithSimd>(operation: W) -> W::Output {
    // SAFETY: the caller is compiled for the instruction set `S` and is running, so the machine supports `S`.
    unsafe { S::vectorize(operation) }
}

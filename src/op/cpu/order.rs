//! The orders with a curve of their own, and how a kernel is compiled for each.

use super::curve::{Curve, General, Power, Reciprocal, Softmax};
use crate::math::closed_form;
use macerator::{Simd, WithSimd};
use std::marker::PhantomData;

/// An order, or a range of them, with a curve of its own.
pub(super) trait Order {
    type Curve<S: Simd>: Curve<S>;
}

struct One;
struct OneLess<const N: usize>;
struct OneMore<const N: usize>;
struct Any;

impl Order for One {
    type Curve<S: Simd> = Softmax<S>;
}

/// `1 - 1/N`.
impl<const N: usize> Order for OneLess<N> {
    type Curve<S: Simd> = Reciprocal<S, N>;
}

/// `1 + 1/N`.
impl<const N: usize> Order for OneMore<N> {
    type Curve<S: Simd> = Power<S, N>;
}

impl Order for Any {
    type Curve<S: Simd> = General<S>;
}

/// What is computed on rows of one order.
pub(super) trait Kernel {
    type Output;

    fn run<S: Simd, O: Order>(self) -> Self::Output;
}

/// A kernel of a number for an order.
struct Of<K, O>(K, PhantomData<O>);

impl<K: Kernel, O: Order> WithSimd for Of<K, O> {
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
        Some(1) => outlined::<S, _>(Of::<K, OneLess<1>>(kernel, PhantomData)),
        Some(2) => outlined::<S, _>(Of::<K, OneLess<2>>(kernel, PhantomData)),
        Some(3) => outlined::<S, _>(Of::<K, OneLess<3>>(kernel, PhantomData)),
        Some(4) => outlined::<S, _>(Of::<K, OneLess<4>>(kernel, PhantomData)),
        Some(-2) => outlined::<S, _>(Of::<K, OneMore<2>>(kernel, PhantomData)),
        Some(-1) => outlined::<S, _>(Of::<K, OneMore<1>>(kernel, PhantomData)),
        _ if alpha == 1.0 => outlined::<S, _>(Of::<K, One>(kernel, PhantomData)),
        _ => outlined::<S, _>(Of::<K, Any>(kernel, PhantomData)),
    }
}

/// Runs an operation in a function of its own that is compiled for the machine of the caller.
#[inline(always)]
pub(super) fn outlined<S: Simd, W: WithSimd>(operation: W) -> W::Output {
    // SAFETY: the caller is code for this machine, and runs.
    unsafe { S::vectorize(operation) }
}

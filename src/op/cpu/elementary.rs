//! Elementary functions on vectors of `f32`, without branches.

use super::vector::{V, splat};
use macerator::{Scalar, Simd};

const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `e^x` with an error of at most 1.5 roundings. Zero if the result is below the smallest normal number, and `e^88` for
/// larger results.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: V<S>) -> V<S> {
    let c = splat::<S>;
    // 1.5 * 2^23: the sum has the nearest integer in its low bits.
    let shift = c(12_582_912.0);
    let clamped = x.max(c(-87.3)).min(c(88.0));
    let shifted = clamped.mul_add(c(std::f32::consts::LOG2_E), shift);
    let n = shifted - shift;
    let r = n.mul_add(c(-LN_2_HIGH), clamped);
    let r = n.mul_add(c(-LN_2_LOW), r);
    let tail = r.mul_add(c(1.0 / 720.0), c(1.0 / 120.0));
    let tail = r.mul_add(tail, c(1.0 / 24.0));
    let tail = r.mul_add(tail, c(1.0 / 6.0));
    let tail = r.mul_add(tail, c(1.0 / 2.0));
    let e = c(1.0) + (r * r).mul_add(tail, r);
    let power = (shifted.reinterpret::<u32>() << 23) + 0x3f80_0000_u32.splat::<S>();
    x.lt(c(-87.3))
        .select(c(0.0), e * power.reinterpret::<f32>())
}

/// `e^x - 1`, accurate relative to the result.
#[inline(always)]
pub(super) fn expm1<S: Simd>(x: V<S>) -> V<S> {
    let c = splat::<S>;
    let tail = x.mul_add(c(1.0 / 40_320.0), c(1.0 / 5_040.0));
    let tail = x.mul_add(tail, c(1.0 / 720.0));
    let tail = x.mul_add(tail, c(1.0 / 120.0));
    let tail = x.mul_add(tail, c(1.0 / 24.0));
    let tail = x.mul_add(tail, c(1.0 / 6.0));
    let tail = x.mul_add(tail, c(1.0 / 2.0));
    let series = (x * x).mul_add(tail, x);
    let direct = exp::<S>(x) - c(1.0);
    (x * x).lt(c(0.25)).select(series, direct)
}

/// `ln(1 + z)` for `z > -1`, corrected for the rounding of `1 + z`, and `1 / (1 + z)`.
#[inline(always)]
pub(super) fn log1p<S: Simd>(z: V<S>) -> (V<S>, V<S>) {
    let one = splat::<S>(1.0);
    let w = one + z;
    let lost = z - (w - one);
    let reciprocal = one / w;
    (lost.mul_add(reciprocal, ln::<S>(w)), reciprocal)
}

/// `ln x` for a normal `x > 0`.
#[inline(always)]
pub(super) fn ln<S: Simd>(x: V<S>) -> V<S> {
    let c = splat::<S>;
    // The exponent such that the mantissa is in [sqrt(1/2), sqrt(2)).
    let bits = x.reinterpret::<i32>();
    let n = (bits - 0x3f35_04f3_i32.splat::<S>()) >> 23;
    let m = (bits - (n << 23)).reinterpret::<f32>();
    let f = m - c(1.0);
    let s = f / (c(1.0) + m);
    let t = s * s;
    // 2 artanh(s) = f - s (f - 2 t (1/3 + ..)), whose first term is exact.
    let tail = t.mul_add(c(2.0 / 9.0), c(2.0 / 7.0));
    let tail = t.mul_add(tail, c(2.0 / 5.0));
    let tail = t.mul_add(tail, c(2.0 / 3.0));
    let mantissa = s.mul_add(t.mul_add(tail, c(1.0) - m), f);
    let n = n.to_float();
    n.mul_add(c(LN_2_HIGH), n.mul_add(c(LN_2_LOW), mantissa))
}

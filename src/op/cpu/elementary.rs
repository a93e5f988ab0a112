//! Elementary functions on vectors of `f32`, without branches.

use super::vector::{V, splat, splat_of};
use macerator::Simd;

const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `1.5 * 2^23`. A sum with it has the nearest integer in its low bits.
const EXP_SHIFT: f32 = 12_582_912.0;

/// `e^x` with an error of at most 1.5 roundings. Zero if the result is below the smallest normal number, and `e^88` for
/// larger results.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: V<S>) -> V<S> {
    let c = splat::<S>;
    let shift = c(EXP_SHIFT);
    let clamped = x.min(c(88.0));
    let shifted = clamped.mul_add(c(std::f32::consts::LOG2_E), shift);
    let n = shifted - shift;
    let r = n.mul_add(c(-LN_2_HIGH), clamped);
    let r = n.mul_add(c(-LN_2_LOW), r);
    let tail = r.mul_add(c(1.0 / 720.0), c(1.0 / 120.0));
    let tail = r.mul_add(tail, c(1.0 / 24.0));
    let tail = r.mul_add(tail, c(1.0 / 6.0));
    let tail = r.mul_add(tail, c(1.0 / 2.0));
    let e = c(1.0) + (r * r).mul_add(tail, r);
    // The other numbers may be infinite or NaN for a smaller `x`.
    x.lt(c(-87.3))
        .select(c(0.0), e * power_of_two::<S>(shifted))
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

/// `ln(1 + z)` for a normal `1 + z > 0`, accurate relative to the result, and `1 / (1 + z)`.
#[inline(always)]
pub(super) fn log1p<S: Simd>(z: V<S>) -> (V<S>, V<S>) {
    let one = splat::<S>(1.0);
    let w = one + z;
    let reciprocal = w.recip();
    let (n, f) = split::<S>(w);
    // The rounding error of `1 + z`, which the mantissa does not contain.
    let lost = z - (w - one);
    let low = n.mul_add(splat::<S>(LN_2_LOW), lost * reciprocal);
    let sum = low + log_mantissa::<S>(f);
    (n.mul_add(splat::<S>(LN_2_HIGH), sum), reciprocal)
}

/// `ln x` for a normal `x > 0`.
#[inline(always)]
pub(super) fn ln<S: Simd>(x: V<S>) -> V<S> {
    let (n, f) = split::<S>(x);
    let low = n.mul_add(splat::<S>(LN_2_LOW), log_mantissa::<S>(f));
    n.mul_add(splat::<S>(LN_2_HIGH), low)
}

/// Splits `w = 2^n (1 + f)` with `1 + f` in `[sqrt(1/2), sqrt(2))`.
#[inline(always)]
fn split<S: Simd>(w: V<S>) -> (V<S>, V<S>) {
    let bits = w.reinterpret::<i32>();
    let n = (bits - splat_of::<S, i32>(0x3f35_04f3)) >> 23;
    let mantissa = (bits - (n << 23)).reinterpret::<f32>();
    (n.to_float(), mantissa - splat::<S>(1.0))
}

/// `ln(1 + f)` for `f` of [`split`]: `f - f^2 / 2 + f^3 Q(f)`, with the minimax polynomial `Q` of degree 7.
#[inline(always)]
fn log_mantissa<S: Simd>(f: V<S>) -> V<S> {
    let c = splat::<S>;
    let q = f.mul_add(c(-0.076_355_964), c(0.127_633_12));
    let q = f.mul_add(q, c(-0.131_605_98));
    let q = f.mul_add(q, c(0.142_015_56));
    let q = f.mul_add(q, c(-0.166_232_97));
    let q = f.mul_add(q, c(0.200_012_33));
    let q = f.mul_add(q, c(-0.250_008_23));
    let q = f.mul_add(q, c(0.333_333_3));
    let square = f * f;
    square.mul_add(f.mul_add(q, c(-0.5)), f)
}

/// `ln(1 + z)` with a relative error of at most `5e-5`.
#[inline(always)]
pub(super) fn coarse_log1p<S: Simd>(z: V<S>) -> V<S> {
    let (n, f) = split::<S>(splat::<S>(1.0) + z);
    let f = n.eq(splat::<S>(0.0)).select(z, f);
    coarse_log_parts::<S>(n, f)
}

/// `ln x` for a normal `x > 0`, with a relative error of at most `5e-5`.
#[inline(always)]
pub(super) fn coarse_ln<S: Simd>(x: V<S>) -> V<S> {
    let (n, f) = split::<S>(x);
    coarse_log_parts::<S>(n, f)
}

/// The logarithm from the parts of [`split`].
#[inline(always)]
fn coarse_log_parts<S: Simd>(n: V<S>, f: V<S>) -> V<S> {
    let c = splat::<S>;
    let q = f.mul_add(c(0.176_591_28), c(-0.270_961_85));
    let q = f.mul_add(q, c(0.336_390_6));
    let q = f.mul_add(q, c(-0.499_449_88));
    let q = f.mul_add(q, c(0.999_966_14));
    n.mul_add(c(std::f32::consts::LN_2), f * q)
}

/// `e^x` for `x <= 88`, with a relative error of at most `8e-5`. At least `e^-87`.
#[inline(always)]
pub(super) fn coarse_exp<S: Simd>(x: V<S>) -> V<S> {
    let c = splat::<S>;
    let shift = c(EXP_SHIFT);
    let t = x.max(c(-87.0)) * c(std::f32::consts::LOG2_E);
    let shifted = t + shift;
    let r = t - (shifted - shift);
    let e = r.mul_add(c(0.055_171_628), c(0.242_611_14));
    let e = r.mul_add(e, c(0.693_261));
    let e = r.mul_add(e, c(0.999_928_1));
    e * power_of_two::<S>(shifted)
}

/// `2^n` from `n +` [`EXP_SHIFT`].
#[inline(always)]
fn power_of_two<S: Simd>(shifted: V<S>) -> V<S> {
    ((shifted.reinterpret::<u32>() << 23) + splat_of::<S, u32>(0x3f80_0000)).reinterpret::<f32>()
}

/// `(e^(c x) - 1) / c`, and `x` at `c = 0`.
#[inline(always)]
pub(super) fn expm1_over<S: Simd>(c: V<S>, x: V<S>) -> V<S> {
    let quotient = expm1::<S>(c * x) / c;
    c.eq(splat::<S>(0.0)).select(x, quotient)
}

/// `ln(1 + c x) / c`, and `x` at `c = 0`. NaN if `c x` is below `-1`.
#[inline(always)]
pub(super) fn log1p_over<S: Simd>(c: V<S>, x: V<S>) -> V<S> {
    let z = c * x;
    let quotient = log1p::<S>(z).0 / c;
    let quotient = z
        .gt(splat::<S>(-1.0))
        .select(quotient, splat::<S>(f32::NAN));
    c.eq(splat::<S>(0.0)).select(x, quotient)
}

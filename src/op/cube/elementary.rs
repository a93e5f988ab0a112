//! Elementary functions in `f32`, accurate to one or two roundings: `kernels/elementary.wgsl`.
//!
//! CubeCL's `log1p` is `ln(1 + x)` on every runtime, and only C++ has an `expm1`. NaN and infinities are recognized by
//! their bits, since a compiler may assume that comparisons never involve them. The functions also run as plain Rust.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// Below this `|c x|`, `log1p_over` and `expm1_over` return `x`: half the epsilon of `f32`.
const NEGLIGIBLE: f32 = 0.5 * f32::EPSILON;
/// Below this argument the exponential would be subnormal.
const MIN_EXPONENT: f32 = -87.3;
const MAX_EXPONENT: f32 = 88.7;
const SMALLEST_NORMAL: u32 = 0x0080_0000;
/// The bits of `sqrt(1/2)`.
const SQRT_HALF: i32 = 0x3f35_04f3;
const EXPONENT_MASK: u32 = 0x7f80_0000;
const NEGATIVE_INFINITY: u32 = 0xff80_0000;

#[cube]
pub(super) fn is_negative_infinity(x: f32) -> bool {
    x.to_bits() == NEGATIVE_INFINITY
}

/// Whether `x` is NaN or infinite.
#[cube]
pub(super) fn is_not_finite(x: f32) -> bool {
    (x.to_bits() & EXPONENT_MASK) == EXPONENT_MASK
}

/// `ln(1 + f)` for `1 + f` in `[sqrt(1/2), sqrt(2)]`.
#[cube]
fn log1p_core(f: f32) -> f32 {
    let s = f / (2.0f32 + f);
    let t = s * s;
    2.0f32 * s
        + 2.0f32
            * s
            * t
            * (0.333_333_33f32 + t * (0.2f32 + t * (0.142_857_14f32 + t * 0.111_111_11f32)))
}

/// `ln(x)` for a finite `x > 0`.
#[cube]
pub(super) fn ln(x: f32) -> f32 {
    let mut bits = x.to_bits();
    let mut shift = 0i32;
    if bits < SMALLEST_NORMAL {
        // Subnormal, on a device that keeps subnormal numbers.
        bits = (x * 8_388_608.0f32).to_bits();
        shift = -23i32;
    }
    let exponent = (bits as i32 - SQRT_HALF) >> 23i32;
    let mantissa = f32::from_bits((bits as i32 - (exponent << 23i32)) as u32);
    let n = (exponent + shift) as f32;
    n * LN_2_HIGH + (n * LN_2_LOW + log1p_core(mantissa - 1.0f32))
}

/// `ln(1 + z)` for a finite `z > -1`.
#[cube]
pub(super) fn log1p(z: f32) -> f32 {
    if z > -0.29f32 && z < 0.41f32 {
        log1p_core(z)
    } else {
        ln(1.0f32 + z)
    }
}

/// `e^x`, or zero if the result is subnormal.
#[cube]
pub(super) fn exp(x: f32) -> f32 {
    let bounded = min(x, MAX_EXPONENT);
    let n = (bounded * LOG2_E).round();
    let r = (bounded - n * LN_2_HIGH) - n * LN_2_LOW;
    let e = 1.0f32
        + r * (1.0f32
            + r * (0.5f32
                + r * (0.166_666_67f32
                    + r * (0.041_666_668f32 + r * (0.008_333_334f32 + r * 0.001_388_888_9f32)))));
    // 2^128 overflows, so the last doubling is a separate factor.
    let last = select(n > 127.0f32, 2.0f32, 1.0f32);
    let exponent = max(min(n, 127.0f32), -126.0f32) as i32 + 127i32;
    let power = f32::from_bits((exponent as u32) << 23u32);
    select(x < MIN_EXPONENT, 0.0f32, e * power * last)
}

/// `math::log1p_over`
#[cube]
pub(super) fn log1p_over(c: f32, x: f32) -> f32 {
    let z = c * x;
    if z.abs() < NEGLIGIBLE {
        x
    } else {
        log1p(z) / c
    }
}

/// `e^z - 1`
#[cube]
pub(super) fn expm1(z: f32) -> f32 {
    if z.abs() < 0.5f32 {
        z * (1.0f32
            + z * (0.5f32
                + z * (0.166_666_67f32
                    + z * (0.041_666_668f32
                        + z * (0.008_333_334f32
                            + z * (0.001_388_888_9f32
                                + z * (1.984_127e-4f32 + z * 2.480_158_8e-5f32)))))))
    } else {
        exp(z) - 1.0f32
    }
}

/// `math::expm1_over`
#[cube]
pub(super) fn expm1_over(c: f32, x: f32) -> f32 {
    let z = c * x;
    if z.abs() < NEGLIGIBLE {
        x
    } else {
        expm1(z) / c
    }
}

/// `math::deformed::exp_curvature`
#[cube]
pub(super) fn exp_curvature(z: f32) -> f32 {
    if z.abs() < 1.0f32 {
        let mut term = 0.5f32;
        let mut sum = 0.5f32;
        #[unroll]
        for n in 3u32..13u32 {
            let divisor = comptime!(n as f32);
            term = term * z / divisor;
            sum += term;
        }
        sum
    } else {
        (exp(z) - 1.0f32 - z) / (z * z)
    }
}

/// `math::deformed::moment`
#[cube]
pub(super) fn moment(a: f32, l: f32, shift: f32) -> f32 {
    let z = a * l;
    if z.abs() < 1.0f32 {
        let mut power = 1.0f32;
        let mut sum = 0.5f32;
        #[unroll]
        for n in 1u32..12u32 {
            let divisor = comptime!(n as f32);
            let share = comptime!((n + 2) as f32);
            power = power * z / divisor;
            sum += power / share;
        }
        exp(shift) * l * l * sum
    } else {
        (exp(z + shift) * (z - 1.0f32) + exp(shift)) / (a * a)
    }
}

/// The functions as plain Rust.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::math;

    fn assert_close(value: f32, exact: f64, ulps: f64, what: &str, at: f64) {
        let bound = ulps * f64::from(f32::EPSILON) * exact.abs().max(f64::from(f32::MIN_POSITIVE));
        let error = (f64::from(value) - exact).abs();
        assert!(error <= bound, "{what}({at}) = {value}, not {exact}");
    }

    /// Returns numbers of every magnitude up to `limit`, of both signs.
    fn numbers(limit: f32) -> impl Iterator<Item = f32> {
        let magnitudes = (0..4000).map(|i| 10_f32.powf(f32::from(i as u16) * 0.0225 - 45.0));
        let magnitudes = magnitudes.filter(move |&x| x >= f32::MIN_POSITIVE && x <= limit);
        magnitudes.flat_map(|x| [x, -x])
    }

    #[test]
    fn logarithms_and_exponentials() {
        for x in numbers(f32::MAX) {
            let exact = f64::from(x);
            assert_close(ln(x.abs()), exact.abs().ln(), 2.0, "ln", exact);
            if x > -1.0 {
                assert_close(log1p(x), exact.ln_1p(), 3.0, "log1p", exact);
            }
            if x.abs() < 87.0 {
                assert_close(exp(x), exact.exp(), 2.0, "exp", exact);
                assert_close(expm1(x), exact.exp_m1(), 3.0, "expm1", exact);
            }
        }
        assert_eq!(exp(-1e30), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn deformed_functions() {
        for c in [-3.0_f32, -0.5, -1e-9, 0.0, 1e-4, 0.5, 7.0] {
            for x in numbers(10.0) {
                let (c64, exact) = (f64::from(c), f64::from(x));
                if c * x > -0.99 {
                    let log = math::log1p_over(c64, exact);
                    assert_close(log1p_over(c, x), log, 40.0, "log1p_over", exact);
                }
                let power = math::expm1_over(c64, exact);
                // The rounded product is an exponent.
                let ulps = 4.0 + 2.0 * (c64 * exact).abs();
                assert_close(expm1_over(c, x), power, ulps, "expm1_over", exact);
            }
        }
    }

    #[test]
    fn derivatives_in_alpha() {
        for z in [-20.0_f32, -3.0, -0.9, -0.1, 0.2, 0.99, 1.5, 10.0] {
            let exact = f64::from(z);
            let curvature = (exact.exp_m1() - exact) / (exact * exact);
            assert_close(exp_curvature(z), curvature, 8.0, "exp_curvature", exact);
            let (a, shift) = (0.5, 0.25);
            let l = z / a;
            let a64 = f64::from(a);
            let sum = (exact.exp() * (exact - 1.0) + 1.0) * f64::from(shift).exp() / (a64 * a64);
            assert_close(moment(a, l, shift), sum, 40.0, "moment", exact);
        }
    }

    #[test]
    fn numbers_that_are_not_finite() {
        assert!(is_negative_infinity(f32::NEG_INFINITY));
        assert!(!is_negative_infinity(f32::MIN));
        for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(is_not_finite(x));
        }
        for x in [0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE] {
            assert!(!is_not_finite(x));
        }
    }
}

{{ enable }}
// Elementary functions in f32, accurate to one or two roundings. WGSL has no log1p and no expm1, and guarantees
// only an absolute error of 2^-21 for its log near one. NaN and infinities are recognized by their bits, since a
// compiler may assume that comparisons never involve them.

const LN_2_HIGH: f32 = 0.693359375;
const LN_2_LOW: f32 = -2.12194440e-4;
// Below this |c x|, log1p_over and expm1_over return x: half the epsilon of f32.
const NEGLIGIBLE: f32 = 5.9604645e-8;
// Rounds to the largest finite f32. The usual literal 3.4028235e38 is above it, and some WGSL compilers reject it.
const F32_MAX: f32 = 3.4028234e38;

fn is_negative_infinity(x: f32) -> bool {
    return bitcast<u32>(x) == 0xff800000u;
}

// Whether x is NaN or infinite.
fn is_not_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

// ln(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)].
fn log1p_core(f: f32) -> f32 {
    let s = f / (2.0 + f);
    let t = s * s;
    return 2.0 * s + 2.0 * s * t * (0.33333333 + t * (0.2 + t * (0.14285714 + t * 0.11111111)));
}

// ln(x) for a finite x > 0. The built-in has an absolute error of up to 2^-21 near one.
fn ln(x: f32) -> f32 {
    var bits = bitcast<u32>(x);
    var shift = 0;
    if bits < 0x00800000u {
        // Subnormal, on a device that keeps subnormal numbers.
        bits = bitcast<u32>(x * 8388608.0);
        shift = -23;
    }
    let e = (i32(bits) - 0x3f3504f3) >> 23u;
    let m = bitcast<f32>(bits - (bitcast<u32>(e) << 23u));
    let n = f32(e + shift);
    return n * LN_2_HIGH + (n * LN_2_LOW + log1p_core(m - 1.0));
}

// ln(1 + z) for a finite z > -1.
fn log1p(z: f32) -> f32 {
    if z > -0.29 && z < 0.41 {
        return log1p_core(z);
    }
    return ln(1.0 + z);
}

// e^x, or zero if the result is subnormal.
fn exp_accurate(x: f32) -> f32 {
    if x < -87.3 {
        return 0.0;
    }
    let n = round(min(x, 88.7) * 1.44269504);
    let r = (min(x, 88.7) - n * LN_2_HIGH) - n * LN_2_LOW;
    let e = 1.0 + r * (1.0 + r * (0.5 + r * (0.16666667 + r * (0.041666668 + r * (0.008333334 + r * 0.0013888889)))));
    // 2^128 overflows, so the last doubling is a separate factor.
    let last = select(1.0, 2.0, n > 127.0);
    return e * bitcast<f32>(u32(i32(min(n, 127.0)) + 127) << 23u) * last;
}

// math::log1p_over
fn log1p_over(c: f32, x: f32) -> f32 {
    let z = c * x;
    if abs(z) < NEGLIGIBLE {
        return x;
    }
    return log1p(z) / c;
}

// e^z - 1
fn expm1(z: f32) -> f32 {
    if abs(z) < 0.5 {
        return z * (1.0 + z * (0.5 + z * (0.16666667 + z * (0.041666668 + z * (0.008333334
            + z * (0.0013888889 + z * (1.984127e-4 + z * 2.4801588e-5)))))));
    }
    return exp_accurate(z) - 1.0;
}

// math::expm1_over
fn expm1_over(c: f32, x: f32) -> f32 {
    let z = c * x;
    if abs(z) < NEGLIGIBLE {
        return x;
    }
    return expm1(z) / c;
}

// math::deformed::exp_curvature
fn exp_curvature(z: f32) -> f32 {
    if abs(z) < 1.0 {
        var term = 0.5;
        var sum = term;
        for (var n = 3; n < 13; n++) {
            term = term * z / f32(n);
            sum += term;
        }
        return sum;
    }
    return (exp_accurate(z) - 1.0 - z) / (z * z);
}

// math::deformed::moment
fn moment(a: f32, l: f32, shift: f32) -> f32 {
    let z = a * l;
    if abs(z) < 1.0 {
        var power = 1.0;
        var sum = 0.5;
        for (var n = 1; n < 12; n++) {
            power = power * z / f32(n);
            sum += power / f32(n + 2);
        }
        return exp_accurate(shift) * l * l * sum;
    }
    return (exp_accurate(z + shift) * (z - 1.0) + exp_accurate(shift)) / (a * a);
}

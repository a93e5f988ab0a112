{{ enable }}
// What the row kernels share. A workgroup works on one row; every invocation takes each WORKGROUP-th
// column. The formulas mirror the Rust functions named beside them, in crate::math.
//
// Every tensor is bound read_write, as Burn's buffers are slices of shared pages that no dispatch may bind
// in two ways; and every binding that is declared is used.

@group(0) @binding(0) var<storage, read_write> logits: array<{{ stored }}>;
{{ reference }}

const WORKGROUP: u32 = {{ workgroup }}u;
// Whether the reference is a vector, or one over the number of allowed entries; else it is one.
const GIVEN: bool = {{ given }};
const UNIFORM: bool = {{ uniform }};
// Whether the output is ln p instead of p.
const LOG_OUTPUT: bool = {{ log_output }};

const LN_2_HIGH: f32 = 0.693359375;
const LN_2_LOW: f32 = -2.12194440e-4;
// math::Real::LOG_SPACE, and the largest product whose logarithm is taken directly.
const LOG_SPACE: f32 = 60.0;
const LARGEST_PRODUCT: f32 = 1e36;
// Where the argument decides, and not the deformation: half a rounding of f32.
const NEGLIGIBLE: f32 = 5.9604645e-8;

// The constant reference of the row.
var<private> row_q: f32 = 1.0;
// ln u as a function of the gap: math::LogRatio.
var<private> ratio_c: f32;
var<private> ratio_l: f32;
var<private> ratio_power: f32;
var<private> ratio_log_space: bool;
var<private> ratio_largest_gap: f32;

var<workgroup> scratch: array<vec4<f32>, WORKGROUP>;

// Recognised by their bits: a compiler may assume that no comparison meets them.
fn is_negative_infinity(x: f32) -> bool {
    return bitcast<u32>(x) == 0xff800000u;
}

// NaN or infinite.
fn is_not_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

// The greatest of the first two components and the sum of the last two, over the workgroup.
fn reduce(local: u32, value: vec4<f32>) -> vec4<f32> {
    scratch[local] = value;
    for (var stride = WORKGROUP / 2u; stride > 0u; stride = stride / 2u) {
        workgroupBarrier();
        if local < stride {
            let a = scratch[local];
            let b = scratch[local + stride];
            scratch[local] = vec4<f32>(max(a.xy, b.xy), a.zw + b.zw);
        }
    }
    return workgroupUniformLoad(&scratch[0]);
}

// ln(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)].
fn log1p_core(f: f32) -> f32 {
    let s = f / (2.0 + f);
    let t = s * s;
    return 2.0 * s + 2.0 * s * t * (0.33333333 + t * (0.2 + t * (0.14285714 + t * 0.11111111)));
}

// ln(x) for a finite x > 0. The built-in is good to 2^-21 absolutely near one.
fn ln(x: f32) -> f32 {
    var bits = bitcast<u32>(x);
    var shift = 0;
    if bits < 0x00800000u {
        // Subnormal, where the device keeps them.
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

// e^x; zero where the result is subnormal.
fn exp_accurate(x: f32) -> f32 {
    if x < -87.3 {
        return 0.0;
    }
    let n = round(min(x, 88.7) * 1.44269504);
    let r = (min(x, 88.7) - n * LN_2_HIGH) - n * LN_2_LOW;
    let e = 1.0 + r * (1.0 + r * (0.5 + r * (0.16666667 + r * (0.041666668 + r * (0.008333334 + r * 0.0013888889)))));
    // 2^128 is no number: the last doubling is a factor.
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

// math::expm1_over. It makes a Newton step, whose fixed point does not depend on its last digits.
fn expm1_over(c: f32, x: f32) -> f32 {
    let z = c * x;
    if abs(z) < 1e-2 {
        return x * (1.0 + z * (0.5 + z * (0.16666667 + z * 0.041666668)));
    }
    return (exp_accurate(z) - 1.0) / c;
}

// math::LogRatio::new
fn set_log_ratio(c: f32, l: f32) {
    ratio_c = c;
    ratio_l = l;
    ratio_power = exp_accurate(c * l);
    ratio_log_space = c * l > LOG_SPACE;
    ratio_largest_gap = LARGEST_PRODUCT / (max(ratio_power, 1.0) * max(abs(c), 1.0));
}

struct LogRatio {
    on_support: bool,
    log_u: f32,
}

// math::LogRatio::at
fn log_ratio_at(gap: f32) -> LogRatio {
    if ratio_log_space || gap > ratio_largest_gap {
        if gap <= 0.0 {
            return LogRatio(true, ratio_l);
        }
        if ratio_c == 0.0 {
            return LogRatio(true, ratio_l - gap);
        }
        let t = ln(abs(ratio_c)) + ln(gap) + ratio_c * ratio_l;
        if ratio_c > 0.0 {
            return LogRatio(true, ratio_l - (max(t, 0.0) + log1p(exp_accurate(-abs(t)))) / ratio_c);
        }
        if t >= 0.0 {
            return LogRatio(false, 0.0);
        }
        return LogRatio(true, ratio_l - log1p(-exp_accurate(t)) / ratio_c);
    }
    let x = gap * ratio_power;
    let z = ratio_c * x;
    if z <= -1.0 {
        return LogRatio(false, 0.0);
    }
    return LogRatio(true, ratio_l - log1p_over(ratio_c, x));
}

// x_max - x of an allowed entry. Finite logits may lie further apart than the largest number.
fn gap_of(row_max: f32, x: f32) -> f32 {
    let gap = row_max - x;
    return select(gap, 3.4028235e38, is_not_finite(gap));
}

fn q_at(column: u32) -> f32 {
    return {{ q }};
}

// Whether the entry is allowed: its logit is not -inf and its reference not zero.
fn is_allowed(x: f32, q: f32) -> bool {
    return !is_negative_infinity(x) && q != 0.0;
}

// Whether the entry leaves its row without an answer.
fn is_bad(x: f32, q: f32) -> bool {
    let bad_x = is_not_finite(x) && !is_negative_infinity(x);
    return bad_x || (GIVEN && (is_not_finite(q) || q < 0.0));
}

// What the first reading of a row finds: math::Row::new.
struct RowSummary {
    // Whether the row has an answer.
    solvable: bool,
    max: f32,
    // The bracket of l.
    lo: f32,
    hi: f32,
}

fn summarise(local: u32, base: u32, columns: u32) -> RowSummary {
    // Reduced together: the largest logit and whether any entry is bad, the number of allowed entries
    // and their total reference.
    var seen = vec4<f32>(-3.4028235e38, 0.0, 0.0, 0.0);
    for (var column = local; column < columns; column += WORKGROUP) {
        let x = f32(logits[base + column]);
        let q = q_at(column);
        if is_bad(x, q) {
            seen.y = 1.0;
        } else if is_allowed(x, q) {
            seen = vec4<f32>(max(seen.x, x), seen.y, seen.z + 1.0, seen.w + q);
        }
    }
    let all = reduce(local, seen);
    var row = RowSummary(all.y == 0.0 && all.z > 0.0, all.x, 0.0, 0.0);
    if !row.solvable {
        return row;
    }
    if GIVEN {
        var at_max = vec4<f32>(0.0);
        for (var column = local; column < columns; column += WORKGROUP) {
            if f32(logits[base + column]) == row.max {
                at_max.x = max(at_max.x, q_at(column));
            }
        }
        row.lo = -ln(all.w);
        row.hi = -ln(reduce(local, at_max).x);
    } else if UNIFORM {
        row_q = 1.0 / all.z;
        row.hi = ln(all.z);
    } else {
        row.lo = -ln(all.z);
    }
    return row;
}


// u = p / q as a function of the gap x_max - x for the root of the row: math::RatioCurve.

// math::Real::LOG_SPACE, and the largest product whose logarithm is computed directly.
const LOG_SPACE: f32 = {{ log_space }};
const MAX_PRODUCT: f32 = 1e36;

var<private> ratio_c: f32;
// ln u_max, e^(c l), and the gap above which products with e^(c l) are computed in log space.
var<private> ratio_l: f32;
var<private> ratio_power: f32;
var<private> ratio_largest_gap: f32;
var<private> ratio_log_space: bool;
// The support radius, which is the root above alpha = 2.
var<private> ratio_by_support_radius: bool;
var<private> ratio_support_radius: vec2<f32>;
// N if u is B^-N or, for a negative N, B_+^-N, with B = b + c g: the alphas of math::closed_form. Else zero.
var<private> ratio_form: i32;
var<private> ratio_b: f32;

// Sets the curve of l = ln u_max.
fn set_log_ratio(c: f32, l: f32, form: i32) {
    ratio_c = c;
    ratio_l = l;
    ratio_power = exp_accurate(c * l);
    ratio_log_space = c * l > LOG_SPACE;
    ratio_largest_gap = MAX_PRODUCT / (max(ratio_power, 1.0) * max(abs(c), 1.0));
    ratio_by_support_radius = false;
    ratio_form = form;
    if form != 0 {
        ratio_b = exp_accurate(-c * l);
    }
}

// Sets the curve of the support radius m.
fn set_support_radius(c: f32, m: vec2<f32>) {
    ratio_c = c;
    ratio_by_support_radius = true;
    ratio_support_radius = m;
    ratio_l = ln(-c * m.x) / -c;
    ratio_form = 0;
    ratio_log_space = false;
}

// x_max - x of an allowed entry, and its rounding error: math::Gap.
fn gap_of(row_max: f32, x: f32) -> vec2<f32> {
    let gap = row_max - x;
    if is_not_finite(gap) {
        // The difference of finite logits may overflow.
        return vec2<f32>(F32_MAX, 0.0);
    }
    let x_seen = row_max - gap;
    let max_seen = gap + x_seen;
    return vec2<f32>(gap, (row_max - max_seen) + (x_seen - x));
}

struct Ratio {
    on_support: bool,
    log_u: f32,
    // ln u_max - ln u
    log_drop: f32,
    // (u / u_max)^c
    relative_slope: f32,
}

// math::RatioCurve::at
fn ratio_at(gap: vec2<f32>) -> Ratio {
    if ratio_by_support_radius {
        let left = (ratio_support_radius.x - gap.x) + (ratio_support_radius.y - gap.y);
        if left <= 0.0 {
            return Ratio(false, 0.0, 0.0, 0.0);
        }
        let log_drop = log1p_saturating(gap.x / left) / -ratio_c;
        return Ratio(true, ln(-ratio_c * left) / -ratio_c, log_drop, ratio_support_radius.x / left);
    }
    if ratio_log_space || gap.x > ratio_largest_gap {
        if gap.x <= 0.0 {
            return Ratio(true, ratio_l, 0.0, 1.0);
        }
        if ratio_c == 0.0 {
            return Ratio(true, ratio_l - gap.x, gap.x, 1.0);
        }
        let t = ln(abs(ratio_c)) + ln(gap.x) + ratio_c * ratio_l;
        var log_drop = 0.0;
        if ratio_c > 0.0 {
            log_drop = max(t, 0.0) + log1p(exp_accurate(-abs(t)));
        } else if t >= 0.0 {
            return Ratio(false, 0.0, 0.0, 0.0);
        } else {
            log_drop = log1p(-exp_accurate(t));
        }
        return Ratio(true, ratio_l - log_drop / ratio_c, log_drop / ratio_c, exp_accurate(-log_drop));
    }
    let x = gap.x * ratio_power;
    let z = ratio_c * x;
    if z <= -1.0 {
        return Ratio(false, 0.0, 0.0, 0.0);
    }
    let log_drop = log1p_over(ratio_c, x);
    return Ratio(true, ratio_l - log_drop, log_drop, 1.0 / (1.0 + z));
}

// ln(1 + z) for a z >= 0 that may be infinite.
fn log1p_saturating(z: f32) -> f32 {
    if z > MAX_PRODUCT || is_not_finite(z) {
        return ln(min(z, F32_MAX));
    }
    return log1p(z);
}

// u and u (u / u_max)^c. Both are zero off the support.
fn mass_at(gap: vec2<f32>) -> vec2<f32> {
    return moments_at(gap).xy;
}

// u, u r, u r^2 and u r^3, r = (u / u_max)^c. All are zero off the support. The third is used from c = -1/2 on, and the
// last one above c = 0: at the edge of the support, r is infinite.
fn moments_at(gap: vec2<f32>) -> vec4<f32> {
    if ratio_form > 0 {
        let inverse = 1.0 / (ratio_b + ratio_c * gap.x);
        var u = inverse;
        if ratio_form == 2 {
            u = inverse * inverse;
        } else if ratio_form == 3 {
            u = inverse * inverse * inverse;
        } else if ratio_form == 4 {
            u = (inverse * inverse) * (inverse * inverse);
        }
        let r = ratio_b * inverse;
        let v = u * r;
        return vec4<f32>(u, v, v * r, v * r * r);
    }
    if ratio_form < 0 {
        let base = ratio_b + ratio_c * gap.x;
        if base <= 0.0 {
            return vec4<f32>(0.0);
        }
        if ratio_form == -1 {
            return vec4<f32>(base, ratio_b, 0.0, 0.0);
        }
        return vec4<f32>(base * base, base * ratio_b, ratio_b * ratio_b, 0.0);
    }
    let ratio = ratio_at(gap);
    if !ratio.on_support {
        return vec4<f32>(0.0);
    }
    let u = exp_accurate(ratio.log_u);
    let r = ratio.relative_slope;
    let v = u * r;
    let x = select(0.0, v * r, ratio_c >= -0.5);
    return vec4<f32>(u, v, x, select(0.0, x * r, ratio_c > 0.0));
}

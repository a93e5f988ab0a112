
// Computes the root of a row and one output: math::Row::{solve, softargmax, log_softargmax, value, divergence}.


// math::Solver::TOLERANCE_ULPS, in f32.
const TOLERANCE: f32 = {{ tolerance }};
// math::Solver::QUADRATIC_TOLERANCE_SHARE
const QUADRATIC_TOLERANCE_SHARE: f32 = {{ quadratic_tolerance_share }};
// math::Solver::EDGE_ERROR_ULPS, in f32.
const EDGE_ERROR: f32 = {{ edge_error }};
// math::Real::BISECTION_STEPS for f32, and math::Solver::SUPPORT_RADIUS_STEPS.
const BISECTION_STEPS: u32 = {{ bisection_steps }}u;
const SUPPORT_RADIUS_STEPS: u32 = {{ support_radius_steps }}u;

// The longest step of the fourth order, times 1 + c, and the longest one of the third order, after which the error of the
// next root is about a rounding: op::cpu::solve.
const FOURTH_ORDER_STEP: f32 = {{ fourth_order_step }};
const THIRD_ORDER_STEP: f32 = {{ third_order_step }};
const SMALL_TERM: f32 = {{ small_term }};

// The step of op::cpu::solve from the moments at the root l: b = u_max^-c becomes b (1 + c d). The second number is the
// longest step after which the next root is accurate.
fn step_of(c: f32, moments: vec4<f32>) -> vec2<f32> {
    let s = moments.x;
    let w = moments.y;
    let log = expm1_over(c, ln(s));
    let newton = s * log / w;
    let order = 1.0 + c;
    var longest = THIRD_ORDER_STEP / max(abs(c), 1.0);
    if c < 0.0 {
        // Near the edge of the support.
        longest = min(longest, exp_accurate(16.0 * c) / (-20.0 * c));
    }
    if c < -0.5 {
        return vec2<f32>(newton, longest);
    }
    let x = (moments.z / w) * (s / w);
    let p = 0.5 * order * log * (1.0 - x);
    if c > 0.0 {
        let y = (moments.w / w) * (s / w) * (s / w);
        let q = order * (1.0 / 6.0) * log * log * ((1.0 + 2.0 * c) * y - 3.0 * order * x + order + 1.0);
        if abs(p) <= SMALL_TERM && abs(q) <= SMALL_TERM {
            return vec2<f32>(newton * (1.0 + p) / (1.0 + 2.0 * p + q), FOURTH_ORDER_STEP / order);
        }
    }
    return vec2<f32>(newton / max(1.0 + p, 0.5), longest);
}

// math::solve_log_ratio. All invocations of a row leave the loops together, since they all compare the same
// numbers.
fn solve_log_ratio(local: u32, base: u32, columns: u32, row: RowSummary) -> f32 {
    let c = row.c;
    let form = info.form;
    var newton_steps = info.newton_steps;
    if row.alpha > NEWTON_MAX_ALPHA {
        newton_steps = 0u;
    }
    var lo = row.lo;
    var hi = row.hi;
    var l = hi;
    // Jensen's inequality: the mean of B^(-1/c) is at least that of the mean B. The steps are monotone from here, too.
    // A product that overflows is not a start: a compiler may assume that no number is infinite.
    if row.mean_gap < MAX_PRODUCT && c * lo < LOG_SPACE {
        let mean = row.mean_gap * exp_accurate(c * lo);
        if mean < MAX_PRODUCT && c * mean < 1.0 {
            let start = lo - log1p_over(c, -mean);
            if start > lo && start < hi {
                l = start;
            }
        }
    }
    var previous_step = 0.0;
    for (var i = 0u; i < newton_steps; i++) {
        set_log_ratio(c, l, form);
        let m = moments(local, base, columns, row.max);
        if m.x >= 1.0 {
            hi = l;
        } else {
            lo = l;
        }
        let d = step_of(c, m);
        var next = lo + 0.5 * (hi - lo);
        if c * d.x > -1.0 {
            // The root may be an end of the bracket, as it is for equal logits.
            next = clamp(l - log1p_over(c, d.x), lo, hi);
        }
        let step = abs(next - l);
        l = next;
        // The next step is about step^3 / previous_step^2.
        let tolerance = TOLERANCE * max(abs(l), 1.0);
        let next_is_short = step * step * step
            <= QUADRATIC_TOLERANCE_SHARE * tolerance * previous_step * previous_step;
        // One step finds the root of the softmax.
        if c == 0.0 || step <= max(tolerance, d.y) || (step < QUADRATIC_TOLERANCE_SHARE && next_is_short) {
            return l;
        }
        previous_step = step;
    }
    for (var i = 0u; i < BISECTION_STEPS; i++) {
        l = lo + 0.5 * (hi - lo);
        if l <= lo || l >= hi {
            break;
        }
        set_log_ratio(c, l, form);
        if moments(local, base, columns, row.max).x >= 1.0 {
            hi = l;
        } else {
            lo = l;
        }
    }
    return l;
}

// a + d as a sum of two numbers. The second is the rounding error of the first.
fn two_sum(a: vec2<f32>, d: f32) -> vec2<f32> {
    let total = a.x + d;
    let seen = total - a.x;
    let lost = (a.x - (total - seen)) + (d - seen) + a.y;
    let root = total + lost;
    return vec2<f32>(root, lost - (root - total));
}

fn is_less(a: vec2<f32>, b: vec2<f32>) -> bool {
    return (a.x - b.x) + (a.y - b.y) < 0.0;
}

// math::solve_support_radius
fn solve_support_radius(local: u32, base: u32, columns: u32, row: RowSummary) -> vec2<f32> {
    let beta = -row.c;
    var lo = vec2<f32>(exp_accurate(beta * row.lo) / beta, 0.0);
    var hi = vec2<f32>(min(exp_accurate(beta * row.hi) / beta, row.max_gap + lo.x), 0.0);
    hi.x = max(hi.x, lo.x);
    var m = hi;
    var previous_error = F32_MAX;
    var error_at_lo = 0.0;
    for (var i = 0u; i < SUPPORT_RADIUS_STEPS; i++) {
        set_support_radius(row.c, m);
        let s = moments(local, base, columns, row.max);
        let error = 1.0 - s.x;
        if error == 0.0 {
            break;
        }
        if error < 0.0 {
            hi = m;
        } else {
            lo = m;
            error_at_lo = error;
        }
        let newton = two_sum(m, error * beta * m.x / s.y);
        let halved = abs(error) <= previous_error * 0.5;
        previous_error = abs(error);
        var next = newton;
        if info.newton_steps == 0u || !halved || !is_less(lo, newton) || !is_less(newton, hi) {
            previous_error = F32_MAX;
            if hi.x > 4.0 * lo.x {
                next = vec2<f32>(sqrt(lo.x) * sqrt(hi.x), 0.0);
            } else {
                next = two_sum(lo, 0.5 * ((hi.x - lo.x) + (hi.y - lo.y)));
            }
        }
        if !is_less(lo, next) || !is_less(next, hi) {
            // The entry at the edge of the support has the mass that is missing.
            if error_at_lo > EDGE_ERROR {
                m = hi;
            }
            break;
        }
        m = next;
    }
    return m;
}

// Writes p or ln p of every entry.
fn write_entries(local: u32, base: u32, columns: u32, row: RowSummary) {
    let share = residual(local, base, columns, row);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = logit_in_slot(base, local, slot);
        let q = q_at(base, column);
        var y = 0.0;
        if OUTPUT == LOG_PROBABILITIES {
            y = info.negative_infinity;
            if is_allowed(x, q) {
                let ratio = ratio_at(gap_of(row.max, x));
                let change = share * ratio.relative_slope;
                if ratio.on_support && change > -1.0 {
                    y = ln(q) + ratio.log_u + log1p(change);
                }
            }
        } else if is_allowed(x, q) {
            let m = q * mass_at(gap_of(row.max, x));
            y = max(m.x + share * m.y, 0.0);
        }
        store(base, local, slot, y);
    }
}

// V or D of the row.
fn row_output(local: u32, base: u32, columns: u32, row: RowSummary) -> f32 {
    // The value is stationary in the root, but the divergence is not. It needs the same correction for the error of
    // the mass as the probabilities.
    var share = 0.0;
    if OUTPUT == DIVERGENCE {
        share = residual(local, base, columns, row);
    }
    var terms = vec4<f32>(0.0);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = logit_in_slot(base, local, slot);
        let q = q_at(base, column);
        if is_allowed(x, q) {
            let ratio = ratio_at(gap_of(row.max, x));
            if OUTPUT == DIVERGENCE {
                terms.z += q * value_at_log(row, ratio.on_support, ratio.log_u);
                if ratio.on_support {
                    let change = share * q * exp_accurate(ratio.log_u) * ratio.relative_slope;
                    terms.z += change * derivative_at_log(row, ratio.log_u);
                }
            } else {
                terms.z += q * conjugate_at_log(row, ratio.on_support, ratio.log_u);
            }
        }
    }
    let sum = reduce(local, terms).z;
    if OUTPUT == VALUE {
        return sum + (row.max - derivative_at_log(row, ratio_l));
    }
    // Rounding may make the sum negative, but a divergence is never negative.
    return select(sum, 0.0, sum < 0.0);
}

fn process_row(local: u32, base: u32, row_index: u32, columns: u32) {
    let row = summarize(local, base, row_index, columns);
    if row.kind != SOLVABLE {
        if is_row_leader(local) {
            state[2u * row_index] = info.nan;
            state[2u * row_index + 1u] = info.nan;
        }
        var value = fallback_value(row);
        if OUTPUT == LOG_PROBABILITIES && value == 0.0 {
            value = info.negative_infinity;
        }
        fill_row(local, base, row_index, columns, value);
        return;
    }
    var root = vec2<f32>(0.0);
    if row.by_support_radius {
        root = solve_support_radius(local, base, columns, row);
    } else {
        root.x = solve_log_ratio(local, base, columns, row);
    }
    set_root(row, root);
    if IS_BY_ENTRY {
        write_entries(local, base, columns, row);
    } else {
        store_row_number(local, row_index, row_output(local, base, columns, row));
    }
    if is_row_leader(local) {
        state[2u * row_index] = root.x;
        state[2u * row_index + 1u] = root.y;
    }
}

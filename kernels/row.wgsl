
// The first pass over a row: math::Row::new. The layout, a file of kernels/layout, defines which entries an
// invocation processes.

struct Info {
    rows: u32,
    columns: u32,
    // 1 - alpha and alpha, if alpha is a number and not a tensor.
    c: f32,
    alpha: f32,
    // Zero selects bisection.
    newton_steps: u32,
    // WGSL has no literals for these.
    nan: f32,
    negative_infinity: f32,
    infinity: f32,
    // math::closed_form of alpha, or zero.
    form: i32,
    empty_row_is_zero: u32,
}

@group(0) @binding({{ info_binding }}) var<storage, read> info: Info;
{{ declarations }}

// Whether the reference is given, or is one over the number of allowed entries. If neither, it is one.
const GIVEN: bool = {{ given }};
const UNIFORM: bool = {{ uniform }};
const PROBABILITIES: u32 = 0u;
const LOG_PROBABILITIES: u32 = 1u;
const VALUE: u32 = 2u;
const DIVERGENCE: u32 = 3u;
const OUTPUT: u32 = {{ output }}u;
const IS_BY_ENTRY: bool = {{ is_per_entry }};
// Whether the gradient in the reference is written.
const WRITES_REFERENCE: bool = {{ writes_reference }};
const MAX_ALPHA: f32 = {{ max_alpha }};
const NEWTON_MAX_ALPHA: f32 = {{ newton_max_alpha }};

const SOLVABLE: u32 = 0u;
const INVALID: u32 = 1u;
const EMPTY: u32 = 2u;

// The constant reference of the row.
var<private> row_q: f32 = 1.0;

fn q_at(base: u32, column: u32) -> f32 {
    return {{ q }};
}

// Whether the entry is allowed: its logit is not -inf, and its reference is not zero.
fn is_allowed(x: f32, q: f32) -> bool {
    return !is_negative_infinity(x) && q != 0.0;
}

// Whether the entry makes its row invalid.
fn is_invalid_entry(x: f32, q: f32) -> bool {
    let invalid_x = is_not_finite(x) && !is_negative_infinity(x);
    return invalid_x || (GIVEN && (is_not_finite(q) || q < 0.0));
}

struct RowSummary {
    kind: u32,
    alpha: f32,
    c: f32,
    max: f32,
    // The largest gap.
    max_gap: f32,
    // The bracket of ln u_max.
    lo: f32,
    hi: f32,
    // The mean of the gaps under the reference.
    mean_gap: f32,
    // Whether the root is the support radius.
    by_support_radius: bool,
}

fn summarize(local: u32, base: u32, row_index: u32, columns: u32) -> RowSummary {
    var row: RowSummary;
    // Reduced together, over the allowed entries: the largest logit, the largest negated logit, the number of
    // entries and the sum of their references.
    var local_sums = vec4<f32>(-F32_MAX, -F32_MAX, 0.0, 0.0);
    var invalid = 0.0;
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = logit_in_slot(base, local, slot);
        let q = q_at(base, column);
        if is_invalid_entry(x, q) {
            invalid = 1.0;
        } else if is_allowed(x, q) {
            local_sums = vec4<f32>(max(local_sums.x, x), max(local_sums.y, -x), local_sums.z + 1.0, local_sums.w + q);
        }
    }
    let row_sums = reduce(local, local_sums);
    // The largest reference at the largest logit, whether any entry is invalid, alpha, and the sum of the gaps times
    // their references. Only the leader of the row adds alpha to the sum: if each invocation read it, a compiler could
    // not prove that control flow which depends on it is uniform at a barrier.
    var second_sums = vec4<f32>(0.0, invalid, 0.0, 0.0);
    if is_row_leader(local) {
        second_sums.z = {{ alpha }};
    }
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = logit_in_slot(base, local, slot);
        let q = q_at(base, column);
        if GIVEN && x == row_sums.x {
            second_sums.x = max(second_sums.x, q);
        }
        if is_allowed(x, q) {
            second_sums.w += q * gap_of(row_sums.x, x).x;
        }
    }
    second_sums = reduce(local, second_sums);
    row.alpha = second_sums.z;
    row.c = {{ c }};
    let invalid_alpha = is_not_finite(row.alpha) || abs(row.alpha) > MAX_ALPHA;
    if second_sums.y > 0.0 || invalid_alpha {
        row.kind = INVALID;
        return row;
    }
    if row_sums.z == 0.0 {
        row.kind = EMPTY;
        return row;
    }
    row.kind = SOLVABLE;
    row.max = row_sums.x;
    row.max_gap = row_sums.x + row_sums.y;
    if is_not_finite(row.max_gap) {
        row.max_gap = F32_MAX;
    }
    if GIVEN {
        row.lo = -ln(row_sums.w);
        row.hi = -ln(second_sums.x);
    } else if UNIFORM {
        row_q = 1.0 / row_sums.z;
        row.lo = 0.0;
        row.hi = ln(row_sums.z);
    } else {
        row.lo = -ln(row_sums.z);
        row.hi = 0.0;
    }
    row.mean_gap = second_sums.w / row_sums.w;
    row.by_support_radius = row.alpha > NEWTON_MAX_ALPHA && -row.c * max(abs(row.lo), abs(row.hi)) <= LOG_SPACE;
    return row;
}

// The curve of a root: math::Row::curve.
fn set_root(row: RowSummary, root: vec2<f32>) {
    if row.by_support_radius {
        set_support_radius(row.c, root);
    } else {
        set_log_ratio(row.c, root.x, info.form);
    }
}

// The sums of moments_at for the current curve. The first two are math::Row::mass.
fn moments(local: u32, base: u32, columns: u32, row_max: f32) -> vec4<f32> {
    var sums = vec4<f32>(0.0);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = logit_in_slot(base, local, slot);
        let q = q_at(base, column);
        if is_allowed(x, q) {
            sums += q * moments_at(gap_of(row_max, x));
        }
    }
    return reduce_sums(local, sums);
}

// math::Row::residual for the current curve.
fn residual(local: u32, base: u32, columns: u32, row: RowSummary) -> f32 {
    if row.alpha <= NEWTON_MAX_ALPHA {
        return 0.0;
    }
    let m = moments(local, base, columns, row.max);
    return (1.0 - m.x) / m.y;
}

// f'(e^l): math::Tsallis::derivative_at_log
fn derivative_at_log(row: RowSummary, log_u: f32) -> f32 {
    return expm1_over(-row.c, log_u);
}

// math::Tsallis::conjugate_at_log, with the ratio zero off the support
fn conjugate_at_log(row: RowSummary, on_support: bool, log_u: f32) -> f32 {
    if !on_support {
        return -1.0 / row.alpha;
    }
    return expm1_over(row.alpha, log_u);
}

// math::Tsallis::value_at_log
fn value_at_log(row: RowSummary, on_support: bool, log_u: f32) -> f32 {
    if !on_support {
        return 1.0 / row.alpha;
    }
    let conj = conjugate_at_log(row, true, log_u);
    if abs(row.c * log_u) < 1.0 {
        return exp_accurate(log_u) * derivative_at_log(row, log_u) - conj;
    }
    if row.alpha * log_u > 88.0 {
        return info.infinity;
    }
    if row.alpha > 1.0 {
        // The two powers of the form below would cancel.
        let power = exp_accurate(row.alpha * log_u);
        return ((power - row.alpha * exp_accurate(log_u)) - row.c) / (row.alpha * -row.c);
    }
    return (exp_accurate(log_u) - exp_accurate(row.alpha * log_u)) / row.c - conj;
}

// math::Tsallis::alpha_derivative_at_log
fn alpha_derivative_at_log(row: RowSummary, on_support: bool, log_u: f32) -> f32 {
    if !on_support {
        return -1.0 / (row.alpha * row.alpha);
    }
    return moment(-row.c, log_u, log_u) - moment(row.alpha, log_u, 0.0);
}

// The output of a row that is not solvable: math::Row::fallback_value.
fn fallback_value(row: RowSummary) -> f32 {
    if row.kind == EMPTY && info.empty_row_is_zero != 0u {
        return 0.0;
    }
    return info.nan;
}

// Sets every output of the kernel for the row to one value.
fn fill_row(local: u32, base: u32, row_index: u32, columns: u32, value: f32) {
    for (var slot = 0u; slot < slots(columns); slot++) {
        if column_of(local, slot) < columns {
            store(base, local, slot, value);
            store_reference(base, local, slot, value);
        }
    }
    store_row_number(local, row_index, value);
}

// Writes the number of the row, if the kernel has such an output.
fn store_row_number(local: u32, row_index: u32, value: f32) {
    if is_row_leader(local) {
        {{ write_row_number }}
    }
}


// The gradient of <cotangent, output> in the logits, the order or the reference, from the root that the
// forward kernel found: math::row::backward.

@group(0) @binding({{ state_binding }}) var<storage, read_write> state: array<f32>;
@group(0) @binding({{ cotangent_binding }}) var<storage, read_write> cotangent: array<{{ stored }}>;

const LOGITS: u32 = 0u;
const ALPHA: u32 = 1u;
const REFERENCE: u32 = 2u;
// The input of the gradient.
const WRT: u32 = {{ wrt }}u;

// k = q u^(2 - alpha) and u, zero off the support, which is tested: the power is one there at alpha = 2.
fn weight_at(gap: vec2<f32>, q: f32) -> vec2<f32> {
    if ratio_by_reach || ratio_log_space {
        let ratio = ratio_at(gap);
        if !ratio.on_support {
            return vec2<f32>(0.0);
        }
        // In halves: with a small q the power overflows where the product does not.
        let root = exp_accurate(0.5 * (1.0 + ratio_c) * ratio.log_u);
        return vec2<f32>(q * root * root, exp_accurate(ratio.log_u));
    }
    let m = mass_at(gap);
    return vec2<f32>((q * m.y) * ratio_power, m.x);
}

// math::row::backward::order_slope, against the fall of the largest weight.
fn order_slope(fall: f32, top_fall: f32) -> f32 {
    let d = fall - top_fall;
    return (ratio_l - top_fall) * expm1_over(-ratio_c, d) - d * d * exp_curvature(-ratio_c * d);
}

// The cotangent of p or ln p; for the divergence it is f'(u), up to what is the same for the row.
fn cotangent_at(base: u32, column: u32, gap: vec2<f32>) -> f32 {
    if OUTPUT == DIVERGENCE {
        return -gap.x;
    }
    return {{ cotangent_at }};
}

// The gradient of p, V or D in the logit or the reference of an entry.
fn entry(
    row: RowSummary,
    base: u32,
    column: u32,
    gap: vec2<f32>,
    q: f32,
    centre: f32,
    mean: f32,
    share: f32,
    row_cotangent: f32,
) -> f32 {
    if OUTPUT == VALUE && WRT == LOGITS {
        let m = q * mass_at(gap);
        return max(m.x + share * m.y, 0.0) * row_cotangent;
    }
    var value = 0.0;
    if OUTPUT != VALUE {
        let weight = weight_at(gap, q);
        let factor = select(weight.x, weight.y, WRT == REFERENCE);
        if factor > 0.0 {
            value = factor * ((cotangent_at(base, column, gap) - centre) - mean);
        }
    }
    if OUTPUT == PROBABILITIES {
        return value;
    }
    if WRT == REFERENCE {
        let ratio = ratio_at(gap);
        let conj = conjugate(row, ratio.on_support, ratio.log_u);
        value = select(value - conj, conj, OUTPUT == VALUE);
    }
    return value * row_cotangent;
}

// The gradient of ln p in the logit of an entry.
fn log_entry(row: RowSummary, base: u32, column: u32, gap: vec2<f32>, q: f32, slope: f32) -> f32 {
    let ratio = ratio_at(gap);
    if !ratio.on_support {
        return 0.0;
    }
    let score = cotangent_at(base, column, gap) * exp_accurate(row.c * ratio.log_u);
    return score - weight_at(gap, q).x * slope;
}

// From the gradient of ln p in the logits to that in the reference: times u / k.
fn in_wrt(row: RowSummary, value: f32, gap: vec2<f32>, q: f32) -> f32 {
    if WRT != REFERENCE {
        return value;
    }
    let ratio = ratio_at(gap);
    if !ratio.on_support {
        return 0.0;
    }
    return value * exp_accurate(-row.c * ratio.log_u) / q;
}

// What an entry adds to the gradient in the order.
fn order_term(
    row: RowSummary,
    base: u32,
    column: u32,
    gap: vec2<f32>,
    q: f32,
    centre: f32,
    mean: f32,
    top_fall: f32,
) -> f32 {
    let ratio = ratio_at(gap);
    var term = 0.0;
    if OUTPUT == VALUE || OUTPUT == DIVERGENCE {
        term = q * order_derivative(row, ratio.on_support, ratio.log_u);
    }
    if OUTPUT == VALUE {
        return -term;
    }
    if !ratio.on_support {
        return term;
    }
    let slope = order_slope(ratio.fall, top_fall);
    if OUTPUT == LOG_PROBABILITIES {
        let score = exp_accurate(row.c * ratio.log_u);
        return cotangent_at(base, column, gap) * (slope - score * mean);
    }
    let centred = (cotangent_at(base, column, gap) - centre) - mean;
    return term + centred * (q * exp_accurate(ratio.log_u)) * slope;
}

fn put_entry(base: u32, local: u32, slot: u32, value: f32) {
    if WRT != ALPHA {
        put(base, local, slot, value);
    }
}

fn work(local: u32, base: u32, row_index: u32, columns: u32) {
    let row = summarise(local, base, row_index, columns);
    if row.kind != SOLVABLE {
        fill_row(local, base, row_index, columns, without_answer(row));
        return;
    }
    let root = vec2<f32>(state[2u * row_index], state[2u * row_index + 1u]);
    set_root(row, root);
    let row_cotangent = {{ row_cotangent }};

    // The sum of the weights and the column of the largest.
    var totals = vec4<f32>(0.0);
    var own_k = -1.0;
    var own_column = 0u;
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = x_slot(base, local, slot);
        let q = q_at(base, column);
        if is_allowed(x, q) {
            let k = weight_at(gap_of(row.max, x), q).x;
            totals.z += k;
            if k > own_k {
                own_k = k;
                own_column = column;
            }
        }
    }
    let total = reduce(local, totals).z;
    let largest = largest_of_row(local, own_k, own_column);
    let top_gap = gap_of(row.max, x_of(base, largest));
    let top_fall = ratio_at(top_gap).fall;

    // Near a one-hot row the weighted mean equals the cotangent of the largest weight to rounding, and
    // the gradient is what is left: centred on it, what is left keeps its digits.
    let centre = cotangent_at(base, largest, top_gap);
    var sums = vec4<f32>(0.0);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = x_slot(base, local, slot);
        let q = q_at(base, column);
        if !is_allowed(x, q) {
            continue;
        }
        let gap = gap_of(row.max, x);
        if OUTPUT == PROBABILITIES || OUTPUT == DIVERGENCE {
            // An entry off the support has no weight, whatever its cotangent is.
            let k = weight_at(gap, q).x;
            if k > 0.0 {
                sums.z += k * (cotangent_at(base, column, gap) - centre);
            }
        } else if OUTPUT == LOG_PROBABILITIES {
            let ratio = ratio_at(gap);
            if ratio.on_support && WRT == ALPHA {
                sums.z += q * exp_accurate(ratio.log_u) * order_slope(ratio.fall, top_fall);
            } else if ratio.on_support {
                sums.z += cotangent_at(base, column, gap) * exp_accurate(row.c * ratio.log_u);
            }
        }
    }
    let sum = reduce(local, sums).z;
    let mean = sum / total;
    var share = 0.0;
    if OUTPUT == VALUE && WRT == LOGITS {
        share = residual(local, base, columns, row);
    }

    // What is left for the largest weight of a gradient of ln p, and the gradient in the order.
    var rest = vec4<f32>(0.0);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = x_slot(base, local, slot);
        let q = q_at(base, column);
        if !is_allowed(x, q) {
            put_entry(base, local, slot, 0.0);
            continue;
        }
        let gap = gap_of(row.max, x);
        if WRT == ALPHA {
            rest.z += order_term(row, base, column, gap, q, centre, mean, top_fall);
        } else if OUTPUT == LOG_PROBABILITIES {
            let value = log_entry(row, base, column, gap, q, sum / total);
            if column != largest {
                rest.z += value;
                put_entry(base, local, slot, in_wrt(row, value, gap, q));
            }
        } else {
            put_entry(base, local, slot, entry(row, base, column, gap, q, centre, mean, share, row_cotangent));
        }
    }
    if WRT == ALPHA {
        var value = reduce(local, rest).z;
        if OUTPUT == VALUE || OUTPUT == DIVERGENCE {
            value *= row_cotangent;
        }
        fill_row(local, base, row_index, columns, value);
    } else if OUTPUT == LOG_PROBABILITIES {
        // The row sums to zero: at the largest weight, the sum of the others keeps the digits.
        let value = -reduce(local, rest).z;
        put_late(base, local, largest, in_wrt(row, value, top_gap, q_at(base, largest)));
    }
}

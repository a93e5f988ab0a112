
// Computes the gradients of <cotangent, output> in the logits, alpha and the reference from the root that the forward
// kernel found: math::row::backward.

// The gradients that the kernel writes.
const WANTS_LOGITS: bool = {{ wants_logits }};
const WANTS_ALPHA: bool = {{ wants_alpha }};

// k = q u^(2 - alpha) and u, both zero off the support. The support is tested, since the power of u = 0 is one at
// alpha = 2.
fn weight_at(gap: vec2<f32>, q: f32) -> vec2<f32> {
    if ratio_by_support_radius || ratio_log_space {
        let ratio = ratio_at(gap);
        if !ratio.on_support {
            return vec2<f32>(0.0);
        }
        // Half of the power at a time: for a small q, the power may overflow when its product with q does not.
        let root = exp_accurate(0.5 * (1.0 + ratio_c) * ratio.log_u);
        return vec2<f32>(q * root * root, exp_accurate(ratio.log_u));
    }
    let m = mass_at(gap);
    return vec2<f32>((q * m.y) * ratio_power, m.x);
}

// math::row::backward::alpha_slope. top_log_drop is the log drop of the entry with the largest weight.
fn alpha_slope(log_drop: f32, top_log_drop: f32) -> f32 {
    let d = log_drop - top_log_drop;
    return (ratio_l - top_log_drop) * expm1_over(-ratio_c, d) - d * d * exp_curvature(-ratio_c * d);
}

// The cotangent of p or ln p. For the divergence it is f'(u), up to a constant of the row.
fn cotangent_at(base: u32, column: u32, gap: vec2<f32>) -> f32 {
    if OUTPUT == DIVERGENCE {
        return -gap.x;
    }
    return {{ cotangent_at }};
}

// The gradient of ln p in the logit of an entry. mean is the sum of the cotangents times u^c, divided by the sum of
// the weights.
fn log_entry(row: RowSummary, base: u32, column: u32, gap: vec2<f32>, q: f32, mean: f32) -> f32 {
    let ratio = ratio_at(gap);
    if !ratio.on_support {
        return 0.0;
    }
    let scaled = cotangent_at(base, column, gap) * exp_accurate(row.c * ratio.log_u);
    return scaled - weight_at(gap, q).x * mean;
}

// The gradient of ln p in the reference of an entry: the gradient in its logit, value, times u / k.
fn log_entry_in_reference(row: RowSummary, value: f32, gap: vec2<f32>, q: f32) -> f32 {
    let ratio = ratio_at(gap);
    if !ratio.on_support {
        return 0.0;
    }
    return value * exp_accurate(-row.c * ratio.log_u) / q;
}

// Writes the gradients of V: p in the logits, minus the sum of q df/dalpha in alpha, f* in the reference.
fn write_value_gradients(
    local: u32,
    base: u32,
    row_index: u32,
    columns: u32,
    row: RowSummary,
    row_cotangent: f32,
) {
    var share = 0.0;
    if WANTS_LOGITS {
        share = residual(local, base, columns, row);
    }
    var sums = vec4<f32>(0.0);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = logit_in_slot(base, local, slot);
        let q = q_at(base, column);
        var in_logit = 0.0;
        var in_reference = 0.0;
        if is_allowed(x, q) {
            let gap = gap_of(row.max, x);
            if WANTS_LOGITS {
                let m = q * mass_at(gap);
                in_logit = max(m.x + share * m.y, 0.0) * row_cotangent;
            }
            if WANTS_ALPHA || WRITES_REFERENCE {
                let ratio = ratio_at(gap);
                sums.z += q * alpha_derivative_at_log(row, ratio.on_support, ratio.log_u);
                in_reference = conjugate_at_log(row, ratio.on_support, ratio.log_u) * row_cotangent;
            }
        }
        store(base, local, slot, in_logit);
        store_reference(base, local, slot, in_reference);
    }
    if WANTS_ALPHA {
        store_row_number(local, row_index, -reduce(local, sums).z * row_cotangent);
    }
}

fn process_row(local: u32, base: u32, row_index: u32, columns: u32) {
    let row = summarize(local, base, row_index, columns);
    if row.kind != SOLVABLE {
        fill_row(local, base, row_index, columns, fallback_value(row));
        return;
    }
    set_root(row, vec2<f32>(state[2u * row_index], state[2u * row_index + 1u]));
    let row_cotangent = {{ row_cotangent }};
    if OUTPUT == VALUE {
        write_value_gradients(local, base, row_index, columns, row, row_cotangent);
        return;
    }

    // The sum of the weights, and the column of the largest weight.
    var totals = vec4<f32>(0.0);
    var own_k = -1.0;
    var own_column = 0u;
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = logit_in_slot(base, local, slot);
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
    let top_gap = gap_of(row.max, logit_at(base, largest));
    let top_log_drop = ratio_at(top_gap).log_drop;
    let dominates = weight_at(top_gap, q_at(base, largest)).x > 0.5 * total;

    // Near a one-hot row, the weighted mean equals the cotangent at the largest weight to rounding. Cotangents are
    // centered on it, so that the small difference, which is the gradient, keeps its digits.
    let center = cotangent_at(base, largest, top_gap);
    var sums = vec4<f32>(0.0);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = logit_in_slot(base, local, slot);
        let q = q_at(base, column);
        if !is_allowed(x, q) {
            continue;
        }
        let gap = gap_of(row.max, x);
        if OUTPUT == LOG_PROBABILITIES {
            let ratio = ratio_at(gap);
            if ratio.on_support {
                sums.z += cotangent_at(base, column, gap) * exp_accurate(row.c * ratio.log_u);
                if WANTS_ALPHA {
                    sums.w += q * exp_accurate(ratio.log_u) * alpha_slope(ratio.log_drop, top_log_drop);
                }
            }
        } else {
            // An entry off the support has no weight, even if its cotangent is not finite.
            let k = weight_at(gap, q).x;
            if k > 0.0 {
                sums.z += k * (cotangent_at(base, column, gap) - center);
            }
        }
    }
    let means = reduce(local, sums) / total;
    let mean = means.z;

    // Writes the gradients. Sums the gradients of ln p, except at the largest weight, and the terms of the gradient
    // in alpha.
    var others = vec4<f32>(0.0);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = logit_in_slot(base, local, slot);
        let q = q_at(base, column);
        if !is_allowed(x, q) {
            store(base, local, slot, 0.0);
            store_reference(base, local, slot, 0.0);
            continue;
        }
        let gap = gap_of(row.max, x);
        if WANTS_ALPHA {
            let ratio = ratio_at(gap);
            if OUTPUT == DIVERGENCE {
                others.w += q * alpha_derivative_at_log(row, ratio.on_support, ratio.log_u);
            }
            if ratio.on_support {
                let c = cotangent_at(base, column, gap);
                let slope = alpha_slope(ratio.log_drop, top_log_drop);
                if OUTPUT == LOG_PROBABILITIES {
                    others.w += c * (slope - exp_accurate(row.c * ratio.log_u) * means.w);
                } else {
                    others.w += ((c - center) - mean) * (q * exp_accurate(ratio.log_u)) * slope;
                }
            }
        }
        if OUTPUT == LOG_PROBABILITIES {
            let value = log_entry(row, base, column, gap, q, mean);
            if column != largest || !dominates {
                others.z += value;
                if WRITES_REFERENCE {
                    store_reference(base, local, slot, log_entry_in_reference(row, value, gap, q));
                }
                store(base, local, slot, value);
            }
            continue;
        }
        let weight = weight_at(gap, q);
        var in_logit = 0.0;
        var in_reference = 0.0;
        if weight.x > 0.0 || (WRITES_REFERENCE && weight.y > 0.0) {
            let centered = (cotangent_at(base, column, gap) - center) - mean;
            in_logit = select(0.0, weight.x * centered, weight.x > 0.0);
            in_reference = select(0.0, weight.y * centered, weight.y > 0.0);
        }
        if OUTPUT == DIVERGENCE {
            in_logit *= row_cotangent;
            if WRITES_REFERENCE {
                let ratio = ratio_at(gap);
                let conj = conjugate_at_log(row, ratio.on_support, ratio.log_u);
                in_reference = (in_reference - conj) * row_cotangent;
            }
        }
        store(base, local, slot, in_logit);
        store_reference(base, local, slot, in_reference);
    }
    if !WANTS_ALPHA && OUTPUT != LOG_PROBABILITIES {
        return;
    }
    let left = reduce(local, others);
    if WANTS_ALPHA {
        store_row_number(local, row_index, select(left.w, left.w * row_cotangent, OUTPUT == DIVERGENCE));
    }
    if OUTPUT == LOG_PROBABILITIES && dominates {
        // The gradients of a row sum to zero. At an entry with most of the weight, minus the sum of the others keeps its
        // digits.
        overwrite(base, local, largest, -left.z);
        if WRITES_REFERENCE {
            let value = log_entry_in_reference(row, -left.z, top_gap, q_at(base, largest));
            overwrite_reference(base, local, largest, value);
        }
    }
}

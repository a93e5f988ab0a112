
// The gradient of <cotangent, output> in the logits or in the reference, from the root that the forward
// kernel found: math::Row::{softargmax_backward, log_softargmax_backward, ..._reference}.

@group(0) @binding({{ binding_1 }}) var<storage, read_write> state: array<f32>;
@group(0) @binding({{ binding_2 }}) var<storage, read_write> cotangent: array<{{ stored }}>;
@group(0) @binding({{ binding_3 }}) var<storage, read_write> gradient: array<{{ gradient }}>;
// As in the forward kernel.
@group(0) @binding({{ binding_4 }}) var<storage, read> info: array<u32>;

// Whether the gradient is in the reference instead of the logits.
const IN_REFERENCE: bool = {{ in_reference }};

var<workgroup> best_column: array<u32, WORKGROUP>;

// k = q u^(2 - alpha), zero off the support, which is tested: the power is one there at alpha = 2.
struct Weight {
    k: f32,
    log_u: f32,
    on_support: bool,
}

fn weight_at(x: f32, q: f32, row_max: f32) -> Weight {
    if !is_allowed(x, q) {
        return Weight(0.0, 0.0, false);
    }
    let ratio = log_ratio_at(gap_of(row_max, x));
    if !ratio.on_support {
        return Weight(0.0, 0.0, false);
    }
    // In halves: with a small q the power overflows where the product does not.
    let root = exp_accurate(0.5 * (1.0 + ratio_c) * ratio.log_u);
    return Weight(q * root * root, ratio.log_u, true);
}

// The column of the largest weight, the first of equals.
fn largest_weight(local: u32, k: f32, column: u32) -> u32 {
    scratch[local] = vec4<f32>(k);
    best_column[local] = column;
    for (var stride = WORKGROUP / 2u; stride > 0u; stride = stride / 2u) {
        workgroupBarrier();
        if local < stride {
            let other = scratch[local + stride].x;
            let own = scratch[local].x;
            let earlier = best_column[local + stride] < best_column[local];
            if other > own || (other == own && earlier) {
                scratch[local] = vec4<f32>(other);
                best_column[local] = best_column[local + stride];
            }
        }
    }
    return workgroupUniformLoad(&best_column[0]);
}

// From the gradient of ln p in the logits to that in the reference: times u / k.
fn in_wrt(value: f32, weight: Weight, q: f32) -> f32 {
    if !IN_REFERENCE {
        return value;
    }
    if !weight.on_support {
        return 0.0;
    }
    return value * exp_accurate(-ratio_c * weight.log_u) / q;
}

@compute @workgroup_size({{ workgroup }}, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let rows = info[0];
    let columns = info[1];
    let c = bitcast<f32>(info[2]);
    let nan = bitcast<f32>(info[4]);
    let row_index = group.y * groups.x + group.x;
    if row_index >= rows {
        return;
    }
    let base = row_index * columns;
    let row = summarise(local, base, columns);
    if !row.solvable {
        for (var column = local; column < columns; column += WORKGROUP) {
            gradient[base + column] = {{ gradient }}(nan);
        }
        return;
    }
    set_log_ratio(c, state[row_index]);

    var total = vec4<f32>(0.0);
    var own_k = -1.0;
    var own_column = 0u;
    for (var column = local; column < columns; column += WORKGROUP) {
        let weight = weight_at(f32(logits[base + column]), q_at(column), row.max);
        total.z += weight.k;
        if weight.k > own_k {
            own_k = weight.k;
            own_column = column;
        }
    }
    let w_total = reduce(local, total).z;
    let largest = largest_weight(local, own_k, own_column);

    // Near a one-hot row the weighted mean equals the cotangent of the largest weight to rounding, and
    // the gradient is what is left: centred on it, what is left keeps its digits.
    let centre = f32(cotangent[base + largest]);
    var sums = vec4<f32>(0.0);
    for (var column = local; column < columns; column += WORKGROUP) {
        let weight = weight_at(f32(logits[base + column]), q_at(column), row.max);
        if weight.on_support {
            let value = f32(cotangent[base + column]);
            if LOG_OUTPUT {
                sums.z += value * exp_accurate(c * weight.log_u);
            } else {
                sums.z += weight.k * (value - centre);
            }
        }
    }
    let sum = reduce(local, sums).z;
    var others = vec4<f32>(0.0);
    for (var column = local; column < columns; column += WORKGROUP) {
        let q = q_at(column);
        let weight = weight_at(f32(logits[base + column]), q, row.max);
        var value = 0.0;
        if weight.on_support {
            value = f32(cotangent[base + column]);
            if LOG_OUTPUT {
                value = value * exp_accurate(c * weight.log_u) - weight.k / w_total * sum;
            } else {
                let factor = select(weight.k, exp_accurate(weight.log_u), IN_REFERENCE);
                value = factor * ((value - centre) - sum / w_total);
            }
        }
        if LOG_OUTPUT && column == largest {
            continue;
        }
        if LOG_OUTPUT {
            others.z += value;
            value = in_wrt(value, weight, q);
        }
        gradient[base + column] = {{ gradient }}(value);
    }
    if LOG_OUTPUT {
        // The row sums to zero: at the largest weight, the sum of the others keeps the digits.
        let value = -reduce(local, others).z;
        if local == 0u {
            let q = q_at(largest);
            let weight = weight_at(f32(logits[base + largest]), q, row.max);
            gradient[base + largest] = {{ gradient }}(in_wrt(value, weight, q));
        }
    }
}

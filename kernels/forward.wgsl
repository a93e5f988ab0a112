
// The probabilities of a row, or their logarithms, and its root: math::Row::{solve, softargmax,
// log_softargmax}.

@group(0) @binding({{ binding_1 }}) var<storage, read_write> output: array<{{ stored }}>;
@group(0) @binding({{ binding_2 }}) var<storage, read_write> state: array<f32>;
// rows, columns, c = 1 - alpha, Newton steps, NaN, -inf
@group(0) @binding({{ binding_3 }}) var<storage, read> info: array<u32>;

// math::Solver::STOP_ROUNDINGS, in f32.
const TOLERANCE: f32 = 4.7683716e-7;
// math::Real::HALVINGS for f32.
const HALVINGS: u32 = 40u;

// S and W of math::solve_log_ratio at l.
fn mass(local: u32, base: u32, columns: u32, row_max: f32, c: f32, l: f32) -> vec2<f32> {
    set_log_ratio(c, l);
    var sums = vec4<f32>(0.0);
    for (var column = local; column < columns; column += WORKGROUP) {
        let x = f32(logits[base + column]);
        let q = q_at(column);
        if is_allowed(x, q) {
            let ratio = log_ratio_at(gap_of(row_max, x));
            if ratio.on_support {
                sums.z += q * exp_accurate(ratio.log_u);
                sums.w += q * exp_accurate(ratio.log_u + c * (ratio.log_u - l));
            }
        }
    }
    return reduce(local, sums).zw;
}

// math::solve_log_ratio. The loops are left by the whole workgroup at once, since what they decide on
// is read from one place.
fn solve(local: u32, base: u32, columns: u32, row: RowSummary, c: f32, newton_steps: u32) -> f32 {
    var lo = row.lo;
    var hi = row.hi;
    var l = hi;
    for (var i = 0u; i < newton_steps; i++) {
        let m = mass(local, base, columns, row.max, c, l);
        if m.x >= 1.0 {
            hi = l;
        } else {
            lo = l;
        }
        let d = m.x * expm1_over(c, ln(m.x)) / m.y;
        var next = lo + 0.5 * (hi - lo);
        if c * d > -1.0 {
            let newton = l - log1p_over(c, d);
            if newton >= lo && newton <= hi {
                next = newton;
            }
        }
        let step = abs(next - l);
        l = next;
        if step <= TOLERANCE * max(abs(l), 1.0) {
            return l;
        }
    }
    for (var i = 0u; i < HALVINGS; i++) {
        l = lo + 0.5 * (hi - lo);
        if l <= lo || l >= hi {
            break;
        }
        if mass(local, base, columns, row.max, c, l).x >= 1.0 {
            hi = l;
        } else {
            lo = l;
        }
    }
    return l;
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
    let negative_infinity = bitcast<f32>(info[5]);
    let row_index = group.y * groups.x + group.x;
    if row_index >= rows {
        return;
    }
    let base = row_index * columns;
    let row = summarise(local, base, columns);
    if !row.solvable {
        for (var column = local; column < columns; column += WORKGROUP) {
            output[base + column] = {{ stored }}(nan);
        }
        if local == 0u {
            state[row_index] = nan;
        }
        return;
    }
    let l = solve(local, base, columns, row, c, info[3]);
    set_log_ratio(c, l);
    for (var column = local; column < columns; column += WORKGROUP) {
        let x = f32(logits[base + column]);
        let q = q_at(column);
        var p = select(0.0, negative_infinity, LOG_OUTPUT);
        if is_allowed(x, q) {
            let ratio = log_ratio_at(gap_of(row.max, x));
            if ratio.on_support {
                if LOG_OUTPUT {
                    p = ln(q) + ratio.log_u;
                } else {
                    p = q * exp_accurate(ratio.log_u);
                }
            }
        }
        output[base + column] = {{ stored }}(p);
    }
    if local == 0u {
        state[row_index] = l;
    }
}


// One workgroup per row. A sum over the row is a sum over the invocations of the workgroup.

const WORKGROUP: u32 = {{ workgroup }}u;

var<workgroup> scratch: array<vec4<f32>, WORKGROUP>;

// Whether this invocation writes the outputs that have one number for each row.
fn is_row_leader(local: u32) -> bool {
    return local == 0u;
}

fn combine(a: vec4<f32>, b: vec4<f32>, only_sums: bool) -> vec4<f32> {
    return vec4<f32>(select(max(a.xy, b.xy), a.xy + b.xy, only_sums), a.zw + b.zw);
}

// The maximum of each of the first two components and the sum of each of the last two, over the row.
fn reduce(local: u32, value: vec4<f32>) -> vec4<f32> {
    return reduce_with(local, value, false);
}

// The sum of each component over the row.
fn reduce_sums(local: u32, value: vec4<f32>) -> vec4<f32> {
    return reduce_with(local, value, true);
}

// Each step combines eight values, since a barrier costs as much as a few reads.
fn reduce_with(local: u32, value: vec4<f32>, only_sums: bool) -> vec4<f32> {
    scratch[local] = value;
    workgroupBarrier();
    var left = WORKGROUP;
    while left > 1u {
        let next = (left + 7u) / 8u;
        if local < next {
            var sum = scratch[local];
            for (var i = local + next; i < left; i += next) {
                sum = combine(sum, scratch[i], only_sums);
            }
            scratch[local] = sum;
        }
        left = next;
        workgroupBarrier();
    }
    return workgroupUniformLoad(&scratch[0]);
}

// Stores the gradient in the reference of an entry, if the kernel writes it.
fn store_reference(base: u32, local: u32, slot: u32, value: f32) {
    let at = base + column_of(local, slot);
    {{ write_reference }}
}

fn overwrite_reference(base: u32, local: u32, column: u32, value: f32) {
    if local == 0u {
        let at = base + column;
        {{ write_reference }}
    }
}

var<workgroup> best_column: array<u32, WORKGROUP>;

// The column of the largest value of the row. Among equal values it is the first.
fn largest_of_row(local: u32, value: f32, column: u32) -> u32 {
    scratch[local] = vec4<f32>(value);
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

@compute @workgroup_size({{ workgroup }}, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let columns = info.columns;
    let row_index = group.y * groups.x + group.x;
    if row_index >= info.rows {
        return;
    }
    let base = row_index * columns;
    read_row(local, base, columns);
    process_row(local, base, row_index, columns);
    write_row(local, base, columns);
}

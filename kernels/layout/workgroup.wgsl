
// A workgroup works on one row: what is summed over the row is summed over its invocations.

const WORKGROUP: u32 = {{ workgroup }}u;

var<workgroup> scratch: array<vec4<f32>, WORKGROUP>;

// Whether this invocation writes what there is one of for each row.
fn speaks_for_the_row(local: u32) -> bool {
    return local == 0u;
}

fn folded(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(max(a.xy, b.xy), a.zw + b.zw);
}

// The greatest of the first two components and the sum of the last two, over the row. By eights: a barrier
// costs as much as a few reads.
fn reduce(local: u32, value: vec4<f32>) -> vec4<f32> {
    scratch[local] = value;
    workgroupBarrier();
    var left = WORKGROUP;
    while left > 1u {
        let next = (left + 7u) / 8u;
        if local < next {
            var sum = scratch[local];
            for (var i = local + next; i < left; i += next) {
                sum = folded(sum, scratch[i]);
            }
            scratch[local] = sum;
        }
        left = next;
        workgroupBarrier();
    }
    return workgroupUniformLoad(&scratch[0]);
}

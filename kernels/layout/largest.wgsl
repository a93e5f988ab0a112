
var<workgroup> best_column: array<u32, WORKGROUP>;

// The column of the largest value of the row, the first of equals.
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


@compute @workgroup_size({{ workgroup }}, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let rows = info[0];
    let columns = info[1];
    let first = (group.y * groups.x + group.x) * WORKGROUP;
    if first >= rows {
        return;
    }
    let start = first * columns;
    let entries = min(WORKGROUP, rows - first) * columns;
    for (var i = local; i < entries; i += WORKGROUP) {
        let at = in_tile(i, columns);
        tile_x[at] = f32(logits[start + i]);
        {{ read_cotangent }}
    }
    workgroupBarrier();
    let row_index = first + local;
    if row_index < rows {
        tile_row = local * stride(columns);
        work(local, row_index * columns, row_index, columns);
    }
    workgroupBarrier();
    if WRITES_ENTRIES {
        for (var i = local; i < entries; i += WORKGROUP) {
            sink[start + i] = {{ sink }}(tile_y[in_tile(i, columns)]);
        }
    }
}

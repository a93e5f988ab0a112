
@compute @workgroup_size({{ workgroup }}, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let columns = info[1];
    let row_index = group.y * groups.x + group.x;
    if row_index >= info[0] {
        return;
    }
    let base = row_index * columns;
    read_row(local, base, columns);
    work(local, base, row_index, columns);
    if WRITES_ENTRIES {
        write_row(local, base, columns);
    }
}

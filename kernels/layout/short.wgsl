
// One invocation per row, for rows of a few entries. A workgroup processes as many rows as it has invocations. Their
// entries are contiguous in memory, and are read and written in sequence through workgroup memory.

@group(0) @binding(0) var<storage, read_write> logits: array<{{ stored }}>;

const WORKGROUP: u32 = {{ workgroup }}u;
// The number of entries in a tile.
const TILE: u32 = {{ tile }}u;

// The logits. If the kernel writes the gradient in the reference, it replaces them at the end.
var<workgroup> tile_x: array<f32, TILE>;
// The cotangent, if it has a number for each entry. The output replaces it at the end.
var<workgroup> tile_y: array<f32, TILE>;
var<private> tile_row: u32;

fn slots(columns: u32) -> u32 {
    return columns;
}

fn column_of(local: u32, slot: u32) -> u32 {
    return slot;
}

fn logit_in_slot(base: u32, local: u32, slot: u32) -> f32 {
    return tile_x[tile_row + slot];
}

fn logit_at(base: u32, column: u32) -> f32 {
    return tile_x[tile_row + column];
}

// Whether this invocation writes the outputs that have one number for each row.
fn is_row_leader(local: u32) -> bool {
    return true;
}

fn reduce(local: u32, value: vec4<f32>) -> vec4<f32> {
    return value;
}

fn reduce_sums(local: u32, value: vec4<f32>) -> vec4<f32> {
    return value;
}

fn largest_of_row(local: u32, value: f32, column: u32) -> u32 {
    return column;
}

fn store(base: u32, local: u32, slot: u32, value: f32) {
    tile_y[tile_row + slot] = value;
}

fn overwrite(base: u32, local: u32, column: u32, value: f32) {
    tile_y[tile_row + column] = value;
}

// Stores the gradient in the reference of an entry. It may replace the logit, which is no longer needed.
fn store_reference(base: u32, local: u32, slot: u32, value: f32) {
    if WRITES_REFERENCE {
        tile_x[tile_row + slot] = value;
    }
}

fn overwrite_reference(base: u32, local: u32, column: u32, value: f32) {
    tile_x[tile_row + column] = value;
}

// The distance between rows in a tile. It is odd, so that the rows begin in different memory banks.
fn stride(columns: u32) -> u32 {
    return columns | 1u;
}

// The index in a tile of entry i of the workgroup's rows.
fn in_tile(i: u32, columns: u32) -> u32 {
    return i / columns * stride(columns) + i % columns;
}

@compute @workgroup_size({{ workgroup }}, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let rows = info.rows;
    let columns = info.columns;
    let first = (group.y * groups.x + group.x) * WORKGROUP;
    if first >= rows {
        return;
    }
    let start = first * columns;
    let entries_here = min(WORKGROUP, rows - first) * columns;
    for (var i = local; i < entries_here; i += WORKGROUP) {
        let at = in_tile(i, columns);
        tile_x[at] = f32(logits[start + i]);
        {{ read_cotangent }}
    }
    workgroupBarrier();
    let row_index = first + local;
    if row_index < rows {
        tile_row = local * stride(columns);
        process_row(local, row_index * columns, row_index, columns);
    }
    workgroupBarrier();
    for (var i = local; i < entries_here; i += WORKGROUP) {
        let at = start + i;
        var value = tile_y[in_tile(i, columns)];
        {{ write_entry }}
        value = tile_x[in_tile(i, columns)];
        {{ write_reference }}
    }
}

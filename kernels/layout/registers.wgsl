
// A workgroup to a row that fits into its registers: read once, written once. Every invocation holds SLOTS
// entries, in groups of LANES neighbours that are read and written together, by the files beside this one.

@group(0) @binding(0) var<storage, read_write> logits: array<{{ logits_group }}>;
@group(0) @binding({{ sink_binding }}) var<storage, read_write> sink: array<{{ sink_group }}>;

const SLOTS: u32 = {{ slots }}u;

// The logits, and in the end the output.
var<private> held: array<f32, SLOTS>;

fn slots(columns: u32) -> u32 {
    return SLOTS;
}

fn column_of(local: u32, slot: u32) -> u32 {
    return (local + slot / LANES * WORKGROUP) * LANES + slot % LANES;
}

fn x_slot(base: u32, local: u32, slot: u32) -> f32 {
    return held[slot];
}

fn read_row(local: u32, base: u32, columns: u32) {
    for (var slot = 0u; slot < SLOTS; slot += LANES) {
        let column = column_of(local, slot);
        if column < columns {
            read_group(base + column, slot);
        }
    }
}

fn put(base: u32, local: u32, slot: u32, value: f32) {
    held[slot] = value;
}

// In the place of what another pass has put.
fn put_late(base: u32, local: u32, column: u32, value: f32) {
    for (var slot = 0u; slot < SLOTS; slot++) {
        if column_of(local, slot) == column {
            held[slot] = value;
        }
    }
}

fn write_row(local: u32, base: u32, columns: u32) {
    for (var slot = 0u; slot < SLOTS; slot += LANES) {
        let column = column_of(local, slot);
        if column < columns {
            write_group(base + column, slot);
        }
    }
}

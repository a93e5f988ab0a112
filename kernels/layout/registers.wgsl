
// One workgroup per row. The row fits into the registers of the workgroup and is read once and written once. Every
// invocation holds SLOTS entries, in groups of LANES neighbors that are read and written together.

@group(0) @binding(0) var<storage, read_write> logits: array<{{ logits_group }}>;

const SLOTS: u32 = {{ slots }}u;
const LANES: u32 = {{ lanes }}u;

// The logits, which the output replaces at the end.
var<private> registers: array<f32, SLOTS>;

fn slots(columns: u32) -> u32 {
    return SLOTS;
}

fn column_of(local: u32, slot: u32) -> u32 {
    return (local + slot / LANES * WORKGROUP) * LANES + slot % LANES;
}

fn logit_in_slot(base: u32, local: u32, slot: u32) -> f32 {
    return registers[slot];
}

fn logit_at(base: u32, column: u32) -> f32 {
    let at = base + column;
    return f32({{ logit_at }});
}

fn read_row(local: u32, base: u32, columns: u32) {
    for (var slot = 0u; slot < SLOTS; slot += LANES) {
        let column = column_of(local, slot);
        if column < columns {
            let at = base + column;
            {{ read_group }}
        }
    }
}

fn store(base: u32, local: u32, slot: u32, value: f32) {
    registers[slot] = value;
}

// Writes the value of one column after the pass over the row.
fn overwrite(base: u32, local: u32, column: u32, value: f32) {
    for (var slot = 0u; slot < SLOTS; slot++) {
        if column_of(local, slot) == column {
            registers[slot] = value;
        }
    }
}

fn write_row(local: u32, base: u32, columns: u32) {
    for (var slot = 0u; slot < SLOTS; slot += LANES) {
        let column = column_of(local, slot);
        if column < columns {
            let at = base + column;
            {{ write_group }}
        }
    }
}


// One workgroup per row of any length. Every pass reads the row from memory again.

@group(0) @binding(0) var<storage, read_write> logits: array<{{ stored }}>;

fn slots(columns: u32) -> u32 {
    return (columns + WORKGROUP - 1u) / WORKGROUP;
}

fn column_of(local: u32, slot: u32) -> u32 {
    return local + slot * WORKGROUP;
}

fn logit_in_slot(base: u32, local: u32, slot: u32) -> f32 {
    return f32(logits[base + column_of(local, slot)]);
}

fn logit_at(base: u32, column: u32) -> f32 {
    return f32(logits[base + column]);
}

fn read_row(local: u32, base: u32, columns: u32) {}

fn store(base: u32, local: u32, slot: u32, value: f32) {
    let at = base + column_of(local, slot);
    {{ write_entry }}
}

// Writes the value of one column after the pass over the row.
fn overwrite(base: u32, local: u32, column: u32, value: f32) {
    if local == 0u {
        let at = base + column;
        {{ write_entry }}
    }
}

fn write_row(local: u32, base: u32, columns: u32) {}

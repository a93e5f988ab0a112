
// The sink holds a number for each entry.

const WRITES_ENTRIES: bool = true;

// Every number of the row.
fn fill_row(local: u32, base: u32, row_index: u32, columns: u32, value: f32) {
    for (var slot = 0u; slot < slots(columns); slot++) {
        if column_of(local, slot) < columns {
            put(base, local, slot, value);
        }
    }
}


// The sink holds a number for each row.

const WRITES_ENTRIES: bool = false;

// The number of the row.
fn fill_row(local: u32, base: u32, row_index: u32, columns: u32, value: f32) {
    if speaks_for_the_row(local) {
        sink[row_index] = {{ sink }}(value);
    }
}

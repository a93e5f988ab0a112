
fn write_group(at: u32, slot: u32) {
    sink[at] = {{ sink }}(held[slot]);
}

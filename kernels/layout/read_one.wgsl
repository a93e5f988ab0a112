
const LANES: u32 = 1u;

fn x_of(base: u32, column: u32) -> f32 {
    return f32(logits[base + column]);
}

fn read_group(at: u32, slot: u32) {
    held[slot] = f32(logits[at]);
}

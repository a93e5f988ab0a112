
const LANES: u32 = 4u;

fn x_of(base: u32, column: u32) -> f32 {
    return f32(logits[(base + column) / 4u][(base + column) % 4u]);
}

fn read_group(at: u32, slot: u32) {
    let x = vec4<f32>(logits[at / 4u]);
    held[slot] = x.x;
    held[slot + 1u] = x.y;
    held[slot + 2u] = x.z;
    held[slot + 3u] = x.w;
}

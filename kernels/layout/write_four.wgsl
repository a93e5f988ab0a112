
fn write_group(at: u32, slot: u32) {
    let y = vec4<f32>(held[slot], held[slot + 1u], held[slot + 2u], held[slot + 3u]);
    sink[at / 4u] = vec4<{{ sink }}>(y);
}

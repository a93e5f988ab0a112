
// The output of every entry.

fn write_output(local: u32, base: u32, row_index: u32, columns: u32, row: RowSummary) {
    let share = residual(local, base, columns, row);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = x_slot(base, local, slot);
        let q = q_at(base, column);
        var p = 0.0;
        if OUTPUT == LOG_PROBABILITIES {
            p = bitcast<f32>(info[6]);
            if is_allowed(x, q) {
                let ratio = ratio_at(gap_of(row.max, x));
                if ratio.on_support {
                    let change = share * ratio.relative;
                    if change > -1.0 {
                        p = ln(q) + ratio.log_u + log1p(change);
                    }
                }
            }
        } else if is_allowed(x, q) {
            let m = q * mass_at(gap_of(row.max, x));
            p = max(m.x + share * m.y, 0.0);
        }
        put(base, local, slot, p);
    }
}

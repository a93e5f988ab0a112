
// The output of the row.

fn write_output(local: u32, base: u32, row_index: u32, columns: u32, row: RowSummary) {
    // The value is stationary in the root, and the divergence is not: it follows the probabilities, which have what
    // the root left of their mass.
    var share = 0.0;
    if OUTPUT == DIVERGENCE {
        share = residual(local, base, columns, row);
    }
    var terms = vec4<f32>(0.0);
    for (var slot = 0u; slot < slots(columns); slot++) {
        let column = column_of(local, slot);
        if column >= columns {
            continue;
        }
        let x = x_slot(base, local, slot);
        let q = q_at(base, column);
        if is_allowed(x, q) {
            let ratio = ratio_at(gap_of(row.max, x));
            if OUTPUT == DIVERGENCE {
                terms.z += q * generator(row, ratio.on_support, ratio.log_u);
                if ratio.on_support {
                    let change = share * q * exp_accurate(ratio.log_u) * ratio.relative;
                    terms.z += change * derivative(row, ratio.log_u);
                }
            } else {
                terms.z += q * conjugate(row, ratio.on_support, ratio.log_u);
            }
        }
    }
    var value = reduce(local, terms).z;
    if OUTPUT == VALUE {
        value += row.max - derivative(row, ratio_l);
    } else if value < 0.0 {
        // By rounding: a divergence is not negative.
        value = 0.0;
    }
    fill_row(local, base, row_index, columns, value);
}

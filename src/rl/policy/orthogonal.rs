use crate::experiment::Stream;
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, TensorData};
use rand_distr::{Distribution, StandardNormal};

/// Returns a linear layer with a zero bias and an orthogonal weight of the given gain.
///
/// Burn's own orthogonal initializer draws from the process-wide generator.
pub(super) fn orthogonal_linear(
    input: usize,
    output: usize,
    gain: f64,
    device: &Device,
    weights: &mut Stream,
) -> Linear {
    let weight: Vec<f32> = orthogonal(input, output, weights)
        .into_iter()
        .map(|w| (gain * w) as f32)
        .collect();
    Linear {
        weight: Param::from_data(TensorData::new(weight, [input, output]), device),
        bias: Some(Param::from_data(
            TensorData::new(vec![0_f32; output], [output]),
            device,
        )),
    }
}

/// Returns a random row-major matrix with orthonormal rows or columns, whichever are fewer. The distribution
/// is uniform over such matrices, by Gram-Schmidt on Gaussian vectors.
fn orthogonal(rows: usize, columns: usize, stream: &mut Stream) -> Vec<f64> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut vector: Vec<f64> = StandardNormal
            .sample_iter(&mut *stream)
            .take(length)
            .collect();
        // Two passes are enough: the second removes the rounding errors of the first.
        for _ in 0..2 {
            for other in &basis {
                let dot: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                for (v, o) in vector.iter_mut().zip(other) {
                    *v -= dot * o;
                }
            }
        }
        let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        for v in &mut vector {
            *v /= norm;
        }
        basis.push(vector);
    }
    let mut matrix = vec![0.0; rows * columns];
    for (i, vector) in basis.iter().enumerate() {
        for (j, &v) in vector.iter().enumerate() {
            let (row, column) = if rows <= columns { (i, j) } else { (j, i) };
            matrix[row * columns + column] = v;
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Purpose, stream};

    #[test]
    fn the_shorter_side_is_orthonormal() {
        for (rows, columns) in [(4, 64), (64, 64), (64, 2), (1, 3), (5, 1)] {
            let m = orthogonal(rows, columns, &mut stream(3, Purpose::Weights, 0));
            let at = |i: usize, j: usize| {
                if rows <= columns {
                    m[i * columns + j]
                } else {
                    m[j * columns + i]
                }
            };
            let (count, length) = (rows.min(columns), rows.max(columns));
            for a in 0..count {
                for b in 0..count {
                    let dot: f64 = (0..length).map(|j| at(a, j) * at(b, j)).sum();
                    let want = f64::from(u8::from(a == b));
                    assert!(
                        (dot - want).abs() < 1e-12,
                        "{rows}x{columns} ({a}, {b}): {dot}"
                    );
                }
            }
        }
    }
}

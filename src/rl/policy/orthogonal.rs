use crate::experiment::Stream;
use burn::Tensor;
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, TensorData};
use rand_distr::{Distribution, StandardNormal};

/// The initial weights of new networks.
pub(in crate::rl) enum Initializer<'a, E> {
    /// Orthogonal weights from a stream. `check` is called often, and its error ends the initialization, which
    /// takes minutes for wide layers.
    Orthogonal {
        weights: &'a mut Stream,
        check: &'a dyn Fn() -> Result<(), E>,
    },
    /// Zeros, for networks whose weights are loaded next.
    Zeros,
}

/// Returns a linear layer with a zero bias. An orthogonal weight has the given gain.
///
/// Burn's own orthogonal initializer draws from the process-wide generator.
pub(super) fn linear<E>(
    input: usize,
    output: usize,
    gain: f64,
    device: &Device,
    initializer: &mut Initializer<'_, E>,
) -> Result<Linear, E> {
    let weight = match initializer {
        Initializer::Orthogonal { weights, check } => {
            let weight: Vec<f32> = orthogonal(input, output, weights, *check)?
                .into_iter()
                .map(|w| (gain * w) as f32)
                .collect();
            Tensor::from_data(TensorData::new(weight, [input, output]), device)
        }
        Initializer::Zeros => Tensor::zeros([input, output], device),
    };
    Ok(Linear {
        weight: Param::from_tensor(weight),
        bias: Some(Param::from_tensor(Tensor::zeros([output], device))),
    })
}

/// Returns a random row-major matrix with orthonormal rows or columns, whichever are fewer. The distribution
/// is uniform over such matrices, by Gram-Schmidt on Gaussian vectors.
fn orthogonal<E>(
    rows: usize,
    columns: usize,
    stream: &mut Stream,
    check: &dyn Fn() -> Result<(), E>,
) -> Result<Vec<f64>, E> {
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
                check()?;
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
    Ok(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Purpose, stream};
    use std::cell::Cell;
    use std::convert::Infallible;

    /// Layers of the largest width take minutes, so a stop must not wait for the end of a layer.
    #[test]
    fn an_error_of_the_check_ends_the_initialization() {
        let calls = Cell::new(0);
        let check = || {
            calls.set(calls.get() + 1);
            if calls.get() < 10 {
                Ok(())
            } else {
                Err("stopped")
            }
        };
        let mut weights = stream(0, Purpose::Weights, 0);
        let made = orthogonal(65_536, 65_536, &mut weights, &check);
        assert_eq!((made, calls.get()), (Err("stopped"), 10));
    }

    #[test]
    fn the_shorter_side_is_orthonormal() {
        for (rows, columns) in [(4, 64), (64, 64), (64, 2), (1, 3), (5, 1)] {
            let mut weights = stream(3, Purpose::Weights, 0);
            let Ok(m) = orthogonal(rows, columns, &mut weights, &|| Ok::<_, Infallible>(()));
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

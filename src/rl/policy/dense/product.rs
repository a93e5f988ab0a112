//! Products of matrices on the host, into memory of the caller.

use crate::op::cpu::product;
use crate::op::cpu::vector::{lanes, load_row, splat};
use macerator::{AutoArch, Simd, WithSimd};

#[cfg(feature = "flex")]
type HostProduct = product::Gemm<true>;
#[cfg(not(feature = "flex"))]
type HostProduct = product::MatrixMultiply;

/// A matrix of any strides in a slice.
pub(in crate::rl) type Matrix<'a> = product::Matrix<'a, f32>;

/// Computes `C = A B`, or `C += A B`, for a row-major `C`.
///
/// # Panics
///
/// If the shapes do not match.
pub(in crate::rl) fn multiply(a: Matrix<'_>, b: Matrix<'_>, accumulate: bool, c: &mut [f32]) {
    product::multiply::<f32, HostProduct>(1.0, a, b, accumulate, c, b.columns());
}

/// Whether a matrix has so few columns that the vectors of a general product would be almost empty. The products
/// of a layer with 2 outputs take a third of the time this way, and those with 8 take longer. The library has a
/// product for one column.
pub(in crate::rl) fn is_narrow(columns: usize) -> bool {
    (2..=4).contains(&columns)
}

/// Writes the transpose of a row-major matrix.
pub(in crate::rl) fn transpose(values: &[f32], columns: usize, transposed: &mut [f32]) {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    for (i, row) in values.chunks_exact(columns.max(1)).enumerate() {
        for (j, &value) in row.iter().enumerate() {
            transposed[j * rows + i] = value;
        }
    }
}

/// Computes `C = A B^T` for row-major matrices with `inner` columns in `A` and few rows in `B`.
///
/// # Panics
///
/// If the shapes do not match.
pub(in crate::rl) fn multiply_by_rows(a: &[f32], b: &[f32], inner: usize, c: &mut [f32]) {
    assert!(
        inner > 0 && c.len() == (a.len() / inner) * (b.len() / inner),
        "cannot multiply rows of {inner} of {} and {} numbers into {}",
        a.len(),
        b.len(),
        c.len()
    );
    AutoArch::new().dispatch(ByRows { a, b, inner, c });
}

struct ByRows<'a> {
    a: &'a [f32],
    b: &'a [f32],
    inner: usize,
    c: &'a mut [f32],
}

impl WithSimd for ByRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self) {
        let columns = self.b.len() / self.inner;
        let rows = self.a.chunks_exact(self.inner);
        for (a, c) in rows.zip(self.c.chunks_exact_mut(columns)) {
            for (b, c) in self.b.chunks_exact(self.inner).zip(c) {
                let mut sum = splat::<S>(0.0);
                for i in (0..self.inner).step_by(lanes::<S>()) {
                    sum = load_row::<S>(a, i).mul_add(load_row::<S>(b, i), sum);
                }
                *c = sum.reduce_add();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize, step: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * step).sin()).collect()
    }

    #[test]
    fn few_rows_are_multiplied_alike() {
        for [rows, inner, columns] in [[128, 64, 2], [5, 67, 3], [1, 1, 4]] {
            let (a, b) = (wave(rows * inner, 0.37), wave(inner * columns, 0.71));
            let mut wanted = vec![0.0; rows * columns];
            multiply(
                Matrix::of_rows(&a, inner),
                Matrix::of_rows(&b, columns),
                false,
                &mut wanted,
            );
            let (mut transposed, mut c) = (vec![0.0; b.len()], vec![0.0; wanted.len()]);
            transpose(&b, columns, &mut transposed);
            multiply_by_rows(&a, &transposed, inner, &mut c);
            for (c, wanted) in c.iter().zip(wanted) {
                assert!((c - wanted).abs() < 1e-5, "{c} {wanted}");
            }
        }
    }
}

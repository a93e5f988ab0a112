//! Products of matrices on the host, into memory of the caller.

use crate::op::cpu::vector::{lanes, load_row, splat};
use macerator::{AutoArch, Simd, WithSimd};

/// A matrix of any strides in a slice.
#[derive(Clone, Copy)]
pub(in crate::rl) struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Returns a matrix of the given strides.
    ///
    /// # Panics
    ///
    /// If the matrix extends past the slice.
    pub fn new(values: &'a [f32], shape: [usize; 2], strides: [usize; 2]) -> Self {
        let [rows, columns] = shape;
        assert!(
            rows == 0
                || columns == 0
                || (rows - 1) * strides[0] + (columns - 1) * strides[1] < values.len(),
            "a {shape:?} matrix with strides {strides:?} does not fit in {} numbers",
            values.len()
        );
        Self {
            values,
            shape,
            strides,
        }
    }

    /// Returns a matrix of contiguous rows.
    pub fn of_rows(values: &'a [f32], columns: usize) -> Self {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        Self::new(values, [rows, columns], [columns, 1])
    }

    pub fn transposed(self) -> Self {
        let ([rows, columns], [row_stride, column_stride]) = (self.shape, self.strides);
        Self {
            shape: [columns, rows],
            strides: [column_stride, row_stride],
            ..self
        }
    }
}

/// Computes `C = A B`, or `C += A B`, for a row-major `C`. The result does not depend on the number of threads.
///
/// # Panics
///
/// If the shapes do not match.
pub(in crate::rl) fn multiply(a: Matrix<'_>, b: Matrix<'_>, accumulate: bool, c: &mut [f32]) {
    let ([rows, inner], [inner_b, columns]) = (a.shape, b.shape);
    assert!(
        inner == inner_b && c.len() == rows * columns,
        "cannot multiply [{rows}, {inner}] by [{inner_b}, {columns}] into {} numbers",
        c.len()
    );
    if inner == 0 && !accumulate {
        c.fill(0.0);
    }
    if inner > 0 && !c.is_empty() {
        // SAFETY: the result has `rows * columns` entries, and each factor lies within its slice.
        unsafe { product(a, b, accumulate, c.as_mut_ptr()) };
    }
}

/// The product of Burn's CPU backend.
///
/// # Safety
///
/// The shapes match, no size is zero, and `c` is valid for the writes of the result.
#[cfg(feature = "flex")]
unsafe fn product(a: Matrix<'_>, b: Matrix<'_>, accumulate: bool, c: *mut f32) {
    /// The smallest number of multiplications for which a product uses rayon's workers. Burn's own product has
    /// the same threshold.
    const PARALLEL_PRODUCT: usize = 192 * 192 * 192;

    let ([rows, inner], columns) = (a.shape, b.shape[1]);
    let operations = rows.saturating_mul(inner).saturating_mul(columns);
    let parallelism = if operations < PARALLEL_PRODUCT {
        gemm::Parallelism::None
    } else {
        gemm::Parallelism::Rayon(0)
    };
    let [a_strides, b_strides] = [a, b].map(|m| m.strides.map(|stride| stride as isize));
    // SAFETY: the caller's, and the last entry of a matrix lies within its slice.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            c,
            1,
            columns as isize,
            accumulate,
            a.values.as_ptr(),
            a_strides[1],
            a_strides[0],
            b.values.as_ptr(),
            b_strides[1],
            b_strides[0],
            if accumulate { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// The product of the ndarray backend.
///
/// # Safety
///
/// The shapes match, no size is zero, and `c` is valid for the writes of the result.
#[cfg(not(feature = "flex"))]
unsafe fn product(a: Matrix<'_>, b: Matrix<'_>, accumulate: bool, c: *mut f32) {
    let ([rows, inner], columns) = (a.shape, b.shape[1]);
    let [a_strides, b_strides] = [a, b].map(|m| m.strides.map(|stride| stride as isize));
    // SAFETY: the caller's, and the last entry of a matrix lies within its slice.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            inner,
            columns,
            1.0,
            a.values.as_ptr(),
            a_strides[0],
            a_strides[1],
            b.values.as_ptr(),
            b_strides[0],
            b_strides[1],
            if accumulate { 1.0 } else { 0.0 },
            c,
            columns as isize,
            1,
        );
    }
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

    /// Compares every layout of both factors with sums in `f64`.
    #[test]
    fn every_layout_is_multiplied() {
        for [rows, inner, columns] in [[1, 1, 1], [13, 7, 80], [128, 64, 2], [3, 0, 2], [0, 4, 5]] {
            let (a, b) = (wave(rows * inner, 0.37), wave(inner * columns, 0.71));
            let layouts = |values, rows, columns| {
                let transposed = Matrix::new(values, [columns, rows], [rows, 1]).transposed();
                [
                    Matrix::new(values, [rows, columns], [columns, 1]),
                    transposed,
                ]
            };
            for a in layouts(&a, rows, inner) {
                for b in layouts(&b, inner, columns) {
                    let at = |m: Matrix<'_>, i, j| {
                        f64::from(m.values[i * m.strides[0] + j * m.strides[1]])
                    };
                    let mut c = vec![f32::NAN; rows * columns];
                    multiply(a, b, false, &mut c);
                    multiply(a, b, true, &mut c);
                    for (i, c) in c.into_iter().enumerate() {
                        let (row, column) = (i / columns, i % columns);
                        let exact: f64 = (0..inner).map(|k| at(a, row, k) * at(b, k, column)).sum();
                        assert!((f64::from(c) - 2.0 * exact).abs() < 1e-5, "{c} {exact}");
                    }
                }
            }
        }
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

    #[test]
    fn the_same_bits_for_any_number_of_threads() {
        let [rows, inner, columns] = [200, 390, 210];
        let (a, b) = (wave(rows * inner, 0.37), wave(inner * columns, 0.71));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            let mut c = vec![0.0; rows * columns];
            let (a, b) = (Matrix::of_rows(&a, inner), Matrix::of_rows(&b, columns));
            pool.install(|| multiply(a, b, false, &mut c));
            c
        };
        assert_eq!(run(1), run(3));
    }
}

//! Matrix products on the host, into memory of the caller.

use std::ops::Range;

/// A matrix of any strides in a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, F> {
    values: &'a [F],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a, F> Matrix<'a, F> {
    /// Returns a matrix of the given strides.
    ///
    /// # Panics
    ///
    /// If the matrix extends past the slice.
    pub fn new(values: &'a [F], shape: [usize; 2], strides: [usize; 2]) -> Self {
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

    /// Returns all columns of contiguous rows of `width` numbers.
    pub fn of_rows(values: &'a [F], width: usize) -> Self {
        Self::of_columns(values, width, 0..width)
    }

    /// Returns some columns of contiguous rows of `width` numbers.
    pub fn of_columns(values: &'a [F], width: usize, columns: Range<usize>) -> Self {
        assert!(
            columns.end <= width,
            "the columns {columns:?} do not fit in rows of {width} numbers"
        );
        let rows = values.len().checked_div(width).unwrap_or(0);
        let values = values.get(columns.start..).unwrap_or(&[]);
        Self::new(values, [rows, columns.len()], [width, 1])
    }

    #[cfg(feature = "rl")]
    pub fn columns(&self) -> usize {
        self.shape[1]
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

/// The matrix product of a backend.
pub(crate) trait Product<F>: Sync {
    /// Computes `C = factor A B`, or `C += factor A B`, for row-major `C`.
    ///
    /// # Safety
    ///
    /// The pointers are valid for the elements of `A` (`rows x inner`) and `B` (`inner x columns`) at these strides, and
    /// for the writes of `C` (`rows x columns`) at its row stride. No size is zero.
    #[expect(clippy::too_many_arguments)]
    unsafe fn product(
        sizes: [usize; 3],
        factor: F,
        a: *const F,
        a_strides: [isize; 2],
        b: *const F,
        b_strides: [isize; 2],
        accumulate: bool,
        c: *mut F,
        c_stride: isize,
    );
}

/// Computes `C = factor A B`, or `C += factor A B`, for `C` with rows of `width` numbers. `C` may begin within the first
/// row of its tensor. The result does not depend on the number of threads.
///
/// # Panics
///
/// If the shapes do not match.
pub(crate) fn multiply<F: num_traits::Float, M: Product<F>>(
    factor: F,
    a: Matrix<'_, F>,
    b: Matrix<'_, F>,
    accumulate: bool,
    c: &mut [F],
    width: usize,
) {
    let ([rows, inner], [inner_b, columns]) = (a.shape, b.shape);
    assert!(
        inner == inner_b
            && columns <= width
            && (rows == 0 || (rows - 1) * width + columns <= c.len()),
        "cannot multiply [{rows}, {inner}] by [{inner_b}, {columns}] into {} numbers",
        c.len()
    );
    if rows == 0 || columns == 0 {
        return;
    }
    if inner == 0 {
        if !accumulate {
            for row in c.chunks_mut(width).take(rows) {
                row[..columns].fill(F::zero());
            }
        }
        return;
    }
    let [a_strides, b_strides] = [a, b].map(|m| m.strides.map(|stride| stride as isize));
    // SAFETY: no size is zero, each factor lies within its slice, and the last row of the result ends in `c`, as checked.
    unsafe {
        M::product(
            [rows, inner, columns],
            factor,
            a.values.as_ptr(),
            a_strides,
            b.values.as_ptr(),
            b_strides,
            accumulate,
            c.as_mut_ptr(),
            width as isize,
        );
    }
}

/// The product of Burn's CPU backend: on the calling thread, or in parallel if it is large.
#[cfg(feature = "flex")]
pub(crate) struct Gemm<const PARALLEL: bool>;

#[cfg(feature = "flex")]
impl<const PARALLEL: bool> Gemm<PARALLEL> {
    /// The smallest number of multiplications for which a product uses rayon's workers. Burn's own product has the same
    /// threshold.
    const PARALLEL_OPERATIONS: usize = 192 * 192 * 192;
}

#[cfg(feature = "flex")]
impl<F: num_traits::Float + 'static, const PARALLEL: bool> Product<F> for Gemm<PARALLEL> {
    unsafe fn product(
        [rows, inner, columns]: [usize; 3],
        factor: F,
        a: *const F,
        a_strides: [isize; 2],
        b: *const F,
        b_strides: [isize; 2],
        accumulate: bool,
        c: *mut F,
        c_stride: isize,
    ) {
        let operations = rows.saturating_mul(inner).saturating_mul(columns);
        let parallelism = if PARALLEL && operations >= Self::PARALLEL_OPERATIONS {
            gemm::Parallelism::Rayon(0)
        } else {
            gemm::Parallelism::None
        };
        let before = if accumulate { F::one() } else { F::zero() };
        // SAFETY: the caller's.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                inner,
                c,
                1,
                c_stride,
                accumulate,
                a,
                a_strides[1],
                a_strides[0],
                b,
                b_strides[1],
                b_strides[0],
                before,
                factor,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
}

/// The product of the ndarray backend, on the calling thread.
#[cfg(feature = "ndarray")]
pub(crate) struct MatrixMultiply;

#[cfg(feature = "ndarray")]
macro_rules! matrix_multiply {
    ($($real:ident $gemm:ident),*) => {$(
        impl Product<$real> for MatrixMultiply {
            unsafe fn product(
                [rows, inner, columns]: [usize; 3],
                factor: $real,
                a: *const $real,
                a_strides: [isize; 2],
                b: *const $real,
                b_strides: [isize; 2],
                accumulate: bool,
                c: *mut $real,
                c_stride: isize,
            ) {
                let before = if accumulate { 1.0 } else { 0.0 };
                // SAFETY: the caller's.
                unsafe {
                    matrixmultiply::$gemm(
                        rows,
                        inner,
                        columns,
                        factor,
                        a,
                        a_strides[0],
                        a_strides[1],
                        b,
                        b_strides[0],
                        b_strides[1],
                        before,
                        c,
                        c_stride,
                        1,
                    );
                }
            }
        }
    )*};
}
#[cfg(feature = "ndarray")]
matrix_multiply!(f32 sgemm, f64 dgemm);

#[cfg(all(test, feature = "flex"))]
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
                    let at = |m: Matrix<'_, f32>, i, j| {
                        f64::from(m.values[i * m.strides[0] + j * m.strides[1]])
                    };
                    let mut c = vec![f32::NAN; rows * columns];
                    multiply::<f32, Gemm<true>>(1.0, a, b, false, &mut c, columns);
                    multiply::<f32, Gemm<true>>(1.0, a, b, true, &mut c, columns);
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
            pool.install(|| multiply::<f32, Gemm<true>>(1.0, a, b, false, &mut c, columns));
            c
        };
        assert_eq!(run(1), run(3));
    }
}

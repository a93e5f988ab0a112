//! Matrix products on the calling thread.

use std::ops::Range;

/// A matrix of any strides in a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, F> {
    values: &'a [F],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, F> Matrix<'a, F> {
    /// Returns all columns of rows of `width` numbers.
    pub fn new(values: &'a [F], width: usize) -> Self {
        Self::of_columns(values, width, 0..width)
    }

    /// Returns some columns of rows of `width` numbers.
    pub fn of_columns(values: &'a [F], width: usize, columns: Range<usize>) -> Self {
        assert!(
            columns.end <= width,
            "the columns {columns:?} do not fit in rows of {width} numbers"
        );
        Self {
            rows: values.len().checked_div(width).unwrap_or(0),
            columns: columns.len(),
            values: values.get(columns.start..).unwrap_or(&[]),
            row_stride: width,
            column_stride: 1,
        }
    }

    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// The matrix product of a backend, on the calling thread.
pub(in crate::op) trait Product<F>: Sync {
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
/// row of its tensor.
pub(super) fn multiply<F: num_traits::Float, M: Product<F>>(
    factor: F,
    a: Matrix<'_, F>,
    b: Matrix<'_, F>,
    accumulate: bool,
    c: &mut [F],
    width: usize,
) {
    let (rows, inner, columns) = (a.rows, a.columns, b.columns);
    let fits = |m: &Matrix<'_, F>| {
        m.rows == 0
            || m.columns == 0
            || (m.rows - 1) * m.row_stride + (m.columns - 1) * m.column_stride < m.values.len()
    };
    assert!(
        inner == b.rows
            && columns <= width
            && (rows == 0 || (rows - 1) * width + columns <= c.len())
            && fits(&a)
            && fits(&b),
        "cannot multiply [{rows}, {inner}] by [{}, {columns}] into {} numbers",
        b.rows,
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
    let strides = |m: &Matrix<'_, F>| [m.row_stride as isize, m.column_stride as isize];
    // SAFETY: no size is zero, and the last element of each matrix lies within its slice, as checked above.
    unsafe {
        M::product(
            [rows, inner, columns],
            factor,
            a.values.as_ptr(),
            strides(&a),
            b.values.as_ptr(),
            strides(&b),
            accumulate,
            c.as_mut_ptr(),
            width as isize,
        );
    }
}

/// The product of Burn's CPU backend.
#[cfg(feature = "flex")]
pub(in crate::op) struct Gemm;

#[cfg(feature = "flex")]
impl<F: num_traits::Float + 'static> Product<F> for Gemm {
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
        let one_if = |condition| if condition { F::one() } else { F::zero() };
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
                one_if(accumulate),
                factor,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

/// The product of the ndarray backend.
#[cfg(feature = "ndarray")]
pub(in crate::op) struct MatrixMultiply;

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

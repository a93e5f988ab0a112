//! The transposition of the rows of a group, between a row in each lane and rows in memory.

use std::mem::MaybeUninit;

/// Transposes `rows` rows, which begin `stride` numbers apart, into rows that begin `to_stride` numbers apart.
pub(super) fn transpose(
    from: &[f32],
    stride: usize,
    to: &mut [MaybeUninit<f32>],
    to_stride: usize,
    rows: usize,
) {
    let columns = from.len() - (rows - 1) * stride;
    let size = [rows, columns];
    match (rows, columns) {
        #[cfg(target_arch = "x86_64")]
        (4.., 4..) => x86::transpose(from, stride, to, to_stride, size),
        #[cfg(not(target_arch = "x86_64"))]
        (4.., 4..) => transpose_blocks::<4, 4>(from, stride, to, to_stride, size),
        (4.., 3) => transpose_blocks::<4, 3>(from, stride, to, to_stride, size),
        (4.., 2) => transpose_blocks::<4, 2>(from, stride, to, to_stride, size),
        (3, 4..) => transpose_blocks::<3, 4>(from, stride, to, to_stride, size),
        (2, 4..) => transpose_blocks::<2, 4>(from, stride, to, to_stride, size),
        _ => transpose_blocks::<1, 1>(from, stride, to, to_stride, size),
    }
}

/// [`transpose`] in blocks of `R` rows and `C` columns. The last ones overlap others.
///
/// It is compiled for the oldest machine: with newer instructions, the compiler would use scatters and gathers, which are
/// slower than single numbers and much slower than blocks that are transposed in registers.
fn transpose_blocks<const R: usize, const C: usize>(
    from: &[f32],
    stride: usize,
    to: &mut [MaybeUninit<f32>],
    to_stride: usize,
    [rows, columns]: [usize; 2],
) {
    for row in (0..rows).step_by(R) {
        let row = row.min(rows - R);
        for column in (0..columns).step_by(C) {
            let column = column.min(columns - C);
            let mut block = [[0.0; R]; C];
            for i in 0..R {
                let line = &from[(row + i) * stride + column..][..C];
                for (j, &number) in line.iter().enumerate() {
                    block[j][i] = number;
                }
            }
            for (j, line) in block.iter().enumerate() {
                let to = &mut to[(column + j) * to_stride + row..][..R];
                for (to, &number) in to.iter_mut().zip(line) {
                    to.write(number);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    /// [`super::transpose`] with the widest vectors of the machine that the rows fill. Each 128 bits of a vector hold a
    /// block of four rows and four columns.
    pub fn transpose(
        from: &[f32],
        stride: usize,
        to: &mut [MaybeUninit<f32>],
        to_stride: usize,
        size: [usize; 2],
    ) {
        let [rows, columns] = size;
        assert!(rows >= 4 && columns >= 4);
        assert!((rows - 1) * stride + columns <= from.len());
        assert!((columns - 1) * to_stride + rows <= to.len());
        let can_sixteen = rows >= 16 && is_x86_feature_detected!("avx512f");
        let can_eight = rows >= 8 && is_x86_feature_detected!("avx");
        let mut done = 0;
        while done < rows {
            let (height, block): (usize, Block) = match rows - done {
                9.. if can_sixteen => (16, sixteen_rows),
                5.. if can_eight => (8, eight_rows),
                _ => (4, four_rows),
            };
            // The last block overlaps others.
            let row = done.min(rows - height);
            // SAFETY: the machine has the instructions (those of `four_rows` belong to the architecture), and the rows and
            // columns are within both slices.
            unsafe {
                let (from, to) = (from.as_ptr().add(row * stride), to.as_mut_ptr().add(row));
                block(from, stride, to.cast(), to_stride, columns);
            }
            done = row + height;
        }
    }

    /// Transposes some rows, of at least four columns.
    type Block = unsafe fn(*const f32, usize, *mut f32, usize, usize);

    /// Defines a [`Block`] of four rows for each 128 bits of a vector.
    macro_rules! block {
        (
            $(#[$attribute:meta])* $name:ident, $load:ident, $store:ident,
            $unpack_low:ident, $unpack_high:ident, $shuffle:ident
        ) => {
            $(#[$attribute])*
            unsafe fn $name(
                from: *const f32,
                stride: usize,
                to: *mut f32,
                to_stride: usize,
                columns: usize,
            ) {
                for column in (0..columns).step_by(4) {
                    // The last columns overlap others.
                    let column = column.min(columns - 4);
                    // SAFETY: the caller promises that the rows and columns are within both slices.
                    unsafe {
                        let [a, b, c, d] = [0, 1, 2, 3]
                            .map(|i| $load(from.add(column + i * stride), 4 * stride));
                        let (ab, cd) = ($unpack_low(a, b), $unpack_low(c, d));
                        let (ab_high, cd_high) = ($unpack_high(a, b), $unpack_high(c, d));
                        let lines = [
                            $shuffle::<FIRST_HALVES>(ab, cd),
                            $shuffle::<SECOND_HALVES>(ab, cd),
                            $shuffle::<FIRST_HALVES>(ab_high, cd_high),
                            $shuffle::<SECOND_HALVES>(ab_high, cd_high),
                        ];
                        for (j, line) in lines.into_iter().enumerate() {
                            $store(to.add((column + j) * to_stride), line);
                        }
                    }
                }
            }
        };
    }

    /// The two numbers of each operand of a shuffle.
    const FIRST_HALVES: i32 = 0b01_00_01_00;
    const SECOND_HALVES: i32 = 0b11_10_11_10;

    block!(
        four_rows,
        load_row,
        _mm_storeu_ps,
        _mm_unpacklo_ps,
        _mm_unpackhi_ps,
        _mm_shuffle_ps
    );
    block!(
        #[target_feature(enable = "avx")]
        eight_rows,
        load_two_rows,
        _mm256_storeu_ps,
        _mm256_unpacklo_ps,
        _mm256_unpackhi_ps,
        _mm256_shuffle_ps
    );
    block!(
        #[target_feature(enable = "avx512f")]
        sixteen_rows,
        load_four_rows,
        _mm512_storeu_ps,
        _mm512_unpacklo_ps,
        _mm512_unpackhi_ps,
        _mm512_shuffle_ps
    );

    /// Loads four numbers of a row.
    #[inline(always)]
    unsafe fn load_row(from: *const f32, _stride: usize) -> __m128 {
        // SAFETY: the caller promises that the numbers are within a slice.
        unsafe { _mm_loadu_ps(from) }
    }

    /// Loads four numbers of each of two rows.
    #[inline]
    #[target_feature(enable = "avx")]
    unsafe fn load_two_rows(from: *const f32, stride: usize) -> __m256 {
        // SAFETY: the caller promises that the numbers are within a slice.
        unsafe { _mm256_set_m128(_mm_loadu_ps(from.add(stride)), _mm_loadu_ps(from)) }
    }

    /// Loads four numbers of each of four rows.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_four_rows(from: *const f32, stride: usize) -> __m512 {
        // SAFETY: the caller promises that the numbers are within a slice.
        unsafe {
            let rows = _mm512_castps128_ps512(_mm_loadu_ps(from));
            let rows = _mm512_insertf32x4::<1>(rows, _mm_loadu_ps(from.add(stride)));
            let rows = _mm512_insertf32x4::<2>(rows, _mm_loadu_ps(from.add(2 * stride)));
            _mm512_insertf32x4::<3>(rows, _mm_loadu_ps(from.add(3 * stride)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::cpu::vector::as_unwritten;

    /// Rows of every length up to 40, so that the blocks of 16, 8 and 4 rows come first and last.
    #[test]
    fn every_number_changes_its_row_and_column() {
        for rows in 1..=40 {
            for columns in 1..=40 {
                let (stride, to_stride) = (columns + 3, rows + 2);
                let from: Vec<f32> = (0..(rows - 1) * stride + columns)
                    .map(|i| i as f32)
                    .collect();
                let mut to = vec![-1.0; (columns - 1) * to_stride + rows];
                transpose(&from, stride, as_unwritten(&mut to), to_stride, rows);
                for (at, &number) in to.iter().enumerate() {
                    let (column, row) = (at / to_stride, at % to_stride);
                    let want = if row < rows {
                        from[row * stride + column]
                    } else {
                        -1.0
                    };
                    assert_eq!(
                        number, want,
                        "{rows} x {columns}, row {row} column {column}"
                    );
                }
            }
        }
    }
}

//! Attention by blocks of queries, in parallel over batch, heads and blocks.
//!
//! The blocks depend on the shapes only, and each sum has a fixed order, so the bits of a result do not depend on the
//! number of threads.
//!
//! | file | contents |
//! |---|---|
//! | `forward`, `backward` | the passes over all blocks |
//! | `rows` | the row kernels on a block |

mod backward;
mod forward;
mod rows;

use super::Arithmetic;
use super::product::{Matrix, Product, multiply};
use crate::op::attention::{AttentionParameters, AttentionShape};
use rayon::prelude::*;
use std::ops::Range;

/// The inputs of a call, contiguous.
pub(in crate::op) struct Attention<'a, F> {
    pub shape: AttentionShape,
    pub query: &'a [F],
    pub key: &'a [F],
    pub value: &'a [F],
    /// Alpha of each row; `None` if it is the number in the parameters.
    pub alpha: Option<&'a [F]>,
    pub bias: Option<Broadcast<'a, F>>,
    /// Not zero where a key is masked.
    pub masks: [Option<Broadcast<'a, u8>>; 2],
    /// Not zero where a block of scores is masked.
    pub block_mask: Option<Broadcast<'a, u8>>,
    pub parameters: &'a AttentionParameters,
}

/// A contiguous tensor that broadcasts to the scores.
#[derive(Clone, Copy)]
pub(in crate::op) struct Broadcast<'a, T> {
    pub values: &'a [T],
    pub shape: [usize; 4],
}

impl<'a, T: Copy> Broadcast<'a, T> {
    /// The numbers of a row of scores, or the one number of all its entries.
    fn row(&self, [batch, head, query]: [usize; 3]) -> &'a [T] {
        let [batches, heads, queries, keys] = self.shape;
        let row = ((batch % batches) * heads + head % heads) * queries + query % queries;
        &self.values[row * keys..][..keys]
    }

    /// Calls `f` with each of the entries of a row and the number for its key.
    fn apply<F>(
        &self,
        row: [usize; 3],
        columns: &Columns,
        entries: &mut [F],
        f: impl Fn(&mut F, T),
    ) {
        match self.row(row) {
            [one] => entries[..columns.keys]
                .iter_mut()
                .for_each(|entry| f(entry, *one)),
            all => {
                for run in &columns.runs {
                    let entries = &mut entries[run.columns()];
                    for (entry, &value) in entries.iter_mut().zip(&all[run.keys.clone()]) {
                        f(entry, value);
                    }
                }
            }
        }
    }
}

/// A size of the scores of a block, in bytes.
const BLOCK_BYTES: usize = 2 << 20;

/// The smallest and the largest number of queries in a block. With fewer, most of the time of a product goes into
/// reading the keys.
const BLOCK_QUERIES: (usize, usize) = (32, 128);

/// Some queries of a head.
#[derive(Clone)]
struct Queries {
    batch: usize,
    head: usize,
    range: Range<usize>,
}

/// The fewest masked keys that are left out of the scores of a block. Leaving out fewer would split the products into
/// small ones. The number is not tuned.
const MIN_GAP: usize = 32;

/// The keys of a block of queries: one run, or several if a block mask leaves out keys between them.
struct Columns {
    runs: Vec<Run>,
    /// The number of keys.
    keys: usize,
    /// The length of a row of scores, which has a last column for the null score if there is one.
    count: usize,
}

/// Consecutive keys, and the first of their columns.
struct Run {
    keys: Range<usize>,
    first: usize,
}

impl Run {
    fn columns(&self) -> Range<usize> {
        self.first..self.first + self.keys.len()
    }

    /// The columns of those of the keys that are in the range.
    fn columns_of(&self, keys: Range<usize>) -> Range<usize> {
        let column =
            |key: usize| self.first + key.clamp(self.keys.start, self.keys.end) - self.keys.start;
        let first = column(keys.start);
        first..column(keys.end).max(first)
    }
}

impl Columns {
    fn new(runs: impl IntoIterator<Item = Range<usize>>, has_null_score: bool) -> Self {
        let mut columns = Self {
            runs: Vec::new(),
            keys: 0,
            count: usize::from(has_null_score),
        };
        for keys in runs {
            let first = columns.keys;
            columns.keys += keys.len();
            columns.count += keys.len();
            columns.runs.push(Run { keys, first });
        }
        columns
    }
}

/// The buffers of a thread.
struct Scratch<F> {
    scores: Vec<F>,
    weights: Vec<F>,
    cotangent: Vec<F>,
    gradient: Vec<F>,
    /// The derivative of the soft cap.
    slope: Vec<F>,
}

impl<F> Default for Scratch<F> {
    fn default() -> Self {
        Self {
            scores: Vec::new(),
            weights: Vec::new(),
            cotangent: Vec::new(),
            gradient: Vec::new(),
            slope: Vec::new(),
        }
    }
}

/// Returns a buffer of this length, with any contents.
fn resized<F: Arithmetic>(buffer: &mut Vec<F>, length: usize) -> &mut [F] {
    if buffer.len() < length {
        // Not `resize`, which would copy the contents.
        *buffer = vec![F::ZERO; length];
    }
    &mut buffer[..length]
}

impl<F: Arithmetic> Attention<'_, F> {
    /// The number of queries in a block.
    fn block_queries(&self) -> usize {
        let keys = match self.parameters.window {
            Some(window) => self.shape.keys.min(window.saturating_mul(2)),
            None => self.shape.keys,
        };
        let (min, max) = BLOCK_QUERIES;
        let block = (BLOCK_BYTES / (size_of::<F>() * keys)).clamp(min, max);
        // Queries of two blocks of a block mask need the keys of both.
        match (&self.block_mask, self.parameters.block_size[0]) {
            (Some(_), size) if size < block => block - block % size,
            _ => block,
        }
    }

    /// The rows of a head in a tensor of the queries' shape, counted from the first row of the tensor.
    fn rows_of(&self, queries: &Queries) -> Range<usize> {
        let first = (queries.batch * self.shape.heads + queries.head) * self.shape.queries;
        first + queries.range.start..first + queries.range.end
    }

    /// The rows of some keys in a tensor of the keys' shape.
    fn key_rows(&self, queries: &Queries, keys: &Range<usize>) -> Range<usize> {
        let key_head = queries.head / self.shape.group();
        let first = (queries.batch * self.shape.key_heads + key_head) * self.shape.keys;
        first + keys.start..first + keys.end
    }

    fn columns(&self, queries: &Queries) -> Columns {
        let batches = queries.batch..queries.batch + 1;
        let keys = self
            .parameters
            .keys_of_block(batches, queries.range.clone(), &self.shape);
        let has_null_score = self.parameters.null_score.is_some();
        let Some(mask) = &self.block_mask else {
            return Columns::new([keys], has_null_score);
        };
        let [query_size, key_size] = self.parameters.block_size;
        let range = &queries.range;
        let rows: Vec<_> = (range.start / query_size..range.end.div_ceil(query_size))
            .map(|block| mask.row([queries.batch, queries.head, block]))
            .collect();
        let mut runs: Vec<Range<usize>> = Vec::new();
        for block in keys.start / key_size..keys.end.div_ceil(key_size) {
            if rows.iter().all(|row| row[block] != 0) {
                continue;
            }
            let first = (block * key_size).max(keys.start);
            let end = (block * key_size).saturating_add(key_size).min(keys.end);
            match runs.last_mut() {
                Some(run) if run.end + MIN_GAP > first => run.end = end,
                _ => runs.push(first..end),
            }
        }
        if runs.is_empty() {
            // The rows have at least one entry, which the mask hides from each of them.
            runs.push(keys.start..keys.start + 1);
        }
        Columns::new(runs, has_null_score)
    }

    fn alpha_of(&self, queries: &Queries) -> Option<&[F]> {
        self.alpha.map(|alpha| &alpha[self.rows_of(queries)])
    }

    /// Computes the scores of a block, and the derivative of the soft cap if there is one.
    fn scores<M: Product<F>>(
        &self,
        queries: &Queries,
        columns: &Columns,
        scores: &mut [F],
        slope: &mut Vec<F>,
    ) {
        let size = self.shape.size;
        let query = rows(self.query, self.rows_of(queries), size);
        let query = Matrix::of_rows(query, size);
        let scale = F::from_f64(self.parameters.scale);
        for run in &columns.runs {
            let key = rows(self.key, self.key_rows(queries, &run.keys), size);
            let key = Matrix::of_rows(key, size).transposed();
            let scores = &mut scores[run.first..];
            multiply::<F, M>(scale, query, key, false, scores, columns.count);
        }
        if let Some(cap) = self.parameters.softcap {
            let cap = F::from_f64(cap);
            let slope = resized(slope, scores.len());
            for (score, slope) in scores.iter_mut().zip(slope) {
                let tanh = (*score / cap).tanh();
                *slope = F::one() - tanh * tanh;
                *score = cap * tanh;
            }
        }
        let rows = scores.chunks_exact_mut(columns.count);
        for (query, row) in queries.range.clone().zip(rows) {
            let at = [queries.batch, queries.head, query];
            let (row, null) = row.split_at_mut(columns.keys);
            if let Some(bias) = &self.bias {
                bias.apply(at, columns, row, |score, bias| *score = *score + bias);
            }
            let masked = F::neg_infinity();
            for mask in self.masks.iter().flatten() {
                mask.apply(at, columns, row, |score, mask| {
                    *score = if mask == 0 { *score } else { masked };
                });
            }
            let seen = self
                .parameters
                .keys_of_query(queries.batch, query, &self.shape);
            for run in &columns.runs {
                let seen = run.columns_of(seen.clone());
                row[run.first..seen.start].fill(masked);
                row[seen.end..run.columns().end].fill(masked);
            }
            if let Some(mask) = &self.block_mask {
                self.mask_blocks(mask, at, columns, row);
            }
            if let Some(null_score) = self.parameters.null_score {
                null[0] = F::from_f64(null_score);
            }
        }
    }
}

impl<F: Arithmetic> Attention<'_, F> {
    /// Masks the entries of a row in the blocks that the block mask hides from its query.
    fn mask_blocks(
        &self,
        mask: &Broadcast<'_, u8>,
        [batch, head, query]: [usize; 3],
        columns: &Columns,
        row: &mut [F],
    ) {
        let [query_size, key_size] = self.parameters.block_size;
        let masked = mask.row([batch, head, query / query_size]);
        for run in &columns.runs {
            let blocks = run.keys.start / key_size..run.keys.end.div_ceil(key_size);
            for block in blocks.filter(|&block| masked[block] != 0) {
                let first = block * key_size;
                let keys = first..first.saturating_add(key_size);
                row[run.columns_of(keys)].fill(F::neg_infinity());
            }
        }
    }
}

/// The number of multiplications below which a call stays on its thread. Waking another one takes longer.
const PARALLEL_MULTIPLICATIONS: usize = 1 << 18;

impl<F: Arithmetic> Attention<'_, F> {
    /// Runs the tasks, in parallel if it is worthwhile.
    fn run<T: Send>(&self, tasks: Vec<T>, task: impl Fn(&mut Scratch<F>, T) + Sync) {
        let AttentionShape {
            batch,
            heads,
            queries,
            keys,
            size,
            ..
        } = self.shape;
        let products = batch * heads * queries * keys.saturating_mul(size);
        if tasks.len() == 1 || products < PARALLEL_MULTIPLICATIONS {
            let mut scratch = Scratch::default();
            tasks.into_iter().for_each(|t| task(&mut scratch, t));
        } else {
            tasks
                .into_par_iter()
                .for_each_init(Scratch::default, |scratch, t| task(scratch, t));
        }
    }
}

fn rows<F>(values: &[F], rows: Range<usize>, width: usize) -> &[F] {
    &values[rows.start * width..rows.end * width]
}

fn is_finite<F: Arithmetic>(values: &[F]) -> bool {
    // Without a branch, so that it is vectorized.
    values
        .iter()
        .fold(true, |finite, value| finite & value.is_finite())
}

/// Adds `sum_j factor_j row_j` to a row, over the factors that are not zero. The other rows are not read.
fn add_rows<F: Arithmetic>(sum: &mut [F], scale: F, factors: &[F], values: &[F]) {
    let width = sum.len();
    for (&factor, row) in factors.iter().zip(values.chunks_exact(width)) {
        if factor != F::ZERO {
            let factor = scale * factor;
            for (sum, &value) in sum.iter_mut().zip(row) {
                *sum = *sum + factor * value;
            }
        }
    }
}

/// Computes `C = scale A B` for rows of `A` in which a zero leaves out its row of `B`, even if that is not finite. `b`
/// returns the rows of `B` for a run of columns of `A`.
///
/// A product multiplies every row of `B`. A row of `C` that is not finite is therefore computed again.
fn multiply_support<'b, F: Arithmetic, M: Product<F>>(
    scale: F,
    a: &[F],
    columns: &Columns,
    b: impl Fn(&Run) -> &'b [F],
    c: &mut [F],
    width: usize,
) {
    let single = a.len() == columns.count;
    if !single {
        for (i, run) in columns.runs.iter().enumerate() {
            let a = Matrix::of_columns(a, columns.count, run.columns());
            let b = Matrix::of_rows(b(run), width);
            multiply::<F, M>(scale, a, b, i > 0, c, width);
        }
    }
    for (c, a) in c.chunks_exact_mut(width).zip(a.chunks_exact(columns.count)) {
        if single || !is_finite(c) {
            c.fill(F::ZERO);
            for run in &columns.runs {
                add_rows(c, scale, &a[run.columns()], b(run));
            }
        }
    }
}

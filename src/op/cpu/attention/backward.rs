//! The gradients. The scores of a block are computed again, and no root is.

use super::rows::BlockRows;
use super::{
    Attention, Columns, Queries, Run, Scratch, add_rows, is_finite, multiply_support, resized, rows,
};
use crate::op::attention::AttentionMask;
use crate::op::cpu::Arithmetic;
use crate::op::cpu::product::{Matrix, Product, multiply};
use crate::op::request::STATE_LEN;
use std::ops::Range;

/// The number of tasks to aim for. It is not the number of threads, since the bits of a sum depend on its parts.
const TASKS: usize = 16;

/// The largest size of the partial gradients in the keys and values, in bytes.
const PARTIAL_BYTES: usize = 4 << 20;

/// The gradients of a call. `None` stands for a gradient that is not wanted.
pub(in crate::op) struct Gradients<F> {
    pub query: Option<Vec<F>>,
    pub key: Option<Vec<F>>,
    pub value: Option<Vec<F>>,
    pub bias: Option<Vec<F>>,
    pub alpha: Option<Vec<F>>,
}

/// Some blocks of the heads that share a head of the keys, and their parts of the gradients.
struct Task<'g, F> {
    batch: usize,
    key_head: usize,
    /// The blocks, counted over these heads.
    blocks: Range<usize>,
    query: Option<&'g mut [F]>,
    alpha: Option<&'g mut [F]>,
    key: Option<&'g mut [F]>,
    value: Option<&'g mut [F]>,
}

impl<F: Arithmetic> Attention<'_, F> {
    pub fn backward<M: Product<F>>(
        &self,
        states: &[F],
        cotangent: &[F],
        wanted: AttentionMask,
    ) -> Gradients<F> {
        let shape = &self.shape;
        let per_head = shape.queries.div_ceil(self.block_queries());
        let block_count = shape.group() * per_head;
        let key_heads = shape.batch * shape.key_heads;
        let parts = self.parts(block_count);
        let zeros = |wanted: bool, count: usize| wanted.then(|| vec![F::ZERO; count]);
        let row_count = shape.batch * shape.heads * shape.queries;
        let mut query = zeros(wanted.query, row_count * shape.size);
        let mut alpha = zeros(wanted.alpha, row_count);
        let mut key = zeros(wanted.key, parts * self.key.len());
        let mut value = zeros(wanted.value, parts * self.value.len());

        let mut query_rest = query.as_deref_mut();
        let mut alpha_rest = alpha.as_deref_mut();
        let mut key_parts = key_slices(&mut key, shape.keys * shape.size);
        let mut value_parts = key_slices(&mut value, shape.keys * shape.value_size);
        let mut tasks = Vec::with_capacity(key_heads * parts);
        for head in 0..key_heads {
            for part in 0..parts {
                let blocks = part * block_count / parts..(part + 1) * block_count / parts;
                let rows = self.first_row(blocks.end) - self.first_row(blocks.start);
                tasks.push(Task {
                    batch: head / shape.key_heads,
                    key_head: head % shape.key_heads,
                    blocks,
                    query: split_front(&mut query_rest, rows * shape.size),
                    alpha: split_front(&mut alpha_rest, rows),
                    key: key_parts
                        .get_mut(part * key_heads + head)
                        .and_then(Option::take),
                    value: value_parts
                        .get_mut(part * key_heads + head)
                        .and_then(Option::take),
                });
            }
        }
        if wanted.query || wanted.key || wanted.value || wanted.alpha {
            self.run(tasks, |scratch, task| {
                self.backward_blocks::<M>(scratch, task, states, cotangent);
            });
        }
        drop((key_parts, value_parts));
        Gradients {
            query,
            alpha,
            key: key.map(|key| sum_parts(key, self.key.len())),
            value: value.map(|value| sum_parts(value, self.value.len())),
            bias: wanted
                .bias
                .then(|| self.bias_gradient::<M>(states, cotangent))
                .flatten(),
        }
    }

    /// The number of parts into which the blocks of a head of the keys are divided. It depends on the shape only.
    fn parts(&self, block_count: usize) -> usize {
        let bytes = size_of_val(self.key) + size_of_val(self.value);
        TASKS
            .div_ceil(self.shape.batch * self.shape.key_heads)
            .min(1 + PARTIAL_BYTES / bytes.max(1))
            .min(block_count)
    }

    /// The first row of a block, counted over the heads that share a head of the keys.
    fn first_row(&self, block: usize) -> usize {
        let per_head = self.shape.queries.div_ceil(self.block_queries());
        block / per_head * self.shape.queries + block % per_head * self.block_queries()
    }

    /// The queries of a block, counted over the heads that share a head of the keys.
    fn queries_of(&self, batch: usize, key_head: usize, block: usize) -> Queries {
        let first = self.first_row(block);
        let head = first / self.shape.queries;
        let begin = first % self.shape.queries;
        Queries {
            batch,
            head: key_head * self.shape.group() + head,
            range: begin..(begin + self.block_queries()).min(self.shape.queries),
        }
    }

    fn backward_blocks<M: Product<F>>(
        &self,
        scratch: &mut Scratch<F>,
        mut task: Task<'_, F>,
        states: &[F],
        cotangent: &[F],
    ) {
        let (size, value_size) = (self.shape.size, self.shape.value_size);
        for block in task.blocks.clone() {
            let queries = self.queries_of(task.batch, task.key_head, block);
            let columns = self.columns(&queries);
            let g = rows(cotangent, self.rows_of(&queries), value_size);
            let scores = self.block_scores::<M>(scratch, &queries, &columns);
            if let Some(value) = &mut task.value {
                let state = rows(states, self.rows_of(&queries), STATE_LEN);
                let weights = resized(&mut scratch.weights, scores);
                self.block_rows(&scratch.scores[..scores], &queries, &columns)
                    .weights(state, weights);
                add_transposed::<F, M>(F::one(), weights, &columns, g, value, value_size);
            }
            let alpha = split_front(&mut task.alpha, queries.range.len());
            let query_gradient = split_front(&mut task.query, queries.range.len() * size);
            let wants_scores = query_gradient.is_some() || task.key.is_some();
            if !wants_scores && alpha.is_none() {
                continue;
            }
            self.score_gradient::<M>(scratch, &queries, &columns, states, g, wants_scores, alpha);
            if !wants_scores {
                continue;
            }
            let gradient = &mut scratch.gradient[..scores];
            if self.parameters.softcap.is_some() {
                for (gradient, &slope) in gradient.iter_mut().zip(&scratch.slope) {
                    *gradient = *gradient * slope;
                }
            }
            let scale = F::from_f64(self.parameters.scale);
            if let Some(sum) = query_gradient {
                let key = |run: &Run| rows(self.key, self.key_rows(&queries, &run.keys), size);
                multiply_support::<F, M>(scale, gradient, &columns, key, sum, size);
            }
            if let Some(key) = &mut task.key {
                let query = rows(self.query, self.rows_of(&queries), size);
                add_transposed::<F, M>(scale, gradient, &columns, query, key, size);
            }
        }
    }

    /// Computes the scores into the scratch. Returns their number.
    fn block_scores<M: Product<F>>(
        &self,
        scratch: &mut Scratch<F>,
        queries: &Queries,
        columns: &Columns,
    ) -> usize {
        let count = queries.range.len() * columns.count;
        let scores = resized(&mut scratch.scores, count);
        self.scores::<M>(queries, columns, scores, &mut scratch.slope);
        count
    }

    fn block_rows<'b>(
        &'b self,
        scores: &'b [F],
        queries: &Queries,
        columns: &Columns,
    ) -> BlockRows<'b, F> {
        BlockRows {
            scores,
            columns: columns.count,
            alpha: self.alpha_of(queries),
            parameters: self.parameters,
        }
    }

    /// Computes the gradient in the scores of the scratch, before the soft cap, into the scratch.
    #[expect(clippy::too_many_arguments)]
    fn score_gradient<M: Product<F>>(
        &self,
        scratch: &mut Scratch<F>,
        queries: &Queries,
        columns: &Columns,
        states: &[F],
        g: &[F],
        wants_scores: bool,
        alpha: Option<&mut [F]>,
    ) {
        let width = self.shape.value_size;
        let count = queries.range.len() * columns.count;
        let cotangent = resized(&mut scratch.cotangent, count);
        let g = Matrix::of_rows(g, width);
        for run in &columns.runs {
            let value = rows(self.value, self.key_rows(queries, &run.keys), width);
            let value = Matrix::of_rows(value, width).transposed();
            let cotangent = &mut cotangent[run.first..];
            multiply::<F, M>(F::one(), g, value, false, cotangent, columns.count);
        }
        if self.parameters.null_score.is_some() {
            // The value of the null score is zero.
            for row in cotangent.chunks_exact_mut(columns.count) {
                row[columns.keys] = F::ZERO;
            }
        }
        let gradient = if wants_scores {
            Some(resized(&mut scratch.gradient, count))
        } else {
            None
        };
        self.block_rows(&scratch.scores[..count], queries, columns)
            .backward(
                rows(states, self.rows_of(queries), STATE_LEN),
                &scratch.cotangent[..count],
                gradient,
                alpha,
            );
    }

    /// Computes the gradient in the bias: for each of its rows, the sum over the rows of scores that it was added to.
    ///
    /// This is a pass of its own. In the pass over the heads of the keys, several tasks would add to the same row.
    fn bias_gradient<M: Product<F>>(&self, states: &[F], cotangent: &[F]) -> Option<Vec<F>> {
        let bias = self.bias.as_ref()?;
        let [batches, heads, bias_rows, keys] = bias.shape;
        let shape = &self.shape;
        let block = self.block_queries();
        let mut gradient = vec![F::ZERO; bias.values.len()];
        let rows_per_task = if bias_rows == 1 { 1 } else { block };
        let mut tasks = Vec::new();
        for (i, head) in gradient.chunks_mut(bias_rows * keys).enumerate() {
            for (part, sum) in head.chunks_mut(rows_per_task * keys).enumerate() {
                tasks.push((i / heads, i % heads, part * rows_per_task, sum));
            }
        }
        let all_or = |one: bool, all: usize, index: usize| {
            if one { 0..all } else { index..index + 1 }
        };
        self.run(tasks, |scratch, (bias_batch, bias_head, first, sum)| {
            for batch in all_or(batches == 1, shape.batch, bias_batch) {
                for head in all_or(heads == 1, shape.heads, bias_head) {
                    let last = if bias_rows == 1 {
                        shape.queries
                    } else {
                        first + sum.len() / keys
                    };
                    for begin in (first..last).step_by(block) {
                        let queries = Queries {
                            batch,
                            head,
                            range: begin..(begin + block).min(last),
                        };
                        self.add_bias_gradient::<M>(scratch, &queries, states, cotangent, sum);
                    }
                }
            }
        });
        Some(gradient)
    }

    fn add_bias_gradient<M: Product<F>>(
        &self,
        scratch: &mut Scratch<F>,
        queries: &Queries,
        states: &[F],
        cotangent: &[F],
        sum: &mut [F],
    ) {
        let Some(bias) = &self.bias else { return };
        let [_, _, bias_rows, keys] = bias.shape;
        let columns = self.columns(queries);
        let g = rows(cotangent, self.rows_of(queries), self.shape.value_size);
        self.block_scores::<M>(scratch, queries, &columns);
        self.score_gradient::<M>(scratch, queries, &columns, states, g, true, None);
        for (i, gradient) in scratch
            .gradient
            .chunks_exact(columns.count)
            .take(queries.range.len())
            .enumerate()
        {
            let row = if bias_rows == 1 { 0 } else { i };
            let sum = &mut sum[row * keys..][..keys];
            for run in &columns.runs {
                let gradient = &gradient[run.columns()];
                if keys == 1 {
                    sum[0] = gradient.iter().fold(sum[0], |sum, &g| sum + g);
                } else {
                    for (sum, &g) in sum[run.keys.clone()].iter_mut().zip(gradient) {
                        *sum = *sum + g;
                    }
                }
            }
        }
    }
}

/// Splits the first numbers off a slice, all if there are fewer.
fn split_front<'g, T>(slice: &mut Option<&'g mut [T]>, count: usize) -> Option<&'g mut [T]> {
    let (front, rest) = slice.take()?.split_at_mut(count);
    *slice = Some(rest);
    Some(front)
}

/// Splits gradients into one slice for each head of the keys.
fn key_slices<F>(gradients: &mut Option<Vec<F>>, size: usize) -> Vec<Option<&mut [F]>> {
    gradients
        .iter_mut()
        .flat_map(|gradients| gradients.chunks_mut(size).map(Some))
        .collect()
}

/// Adds the parts of a gradient, in order.
fn sum_parts<F: Arithmetic>(mut parts: Vec<F>, size: usize) -> Vec<F> {
    let (sum, others) = parts.split_at_mut(size);
    for part in others.chunks_exact(size.max(1)) {
        for (sum, &value) in sum.iter_mut().zip(part) {
            *sum = *sum + value;
        }
    }
    parts.truncate(size);
    parts.shrink_to_fit();
    parts
}

fn rows_mut<'g, F>(values: &'g mut [F], rows: &Range<usize>, width: usize) -> &'g mut [F] {
    &mut values[rows.start * width..rows.end * width]
}

/// Adds `scale A^T B` to the rows of `C` of the keys, for rows of `A` in which a zero leaves out its row of `B`, even if
/// that is not finite.
fn add_transposed<F: Arithmetic, M: Product<F>>(
    scale: F,
    a: &[F],
    columns: &Columns,
    b: &[F],
    c: &mut [F],
    width: usize,
) {
    let finite = is_finite(b);
    for run in &columns.runs {
        let c = rows_mut(c, &run.keys, width);
        if finite {
            let a = Matrix::of_columns(a, columns.count, run.columns()).transposed();
            multiply::<F, M>(scale, a, Matrix::of_rows(b, width), true, c, width);
            continue;
        }
        for (a, b) in a.chunks_exact(columns.count).zip(b.chunks_exact(width)) {
            for (c, &factor) in c.chunks_exact_mut(width).zip(&a[run.columns()]) {
                add_rows(c, scale, &[factor], b);
            }
        }
    }
}

//! The context, and the state of each row.

use super::rows::BlockRows;
use super::{Attention, Queries, Run, Scratch, multiply_support, resized, rows};
use crate::math::expm1_over;
use crate::op::cpu::Arithmetic;
use crate::op::cpu::product::Product;
use crate::op::request::STATE_LEN;

/// The results of a forward pass.
pub(in crate::op) struct Forward<F> {
    pub context: Vec<F>,
    pub states: Vec<F>,
    /// The root and the size of the support of each row.
    pub statistics: Option<Vec<F>>,
}

/// The number of root and support size of a row.
const STATISTICS: usize = 2;

/// A block, and its part of the results.
struct Task<'r, F> {
    queries: Queries,
    context: &'r mut [F],
    states: &'r mut [F],
    statistics: Option<&'r mut [F]>,
}

impl<F: Arithmetic> Attention<'_, F> {
    pub fn forward<M: Product<F>>(&self) -> Forward<F> {
        let shape = &self.shape;
        let row_count = shape.batch * shape.heads * shape.queries;
        let mut context = vec![F::ZERO; row_count * shape.value_size];
        let mut states = vec![F::ZERO; row_count * STATE_LEN];
        let mut statistics = self
            .parameters
            .with_statistics
            .then(|| vec![F::ZERO; row_count * STATISTICS]);
        let head = shape.queries;
        let block = self.block_queries();
        let context_blocks = blocks(&mut context, head, block, shape.value_size);
        let state_blocks = blocks(&mut states, head, block, STATE_LEN);
        let mut statistics_blocks = statistics
            .as_deref_mut()
            .map(|statistics| blocks(statistics, head, block, STATISTICS).into_iter());
        let per_head = shape.queries.div_ceil(block);
        let tasks: Vec<_> = context_blocks
            .into_iter()
            .zip(state_blocks)
            .enumerate()
            .map(|(i, (context, states))| {
                let begin = i % per_head * block;
                Task {
                    queries: Queries {
                        batch: i / per_head / shape.heads,
                        head: i / per_head % shape.heads,
                        range: begin..(begin + block).min(shape.queries),
                    },
                    context,
                    states,
                    statistics: statistics_blocks.as_mut().and_then(Iterator::next),
                }
            })
            .collect();
        self.run(tasks, |scratch, task| {
            self.forward_block::<M>(scratch, task);
        });
        Forward {
            context,
            states,
            statistics,
        }
    }

    fn forward_block<M: Product<F>>(&self, scratch: &mut Scratch<F>, task: Task<'_, F>) {
        let queries = &task.queries;
        let columns = self.columns(queries);
        let entries = queries.range.len() * columns.count;
        let scores = resized(&mut scratch.scores, entries);
        self.scores::<M>(queries, &columns, scores, &mut scratch.slope);
        let weights = resized(&mut scratch.weights, entries);
        let block = BlockRows {
            scores,
            columns: columns.count,
            alpha: self.alpha_of(queries),
            parameters: self.parameters,
        };
        block.forward(weights, task.states);
        let width = self.shape.value_size;
        let value = |run: &Run| rows(self.value, self.key_rows(queries, &run.keys), width);
        multiply_support::<F, M>(F::one(), weights, &columns, value, task.context, width);
        if let Some(statistics) = task.statistics {
            let alpha = |row: usize| match block.alpha {
                None => self.parameters.alpha,
                Some(alpha) => alpha[row].into_f64(),
            };
            let rows = scores
                .chunks_exact(columns.count)
                .zip(weights.chunks_exact(columns.count));
            for (i, (scores, weights)) in rows.enumerate() {
                let max = |values: &[F]| values.iter().fold(F::neg_infinity(), |a, &b| a.max(b));
                let (score, weight) = (max(scores).into_f64(), max(weights).into_f64());
                let support = weights[..columns.keys]
                    .iter()
                    .filter(|&&weight| weight > F::ZERO)
                    .count();
                let root = if weight == 0.0 {
                    f64::NEG_INFINITY
                } else {
                    score - expm1_over(alpha(i) - 1.0, weight.ln())
                };
                statistics[i * STATISTICS] = F::from_f64(root);
                statistics[i * STATISTICS + 1] = F::from_f64(support as f64);
            }
        }
    }
}

/// Splits rows of `width` numbers into blocks of rows. A block ends with its head.
fn blocks<F>(values: &mut [F], head_rows: usize, rows: usize, width: usize) -> Vec<&mut [F]> {
    values
        .chunks_mut(head_rows * width)
        .flat_map(|head| head.chunks_mut(rows * width))
        .collect()
}

//! The row kernels on a block of scores. This is the only file of attention that calls them.

use crate::math::{Output, RowReference};
use crate::op::attention::AttentionParameters;
use crate::op::cpu::vector::as_unwritten;
use crate::op::cpu::{Arithmetic, Backward, Forward, GradientRows, Rows};
use macerator::AutoArch;

/// Some rows of scores, contiguous, computed on the calling thread.
pub(super) struct BlockRows<'a, F> {
    pub scores: &'a [F],
    pub columns: usize,
    /// Alpha of each row; `None` if it is the number in the parameters.
    pub alpha: Option<&'a [F]>,
    pub parameters: &'a AttentionParameters,
}

impl<'a, F: Arithmetic> BlockRows<'a, F> {
    fn rows(&self, output: Output) -> Rows<'a, F> {
        let mut parameters = self.parameters.rows(output);
        let mut alpha_rows = self.alpha;
        // The kernels of a number are faster.
        if let Some([first, others @ ..]) = self.alpha
            && others.iter().all(|alpha| alpha == first)
        {
            parameters.alpha = first.into_f64();
            alpha_rows = None;
        }
        Rows {
            logits: self.scores,
            count: self.scores.len() / self.columns,
            columns: self.columns,
            alpha_rows,
            reference: RowReference::Ones,
            reference_stride: 0,
            parameters,
        }
    }

    /// Computes the weights and the states.
    pub fn forward(&self, weights: &mut [F], states: &mut [F]) {
        AutoArch::new().dispatch(Forward {
            rows: &self.rows(Output::Probabilities),
            first: 0,
            width: self.columns,
            output: as_unwritten(weights),
            states,
        });
    }

    /// Computes the weights from the states: the derivatives of the values of the rows.
    pub fn weights(&self, states: &[F], weights: &mut [F]) {
        let ones = vec![F::one(); self.scores.len() / self.columns];
        self.gradients(Output::Value, states, &ones, Some(weights), None);
    }

    /// Computes the gradients of `<cotangent, weights>` in the scores and in alpha.
    pub fn backward(
        &self,
        states: &[F],
        cotangent: &[F],
        scores: Option<&mut [F]>,
        alpha: Option<&mut [F]>,
    ) {
        self.gradients(Output::Probabilities, states, cotangent, scores, alpha);
    }

    fn gradients(
        &self,
        output: Output,
        states: &[F],
        cotangent: &[F],
        logits: Option<&mut [F]>,
        alpha: Option<&mut [F]>,
    ) {
        let rows = self.rows(output);
        AutoArch::new().dispatch(Backward {
            rows: &rows,
            states,
            cotangent,
            first: 0,
            gradients: GradientRows {
                count: rows.count,
                logits: logits.map(as_unwritten),
                alpha: alpha.map(as_unwritten),
                reference: None,
            },
        });
    }
}

use super::values::Values;
use crate::op::request::STATE_LEN;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Slice;

/// [`crate::math::RowState`] of every row.
pub(super) struct State<B: Backend> {
    pub(super) root: Values<B>,
    pub(super) remainder: Values<B>,
}

impl<B: Backend> State<B> {
    /// Splits the state tensor of the extension into its columns.
    pub(super) fn new(state: FloatTensor<B>) -> Self {
        let last = state.rank() - 1;
        let shape = state.shape();
        let column = |n: usize| {
            let mut slices: Vec<_> = (0..last).map(|dim| Slice::from(0..shape[dim])).collect();
            slices.push(Slice::from(n..n + 1));
            Values::<B>(B::float_slice(state.clone(), &slices))
        };
        let [root, remainder]: [_; STATE_LEN] = [0, 1].map(column);
        Self { root, remainder }
    }
}

use burn::Tensor;
use burn::tensor::{IndexingUpdateOp, Int};

/// Returns one-hot rows of the shape and dtype of `like`, a constant to autodiff, for classes `[batch, 1]`.
///
/// A class outside the range panics on a backend that checks indices, as it does in a gather.
pub(super) fn one_hot(classes: Tensor<2, Int>, like: &Tensor<2>) -> Tensor<2> {
    let zeros = like.clone().detach().zeros_like();
    if zeros.dims()[0] == 0 {
        return zeros;
    }
    let ones = zeros.clone().narrow(1, 0, 1).add_scalar(1.0);
    zeros.scatter(1, classes, ones, IndexingUpdateOp::Add)
}

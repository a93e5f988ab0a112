//! Tensors without elements, of which Burn's products and shapes are not defined on every backend.

use burn::Tensor;
use burn::nn::Linear;
use burn::tensor::Bool;

/// Applies a layer, also to an input without rows. The gradients of its inputs are then zero.
pub(super) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let mut shape = x.dims();
    if !shape.contains(&0) {
        return layer.forward(x);
    }
    let [_, outputs] = layer.weight.dims();
    shape[D - 1] = outputs;
    let empty = Tensor::zeros(shape, (&x.device(), x.dtype()));
    let bias = layer.bias.iter().map(|bias| bias.val().sum());
    let inputs = [x.sum(), layer.weight.val().sum()];
    depending_on(empty, inputs.into_iter().chain(bias))
}

/// Lets a tensor depend on sums, whose gradient is zero.
pub(super) fn depending_on<const D: usize>(
    tensor: Tensor<D>,
    sums: impl IntoIterator<Item = Tensor<1>>,
) -> Tensor<D> {
    let dtype = tensor.dtype();
    sums.into_iter().fold(tensor, |tensor, sum| {
        // Not a product with zero, which is NaN for a sum that is not finite.
        let everywhere = Tensor::<1, Bool>::from_data([true], &sum.device());
        tensor + sum.mask_fill(everywhere, 0.0).cast(dtype).reshape([1; D])
    })
}

/// Reshapes the tokens of a tensor to rows.
pub(super) fn rows<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    let shape = x.dims();
    let tokens = shape[..D - 1].iter().product();
    let shape = [tokens, shape[D - 1]];
    if tokens > 0 {
        return x.reshape(shape);
    }
    // Burn takes a size of zero in `reshape` for the present size.
    let empty = Tensor::zeros(shape, (&x.device(), x.dtype()));
    depending_on(empty, [x.sum()])
}

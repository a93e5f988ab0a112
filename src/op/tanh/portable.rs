//! In Burn's own operations.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Shape;

/// See [`TanhBackend::bias_tanh`](super::TanhBackend::bias_tanh).
pub(super) fn bias_tanh<B: Backend>(x: FloatTensor<B>, bias: FloatTensor<B>) -> FloatTensor<B> {
    let features = bias.shape().num_elements();
    let bias = B::float_reshape(bias, Shape::new([1, features]));
    B::float_tanh(B::float_add(x, bias))
}

/// See [`TanhBackend::bias_tanh_backward`](super::TanhBackend::bias_tanh_backward).
pub(super) fn bias_tanh_backward<B: Backend>(
    y: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let features = y.shape()[1];
    let square = B::float_mul(y.clone(), y);
    let of_x = B::float_sub(gradient.clone(), B::float_mul(square, gradient));
    let of_bias = B::float_sum_dim(of_x.clone(), 0);
    (of_x, B::float_reshape(of_bias, Shape::new([features])))
}

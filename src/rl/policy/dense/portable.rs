//! The layer composed of Burn's own operations.

use super::Activation;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, get_device_settings};
use burn::tensor::Shape;

/// See [`DenseBackend::dense`](super::DenseBackend::dense).
pub(super) fn dense<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    activation: Option<Activation>,
) -> FloatTensor<B> {
    let outputs = bias.shape().num_elements();
    let bias = B::float_reshape(bias, Shape::new([1, outputs]));
    let z = B::float_add(B::float_matmul(x, weight), bias);
    match activation {
        None => z,
        Some(Activation::Tanh) => B::float_tanh(z),
        Some(Activation::Relu) => B::relu(z),
    }
}

/// See [`DenseBackend::dense_backward`](super::DenseBackend::dense_backward).
pub(super) fn dense_backward<B: Backend>(
    y: FloatTensor<B>,
    gradient: FloatTensor<B>,
    activation: Option<Activation>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let outputs = y.shape()[1];
    let product_grad = match activation {
        None => gradient,
        Some(Activation::Tanh) => {
            let square = B::float_mul(y.clone(), y);
            B::float_sub(gradient.clone(), B::float_mul(square, gradient))
        }
        Some(Activation::Relu) => {
            let dtype = get_device_settings::<B>(&y.device()).bool_dtype;
            let off = B::float_lower_equal_elem(y, 0f32.into(), dtype);
            B::float_mask_fill(gradient, off, 0f32.into())
        }
    };
    let bias_grad = B::float_sum_dim(product_grad.clone(), 0);
    (
        product_grad,
        B::float_reshape(bias_grad, Shape::new([outputs])),
    )
}

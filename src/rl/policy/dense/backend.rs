#![cfg_attr(
    not(any(
        feature = "cube",
        feature = "flex",
        feature = "ndarray",
        feature = "remote",
        feature = "tch"
    )),
    allow(
        unused_variables,
        dead_code,
        reason = "without a backend, the generated dispatch routes are empty"
    )
)]

use super::{Activation, portable};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

/// Extends Burn's backends with a dense layer.
#[backend_extension(
    Autodiff,
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube"),
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Remote: cfg(feature = "remote"),
)]
pub trait DenseBackend: Backend {
    /// Computes `act(x W + b)` from `[rows, inputs]`, `[inputs, outputs]` and `[outputs]`, as `[rows,
    /// outputs]`.
    #[fusion(default)]
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> FloatTensor<Self> {
        portable::dense::<Self>(x, weight, bias, activation)
    }

    /// Computes the gradients with respect to `x W` and `b` from the output `y` and its gradient `g`: `g
    /// act'`, `[rows, outputs]`, and the sum of its rows, `[outputs]`.
    #[fusion(default)]
    fn dense_backward(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        portable::dense_backward::<Self>(y, gradient, activation)
    }

    /// Computes the product of two matrices.
    #[fusion(default)]
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(a, b)
    }
}

#[cfg(feature = "cube")]
impl DenseBackend for burn_cubecl::CubeBackend {}

#[cfg(feature = "tch")]
impl DenseBackend for burn::backend::LibTorch {}

#[cfg(feature = "remote")]
impl DenseBackend for burn::backend::Remote {}

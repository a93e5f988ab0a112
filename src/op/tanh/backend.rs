// Without any backend the generated routes are empty.
#![cfg_attr(
    not(any(
        feature = "cube",
        feature = "flex",
        feature = "ndarray",
        feature = "remote",
        feature = "tch"
    )),
    allow(unused_variables, dead_code)
)]

use super::portable;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

/// Burn's backends, extended by `tanh(x + b)` over the rows of a matrix.
#[backend_extension(
    Autodiff,
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube"),
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Remote: cfg(feature = "remote"),
)]
pub trait TanhBackend: Backend {
    /// `tanh(x_ij + b_j)`: `[rows, features]` and `[features]` to `[rows, features]`.
    #[fusion(default)]
    fn bias_tanh(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        portable::bias_tanh::<Self>(x, bias)
    }

    /// `(g (1 - y^2), sum of its rows)`, the gradients in `x` and `b` where `y` is the output and `g` its
    /// gradient: `[rows, features]` and `[features]`.
    #[fusion(default)]
    fn bias_tanh_backward(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        portable::bias_tanh_backward::<Self>(y, gradient)
    }
}

#[cfg(feature = "cube")]
impl TanhBackend for burn_cubecl::CubeBackend {}

#[cfg(feature = "tch")]
impl TanhBackend for burn::backend::LibTorch {}

#[cfg(feature = "remote")]
impl TanhBackend for burn::backend::Remote {}

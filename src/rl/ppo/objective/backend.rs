// Without a backend, the generated dispatch routes are empty.
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

use super::{ObjectiveParameters, portable};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

/// Extends Burn's backends with the clipped objective of PPO.
#[backend_extension(
    Autodiff,
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube"),
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Remote: cfg(feature = "remote"),
)]
pub trait ObjectiveBackend: Backend {
    /// Computes the loss `[1]`, its terms `[batch, 3]`, and its derivatives with respect to the policy
    /// `[batch, actions]` and the values `[batch, 1]`.
    #[fusion(default)]
    fn objective_with_gradients(
        policy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        samples: FloatTensor<Self>,
        parameters: ObjectiveParameters,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        portable::objective::<Self>(policy, values, samples, parameters)
    }

    /// Computes the loss and its terms.
    #[fusion(default)]
    fn clipped_objective(
        policy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        samples: FloatTensor<Self>,
        parameters: ObjectiveParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (loss, terms, _, _) =
            Self::objective_with_gradients(policy, values, samples, parameters);
        (loss, terms)
    }
}

#[cfg(feature = "cube")]
impl ObjectiveBackend for burn_cubecl::CubeBackend {}

#[cfg(feature = "tch")]
impl ObjectiveBackend for burn::backend::LibTorch {}

#[cfg(feature = "remote")]
impl ObjectiveBackend for burn::backend::Remote {}

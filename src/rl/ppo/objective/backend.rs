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

use super::{ObjectiveParameters, portable};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, backend_extension};

/// The loss, its terms and its derivatives.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct ObjectiveTensors<B: Backend> {
    /// The loss, `[1]`.
    pub loss: FloatTensor<B>,
    /// Its terms, `[batch, 3]`.
    pub terms: FloatTensor<B>,
    /// Its derivative with respect to the policy, `[batch, logits]`.
    pub policy_grad: FloatTensor<B>,
    /// Its derivative with respect to the values, `[batch, 1]`.
    pub value_grad: FloatTensor<B>,
}

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
    /// Computes the loss, its terms and its derivatives.
    #[fusion(default)]
    fn objective_with_gradients(
        policy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        samples: FloatTensor<Self>,
        parameters: ObjectiveParameters,
    ) -> ObjectiveTensors<Self> {
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
        let output = Self::objective_with_gradients(policy, values, samples, parameters);
        (output.loss, output.terms)
    }
}

#[cfg(feature = "cube")]
impl ObjectiveBackend for burn_cubecl::CubeBackend {}

#[cfg(feature = "tch")]
impl ObjectiveBackend for burn::backend::LibTorch {}

#[cfg(feature = "remote")]
impl ObjectiveBackend for burn::backend::Remote {}

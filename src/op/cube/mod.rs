//! The operator on CubeCL devices. One backend type covers every runtime. The tensor's client identifies the runtime.
//!
//! A client that compiles WGSL runs the kernels of `super::wgsl`. Every other client runs the kernels of this folder,
//! which CubeCL compiles for CUDA, ROCm, Vulkan, Metal and the CPU. A dtype that they do not support takes the portable
//! path. If a device refuses a kernel, the next of these three implementations runs.
//!
//! | file | contents |
//! |---|---|
//! | `plan` | the distribution of rows over the units of a launch |
//! | `launch` | the launch of a kernel on the tensors of a call |
//! | `kernel` | the two kernels, and what they are compiled for |
//! | `row` | the row of a unit: its tensors and the entries that the unit processes |
//! | `reduce` | sums and maxima over the units of a row |
//! | `summary`, `forward`, `backward` | the algorithm: `kernels/row.wgsl`, `forward.wgsl`, `backward.wgsl` |
//! | `ratio`, `elementary` | scalar functions: `kernels/ratio.wgsl`, `elementary.wgsl` |

#![allow(
    clippy::collapsible_if,
    reason = "`if comptime!` chooses what is compiled, and the condition in it is evaluated by the kernel"
)]
#![allow(
    clippy::borrowed_box,
    reason = "a launch that fails marks every tensor that the kernel does not borrow as not written"
)]
#![allow(clippy::manual_div_ceil, reason = "a kernel has no `div_ceil`")]
#![allow(
    clippy::too_many_arguments,
    reason = "a kernel has an argument for each buffer"
)]

mod backward;
#[doc(hidden)]
pub mod definitions;
mod elementary;
mod forward;
mod kernel;
mod launch;
mod plan;
mod ratio;
mod reduce;
mod row;
mod summary;

use super::backend::TsallisBackend;
use super::portable;
use super::request::{AlphaTensor, GradientMask, InputGradients, ReferenceTensor, RowParameters};
use burn::backend::fusion::Fusion;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Device, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
#[cfg(test)]
pub(crate) use launch::LAUNCHES;
pub(crate) use launch::{backward, forward, inferred, runs_on};
#[cfg(test)]
pub(crate) use plan::{Limits, Plan};

/// Whether the device is one of CubeCL, and the kernels support `f32` on it. Starts the device.
pub(crate) fn compiles_on(device: &Device) -> bool {
    first_tensor(device).is_some_and(|x| runs_on(&x))
}

/// Returns a tensor on a device of CubeCL.
pub(super) fn first_tensor(device: &Device) -> Option<CubeTensor> {
    let x = Tensor::<1>::zeros([1], device)
        .try_into_primitive::<Fusion<CubeBackend>>()
        .ok()?;
    Some(x.client.clone().resolve_tensor_float::<CubeBackend>(x))
}

impl TsallisBackend for CubeBackend {
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let inputs = || (logits.clone(), alpha.clone(), reference.clone());
        #[cfg(feature = "wgpu")]
        if super::wgsl::runs_on(&logits) {
            let (logits, alpha, reference) = inputs();
            let result = super::wgsl::forward(logits, alpha, reference, parameters);
            if let Some(result) = result {
                return result;
            }
        }
        if runs_on(&logits) {
            let (logits, alpha, reference) = inputs();
            let result = forward(logits, alpha, reference, parameters, inferred);
            if let Some(result) = result {
                return result;
            }
        }
        portable::forward::<Self>(logits, alpha, reference, parameters)
    }

    fn tsallis_backward(
        logits: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: RowParameters,
        wanted: GradientMask,
    ) -> InputGradients<Self> {
        let inputs = || (logits.clone(), alpha.clone(), reference.clone());
        let saved = || (state.clone(), cotangent.clone());
        #[cfg(feature = "wgpu")]
        if super::wgsl::runs_on(&logits) {
            let ((logits, alpha, reference), (state, cotangent)) = (inputs(), saved());
            let gradients = super::wgsl::backward(
                logits, alpha, reference, state, cotangent, parameters, wanted,
            );
            if let Some(gradients) = gradients {
                return gradients;
            }
        }
        if runs_on(&logits) {
            let ((logits, alpha, reference), (state, cotangent)) = (inputs(), saved());
            let gradients = backward(
                logits, alpha, reference, state, cotangent, parameters, wanted, inferred,
            );
            if let Some(gradients) = gradients {
                return gradients;
            }
        }
        portable::backward::<Self>(
            logits, alpha, reference, state, cotangent, parameters, wanted,
        )
    }
}

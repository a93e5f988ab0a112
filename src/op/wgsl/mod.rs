//! The launches of the WGSL kernels in `kernels/`.
//!
//! A row of up to 32 entries takes one invocation. A longer row takes one workgroup, which holds it in registers if it
//! fits and reads it again for every pass if not.
//!
//! | file | contents |
//! |---|---|
//! | `kernel` | the source of a kernel, assembled from files |
//! | `launch` | the launch of a kernel on the tensors of a call |
//! | `layout` | the distribution of rows over the invocations of a workgroup |

mod kernel;
mod launch;
mod layout;

use super::kernel_path::{KernelPath, is_allowed};
use super::request::{
    AlphaTensor, GradientMask, InputGradients, ReferenceTensor, RowParameters, STATE_LEN, row_shape,
};
use burn::backend::TensorMetadata;
use burn::tensor::{DType, Device};
use burn_wgpu::{CubeBackend, CubeTensor, into_contiguous};
use kernel::Pass;
use launch::Call;
#[cfg(test)]
pub(crate) use launch::LAUNCHES;

/// Whether Burn's wgpu compiles WGSL for this device. Starts the device.
pub(crate) fn compiles_on(device: &Device) -> bool {
    super::cube::first_tensor(device).is_some_and(|x| runs_on(&x))
}

/// Whether the tensor's runtime compiles WGSL and the kernels support its dtype.
pub(super) fn runs_on(tensor: &CubeTensor) -> bool {
    // Other runtimes of wgpu compile to SPIR-V or MSL and reject WGSL text.
    is_allowed(KernelPath::Wgsl)
        && tensor.client.name() == "wgpu<wgsl>"
        && match tensor.dtype {
            DType::F32 | DType::Flex32 => true,
            DType::F16 => {
                let f16 = burn::backend::cubecl::dtype_to_storage_type(DType::F16);
                tensor.client.properties().supports_type(f16)
            }
            _ => false,
        }
}

/// Computes the output and the state of each row. Returns `None` if the device refuses the kernel.
pub(crate) fn forward(
    logits: CubeTensor,
    alpha: AlphaTensor<CubeBackend>,
    reference: ReferenceTensor<CubeBackend>,
    parameters: RowParameters,
) -> Option<(CubeTensor, CubeTensor)> {
    let call = Call::new(logits, alpha, reference, parameters);
    let shape = call.logits.shape();
    let output = if parameters.output.is_per_entry() {
        call.empty(shape.clone(), call.logits.dtype)
    } else {
        call.empty(row_shape(&shape, 1), call.logits.dtype)
    };
    let state = call.empty(row_shape(&shape, STATE_LEN), DType::F32);
    let is_launched = call.launch(Pass::Forward, &[], &[&state, &output]);
    is_launched.then_some((output, state))
}

/// Computes the gradients. Returns `None` if the device refuses the kernel.
pub(crate) fn backward(
    logits: CubeTensor,
    alpha: AlphaTensor<CubeBackend>,
    reference: ReferenceTensor<CubeBackend>,
    state: CubeTensor,
    cotangent: CubeTensor,
    parameters: RowParameters,
    wanted: GradientMask,
) -> Option<InputGradients<CubeBackend>> {
    let (state, cotangent) = (into_contiguous(state), into_contiguous(cotangent));
    let call = Call::new(logits, alpha, reference, parameters);
    let max_bindings = call.logits.client.properties().hardware.max_bindings;
    InputGradients::in_launches(wanted, call.optional_inputs(), max_bindings, |wanted| {
        let (shape, dtype) = (call.logits.shape(), call.logits.dtype);
        let empty = |wanted: bool, shape, dtype| wanted.then(|| call.empty(shape, dtype));
        let gradients = [
            empty(wanted.logits, shape.clone(), dtype),
            empty(wanted.alpha, row_shape(&shape, 1), DType::F32),
            empty(wanted.reference, shape, DType::F32),
        ];
        let written: Vec<_> = gradients.iter().flatten().collect();
        let is_launched = call.launch(Pass::Backward(wanted), &[&state, &cotangent], &written);
        is_launched.then(|| InputGradients::from_options(gradients))
    })
}

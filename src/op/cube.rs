//! The operator on CubeCL devices. One backend type covers every runtime. The tensor's client identifies the runtime.

use super::backend::TsallisBackend;
use super::portable;
use super::request::{AlphaTensor, GradientMask, InputGradients, ReferenceTensor, RowParameters};
use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;

impl TsallisBackend for CubeBackend {
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        #[cfg(feature = "wgpu")]
        if super::wgsl::runs_on(&logits) {
            return super::wgsl::forward(logits, alpha, reference, parameters);
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
        #[cfg(feature = "wgpu")]
        if super::wgsl::runs_on(&logits) {
            return super::wgsl::backward(
                logits, alpha, reference, state, cotangent, parameters, wanted,
            );
        }
        portable::backward::<Self>(
            logits, alpha, reference, state, cotangent, parameters, wanted,
        )
    }
}

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
use super::request::{
    AlphaTensor, DivergenceTerm, GradientMask, InputGradients, ReferenceTensor, RowParameters,
};
#[cfg(feature = "cube")]
use super::request::{STATE_LEN, arithmetic_dtype};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

/// Burn's backends, extended by the operator over the rows of the last dimension.
///
/// The default bodies are the portable path, in Burn's own operations; a backend that has kernels of
/// its own overrides them. User code calls [`tsallis_softargmax`](crate::tsallis_softargmax) and its
/// siblings.
#[backend_extension(
    Autodiff,
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube"),
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    LibTorch: cfg(feature = "tch"),
    Remote: cfg(feature = "remote"),
)]
pub trait TsallisBackend: Backend {
    /// The output that `parameters` asks for, in the logits' dtype, and the state of each row, which
    /// is [`RowState`](crate::math::RowState): shape `[.., 2]`, `F64` for `F64` logits, else `F32`.
    #[fusion(meta = |logits, _alpha, _reference, parameters| {
        let last = logits.shape.num_dims() - 1;
        let mut output = logits.clone();
        if !parameters.output.is_per_entry() {
            output.shape[last] = 1;
        }
        let mut state = logits.clone();
        state.shape[last] = STATE_LEN;
        state.dtype = arithmetic_dtype(logits.dtype);
        (output, state)
    }, id = "burn_tsallis::forward")]
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        #[extension_type] alpha: AlphaTensor<Self>,
        #[extension_type] reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        portable::forward::<Self>(logits, alpha, reference, parameters)
    }

    /// The gradients of `<cotangent, output>` in the inputs of `wanted`, row by row. No root is found again: `state` is
    /// what the forward call returned.
    #[fusion(meta = |logits, _alpha, _reference, _state, _cotangent, _parameters, wanted| {
        InputGradients::<B>::metadata(logits, *wanted)
    }, id = "burn_tsallis::backward")]
    fn tsallis_backward(
        logits: FloatTensor<Self>,
        #[extension_type] alpha: AlphaTensor<Self>,
        #[extension_type] reference: ReferenceTensor<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: RowParameters,
        wanted: GradientMask,
    ) -> InputGradients<Self> {
        portable::backward::<Self>(
            logits, alpha, reference, state, cotangent, parameters, wanted,
        )
    }

    /// The terms `q f(p / q)` of the divergence of given probabilities, or their derivatives: of the probabilities'
    /// shape.
    #[fusion(default)]
    fn tsallis_divergence_terms(
        probabilities: FloatTensor<Self>,
        #[extension_type] alpha: AlphaTensor<Self>,
        #[extension_type] reference: ReferenceTensor<Self>,
        parameters: RowParameters,
        term: DivergenceTerm,
    ) -> FloatTensor<Self> {
        portable::divergence_terms::<Self>(probabilities, alpha, reference, parameters, term)
    }
}

#[cfg(feature = "tch")]
impl TsallisBackend for burn::backend::LibTorch {}

#[cfg(feature = "remote")]
impl TsallisBackend for burn::backend::Remote {}

use super::portable;
use crate::math::Solver;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, backend_extension};
use burn::tensor::DType;

/// The reference measure as a backend sees it.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum ReferenceTensor<B: Backend> {
    /// One over the number of allowed entries of the row.
    Uniform,
    /// One for every entry.
    Ones,
    /// Shape `[K]`, in the arithmetic dtype of the logits: `F64` for `F64`, else `F32`.
    Vector(FloatTensor<B>),
}

/// Which output of a row is computed or differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// `p`.
    Probabilities,
    /// `ln p`.
    LogProbabilities,
}

/// Which input a gradient is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrt {
    /// The logits.
    Logits,
    /// The reference, its entries as free coordinates, one gradient for each row: the sum over the
    /// rows is the caller's.
    Reference,
}

/// The host values of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowParameters {
    /// The order.
    pub alpha: f64,
    /// How the root is found.
    pub solver: Solver,
    /// What is computed.
    pub output: Output,
}

/// The dtype that logits of this dtype are computed in, and that the row state is kept in.
pub(super) fn arithmetic_dtype(logits: DType) -> DType {
    match logits {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

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
    /// The output that `parameters` asks for, of the logits' shape and dtype, and the state of each
    /// row, `ln u_max` with `u = p / q`: shape `[.., 1]`, `F64` for `F64` logits, else `F32`. The
    /// state of a row that has no answer is `NaN`.
    #[fusion(meta = |logits, _reference, _parameters| {
        let mut state = logits.clone();
        let last = state.shape.num_dims() - 1;
        state.shape[last] = 1;
        state.dtype = arithmetic_dtype(logits.dtype);
        (logits.clone(), state)
    }, id = "burn_tsallis::forward")]
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        #[extension_type] reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        portable::forward::<Self>(logits, reference, parameters)
    }

    /// The gradient of `<cotangent, output>` in the input `wrt`, row by row, of the logits' shape:
    /// in the logits' dtype, or, for the reference, in their arithmetic dtype. No root is found
    /// again: `state` is what the forward call returned.
    #[fusion(meta = |logits, _reference, _state, _cotangent, _parameters, wrt| {
        let mut gradient = logits.clone();
        if *wrt == Wrt::Reference {
            gradient.dtype = arithmetic_dtype(logits.dtype);
        }
        gradient
    }, id = "burn_tsallis::backward")]
    fn tsallis_backward(
        logits: FloatTensor<Self>,
        #[extension_type] reference: ReferenceTensor<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: RowParameters,
        wrt: Wrt,
    ) -> FloatTensor<Self> {
        portable::backward::<Self>(logits, reference, state, cotangent, parameters, wrt)
    }
}

#[cfg(feature = "tch")]
impl TsallisBackend for burn::backend::LibTorch {}

#[cfg(feature = "remote")]
impl TsallisBackend for burn::backend::Remote {}

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
use crate::math::{EmptyRow, Solver};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType, backend_extension};
use burn::tensor::DType;
#[cfg(any(feature = "flex", feature = "ndarray", feature = "wgpu"))]
use burn::tensor::Shape;

/// The order as a backend sees it.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum AlphaTensor<B: Backend> {
    /// The number in [`RowParameters`].
    Number,
    /// One for each row, shape `[.., 1]`, in the arithmetic dtype of the logits: `F64` for `F64`, else
    /// `F32`.
    Rows(FloatTensor<B>),
}

/// The reference measure as a backend sees it, its tensors in the arithmetic dtype of the logits.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum ReferenceTensor<B: Backend> {
    /// One over the number of allowed entries of the row.
    Uniform,
    /// One for every entry.
    Ones,
    /// Shape `[K]`, the same for every row.
    Vector(FloatTensor<B>),
    /// The logits' shape.
    Rows(FloatTensor<B>),
}

/// Which output of a row is computed or differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// `p`, of the logits' shape.
    Probabilities,
    /// `ln p`, of the logits' shape.
    LogProbabilities,
    /// `V = max_p <p, x> - D_f(p || q)`, shape `[.., 1]`.
    Value,
    /// `D_f(p || q)`, shape `[.., 1]`.
    Divergence,
}

impl Output {
    /// Whether there is one number for each entry, and not one for each row.
    pub(super) fn is_by_entry(self) -> bool {
        matches!(self, Self::Probabilities | Self::LogProbabilities)
    }
}

/// Which input a gradient is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrt {
    /// The logits.
    Logits,
    /// The order, one gradient for each row.
    Alpha,
    /// The reference, its entries as free coordinates, one gradient for each row: the sum over the
    /// rows is the caller's.
    Reference,
}

/// The host values of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowParameters {
    /// The order, where it is not a tensor.
    pub alpha: f64,
    /// How the root is found.
    pub solver: Solver,
    /// What a row without an allowed entry answers.
    pub empty_row: EmptyRow,
    /// What is computed.
    pub output: Output,
}

/// The numbers of a row's state: [`RowState`](crate::math::RowState).
pub(super) const STATE: usize = 2;

/// The dtype that logits of this dtype are computed in, and that the row state is kept in.
pub(crate) fn arithmetic_dtype(logits: DType) -> DType {
    match logits {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

#[cfg(any(feature = "flex", feature = "ndarray", feature = "wgpu"))]
/// The shape with so many numbers for each row.
pub(super) fn row_shape(shape: &Shape, numbers: usize) -> Shape {
    let mut shape = shape.clone();
    let last = shape.num_dims() - 1;
    shape[last] = numbers;
    shape
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
    /// The output that `parameters` asks for, in the logits' dtype, and the state of each row, which
    /// is [`RowState`](crate::math::RowState): shape `[.., 2]`, `F64` for `F64` logits, else `F32`.
    #[fusion(meta = |logits, _alpha, _reference, parameters| {
        let last = logits.shape.num_dims() - 1;
        let mut output = logits.clone();
        if !parameters.output.is_by_entry() {
            output.shape[last] = 1;
        }
        let mut state = logits.clone();
        state.shape[last] = STATE;
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

    /// The gradient of `<cotangent, output>` in the input `wrt`, row by row: of the logits' shape and
    /// dtype; for the reference of the logits' shape, for the order `[.., 1]`, both in the arithmetic
    /// dtype of the logits. No root is found again: `state` is what the forward call returned.
    #[fusion(meta = |logits, _alpha, _reference, _state, _cotangent, _parameters, wrt| {
        let mut gradient = logits.clone();
        if *wrt != Wrt::Logits {
            gradient.dtype = arithmetic_dtype(logits.dtype);
        }
        if *wrt == Wrt::Alpha {
            let last = logits.shape.num_dims() - 1;
            gradient.shape[last] = 1;
        }
        gradient
    }, id = "burn_tsallis::backward")]
    fn tsallis_backward(
        logits: FloatTensor<Self>,
        #[extension_type] alpha: AlphaTensor<Self>,
        #[extension_type] reference: ReferenceTensor<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: RowParameters,
        wrt: Wrt,
    ) -> FloatTensor<Self> {
        portable::backward::<Self>(logits, alpha, reference, state, cotangent, parameters, wrt)
    }

    /// The terms `q f(p / q)` of the divergence of probabilities that are given, or their derivatives
    /// in the input `wrt`, where [`Wrt::Logits`] stands for the probabilities: of their shape.
    #[fusion(default)]
    fn tsallis_divergence_entries(
        probabilities: FloatTensor<Self>,
        #[extension_type] alpha: AlphaTensor<Self>,
        #[extension_type] reference: ReferenceTensor<Self>,
        parameters: RowParameters,
        wrt: Option<Wrt>,
    ) -> FloatTensor<Self> {
        portable::divergence_entries::<Self>(probabilities, alpha, reference, parameters, wrt)
    }
}

#[cfg(feature = "tch")]
impl TsallisBackend for burn::backend::LibTorch {}

#[cfg(feature = "remote")]
impl TsallisBackend for burn::backend::Remote {}

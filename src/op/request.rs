//! The arguments and results of [`TsallisBackend`](super::TsallisBackend)'s functions: alpha and the reference as
//! tensors or numbers, the output, the wanted gradients, and the host values of a call.

use crate::math::{EmptyRow, Output, Solver};
use burn::Tensor;
#[cfg(feature = "wgpu")]
use burn::backend::DispatchDevice;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};
use burn::tensor::DType;
#[cfg(any(feature = "flex", feature = "ndarray", feature = "wgpu"))]
use burn::tensor::Shape;

/// Alpha as an argument of a backend function.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum AlphaTensor<B: Backend> {
    /// The number in [`RowParameters`].
    Number,
    /// One alpha for each row, shape `[.., 1]`, in the arithmetic dtype of the logits: `F64` for `F64`, `F32` for all
    /// others.
    Rows(FloatTensor<B>),
}

/// The reference measure as an argument of a backend function. Its tensors have the arithmetic dtype of the logits:
/// `F64` for `F64`, `F32` for all others.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum ReferenceTensor<B: Backend> {
    /// One over the number of allowed entries of the row.
    Uniform,
    /// One for every entry.
    Ones,
    /// The same reference for every row, shape `[K]`.
    Vector(FloatTensor<B>),
    /// A reference for each row, with the shape of the logits.
    Rows(FloatTensor<B>),
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
impl<B: Backend> ReferenceTensor<B> {
    /// The distance between the references of two adjacent rows. It is zero if the rows share one.
    pub(super) fn stride(&self, columns: usize) -> usize {
        match self {
            Self::Uniform | Self::Ones | Self::Vector(_) => 0,
            Self::Rows(_) => columns,
        }
    }
}

/// The inputs whose gradients a backward call returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GradientMask {
    /// The logits.
    pub logits: bool,
    /// Alpha, one gradient for each row.
    pub alpha: bool,
    /// The reference, with one gradient for each entry of each row. The entries are independent variables. The caller
    /// sums over the rows if one reference serves all rows.
    pub reference: bool,
}

impl GradientMask {
    /// The gradient in the logits alone.
    pub const LOGITS: Self = Self {
        logits: true,
        alpha: false,
        reference: false,
    };
}

/// An optional tensor. Burn's fusion does not support `Option<FloatTensor>`.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum OptionalTensor<B: Backend> {
    /// No tensor.
    None,
    /// A tensor.
    Some(FloatTensor<B>),
}

impl<B: Backend> OptionalTensor<B> {
    /// Converts into an `Option`.
    pub fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::None => None,
            Self::Some(tensor) => Some(tensor),
        }
    }

    /// Computes the tensor if it is wanted.
    pub fn when(wanted: bool, tensor: impl FnOnce() -> FloatTensor<B>) -> Self {
        if wanted {
            Self::Some(tensor())
        } else {
            Self::None
        }
    }
}

/// The gradients of a backward call, for the inputs of its [`GradientMask`].
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct InputGradients<B: Backend> {
    /// The gradient in the logits, with their shape and dtype.
    #[extension_type]
    pub logits: OptionalTensor<B>,
    /// The gradient in alpha, of shape `[.., 1]`, in the arithmetic dtype of the logits.
    #[extension_type]
    pub alpha: OptionalTensor<B>,
    /// The gradient in the reference, with the shape of the logits, in their arithmetic dtype.
    #[extension_type]
    pub reference: OptionalTensor<B>,
}

#[cfg(feature = "cube")]
impl<B: Backend> InputGradients<B> {
    /// Returns the shapes and dtypes of the gradients, which fusion needs before they are computed.
    pub(super) fn metadata(
        logits: &burn::backend::fusion::custom::TensorSpec,
        wanted: GradientMask,
    ) -> InputGradientsMetadata {
        let when = |wanted: bool, spec| {
            if wanted {
                OptionalTensorMetadata::Some(spec)
            } else {
                OptionalTensorMetadata::None
            }
        };
        let mut entries = logits.clone();
        entries.dtype = arithmetic_dtype(logits.dtype);
        let mut rows = entries.clone();
        let last = rows.shape.num_dims() - 1;
        rows.shape[last] = 1;
        InputGradientsMetadata {
            logits: when(wanted.logits, logits.clone()),
            alpha: when(wanted.alpha, rows),
            reference: when(wanted.reference, entries),
        }
    }
}

/// Selects the terms `q f(p / q)` of a divergence, or a derivative of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DivergenceTerm {
    /// The terms.
    Value,
    /// Their derivatives in the probabilities.
    ProbabilityDerivative,
    /// Their derivatives in alpha.
    AlphaDerivative,
    /// Their derivatives in the reference.
    ReferenceDerivative,
}

/// The host values of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowParameters {
    /// Alpha, if it is not a tensor.
    pub alpha: f64,
    /// The method that finds the root.
    pub solver: Solver,
    /// The result for a row without an allowed entry.
    pub empty_row: EmptyRow,
    /// The output.
    pub output: Output,
}

/// The number of values in a row's state, a [`RowState`](crate::math::RowState).
pub(super) const STATE_LEN: usize = 2;

/// Returns the dtype that a tensor is computed in: the arithmetic dtype of its dtype, but `F32` on wgpu. The drivers
/// have no `exp` and `ln` in double precision: some return wrong numbers without an error.
pub(crate) fn computed_dtype<const D: usize>(tensor: &Tensor<D>) -> DType {
    #[cfg(feature = "wgpu")]
    if tensor.dtype() == DType::F64 {
        let device = tensor.device().without_autodiff();
        if let DispatchDevice::Cube(device) = device.as_dispatch()
            && device.client().name().starts_with("wgpu")
        {
            return DType::F32;
        }
    }
    arithmetic_dtype(tensor.dtype())
}

/// Returns the dtype of the arithmetic and of the row state for logits of this dtype.
pub(crate) fn arithmetic_dtype(logits: DType) -> DType {
    match logits {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

#[cfg(any(feature = "flex", feature = "ndarray", feature = "wgpu"))]
/// Returns the shape with `width` numbers for each row.
pub(super) fn row_shape(shape: &Shape, width: usize) -> Shape {
    let mut shape = shape.clone();
    let last = shape.num_dims() - 1;
    shape[last] = width;
    shape
}

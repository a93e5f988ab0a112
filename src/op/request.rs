//! The arguments and results of a backend's functions: alpha and the reference as tensors or numbers, the output, the
//! wanted gradients, and the host values of a call.

use crate::math::{EmptyRow, Output, Solver};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};
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

#[cfg(any(feature = "flex", feature = "ndarray"))]
impl<B: Backend> ReferenceTensor<B> {
    /// From the reference of a row to that of the next: zero where the rows share one.
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
    /// The reference, its entries as free coordinates, one gradient for each entry of each row: the sum over the rows
    /// is left to the caller.
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

/// A tensor, or nothing.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum OptionalTensor<B: Backend> {
    /// Nothing.
    None,
    /// A tensor.
    Some(FloatTensor<B>),
}

impl<B: Backend> OptionalTensor<B> {
    /// Returns the tensor.
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

/// The gradients that a backward call returns: those of its [`GradientMask`].
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct InputGradients<B: Backend> {
    /// Of the logits' shape and dtype.
    #[extension_type]
    pub logits: OptionalTensor<B>,
    /// Shape `[.., 1]`, in the arithmetic dtype of the logits.
    #[extension_type]
    pub alpha: OptionalTensor<B>,
    /// Of the logits' shape, in the arithmetic dtype of the logits.
    #[extension_type]
    pub reference: OptionalTensor<B>,
}

#[cfg(feature = "cube")]
impl<B: Backend> InputGradients<B> {
    /// The shapes and dtypes of the gradients, which fusion asks for before they are computed.
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

/// What is computed of the terms `q f(p / q)` of a divergence.
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
pub(super) const STATE_LEN: usize = 2;

/// The dtype that logits of this dtype are computed in, and that the row state is kept in.
pub(crate) fn arithmetic_dtype(logits: DType) -> DType {
    match logits {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

#[cfg(any(feature = "flex", feature = "ndarray", feature = "wgpu"))]
/// The shape with so many numbers for each row.
pub(super) fn row_shape(shape: &Shape, width: usize) -> Shape {
    let mut shape = shape.clone();
    let last = shape.num_dims() - 1;
    shape[last] = width;
    shape
}

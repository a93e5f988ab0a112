//! What a backend is asked: the order and the reference as tensors or numbers, the output or the differentiated
//! input, and the host values of a call.

use crate::math::{EmptyRow, Solver};
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

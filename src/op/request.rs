//! The arguments and results of [`TsallisBackend`](super::TsallisBackend)'s functions: alpha and the reference as
//! tensors or numbers, the output, the wanted gradients, and the host values of a call.

use crate::math::{EmptyRow, Output, Solver};
#[cfg(feature = "wgpu")]
use burn::backend::DispatchDevice;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};
#[cfg(any(feature = "cube", feature = "flex", feature = "ndarray"))]
use burn::tensor::Shape;
use burn::tensor::{DType, Device};

/// Alpha as an argument of a backend function.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::backend::Flex;
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::op::{AlphaTensor, Output, ReferenceTensor, RowParameters, TsallisBackend};
/// use burn_tsallis::{EmptyRow, Solver};
///
/// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1], [2.0, 1.0, 0.1]], &Device::flex());
/// let x = x.try_into_primitive::<Flex>().expect("a tensor of the backend");
/// let alpha = Tensor::<2>::from_data([[0.5], [2.0]], &Device::flex());
/// let alpha = alpha.try_into_primitive::<Flex>().expect("a tensor of the backend");
/// // The number is not used.
/// let parameters = RowParameters {
///     alpha: 1.0,
///     solver: Solver::Newton,
///     empty_row: EmptyRow::NaN,
///     output: Output::Probabilities,
/// };
/// let (alpha, reference) = (AlphaTensor::Rows(alpha), ReferenceTensor::Uniform);
/// let (p, _state) = Flex::tsallis_forward(x, alpha, reference, parameters);
/// let p = Tensor::<2>::from_primitive::<Flex>(p);
/// let expected = TensorData::from([[0.6535, 0.2261, 0.1204], [0.6556, 0.3222, 0.0222]]);
/// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
/// # }
/// ```
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
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::backend::Flex;
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::op::{AlphaTensor, Output, ReferenceTensor, RowParameters, TsallisBackend};
/// use burn_tsallis::{EmptyRow, Solver};
///
/// // With equal logits the probabilities are proportional to the reference.
/// let x = Tensor::<2>::from_data([[0.0, 0.0], [1.0, 1.0]], &Device::flex());
/// let x = x.try_into_primitive::<Flex>().expect("a tensor of the backend");
/// let q = Tensor::<1>::from_data([1.0, 3.0], &Device::flex());
/// let q = q.try_into_primitive::<Flex>().expect("a tensor of the backend");
/// let parameters = RowParameters {
///     alpha: 0.5,
///     solver: Solver::Newton,
///     empty_row: EmptyRow::NaN,
///     output: Output::Probabilities,
/// };
/// let (alpha, reference) = (AlphaTensor::Number, ReferenceTensor::Vector(q));
/// let (p, _state) = Flex::tsallis_forward(x, alpha, reference, parameters);
/// let p = Tensor::<2>::from_primitive::<Flex>(p);
/// let expected = TensorData::from([[0.25, 0.75], [0.25, 0.75]]);
/// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
/// # }
/// ```
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
///
/// ```
/// use burn_tsallis::op::GradientMask;
///
/// let wanted = GradientMask { alpha: true, ..GradientMask::LOGITS };
/// assert!(wanted.logits && wanted.alpha && !wanted.reference);
/// ```
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

#[cfg(feature = "cube")]
impl GradientMask {
    /// The number of buffers of a launch that computes the gradients. The inputs are alpha and the reference, if they are
    /// tensors. With all of them there are nine, and WebGPU guarantees eight.
    pub(super) fn buffers(self, inputs: [bool; 2]) -> u32 {
        let outputs = [self.logits, self.alpha, self.reference];
        // Always bound: the logits, the state, the cotangent and the parameters of the launch.
        4 + inputs
            .into_iter()
            .chain(outputs)
            .map(u32::from)
            .sum::<u32>()
    }
}

/// An optional tensor. Burn's fusion does not support `Option<FloatTensor>`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::backend::Flex;
/// use burn_tsallis::op::OptionalTensor;
///
/// let none = OptionalTensor::<Flex>::None;
/// assert!(none.into_option().is_none());
/// # }
/// ```
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
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::backend::Flex;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_tsallis::op::OptionalTensor;
    ///
    /// let tensor = Tensor::<1>::from_data([0.5], &Device::flex());
    /// let tensor = tensor.try_into_primitive::<Flex>().expect("a tensor of the backend");
    /// let tensor = OptionalTensor::<Flex>::Some(tensor).into_option().expect("a tensor");
    /// assert_eq!(Tensor::<1>::from_primitive::<Flex>(tensor).into_scalar::<f32>(), 0.5);
    /// # }
    /// ```
    pub fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::None => None,
            Self::Some(tensor) => Some(tensor),
        }
    }

    /// Computes the tensor if it is wanted.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::backend::Flex;
    /// use burn_tsallis::op::OptionalTensor;
    ///
    /// let not_wanted = OptionalTensor::<Flex>::when(false, || unreachable!());
    /// assert!(not_wanted.into_option().is_none());
    /// # }
    /// ```
    pub fn when(wanted: bool, tensor: impl FnOnce() -> FloatTensor<B>) -> Self {
        if wanted {
            Self::Some(tensor())
        } else {
            Self::None
        }
    }
}

/// The gradients of a backward call, for the inputs of its [`GradientMask`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::backend::Flex;
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::op::{
///     AlphaTensor, GradientMask, Output, ReferenceTensor, RowParameters, TsallisBackend,
/// };
/// use burn_tsallis::{EmptyRow, Solver};
///
/// let x = Tensor::<2>::from_data([[0.0, 0.0]], &Device::flex());
/// let x = x.try_into_primitive::<Flex>().expect("a tensor of the backend");
/// let cotangent = Tensor::<2>::from_data([[1.0, 0.0]], &Device::flex());
/// let cotangent = cotangent.try_into_primitive::<Flex>().expect("a tensor of the backend");
/// let parameters = RowParameters {
///     alpha: 1.0,
///     solver: Solver::Newton,
///     empty_row: EmptyRow::NaN,
///     output: Output::Probabilities,
/// };
/// let (alpha, reference) = (AlphaTensor::Number, ReferenceTensor::Ones);
/// let (_p, state) = Flex::tsallis_forward(x.clone(), alpha.clone(), reference.clone(), parameters);
/// let gradients = Flex::tsallis_backward(
///     x, alpha, reference, state, cotangent, parameters, GradientMask::LOGITS,
/// );
/// // dp_0 / dx = p_0 (1 - p_0), -p_0 p_1
/// let gradient = gradients.logits.into_option().expect("the wanted gradient");
/// let gradient = Tensor::<2>::from_primitive::<Flex>(gradient);
/// let expected = TensorData::from([[0.25, -0.25]]);
/// gradient.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
/// # }
/// ```
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
    /// Computes the gradients, in one launch if the device can bind the buffers of all of them, otherwise in two.
    /// Returns `None` if a launch does.
    pub(super) fn in_launches(
        wanted: GradientMask,
        inputs: [bool; 2],
        max_bindings: u32,
        launch: impl Fn(GradientMask) -> Option<Self>,
    ) -> Option<Self> {
        let others = GradientMask {
            reference: false,
            ..wanted
        };
        let fits = wanted.buffers(inputs) <= max_bindings;
        if fits || !wanted.reference || others == GradientMask::default() {
            return launch(wanted);
        }
        let reference = GradientMask {
            reference: true,
            ..GradientMask::default()
        };
        Some(Self {
            reference: launch(reference)?.reference,
            ..launch(others)?
        })
    }

    /// The gradients in the logits, alpha and the reference.
    pub(super) fn from_options(gradients: [Option<FloatTensor<B>>; 3]) -> Self {
        let [logits, alpha, reference] = gradients.map(|gradient| match gradient {
            None => OptionalTensor::None,
            Some(gradient) => OptionalTensor::Some(gradient),
        });
        Self {
            logits,
            alpha,
            reference,
        }
    }

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
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::backend::Flex;
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
/// use burn_tsallis::op::{
///     AlphaTensor, DivergenceTerm, Output, ReferenceTensor, RowParameters, TsallisBackend,
/// };
/// use burn_tsallis::{EmptyRow, Solver};
///
/// let p = Tensor::<2>::from_data([[0.5, 0.5]], &Device::flex());
/// let p = p.try_into_primitive::<Flex>().expect("a tensor of the backend");
/// let parameters = RowParameters {
///     alpha: 2.0,
///     solver: Solver::Newton,
///     empty_row: EmptyRow::NaN,
///     output: Output::Divergence,
/// };
/// let (alpha, reference) = (AlphaTensor::Number, ReferenceTensor::Ones);
/// let term = DivergenceTerm::ProbabilityDerivative;
/// let terms = Flex::tsallis_divergence_terms(p, alpha, reference, parameters, term);
/// // f'(u) = u - 1 at alpha = 2.
/// let terms = Tensor::<2>::from_primitive::<Flex>(terms);
/// let expected = TensorData::from([[-0.5, -0.5]]);
/// terms.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
/// # }
/// ```
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
///
/// ```
/// use burn_tsallis::op::{Output, RowParameters};
/// use burn_tsallis::{EmptyRow, Solver};
///
/// let parameters = RowParameters {
///     alpha: 1.5,
///     solver: Solver::Newton,
///     empty_row: EmptyRow::Zero,
///     output: Output::Value,
/// };
/// // The backend returns one number for each row.
/// assert!(!parameters.output.is_per_entry());
/// ```
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

/// Returns the dtype in which the operator computes tensors of this dtype on this device: `F64` for `F64`, `F32` for all
/// others, and `F32` for `F64` on wgpu. Its drivers have no `exp` and `ln` in double precision: some return wrong numbers
/// without an error.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{DType, Device};
/// use burn_tsallis::op::computed_dtype;
///
/// assert_eq!(computed_dtype(&Device::flex(), DType::F64), DType::F64);
/// assert_eq!(computed_dtype(&Device::flex(), DType::F16), DType::F32);
/// # }
/// ```
pub fn computed_dtype(device: &Device, dtype: DType) -> DType {
    #[cfg(feature = "wgpu")]
    if dtype == DType::F64
        && let DispatchDevice::Cube(device) = device.clone().without_autodiff().as_dispatch()
        && device.client().name().starts_with("wgpu")
    {
        return DType::F32;
    }
    let _ = device;
    arithmetic_dtype(dtype)
}

/// Returns the dtype of the arithmetic and of the row state for logits of this dtype.
pub(crate) fn arithmetic_dtype(logits: DType) -> DType {
    match logits {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

#[cfg(any(feature = "cube", feature = "flex", feature = "ndarray"))]
/// Returns the shape with `width` numbers for each row.
pub(super) fn row_shape(shape: &Shape, width: usize) -> Shape {
    let mut shape = shape.clone();
    let last = shape.num_dims() - 1;
    shape[last] = width;
    shape
}

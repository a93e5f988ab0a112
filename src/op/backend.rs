#![cfg_attr(
    not(any(
        feature = "cube",
        feature = "flex",
        feature = "ndarray",
        feature = "remote",
        feature = "tch"
    )),
    allow(
        unused_variables,
        dead_code,
        reason = "without any backend, the generated functions have empty bodies"
    )
)]

use super::attention::{
    AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, AttentionParameters,
};
use super::portable;
use super::request::{
    AlphaTensor, DivergenceTerm, GradientMask, InputGradients, ReferenceTensor, RowParameters,
};
#[cfg(feature = "cube")]
use super::request::{STATE_LEN, arithmetic_dtype};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

/// An extension of Burn's backends by the operator on rows of the last dimension.
///
/// The default bodies are the portable path in Burn's own operations. A backend with its own kernels overrides them.
/// Models call [`tsallis_softargmax`](crate::tsallis_softargmax) and the other tensor functions instead.
///
/// # Example
///
/// ```
/// use burn::backend::tensor::FloatTensor;
/// use burn_tsallis::op::{AlphaTensor, Output, ReferenceTensor, RowParameters, TsallisBackend};
/// use burn_tsallis::{EmptyRow, Solver};
///
/// /// 1.5-entmax along the last dimension.
/// fn entmax15<B: TsallisBackend>(logits: FloatTensor<B>) -> FloatTensor<B> {
///     let parameters = RowParameters {
///         alpha: 1.5,
///         solver: Solver::Newton,
///         empty_row: EmptyRow::NaN,
///         output: Output::Probabilities,
///     };
///     let (alpha, reference) = (AlphaTensor::Number, ReferenceTensor::Ones);
///     let (probabilities, _state) = B::tsallis_forward(logits, alpha, reference, parameters);
///     probabilities
/// }
///
/// # #[cfg(feature = "flex")] {
/// use burn::backend::Flex;
/// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
///
/// let x = Tensor::<2>::from_data([[2.0, 1.0, 0.1]], &Device::flex());
/// let x = x.try_into_primitive::<Flex>().expect("a tensor of the backend");
/// let p = Tensor::<2>::from_primitive::<Flex>(entmax15::<Flex>(x));
/// let expected = TensorData::from([[0.8307, 0.1693, 0.0]]);
/// p.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
/// # }
/// ```
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
    /// Computes an output and the state of each row.
    ///
    /// The first tensor is the output `parameters.output`, in the dtype of the logits. The second is the
    /// [`RowState`](crate::math::RowState) of each row, of shape `[.., 2]`: `F64` for `F64` logits, `F32` for all
    /// others.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::backend::Flex;
    /// use burn::tensor::{Device, Tensor, TensorData, Tolerance};
    /// use burn_tsallis::op::{AlphaTensor, Output, ReferenceTensor, RowParameters, TsallisBackend};
    /// use burn_tsallis::{EmptyRow, Solver};
    ///
    /// let x = Tensor::<2>::from_data([[0.0, 0.0]], &Device::flex());
    /// let x = x.try_into_primitive::<Flex>().expect("a tensor of the backend");
    /// let parameters = RowParameters {
    ///     alpha: 1.0,
    ///     solver: Solver::Newton,
    ///     empty_row: EmptyRow::NaN,
    ///     output: Output::Value,
    /// };
    /// let (alpha, reference) = (AlphaTensor::Number, ReferenceTensor::Ones);
    /// let (value, _state) = Flex::tsallis_forward(x, alpha, reference, parameters);
    /// // ln 2 + 1 - 2
    /// let value = Tensor::<2>::from_primitive::<Flex>(value);
    /// let expected = TensorData::from([[-0.3069]]);
    /// value.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
    /// # }
    /// ```
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

    /// Computes the gradients of `<cotangent, output>` in the inputs of `wanted`, row by row.
    ///
    /// `state` is the state that the forward call returned, so the root is not computed again.
    ///
    /// # Example
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
    /// let cotangent = Tensor::<2>::from_data([[1.0]], &Device::flex());
    /// let cotangent = cotangent.try_into_primitive::<Flex>().expect("a tensor of the backend");
    /// let parameters = RowParameters {
    ///     alpha: 2.0,
    ///     solver: Solver::Newton,
    ///     empty_row: EmptyRow::NaN,
    ///     output: Output::Value,
    /// };
    /// let (alpha, reference) = (AlphaTensor::Number, ReferenceTensor::Ones);
    /// let (_p, state) = Flex::tsallis_forward(x.clone(), alpha.clone(), reference.clone(), parameters);
    /// let wanted = GradientMask { alpha: true, ..Default::default() };
    /// let gradients = Flex::tsallis_backward(
    ///     x, alpha, reference, state, cotangent, parameters, wanted,
    /// );
    /// // dV / dalpha = -dD / dalpha
    /// let gradient = gradients.alpha.into_option().expect("the wanted gradient");
    /// let gradient = Tensor::<2>::from_primitive::<Flex>(gradient);
    /// let expected = TensorData::from([[0.0483]]);
    /// gradient.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
    /// # }
    /// ```
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

    /// Computes the terms `q f(p / q)` of the divergence of given probabilities, or their derivatives. The result has
    /// the shape of the probabilities.
    ///
    /// # Example
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
    /// let term = DivergenceTerm::Value;
    /// let terms = Flex::tsallis_divergence_terms(p, alpha, reference, parameters, term);
    /// // f(u) = (u - 1)^2 / 2 at alpha = 2.
    /// let terms = Tensor::<2>::from_primitive::<Flex>(terms);
    /// let expected = TensorData::from([[0.125, 0.125]]);
    /// terms.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
    /// # }
    /// ```
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

    /// Computes attention by blocks of queries: the softargmax of `Q K^T scale + bias` with a reference of ones, times
    /// the values. Neither the scores nor the weights of all queries exist at once.
    #[fusion(meta = |inputs, parameters| {
        AttentionOutput::<B>::metadata(inputs, parameters)
    }, id = "burn_tsallis::attention")]
    fn tsallis_attention(
        #[extension_type] inputs: AttentionInputs<Self>,
        parameters: AttentionParameters,
    ) -> AttentionOutput<Self> {
        portable::attention::forward::<Self>(inputs, parameters)
    }

    /// Computes the gradients of `<cotangent, context>` in the inputs of `wanted`.
    ///
    /// `state` is the state that the forward call returned. The scores are computed again and the roots are not.
    #[fusion(meta = |inputs, _state, _cotangent, _parameters, wanted| {
        AttentionGradients::<B>::metadata(inputs, *wanted)
    }, id = "burn_tsallis::attention_backward")]
    fn tsallis_attention_backward(
        #[extension_type] inputs: AttentionInputs<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: AttentionParameters,
        wanted: AttentionMask,
    ) -> AttentionGradients<Self> {
        portable::attention::backward::<Self>(inputs, state, cotangent, parameters, wanted)
    }
}

#[cfg(feature = "tch")]
impl TsallisBackend for burn::backend::LibTorch {}

#[cfg(feature = "remote")]
impl TsallisBackend for burn::backend::Remote {}

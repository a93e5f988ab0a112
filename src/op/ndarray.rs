//! The operator on the ndarray backend.

use super::attention::{
    self, AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, AttentionParameters,
};
use super::backend::TsallisBackend;
use super::cpu::Rows;
use super::portable;
use super::request::{
    AlphaTensor, GradientMask, InputGradients, OptionalTensor, ReferenceTensor, RowParameters,
    STATE_LEN, row_shape,
};
use crate::math::RowReference;
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Shape, TensorData};
use burn_ndarray::{NdArray, NdArrayTensor};

fn tensor<E: burn::backend::Element>(values: Vec<E>, shape: Shape) -> NdArrayTensor {
    NdArrayTensor::from_data(TensorData::new(values, shape))
}

fn optional<E: burn::backend::Element>(
    values: Option<Vec<E>>,
    shape: &Shape,
) -> OptionalTensor<NdArray> {
    match values {
        None => OptionalTensor::None,
        Some(values) => OptionalTensor::Some(tensor(values, shape.clone())),
    }
}

/// Binds the elements of a storage in row-major order, without a copy if it is contiguous.
///
/// This is a macro because burn-ndarray keeps the type of the storage private.
macro_rules! with_elements {
    ($storage:expr, |$elements:ident| $body:expr) => {{
        let view = $storage.view();
        let packed: Vec<_>;
        let $elements: &[_] = match view.as_slice() {
            Some(elements) => elements,
            None => {
                packed = view.iter().copied().collect();
                &packed
            }
        };
        $body
    }};
}

/// Binds the rows of a call. All its tensors have the dtype `$variant`, by the contract of the extension.
macro_rules! with_rows {
    ($logits:expr, $shape:expr, $alpha:expr, $reference:expr, $parameters:expr, $variant:ident, |$rows:ident| $body:expr) => {{
        let shape: &Shape = &$shape;
        let wrong = |what: &str, dtype| -> ! {
            panic!(
                "the dtype of the {what} is {dtype:?}: it must be {}, the arithmetic dtype of the logits",
                stringify!($variant)
            )
        };
        let alpha: Option<Vec<_>> = match $alpha {
            AlphaTensor::Number => None,
            // One number for each row, so a copy is cheap.
            AlphaTensor::Rows(NdArrayTensor::$variant(alpha)) => {
                Some(alpha.view().iter().copied().collect())
            }
            AlphaTensor::Rows(other) => wrong("alpha", other.dtype()),
        };
        let columns = shape[shape.num_dims() - 1];
        let reference_stride = $reference.stride(columns);
        let run = |logits, reference| {
            let $rows = Rows {
                logits,
                count: row_shape(shape, 1).num_elements(),
                columns,
                alpha_rows: alpha.as_deref(),
                reference,
                reference_stride,
                parameters: $parameters,
            };
            $body
        };
        with_elements!($logits, |x| match $reference {
            ReferenceTensor::Uniform => run(x, RowReference::Uniform),
            ReferenceTensor::Ones => run(x, RowReference::Ones),
            ReferenceTensor::Vector(NdArrayTensor::$variant(q))
            | ReferenceTensor::Rows(NdArrayTensor::$variant(q)) => {
                with_elements!(q, |q| run(x, RowReference::Values(q)))
            }
            ReferenceTensor::Vector(other) | ReferenceTensor::Rows(other) => {
                wrong("reference", other.dtype())
            }
        })
    }};
}

impl TsallisBackend for NdArray {
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let input_shape = logits.shape();
        macro_rules! run {
            ($logits:expr, $variant:ident) => {{
                let (output, states) = with_rows!(
                    $logits,
                    input_shape,
                    alpha,
                    reference,
                    parameters,
                    $variant,
                    |rows| rows.forward()
                );
                let states = tensor(states, row_shape(&input_shape, STATE_LEN));
                let shape = if parameters.output.is_per_entry() {
                    input_shape
                } else {
                    row_shape(&input_shape, 1)
                };
                (tensor(output, shape), states)
            }};
        }
        match &logits {
            NdArrayTensor::F32(x) => run!(x, F32),
            NdArrayTensor::F64(x) => run!(x, F64),
            _ => portable::forward::<Self>(logits, alpha, reference, parameters),
        }
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
        let shape = logits.shape();
        macro_rules! run {
            ($logits:expr, $state:expr, $cotangent:expr, $variant:ident) => {{
                let gradients = with_rows!(
                    $logits,
                    shape,
                    alpha,
                    reference,
                    parameters,
                    $variant,
                    |rows| with_elements!($state, |state| with_elements!(
                        $cotangent,
                        |cotangent| rows.backward(state, cotangent, wanted)
                    ))
                );
                InputGradients {
                    logits: optional(gradients.logits, &shape),
                    alpha: optional(gradients.alpha, &row_shape(&shape, 1)),
                    reference: optional(gradients.reference, &shape),
                }
            }};
        }
        match (&logits, &state, &cotangent) {
            (NdArrayTensor::F32(x), NdArrayTensor::F32(l), NdArrayTensor::F32(c)) => {
                run!(x, l, c, F32)
            }
            (NdArrayTensor::F64(x), NdArrayTensor::F64(l), NdArrayTensor::F64(c)) => {
                run!(x, l, c, F64)
            }
            _ => portable::backward::<Self>(
                logits, alpha, reference, state, cotangent, parameters, wanted,
            ),
        }
    }

    fn tsallis_attention(
        inputs: AttentionInputs<Self>,
        parameters: AttentionParameters,
    ) -> AttentionOutput<Self> {
        attention::ndarray::forward(inputs, parameters)
    }

    fn tsallis_attention_backward(
        inputs: AttentionInputs<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: AttentionParameters,
        wanted: AttentionMask,
    ) -> AttentionGradients<Self> {
        attention::ndarray::backward(inputs, state, cotangent, parameters, wanted)
    }
}

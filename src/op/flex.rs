//! The operator on Burn's CPU backend.

use super::attention::{
    self, AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, AttentionParameters,
};
use super::backend::TsallisBackend;
use super::cpu::{Rows, Storage};
use super::portable;
use super::request::{
    AlphaTensor, GradientMask, InputGradients, OptionalTensor, ReferenceTensor, RowParameters,
    STATE_LEN, row_shape,
};
use crate::math::RowReference;
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Element, TensorMetadata};
use burn::tensor::{DType, Shape, TensorData, bf16, f16};

/// The inputs of a call, made contiguous. A tensor that already is contiguous is not copied.
struct Inputs {
    logits: FlexTensor,
    alpha: AlphaTensor<Flex>,
    reference: ReferenceTensor<Flex>,
    parameters: RowParameters,
}

impl Inputs {
    fn new(
        logits: FlexTensor,
        alpha: AlphaTensor<Flex>,
        reference: ReferenceTensor<Flex>,
        parameters: RowParameters,
    ) -> Self {
        Self {
            logits: logits.to_contiguous(),
            alpha: match alpha {
                AlphaTensor::Number => AlphaTensor::Number,
                AlphaTensor::Rows(alpha) => AlphaTensor::Rows(alpha.to_contiguous()),
            },
            reference: match reference {
                ReferenceTensor::Uniform => ReferenceTensor::Uniform,
                ReferenceTensor::Ones => ReferenceTensor::Ones,
                ReferenceTensor::Vector(q) => ReferenceTensor::Vector(q.to_contiguous()),
                ReferenceTensor::Rows(q) => ReferenceTensor::Rows(q.to_contiguous()),
            },
            parameters,
        }
    }

    fn rows<E>(&self) -> Rows<'_, E>
    where
        E: Storage + Element + bytemuck::Pod,
        E::Real: Element + bytemuck::Pod,
    {
        let shape = self.logits.shape();
        let columns = shape[shape.num_dims() - 1];
        Rows {
            logits: elements(&self.logits),
            count: row_shape(&shape, 1).num_elements(),
            columns,
            alpha_rows: match &self.alpha {
                AlphaTensor::Number => None,
                AlphaTensor::Rows(alpha) => Some(elements(alpha)),
            },
            reference: match &self.reference {
                ReferenceTensor::Uniform => RowReference::Uniform,
                ReferenceTensor::Ones => RowReference::Ones,
                ReferenceTensor::Vector(q) | ReferenceTensor::Rows(q) => {
                    RowReference::Values(elements(q))
                }
            },
            reference_stride: self.reference.stride(columns),
            parameters: self.parameters,
        }
    }
}

/// Returns the elements of a contiguous tensor.
fn elements<E: Element + bytemuck::Pod>(tensor: &FlexTensor) -> &[E] {
    tensor
        .as_slice()
        .expect("the tensor is contiguous and has the matched dtype")
}

fn tensor<E: Element>(values: Vec<E>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn forward<E>(inputs: &Inputs) -> (FlexTensor, FlexTensor)
where
    E: Storage + Element + bytemuck::Pod,
    E::Real: Element + bytemuck::Pod,
{
    let shape = inputs.logits.shape();
    let (output, states) = inputs.rows::<E>().forward();
    let states = tensor(states, row_shape(&shape, STATE_LEN));
    let output_shape = if inputs.parameters.output.is_per_entry() {
        shape
    } else {
        row_shape(&shape, 1)
    };
    (tensor(output, output_shape), states)
}

fn backward<E>(
    inputs: &Inputs,
    state: FlexTensor,
    cotangent: FlexTensor,
    wanted: GradientMask,
) -> InputGradients<Flex>
where
    E: Storage + Element + bytemuck::Pod,
    E::Real: Element + bytemuck::Pod,
{
    let gradients = inputs.rows::<E>().backward(
        elements(&state.to_contiguous()),
        elements(&cotangent.to_contiguous()),
        wanted,
    );
    let shape = inputs.logits.shape();
    InputGradients {
        logits: optional(gradients.logits, &shape),
        alpha: optional(gradients.alpha, &row_shape(&shape, 1)),
        reference: optional(gradients.reference, &shape),
    }
}

fn optional<E: Element>(values: Option<Vec<E>>, shape: &Shape) -> OptionalTensor<Flex> {
    match values {
        None => OptionalTensor::None,
        Some(values) => OptionalTensor::Some(tensor(values, shape.clone())),
    }
}

impl TsallisBackend for Flex {
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        alpha: AlphaTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let run = match logits.dtype() {
            DType::F32 => forward::<f32>,
            DType::F64 => forward::<f64>,
            DType::F16 => forward::<f16>,
            DType::BF16 => forward::<bf16>,
            _ => return portable::forward::<Self>(logits, alpha, reference, parameters),
        };
        run(&Inputs::new(logits, alpha, reference, parameters))
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
        let run = match logits.dtype() {
            DType::F32 => backward::<f32>,
            DType::F64 => backward::<f64>,
            DType::F16 => backward::<f16>,
            DType::BF16 => backward::<bf16>,
            _ => {
                return portable::backward::<Self>(
                    logits, alpha, reference, state, cotangent, parameters, wanted,
                );
            }
        };
        let inputs = Inputs::new(logits, alpha, reference, parameters);
        run(&inputs, state, cotangent, wanted)
    }

    fn tsallis_attention(
        inputs: AttentionInputs<Self>,
        parameters: AttentionParameters,
    ) -> AttentionOutput<Self> {
        attention::flex::forward(inputs, parameters)
    }

    fn tsallis_attention_backward(
        inputs: AttentionInputs<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: AttentionParameters,
        wanted: AttentionMask,
    ) -> AttentionGradients<Self> {
        attention::flex::backward(inputs, state, cotangent, parameters, wanted)
    }
}

//! Attention on Burn's CPU backend.

use super::{
    AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, AttentionParameters,
    AttentionShape, OptionalMask,
};
use crate::op::cpu::Arithmetic;
use crate::op::cpu::attention::{Attention, Broadcast};
use crate::op::cpu::product::Gemm;
use crate::op::portable;
use crate::op::request::{AlphaTensor, OptionalTensor, STATE_LEN, arithmetic_dtype, row_shape};
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Element, TensorMetadata};
use burn::tensor::{DType, Shape, TensorData};

/// The numbers of a mask, not zero where a key is masked.
struct MaskBytes {
    bytes: Vec<u8>,
    tensor: Option<FlexTensor>,
    shape: [usize; 4],
}

impl MaskBytes {
    fn new(mask: FlexTensor) -> Self {
        let shape = mask.shape().dims();
        let mask = mask.to_contiguous();
        if mask.dtype().size() == 1 {
            return Self {
                bytes: Vec::new(),
                tensor: Some(mask),
                shape,
            };
        }
        Self {
            bytes: mask.into_data().iter::<bool>().map(u8::from).collect(),
            tensor: None,
            shape,
        }
    }

    fn broadcast(&self) -> Broadcast<'_, u8> {
        let values = match &self.tensor {
            None => &self.bytes,
            Some(mask) => {
                let count = self.shape.iter().product::<usize>();
                &mask.storage::<u8>()[mask.layout().start_offset()..][..count]
            }
        };
        Broadcast {
            values,
            shape: self.shape,
        }
    }
}

/// The inputs of a call, contiguous and in the arithmetic dtype.
struct Contiguous {
    shape: AttentionShape,
    query: FlexTensor,
    key: FlexTensor,
    value: FlexTensor,
    alpha: Option<FlexTensor>,
    bias: Option<FlexTensor>,
    masks: [Option<MaskBytes>; 2],
    block_mask: Option<MaskBytes>,
}

fn arithmetic(tensor: FlexTensor, dtype: DType) -> FlexTensor {
    let tensor = if tensor.dtype() == dtype {
        tensor
    } else {
        Flex::float_cast(tensor, dtype.into())
    };
    tensor.to_contiguous()
}

impl Contiguous {
    fn new(inputs: AttentionInputs<Flex>) -> Self {
        let dtype = arithmetic_dtype(inputs.query.dtype());
        let mask = |mask: OptionalMask<Flex>| mask.into_option().map(MaskBytes::new);
        Self {
            shape: AttentionShape::new(&inputs),
            query: arithmetic(inputs.query, dtype),
            key: arithmetic(inputs.key, dtype),
            value: arithmetic(inputs.value, dtype),
            alpha: match inputs.alpha {
                AlphaTensor::Number => None,
                AlphaTensor::Rows(alpha) => Some(alpha.to_contiguous()),
            },
            bias: inputs.bias.into_option().map(|bias| bias.to_contiguous()),
            masks: [mask(inputs.mask), mask(inputs.padding)],
            block_mask: mask(inputs.block_mask),
        }
    }

    fn attention<'a, F: Arithmetic + Element + bytemuck::Pod>(
        &'a self,
        parameters: &'a AttentionParameters,
    ) -> Attention<'a, F> {
        Attention {
            shape: self.shape,
            query: elements(&self.query),
            key: elements(&self.key),
            value: elements(&self.value),
            alpha: self.alpha.as_ref().map(elements),
            bias: self.bias.as_ref().map(|bias| Broadcast {
                values: elements(bias),
                shape: bias.shape().dims(),
            }),
            masks: self
                .masks
                .each_ref()
                .map(|mask| mask.as_ref().map(MaskBytes::broadcast)),
            block_mask: self.block_mask.as_ref().map(MaskBytes::broadcast),
            parameters,
        }
    }
}

fn elements<F: Element + bytemuck::Pod>(tensor: &FlexTensor) -> &[F] {
    tensor
        .as_slice()
        .expect("the tensor is contiguous and has the arithmetic dtype")
}

fn tensor<F: Element>(values: Vec<F>, shape: Shape, dtype: DType) -> FlexTensor {
    let tensor = FlexTensor::from_data(TensorData::new(values, shape));
    if tensor.dtype() == dtype {
        tensor
    } else {
        Flex::float_cast(tensor, dtype.into())
    }
}

fn optional<F: Element>(
    values: Option<Vec<F>>,
    shape: &Shape,
    dtype: DType,
) -> OptionalTensor<Flex> {
    match values {
        None => OptionalTensor::None,
        Some(values) => OptionalTensor::Some(tensor(values, shape.clone(), dtype)),
    }
}

fn forward_in<F: Arithmetic + Element + bytemuck::Pod>(
    inputs: AttentionInputs<Flex>,
    parameters: &AttentionParameters,
) -> AttentionOutput<Flex> {
    let (storage, shape) = (inputs.query.dtype(), inputs.query.shape());
    let inputs = Contiguous::new(inputs);
    let output = inputs.attention::<F>(parameters).forward::<Gemm<false>>();
    let states = row_shape(&shape, STATE_LEN);
    AttentionOutput {
        context: tensor(
            output.context,
            row_shape(&shape, inputs.shape.value_size),
            storage,
        ),
        statistics: optional(output.statistics, &states, F::dtype()),
        state: tensor(output.states, states, F::dtype()),
    }
}

fn backward_in<F: Arithmetic + Element + bytemuck::Pod>(
    inputs: AttentionInputs<Flex>,
    state: FlexTensor,
    cotangent: FlexTensor,
    parameters: &AttentionParameters,
    wanted: AttentionMask,
) -> AttentionGradients<Flex> {
    let storage = inputs.query.dtype();
    let [query, key, value] = [&inputs.query, &inputs.key, &inputs.value].map(FlexTensor::shape);
    let inputs = Contiguous::new(inputs);
    let state = state.to_contiguous();
    let cotangent = arithmetic(cotangent, F::dtype());
    let gradients = inputs.attention::<F>(parameters).backward::<Gemm<false>>(
        elements(&state),
        elements(&cotangent),
        wanted,
    );
    AttentionGradients {
        alpha: optional(gradients.alpha, &row_shape(&query, 1), F::dtype()),
        query: optional(gradients.query, &query, storage),
        key: optional(gradients.key, &key, storage),
        value: optional(gradients.value, &value, storage),
        bias: match &inputs.bias {
            None => OptionalTensor::None,
            Some(bias) => optional(gradients.bias, &bias.shape(), F::dtype()),
        },
    }
}

pub(in crate::op) fn forward(
    inputs: AttentionInputs<Flex>,
    parameters: AttentionParameters,
) -> AttentionOutput<Flex> {
    match inputs.query.dtype() {
        DType::F32 | DType::F16 | DType::BF16 => forward_in::<f32>(inputs, &parameters),
        DType::F64 => forward_in::<f64>(inputs, &parameters),
        _ => portable::attention::forward(inputs, parameters),
    }
}

pub(in crate::op) fn backward(
    inputs: AttentionInputs<Flex>,
    state: FlexTensor,
    cotangent: FlexTensor,
    parameters: AttentionParameters,
    wanted: AttentionMask,
) -> AttentionGradients<Flex> {
    let run = match inputs.query.dtype() {
        DType::F32 | DType::F16 | DType::BF16 => backward_in::<f32>,
        DType::F64 => backward_in::<f64>,
        _ => {
            return portable::attention::backward(inputs, state, cotangent, parameters, wanted);
        }
    };
    run(inputs, state, cotangent, &parameters, wanted)
}

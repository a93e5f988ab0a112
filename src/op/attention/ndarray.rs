//! Attention on the ndarray backend.

use super::{
    AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, AttentionParameters,
    AttentionShape,
};
use crate::op::cpu::attention::{Attention, Broadcast};
use crate::op::cpu::product::MatrixMultiply;
use crate::op::portable;
use crate::op::request::{AlphaTensor, OptionalTensor, STATE_LEN, row_shape};
use burn::backend::TensorMetadata;
use burn::tensor::{Shape, TensorData};
use burn_ndarray::{NdArray, NdArrayTensor};
use std::borrow::Cow;

/// Borrows the elements of a tensor in row-major order, or copies them if it is not contiguous.
///
/// This is a macro because burn-ndarray keeps the type of the storage private.
macro_rules! elements {
    ($tensor:expr, $variant:ident) => {
        match $tensor {
            NdArrayTensor::$variant(storage) => {
                let view = storage.view();
                match view.to_slice() {
                    Some(elements) => Cow::Borrowed(elements),
                    None => Cow::Owned(view.iter().copied().collect()),
                }
            }
            other => panic!(
                "the dtype of a tensor of attention is {:?}: it must be {}, that of the queries",
                other.dtype(),
                stringify!($variant)
            ),
        }
    };
}

/// Binds the call with its tensors as slices.
macro_rules! with_attention {
    ($inputs:expr, $parameters:expr, $variant:ident, $real:ty, |$attention:ident| $body:expr) => {{
        let inputs: &AttentionInputs<NdArray> = $inputs;
        let query: Cow<'_, [$real]> = elements!(&inputs.query, $variant);
        let key: Cow<'_, [$real]> = elements!(&inputs.key, $variant);
        let value: Cow<'_, [$real]> = elements!(&inputs.value, $variant);
        let alpha: Option<Cow<'_, [$real]>> = match &inputs.alpha {
            AlphaTensor::Number => None,
            AlphaTensor::Rows(alpha) => Some(elements!(alpha, $variant)),
        };
        let bias: Option<(Cow<'_, [$real]>, Shape)> = match &inputs.bias {
            OptionalTensor::None => None,
            OptionalTensor::Some(bias) => Some((elements!(bias, $variant), bias.shape())),
        };
        let masks = [&inputs.mask, &inputs.padding, &inputs.block_mask].map(|mask| match mask {
            super::OptionalMask::None => None,
            super::OptionalMask::Some(mask) => {
                let elements: Cow<'_, [bool]> = elements!(mask, Bool);
                Some((elements, mask.shape()))
            }
        });
        let [mask, padding, block_mask] = masks.each_ref().map(|mask| {
            mask.as_ref().map(|(values, shape)| Broadcast {
                values: bytemuck::cast_slice::<bool, u8>(values),
                shape: shape.dims(),
            })
        });
        let $attention = Attention::<$real> {
            shape: AttentionShape::new(inputs),
            query: &query,
            key: &key,
            value: &value,
            alpha: alpha.as_deref(),
            bias: bias.as_ref().map(|(values, shape)| Broadcast {
                values,
                shape: shape.dims(),
            }),
            masks: [mask, padding],
            block_mask,
            parameters: $parameters,
        };
        $body
    }};
}

fn tensor<E: burn::backend::Element>(values: Vec<E>, shape: Shape) -> NdArrayTensor {
    NdArrayTensor::from_data(TensorData::new(values, shape))
}

fn optional<E: burn::backend::Element>(
    values: Option<Vec<E>>,
    shape: impl FnOnce() -> Shape,
) -> OptionalTensor<NdArray> {
    match values {
        None => OptionalTensor::None,
        Some(values) => OptionalTensor::Some(tensor(values, shape())),
    }
}

pub(in crate::op) fn forward(
    inputs: AttentionInputs<NdArray>,
    parameters: AttentionParameters,
) -> AttentionOutput<NdArray> {
    macro_rules! run {
        ($variant:ident, $real:ty) => {{
            let output = with_attention!(&inputs, &parameters, $variant, $real, |attention| {
                attention.forward::<MatrixMultiply>()
            });
            let (shape, value) = (inputs.query.shape(), inputs.value.shape());
            let states = row_shape(&shape, STATE_LEN);
            AttentionOutput {
                context: tensor(output.context, row_shape(&shape, value[3])),
                statistics: optional(output.statistics, || states.clone()),
                state: tensor(output.states, states),
            }
        }};
    }
    match &inputs.query {
        NdArrayTensor::F32(_) => run!(F32, f32),
        NdArrayTensor::F64(_) => run!(F64, f64),
        _ => portable::attention::forward(inputs, parameters),
    }
}

pub(in crate::op) fn backward(
    inputs: AttentionInputs<NdArray>,
    state: NdArrayTensor,
    cotangent: NdArrayTensor,
    parameters: AttentionParameters,
    wanted: AttentionMask,
) -> AttentionGradients<NdArray> {
    macro_rules! run {
        ($variant:ident, $real:ty) => {{
            let state: Cow<'_, [$real]> = elements!(&state, $variant);
            let cotangent: Cow<'_, [$real]> = elements!(&cotangent, $variant);
            let gradients = with_attention!(&inputs, &parameters, $variant, $real, |attention| {
                attention.backward::<MatrixMultiply>(&state, &cotangent, wanted)
            });
            AttentionGradients {
                query: optional(gradients.query, || inputs.query.shape()),
                key: optional(gradients.key, || inputs.key.shape()),
                value: optional(gradients.value, || inputs.value.shape()),
                bias: match &inputs.bias {
                    OptionalTensor::None => OptionalTensor::None,
                    OptionalTensor::Some(bias) => optional(gradients.bias, || bias.shape()),
                },
                alpha: optional(gradients.alpha, || row_shape(&inputs.query.shape(), 1)),
            }
        }};
    }
    match &inputs.query {
        NdArrayTensor::F32(_) => run!(F32, f32),
        NdArrayTensor::F64(_) => run!(F64, f64),
        _ => portable::attention::backward(inputs, state, cotangent, parameters, wanted),
    }
}

//! The operator on Burn's CPU backend.

use super::cpu::{self, Storage};
use super::{ReferenceTensor, RowParameters, TsallisBackend, Wrt, portable};
use crate::math::Measure;
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Element, TensorMetadata};
use burn::tensor::{DType, Shape, TensorData, bf16, f16};

/// The elements of a tensor made contiguous, which is free for one that is.
fn elements<E: Element + bytemuck::Pod>(tensor: &FlexTensor) -> &[E] {
    tensor
        .as_slice()
        .expect("a contiguous tensor of the dtype that was matched")
}

fn measure<'a, E: Element + bytemuck::Pod>(reference: &'a ReferenceTensor<Flex>) -> Measure<'a, E> {
    match reference {
        ReferenceTensor::Uniform => Measure::Uniform,
        ReferenceTensor::Ones => Measure::Ones,
        ReferenceTensor::Vector(q) => Measure::Given(elements(q)),
    }
}

fn contiguous(reference: ReferenceTensor<Flex>) -> ReferenceTensor<Flex> {
    match reference {
        ReferenceTensor::Vector(q) => ReferenceTensor::Vector(q.to_contiguous()),
        other => other,
    }
}

fn tensor<E: Element>(values: Vec<E>, shape: Shape) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn columns(shape: &Shape) -> usize {
    shape[shape.num_dims() - 1]
}

fn forward<E>(
    logits: FlexTensor,
    reference: ReferenceTensor<Flex>,
    parameters: RowParameters,
) -> (FlexTensor, FlexTensor)
where
    E: Storage + Element + bytemuck::Pod,
    E::Real: Element + bytemuck::Pod,
{
    let shape = logits.shape();
    let mut row_shape = shape.clone();
    row_shape[shape.num_dims() - 1] = 1;
    let (output, states) = cpu::forward::<E>(
        elements(&logits.to_contiguous()),
        [row_shape.num_elements(), columns(&shape)],
        measure(&contiguous(reference)),
        parameters,
    );
    (tensor(output, shape), tensor(states, row_shape))
}

fn backward<E, G>(
    logits: FlexTensor,
    reference: ReferenceTensor<Flex>,
    state: FlexTensor,
    cotangent: FlexTensor,
    parameters: RowParameters,
    wrt: Wrt,
) -> FlexTensor
where
    E: Storage + Element + bytemuck::Pod,
    E::Real: Element + bytemuck::Pod,
    G: Storage<Real = E::Real> + Element,
{
    let shape = logits.shape();
    let gradient: Vec<G> = cpu::backward::<E, G>(
        elements(&logits.to_contiguous()),
        columns(&shape),
        measure(&contiguous(reference)),
        elements(&state.to_contiguous()),
        elements(&cotangent.to_contiguous()),
        parameters,
        wrt,
    );
    tensor(gradient, shape)
}

impl TsallisBackend for Flex {
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match logits.dtype() {
            DType::F32 => forward::<f32>(logits, reference, parameters),
            DType::F64 => forward::<f64>(logits, reference, parameters),
            DType::F16 => forward::<f16>(logits, reference, parameters),
            DType::BF16 => forward::<bf16>(logits, reference, parameters),
            _ => portable::forward::<Self>(logits, reference, parameters),
        }
    }

    fn tsallis_backward(
        logits: FloatTensor<Self>,
        reference: ReferenceTensor<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: RowParameters,
        wrt: Wrt,
    ) -> FloatTensor<Self> {
        let run = match (logits.dtype(), wrt) {
            (DType::F32, _) => backward::<f32, f32>,
            (DType::F64, _) => backward::<f64, f64>,
            (DType::F16, Wrt::Logits) => backward::<f16, f16>,
            (DType::F16, Wrt::Reference) => backward::<f16, f32>,
            (DType::BF16, Wrt::Logits) => backward::<bf16, bf16>,
            (DType::BF16, Wrt::Reference) => backward::<bf16, f32>,
            _ => portable::backward::<Self>,
        };
        run(logits, reference, state, cotangent, parameters, wrt)
    }
}

use super::product::{Matrix, multiply};
use super::{Activation, DenseBackend, cpu, portable};
use burn::backend::TensorMetadata;
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape, TensorData};

/// Computes the row-major product of two `f32` matrices of any non-negative strides.
///
/// Burn's own product of these matrices allocates its result twice and copies it, for alignment.
fn product(a: &FlexTensor, b: &FlexTensor) -> (Vec<f32>, Shape) {
    let shape = [a.shape()[0], b.shape()[1]];
    let [a, b] = [a, b].map(|tensor| {
        let values = &tensor.storage::<f32>()[tensor.layout().start_offset()..];
        let (shape, strides) = (tensor.shape(), tensor.layout().strides());
        let strides = [strides[0], strides[1]].map(isize::unsigned_abs);
        Matrix::new(values, [shape[0], shape[1]], strides)
    });
    let mut product = vec![0.0; shape[0] * shape[1]];
    multiply(a, b, false, &mut product);
    (product, Shape::new(shape))
}

/// Copies a matrix with negative strides, such as a flipped one.
fn non_negative_strides(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().strides().iter().all(|&stride| stride >= 0) {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// Changes the values of a tensor, in place if nothing else holds them, otherwise in a copy.
fn map_values(tensor: FlexTensor, change: impl FnOnce(&mut [f32])) -> FlexTensor {
    let shape = tensor.shape();
    let mut tensor = tensor.to_contiguous();
    if tensor.layout().start_offset() == 0
        && let Some(values) = tensor.try_storage_mut::<f32>()
        && values.len() == shape.num_elements()
    {
        change(values);
        return tensor;
    }
    let mut values = elements(&tensor).to_vec();
    change(&mut values);
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn elements(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice()
        .expect("a contiguous tensor of the dtype that was matched")
}

fn are_f32<const N: usize>(tensors: [&FlexTensor; N]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}

impl DenseBackend for Flex {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> FloatTensor<Self> {
        if !are_f32([&x, &weight, &bias]) {
            return portable::dense::<Self>(x, weight, bias, activation);
        }
        let (mut y, shape) = product(&non_negative_strides(x), &non_negative_strides(weight));
        cpu::activate(&mut y, elements(&bias.to_contiguous()), activation);
        FlexTensor::from_data(TensorData::new(y, shape))
    }

    fn dense_backward(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !are_f32([&y, &gradient]) {
            return portable::dense_backward::<Self>(y, gradient, activation);
        }
        let y = y.to_contiguous();
        let mut bias_grad = vec![0.0; y.shape()[1]];
        let product_grad = map_values(gradient, |gradient| {
            cpu::activate_backward(elements(&y), gradient, &mut bias_grad, activation);
        });
        let outputs = Shape::new([bias_grad.len()]);
        let bias_grad = FlexTensor::from_data(TensorData::new(bias_grad, outputs));
        (product_grad, bias_grad)
    }

    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        if !are_f32([&a, &b]) {
            return Self::float_matmul(a, b);
        }
        let (product, shape) = product(&non_negative_strides(a), &non_negative_strides(b));
        FlexTensor::from_data(TensorData::new(product, shape))
    }
}

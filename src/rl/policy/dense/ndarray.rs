use super::{Activation, DenseBackend, cpu, portable};
use burn::backend::TensorMetadata;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Shape, TensorData};
use burn_ndarray::{NdArray, NdArrayTensor};

fn tensor(values: Vec<f32>, shape: Shape) -> NdArrayTensor {
    NdArrayTensor::from_data(TensorData::new(values, shape))
}

/// Copies the values of an `f32` tensor in row-major order. This is a macro because burn-ndarray does not
/// export the type of its storage.
macro_rules! values {
    ($storage:expr) => {
        $storage.view().iter().copied().collect::<Vec<f32>>()
    };
}

impl DenseBackend for NdArray {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> FloatTensor<Self> {
        let (NdArrayTensor::F32(_), NdArrayTensor::F32(biases)) = (&x, &bias) else {
            return portable::dense::<Self>(x, weight, bias, activation);
        };
        let biases = values!(biases);
        let product = Self::float_matmul(x, weight);
        let shape = product.shape();
        let NdArrayTensor::F32(z) = product else {
            unreachable!("a product has the dtype of its factors");
        };
        let mut y = values!(z);
        cpu::activate(&mut y, &biases, activation);
        tensor(y, shape)
    }

    fn dense_backward(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (NdArrayTensor::F32(values), NdArrayTensor::F32(gradients)) = (&y, &gradient) else {
            return portable::dense_backward::<Self>(y, gradient, activation);
        };
        let shape = y.shape();
        let mut product_grad = values!(gradients);
        let mut bias_grad = vec![0.0; shape[1]];
        cpu::activate_backward(
            &values!(values),
            &mut product_grad,
            &mut bias_grad,
            activation,
        );
        let outputs = Shape::new([shape[1]]);
        (tensor(product_grad, shape), tensor(bias_grad, outputs))
    }
}

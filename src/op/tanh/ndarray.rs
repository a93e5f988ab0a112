use super::{TanhBackend, portable};
use crate::op::cpu::activation;
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Shape, TensorData};
use burn_ndarray::{NdArray, NdArrayTensor};

fn tensor(values: Vec<f32>, shape: Shape) -> NdArrayTensor {
    NdArrayTensor::from_data(TensorData::new(values, shape))
}

/// The values of an `f32` tensor in row-major order. A macro, because burn-ndarray keeps the type of the
/// storage to itself.
macro_rules! values {
    ($storage:expr) => {
        $storage.view().iter().copied().collect::<Vec<f32>>()
    };
}

impl TanhBackend for NdArray {
    fn bias_tanh(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let (NdArrayTensor::F32(values), NdArrayTensor::F32(biases)) = (&x, &bias) else {
            return portable::bias_tanh::<Self>(x, bias);
        };
        let mut y = values!(values);
        activation::bias_tanh(&mut y, &values!(biases));
        tensor(y, x.shape())
    }

    fn bias_tanh_backward(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (NdArrayTensor::F32(values), NdArrayTensor::F32(gradients)) = (&y, &gradient) else {
            return portable::bias_tanh_backward::<Self>(y, gradient);
        };
        let shape = y.shape();
        let mut of_x = values!(gradients);
        let mut of_bias = vec![0.0; shape[1]];
        activation::bias_tanh_backward(&values!(values), &mut of_x, &mut of_bias);
        let features = Shape::new([shape[1]]);
        (tensor(of_x, shape), tensor(of_bias, features))
    }
}

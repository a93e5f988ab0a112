use super::{TanhBackend, portable};
use crate::op::cpu::activation;
use burn::backend::TensorMetadata;
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape, TensorData};

/// The values of a tensor to change in place: its own where nothing else holds them, else a copy.
fn with_values(tensor: FlexTensor, change: impl FnOnce(&mut [f32])) -> FlexTensor {
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

impl TanhBackend for Flex {
    fn bias_tanh(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        if x.dtype() != DType::F32 || bias.dtype() != DType::F32 {
            return portable::bias_tanh::<Self>(x, bias);
        }
        let bias = bias.to_contiguous();
        with_values(x, |x| activation::bias_tanh(x, elements(&bias)))
    }

    fn bias_tanh_backward(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if y.dtype() != DType::F32 || gradient.dtype() != DType::F32 {
            return portable::bias_tanh_backward::<Self>(y, gradient);
        }
        let y = y.to_contiguous();
        let features = y.shape()[1];
        let mut of_bias = vec![0.0; features];
        let of_x = with_values(gradient, |gradient| {
            activation::bias_tanh_backward(elements(&y), gradient, &mut of_bias);
        });
        let of_bias = FlexTensor::from_data(TensorData::new(of_bias, Shape::new([features])));
        (of_x, of_bias)
    }
}

use super::{ObjectiveBackend, ObjectiveParameters, TERMS, cpu, portable};
use burn::backend::TensorMetadata;
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape, TensorData};

impl ObjectiveBackend for Flex {
    fn objective_parts(
        policy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        samples: FloatTensor<Self>,
        parameters: ObjectiveParameters,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let inputs = [policy, values, samples];
        if inputs.iter().any(|input| input.dtype() != DType::F32) {
            let [policy, values, samples] = inputs;
            return portable::parts::<Self>(policy, values, samples, parameters);
        }
        let inputs = inputs.map(|input| input.to_contiguous());
        let [policy, values, samples] = inputs.each_ref().map(|input| {
            input
                .as_slice::<f32>()
                .expect("a contiguous tensor of the dtype that was matched")
        });
        let parts = cpu::parts(policy, values, samples, parameters);
        let tensor = |numbers: Vec<f32>, shape: Shape| {
            FlexTensor::from_data(TensorData::new(numbers, shape))
        };
        let batch = values.len();
        (
            tensor(vec![parts.loss], Shape::new([1])),
            tensor(parts.terms, Shape::new([batch, TERMS])),
            tensor(parts.of_policy, inputs[0].shape()),
            tensor(parts.of_values, inputs[1].shape()),
        )
    }
}

use super::{ObjectiveBackend, ObjectiveParameters, ObjectiveTensors, TERM_COLUMNS, cpu, portable};
use burn::backend::TensorMetadata;
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape, TensorData};

impl ObjectiveBackend for Flex {
    fn objective_with_gradients(
        policy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        samples: FloatTensor<Self>,
        parameters: ObjectiveParameters,
    ) -> ObjectiveTensors<Self> {
        let inputs = [policy, values, samples];
        if inputs.iter().any(|input| input.dtype() != DType::F32) {
            let [policy, values, samples] = inputs;
            return portable::objective::<Self>(policy, values, samples, parameters);
        }
        let inputs = inputs.map(|input| input.to_contiguous());
        let [policy, values, samples] = inputs.each_ref().map(|input| {
            input
                .as_slice::<f32>()
                .expect("a contiguous tensor of the dtype that was matched")
        });
        let output = cpu::objective(policy, values, samples, parameters);
        let tensor = |numbers: Vec<f32>, shape: Shape| {
            FlexTensor::from_data(TensorData::new(numbers, shape))
        };
        let batch = values.len();
        ObjectiveTensors {
            loss: tensor(vec![output.loss], Shape::new([1])),
            terms: tensor(output.terms, Shape::new([batch, TERM_COLUMNS])),
            policy_grad: tensor(output.policy_grad, inputs[0].shape()),
            value_grad: tensor(output.value_grad, inputs[1].shape()),
        }
    }
}

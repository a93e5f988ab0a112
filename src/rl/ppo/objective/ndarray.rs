use super::{ObjectiveBackend, ObjectiveParameters, ObjectiveTensors, TERM_COLUMNS, cpu, portable};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Shape, TensorData};
use burn_ndarray::{NdArray, NdArrayTensor};

impl ObjectiveBackend for NdArray {
    fn objective_with_gradients(
        policy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        samples: FloatTensor<Self>,
        parameters: ObjectiveParameters,
    ) -> ObjectiveTensors<Self> {
        let (NdArrayTensor::F32(p), NdArrayTensor::F32(v), NdArrayTensor::F32(s)) =
            (&policy, &values, &samples)
        else {
            return portable::objective::<Self>(policy, values, samples, parameters);
        };
        let p: Vec<f32> = p.view().iter().copied().collect();
        let v: Vec<f32> = v.view().iter().copied().collect();
        let s: Vec<f32> = s.view().iter().copied().collect();
        let output = cpu::objective(&p, &v, &s, parameters);
        let tensor = |numbers: Vec<f32>, shape: Shape| {
            NdArrayTensor::from_data(TensorData::new(numbers, shape))
        };
        ObjectiveTensors {
            loss: tensor(vec![output.loss], Shape::new([1])),
            terms: tensor(output.terms, Shape::new([v.len(), TERM_COLUMNS])),
            policy_grad: tensor(output.policy_grad, policy.shape()),
            value_grad: tensor(output.value_grad, values.shape()),
        }
    }
}

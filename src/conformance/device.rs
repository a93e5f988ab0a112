//! The operator on a device, through its public functions.

use super::case::{Case, CaseReference, ROW_COTANGENT};
use super::report::Implementation;
use crate::math::Solver;
use crate::op::{
    Output, Reference, TsallisOptions, Wrt, tsallis_divergence, tsallis_log_softargmax,
    tsallis_softargmax, tsallis_value,
};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// The tensor functions on a device, their gradients through autodiff.
#[derive(Clone, Debug)]
pub struct OnDevice {
    /// Where.
    pub device: Device,
    /// What tensors are stored in.
    pub dtype: DType,
    /// How roots are found.
    pub solver: Solver,
}

impl OnDevice {
    fn tensor(&self, values: &[f64], device: &Device, dtype: DType) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), [1, values.len()]);
        Tensor::from_data(data, (device, dtype))
    }

    /// The dtype of orders and references.
    fn arithmetic(&self) -> DType {
        match self.dtype {
            DType::F64 => DType::F64,
            _ => DType::F32,
        }
    }

    fn call(
        &self,
        x: Tensor<2>,
        options: TsallisOptions<2>,
        case: &Case,
        q: Option<Tensor<2>>,
        output: Output,
    ) -> Tensor<2> {
        let reference = match (&case.reference, q) {
            (_, Some(q)) => Reference::Tensor(q),
            (CaseReference::Given(q), None) => Reference::Values(q.clone()),
            (CaseReference::Ones, None) => Reference::Ones,
            (CaseReference::Uniform, None) => Reference::Uniform,
        };
        let options = options.with_reference(reference).with_solver(self.solver);
        match output {
            Output::Probabilities => tsallis_softargmax(x, options, -1),
            Output::LogProbabilities => tsallis_log_softargmax(x, options, -1),
            Output::Value => tsallis_value(x, options, -1),
            Output::Divergence => tsallis_divergence(x, options, -1),
        }
    }
}

impl Implementation for OnDevice {
    fn output(&self, case: &Case, output: Output) -> Vec<f64> {
        let x = self.tensor(&case.logits, &self.device, self.dtype);
        let y = self.call(x, TsallisOptions::new(case.alpha), case, None, output);
        y.into_data().iter().collect()
    }

    fn gradient(&self, case: &Case, output: Output, wrt: Wrt) -> Option<Vec<f64>> {
        let device = self.device.clone().autodiff();
        let x = self.tensor(&case.logits, &device, self.dtype);
        let mut options = TsallisOptions::new(case.alpha);
        let mut q = None;
        let (x, tracked) = match wrt {
            Wrt::Logits => {
                let x = x.require_grad();
                (x.clone(), x)
            }
            Wrt::Alpha => {
                let alpha = self.tensor(&[case.alpha], &device, self.arithmetic());
                let alpha = alpha.require_grad();
                options = TsallisOptions::new(alpha.clone());
                (x, alpha)
            }
            Wrt::Reference => {
                let CaseReference::Given(values) = &case.reference else {
                    return None;
                };
                let tensor = self
                    .tensor(values, &device, self.arithmetic())
                    .require_grad();
                q = Some(tensor.clone());
                (x, tensor)
            }
        };
        let y = self.call(x, options, case, q, output);
        let cotangent = match output {
            Output::Probabilities | Output::LogProbabilities => {
                self.tensor(&case.cotangent, &device, self.dtype)
            }
            Output::Value | Output::Divergence => {
                self.tensor(&[ROW_COTANGENT], &device, self.dtype)
            }
        };
        // Without a sum, which Burn would tune for every length of a row.
        let gradients = (y * cotangent).backward();
        let gradient = tracked.grad(&gradients)?;
        Some(gradient.into_data().iter().collect())
    }
}

//! The operator on a device, through its public functions.

use super::batch::{AlphaKind, Batch};
use super::report::{Gradients, Implementation};
use crate::math::{Output, RowReference, Solver};
use crate::op::{
    Alpha, Reference, TsallisOptions, tsallis_divergence, tsallis_log_softargmax,
    tsallis_softargmax, tsallis_value,
};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// The tensor functions on a device, with gradients by autodiff.
#[derive(Clone, Debug)]
pub struct OnDevice {
    /// The device.
    pub device: Device,
    /// The dtype of the logits.
    pub dtype: DType,
    /// The method that finds the roots.
    pub solver: Solver,
}

impl OnDevice {
    /// Creates a tensor with one row for each row of the batch.
    fn tensor(&self, values: Vec<f64>, batch: &Batch, device: &Device, dtype: DType) -> Tensor<2> {
        let rows = batch.rows().len();
        let columns = values.len() / rows;
        let data = TensorData::new(values, [rows, columns]);
        Tensor::from_data(data, (device, dtype))
    }

    /// Returns the dtype of alphas and references.
    fn arithmetic(&self) -> DType {
        match self.dtype {
            DType::F64 => DType::F64,
            _ => DType::F32,
        }
    }

    fn logits(&self, batch: &Batch, device: &Device) -> Tensor<2> {
        self.tensor(batch.logits(), batch, device, self.dtype)
    }

    fn alpha(&self, batch: &Batch, device: &Device) -> Alpha<2> {
        match batch.alpha_kind() {
            AlphaKind::Number => Alpha::Number(batch.rows()[0].alpha),
            AlphaKind::Tensor => {
                let alphas = batch.alphas();
                Alpha::Tensor(self.tensor(alphas, batch, device, self.arithmetic()))
            }
        }
    }

    fn reference(&self, batch: &Batch, device: &Device) -> Reference<2> {
        if let Some(q) = batch.shared_reference() {
            return Reference::Values(q.to_vec());
        }
        match batch.reference() {
            RowReference::Uniform => Reference::Uniform,
            RowReference::Ones => Reference::Ones,
            RowReference::Values(q) => {
                Reference::Tensor(self.tensor(q, batch, device, self.arithmetic()))
            }
        }
    }

    fn call(
        &self,
        x: Tensor<2>,
        alpha: Alpha<2>,
        reference: Reference<2>,
        output: Output,
    ) -> Tensor<2> {
        let options = TsallisOptions::new(alpha)
            .with_reference(reference)
            .with_solver(self.solver);
        match output {
            Output::Probabilities => tsallis_softargmax(x, options, -1),
            Output::LogProbabilities => tsallis_log_softargmax(x, options, -1),
            Output::Value => tsallis_value(x, options, -1),
            Output::Divergence => tsallis_divergence(x, options, -1),
        }
    }
}

impl Implementation for OnDevice {
    fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
        let device = &self.device;
        let (x, alpha) = (self.logits(batch, device), self.alpha(batch, device));
        let y = self.call(x, alpha, self.reference(batch, device), output);
        Some(y.into_data().iter().collect())
    }

    /// Computes the gradients in the logits, in alpha if it is a tensor, and in the reference if it differs from row to
    /// row. The gradient in a shared reference is a sum over the rows and is left out.
    fn gradients(&self, batch: &Batch, output: Output) -> Gradients {
        let device = &self.device.clone().autodiff();
        let x = self.logits(batch, device).require_grad();
        let alpha = match self.alpha(batch, device) {
            Alpha::Tensor(alpha) => Alpha::Tensor(alpha.require_grad()),
            number @ Alpha::Number(_) => number,
        };
        let reference = match self.reference(batch, device) {
            Reference::Tensor(q) => Reference::Tensor(q.require_grad()),
            constant => constant,
        };
        let y = self.call(x.clone(), alpha.clone(), reference.clone(), output);
        let cotangent = self.tensor(batch.cotangent(output), batch, device, self.dtype);
        // No sum before `backward`: Burn would tune it for every row length.
        let gradients = (y * cotangent).backward();
        let read = |tensor: Tensor<2>| {
            let gradient = tensor.grad(&gradients)?;
            Some(gradient.into_data().iter().collect())
        };
        Gradients {
            logits: read(x),
            alpha: match alpha {
                Alpha::Tensor(alpha) => read(alpha),
                Alpha::Number(_) => None,
            },
            reference: match reference {
                Reference::Tensor(q) => read(q),
                _ => None,
            },
        }
    }
}

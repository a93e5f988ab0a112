//! `tsallis check`: whether the operator is right on a device and its driver. The crate's own tests hold
//! every path of the operator to the same bounds.

mod bounds;
mod case;
mod report;

pub use bounds::Bounds;
pub use case::{Case, CaseError, CaseReference, ROW_COTANGENT, built_in, read, rounded, vectors};
pub use report::{Implementation, Quantity, compare};

use super::{CommandError, device};
use crate::math::Solver;
use crate::op::{
    Output, Reference, TsallisOptions, Wrt, tsallis_divergence, tsallis_log_softargmax,
    tsallis_softargmax, tsallis_value,
};
use burn::tensor::{DType, Device, Tensor, TensorData};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Compare the operator on a device with exact values: every output and every gradient.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The device: `tsallis devices` lists them.
    #[arg(long, value_name = "NAME", default_value = "flex")]
    device: String,

    /// What tensors are stored in.
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    dtype: Dtype,

    /// Files of exact values, one JSON object a line, instead of the built-in set: of this crate's own f64
    /// layer, and for f64 of values with 60 digits.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    vectors: Vec<PathBuf>,

    /// How roots are found.
    #[arg(long, value_name = "NAME", default_value = "newton")]
    solver: SolverName,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dtype {
    F32,
    F64,
    F16,
    Bf16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SolverName {
    Newton,
    Bisection,
}

/// Why a check could not be made, or what it found.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error("the device {device} has no {dtype:?} tensors: it has {has}")]
    Dtype {
        device: String,
        dtype: DType,
        has: String,
    },
    #[error("the device failed: {0}")]
    Failed(String),
    #[error("{0} of the quantities break their bound")]
    Broken(usize),
}

impl Check {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let device = device::find(&self.device)?;
        let dtype = match self.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            Dtype::F16 => DType::F16,
            Dtype::Bf16 => DType::BF16,
        };
        if !device.supports_dtype(dtype) {
            return Err(CommandError::Check(CheckError::Dtype {
                device: self.device,
                dtype,
                has: device::dtypes(&device),
            }));
        }
        let cases = if self.vectors.is_empty() && dtype == DType::F64 {
            // The answers of the built-in set are those of the same layer in f64 that a CPU runs.
            vectors(dtype).map_err(CheckError::Case)?
        } else if self.vectors.is_empty() {
            built_in(dtype)
        } else {
            let mut cases = Vec::new();
            for path in &self.vectors {
                cases.extend(read(path, dtype).map_err(CheckError::Case)?);
            }
            cases
        };
        let solver = match self.solver {
            SolverName::Newton => Solver::Newton,
            SolverName::Bisection => Solver::Bisection,
        };
        println!(
            "{} cases on {}, {dtype:?}",
            cases.len(),
            device::describe(&self.device, &device)
        );
        let implementation = OnDevice {
            device: device.clone(),
            dtype,
            solver,
        };
        let quantities = compare(&implementation, &cases, &Bounds::of(dtype));
        // A launch that failed without a word shows here.
        device
            .sync()
            .map_err(|error| CheckError::Failed(error.to_string()))?;
        let broken = print(&quantities);
        if broken > 0 {
            return Err(CommandError::Check(CheckError::Broken(broken)));
        }
        println!("every quantity is within its bound");
        Ok(())
    }
}

/// Prints the table, and returns how many bounds are broken.
fn print(quantities: &[Quantity]) -> usize {
    println!(
        "{:<14} {:>6} {:>12} {:>12} {:>8}  case",
        "quantity", "cases", "worst error", "bound", "share"
    );
    let mut broken = 0;
    for quantity in quantities {
        let Some(worst) = &quantity.worst else {
            println!("{:<14} {:>6}", quantity.name, quantity.cases);
            continue;
        };
        // A NaN fails the comparison too.
        let holds = quantity.ratio() <= 1.0;
        broken += usize::from(!holds);
        println!(
            "{:<14} {:>6} {:>12.3e} {:>12.3e} {:>8.3}  {}{}",
            quantity.name,
            quantity.cases,
            worst.error,
            worst.bound,
            quantity.ratio(),
            worst.case,
            if holds { "" } else { "  BROKEN" }
        );
    }
    broken
}

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

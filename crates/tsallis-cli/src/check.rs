//! `tsallis check`: tests the operator on a device and its driver.

use super::{CommandError, device};
use burn::tensor::DType;
use burn_tsallis::Solver;
use burn_tsallis::conformance::{
    Batch, Bounds, CaseError, OnDevice, Quantity, built_in, compare, read, vectors,
};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Compare every output and gradient of the operator on a device with exact values.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Device to check, as listed by `tsallis devices`.
    #[arg(long, value_name = "NAME", default_value = "flex")]
    device: String,

    /// Float type of the tensors.
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    dtype: Dtype,

    /// Files of exact values, one JSON object per line, instead of the built-in set (from the crate's own f64 layer, or
    /// 60-digit values for f64).
    #[arg(long, value_name = "FILE", num_args = 1..)]
    vectors: Vec<PathBuf>,

    /// Root solver.
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

/// An error that prevents a check, or a failed check.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error("the operator does not compute {dtype:?} on the device {device}, only {has}")]
    Dtype {
        device: String,
        dtype: DType,
        has: String,
    },
    #[error("the device failed: {0}")]
    Failed(String),
    #[error("{0} of the quantities exceed their error bound")]
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
        if !device::supports(&device, dtype) {
            return Err(CommandError::Check(CheckError::Dtype {
                device: self.device,
                dtype,
                has: device::dtypes(&device),
            }));
        }
        let cases = if self.vectors.is_empty() && dtype == DType::F64 {
            // The built-in set comes from the f64 layer that the CPU kernels also use, so it would not be independent.
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
        let batches = Batch::every_form(&cases);
        let quantities = compare(&implementation, &batches, &Bounds::for_dtype(dtype));
        // A launch that failed silently is reported here.
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

/// Prints the table and returns the number of exceeded bounds.
fn print(quantities: &[Quantity]) -> usize {
    println!(
        "{:<14} {:>6} {:>12} {:>12} {:>8}  case",
        "quantity", "rows", "worst error", "bound", "share"
    );
    let mut broken = 0;
    for quantity in quantities {
        let Some(worst) = &quantity.worst else {
            println!("{:<14} {:>6}", quantity.name, quantity.rows);
            continue;
        };
        // NaN also fails this comparison.
        let holds = quantity.ratio() <= 1.0;
        broken += usize::from(!holds);
        println!(
            "{:<14} {:>6} {:>12.3e} {:>12.3e} {:>8.3}  {}{}",
            quantity.name,
            quantity.rows,
            worst.error,
            worst.bound,
            quantity.ratio(),
            worst.case,
            if holds { "" } else { "  EXCEEDED" }
        );
    }
    broken
}

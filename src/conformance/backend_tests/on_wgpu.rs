//! The WGSL kernels and the portable path on wgpu.

use super::*;
use crate::conformance::wgpu_device;
use crate::op::{KernelPath, kernel_path, wgsl};
use burn::backend::fusion::Fusion;
use burn::backend::ops::FloatTensorOps;
use burn_wgpu::{CubeBackend, CubeTensor};

/// Returns the tensor without the fusion that wraps every wgpu tensor of Burn.
pub(super) fn out_of_fusion<const D: usize>(x: Tensor<D>) -> CubeTensor {
    let x = x
        .try_into_primitive::<Fusion<CubeBackend>>()
        .expect("the tensor belongs to the backend");
    x.client.clone().resolve_tensor_float::<CubeBackend>(x)
}

pub(super) fn path(
    device: Device,
    forward: Forward<CubeBackend>,
    backward: Backward<CubeBackend>,
) -> BackendPath<CubeBackend> {
    BackendPath {
        device,
        dtype: DType::F32,
        solver: Solver::Newton,
        to_primitive: out_of_fusion,
        vector_to_primitive: out_of_fusion,
        from_primitive: |x| {
            let data = burn::tensor::read_sync(CubeBackend::float_into_data(x));
            Tensor::from_data(data.expect("every launch succeeds"), &Device::flex())
        },
        forward,
        backward,
    }
}

pub(super) const ACCEPTED: &str = "the device accepts the kernel";

fn wgsl_path(device: Device) -> BackendPath<CubeBackend> {
    path(
        device,
        |x, alpha, q, parameters| wgsl::forward(x, alpha, q, parameters).expect(ACCEPTED),
        |x, alpha, q, state, g, parameters, wanted| {
            wgsl::backward(x, alpha, q, state, g, parameters, wanted).expect(ACCEPTED)
        },
    )
}

#[test]
fn the_default_device_runs_the_kernels() {
    if let Some(device) = wgpu_device() {
        assert!(wgsl::compiles_on(&device));
        assert_eq!(kernel_path(&device), KernelPath::Wgsl);
        assert_eq!(kernel_path(&device.autodiff()), KernelPath::Wgsl);
    }
}

/// The gradient in a learned alpha costs no launch of its own.
#[test]
fn a_backward_call_is_one_launch() {
    let Some(device) = wgpu_device() else { return };
    let path = wgsl_path(device);
    let mut cases = file(DType::F32);
    cases.retain(|case| case.logits.len() == 8);
    for batch in Batch::group(&cases, FEW_CALLS) {
        let (_, state) = path.run(&batch, Output::Probabilities);
        let before = wgsl::LAUNCHES.get();
        let wanted = GradientMask {
            logits: true,
            alpha: true,
            reference: false,
        };
        let gradients = path.run_backward(&batch, Output::Probabilities, state, wanted);
        assert_eq!(wgsl::LAUNCHES.get(), before + 1);
        assert!(gradients.alpha.into_option().is_some());
    }
}

#[test]
fn kernels_without_fusion() {
    if let Some(device) = wgpu_device() {
        let mut path = wgsl_path(device);
        // A software driver compiles a kernel of long rows for seconds, so these rows use one kind of reference.
        let is_given = |case: &Case| matches!(case.reference, RowReference::Values(_));
        let mut cases = file(DType::F32);
        cases.retain(|case| case.logits.len() <= 16 || is_given(case));
        // More rows than a workgroup has.
        let many = Grouping {
            min_rows: 70,
            ..FEW_CALLS
        };
        path.assert_within_bounds(&cases, many);
        cases.retain(|case| case.logits.len() <= 16 && is_given(case));
        path.solver = Solver::Bisection;
        path.assert_within_bounds(&cases, ALPHA_AS_NUMBER);
    }
}

/// Tests a few rows of one length. Burn tunes its reductions for each length, which takes seconds on a software
/// driver.
#[test]
fn portable() {
    if let Some(device) = wgpu_device() {
        let path = path(
            device,
            portable::forward::<CubeBackend>,
            portable::backward::<CubeBackend>,
        );
        let few: Vec<Case> = file(DType::F32)
            .into_iter()
            .filter(|case| case.logits.len() == 2)
            .collect();
        assert!(few.len() > 10);
        path.assert_within_bounds(&few, FEW_CALLS);
    }
}

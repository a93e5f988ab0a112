//! The CubeCL kernels, which CubeCL compiles to WGSL on this device.

use super::on_wgpu::{ACCEPTED, out_of_fusion, path};
use super::*;
use crate::conformance::wgpu_device;
use crate::op::cube::{self, Limits, Plan};
use crate::op::wgsl;
use burn_wgpu::{CubeBackend, CubeTensor};

/// The kernels with one strategy for their plans.
macro_rules! kernels {
    ($device:expr, $strategy:expr) => {
        path(
            $device,
            |x, alpha, q, parameters| {
                cube::forward(x, alpha, q, parameters, $strategy).expect(ACCEPTED)
            },
            |x, alpha, q, state, g, parameters, wanted| {
                cube::backward(x, alpha, q, state, g, parameters, wanted, $strategy)
                    .expect(ACCEPTED)
            },
        )
    };
}

/// More rows than a cube has.
const MANY: Grouping = Grouping {
    min_rows: 70,
    ..FEW_CALLS
};

fn one_unit(_columns: usize, _limits: Limits) -> Option<Plan> {
    Some(Plan::ONE_UNIT)
}

/// Returns the vectors of one kind of reference in rows of some lengths. A software driver compiles a kernel for up to a
/// second.
fn given(dtype: DType, lengths: impl std::ops::RangeBounds<usize>) -> Vec<Case> {
    let mut cases = file(dtype);
    cases.retain(|case| {
        matches!(case.reference, RowReference::Values(_)) && lengths.contains(&case.logits.len())
    });
    cases
}

#[test]
fn unit_per_row() {
    if let Some(device) = wgpu_device() {
        let kernels = kernels!(device, Plan::unit_per_row);
        let mut cases = file(DType::F32);
        cases.retain(|case| case.logits.len() <= 16);
        kernels.assert_within_bounds(&cases, MANY);
    }
}

/// A kernel for each kind of alpha that is a number.
#[test]
fn unit_per_row_with_alpha_as_a_number() {
    if let Some(device) = wgpu_device() {
        let mut kernels = kernels!(device, Plan::unit_per_row);
        kernels.assert_within_bounds(&given(DType::F32, ..=16), ALPHA_AS_NUMBER);
        kernels.solver = Solver::Bisection;
        kernels.assert_within_bounds(&every(3, given(DType::F32, ..=16)), ALPHA_AS_NUMBER);
    }
}

#[test]
fn unit_per_row_in_half_precision() {
    if let Some(device) = wgpu_device() {
        let mut kernels = kernels!(device, Plan::unit_per_row);
        kernels.dtype = DType::F16;
        kernels.assert_within_bounds(&given(DType::F16, ..=16), FEW_CALLS);
    }
}

fn cube_per_row_that_fits(columns: usize, limits: Limits) -> Option<Plan> {
    Plan::cube_per_row(columns, limits).filter(|plan| plan.fits(limits))
}

#[test]
fn cube_per_row() {
    if let Some(device) = wgpu_device() {
        let kernels = kernels!(device, cube_per_row_that_fits);
        kernels.assert_within_bounds(&given(DType::F32, 9..), FEW_CALLS);
    }
}

#[test]
fn streaming() {
    if let Some(device) = wgpu_device() {
        let kernels = kernels!(device, Plan::streaming);
        kernels.assert_within_bounds(&given(DType::F32, 17..), FEW_CALLS);
    }
}

/// The units of a plane of Mesa's software driver. CubeCL does not let its own kernels combine them on a CPU.
const PLANE: u32 = 8;

/// Returns the device if its planes have [`PLANE`] units.
fn device_with_planes() -> Option<Device> {
    let device = wgpu_device()?;
    let x = logits(&device, 1, 1);
    let hardware = &x.client.properties().hardware;
    let sizes = [hardware.plane_size_min, hardware.plane_size_max];
    (sizes == [PLANE, PLANE]).then_some(device)
}

fn with_planes(limits: Limits) -> Limits {
    Limits {
        plane: Some(PLANE),
        ..limits
    }
}

#[test]
fn plane_per_row() {
    if let Some(device) = device_with_planes() {
        let kernels = kernels!(device, |columns, limits| {
            Plan::plane_per_row(columns, with_planes(limits))
        });
        kernels.assert_within_bounds(&given(DType::F32, 9..=128), FEW_CALLS);
    }
}

#[test]
fn cube_of_planes_per_row() {
    if let Some(device) = device_with_planes() {
        let kernels = kernels!(device, |columns, limits| {
            cube_per_row_that_fits(columns, with_planes(limits))
        });
        kernels.assert_within_bounds(&given(DType::F32, 17..), FEW_CALLS);
    }
}

#[test]
fn one_unit_without_shared_memory() {
    if let Some(device) = wgpu_device() {
        let kernels = kernels!(device, one_unit);
        kernels.assert_within_bounds(&given(DType::F32, ..=8), FEW_CALLS);
    }
}

/// Every vector and every built-in case in every layout and every form of alpha.
#[test]
#[ignore = "compiles every kernel for every layout: see CONTRIBUTING.md"]
fn the_whole_suite() {
    let Some(device) = wgpu_device() else { return };
    let strategies = [
        kernels!(device.clone(), cube::inferred),
        kernels!(device.clone(), Plan::unit_per_row),
        kernels!(device.clone(), cube_per_row_that_fits),
        kernels!(device.clone(), Plan::streaming),
        kernels!(device, one_unit),
    ];
    for mut kernels in strategies {
        for dtype in [DType::F32, DType::F16] {
            kernels.dtype = dtype;
            for solver in [Solver::Newton, Solver::Bisection] {
                kernels.solver = solver;
                for grouping in [FEW_CALLS, MANY, ALPHA_AS_NUMBER] {
                    kernels.assert_within_bounds(&file(dtype), grouping);
                    kernels.assert_within_bounds(&built_in(dtype), grouping);
                }
            }
        }
    }
}

/// A device that refuses a plan computes the call in another way, and is not asked again.
#[test]
fn a_plan_that_the_device_refuses() {
    let Some(device) = wgpu_device() else { return };
    let too_large = |_columns: usize, limits: Limits| {
        Some(Plan {
            units: 2 * limits.units,
            ..Plan::ONE_UNIT
        })
    };
    let x = logits(&device, 40, 18);
    let forward = |strategy| {
        let q = ReferenceTensor::Ones;
        let before = cube::LAUNCHES.get();
        let result = cube::forward(x.clone(), AlphaTensor::Number, q, parameters(0.3), strategy);
        let (p, _) = result.expect(ACCEPTED);
        (read(p), cube::LAUNCHES.get() - before)
    };
    let (expected, _) = forward(cube::inferred);
    for launches in [2, 1] {
        let (p, count) = forward(too_large);
        assert_agree(&p, &expected, "a plan that fits");
        assert_eq!(count, launches);
    }
}

/// Random logits of rows, and their tensor.
fn logits(device: &Device, rows: usize, columns: usize) -> CubeTensor {
    let x = (0..rows * columns).map(|i| ((i * 7919) % 10_007) as f32 / 1000.0 - 5.0);
    let data = TensorData::new(x.collect::<Vec<_>>(), [rows, columns]);
    out_of_fusion(Tensor::<2>::from_data(data, device))
}

fn read(x: CubeTensor) -> Vec<f32> {
    use burn::backend::ops::FloatTensorOps;
    let data = burn::tensor::read_sync(CubeBackend::float_into_data(x));
    let data = data.expect("every launch succeeds");
    data.to_vec().expect("the tensor has f32")
}

fn parameters(alpha: f64) -> RowParameters {
    RowParameters {
        alpha,
        solver: Solver::Newton,
        empty_row: EmptyRow::NaN,
        output: Output::Probabilities,
    }
}

fn assert_agree(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= 1e-6, "{what} [{i}]: {a} and {b}");
    }
}

/// The kernels agree with those in WGSL, which no part of them shares, at each layout. One launch computes a call.
#[test]
fn as_the_wgsl_kernels() {
    let Some(device) = wgpu_device() else { return };
    for (rows, columns) in [(40, 18), (40, 300), (3, 1000), (3, 4096), (3, 20_001)] {
        let x = logits(&device, rows, columns);
        let q = ReferenceTensor::Uniform;
        let number = || AlphaTensor::Number;
        let parameters = parameters(0.7);
        let before = cube::LAUNCHES.get();
        let result = cube::forward(x.clone(), number(), q.clone(), parameters, cube::inferred);
        let (p, state) = result.expect(ACCEPTED);
        let result = wgsl::forward(x.clone(), number(), q.clone(), parameters);
        let (expected, _) = result.expect(ACCEPTED);
        assert_agree(&read(p), &read(expected), "forward");
        let g = logits(&device, rows, columns);
        let wanted = GradientMask::LOGITS;
        let gradients = cube::backward(
            x.clone(),
            number(),
            q.clone(),
            state.clone(),
            g.clone(),
            parameters,
            wanted,
            cube::inferred,
        );
        assert_eq!(cube::LAUNCHES.get(), before + 2);
        let expected = wgsl::backward(x, number(), q, state, g, parameters, wanted);
        let read = |gradients: Option<op::InputGradients<CubeBackend>>| {
            let gradients = gradients.expect(ACCEPTED);
            read(gradients.logits.into_option().expect("it was wanted"))
        };
        assert_agree(&read(gradients), &read(expected), "backward");
    }
}

/// CUDA and ROCm put padding between rows.
#[test]
fn rows_with_padding_are_not_copied() {
    let Some(device) = wgpu_device() else { return };
    for (columns, pitch) in [(18, 32), (300, 512)] {
        let mut padded = logits(&device, 40, pitch);
        let values = read(padded.clone());
        let rows = values.chunks(pitch).flat_map(|row| &row[..columns]);
        let data = TensorData::new(rows.copied().collect::<Vec<_>>(), [40, columns]);
        let contiguous = out_of_fusion(Tensor::<2>::from_data(data, &device));
        padded.meta.shape[1] = columns;
        assert_eq!(padded.meta.strides()[0], pitch);
        let forward = |x| {
            let q = ReferenceTensor::Ones;
            let p = cube::forward(x, AlphaTensor::Number, q, parameters(1.5), cube::inferred);
            read(p.expect(ACCEPTED).0)
        };
        assert_eq!(forward(padded), forward(contiguous), "{columns}");
    }
}

/// One dimension of a launch is limited to 65 535 cubes.
#[test]
fn more_rows_than_cubes_in_one_dimension() {
    let Some(device) = wgpu_device() else { return };
    let x = logits(&device, 70_000, 2);
    let values = read(x.clone());
    let q = ReferenceTensor::Ones;
    let result = cube::forward(x, AlphaTensor::Number, q, parameters(1.0), one_unit);
    let (p, _) = result.expect(ACCEPTED);
    for (row, (x, p)) in values.chunks(2).zip(read(p).chunks(2)).enumerate() {
        let expected = 1.0 / (1.0 + (x[1] - x[0]).exp());
        assert!((p[0] - expected).abs() < 1e-6, "row {row}");
    }
}

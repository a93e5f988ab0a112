//! Tests of the paths that no device takes by itself: the portable bodies where kernels answer, and the WGSL
//! kernels without Burn's fusion around them.

use super::{Bounds, Case, CaseReference, Implementation, ROW_COTANGENT};
use super::{built_in, compare, vectors};
use crate::math::{EmptyRow, Solver};
use crate::op::{AlphaTensor, Output, ReferenceTensor, RowParameters, Wrt, portable};
use burn::Tensor;
use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Device, TensorData};

type Forward<B> = fn(
    FloatTensor<B>,
    AlphaTensor<B>,
    ReferenceTensor<B>,
    RowParameters,
) -> (FloatTensor<B>, FloatTensor<B>);

type Backward<B> = fn(
    FloatTensor<B>,
    AlphaTensor<B>,
    ReferenceTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    RowParameters,
    Wrt,
) -> FloatTensor<B>;

/// A path: a backend, how its primitives are come by, and the two functions.
struct Path<B: Backend> {
    device: Device,
    dtype: DType,
    solver: Solver,
    /// Whether orders are given as a tensor.
    alpha_rows: bool,
    into: fn(Tensor<2>) -> FloatTensor<B>,
    into_vector: fn(Tensor<1>) -> FloatTensor<B>,
    back: fn(FloatTensor<B>) -> Tensor<2>,
    forward: Forward<B>,
    backward: Backward<B>,
}

impl<B: Backend> Path<B> {
    fn row(&self, values: &[f64]) -> FloatTensor<B> {
        let data = TensorData::new(values.to_vec(), [1, values.len()]);
        (self.into)(Tensor::from_data(data, (&self.device, self.dtype)))
    }

    fn alpha(&self, case: &Case) -> AlphaTensor<B> {
        if self.alpha_rows {
            AlphaTensor::Rows(self.row(&[case.alpha]))
        } else {
            AlphaTensor::Number
        }
    }

    fn reference(&self, case: &Case) -> ReferenceTensor<B> {
        match &case.reference {
            CaseReference::Uniform => ReferenceTensor::Uniform,
            CaseReference::Ones => ReferenceTensor::Ones,
            CaseReference::Given(q) if self.alpha_rows => ReferenceTensor::Rows(self.row(q)),
            CaseReference::Given(q) => {
                let data = TensorData::new(q.clone(), [q.len()]);
                let q = Tensor::from_data(data, (&self.device, self.dtype));
                ReferenceTensor::Vector((self.into_vector)(q))
            }
        }
    }

    fn run(&self, case: &Case, output: Output) -> (FloatTensor<B>, FloatTensor<B>) {
        let (x, q) = (self.row(&case.logits), self.reference(case));
        (self.forward)(x, self.alpha(case), q, self.parameters(case, output))
    }

    fn parameters(&self, case: &Case, output: Output) -> RowParameters {
        RowParameters {
            alpha: case.alpha,
            solver: self.solver,
            empty_row: EmptyRow::NaN,
            output,
        }
    }

    fn holds(&self, cases: &[Case]) {
        for quantity in compare(self, cases, &Bounds::of(self.dtype)) {
            assert!(quantity.ratio() <= 1.0, "{quantity:?}");
        }
    }
}

impl<B: Backend> Implementation for Path<B> {
    fn output(&self, case: &Case, output: Output) -> Vec<f64> {
        let (y, _) = self.run(case, output);
        (self.back)(y).into_data().iter().collect()
    }

    fn gradient(&self, case: &Case, output: Output, wrt: Wrt) -> Option<Vec<f64>> {
        let (_, state) = self.run(case, output);
        let cotangent = match output {
            Output::Probabilities | Output::LogProbabilities => self.row(&case.cotangent),
            Output::Value | Output::Divergence => self.row(&[ROW_COTANGENT]),
        };
        let gradient = (self.backward)(
            self.row(&case.logits),
            self.alpha(case),
            self.reference(case),
            state,
            cotangent,
            self.parameters(case, output),
            wrt,
        );
        Some((self.back)(gradient).into_data().iter().collect())
    }
}

fn file(dtype: DType) -> Vec<Case> {
    vectors(dtype).expect("the file of the repository")
}

/// Each n-th of the cases: the portable body takes a fixed number of steps, and its time.
fn every(n: usize, cases: Vec<Case>) -> Vec<Case> {
    cases.into_iter().step_by(n).collect()
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
macro_rules! portable_on {
    ($backend:ty, $device:expr, $dtype:expr) => {
        Path::<$backend> {
            device: $device,
            dtype: $dtype,
            solver: Solver::Newton,
            alpha_rows: false,
            into: |x| {
                x.try_into_primitive::<$backend>()
                    .expect("a tensor of the backend")
            },
            into_vector: |x| {
                x.try_into_primitive::<$backend>()
                    .expect("a tensor of the backend")
            },
            back: Tensor::from_primitive::<$backend>,
            forward: portable::forward::<$backend>,
            backward: portable::backward::<$backend>,
        }
    };
}

#[cfg(feature = "flex")]
#[test]
fn portable_on_flex() {
    for dtype in [DType::F32, DType::F64] {
        let mut path = portable_on!(burn::backend::Flex, Device::flex(), dtype);
        path.holds(&every(5, file(dtype)));
        path.holds(&every(9, built_in(dtype)));
        path.solver = Solver::Bisection;
        path.alpha_rows = true;
        path.holds(&every(23, file(dtype)));
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn portable_on_ndarray() {
    for dtype in [DType::F32, DType::F64] {
        let path = portable_on!(burn_ndarray::NdArray, Device::ndarray(), dtype);
        path.holds(&every(9, file(dtype)));
    }
}

#[cfg(feature = "wgpu")]
mod on_wgpu {
    use super::*;
    use crate::conformance::wgpu_device;
    use crate::op::{KernelPath, kernel_path, wgsl};
    use burn::backend::fusion::Fusion;
    use burn::backend::ops::FloatTensorOps;
    use burn_wgpu::{CubeBackend, CubeTensor};

    /// Out of the fusion that every wgpu tensor of Burn lives in.
    fn out_of_fusion<const D: usize>(x: Tensor<D>) -> CubeTensor {
        let x = x
            .try_into_primitive::<Fusion<CubeBackend>>()
            .expect("a tensor of the backend");
        x.client.clone().resolve_tensor_float::<CubeBackend>(x)
    }

    fn path(
        device: Device,
        forward: Forward<CubeBackend>,
        backward: Backward<CubeBackend>,
    ) -> Path<CubeBackend> {
        Path {
            device,
            dtype: DType::F32,
            solver: Solver::Newton,
            alpha_rows: false,
            into: out_of_fusion,
            into_vector: out_of_fusion,
            back: |x| {
                let data = burn::tensor::read_sync(CubeBackend::float_into_data(x));
                Tensor::from_data(data.expect("every launch succeeded"), &Device::flex())
            },
            forward,
            backward,
        }
    }

    #[test]
    fn the_default_device_runs_the_kernels() {
        if let Some(device) = wgpu_device() {
            assert!(wgsl::compiles_on(&device));
            assert_eq!(kernel_path(&device), KernelPath::Wgsl);
            assert_eq!(kernel_path(&device.autodiff()), KernelPath::Wgsl);
        }
    }

    #[test]
    fn kernels_without_fusion() {
        if let Some(device) = wgpu_device() {
            let mut path = path(device, wgsl::forward, wgsl::backward);
            // With fusion the integration tests run all of them; a software driver compiles a kernel in a
            // third of a second, and there are many.
            path.holds(&every(8, file(DType::F32)));
            path.solver = Solver::Bisection;
            path.alpha_rows = true;
            path.holds(&every(40, file(DType::F32)));
        }
    }

    /// A few rows of one length: Burn tunes its reductions anew for every length, for seconds each on a
    /// software driver.
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
                .take(3)
                .collect();
            assert_eq!(few.len(), 3);
            path.holds(&few);
        }
    }
}

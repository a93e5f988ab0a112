//! Tests of the paths that no device of a usual build takes by itself: the portable bodies where kernels
//! answer, and the WGSL kernels without Burn's fusion around them.

use super::{Output, ReferenceTensor, RowParameters, TsallisBackend, Wrt, portable};
use crate::math::{Measure, Row, Solver};
use crate::reference::{self, Bounds, F32, GivenReference, Vector};
use burn::Tensor;
use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Device, TensorData};

/// A path: a backend, how its primitives are come by, and the two functions.
struct Path<B: Backend> {
    device: Device,
    into: fn(Tensor<2>) -> FloatTensor<B>,
    into_vector: fn(Tensor<1>) -> FloatTensor<B>,
    back: fn(FloatTensor<B>) -> Tensor<2>,
    forward: Forward<B>,
    backward: Backward<B>,
}

type Forward<B> =
    fn(FloatTensor<B>, ReferenceTensor<B>, RowParameters) -> (FloatTensor<B>, FloatTensor<B>);

type Backward<B> = fn(
    FloatTensor<B>,
    ReferenceTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    RowParameters,
    Wrt,
) -> FloatTensor<B>;

impl<B: TsallisBackend> Path<B> {
    fn check(&self, vectors: &[Vector], dtype: DType, bounds: &Bounds, solver: Solver) {
        for vector in vectors {
            let exact = &vector.exact;
            let row = |values: &[f64]| {
                let data = TensorData::new(values.to_vec(), [1, values.len()]);
                (self.into)(Tensor::from_data(data, (&self.device, dtype)))
            };
            let numbers = |x| -> Vec<f64> { (self.back)(x).into_data().iter().collect() };
            let (given, measure) = match &vector.reference {
                GivenReference::Uniform => (ReferenceTensor::Uniform, Measure::Uniform),
                GivenReference::Ones => (ReferenceTensor::Ones, Measure::Ones),
                GivenReference::Vector(q) => {
                    let data = TensorData::new(q.clone(), [q.len()]);
                    let tensor = Tensor::from_data(data, (&self.device, dtype));
                    (
                        ReferenceTensor::Vector((self.into_vector)(tensor)),
                        Measure::Given(q),
                    )
                }
            };
            let forward = |output| {
                let parameters = RowParameters {
                    alpha: exact.alpha,
                    solver,
                    output,
                };
                (self.forward)(row(&exact.logits), given.clone(), parameters)
            };
            let gradient = |state: &FloatTensor<B>, output, wrt| {
                let parameters = RowParameters {
                    alpha: exact.alpha,
                    solver,
                    output,
                };
                numbers((self.backward)(
                    row(&exact.logits),
                    given.clone(),
                    state.clone(),
                    row(&vector.cotangent),
                    parameters,
                    wrt,
                ))
            };
            let c = &vector.cotangent;
            let (p, state) = forward(Output::Probabilities);
            exact.check_p(&numbers(p), bounds);
            let got = gradient(&state, Output::Probabilities, Wrt::Logits);
            exact.check_gradient("dp/dx", &got, &vector.grad_logits, c, bounds);
            let got = gradient(&state, Output::Probabilities, Wrt::Reference);
            exact.check_gradient("dp/dq", &got, &vector.grad_reference, c, bounds);

            let (log_p, state) = forward(Output::LogProbabilities);
            exact.check_log_p(&numbers(log_p), bounds);
            // Only where every probability is positive is <c, ln p> a number.
            if exact.p.iter().all(|&p| p > 0.0) {
                let scalar = Row::new(&exact.logits, measure, exact.alpha);
                let root = scalar.solve(Solver::Bisection);
                let mut want = vec![0.0; c.len()];
                let got = gradient(&state, Output::LogProbabilities, Wrt::Logits);
                scalar.log_softargmax_backward(&root, c, &mut want);
                exact.check_gradient("dlnp/dx", &got, &want, c, bounds);
                let got = gradient(&state, Output::LogProbabilities, Wrt::Reference);
                scalar.log_softargmax_backward_reference(&root, c, &mut want);
                exact.check_gradient("dlnp/dq", &got, &want, c, bounds);
            }
        }
    }
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
macro_rules! portable_on {
    ($backend:ty, $device:expr) => {
        Path::<$backend> {
            device: $device,
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
    let path = portable_on!(burn::backend::Flex, Device::flex());
    let vectors = reference::read();
    path.check(&vectors, DType::F32, &F32, Solver::Newton);
    path.check(&vectors, DType::F32, &F32, Solver::Bisection);
    path.check(&vectors, DType::F64, &reference::F64, Solver::Newton);
}

#[cfg(feature = "ndarray")]
#[test]
fn portable_on_ndarray() {
    let path = portable_on!(burn_ndarray::NdArray, Device::ndarray());
    let vectors = reference::read();
    path.check(&vectors, DType::F32, &F32, Solver::Newton);
    path.check(&vectors, DType::F64, &reference::F64, Solver::Newton);
}

#[cfg(feature = "wgpu")]
mod on_wgpu {
    use super::*;
    use crate::adapter;
    use crate::op::wgsl;
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
        if let Some(device) = adapter::wgpu() {
            let x = Tensor::<2>::zeros([2, 3], &device);
            assert!(wgsl::runs_on(&out_of_fusion(x)));
        }
    }

    #[test]
    fn kernels_without_fusion() {
        if let Some(device) = adapter::wgpu() {
            let path = path(device, wgsl::forward, wgsl::backward);
            path.check(&reference::read(), DType::F32, &F32, Solver::Newton);
        }
    }

    /// A few rows: Burn tunes its reductions anew for every length, for seconds each on a software
    /// driver.
    #[test]
    fn portable() {
        if let Some(device) = adapter::wgpu() {
            let path = path(
                device,
                portable::forward::<CubeBackend>,
                portable::backward::<CubeBackend>,
            );
            let (mut few, mut many) = (Vec::new(), Vec::new());
            for vector in reference::read() {
                match vector.exact.p.len() {
                    2 => few.push(vector),
                    33 => many.push(vector),
                    _ => {}
                }
            }
            few.truncate(9);
            many.truncate(3);
            assert_eq!((few.len(), many.len()), (9, 3));
            path.check(&few, DType::F32, &F32, Solver::Newton);
            path.check(&many, DType::F32, &F32, Solver::Newton);
        }
    }
}

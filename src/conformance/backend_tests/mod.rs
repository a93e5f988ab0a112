//! Tests of paths that no device selects: the portable path on backends that have kernels, the WGSL kernels without
//! Burn's fusion, and the CubeCL kernels on a device that compiles WGSL.

#[cfg(feature = "wgpu")]
mod cube;
#[cfg(feature = "wgpu")]
mod on_wgpu;

use super::{
    AlphaKind, Batch, Bounds, Case, Gradients, Grouping, Implementation, built_in, compare, vectors,
};
use crate::math::{EmptyRow, Output, RowReference, Solver};
use crate::op::{self, AlphaTensor, GradientMask, ReferenceTensor, RowParameters, portable};
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
    GradientMask,
) -> op::InputGradients<B>;

/// A path: a backend, the conversions to and from its primitives, and the two functions.
struct BackendPath<B: Backend> {
    device: Device,
    dtype: DType,
    solver: Solver,
    to_primitive: fn(Tensor<2>) -> FloatTensor<B>,
    vector_to_primitive: fn(Tensor<1>) -> FloatTensor<B>,
    from_primitive: fn(FloatTensor<B>) -> Tensor<2>,
    forward: Forward<B>,
    backward: Backward<B>,
}

impl<B: Backend> BackendPath<B> {
    fn rows(&self, values: Vec<f64>, rows: usize, dtype: DType) -> FloatTensor<B> {
        let columns = values.len() / rows;
        let data = TensorData::new(values, [rows, columns]);
        (self.to_primitive)(Tensor::from_data(data, (&self.device, dtype)))
    }

    /// The dtype of alpha and the reference.
    fn arithmetic(&self) -> DType {
        op::arithmetic_dtype(self.dtype)
    }

    fn logits(&self, batch: &Batch) -> FloatTensor<B> {
        self.rows(batch.logits(), batch.rows().len(), self.dtype)
    }

    fn alpha(&self, batch: &Batch) -> AlphaTensor<B> {
        match batch.alpha_kind() {
            AlphaKind::Number => AlphaTensor::Number,
            AlphaKind::Tensor => {
                let rows = batch.rows().len();
                AlphaTensor::Rows(self.rows(batch.alphas(), rows, self.arithmetic()))
            }
        }
    }

    fn reference(&self, batch: &Batch) -> ReferenceTensor<B> {
        if let Some(q) = batch.shared_reference() {
            let data = TensorData::new(q.to_vec(), [q.len()]);
            let q = Tensor::from_data(data, (&self.device, self.arithmetic()));
            return ReferenceTensor::Vector((self.vector_to_primitive)(q));
        }
        match batch.reference() {
            RowReference::Uniform => ReferenceTensor::Uniform,
            RowReference::Ones => ReferenceTensor::Ones,
            RowReference::Values(q) => {
                let rows = batch.rows().len();
                ReferenceTensor::Rows(self.rows(q, rows, self.arithmetic()))
            }
        }
    }

    fn parameters(&self, batch: &Batch, output: Output) -> RowParameters {
        RowParameters {
            alpha: batch.rows()[0].alpha,
            solver: self.solver,
            empty_row: EmptyRow::NaN,
            output,
        }
    }

    fn run(&self, batch: &Batch, output: Output) -> (FloatTensor<B>, FloatTensor<B>) {
        (self.forward)(
            self.logits(batch),
            self.alpha(batch),
            self.reference(batch),
            self.parameters(batch, output),
        )
    }

    fn run_backward(
        &self,
        batch: &Batch,
        output: Output,
        state: FloatTensor<B>,
        wanted: GradientMask,
    ) -> op::InputGradients<B> {
        (self.backward)(
            self.logits(batch),
            self.alpha(batch),
            self.reference(batch),
            state,
            self.rows(batch.cotangent(output), batch.rows().len(), self.dtype),
            self.parameters(batch, output),
            wanted,
        )
    }

    fn assert_within_bounds(&self, cases: &[Case], grouping: Grouping) {
        let batches = Batch::group(cases, grouping);
        for quantity in compare(self, &batches, &Bounds::for_dtype(self.dtype)) {
            assert!(quantity.ratio() <= 1.0, "{grouping:?} {quantity:?}");
        }
    }
}

impl<B: Backend> Implementation for BackendPath<B> {
    fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
        let (y, _) = self.run(batch, output);
        Some((self.from_primitive)(y).into_data().iter().collect())
    }

    /// Computes the gradients in the inputs that are tensors.
    fn gradients(&self, batch: &Batch, output: Output) -> Gradients {
        let wanted = GradientMask {
            logits: true,
            alpha: batch.alpha_kind() == AlphaKind::Tensor,
            reference: matches!(batch.reference(), RowReference::Values(_)),
        };
        let (_, state) = self.run(batch, output);
        let gradients = self.run_backward(batch, output, state, wanted);
        let read = |gradient: op::OptionalTensor<B>| {
            let gradient = (self.from_primitive)(gradient.into_option()?);
            Some(gradient.into_data().iter().collect())
        };
        Gradients {
            logits: read(gradients.logits),
            alpha: read(gradients.alpha),
            reference: read(gradients.reference),
        }
    }
}

/// Puts all rows into few batches, because a call costs far more than a row.
const FEW_CALLS: Grouping = Grouping {
    alpha: AlphaKind::Tensor,
    padded: true,
    min_rows: 1,
};

const ALPHA_AS_NUMBER: Grouping = Grouping {
    alpha: AlphaKind::Number,
    padded: true,
    min_rows: 2,
};

fn file(dtype: DType) -> Vec<Case> {
    vectors(dtype).expect("the vectors of the repository are valid")
}

/// Returns every n-th case. The portable path is slow, since it always takes the maximum number of steps.
fn every(n: usize, cases: Vec<Case>) -> Vec<Case> {
    cases.into_iter().step_by(n).collect()
}

#[cfg(any(feature = "flex", feature = "ndarray"))]
macro_rules! portable_on {
    ($backend:ty, $device:expr, $dtype:expr) => {
        BackendPath::<$backend> {
            device: $device,
            dtype: $dtype,
            solver: Solver::Newton,
            to_primitive: |x| {
                x.try_into_primitive::<$backend>()
                    .expect("the tensor belongs to the backend")
            },
            vector_to_primitive: |x| {
                x.try_into_primitive::<$backend>()
                    .expect("the tensor belongs to the backend")
            },
            from_primitive: Tensor::from_primitive::<$backend>,
            forward: portable::forward::<$backend>,
            backward: portable::backward::<$backend>,
        }
    };
}

/// Tests both solvers and both forms of alpha. With a tensor of alphas, a call runs thousands of operations of a
/// backend that is not optimized in this build.
#[cfg(feature = "flex")]
fn assert_all_forms_within_bounds<B: Backend>(mut path: BackendPath<B>) {
    let (file, mut built_in) = (file(path.dtype), built_in(path.dtype));
    built_in.retain(|case| case.logits.len() <= 33);
    path.assert_within_bounds(&file, FEW_CALLS);
    path.assert_within_bounds(&every(2, built_in.clone()), FEW_CALLS);
    path.assert_within_bounds(&every(7, built_in), ALPHA_AS_NUMBER);
    path.solver = Solver::Bisection;
    path.assert_within_bounds(&every(9, file), ALPHA_AS_NUMBER);
}

#[cfg(feature = "flex")]
#[test]
fn portable_on_flex() {
    for dtype in [DType::F32, DType::F64] {
        assert_all_forms_within_bounds(portable_on!(burn::backend::Flex, Device::flex(), dtype));
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn portable_on_ndarray() {
    for dtype in [DType::F32, DType::F64] {
        let path = portable_on!(burn_ndarray::NdArray, Device::ndarray(), dtype);
        path.assert_within_bounds(&every(3, file(dtype)), FEW_CALLS);
    }
}

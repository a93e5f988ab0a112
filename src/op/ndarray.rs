//! The operator on the ndarray backend.

use super::cpu;
use super::{ReferenceTensor, RowParameters, TsallisBackend, Wrt, portable};
use crate::math::Measure;
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Shape, TensorData};
use burn_ndarray::{NdArray, NdArrayTensor};

fn tensor<E: burn::backend::Element>(values: Vec<E>, shape: Shape) -> NdArrayTensor {
    NdArrayTensor::from_data(TensorData::new(values, shape))
}

/// Binds the elements of a storage in row-major order: in place where it is contiguous, else copied.
/// A macro, because burn-ndarray keeps the type of the storage to itself.
macro_rules! with_elements {
    ($storage:expr, |$elements:ident| $body:expr) => {{
        let view = $storage.view();
        let packed: Vec<_>;
        let $elements: &[_] = match view.as_slice() {
            Some(elements) => elements,
            None => {
                packed = view.iter().copied().collect();
                &packed
            }
        };
        $body
    }};
}

/// Binds the reference measure, whose vector has the dtype `$variant` by the extension's contract.
macro_rules! with_measure {
    ($reference:expr, $variant:ident, |$measure:ident| $body:expr) => {
        match $reference {
            ReferenceTensor::Uniform => {
                let $measure = Measure::Uniform;
                $body
            }
            ReferenceTensor::Ones => {
                let $measure = Measure::Ones;
                $body
            }
            ReferenceTensor::Vector(NdArrayTensor::$variant(q)) => with_elements!(q, |q| {
                let $measure = Measure::Given(q);
                $body
            }),
            ReferenceTensor::Vector(other) => panic!(
                "the reference is {:?}, the logits' arithmetic {}",
                other.dtype(),
                stringify!($variant)
            ),
        }
    };
}

impl TsallisBackend for NdArray {
    fn tsallis_forward(
        logits: FloatTensor<Self>,
        reference: ReferenceTensor<Self>,
        parameters: RowParameters,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let shape = logits.shape();
        let last = shape.num_dims() - 1;
        let mut row_shape = shape.clone();
        row_shape[last] = 1;
        macro_rules! run {
            ($logits:expr, $variant:ident) => {{
                let (output, states) = with_measure!(&reference, $variant, |q| {
                    with_elements!($logits, |x| cpu::forward(
                        x,
                        [row_shape.num_elements(), shape[last]],
                        q,
                        parameters
                    ))
                });
                (tensor(output, shape), tensor(states, row_shape))
            }};
        }
        match &logits {
            NdArrayTensor::F32(x) => run!(x, F32),
            NdArrayTensor::F64(x) => run!(x, F64),
            _ => portable::forward::<Self>(logits, reference, parameters),
        }
    }

    fn tsallis_backward(
        logits: FloatTensor<Self>,
        reference: ReferenceTensor<Self>,
        state: FloatTensor<Self>,
        cotangent: FloatTensor<Self>,
        parameters: RowParameters,
        wrt: Wrt,
    ) -> FloatTensor<Self> {
        let shape = logits.shape();
        let columns = shape[shape.num_dims() - 1];
        macro_rules! run {
            ($logits:expr, $states:expr, $cotangent:expr, $variant:ident, $real:ty) => {{
                let gradient = with_measure!(&reference, $variant, |q| {
                    with_elements!($logits, |x| with_elements!($states, |l| with_elements!(
                        $cotangent,
                        |c| cpu::backward::<$real, $real>(x, columns, q, l, c, parameters, wrt)
                    )))
                });
                tensor(gradient, shape)
            }};
        }
        match (&logits, &state, &cotangent) {
            (NdArrayTensor::F32(x), NdArrayTensor::F32(l), NdArrayTensor::F32(c)) => {
                run!(x, l, c, F32, f32)
            }
            (NdArrayTensor::F64(x), NdArrayTensor::F64(l), NdArrayTensor::F64(c)) => {
                run!(x, l, c, F64, f64)
            }
            _ => portable::backward::<Self>(logits, reference, state, cotangent, parameters, wrt),
        }
    }
}

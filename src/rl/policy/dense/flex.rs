use super::{Activation, DenseBackend, cpu, portable};
use burn::backend::TensorMetadata;
use burn::backend::flex::{Flex, FlexTensor};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape, TensorData};

/// The smallest number of multiplications for which a product uses rayon's workers. Burn's own product has
/// the same threshold.
const PARALLEL_PRODUCT: usize = 192 * 192 * 192;

/// Computes the row-major product of two `f32` matrices of any non-negative strides.
///
/// Burn's own product of these matrices allocates its result twice and copies it, for alignment.
fn product(a: &FlexTensor, b: &FlexTensor) -> (Vec<f32>, Shape) {
    let (rows, inner) = (a.shape()[0], a.shape()[1]);
    let (inner_b, columns) = (b.shape()[0], b.shape()[1]);
    assert_eq!(
        inner, inner_b,
        "cannot multiply [{rows}, {inner}] by [{inner_b}, {columns}]"
    );
    let mut product = vec![0.0_f32; rows * columns];
    if inner > 0 && !product.is_empty() {
        let operations = rows.saturating_mul(inner).saturating_mul(columns);
        let parallelism = if operations < PARALLEL_PRODUCT {
            gemm::Parallelism::None
        } else {
            gemm::Parallelism::Rayon(0)
        };
        let strides = |tensor: &FlexTensor| {
            let strides = tensor.layout().strides();
            (strides[0], strides[1])
        };
        let (a_strides, b_strides) = (strides(a), strides(b));
        let a: &[f32] = &a.storage::<f32>()[a.layout().start_offset()..];
        let b: &[f32] = &b.storage::<f32>()[b.layout().start_offset()..];
        check_bounds(a, [rows, inner], a_strides);
        check_bounds(b, [inner, columns], b_strides);
        // SAFETY: the result has `rows * columns` entries, and `check_bounds` has checked that the last entry
        // of each factor lies within its slice.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                inner,
                product.as_mut_ptr(),
                1,
                columns as isize,
                false,
                a.as_ptr(),
                a_strides.1,
                a_strides.0,
                b.as_ptr(),
                b_strides.1,
                b_strides.0,
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
    (product, Shape::new([rows, columns]))
}

/// Panics if a matrix extends past its memory, which no layout of Burn's does.
fn check_bounds(memory: &[f32], [rows, columns]: [usize; 2], strides: (isize, isize)) {
    let last = (rows as isize - 1) * strides.0 + (columns as isize - 1) * strides.1;
    assert!(
        strides.0 >= 0 && strides.1 >= 0 && (last as usize) < memory.len(),
        "a [{rows}, {columns}] matrix with strides {strides:?} does not fit in {} numbers",
        memory.len()
    );
}

/// Copies a matrix with negative strides, such as a flipped one.
fn non_negative_strides(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().strides().iter().all(|&stride| stride >= 0) {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// Changes the values of a tensor, in place if nothing else holds them, otherwise in a copy.
fn map_values(tensor: FlexTensor, change: impl FnOnce(&mut [f32])) -> FlexTensor {
    let shape = tensor.shape();
    let mut tensor = tensor.to_contiguous();
    if tensor.layout().start_offset() == 0
        && let Some(values) = tensor.try_storage_mut::<f32>()
        && values.len() == shape.num_elements()
    {
        change(values);
        return tensor;
    }
    let mut values = elements(&tensor).to_vec();
    change(&mut values);
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn elements(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice()
        .expect("a contiguous tensor of the dtype that was matched")
}

fn are_f32<const N: usize>(tensors: [&FlexTensor; N]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}

impl DenseBackend for Flex {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> FloatTensor<Self> {
        if !are_f32([&x, &weight, &bias]) {
            return portable::dense::<Self>(x, weight, bias, activation);
        }
        let (mut y, shape) = product(&non_negative_strides(x), &non_negative_strides(weight));
        cpu::activate(&mut y, elements(&bias.to_contiguous()), activation);
        FlexTensor::from_data(TensorData::new(y, shape))
    }

    fn dense_backward(
        y: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        activation: Option<Activation>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !are_f32([&y, &gradient]) {
            return portable::dense_backward::<Self>(y, gradient, activation);
        }
        let y = y.to_contiguous();
        let mut bias_grad = vec![0.0; y.shape()[1]];
        let product_grad = map_values(gradient, |gradient| {
            cpu::activate_backward(elements(&y), gradient, &mut bias_grad, activation);
        });
        let outputs = Shape::new([bias_grad.len()]);
        let bias_grad = FlexTensor::from_data(TensorData::new(bias_grad, outputs));
        (product_grad, bias_grad)
    }

    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        if !are_f32([&a, &b]) {
            return Self::float_matmul(a, b);
        }
        let (product, shape) = product(&non_negative_strides(a), &non_negative_strides(b));
        FlexTensor::from_data(TensorData::new(product, shape))
    }
}

//! A layer `act(x W + b)` as one operation. Burn's CPU backends compute `tanh` one number at a time, which
//! alone limits the speed of a small network, and make one unneeded copy of each product of matrices.

mod autodiff;
mod backend;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod cpu;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "ndarray")]
mod ndarray;
mod portable;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod product;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod tanh;

pub use backend::DenseBackend;
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) use cpu::{activate, activate_backward};
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) use product::{Matrix, is_narrow, multiply, multiply_by_rows, transpose};

use super::Activation;
use burn::Tensor;
use burn::backend::Dispatch;

/// Computes `act(x W + b)`, or `x W + b` without an activation. The result is differentiable in all three
/// inputs.
///
/// # Shapes
/// - x: `[rows, inputs]`
/// - weight: `[inputs, outputs]`
/// - bias: `[outputs]`
/// - output: `[rows, outputs]`
///
/// # Panics
/// If the shapes do not match.
pub(super) fn dense(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    activation: Option<Activation>,
) -> Tensor<2> {
    let ([_, inputs], [rows, outputs], [biases]) = (x.dims(), weight.dims(), bias.dims());
    assert!(
        inputs == rows && outputs == biases,
        "{inputs} inputs do not match a weight of [{rows}, {outputs}] and a bias of [{biases}]"
    );
    Tensor::from_dispatch(<Dispatch as DenseBackend>::dense(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        activation,
    ))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::activation::{relu, tanh};
    use burn::tensor::{Device, TensorData, Tolerance};

    fn test_values(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 7919 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0)
            .collect()
    }

    fn devices() -> Vec<Device> {
        vec![
            Device::flex(),
            #[cfg(feature = "ndarray")]
            Device::ndarray(),
        ]
    }

    #[test]
    fn value_and_gradients_are_those_of_burn() {
        for device in devices() {
            let device = device.autodiff();
            for [rows, inputs, outputs] in [
                [1, 1, 1],
                [5, 2, 3],
                [16, 4, 64],
                [128, 64, 65],
                [300, 200, 130],
            ] {
                for activation in [None, Some(Activation::Tanh), Some(Activation::Relu)] {
                    let matrix = |rows: usize, columns: usize, seed| {
                        let data =
                            TensorData::new(test_values(rows * columns, seed), [rows, columns]);
                        Tensor::<2>::from_data(data, &device)
                    };
                    let inputs_of = || {
                        // The input of the layer is a transposed view.
                        let x = matrix(inputs, rows, 1).transpose();
                        let bias = Tensor::<1>::from_data(&test_values(outputs, 3)[..], &device);
                        [x, matrix(inputs, outputs, 2)]
                            .map(|t| t.detach().require_grad())
                            .into_iter()
                            .chain([bias.unsqueeze().detach().require_grad()])
                            .collect::<Vec<Tensor<2>>>()
                    };
                    let (ours, theirs) = (inputs_of(), inputs_of());
                    let y = dense(
                        ours[0].clone(),
                        ours[1].clone(),
                        ours[2].clone().reshape([outputs]),
                        activation,
                    );
                    let z = theirs[0].clone().matmul(theirs[1].clone()) + theirs[2].clone();
                    let z = match activation {
                        None => z,
                        Some(Activation::Tanh) => tanh(z),
                        Some(Activation::Relu) => relu(z),
                    };
                    let close = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
                    y.to_data().assert_approx_eq(&z.to_data(), close);
                    let weights = matrix(rows, outputs, 4);
                    let y = (y * weights.clone()).sum().backward();
                    let z = (z * weights).sum().backward();
                    for (ours, theirs) in ours.iter().zip(&theirs) {
                        let ours = ours.grad(&y).expect("tracked").into_data();
                        let theirs = theirs.grad(&z).expect("tracked").into_data();
                        let close = Tolerance::<f32>::rel_abs(1e-4, 1e-4);
                        ours.assert_approx_eq(&theirs, close);
                    }
                }
            }
        }
    }

    #[test]
    fn no_rows_give_no_rows() {
        let device = Device::flex();
        let y = dense(
            Tensor::zeros([0, 3], &device),
            Tensor::zeros([3, 4], &device),
            Tensor::zeros([4], &device),
            Some(Activation::Tanh),
        );
        assert_eq!(y.dims(), [0, 4]);
    }
}

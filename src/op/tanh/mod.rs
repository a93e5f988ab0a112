//! The layer `tanh(x + b)` as one operation, since Burn's CPU backends take one number at a time through a
//! scalar `tanh`, which alone bounds the speed of a small network.

mod autodiff;
mod backend;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "ndarray")]
mod ndarray;
mod portable;

pub use backend::TanhBackend;

use burn::Tensor;
use burn::backend::Dispatch;

/// `tanh(x_ij + b_j)`, differentiable in both.
///
/// # Shapes
/// - x: `[rows, features]`
/// - bias: `[features]`
/// - output: `[rows, features]`
pub(crate) fn bias_tanh(x: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let [_, features] = x.dims();
    assert_eq!(
        bias.dims(),
        [features],
        "the bias has one number for each feature"
    );
    Tensor::from_dispatch(<Dispatch as TanhBackend>::bias_tanh(
        x.into_dispatch(),
        bias.into_dispatch(),
    ))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tolerance, activation};

    fn numbers(count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 7919 % 1000) as f32 - 500.0) / 100.0)
            .collect()
    }

    #[test]
    fn value_and_gradients_are_those_of_burn() {
        let device = Device::flex().autodiff();
        for (rows, features) in [(1, 1), (5, 3), (16, 64), (128, 65), (0, 4)] {
            let x = || {
                let data =
                    burn::tensor::TensorData::new(numbers(rows * features), [rows, features]);
                Tensor::<2>::from_data(data, &device).require_grad()
            };
            let bias = || Tensor::<1>::from_data(&numbers(features)[..], &device).require_grad();
            let weight = || (x().inner() * 0.3 + 1.0).autodiff();
            let (ours, our_bias, theirs, their_bias) = (x(), bias(), x(), bias());
            let y = bias_tanh(ours.clone(), our_bias.clone());
            let z = activation::tanh(theirs.clone() + their_bias.clone().unsqueeze());
            let close = Tolerance::<f32>::rel_abs(1e-6, 1e-6);
            y.to_data().assert_approx_eq(&z.to_data(), close);
            let ours_by = (y * weight()).sum().backward();
            let theirs_by = (z * weight()).sum().backward();
            let pairs = [
                (
                    ours.grad(&ours_by).map(Tensor::into_data),
                    theirs.grad(&theirs_by).map(Tensor::into_data),
                ),
                (
                    our_bias.grad(&ours_by).map(Tensor::into_data),
                    their_bias.grad(&theirs_by).map(Tensor::into_data),
                ),
            ];
            for (ours, theirs) in pairs {
                let close = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
                ours.expect("tracked")
                    .assert_approx_eq(&theirs.expect("tracked"), close);
            }
        }
    }
}

//! The deformed exponential of [`crate::math`] on tensors, with gradients by autodiff.

use burn::Tensor;
use burn::tensor::DType;

/// `|z|` up to which `(e^z - 1) / z` is computed by its series. The direct form has the relative error `eps / z`.
const SERIES: f64 = 0.5;

/// `(e^z - 1) / z`, with the limit 1 at 0. [`expm1_over`](crate::math::expm1_over) of `c` and `x` is `x` times this
/// function at `c x`.
pub(crate) fn expm1_ratio<const D: usize>(z: Tensor<D>) -> Tensor<D> {
    // 1 / (n + 1)!, exact to the dtype below one half.
    let terms = match z.dtype() {
        DType::F64 => 15,
        _ => 8,
    };
    let far = z.clone().abs().greater_equal_scalar(SERIES);
    // Each form receives only the arguments that it is used for. Otherwise the gradient of the unused form would be NaN
    // and not zero.
    let safe = z.clone().mask_fill(far.clone(), 0.0);
    // Not `div_scalar`, whose gradient in Burn has a reciprocal in `f32`.
    let near = (2..=terms).rev().fold(safe.ones_like(), |sum, n| {
        sum * safe.clone().mul_scalar(1.0 / f64::from(n)) + 1.0
    });
    let z = z.mask_fill(far.clone().bool_not(), 1.0);
    let direct = (z.clone().exp() - 1.0) / z;
    near.mask_where(far, direct)
}

/// [`crate::math::exp_difference`]: `(e^(c a) - e^(c b)) / c`, exactly zero at `a = b`. Both may be `-inf`.
pub(crate) fn exp_difference<const D: usize>(c: f64, a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let equal = a.clone().equal(b.clone());
    let larger = a.clone().max_pair(b.clone());
    let minus_distance = (a.clone() - b.clone()).abs().neg();
    let is_infinite = minus_distance.clone().equal_scalar(f32::NEG_INFINITY);
    let limit = if c > 0.0 { 1.0 / c } else { f64::INFINITY };
    let difference = (minus_distance.clone() * expm1_ratio(minus_distance * c)).neg();
    let difference = difference.mask_fill(is_infinite, limit);
    let difference = if c == 0.0 {
        difference
    } else {
        difference * (larger * c).exp()
    };
    let is_increasing = b.greater(a);
    difference
        .clone()
        .mask_where(is_increasing, difference.neg())
        .mask_fill(equal, 0.0)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// Burn's gradient of a division by a number has the accuracy of `f32`.
    #[test]
    fn gradients_are_exact_in_f64() {
        let device = Device::flex().autodiff();
        for z in [-0.4, 0.1, 0.45, 0.6, -3.0_f64] {
            let tracked = Tensor::<1>::from_data([z], (&device, DType::F64)).require_grad();
            let gradients = expm1_ratio(tracked.clone()).backward();
            let gradient = tracked.grad(&gradients).expect("tracked");
            let want = (z.exp() * (z - 1.0) + 1.0) / (z * z);
            let error = (gradient.into_scalar::<f64>() - want).abs();
            assert!(error < 1e-13, "{z}: {error:e}");
        }
    }
}

//! The bias and the activation of a layer, in place over contiguous rows of `f32`.

use super::Activation;
use super::tanh;

/// Computes `z <- act(z + b)`. Each row of `z` has as many entries as the bias.
pub(in crate::rl) fn activate(z: &mut [f32], bias: &[f32], activation: Option<Activation>) {
    if activation == Some(Activation::Tanh) {
        return tanh::bias_tanh(z, bias);
    }
    for row in z.chunks_exact_mut(bias.len().max(1)) {
        for (z, b) in row.iter_mut().zip(bias) {
            *z += b;
            if activation == Some(Activation::Relu) {
                // Preserves NaN, which `f32::max` does not.
                *z = if *z < 0.0 { 0.0 } else { *z };
            }
        }
    }
}

/// Turns `gradient` from the gradient of the output `y` into that of the product, and writes the sum of its
/// rows to `bias_gradient`.
pub(in crate::rl) fn activate_backward(
    y: &[f32],
    gradient: &mut [f32],
    bias_gradient: &mut [f32],
    activation: Option<Activation>,
) {
    if activation == Some(Activation::Tanh) {
        return tanh::bias_tanh_backward(y, gradient, bias_gradient);
    }
    bias_gradient.fill(0.0);
    let outputs = bias_gradient.len().max(1);
    for (y, gradient) in y
        .chunks_exact(outputs)
        .zip(gradient.chunks_exact_mut(outputs))
    {
        for ((y, g), sum) in y.iter().zip(gradient).zip(bias_gradient.iter_mut()) {
            if activation == Some(Activation::Relu) && *y <= 0.0 {
                *g = 0.0;
            }
            *sum += *g;
        }
    }
}

//! The bias and the activation of a layer over contiguous rows, in `f32` and in place.

use super::Activation;
use super::tanh;

/// `z <- act(z + b)`, for rows of as many entries as the bias.
pub(super) fn activate(z: &mut [f32], bias: &[f32], activation: Option<Activation>) {
    if activation == Some(Activation::Tanh) {
        return tanh::bias_tanh(z, bias);
    }
    for row in z.chunks_exact_mut(bias.len().max(1)) {
        for (z, b) in row.iter_mut().zip(bias) {
            *z += b;
            if activation == Some(Activation::Relu) {
                // Keeps a NaN, which `f32::max` does not.
                *z = if *z < 0.0 { 0.0 } else { *z };
            }
        }
    }
}

/// `gradient`, that of the output `y`, becomes that of the product; `bias_gradient` the sum of its rows.
pub(super) fn activate_backward(
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

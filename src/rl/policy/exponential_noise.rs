use crate::experiment::Stream;
use crate::rl::transfer::matrix;
use burn::Tensor;
use burn::tensor::Device;
use rand_distr::{Distribution, Exp1};

/// Draws unit exponential noise for [`TsallisPolicyHead::sample`](super::TsallisPolicyHead::sample), each row
/// from its own stream.
pub(in crate::rl) fn exponential_noise(
    streams: &mut [Stream],
    actions: usize,
    device: &Device,
) -> Tensor<2> {
    let rows = streams.iter_mut().flat_map(|stream| draws(stream, actions));
    matrix(rows.collect(), actions, device)
}

/// Draws the noise of a row.
pub(super) fn draws(stream: &mut Stream, actions: usize) -> impl Iterator<Item = f32> {
    let draws = Exp1.sample_iter(stream).take(actions);
    // Zero noise would select an action even if its probability is zero.
    draws.map(|draw: f64| (draw as f32).max(f32::MIN_POSITIVE))
}

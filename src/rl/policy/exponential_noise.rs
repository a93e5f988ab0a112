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
    let mut exponential_noise = Vec::with_capacity(streams.len() * actions);
    for stream in streams {
        let draws = Exp1.sample_iter(stream).take(actions);
        // Zero noise would select an action even if its probability is zero.
        exponential_noise.extend(draws.map(|draw: f64| (draw as f32).max(f32::MIN_POSITIVE)));
    }
    matrix(exponential_noise, actions, device)
}

use crate::experiment::Stream;
use crate::rl::transfer::matrix;
use burn::Tensor;
use burn::tensor::Device;
use rand_distr::{Distribution, Exp1};

/// Unit exponential noise for [`TsallisPolicyHead::sample`](super::TsallisPolicyHead::sample), each row from a stream of its own.
pub(in crate::rl) fn exponential_noise(
    streams: &mut [Stream],
    actions: usize,
    device: &Device,
) -> Tensor<2> {
    let mut exponential_noise = Vec::with_capacity(streams.len() * actions);
    for stream in streams {
        let draws = Exp1.sample_iter(stream).take(actions);
        // Zero would be drawn even at an action of probability zero.
        exponential_noise.extend(draws.map(|draw: f64| (draw as f32).max(f32::MIN_POSITIVE)));
    }
    matrix(exponential_noise, actions, device)
}

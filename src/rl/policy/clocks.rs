use crate::experiment::Stream;
use crate::rl::transfer::matrix;
use burn::Tensor;
use burn::tensor::Device;
use rand_distr::{Distribution, Exp1};

/// The clocks of [`TsallisPolicyHead::sample`](super::TsallisPolicyHead::sample), each row from a stream of its own.
pub(in crate::rl) fn clocks(streams: &mut [Stream], actions: usize, device: &Device) -> Tensor<2> {
    let mut clocks = Vec::with_capacity(streams.len() * actions);
    for stream in streams {
        let draws = Exp1.sample_iter(stream).take(actions);
        // Zero would be drawn even at an action of probability zero.
        clocks.extend(draws.map(|clock: f64| (clock as f32).max(f32::MIN_POSITIVE)));
    }
    matrix(clocks, actions, device)
}

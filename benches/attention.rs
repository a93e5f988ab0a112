//! Compares attention with Tsallis weights to softmax attention built from the same primitives of Burn, forward and
//! forward with backward, on flex.
//!
//! The samples of the two alternate, and the benchmark prints the ratios of their medians. On a shared machine the
//! absolute times vary too much to be useful.

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Distribution, Tensor, activation};
use burn_tsallis::nn::attention::tsallis_attention;
use std::time::{Duration, Instant};

/// The batch size, the number of heads, the number of positions and the size of a head.
const SHAPE: [usize; 4] = [8, 8, 512, 64];
const SAMPLE_COLUMNS: usize = 7;
const ALPHAS: [f64; 5] = [0.5, 1.0, 1.25, 1.5, 2.0];

/// The same computation as `tsallis_attention`, with `softmax` for the weights.
fn softmax_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
    let scale = (SHAPE[3] as f64).sqrt().recip();
    let scores = query.mul_scalar(scale).matmul(key.transpose());
    activation::softmax(scores, 3).matmul(value)
}

fn attention(alpha: Option<f64>, [query, key, value]: [Tensor<4>; 3]) -> Tensor<4> {
    match alpha {
        None => softmax_attention(query, key, value),
        Some(alpha) => {
            let options = AttentionModuleOptions::default();
            tsallis_attention(query, key, value, alpha, None, None, options)
        }
    }
}

fn inputs(device: &Device) -> [Tensor<4>; 3] {
    [(); 3].map(|()| Tensor::random(SHAPE, Distribution::Normal(0.0, 1.0), device))
}

fn time(device: &Device, run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    device.sync().expect("the device can be synchronized");
    start.elapsed()
}

fn median(mut samples: Vec<Duration>) -> f64 {
    samples.sort();
    samples[samples.len() / 2].as_secs_f64()
}

fn main() {
    // `cargo test --benches` runs this too, and one sample is enough there.
    let samples = if std::env::args().any(|argument| argument == "--bench") {
        SAMPLE_COLUMNS
    } else {
        1
    };
    let [batch, heads, positions, size] = SHAPE;
    println!(
        "batch {batch}, heads {heads}, {positions} x {positions}, head {size}; medians of {samples}"
    );
    println!(
        "{:>10} {:>22} {:>22}",
        "", "forward", "forward and backward"
    );

    let plain = inputs(&Device::flex());
    let device = Device::flex().autodiff();
    let tracked = inputs(&device).map(Tensor::require_grad);
    let cotangent = Tensor::<4>::random(SHAPE, Distribution::Normal(0.0, 1.0), &device);
    let forward = |alpha| {
        time(&device, || {
            attention(alpha, plain.clone());
        })
    };
    let both = |alpha| {
        time(&device, || {
            let context = attention(alpha, tracked.clone());
            (context * cotangent.clone()).sum().backward();
        })
    };
    for alpha in ALPHAS {
        let [mut softmax, mut tsallis] = [(); 2].map(|()| [Vec::new(), Vec::new()]);
        for _ in 0..samples {
            softmax[0].push(forward(None));
            tsallis[0].push(forward(Some(alpha)));
            softmax[1].push(both(None));
            tsallis[1].push(both(Some(alpha)));
        }
        let column = |i: usize, softmax: &[Vec<Duration>; 2], tsallis: &[Vec<Duration>; 2]| {
            let (softmax, tsallis) = (median(softmax[i].clone()), median(tsallis[i].clone()));
            format!(
                "{:.0} / {:.0} ms = {:.2}",
                1e3 * tsallis,
                1e3 * softmax,
                tsallis / softmax
            )
        };
        println!(
            "{:>10} {:>22} {:>22}",
            format!("alpha {alpha}"),
            column(0, &softmax, &tsallis),
            column(1, &softmax, &tsallis)
        );
    }
}

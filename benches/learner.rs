//! Environment steps per second of the whole learner on `CartPole`, and the share of time of each part.
//!
//! ```text
//! RAYON_NUM_THREADS=1 cargo bench --bench learner
//! ```
//!
//! Each line is the median over the updates of a run, without the warm-up updates. `products` is the time of the matrix
//! products of the minibatches, measured alone. They are part of `forward` and `backward`. `operator` is the softargmax of the
//! minibatches with its gradient, a part of `forward`.

use burn::tensor::Device;
use burn_tsallis::rl::env::EnvironmentKind;
use burn_tsallis::rl::ppo::{Learner, LearnerError, PpoConfig, UpdateTimes};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Warm-up updates before the measured ones.
const WARM_UP: usize = 5;

/// Measured updates.
const UPDATES: usize = 60;

fn main() -> Result<(), LearnerError> {
    let paper = PpoConfig::paper();
    let configurations = [
        ("16 x 32 steps, 16 epochs of 4 minibatches", paper.clone()),
        (
            "the same, alpha 0.7",
            PpoConfig {
                alpha: 0.7,
                regularizer_alpha: 0.7,
                ..paper.clone()
            },
        ),
        (
            "the same, alpha 1",
            PpoConfig {
                alpha: 1.0,
                regularizer_alpha: 1.0,
                ..paper.clone()
            },
        ),
        (
            "8 x 256 steps, 10 epochs of 32 minibatches",
            PpoConfig {
                environments: 8,
                rollout_steps: 256,
                epochs: 10,
                minibatches: 32,
                ..paper
            },
        ),
        ("6 components of 11 bins, 8 x 256 steps", continuous(0.5)),
        ("the same, alpha 0.7", continuous(0.7)),
        ("the same, alpha 1", continuous(1.0)),
    ];
    println!(
        "{:44} {:>8}  {:>7} {:>7} {:>8} {:>9} {:>6} {:>8} {:>8}",
        "configuration",
        "steps/s",
        "rollout",
        "forward",
        "backward",
        "optimizer",
        "rest",
        "products",
        "operator"
    );
    for (name, config) in configurations {
        let batch = config.batch() as f64;
        let config = PpoConfig {
            total_steps: config.batch() * (WARM_UP + UPDATES),
            ..config
        };
        let products = product_seconds(&config);
        let mut learner = Learner::new(config, &Device::flex())?;
        let mut times = Vec::new();
        while !learner.is_finished() {
            learner.update()?;
            times.push(learner.times());
        }
        times.drain(..WARM_UP);
        let total = median(&times, |t| t.total);
        let share = |of: fn(&UpdateTimes) -> Duration| 100.0 * median(&times, of) / total;
        let shares = [
            share(|t| t.rollout),
            share(|t| t.forward),
            share(|t| t.backward),
            share(|t| t.optimizer),
        ];
        let rest = 100.0 - shares.iter().sum::<f64>();
        println!(
            "{name:44} {:>8.0}  {:>6.1}% {:>6.1}% {:>7.1}% {:>8.1}% {rest:>5.1}% {:>7.1}% {:>7.1}%",
            batch / total,
            shares[0],
            shares[1],
            shares[2],
            shares[3],
            100.0 * products / total,
            share(|t| t.operator),
        );
    }
    Ok(())
}

fn median(times: &[UpdateTimes], of: impl Fn(&UpdateTimes) -> Duration) -> f64 {
    let mut seconds: Vec<f64> = times.iter().map(|t| of(t).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Returns the settings of continuous control for a built-in environment with the actions of HalfCheetah.
fn continuous(alpha: f64) -> PpoConfig {
    PpoConfig {
        environment: EnvironmentKind::FactoredIdentity { sizes: vec![11; 6] },
        alpha,
        regularizer_alpha: alpha,
        ..PpoConfig::mujoco()
    }
}

/// Returns the time of the matrix products of an update's minibatches, without those of the logits. These have two
/// columns, which the learner does not leave to the library, and are a percent of the multiplications.
fn product_seconds(config: &PpoConfig) -> f64 {
    let rows = config.minibatch();
    let spaces = config.environment.spaces().expect("a built-in environment");
    let observation_size = spaces.observation_size;
    let mut layers = Vec::new();
    // The actor, and the critic with its value.
    for last in [&[][..], &[1]] {
        let mut inputs = observation_size;
        for &outputs in config.network.hidden.iter().chain(last) {
            layers.push([inputs, outputs]);
            inputs = outputs;
        }
    }
    let widest = layers.iter().flatten().max().map_or(0, |&width| width);
    // At different offsets in a page: equal ones delay loads behind stores to other addresses.
    let size = rows.max(widest) * widest;
    let mut buffer = vec![0.1; 3 * size + 2 * 272];
    let (left, rest) = buffer.split_at_mut(size + 272);
    let (right, product) = rest.split_at_mut(size + 272);
    let mut minibatch = || {
        for &[inputs, outputs] in &layers {
            // The outputs, the gradient of the weights and the gradient of the inputs.
            multiply(
                [rows, inputs, outputs],
                left,
                [inputs, 1],
                right,
                [outputs, 1],
                product,
            );
            multiply(
                [inputs, rows, outputs],
                left,
                [1, inputs],
                right,
                [outputs, 1],
                product,
            );
            if inputs != observation_size {
                multiply(
                    [rows, outputs, inputs],
                    left,
                    [outputs, 1],
                    right,
                    [1, outputs],
                    product,
                );
            }
        }
    };
    median_seconds(|| {
        for _ in 0..config.epochs * config.minibatches {
            minibatch();
        }
    })
}

/// Returns the median time of as many calls as there are measured updates.
fn median_seconds(mut call: impl FnMut()) -> f64 {
    let mut samples: Vec<f64> = (0..UPDATES)
        .map(|_| {
            let started = Instant::now();
            call();
            started.elapsed().as_secs_f64()
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Computes the product of a `rows x inner` and an `inner x columns` matrix of the given strides with the product of the
/// flex backend.
fn multiply(
    [rows, inner, columns]: [usize; 3],
    a: &[f32],
    a_strides: [usize; 2],
    b: &[f32],
    b_strides: [usize; 2],
    c: &mut [f32],
) {
    assert!(a.len() >= rows * inner && b.len() >= inner * columns && c.len() >= rows * columns);
    let [a_strides, b_strides] = [a_strides, b_strides].map(|of| of.map(|stride| stride as isize));
    // SAFETY: the matrices are contiguous, by rows or by columns, and lie within their slices.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            c.as_mut_ptr(),
            1,
            columns as isize,
            false,
            a.as_ptr(),
            a_strides[1],
            a_strides[0],
            b.as_ptr(),
            b_strides[1],
            b_strides[0],
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
    black_box(c);
}

//! Runs the operator on the device of the given name. Only the construction of the device depends on it.
//!
//! `cargo run --release --example device`, and on a GPU
//! `cargo run --release --example device --features wgpu -- wgpu`

use burn::tensor::{Device, Distribution, Tensor};
use burn_tsallis::{kernel_path, tsallis_softargmax};
use std::time::Instant;

fn device(name: &str) -> Option<Device> {
    match name {
        "flex" => Some(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        "cuda" => Some(Device::cuda(0)),
        _ => None,
    }
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_else(|| "flex".to_owned());
    let Some(device) = device(&name) else {
        eprintln!(
            "invalid device '{name}': use flex, or wgpu or cuda in a build with that feature"
        );
        std::process::exit(1);
    };
    println!("{name}: {:?}", kernel_path(&device));

    let device = device.autodiff();
    let logits = Tensor::<2>::from_data([[2.0, 1.0, 0.1], [0.0, f32::NEG_INFINITY, 3.0]], &device);
    println!("{:>5}   probabilities", "alpha");
    for alpha in [0.5, 1.0, 1.5, 2.0] {
        let p: Vec<f32> = tsallis_softargmax(logits.clone(), alpha, -1)
            .into_data()
            .iter()
            .collect();
        let p: Vec<String> = p.iter().map(|p| format!("{p:>8.4}")).collect();
        println!("{alpha:>5}   {}   |{}", p[..3].join(""), p[3..].join(""));
    }

    // Times the forward and backward pass of a batch of rows. The first call compiles the kernels.
    let rows =
        Tensor::<2>::random([4096, 1024], Distribution::Normal(0.0, 2.0), &device).require_grad();
    let run = || {
        let start = Instant::now();
        let p = tsallis_softargmax(rows.clone(), 0.5, -1);
        let gradients = (p.clone() * p).sum().backward();
        let size: f32 = rows
            .grad(&gradients)
            .expect("tracked")
            .abs()
            .sum()
            .into_scalar();
        assert!(size.is_finite());
        start.elapsed().as_secs_f64()
    };
    run();
    let best = (0..5).map(|_| run()).fold(f64::INFINITY, f64::min);
    println!(
        "\n4096 rows of 1024, forward and backward: {:.1} ms",
        1e3 * best
    );
}

//! Learns alpha by gradient descent: five rows of target probabilities are computed with five alphas, and the model
//! recovers these alphas from the targets.
//!
//! `cargo run --release --example learn_alpha`

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Tensor};
use burn_tsallis::nn::{AlphaConfig, TsallisSoftargmaxConfig};

const TRUE_ALPHAS: [f64; 5] = [0.2, 0.7, 1.0, 1.5, 2.0];
const STEPS: usize = 400;
const REPORTED_STEPS: [usize; 7] = [0, 10, 25, 50, 100, 200, 400];

fn main() {
    let device = Device::flex().autodiff();
    device.seed(0);
    let shape = vec![TRUE_ALPHAS.len(), 1];
    let logits = Tensor::<3>::random(
        [64, TRUE_ALPHAS.len(), 8],
        Distribution::Normal(0.0, 2.0),
        &device,
    );
    let targets = TsallisSoftargmaxConfig::new(AlphaConfig::fixed_each(TRUE_ALPHAS))
        .with_alpha_shape(shape.clone())
        .init(&device)
        .forward(logits.clone());

    // Every alpha starts at 1, the softmax.
    let mut module = TsallisSoftargmaxConfig::new(AlphaConfig::learned(1.0))
        .with_alpha_shape(shape)
        .init(&device);
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    println!("{:>6} {:>10}   alpha of each row", "step", "error");
    for step in 0..=STEPS {
        let error = (module.forward(logits.clone()) - targets.clone())
            .square()
            .mean();
        if REPORTED_STEPS.contains(&step) {
            let alphas: Vec<f32> = module.alpha.values(&device).into_data().iter().collect();
            let alphas: Vec<String> = alphas.iter().map(|a| format!("{a:>8.4}")).collect();
            let error: f32 = error.clone().into_scalar();
            println!("{step:>6} {error:>10.1e}   {}", alphas.join(""));
        }
        let gradients = GradientsParams::from_grads(error.backward(), &module);
        module = optimizer.step(0.05, module, gradients);
    }
    let secret: Vec<String> = TRUE_ALPHAS.iter().map(|a| format!("{a:>8.4}")).collect();
    println!("{:>6} {:>10}   {}", "true", "", secret.join(""));
    println!("\n{}", module.valid());
}

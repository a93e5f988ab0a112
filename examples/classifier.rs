//! Classifies handwritten digits with Fenchel-Young losses for several values of alpha, and compares accuracy,
//! calibration error, and the share of the ten classes that a prediction rules out with a probability of zero.
//!
//! `cargo run --release --example classifier`

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use burn_tsallis::nn::loss::FenchelYoungLossConfig;
use burn_tsallis::nn::{TsallisSoftargmax, TsallisSoftargmaxConfig};

const DIGITS: &str = include_str!("data/digits.txt");
const PIXELS: usize = 64;
const CLASSES: usize = 10;
const ALPHAS: [f64; 5] = [0.5, 1.0, 1.25, 1.5, 2.0];
const SEEDS: u64 = 3;
const EPOCHS: usize = 30;
const BATCH: usize = 64;
/// The number of confidence bins of the calibration error.
const BINS: usize = 15;

#[derive(Module, Debug)]
struct Classifier {
    hidden: Linear,
    output: Linear,
}

impl Classifier {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(PIXELS, 32).init(device),
            output: LinearConfig::new(32, CLASSES).init(device),
        }
    }

    fn logits(&self, pixels: Tensor<2>) -> Tensor<2> {
        self.output
            .forward(activation::relu(self.hidden.forward(pixels)))
    }
}

struct Digits {
    pixels: Tensor<2>,
    classes: Tensor<1, Int>,
}

impl Digits {
    /// Reads the digits whose index in the file is `wanted`.
    fn read(wanted: impl Fn(usize) -> bool, device: &Device) -> Self {
        let (mut pixels, mut classes) = (Vec::new(), Vec::new());
        let lines = DIGITS.lines().filter(|line| !line.starts_with('#'));
        for (_, line) in lines.enumerate().filter(|&(i, _)| wanted(i)) {
            let (class, darkness) = line.split_once(' ').expect("a class, then pixels");
            classes.push(class.parse::<i64>().expect("a digit"));
            let darkness = darkness.chars().map(|c| c.to_digit(17).expect("0 to g"));
            pixels.extend(darkness.map(|d| d as f32 / 16.0));
        }
        let count = classes.len();
        Self {
            pixels: Tensor::from_data(TensorData::new(pixels, [count, PIXELS]), device),
            classes: Tensor::from_data(TensorData::new(classes, [count]), device),
        }
    }

    fn count(&self) -> usize {
        self.classes.dims()[0]
    }

    fn batch(&self, index: usize) -> (Tensor<2>, Tensor<1, Int>) {
        let size = BATCH.min(self.count() - index * BATCH);
        (
            self.pixels.clone().narrow(0, index * BATCH, size),
            self.classes.clone().narrow(0, index * BATCH, size),
        )
    }
}

/// Shares of one model as fractions; their means over the seeds in percent.
#[derive(Default)]
struct Metrics {
    accuracy: f64,
    calibration_error: f64,
    zeros: f64,
    /// The share of digits whose true class has a positive probability.
    covered: f64,
}

fn train(alpha: f64, digits: &Digits, device: &Device) -> Classifier {
    let loss = FenchelYoungLossConfig::new(alpha).init(device);
    let mut model = Classifier::new(device);
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    for _ in 0..EPOCHS {
        for index in 0..digits.count().div_ceil(BATCH) {
            let (pixels, classes) = digits.batch(index);
            let value = loss.forward(model.logits(pixels), classes);
            let gradients = GradientsParams::from_grads(value.backward(), &model);
            model = optimizer.step(3e-3, model, gradients);
        }
    }
    model
}

fn evaluate(model: &Classifier, softargmax: &TsallisSoftargmax, digits: &Digits) -> Metrics {
    let p = softargmax.forward(model.logits(digits.pixels.clone()));
    let p: Vec<f64> = p.into_data().iter().collect();
    let classes: Vec<i64> = digits.classes.clone().into_data().iter().collect();
    let count = classes.len() as f64;
    let mut metrics = Metrics::default();
    // For each bin, the sum of the confidences and the number of correct predictions.
    let mut bins = [(0.0, 0.0); BINS];
    for (p, &class) in p.chunks(CLASSES).zip(&classes) {
        let best = (0..CLASSES)
            .max_by(|&a, &b| p[a].total_cmp(&p[b]))
            .expect("ten classes");
        let right = f64::from(u8::from(best as i64 == class));
        let bin = ((p[best] * BINS as f64) as usize).min(BINS - 1);
        bins[bin].0 += p[best];
        bins[bin].1 += right;
        metrics.accuracy += right / count;
        metrics.zeros += p.iter().filter(|&&p| p == 0.0).count() as f64 / (count * CLASSES as f64);
        metrics.covered += f64::from(u8::from(p[class as usize] > 0.0)) / count;
    }
    let errors = bins
        .iter()
        .map(|(confidence, right)| (confidence - right).abs());
    metrics.calibration_error = errors.sum::<f64>() / count;
    metrics
}

fn main() {
    let device = Device::flex().autodiff();
    // Every third digit is held out for the test.
    let training = Digits::read(|i| i % 3 != 0, &device);
    let test = Digits::read(|i| i % 3 == 0, &Device::flex());
    println!(
        "{} training digits and {} test digits of 8 x 8 pixels; means over {SEEDS} seeds\n",
        training.count(),
        test.count()
    );
    println!("alpha   accuracy   calibration error   exact zeros   true class not ruled out");
    for alpha in ALPHAS {
        let softargmax = TsallisSoftargmaxConfig::new(alpha.into()).init(&Device::flex());
        let mut mean = Metrics::default();
        for seed in 0..SEEDS {
            device.seed(seed);
            let model = train(alpha, &training, &device).valid();
            let metrics = evaluate(&model, &softargmax, &test);
            let share = 100.0 / SEEDS as f64;
            mean.accuracy += share * metrics.accuracy;
            mean.calibration_error += share * metrics.calibration_error;
            mean.zeros += share * metrics.zeros;
            mean.covered += share * metrics.covered;
        }
        println!(
            "{alpha:<5} {:>9.1} % {:>17.2} % {:>11.1} % {:>24.1} %",
            mean.accuracy, mean.calibration_error, mean.zeros, mean.covered
        );
    }
    println!(
        "\nThe calibration error is the expected calibration error over {BINS} bins. alpha = 1 is the \
         softmax with the cross-entropy."
    );
}

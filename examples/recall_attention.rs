//! Associative recall with one attention layer. A memory holds random keys and their values, the query is one of the
//! keys plus noise, and the answer is the value of that key. The model trains with 32 pairs in the memory and is tested
//! with up to 2048. A softmax gives some weight to every distractor; sparse attention need not.
//!
//! `cargo run --release --example recall_attention -- FOLDER` prints a table and writes
//! `FOLDER/recall_alpha.svg`, the alpha of each head during training.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_tsallis::nn::AlphaConfig;
use burn_tsallis::nn::attention::{
    TsallisMhaInput, TsallisMultiHeadAttention, TsallisMultiHeadAttentionConfig,
};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

const KEY: usize = 16;
const VALUES: usize = 8;
const MODEL: usize = 32;
const HEADS: usize = 4;
const BATCH: usize = 32;
const STEPS: usize = 1500;
const LEARNING_RATE: f64 = 3e-3;
/// The standard deviation of the noise that is added to each of the sixteen components of a key.
const NOISE: f64 = 0.3;
const TRAINING_PAIRS: usize = 32;
const TEST_PAIRS: [usize; 4] = [32, 128, 512, 2048];

/// A batch of memories with their queries and answers.
struct Recall {
    keys: Tensor<3>,
    values: Tensor<2, Int>,
    query: Tensor<3>,
    answers: Tensor<1, Int>,
}

impl Recall {
    fn draw(batch: usize, pairs: usize, device: &Device) -> Self {
        let normal = |shape| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), device);
        let keys = normal([batch, pairs, KEY]);
        let values = Tensor::<2, Int>::random(
            [batch, pairs],
            Distribution::Uniform(0.0, VALUES as f64),
            device,
        );
        // The pairs are exchangeable, so the query can always be for the first one.
        let query = keys.clone().narrow(1, 0, 1) + normal([batch, 1, KEY]) * NOISE;
        let answers = values.clone().narrow(1, 0, 1).reshape([batch]);
        Self {
            keys,
            values,
            query,
            answers,
        }
    }
}

#[derive(Module, Debug)]
struct Memory {
    key: Linear,
    value: Linear,
    attention: TsallisMultiHeadAttention,
    output: Linear,
}

impl Memory {
    fn new(alpha: AlphaConfig, device: &Device) -> Self {
        Self {
            key: LinearConfig::new(KEY, MODEL).init(device),
            value: LinearConfig::new(VALUES, MODEL).init(device),
            attention: TsallisMultiHeadAttentionConfig::new(MODEL, HEADS)
                .with_alpha(alpha)
                .with_dropout(0.0)
                .init(device),
            output: LinearConfig::new(MODEL, VALUES).init(device),
        }
    }

    /// Returns the logits of the answers and the attention weights.
    fn forward(&self, recall: &Recall) -> (Tensor<2>, Tensor<4>) {
        let values = recall.values.clone().one_hot::<3>(VALUES).float();
        let output = self.attention.forward(TsallisMhaInput::new(
            self.key.forward(recall.query.clone()),
            self.key.forward(recall.keys.clone()),
            self.value.forward(values),
        ));
        let [batch, _, _] = output.context.dims();
        let context = output.context.reshape([batch, MODEL]);
        (self.output.forward(context), output.weights)
    }

    fn alphas(&self, device: &Device) -> Vec<f64> {
        self.attention
            .alpha
            .values(device)
            .into_data()
            .iter()
            .collect()
    }
}

/// Trains a memory. Returns it with the alphas of its heads before the first step and after each step.
fn train(alpha: AlphaConfig, device: &Device) -> (Memory, Vec<Vec<f64>>) {
    device.seed(1);
    let mut memory = Memory::new(alpha, device);
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    let loss = CrossEntropyLossConfig::new().init(device);
    let mut history = Vec::new();
    for step in 0..STEPS {
        history.push(memory.alphas(device));
        let recall = Recall::draw(BATCH, TRAINING_PAIRS, device);
        let (logits, _) = memory.forward(&recall);
        let value = loss.forward(logits, recall.answers);
        let gradients = GradientsParams::from_grads(value.backward(), &memory);
        let rate = LEARNING_RATE * (1.0 - step as f64 / STEPS as f64);
        memory = optimizer.step(rate, memory, gradients);
    }
    history.push(memory.alphas(device));
    (memory, history)
}

/// Returns the share of correct answers with `pairs` pairs in the memory, and the share of weights that are zero.
fn test(memory: &Memory, pairs: usize, device: &Device) -> (f64, f64) {
    device.seed(2);
    let (mut right, mut zeros, mut weights, mut asked) = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..8 {
        let recall = Recall::draw(64, pairs, device);
        let (logits, attention) = memory.forward(&recall);
        let answers = logits.argmax(1).reshape([64]);
        right += f64::from(
            answers
                .equal(recall.answers)
                .int()
                .sum()
                .into_scalar::<i32>(),
        );
        weights += attention.shape().num_elements() as f64;
        zeros += f64::from(attention.equal_scalar(0.0).int().sum().into_scalar::<i32>());
        asked += 64.0;
    }
    (right / asked, zeros / weights)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let device = Device::flex();
    let training = device.clone().autodiff();
    let kinds = [
        ("1 (softmax)", AlphaConfig::fixed(1.0)),
        ("1.5", AlphaConfig::fixed(1.5)),
        ("2", AlphaConfig::fixed(2.0)),
        ("learned from 1.25", AlphaConfig::learned(1.25)),
    ];
    println!(
        "correct answers, and weights that are exactly zero, by the number of pairs in the memory\n"
    );
    let header: Vec<String> = TEST_PAIRS
        .iter()
        .map(|pairs| format!("{pairs:>17}"))
        .collect();
    println!("{:<17}{}", "alpha", header.join(""));
    let mut learned = Vec::new();
    for (name, alpha) in kinds {
        let (memory, history) = train(alpha, &training);
        let memory = memory.valid();
        let cells: Vec<String> = TEST_PAIRS
            .iter()
            .map(|&pairs| {
                let (right, zeros) = test(&memory, pairs, &device);
                format!("{:>8.1} % {:>5.1} %", 100.0 * right, 100.0 * zeros)
            })
            .collect();
        println!("{name:<17}{}", cells.join(""));
        learned = history;
    }
    let last = learned.last().expect("the history is not empty");
    let heads: Vec<String> = last.iter().map(|alpha| format!("{alpha:.3}")).collect();
    println!(
        "\nlearned alphas of the {HEADS} heads: {}",
        heads.join(", ")
    );
    let picture = format!("{folder}/recall_alpha.svg");
    draw(&picture, &learned)?;
    println!("{picture}");
    Ok(())
}

/// Plots the alpha of each head against the step.
fn draw(file: &str, history: &[Vec<f64>]) -> Result<(), Box<dyn std::error::Error>> {
    const FONT: &str = "sans-serif";
    const COLORS: [RGBColor; HEADS] = [
        RGBColor(165, 30, 60),
        RGBColor(225, 120, 30),
        RGBColor(40, 130, 170),
        RGBColor(50, 70, 170),
    ];
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the built-in font cannot be read")?;
    let all = || history.iter().flatten().copied();
    let (lo, hi) = (all().fold(1.0, f64::min), all().fold(1.5, f64::max));
    let area = SVGBackend::new(file, (800, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .margin_right(32)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(0..history.len() - 1, lo - 0.05..hi + 0.05)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("step")
        .y_desc("alpha of a head")
        .axis_desc_style((FONT, 18))
        .label_style((FONT, 15))
        .draw()?;
    for (head, color) in COLORS.into_iter().enumerate() {
        let points = history
            .iter()
            .enumerate()
            .map(|(step, alphas)| (step, alphas[head]));
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(format!("head {}", head + 1))
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 24, y)], color.stroke_width(2))
            });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 15))
        .draw()?;
    area.present()?;
    Ok(())
}

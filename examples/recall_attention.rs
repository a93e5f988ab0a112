//! Multi-query associative recall with one attention layer. A sequence holds pairs of a key and a value, and then
//! queries, each of which repeats one of the keys. The answer to a query is the value of that key. The model trains on
//! sequences of 64 tokens and is tested on up to 65536. A softmax gives some weight to every token; sparse attention
//! need not.
//!
//! `cargo run --release --example recall_attention -- FOLDER [SEEDS] [LONGEST]` prints a table and writes `recall.csv`,
//! `recall.svg` and `recall.png` to the folder. Five seeds and 65536 tokens take about ten minutes; `FOLDER 1 1024` takes
//! one. A model whose rows are in `recall.csv` already is not trained again.
//! `docs/results/attention.md` has the results.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_tsallis::nn::attention::{
    TsallisAttentionOptions, TsallisAttentionOutput, tsallis_attention_with_statistics,
};
use burn_tsallis::nn::{AlphaConfig, TsallisAlpha};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::fmt::Write as _;
use std::fs;

/// The size of a key, a random vector. Every sequence has new keys.
const KEY: usize = 32;
const VALUES: usize = 32;
const QUERIES: usize = 16;
const MODEL: usize = 64;
const HEADS: usize = 2;
const BATCH: usize = 32;
const STEPS: usize = 1500;
const LEARNING_RATE: f64 = 3e-3;
const TRAINING_LENGTH: usize = 64;
const TEST_LENGTHS: [usize; 6] = [64, 256, 1024, 4096, 16_384, 65_536];
/// The number of test sequences of a length.
const TESTS: usize = 32;

/// Sequences of `length` tokens: the pairs, then the queries.
struct Recall {
    /// `[batch, length, KEY + VALUES]`. A token is a key or a value.
    tokens: Tensor<3>,
    /// `[batch, QUERIES]`
    answers: Tensor<2, Int>,
}

impl Recall {
    fn draw(batch: usize, length: usize, device: &Device) -> Self {
        let pairs = (length - QUERIES) / 2;
        let normal = Distribution::Normal(0.0, 1.0);
        let keys = Tensor::<3>::random([batch, pairs, KEY], normal, device);
        let uniform = Distribution::Uniform(0.0, VALUES as f64);
        let values = Tensor::<2, Int>::random([batch, pairs], uniform, device);
        // The model knows no positions, so the queries can be for any of the pairs.
        let asked = Tensor::<1, Int>::arange(0..QUERIES as i64, device) * (pairs / QUERIES) as i64;
        let queries = keys.clone().select(1, asked.clone());
        let answers = values.clone().select(1, asked);
        let key_tokens = |keys: Tensor<3>| {
            let [_, count, _] = keys.dims();
            Tensor::cat(vec![keys, Tensor::zeros([batch, count, VALUES], device)], 2)
        };
        let no_key = Tensor::zeros([batch, pairs, KEY], device);
        let value_tokens = Tensor::cat(vec![no_key, values.one_hot::<3>(VALUES).float()], 2);
        let memory = Tensor::stack::<4>(vec![key_tokens(keys), value_tokens], 2).reshape([
            batch,
            2 * pairs,
            KEY + VALUES,
        ]);
        Self {
            tokens: Tensor::cat(vec![memory, key_tokens(queries)], 1),
            answers,
        }
    }
}

/// One layer of causal attention. A token also sees the token before it.
#[derive(Module, Debug)]
struct Model {
    token: Linear,
    previous: Linear,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    alpha: TsallisAlpha,
}

impl Model {
    fn new(alpha: &AlphaConfig, device: &Device) -> Self {
        let linear = |inputs, outputs| {
            LinearConfig::new(inputs, outputs)
                .with_bias(false)
                .init(device)
        };
        Self {
            token: linear(KEY + VALUES, MODEL),
            previous: linear(KEY + VALUES, MODEL),
            query: linear(MODEL, MODEL),
            key: linear(MODEL, MODEL),
            value: linear(MODEL, MODEL),
            output: linear(MODEL, VALUES),
            alpha: alpha.init(HEADS, device),
        }
    }

    /// Returns the logits of the answers, `[batch, QUERIES, VALUES]`, and the number of keys with a weight.
    fn forward(&self, tokens: Tensor<3>) -> (Tensor<3>, Tensor<3, Int>) {
        let [batch, length, size] = tokens.dims();
        let device = tokens.device();
        let first = Tensor::zeros([batch, 1, size], &device);
        let previous = Tensor::cat(vec![first, tokens.clone().narrow(1, 0, length - 1)], 1);
        let x = self.token.forward(tokens) + self.previous.forward(previous);
        let heads = |x: Tensor<3>| {
            let [_, length, _] = x.dims();
            x.reshape([batch, length, HEADS, MODEL / HEADS])
                .swap_dims(1, 2)
        };
        let queries = x.clone().narrow(1, length - QUERIES, QUERIES);
        let alpha = self.alpha.to_alpha([1, HEADS, 1, 1], &device);
        // The last query is at the last token.
        let causal = AttentionModuleOptions {
            is_causal: true,
            ..Default::default()
        };
        let TsallisAttentionOutput {
            context,
            support_size,
            ..
        } = tsallis_attention_with_statistics(
            heads(self.query.forward(queries)),
            heads(self.key.forward(x.clone())),
            heads(self.value.forward(x)),
            &TsallisAttentionOptions::new(alpha).with_options(causal),
        );
        let context = context.swap_dims(1, 2).reshape([batch, QUERIES, MODEL]);
        (self.output.forward(context), support_size)
    }
}

fn train(alpha: &AlphaConfig, seed: u64, device: &Device) -> Model {
    device.seed(seed);
    let mut model = Model::new(alpha, device);
    let mut optimizer: ModuleOptimizer = AdamConfig::new().init();
    let loss = CrossEntropyLossConfig::new().init(device);
    for step in 0..STEPS {
        let Recall { tokens, answers } = Recall::draw(BATCH, TRAINING_LENGTH, device);
        let (logits, _) = model.forward(tokens);
        let logits = logits.reshape([BATCH * QUERIES, VALUES]);
        let value = loss.forward(logits, answers.reshape([BATCH * QUERIES]));
        if step % 100 == 0 {
            eprintln!(
                "step {step}: loss {:.3}",
                value.clone().into_scalar::<f32>()
            );
        }
        let gradients = GradientsParams::from_grads(value.backward(), &model);
        let rate = LEARNING_RATE * (1.0 - step as f64 / STEPS as f64);
        model = optimizer.step(rate, model, gradients);
    }
    model
}

/// The results of one model on sequences of one length.
struct Row {
    alpha: String,
    seed: u64,
    length: usize,
    /// The share of correct answers.
    accuracy: f64,
    /// The mean number of tokens with a positive weight, over the heads and queries.
    support: f64,
    /// The alphas of the heads.
    alphas: String,
}

const COLUMNS: &str = "alpha,seed,length,accuracy,support,alphas";

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let mut cells = line.split(',');
        Some(Self {
            alpha: cells.next()?.to_owned(),
            seed: cells.next()?.parse().ok()?,
            length: cells.next()?.parse().ok()?,
            accuracy: cells.next()?.parse().ok()?,
            support: cells.next()?.parse().ok()?,
            alphas: cells.next()?.to_owned(),
        })
    }

    fn line(&self) -> String {
        let Self {
            alpha,
            seed,
            length,
            accuracy,
            support,
            alphas,
        } = self;
        format!("{alpha},{seed},{length},{accuracy:.4},{support:.2},{alphas}\n")
    }
}

/// Returns the share of correct answers and the mean size of the support.
fn test(model: &Model, length: usize, device: &Device) -> (f64, f64) {
    device.seed(1_000_000 + length as u64);
    let batch = (16_384 / length).clamp(1, TESTS);
    let (mut right, mut support) = (0.0, 0.0);
    let batches = TESTS / batch;
    for _ in 0..batches {
        let Recall { tokens, answers } = Recall::draw(batch, length, device);
        let (logits, sizes) = model.forward(tokens);
        let answered = logits.argmax(2).reshape([batch, QUERIES]);
        right += answered.equal(answers).float().mean().into_scalar::<f64>();
        support += sizes.float().mean().into_scalar::<f64>();
    }
    (right / batches as f64, support / batches as f64)
}

/// The alphas, and their colors in the picture.
fn kinds() -> [(&'static str, AlphaConfig, RGBColor); 4] {
    [
        ("0.5", AlphaConfig::fixed(0.5), RGBColor(225, 120, 30)),
        ("1 (softmax)", AlphaConfig::fixed(1.0), RGBColor(40, 40, 40)),
        ("1.5", AlphaConfig::fixed(1.5), RGBColor(40, 130, 170)),
        (
            "learned from 1.25",
            AlphaConfig::learned(1.25),
            RGBColor(165, 30, 60),
        ),
    ]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".to_owned());
    let seeds: u64 = arguments.next().map_or(Ok(5), |seeds| seeds.parse())?;
    let longest: usize = arguments
        .next()
        .map_or(Ok(65_536), |length| length.parse())?;
    let device = Device::flex();
    let training = device.clone().autodiff();
    let file = format!("{folder}/recall.csv");
    let text = fs::read_to_string(&file).unwrap_or_else(|_| format!("{COLUMNS}\n"));
    let mut rows: Vec<Row> = text.lines().skip(1).filter_map(Row::parse).collect();
    let lengths: Vec<_> = TEST_LENGTHS.into_iter().filter(|&l| l <= longest).collect();
    for seed in 1..=seeds {
        for (name, alpha, _) in kinds() {
            let done = |length| {
                rows.iter()
                    .any(|row| row.alpha == name && row.seed == seed && row.length == length)
            };
            if lengths.iter().all(|&length| done(length)) {
                continue;
            }
            let model = train(&alpha, seed, &training).valid();
            let alphas: Vec<_> = model
                .alpha
                .values(&device)
                .into_data()
                .iter::<f32>()
                .collect();
            let alphas: Vec<_> = alphas.iter().map(|alpha| format!("{alpha:.3}")).collect();
            rows.retain(|row| row.alpha != name || row.seed != seed);
            for &length in &lengths {
                let (accuracy, support) = test(&model, length, &device);
                let row = Row {
                    alpha: name.to_owned(),
                    seed,
                    length,
                    accuracy,
                    support,
                    alphas: alphas.join(" "),
                };
                eprint!("{}", row.line());
                rows.push(row);
            }
            let lines: String = rows.iter().map(Row::line).collect();
            fs::write(&file, format!("{COLUMNS}\n{lines}"))?;
        }
    }
    print_tables(&rows, &lengths);
    draw_files(&folder, &rows)?;
    Ok(())
}

/// Returns the mean, the smallest and the largest number of the models with this alpha.
fn summary(
    rows: &[Row],
    alpha: &str,
    length: usize,
    of: impl Fn(&Row) -> f64,
) -> Option<(f64, f64, f64)> {
    let values: Vec<_> = rows
        .iter()
        .filter(|row| row.alpha == alpha && row.length == length)
        .map(of)
        .collect();
    if values.is_empty() {
        return None;
    }
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some((values.iter().sum::<f64>() / values.len() as f64, min, max))
}

fn print_tables(rows: &[Row], lengths: &[usize]) {
    type Number = fn(&Row) -> f64;
    let tables: [(&str, Number); 2] = [
        ("correct answers, %", |row| 100.0 * row.accuracy),
        ("tokens with a positive weight", |row| row.support),
    ];
    for (title, of) in tables {
        println!("{title}: mean over the seeds (smallest to largest)\n");
        let mut header = "| alpha |".to_owned();
        for length in lengths {
            let _ = write!(header, " {length} |");
        }
        println!("{header}\n|{}", "---|".repeat(lengths.len() + 1));
        for (name, _, _) in kinds() {
            let mut line = format!("| {name} |");
            for &length in lengths {
                match summary(rows, name, length, of) {
                    None => line.push_str(" |"),
                    Some((mean, min, max)) => {
                        let _ = write!(line, " {mean:.1} ({min:.1} to {max:.1}) |");
                    }
                }
            }
            println!("{line}");
        }
        println!();
    }
}

const SIZE: (u32, u32) = (900, 520);
const FONT: &str = "sans-serif";

fn draw_files(folder: &str, rows: &[Row]) -> Result<(), Box<dyn std::error::Error>> {
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| "the built-in font cannot be read")?;
    let svg = format!("{folder}/recall.svg");
    draw(&SVGBackend::new(&svg, SIZE).into_drawing_area(), rows)?;
    let png = format!("{folder}/recall.png");
    let mut pixels = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
    draw(
        &BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area(),
        rows,
    )?;
    let mut encoder = png::Encoder::new(fs::File::create(&png)?, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    println!("{svg}\n{png}");
    Ok(())
}

/// Plots the share of correct answers against the length.
fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    rows: &[Row],
) -> Result<(), Box<dyn std::error::Error>>
where
    B::ErrorType: 'static,
{
    area.fill(&WHITE)?;
    let last = rows.iter().map(|row| row.length).max().unwrap_or(64) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .margin_right(48)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((56.0..last * 1.15).log_scale().base(4.0), 0.0..102.0)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("tokens (trained at 64)")
        .y_desc("correct answers, %")
        .x_label_formatter(&|length| format!("{length:.0}"))
        .y_label_formatter(&|percent| format!("{percent:.0}"))
        .axis_desc_style((FONT, 18))
        .label_style((FONT, 15))
        .draw()?;
    for (i, (name, _, color)) in kinds().into_iter().enumerate() {
        // The bars of the alphas stand side by side.
        let x = |length: usize| length as f64 * (1.0 + 0.03 * (i as f64 - 1.5));
        let points: Vec<_> = TEST_LENGTHS
            .into_iter()
            .filter_map(|length| {
                let percent = |row: &Row| 100.0 * row.accuracy;
                Some((x(length), summary(rows, name, length, percent)?))
            })
            .collect();
        let line = points.iter().map(|&(x, (mean, ..))| (x, mean));
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)))?
            .label(format!("alpha {name}"))
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 24, y)], color.stroke_width(2))
            });
        chart.draw_series(points.iter().map(|&(x, (_, min, max))| {
            PathElement::new([(x, min), (x, max)], color.stroke_width(2))
        }))?;
        let dots = points
            .iter()
            .map(|&(x, (mean, ..))| Circle::new((x, mean), 4, color.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 15))
        .draw()?;
    area.present()?;
    Ok(())
}

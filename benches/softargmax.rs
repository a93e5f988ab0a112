//! Times the operator beside Burn's softmax and a copy of the tensor, alternately in one run.
//!
//! ```text
//! cargo bench --bench softargmax                     # every shape
//! cargo bench --bench softargmax -- 4096x1024        # the shapes that contain this text
//! cargo bench --bench softargmax -- 4096x1024 0.5    # one alpha, by the name that the table prints
//! ```
//!
//! Each line has medians: the forward pass, and the forward pass with the gradients for a given cotangent, as times and
//! as multiples of Burn's softmax and of a copy. The softmax and its gradient run through Burn's autodiff.

#![cfg_attr(feature = "ndarray", allow(deprecated))]

use burn::tensor::{Device, Distribution, Tensor, TensorData, activation};
use burn_tsallis::op::{
    AlphaTensor, GradientMask, Output, ReferenceTensor, RowParameters, TsallisBackend,
};
use burn_tsallis::{EmptyRow, Solver};
use std::hint::black_box;
use std::time::{Duration, Instant};

const SHAPES: [[usize; 2]; 6] = [
    [65_536, 2],
    [65_536, 18],
    [32_768, 128],
    [4_096, 1_024],
    [256, 32_000],
    [8, 131_072],
];

const SAMPLES: usize = 15;

/// The alphas of a call.
#[derive(Clone, Copy)]
enum Alphas {
    Number(f64),
    /// A tensor of eight alphas around 0.7, each for an eighth of the rows.
    Eight,
    /// A tensor with another alpha around 0.7 in each row.
    Rows,
}

/// The name of a line, its alphas, and whether their gradient is wanted.
type NamedAlphas = (&'static str, Alphas, bool);

const ALPHAS: [NamedAlphas; 10] = [
    ("0.5", Alphas::Number(0.5), false),
    ("0.7", Alphas::Number(0.7), false),
    ("1", Alphas::Number(1.0), false),
    ("1.25", Alphas::Number(1.25), false),
    ("1.5", Alphas::Number(1.5), false),
    ("2", Alphas::Number(2.0), false),
    ("eight alphas", Alphas::Eight, false),
    ("eight learned", Alphas::Eight, true),
    ("another a row", Alphas::Rows, false),
    ("another learned", Alphas::Rows, true),
];

/// The operator as a function of its backend, without autodiff.
struct Call<B: TsallisBackend> {
    logits: B::FloatTensorPrimitive,
    cotangent: B::FloatTensorPrimitive,
    alpha: AlphaTensor<B>,
    parameters: RowParameters,
    wanted: GradientMask,
}

impl<B: TsallisBackend> Call<B> {
    fn new(
        rows: usize,
        logits: &TensorData,
        cotangent: &TensorData,
        alphas: Alphas,
        learned: bool,
    ) -> Self {
        let device = Default::default();
        let tensor = |data: TensorData| B::float_from_data(data, &device);
        let spread = |i: usize, n: usize| 0.6 + 0.2 * i as f32 / n as f32;
        let of_rows = |alpha: &dyn Fn(usize) -> f32| {
            let alphas: Vec<f32> = (0..rows).map(alpha).collect();
            AlphaTensor::Rows(tensor(TensorData::new(alphas, [rows, 1])))
        };
        let (number, alpha) = match alphas {
            Alphas::Number(alpha) => (alpha, AlphaTensor::Number),
            Alphas::Eight => (0.0, of_rows(&|row| spread(8 * row / rows, 8))),
            Alphas::Rows => (0.0, of_rows(&|row| spread(row % 61, 61))),
        };
        Self {
            logits: tensor(logits.clone()),
            cotangent: tensor(cotangent.clone()),
            alpha,
            parameters: RowParameters {
                alpha: number,
                solver: Solver::Newton,
                empty_row: EmptyRow::default(),
                output: Output::Probabilities,
            },
            wanted: GradientMask {
                alpha: learned,
                ..GradientMask::LOGITS
            },
        }
    }

    fn forward(&self) -> (B::FloatTensorPrimitive, B::FloatTensorPrimitive) {
        let (logits, alpha) = (self.logits.clone(), self.alpha.clone());
        B::tsallis_forward(logits, alpha, ReferenceTensor::Uniform, self.parameters)
    }

    fn forward_backward(&self) {
        let (output, state) = self.forward();
        let gradients = B::tsallis_backward(
            self.logits.clone(),
            self.alpha.clone(),
            ReferenceTensor::Uniform,
            state,
            self.cotangent.clone(),
            self.parameters,
            self.wanted,
        );
        black_box((output, gradients));
    }
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn bench<B: TsallisBackend>(
    name: &str,
    device: &Device,
    shape: [usize; 2],
    alphas: &[NamedAlphas],
) {
    let [rows, columns] = shape;
    let logits = Tensor::<2>::random(shape, Distribution::Normal(0.0, 2.0), device);
    let cotangent = Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), device);
    let source: Vec<f32> = logits.to_data().iter().collect();
    let (x, c) = (logits.to_data(), cotangent.to_data());
    let calls: Vec<_> = alphas
        .iter()
        .map(|&(_, alphas, learned)| Call::<B>::new(rows, &x, &c, alphas, learned))
        .collect();
    let autodiff = device.clone().autodiff();
    let with_gradient = Tensor::<2>::from_data(x, &autodiff).require_grad();
    let cotangent = Tensor::<2>::from_data(c, &autodiff);
    let mut forward = vec![Vec::new(); calls.len()];
    let mut both = vec![Vec::new(); calls.len()];
    let (mut copy, mut softmax, mut softmax_both) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        copy.push(timed(|| drop(black_box(source.clone()))));
        softmax.push(timed(|| {
            drop(black_box(activation::softmax(logits.clone(), 1)));
        }));
        softmax_both.push(timed(|| {
            let p = activation::softmax(with_gradient.clone(), 1);
            let gradients = (p * cotangent.clone()).sum().backward();
            drop(black_box(with_gradient.grad(&gradients)));
        }));
        for (i, call) in calls.iter().enumerate() {
            forward[i].push(timed(|| drop(black_box(call.forward()))));
            both[i].push(timed(|| call.forward_backward()));
        }
    }
    let copy = median(&mut copy);
    let (softmax, softmax_both) = (median(&mut softmax), median(&mut softmax_both));
    println!("{name} {rows}x{columns}: copy {copy:.2} ms");
    println!(
        "  {:<16} {softmax:8.2} ms {:27} {softmax_both:8.2} ms",
        "softmax", ""
    );
    for (i, (label, ..)) in alphas.iter().enumerate() {
        let (forward, both) = (median(&mut forward[i]), median(&mut both[i]));
        println!(
            "  {label:<16} {forward:8.2} ms {:6.2} softmax {:6.2} copies {both:8.2} ms {:6.2} softmax",
            forward / softmax,
            forward / copy,
            both / softmax_both,
        );
    }
}

fn main() {
    let mut filters = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let (shape_filter, alpha_filter) = (filters.next(), filters.next());
    let alphas: Vec<_> = ALPHAS
        .into_iter()
        .filter(|(name, ..)| alpha_filter.as_ref().is_none_or(|filter| filter == name))
        .collect();
    for shape in SHAPES {
        let [rows, columns] = shape;
        let text = format!("{rows}x{columns}");
        if shape_filter
            .as_ref()
            .is_some_and(|filter| !text.contains(filter))
        {
            continue;
        }
        bench::<burn::backend::flex::Flex>("flex", &Device::flex(), shape, &alphas);
        #[cfg(feature = "ndarray")]
        bench::<burn_ndarray::NdArray>("ndarray", &Device::ndarray(), shape, &alphas);
    }
}

//! Times the operator and attention on any device, beside a copy and Burn's softmax. `tools/gpu-day` runs it.
//!
//! ```text
//! cargo bench --bench gpu --features wgpu -- softargmax wgpu f32 4096x1024 9    # rows x columns, samples
//! cargo bench --bench gpu --features wgpu -- attention wgpu f16 1x8x2048x64 5   # batch x heads x keys x size, samples
//! ```
//!
//! A line is `check CASE alpha share` or `time CASE alpha PASS device_ms call_ms CLOCK`. The results are checked first,
//! on rows of the same length: `share` is the worst error divided by its bound, and a case above one is not timed.
//! `forward` is one call, and `both` one call with the gradients by autodiff. `device_ms` is the time of one call on the
//! device's clock, and `call_ms` the wall time of each of several calls in a row, both medians of samples that
//! alternate between the cases. `CLOCK` is `system` if the device has no clock: `device_ms` is then the wall time of
//! one call between two synchronizations. A failure is a line that begins with `error`, and ends with exit code 1.
//!
//! `copy` is a launch that reads and writes every entry once.

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{
    DType, Device, Distribution, ProfileOptions, Tensor, TimingMethod, activation, module,
    read_sync,
};
use burn_tsallis::conformance::{
    AlphaKind, Batch, Bounds, Case, Gradients, Grouping, Implementation, OnDevice, Quantity,
    compare,
};
use burn_tsallis::math::RowReference;
use burn_tsallis::nn::attention::tsallis_attention;
use burn_tsallis::op::Output;
use burn_tsallis::{Solver, tsallis_softargmax};
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "usage: gpu softargmax|attention DEVICE f32|f16|bf16 SHAPE SAMPLES";

const ALPHAS: [f64; 5] = [0.5, 0.7, 1.0, 1.5, 2.0];
const ATTENTION_ALPHAS: [f64; 3] = [0.5, 1.0, 1.5];

/// The rows that are checked for each alpha.
const CHECKED_ROWS: usize = 3;

/// The memory of the results of calls in a row.
const MAX_BYTES: usize = 1 << 30;

fn device(name: &str) -> Option<Device> {
    match name {
        "flex" => Some(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cpu")]
        "cpu" => Some(Device::cpu()),
        #[cfg(feature = "cuda")]
        "cuda" => Some(Device::cuda(0)),
        #[cfg(feature = "rocm")]
        "rocm" => Some(Device::rocm(0)),
        _ => None,
    }
}

/// A computation on the device. It returns its results, because Burn's fusion would not write a result that is dropped
/// before it is computed.
type Work<const D: usize> = Box<dyn Fn() -> Vec<Tensor<D>> + Send + Sync>;

/// A computation and its times in milliseconds.
struct Line<const D: usize> {
    name: String,
    pass: &'static str,
    work: Work<D>,
    device: Vec<f64>,
    call: Vec<f64>,
    clock: TimingMethod,
}

impl<const D: usize> Line<D> {
    fn new(
        name: &str,
        pass: &'static str,
        work: impl Fn() -> Vec<Tensor<D>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            pass,
            work: Box::new(work),
            device: Vec::new(),
            call: Vec::new(),
            clock: TimingMethod::System,
        }
    }

    /// Compiles and tunes the kernels.
    fn warm_up(&self, device: &Device) -> Result<(), String> {
        for _ in 0..2 {
            let results = (self.work)();
            device.sync().map_err(|error| error.to_string())?;
            drop(results);
        }
        Ok(())
    }

    fn sample(&mut self, busy: &Busy, calls: usize) -> Result<(), String> {
        let device = &busy.device;
        let failed = |error: burn::tensor::ExecutionError| error.to_string();
        busy.start().map_err(failed)?;
        let options = ProfileOptions::default().flush();
        let (results, duration) = device
            .profile_with(options, || (self.work)())
            .map_err(failed)?;
        self.clock = duration.timing_method();
        let ticks = read_sync(duration.resolve());
        drop(results);
        self.device
            .extend(ticks.map(|ticks| 1e3 * ticks.duration().as_secs_f64()));
        device.sync().map_err(failed)?;
        let start = Instant::now();
        let mut results = Vec::new();
        for _ in 0..calls {
            results.push((self.work)());
            // Fusion would combine the kernels of two calls.
            device.flush().map_err(failed)?;
        }
        device.sync().map_err(failed)?;
        self.call.push(milliseconds(start) / calls as f64);
        drop(results);
        Ok(())
    }

    fn print(&self) {
        let Self { name, pass, .. } = self;
        let (device, call) = (median(&self.device), median(&self.call));
        let clock = self.clock;
        println!("time {name} {pass} {device:.6} {call:.6} {clock}");
    }
}

fn milliseconds(start: Instant) -> f64 {
    1e3 * start.elapsed().as_secs_f64()
}

/// Returns NaN for no samples.
fn median(samples: &[f64]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Work ahead of a measurement.
///
/// CUDA and ROCm read their clock between two launches. On an idle device, the time would then include the latency of
/// the launches. This work keeps the device busy until they are queued.
struct Busy {
    device: Device,
    entries: Tensor<1>,
    launches: usize,
}

impl Busy {
    const ENTRIES: usize = 1 << 26;
    const MILLISECONDS: f64 = 1.0;
    const MAX_LAUNCHES: usize = 32;

    fn new(device: &Device) -> Result<Self, burn::tensor::ExecutionError> {
        let mut busy = Self {
            device: device.clone(),
            entries: Tensor::ones([Self::ENTRIES], device),
            launches: 1,
        };
        busy.start()?;
        device.sync()?;
        let start = Instant::now();
        busy.start()?;
        device.sync()?;
        let launches = Self::MILLISECONDS / milliseconds(start);
        busy.launches = (launches.ceil() as usize).clamp(1, Self::MAX_LAUNCHES);
        Ok(busy)
    }

    fn start(&self) -> Result<(), burn::tensor::ExecutionError> {
        for _ in 0..self.launches {
            let result = self.entries.clone().neg();
            self.device.flush()?;
            drop(result);
        }
        Ok(())
    }
}

/// Times the lines alternately and prints them. Returns whether all of them could be timed.
fn time<const D: usize>(
    device: &Device,
    lines: Vec<Line<D>>,
    samples: usize,
    bytes: usize,
) -> bool {
    let mut is_complete = true;
    let mut report = |line: &Line<D>, result: Result<(), String>| {
        if let Err(error) = &result {
            println!("error {} {} {error}", line.name, line.pass);
            is_complete = false;
        }
        result.is_ok()
    };
    let busy = match Busy::new(device) {
        Ok(busy) => busy,
        Err(error) => {
            println!("error {error}");
            return false;
        }
    };
    let mut lines = lines;
    lines.retain(|line| report(line, line.warm_up(device)));
    let calls = (MAX_BYTES / bytes.max(1)).clamp(1, 2 * samples);
    for _ in 0..samples {
        lines.retain_mut(|line| {
            let result = line.sample(&busy, calls);
            report(line, result)
        });
    }
    lines.iter().for_each(Line::print);
    is_complete
}

/// Prints the share of a bound that an error takes, and returns whether it is at most one.
fn check(case: &str, alpha: f64, share: f64) -> bool {
    println!("check {case} {alpha} {share:.3}");
    share <= 1.0
}

/// The operator with the probabilities as its only output, for a check of what is timed.
struct Probabilities(OnDevice);

impl Implementation for Probabilities {
    fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
        let is_timed = output == Output::Probabilities;
        is_timed.then(|| self.0.output(batch, output)).flatten()
    }

    fn gradients(&self, batch: &Batch, output: Output) -> Gradients {
        match output {
            Output::Probabilities => self.0.gradients(batch, output),
            _ => Gradients::default(),
        }
    }
}

/// Returns the worst error of a few rows of this length, as a share of its bound.
fn softargmax_share(device: &Device, dtype: DType, columns: usize, alpha: f64) -> f64 {
    let random = |deviation| {
        let distribution = Distribution::Normal(0.0, deviation);
        let values = Tensor::<1>::random([columns], distribution, &Device::flex());
        values.into_data().iter().collect::<Vec<f64>>()
    };
    let rows: Vec<_> = (0..CHECKED_ROWS)
        .map(|row| {
            let (logits, cotangent) = (random(2.0), random(1.0));
            let name = format!("row {row}");
            Case::computed(name, alpha, RowReference::Uniform, logits, cotangent, dtype)
        })
        .collect();
    let grouping = Grouping {
        alpha: AlphaKind::Number,
        padded: false,
        min_rows: CHECKED_ROWS,
    };
    let implementation = Probabilities(OnDevice {
        device: device.clone(),
        dtype,
        solver: Solver::Newton,
    });
    let batches = Batch::group(&rows, grouping);
    let quantities = compare(&implementation, &batches, &Bounds::for_dtype(dtype));
    quantities.iter().map(Quantity::ratio).fold(0.0, f64::max)
}

fn softargmax(device: &Device, dtype: DType, [rows, columns]: [usize; 2], samples: usize) -> bool {
    let shape = [rows, columns];
    let normal = Distribution::Normal(0.0, 2.0);
    let x = Tensor::<2>::random(shape, normal, (device, dtype));
    let tracked = Tensor::<2>::random(shape, normal, (&device.clone().autodiff(), dtype));
    let tracked = tracked.require_grad();
    let with_gradient = |y: Tensor<2>, tracked: &Tensor<2>| {
        let gradients = y.backward();
        let gradient = tracked.grad(&gradients);
        [Some(y.inner()), gradient].into_iter().flatten().collect()
    };
    let copy = x.clone();
    let mut lines = vec![Line::new("copy -", "forward", move || {
        vec![copy.clone().neg()]
    })];
    let y = x.clone();
    lines.push(Line::new("softmax 1", "forward", move || {
        vec![activation::softmax(y.clone(), 1)]
    }));
    let y = tracked.clone();
    lines.push(Line::new("softmax 1", "both", move || {
        with_gradient(activation::softmax(y.clone(), 1), &y)
    }));
    let mut is_correct = true;
    for alpha in ALPHAS {
        let share = softargmax_share(device, dtype, columns, alpha);
        if !check("softargmax", alpha, share) {
            is_correct = false;
            continue;
        }
        let name = format!("softargmax {alpha}");
        let y = x.clone();
        lines.push(Line::new(&name, "forward", move || {
            vec![tsallis_softargmax(y.clone(), alpha, 1)]
        }));
        let y = tracked.clone();
        lines.push(Line::new(&name, "both", move || {
            with_gradient(tsallis_softargmax(y.clone(), alpha, 1), &y)
        }));
    }
    let bytes = 2 * rows * columns * dtype.size();
    time(device, lines, samples, bytes) && is_correct
}

/// Attention with this alpha, or Burn's.
fn attend(alpha: Option<f64>, [query, key, value]: [Tensor<4>; 3]) -> Tensor<4> {
    let options = AttentionModuleOptions::default();
    match alpha {
        Some(alpha) => tsallis_attention(query, key, value, alpha, None, None, options),
        None => module::attention(query, key, value, None, None, options),
    }
}

/// Returns the output and the gradients in the query, the key and the value.
fn attend_with_gradients(alpha: Option<f64>, inputs: &[Tensor<4>; 3]) -> Vec<Tensor<4>> {
    let context = attend(alpha, inputs.clone());
    let gradients = context.backward();
    let gradients = inputs.iter().filter_map(|input| input.grad(&gradients));
    gradients.chain([context.clone().inner()]).collect()
}

/// Returns the largest difference from the CPU's result on few keys, as a share of a bound. The matrix products of a
/// GPU may round their inputs.
fn attention_share(device: &Device, dtype: DType, size: usize, alpha: Option<f64>) -> f64 {
    const SHAPE: [usize; 3] = [1, 2, 160];
    let bound = if dtype == DType::F32 { 0.01 } else { 0.1 };
    let [batch, heads, keys] = SHAPE;
    let inputs = [(); 3].map(|()| {
        let shape = [batch, heads, keys, size];
        let values = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
        values.cast(dtype).into_data()
    });
    let compute = |device: Device, dtype: DType| {
        let device = device.autodiff();
        let inputs = inputs
            .clone()
            .map(|data| Tensor::<4>::from_data(data.convert_dtype(dtype), (&device, dtype)));
        let inputs = inputs.map(Tensor::require_grad);
        let results = attend_with_gradients(alpha, &inputs).into_iter();
        results
            .flat_map(|result| result.into_data().iter().collect::<Vec<f64>>())
            .collect::<Vec<f64>>()
    };
    let expected = compute(Device::flex(), DType::F32);
    let got = compute(device.clone(), dtype);
    if got.len() != expected.len() {
        return f64::INFINITY;
    }
    let errors = got.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    // `max` would ignore NaN.
    let worst = errors.fold(
        0.0,
        |worst, error| if error <= worst { worst } else { error },
    );
    worst / bound
}

fn attention(device: &Device, dtype: DType, shape: [usize; 4], samples: usize) -> bool {
    let normal = Distribution::Normal(0.0, 1.0);
    let inputs = [(); 3].map(|()| Tensor::<4>::random(shape, normal, (device, dtype)));
    let autodiff = device.clone().autodiff();
    let tracked =
        [(); 3].map(|()| Tensor::<4>::random(shape, normal, (&autodiff, dtype)).require_grad());
    let cases = [None].into_iter().chain(ATTENTION_ALPHAS.map(Some));
    let mut lines = Vec::new();
    let mut is_correct = true;
    for alpha in cases {
        let case = if alpha.is_none() { "burn" } else { "attention" };
        let number = alpha.unwrap_or(1.0);
        if !check(
            case,
            number,
            attention_share(device, dtype, shape[3], alpha),
        ) {
            is_correct = false;
            continue;
        }
        let name = format!("{case} {number}");
        let (inputs, tracked) = (inputs.clone(), tracked.clone());
        lines.push(Line::new(&name, "forward", move || {
            vec![attend(alpha, inputs.clone())]
        }));
        lines.push(Line::new(&name, "both", move || {
            attend_with_gradients(alpha, &tracked)
        }));
    }
    let bytes = 4 * shape.iter().product::<usize>() * dtype.size();
    time(device, lines, samples, bytes) && is_correct
}

/// Parses `4096x1024`.
fn shape<const D: usize>(text: &str) -> Option<[usize; D]> {
    let numbers: Option<Vec<usize>> = text.split('x').map(|number| number.parse().ok()).collect();
    let numbers = numbers.filter(|numbers| !numbers.contains(&0))?;
    numbers.try_into().ok()
}

/// Returns whether everything was checked and timed, or `None` for invalid arguments.
fn run(arguments: &[String]) -> Option<bool> {
    let [part, name, dtype, size, samples] = arguments else {
        return None;
    };
    let dtype = match dtype.as_str() {
        "f32" => DType::F32,
        "f16" => DType::F16,
        "bf16" => DType::BF16,
        _ => return None,
    };
    let samples = samples.parse().ok().filter(|&samples| samples > 0)?;
    let device = device(name)?;
    match part.as_str() {
        "softargmax" => Some(softargmax(&device, dtype, shape(size)?, samples)),
        "attention" => Some(attention(&device, dtype, shape(size)?, samples)),
        _ => None,
    }
}

fn main() -> ExitCode {
    // Cargo adds flags of its own.
    let arguments = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let arguments: Vec<_> = arguments.collect();
    if arguments.is_empty() {
        // `cargo bench` without arguments runs every benchmark.
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

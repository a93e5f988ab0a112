//! Attention by blocks of queries beside its plain form and Burn's softmax attention, on flex.
//!
//! ```text
//! cargo bench --bench attention             # 512, 2048 and 8192 keys, one sample of 32768, and decoding
//! cargo bench --bench attention -- 2048     # 2048 keys only
//! cargo bench --bench attention -- 1        # one query with 65536 keys only
//! cargo bench --bench attention -- cpu      # processor time instead of wall time, on Linux
//! ```
//!
//! Each line is `CASE shape alpha ms_forward ms_both extra_MiB`: the medians of a forward pass and of a forward and a
//! backward pass, and the peak of the memory of the latter beyond inputs, outputs, gradients and cotangents. The samples
//! of the cases alternate. On a shared machine only ratios are useful, and with `RAYON_NUM_THREADS=1` those of processor
//! time are the most reliable. `benches/sdpa.py` prints such lines for PyTorch.
//!
//! `blocks` is `tsallis_attention`, `plain` the product of `tsallis_attention_weights` with the values, `burn` Burn's
//! attention, which has no backward pass of its own, and `softmax` Burn's softmax between two products. `blocks-learned`
//! has another alpha for each head, from the printed one up, with its gradient. The benchmark fails if blocks need more
//! memory than [`extra_limit`].
//!
//! The lines of one query are a step of decoding: `blocks-zeros` has scores so close to each other that 90 % of the
//! weights are zero.

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Distribution, Int, Tensor, activation, module};
use burn_tsallis::nn::attention::{
    TsallisAttentionOptions, tsallis_attention, tsallis_attention_weights,
    tsallis_attention_with_statistics,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Counts the live bytes and their peak.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn add(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MIB: f64 = 1024.0 * 1024.0;

/// The largest extra memory of blocks with two threads, in MiB.
fn extra_limit(keys: usize) -> f64 {
    match keys {
        0..=2048 => 16.0,
        2049..=8192 => 32.0,
        _ => 64.0,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Case {
    Blocks,
    /// An alpha for each head, with its gradient.
    Learned,
    Zeros,
    Plain,
    Burn,
    Softmax,
}

/// Whether times are processor times.
static CPU: AtomicBool = AtomicBool::new(false);

/// Returns the wall time since some moment, or the processor time of all threads so far, in seconds.
fn now() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    if !CPU.load(Ordering::Relaxed) {
        return START.get_or_init(Instant::now).elapsed().as_secs_f64();
    }
    let tasks = fs::read_dir("/proc/self/task").expect("processor time needs Linux");
    let nanoseconds = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    1e-9 * tasks.flatten().filter_map(nanoseconds).sum::<f64>()
}

/// One line of the output.
struct Line {
    case: Case,
    is_causal: bool,
    alpha: f64,
    scale: Option<f64>,
    with_backward: bool,
    forward: Vec<f64>,
    both: Vec<f64>,
    extra: f64,
}

impl Line {
    fn new(case: Case, alpha: f64, is_causal: bool, with_backward: bool) -> Self {
        Self {
            case,
            is_causal,
            alpha,
            scale: None,
            with_backward,
            forward: Vec::new(),
            both: Vec::new(),
            extra: 0.0,
        }
    }

    fn attention(&self, [query, key, value]: [Tensor<4>; 3]) -> Tensor<4> {
        let options = AttentionModuleOptions {
            is_causal: self.is_causal,
            scale: self.scale,
            ..Default::default()
        };
        match self.case {
            Case::Learned => {
                let heads = query.dims()[1] as i64;
                let steps = Tensor::<1, Int>::arange(0..heads, &query.device()).float();
                let mut alphas = (steps * 0.02 + self.alpha).reshape([1, heads, 1, 1]);
                if query.is_require_grad() {
                    alphas = alphas.require_grad();
                }
                tsallis_attention(query, key, value, alphas, None, None, options)
            }
            Case::Blocks | Case::Zeros => {
                tsallis_attention(query, key, value, self.alpha, None, None, options)
            }
            Case::Plain => {
                tsallis_attention_weights(query, key, self.alpha, None, None, options).matmul(value)
            }
            Case::Burn => module::attention(query, key, value, None, None, options),
            Case::Softmax => {
                let scale = (query.dims()[3] as f64).sqrt().recip();
                let scores = (query * scale).matmul(key.transpose());
                activation::softmax(scores, 3).matmul(value)
            }
        }
    }

    fn sample(&mut self, inputs: &[Tensor<4>; 3]) {
        let start = now();
        let context = self.attention(inputs.clone());
        self.forward.push(now() - start);
        drop(context);
        if !self.with_backward {
            return;
        }
        let tracked = inputs
            .clone()
            .map(|x| Tensor::from_data(x.into_data(), &Device::flex().autodiff()).require_grad());
        PEAK.store(LIVE.load(Ordering::Relaxed), Ordering::Relaxed);
        let start = now();
        let context = self.attention(tracked.clone());
        let gradients = context.backward();
        self.both.push(now() - start);
        // The inputs, the gradients and the context are alive; the cotangent, of the shape of the context, no longer is.
        let cotangent = context.dims().iter().product::<usize>() * size_of::<f32>();
        let extra =
            PEAK.load(Ordering::Relaxed) as f64 - (LIVE.load(Ordering::Relaxed) + cotangent) as f64;
        self.extra = self.extra.max(extra / MIB);
        drop((tracked, gradients));
    }

    fn print(&self, shape: &str) {
        let name = match self.case {
            Case::Blocks => "blocks",
            Case::Learned => "blocks-learned",
            Case::Zeros => "blocks-zeros",
            Case::Plain => "plain",
            Case::Burn => "burn",
            Case::Softmax => "softmax",
        };
        let causal = if self.is_causal { "-causal" } else { "" };
        let (both, extra) = if self.with_backward {
            (
                format!("{:.2}", 1e3 * median(&self.both)),
                format!("{:.1}", self.extra),
            )
        } else {
            ("-".to_owned(), "-".to_owned())
        };
        println!(
            "{name}{causal} {shape} {} {:.2} {both} {extra}",
            self.alpha,
            1e3 * median(&self.forward)
        );
    }
}

fn median(samples: &[f64]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn random(shape: [usize; 4]) -> Tensor<4> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn sample(inputs: &[Tensor<4>; 3], samples: usize, lines: &mut [Line]) {
    for _ in 0..samples {
        for line in &mut *lines {
            line.sample(inputs);
        }
    }
}

/// A step of decoding: one query.
fn decode(keys: usize, samples: usize) {
    const HEADS: usize = 8;
    const SIZE: usize = 64;
    let inputs = [1, keys, keys].map(|length| random([1, HEADS, length, SIZE]));
    let mut lines = vec![Line::new(Case::Softmax, 1.0, false, false)];
    lines.push(Line::new(Case::Burn, 1.0, false, false));
    for alpha in [0.5, 0.7, 1.0, 1.5, 2.0] {
        lines.push(Line::new(Case::Blocks, alpha, false, false));
    }
    for alpha in [1.5, 2.0] {
        let mut line = Line::new(Case::Zeros, alpha, false, false);
        line.scale = Some(scale_with_zeros(&inputs, alpha));
        lines.push(line);
    }
    sample(&inputs, samples, &mut lines);
    for line in lines {
        line.print(&format!("1x{HEADS}x1x{keys}x{SIZE}"));
    }
}

/// Finds the scale at which 90 % of the weights are zero.
fn scale_with_zeros([query, key, value]: &[Tensor<4>; 3], alpha: f64) -> f64 {
    let (mut lo, mut hi) = (1e-6_f64, 1.0_f64);
    for _ in 0..20 {
        let scale = (lo * hi).sqrt();
        let options = TsallisAttentionOptions::new(alpha).with_options(AttentionModuleOptions {
            scale: Some(scale),
            ..Default::default()
        });
        let (query, key, value) = (query.clone(), key.clone(), value.clone());
        let output = tsallis_attention_with_statistics(query, key.clone(), value, &options);
        let support = output.support_size.float().mean().into_scalar::<f64>();
        if support > 0.1 * key.dims()[2] as f64 {
            lo = scale;
        } else {
            hi = scale;
        }
    }
    hi
}

fn run(shape: [usize; 4], samples: usize, mut lines: Vec<Line>) {
    let inputs = [(); 3].map(|()| random(shape));
    sample(&inputs, samples, &mut lines);
    let [batch, heads, keys, size] = shape;
    for line in lines {
        line.print(&format!("{batch}x{heads}x{keys}x{size}"));
        let limit = extra_limit(shape[2]);
        assert!(
            !matches!(line.case, Case::Blocks | Case::Learned)
                || shape[0] > 1
                || line.extra <= limit,
            "{shape:?}: {:.1} MiB of extra memory, at most {limit}",
            line.extra
        );
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs this too: one sample of 2048 keys is enough there.
    CPU.store(arguments.iter().any(|a| a == "cpu"), Ordering::Relaxed);
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let given = arguments.iter().find_map(|argument| argument.parse().ok());
    println!("CASE shape alpha ms_forward ms_both extra_MiB");
    if !is_bench {
        let line = Line::new(Case::Blocks, 1.5, true, true);
        return run([1, 8, 2048, 64], 1, vec![line]);
    }
    let is_wanted = |queries| given.is_none_or(|given: usize| given == queries);
    if is_wanted(1) {
        decode(65_536, 11);
    }
    for (keys, batch, samples) in [(512, 8, 7), (2048, 1, 5), (8192, 1, 3), (32_768, 1, 1)] {
        if !is_wanted(keys) {
            continue;
        }
        let few = keys > 2048;
        let alphas: &[f64] = match keys {
            512 | 2048 => &[0.5, 1.0, 1.25, 1.5, 2.0],
            8192 => &[1.25, 1.5],
            _ => &[1.5],
        };
        let mut lines = Vec::new();
        for &alpha in alphas {
            lines.push(Line::new(Case::Blocks, alpha, false, true));
            if !few {
                lines.push(Line::new(Case::Plain, alpha, false, true));
            }
        }
        if keys <= 8192 {
            lines.push(Line::new(Case::Learned, 1.25, false, true));
        }
        lines.push(Line::new(Case::Burn, 1.0, false, !few));
        if batch == 1 && keys <= 8192 {
            lines.push(Line::new(Case::Blocks, 1.5, true, true));
            lines.push(Line::new(Case::Burn, 1.0, true, false));
        }
        run([batch, 8, keys, 64], samples, lines);
    }
}

//! Checks a softargmax that is implemented outside this crate: bisection in f32 on the host.
//!
//! ```text
//! cargo run --release --example conformance
//! ```
//!
//! It prints the worst error of each output, its bound, and the case in which it occurs.

use burn::tensor::DType;
use burn_tsallis::conformance::{
    Batch, Bounds, Gradients, Implementation, Quantity, built_in, compare,
};
use burn_tsallis::math::{Output, RowReference};

/// Finds the root of each row by bisection.
struct HostBisection;

impl Implementation for HostBisection {
    /// Computes the probabilities of heavy-tailed rows, and no other output.
    fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
        let reference = match batch.reference() {
            RowReference::Ones => 1.0,
            _ => return None,
        };
        if output != Output::Probabilities || batch.alphas().iter().any(|&alpha| alpha >= 1.0) {
            return None;
        }
        let logits = batch.logits();
        let rows = logits.chunks_exact(batch.columns()).zip(batch.alphas());
        let p = rows.flat_map(|(logits, alpha)| softargmax(logits, alpha as f32, reference));
        Some(p.map(f64::from).collect())
    }

    fn gradients(&self, _batch: &Batch, _output: Output) -> Gradients {
        Gradients::default()
    }
}

/// Computes `p_i = q [1 + (alpha - 1)(x_i - mu)]^(1 / (alpha - 1))` for `alpha < 1`.
fn softargmax(logits: &[f64], alpha: f32, q: f32) -> Vec<f32> {
    let c = 1.0 - alpha;
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let gaps: Vec<f32> = logits.iter().map(|x| (max - x) as f32).collect();
    // The ratio `p / q` of an entry, given that of the largest logit.
    let ratio = |largest: f32, gap: f32| (largest.powf(-c) + c * gap).powf(-1.0 / c);
    let (mut low, mut high) = (0.0_f32, 1.0 / q);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let mass: f32 = gaps.iter().map(|&gap| q * ratio(middle, gap)).sum();
        if mass >= 1.0 {
            high = middle;
        } else {
            low = middle;
        }
    }
    gaps.iter().map(|&gap| q * ratio(high, gap)).collect()
}

fn main() {
    let dtype = DType::F32;
    let batches = Batch::every_form(&built_in(dtype));
    for quantity in compare(&HostBisection, &batches, &Bounds::for_dtype(dtype)) {
        let Quantity { name, rows, worst } = &quantity;
        if let Some(worst) = worst {
            let verdict = if quantity.ratio() <= 1.0 {
                "within its bound"
            } else {
                "above its bound"
            };
            println!(
                "{name} of {rows} rows: worst error {:.1e}, bound {:.1e}, in {}: {verdict}",
                worst.error, worst.bound, worst.case
            );
        }
    }
}

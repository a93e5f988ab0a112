//! A model, on the host, of the accuracy of a fused attention kernel for GPUs: `docs/fused-attention.md` describes the
//! kernel and quotes the table that this example prints.
//!
//! `cargo run --release --example fused_attention_model`
//!
//! The model computes one row of scores in `f32`, in tiles of 64 keys, as the kernel would, and compares its
//! probabilities with those of the exact root.

use burn_tsallis::math::{Row, RowReference, Solver};

/// The number of keys in a tile.
const TILE: usize = 64;

/// The largest L1 error of the probabilities of a row.
const CONTRACT: f64 = 2e-6;

/// A kernel stops its sweeps when the sum of each of its rows is this close to one. The last step is linear, so its error
/// is of the order of the square.
const STOP: f32 = 5e-4;

/// More sweeps than any row needs.
const MAX_SWEEPS: usize = 16;

const ALPHAS: [f64; 7] = [0.5, 0.7, 0.9, 1.0, 1.25, 1.5, 2.0];

/// The state of a row: a root `mu`, the sum `s` of the ratios `u` at that root, and the sum `w` of `k = u^(2 - alpha)`,
/// so that `ds/dmu = -w`.
#[derive(Clone, Copy, Debug)]
struct Root {
    alpha: f32,
    /// The largest score so far, a lower bound of the root.
    max: f32,
    mu: f32,
    s: f32,
    w: f32,
}

impl Root {
    fn new(alpha: f64) -> Self {
        Self {
            alpha: alpha as f32,
            max: f32::NEG_INFINITY,
            mu: f32::NEG_INFINITY,
            s: 0.0,
            w: 0.0,
        }
    }

    /// Returns `u` and `k` of a score.
    fn entry(&self, x: f32) -> (f32, f32) {
        let y = x - self.mu;
        if self.alpha == 1.0 {
            return (y.exp(), y.exp());
        }
        let base = 1.0 + (self.alpha - 1.0) * y;
        if base <= 0.0 {
            return (0.0, 0.0);
        }
        let u = match self.alpha {
            0.5 => 1.0 / (base * base),
            1.5 => base * base,
            2.0 => base,
            _ => base.powf(1.0 / (self.alpha - 1.0)),
        };
        (u, u / base)
    }

    /// Moves the root up to `mu` and transports the sums: the power mean of the entries is moved like one entry.
    fn transport(&mut self, mu: f32) {
        let shift = mu - self.mu;
        self.mu = mu;
        if self.s == 0.0 || shift == 0.0 {
            return;
        }
        let c = 1.0 - self.alpha;
        if c == 0.0 {
            let factor = (-shift).exp();
            (self.s, self.w) = (self.s * factor, self.w * factor);
            return;
        }
        let t = 1.0 + c * (self.w / self.s) * shift;
        if t <= 0.0 {
            (self.s, self.w) = (0.0, 0.0);
            return;
        }
        let factor = t.powf(-1.0 / c);
        (self.s, self.w) = (self.s * factor, self.w * factor / t);
    }

    /// The root at which the transported sum is one.
    fn power_step(&self) -> f32 {
        let c = 1.0 - self.alpha;
        let step = if c == 0.0 {
            self.s.ln()
        } else {
            (self.s.powf(c) - 1.0) * self.s / (c * self.w)
        };
        // A root below the largest score would make a probability larger than one.
        (self.mu + step).max(self.max)
    }

    /// The first sweep: each tile moves the root, in some steps while its scores are in registers.
    fn first_sweep(&mut self, scores: &[f32], steps: usize) {
        for tile in scores.chunks(TILE) {
            self.max = tile.iter().copied().fold(self.max, f32::max);
            let before = *self;
            let mut mu = self.mu.max(self.max);
            for _ in 0..steps {
                *self = before;
                self.transport(mu);
                let (s, w) = self.sums(tile);
                (self.s, self.w) = (self.s + s, self.w + w);
                mu = self.power_step();
            }
            self.transport(mu);
        }
    }

    /// A later sweep: the sums at the root of the sweep before.
    fn sweep(&mut self, scores: &[f32]) {
        (self.s, self.w) = scores.chunks(TILE).fold((0.0, 0.0), |(s, w), tile| {
            let (tile_s, tile_w) = self.sums(tile);
            (s + tile_s, w + tile_w)
        });
    }

    fn sums(&self, tile: &[f32]) -> (f32, f32) {
        tile.iter().fold((0.0, 0.0), |(s, w), &x| {
            let (u, k) = self.entry(x);
            (s + u, w + k)
        })
    }

    /// The probability that the last, linear step gives to a score.
    fn probability(&self, x: f32) -> f32 {
        let (u, k) = self.entry(x);
        u - (self.s - 1.0) / self.w * k
    }
}

/// The L1 error of a row after each number of sweeps from two on, and the number after which the kernel stops.
struct Errors {
    after: Vec<f64>,
    stop: usize,
}

fn errors(scores: &[f32], alpha: f64, tile_steps: usize) -> Errors {
    let exact: Vec<f64> = scores.iter().copied().map(f64::from).collect();
    let row = Row::new(&exact, RowReference::Ones, alpha);
    let mut p = vec![0.0; scores.len()];
    row.softargmax(&row.solve(Solver::Newton), &mut p);

    let mut root = Root::new(alpha);
    root.first_sweep(scores, tile_steps);
    let (mut after, mut stop) = (Vec::new(), None);
    for sweeps in 2..=MAX_SWEEPS {
        root.sweep(scores);
        let error = scores
            .iter()
            .zip(&p)
            .map(|(&x, p)| (f64::from(root.probability(x)) - p).abs());
        after.push(error.sum());
        if (root.s - 1.0).abs() <= STOP {
            stop = stop.or(Some(sweeps));
        }
        root.mu = root.power_step();
    }
    Errors {
        after,
        stop: stop.unwrap_or(usize::MAX),
    }
}

/// Returns reproducible numbers from N(0, `sigma`^2).
fn normal(count: usize, sigma: f64, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    (0..count)
        .map(|_| {
            let radius = (-2.0 * uniform().ln()).sqrt();
            (sigma * radius * (std::f64::consts::TAU * uniform()).cos()) as f32
        })
        .collect()
}

/// The worst of several rows.
struct Cell {
    /// The errors after two, three and four sweeps.
    errors: [f64; 3],
    /// The number of sweeps until every row meets the contract.
    contract: usize,
    /// The number of sweeps until all rows stop, and the largest error of a row then.
    stop: usize,
    at_stop: f64,
}

fn cell(alpha: f64, keys: usize, sigma: f64, rows: usize, tile_steps: usize) -> Cell {
    let rows: Vec<_> = (0..rows)
        .map(|row| errors(&normal(keys, sigma, 1 + row as u64), alpha, tile_steps))
        .collect();
    let worst = |of: &dyn Fn(&Errors) -> f64| rows.iter().map(of).fold(0.0, f64::max);
    let stop = rows.iter().map(|row| row.stop).max().unwrap_or(2);
    let last = stop.min(MAX_SWEEPS) - 2;
    Cell {
        errors: [0, 1, 2].map(|i| worst(&|row| row.after[i])),
        contract: (0..MAX_SWEEPS - 1)
            .find(|&i| worst(&|row| row.after[i]) <= CONTRACT)
            .map_or(usize::MAX, |i| i + 2),
        stop,
        at_stop: worst(&|row| row.after[last]),
    }
}

/// The numbers of steps in a tile of the first sweep.
const TILE_STEPS: [usize; 2] = [1, 3];

fn main() {
    let sweeps = format!("2 sweeps | 3 | 4 | sweeps to {CONTRACT:.0e}");
    println!("| alpha | keys | sigma | {sweeps} | {sweeps} | to the stop | error then |");
    println!("|{}", "---|".repeat(13));
    let count = |sweeps| match sweeps {
        usize::MAX => format!("> {MAX_SWEEPS}"),
        _ => sweeps.to_string(),
    };
    for alpha in ALPHAS {
        for (keys, rows) in [(256, 64), (1024, 64), (16_384, 16)] {
            for sigma in [1.0, 4.0] {
                let mut line = format!("| {alpha} | {keys} | {sigma} |");
                for tile_steps in TILE_STEPS {
                    let cell = cell(alpha, keys, sigma, rows, tile_steps);
                    for error in cell.errors {
                        line += &format!(" {error:.0e} |");
                    }
                    line += &format!(" {} |", count(cell.contract));
                    if tile_steps == TILE_STEPS[1] {
                        line += &format!(" {} | {:.0e} |", count(cell.stop), cell.at_stop);
                    }
                }
                println!("{line}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_stops_meets_the_contract() {
        for alpha in ALPHAS {
            for sigma in [1.0, 4.0] {
                for tile_steps in TILE_STEPS {
                    let cell = cell(alpha, 1024, sigma, 8, tile_steps);
                    let Cell { stop, at_stop, .. } = cell;
                    assert!(
                        stop <= 7 && at_stop <= CONTRACT,
                        "alpha {alpha}, sigma {sigma}: an error of {at_stop:e} after {stop} sweeps"
                    );
                }
            }
        }
    }

    #[test]
    fn the_first_sweep_is_exact_at_alpha_one() {
        let cell = cell(1.0, 1024, 4.0, 8, 1);
        assert_eq!((cell.stop, cell.contract), (2, 2));
    }
}

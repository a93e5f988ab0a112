//! Benchmarks of the tabular loops: stochastic f-PG in the setup of arXiv 2601.12604, on one thread, and exact f-PG.

use burn_tsallis::experiment::{Purpose, stream};
use burn_tsallis::math::{Pair, Row, RowReference, Solver, Tsallis};
use divan::Bencher;
use divan::counter::ItemsCount;
use tsallis_lab::algorithms::{ExactAscent, FPg, Reinforce, Sampling, StepRule};
use tsallis_lab::exact::Evaluator;
use tsallis_lab::mdp::{deep_sea, nchain};
use tsallis_lab::{Divergence, SoftargmaxPolicy};

const ALPHAS: [f64; 4] = [0.1, 0.5, 0.9, 1.0];

/// Iterations of one run in the paper.
const ITERATIONS: usize = 20_000;

#[divan::bench(args = ALPHAS, sample_count = 10)]
fn stochastic_nchain_15(bencher: Bencher, alpha: f64) {
    let mdp = nchain(15).expect("a length");
    bencher
        .counter(ItemsCount::new(ITERATIONS))
        .with_inputs(|| {
            let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(alpha), 15, 2);
            let sampling = Sampling {
                batch: 2,
                horizon: 25,
            };
            let random = stream(0, Purpose::TabularEpisodes, 0);
            Reinforce::new(&mdp, FPg::new(policy, 0.01), sampling, random)
        })
        .bench_local_values(|mut run| {
            for _ in 0..ITERATIONS {
                run.iterate(0.1);
            }
            run
        });
}

#[divan::bench(args = ALPHAS, sample_count = 20)]
fn exact_step_deep_sea_30(bencher: Bencher, alpha: f64) {
    let mdp = deep_sea(30).expect("a size");
    let evaluator = Evaluator::new(&mdp);
    let policy = SoftargmaxPolicy::uniform(Divergence::Tsallis(alpha), 900, 2);
    let mut ascent = ExactAscent::new(&evaluator, policy, 0.01, StepRule::Fixed(1.0));
    bencher.bench_local(|| ascent.step());
}

/// Solves rows of two entries with the general row solver.
#[divan::bench(args = ALPHAS)]
fn root_by_row(bencher: Bencher, alpha: f64) {
    let mut gap = 0.0;
    bencher.bench_local(|| {
        gap = (gap + 0.01) % 10.0;
        let logits = [gap, 0.0];
        let row = Row::new(&logits, RowReference::Values(&[0.5, 0.5]), alpha);
        let mut log_p = [0.0; 2];
        row.log_softargmax(&row.solve(Solver::Newton), &mut log_p);
        log_p
    });
}

/// Solves the same rows with the pair solver, which starts from the previous root.
#[divan::bench(args = ALPHAS)]
fn root_by_pair(bencher: Bencher, alpha: f64) {
    let generator = Tsallis::new(alpha);
    let (mut gap, mut near) = (0.0, None);
    bencher.bench_local(|| {
        gap = (gap + 0.01) % 10.0;
        let pair = Pair::solve(&generator, gap, [0.5, 0.5], near);
        near = Some(pair.log_odds);
        pair
    });
}

fn main() {
    divan::main();
}

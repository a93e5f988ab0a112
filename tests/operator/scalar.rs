//! Tests of the scalar layer against the reference values. Every kernel is compared with the scalar layer.

use crate::vectors::file;
use burn::tensor::DType;
use burn_tsallis::conformance::{
    AlphaKind, Batch, Bounds, Case, Gradients, Grouping, Implementation, ROW_COTANGENT, built_in,
    compare,
};
use burn_tsallis::math::{Output, Real, Row, RowGradients, RowReference, RowState, Solver};
use std::marker::PhantomData;

struct Scalar<F>(Solver, PhantomData<F>);

impl<F: Real> Scalar<F> {
    fn with<R>(&self, case: &Case, run: impl FnOnce(&Row<'_, F>, &RowState<F>) -> R) -> R {
        let round = |values: &[f64]| -> Vec<F> { values.iter().map(|&v| F::from_f64(v)).collect() };
        let (x, q) = (round(&case.logits), round(&case.exact.q));
        let reference = match case.reference {
            RowReference::Uniform => RowReference::Uniform,
            RowReference::Ones => RowReference::Ones,
            RowReference::Values(_) => RowReference::Values(q.as_slice()),
        };
        let row = Row::new(&x, reference, case.alpha);
        run(&row, &row.solve(self.0))
    }
}

impl<F: Real> Implementation for Scalar<F> {
    fn output(&self, batch: &Batch, output: Output) -> Option<Vec<f64>> {
        let rows = batch.rows().iter().flat_map(|case| {
            let numbers = if output.is_per_entry() {
                case.logits.len()
            } else {
                1
            };
            let mut y = vec![F::zero(); numbers];
            self.with(case, |row, state| row.output(output, state, &mut y));
            y.into_iter().map(F::into_f64)
        });
        Some(rows.collect())
    }

    fn gradients(&self, batch: &Batch, output: Output) -> Gradients {
        let (mut logits, mut alpha, mut reference) = (Vec::new(), Vec::new(), Vec::new());
        for case in batch.rows() {
            let columns = case.logits.len();
            let (mut x, mut a, mut q) = (
                vec![F::zero(); columns],
                F::zero(),
                vec![F::zero(); columns],
            );
            let cotangent: Vec<F> = if output.is_per_entry() {
                case.cotangent.iter().map(|&c| F::from_f64(c)).collect()
            } else {
                vec![F::from_f64(ROW_COTANGENT)]
            };
            self.with(case, |row, state| {
                let gradients = RowGradients {
                    logits: Some(&mut x),
                    alpha: Some(&mut a),
                    reference: Some(&mut q),
                };
                row.backward(output, state, &cotangent, gradients);
            });
            logits.extend(x.into_iter().map(F::into_f64));
            alpha.push(a.into_f64());
            reference.extend(q.into_iter().map(F::into_f64));
        }
        Gradients {
            logits: Some(logits),
            alpha: Some(alpha),
            reference: Some(reference),
        }
    }
}

fn assert_within_bounds<F: Real>(solver: Solver, dtype: DType, cases: &[Case]) {
    let scalar = Scalar::<F>(solver, PhantomData);
    let rows = Grouping {
        alpha: AlphaKind::Tensor,
        padded: false,
        min_rows: 1,
    };
    let batches = Batch::group(cases, rows);
    for quantity in compare(&scalar, &batches, &Bounds::for_dtype(dtype)) {
        assert!(
            quantity.ratio() <= 1.0,
            "{dtype:?} {solver:?}: {quantity:?}"
        );
    }
}

#[test]
fn the_file() {
    for solver in [Solver::Newton, Solver::Bisection] {
        assert_within_bounds::<f64>(solver, DType::F64, &file(DType::F64));
        assert_within_bounds::<f32>(solver, DType::F32, &file(DType::F32));
    }
}

#[test]
fn the_built_in_cases_in_f32() {
    assert_within_bounds::<f32>(Solver::Newton, DType::F32, &built_in(DType::F32));
    assert_within_bounds::<f32>(Solver::Bisection, DType::F32, &built_in(DType::F32));
}

/// Rows of two entries above `alpha = 2`, whose gap steps across the edge of the support.
/// The exact probability is the root of an equation in closed form, found by bisection in `f64`.
#[test]
fn the_edge_of_the_support_above_alpha_two() {
    for alpha in [2.25, 2.5, 3.0_f64] {
        let beta = alpha - 1.0;
        // With a reference of ones, the support of two entries ends at the gap 1 / beta.
        for step in -40..40 {
            let gap = f64::from((1.0 / beta + f64::from(step) * 3e-7) as f32);
            let x32 = [gap as f32, 0.0];
            let row32 = Row::<f32>::new(&x32, RowReference::Ones, alpha);
            let mut p32 = [0.0; 2];
            row32.softargmax(&row32.solve(Solver::Newton), &mut p32);
            // Bisection of (1 - p)^beta - p^beta = beta gap for the small probability p.
            let (mut lo, mut hi) = (0.0, 0.5);
            for _ in 0..200 {
                let p: f64 = 0.5 * (lo + hi);
                if (1.0 - p).powf(beta) - p.powf(beta) > beta * gap {
                    lo = p;
                } else {
                    hi = p;
                }
            }
            let error = (f64::from(p32[1]) - lo).abs();
            assert!(
                error <= 1e-6,
                "alpha {alpha}, gap {gap}: {p32:?} instead of {lo}"
            );
            let x64 = [gap, 0.0];
            let row64 = Row::<f64>::new(&x64, RowReference::Ones, alpha);
            let mut p64 = [0.0; 2];
            row64.softargmax(&row64.solve(Solver::Newton), &mut p64);
            assert!(
                (p64[1] - lo).abs() <= 1e-12,
                "alpha {alpha}, gap {gap}: {p64:?} {lo}"
            );
        }
    }
}

/// The third entry is on the support by less than the resolution of the support radius, with 7 % of the mass.
#[test]
fn an_entry_at_the_edge_of_the_support_with_a_part_of_the_mass() {
    // The smallest logit is not a multiple of the rounding of its gap, so that the support radius is not either.
    let (alpha, x, q) = (46.0, [1000.0, 1.0, 1.2345e-14], [0.3, 0.5, 0.5]);
    let [a, b] = [45_000.0_f64, 45.0].map(|power| power.powf(1.0 / 45.0));
    let want = [0.3 * a, 0.5 * b, 1.0 - 0.3 * a - 0.5 * b];
    let row = Row::<f64>::new(&x, RowReference::Values(&q), alpha);
    for solver in [Solver::Newton, Solver::Bisection] {
        let mut p = [0.0; 3];
        row.softargmax(&row.solve(solver), &mut p);
        for (got, want) in p.iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{solver:?}: {p:?}");
        }
    }
}

/// Up to the largest accepted alpha, probabilities are accurate to 1e-4.
#[test]
fn the_largest_alphas() {
    for alpha in [-50.0, -10.0, 4.0, 10.0, 25.0, 50.0] {
        for gap in [0.0, 1e-3, 0.02, 0.1, 0.5, 1.0, 20.0, 1e4_f64] {
            let mut p32 = [0.0; 2];
            let x32 = [gap as f32, 0.0];
            let row = Row::<f32>::new(&x32, RowReference::Uniform, alpha);
            row.softargmax(&row.solve(Solver::Newton), &mut p32);
            // u_1^(alpha - 1) - u_2^(alpha - 1) = (alpha - 1) gap with u_1 + u_2 = 2.
            let (mut lo, mut hi) = (0.0_f64, 0.5);
            for _ in 0..200 {
                let p = 0.5 * (lo + hi);
                let power = |p: f64| ((alpha - 1.0) * (2.0 * p).ln()).exp();
                let difference = (power(1.0 - p) - power(p)) / (alpha - 1.0);
                if difference > f64::from(x32[0]) {
                    lo = p;
                } else {
                    hi = p;
                }
            }
            let error = (f64::from(p32[1]) - lo).abs();
            assert!(
                error <= 1e-4,
                "alpha {alpha}, gap {gap}: {p32:?} instead of {lo}"
            );
        }
    }
}

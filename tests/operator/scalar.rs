//! The scalar layer, which every kernel is compared with, against the reference values.

use crate::reference::{self, F32, F64, GivenReference, Vector};
use burn_tsallis::math::{Measure, Row, Solver};

/// The reference of a vector as the scalar layer takes it.
pub fn measure(reference: &GivenReference) -> Measure<'_, f64> {
    match reference {
        GivenReference::Uniform => Measure::Uniform,
        GivenReference::Ones => Measure::Ones,
        GivenReference::Vector(q) => Measure::Given(q),
    }
}

fn close(what: &str, name: &str, got: f64, want: f64, relative: f64) {
    assert!(
        (got - want).abs() <= relative * want.abs().max(1.0),
        "{what}: {name} is {got:e}, exact {want:e}"
    );
}

#[test]
fn f64_meets_every_reference_value() {
    for vector in reference::read() {
        for solver in [Solver::Newton, Solver::Bisection] {
            let Vector { exact, .. } = &vector;
            let row = Row::new(&exact.logits, measure(&vector.reference), exact.alpha);
            let state = row.solve(solver);
            let mut got = vec![0.0; exact.logits.len()];
            row.softargmax(&state, &mut got);
            exact.check_p(&got, &F64);
            row.log_softargmax(&state, &mut got);
            exact.check_log_p(&got, &F64);
            close(&exact.what, "mu", row.mu(&state), vector.mu, 2e-12);
            close(&exact.what, "V", row.value(&state), vector.value, 2e-12);
            close(
                &exact.what,
                "D",
                row.divergence(&state),
                vector.divergence,
                2e-12,
            );
            row.softargmax_backward(&state, &vector.cotangent, &mut got);
            exact.check_gradient("dp/dx", &got, &vector.grad_logits, &vector.cotangent, &F64);
            row.softargmax_backward_reference(&state, &vector.cotangent, &mut got);
            exact.check_gradient(
                "dp/dq",
                &got,
                &vector.grad_reference,
                &vector.cotangent,
                &F64,
            );
            let largest = vector.cotangent.iter().fold(0.0_f64, |m, c| m.max(c.abs()));
            let got = row.softargmax_backward_alpha(&state, &vector.cotangent);
            let bound = 1e-10 * vector.grad_alpha.abs().max(1e-3 * largest);
            assert!(
                (got - vector.grad_alpha).abs() <= bound,
                "{}: dp/dalpha is {got:e}, exact {:e}",
                exact.what,
                vector.grad_alpha
            );
        }
    }
}

#[test]
fn f32_meets_its_bounds() {
    let narrow = |values: &[f64]| -> Vec<f32> { values.iter().map(|&v| v as f32).collect() };
    let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| f64::from(v)).collect() };
    for vector in reference::read() {
        let exact = &vector.exact;
        let (x, q) = (narrow(&exact.logits), narrow(&exact.q));
        let measure = match measure(&vector.reference) {
            Measure::Uniform => Measure::Uniform,
            Measure::Ones => Measure::Ones,
            Measure::Given(_) => Measure::Given(&q),
        };
        let row = Row::new(&x, measure, exact.alpha);
        let state = row.solve(Solver::Newton);
        let mut got = vec![0.0; x.len()];
        row.softargmax(&state, &mut got);
        exact.check_p(&wide(&got), &F32);
        row.log_softargmax(&state, &mut got);
        exact.check_log_p(&wide(&got), &F32);
        close(
            &exact.what,
            "V",
            row.value(&state).into(),
            vector.value,
            4e-6,
        );
        close(
            &exact.what,
            "D",
            row.divergence(&state).into(),
            vector.divergence,
            4e-6,
        );
        row.softargmax_backward(&state, &narrow(&vector.cotangent), &mut got);
        exact.check_gradient(
            "dp/dx",
            &wide(&got),
            &vector.grad_logits,
            &vector.cotangent,
            &F32,
        );
        row.softargmax_backward_reference(&state, &narrow(&vector.cotangent), &mut got);
        exact.check_gradient(
            "dp/dq",
            &wide(&got),
            &vector.grad_reference,
            &vector.cotangent,
            &F32,
        );
        let largest = vector.cotangent.iter().fold(0.0_f64, |m, c| m.max(c.abs()));
        let got = f64::from(row.softargmax_backward_alpha(&state, &narrow(&vector.cotangent)));
        let bound = 1e-4 * vector.grad_alpha.abs().max(1e-3 * largest);
        assert!(
            (got - vector.grad_alpha).abs() <= bound,
            "{}: dp/dalpha is {got:e}, exact {:e}",
            exact.what,
            vector.grad_alpha
        );
    }
}

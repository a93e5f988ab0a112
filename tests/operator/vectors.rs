//! The files of reference values and the built-in set, every output and gradient, on every device.

use crate::devices;
use burn::tensor::DType;
use burn_tsallis::conformance::{Bounds, Case, OnDevice, built_in, compare, vectors};
use burn_tsallis::math::Solver;

/// The cases of the file.
pub fn file(dtype: DType) -> Vec<Case> {
    vectors(dtype).expect("the file of the repository")
}

fn holds(test: &devices::TestDevice, dtype: DType, solver: Solver, cases: &[Case]) {
    let on_device = OnDevice {
        device: test.device.clone(),
        dtype,
        solver,
    };
    for quantity in compare(&on_device, cases, &Bounds::of(dtype)) {
        assert!(quantity.cases > 0);
        assert!(
            quantity.ratio() <= 1.0,
            "{} {dtype:?} {solver:?}: {quantity:?}",
            test.name
        );
    }
    test.device.sync().expect("no launch failed");
}

#[test]
fn f32_newton() {
    for test in devices::all() {
        holds(&test, DType::F32, Solver::Newton, &file(DType::F32));
    }
}

#[test]
fn f32_bisection() {
    for test in devices::all() {
        let every = if test.f64 { 1 } else { 5 };
        let cases: Vec<Case> = file(DType::F32).into_iter().step_by(every).collect();
        holds(&test, DType::F32, Solver::Bisection, &cases);
    }
}

#[test]
fn f64_newton() {
    for test in devices::all().iter().filter(|test| test.f64) {
        holds(test, DType::F64, Solver::Newton, &file(DType::F64));
    }
}

/// Orders from -2 to 3, with masks, ties and offsets, in every dtype that a device has.
#[test]
fn built_in_cases() {
    for test in devices::all() {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            // On a software driver a few are what there is time for: `tsallis check` runs them all.
            let every = if test.f64 { 1 } else { 11 };
            let f64_by_portable = dtype == DType::F64 && !test.f64;
            if f64_by_portable || !test.device.supports_dtype(dtype) {
                continue;
            }
            let mut cases: Vec<Case> = built_in(dtype).into_iter().step_by(every).collect();
            if dtype == DType::F16 && !test.f64 {
                // A software driver emulates f16, and takes minutes to compile the kernels of long rows.
                cases.retain(|case| case.logits.len() <= 33);
            }
            holds(&test, dtype, Solver::Newton, &cases);
        }
    }
}

/// A checker that accepts anything would accept this: one entry of one output off by three bounds.
#[test]
fn the_comparison_finds_a_wrong_digit() {
    use burn_tsallis::conformance::Implementation;
    use burn_tsallis::op::{Output, Wrt};

    struct Wrong(Output, Option<Wrt>);
    impl Implementation for Wrong {
        fn output(&self, case: &Case, output: Output) -> Vec<f64> {
            let mut y = case.output(output);
            if (output, None) == (self.0, self.1) {
                let bound = Bounds::of(DType::F32).output(case, output, 0, y[0]);
                y[0] += 3.0 * bound;
            }
            y
        }

        fn gradient(&self, case: &Case, output: Output, wrt: Wrt) -> Option<Vec<f64>> {
            let mut g = case.gradient(output, wrt);
            if (output, Some(wrt)) == (self.0, self.1) {
                g[0] = f64::NAN;
            }
            Some(g)
        }
    }

    let cases: Vec<Case> = file(DType::F32)
        .into_iter()
        .filter(|case| case.exact.p.iter().all(|&p| p > 0.0))
        .take(3)
        .collect();
    for output in [
        Output::Probabilities,
        Output::LogProbabilities,
        Output::Value,
        Output::Divergence,
    ] {
        for wrt in [
            None,
            Some(Wrt::Logits),
            Some(Wrt::Alpha),
            Some(Wrt::Reference),
        ] {
            let quantities = compare(&Wrong(output, wrt), &cases, &Bounds::of(DType::F32));
            let broken = quantities.iter().filter(|q| q.ratio() > 1.0).count();
            assert_eq!(broken, 1, "{output:?} {wrt:?}");
        }
    }
}

//! Inputs of bug reports about software of this kind, with values of a 60-digit bisection.

use crate::devices;
use burn::tensor::{Bool, DType, Tensor, TensorData};
use burn_tsallis::math::{Row, RowReference, Solver};
use burn_tsallis::{
    FDivergence, FSoftargmaxOptions, Reference, TsallisOptions, f_softargmax, tsallis_divergence,
    tsallis_divergence_from_probabilities, tsallis_log_softargmax, tsallis_softargmax,
    tsallis_value,
};

fn close(got: TensorData, want: &[f64], what: &str) {
    let got: Vec<f64> = got.iter().collect();
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!(
            (got - want).abs() <= 1e-6 * want.abs().max(1.0),
            "{what}: {got} instead of {want}"
        );
    }
}

/// A finite logit stays finite, and allowed, whatever the temperature.
#[test]
fn a_temperature_below_one_keeps_every_finite_logit() {
    const LOWEST: f32 = f32::MIN;
    for test in devices::all() {
        let name = test.name;
        let row = |x: &[f32]| Tensor::<1>::from_floats(x, &test.device);
        let softargmax = |x: &[f32], alpha: f64, t: f64, reference| {
            let options = TsallisOptions::new(alpha)
                .with_temperature(t)
                .with_reference(reference);
            tsallis_softargmax(row(x), options, 0).into_data()
        };
        let want = [0.127_322_003_75, 0.872_677_996_25, 0.0];
        for alpha in [0.5, 1.5] {
            let got = softargmax(&[0.0, 1.0, LOWEST], alpha, 0.5, Reference::Uniform);
            close(got, &want, name);
        }
        let got = softargmax(&[LOWEST; 2], 0.5, 0.5, Reference::Ones);
        close(got, &[0.5, 0.5], name);
        for alpha in [0.5, 1.0, 1.5] {
            let got = softargmax(&[1e38, 2e38], alpha, 0.25, Reference::Ones);
            close(got, &[0.0, 1.0], name);
        }
        let options =
            FSoftargmaxOptions::new(FDivergence::Hellinger).with_reference(Reference::Ones);
        let got = f_softargmax(row(&[LOWEST; 2]), options, 0).into_data();
        close(got, &[0.5, 0.5], name);

        // The value is that of the logits, not of the shifted ones; a masked row stays empty.
        let x = Tensor::<2>::from_floats([[3.0, 1.0], [f32::NEG_INFINITY; 2]], &test.device);
        let options = TsallisOptions::new(0.5).with_temperature(0.5);
        let value: Vec<f64> = tsallis_value(x.clone(), &options, 1)
            .into_data()
            .iter()
            .collect();
        let shifted = tsallis_value(x - 100.0, &options, 1).into_data();
        let shifted: Vec<f64> = shifted.iter().collect();
        assert!(
            (value[0] - 100.0 - shifted[0]).abs() < 1e-4,
            "{name}: {value:?} {shifted:?}"
        );
        assert!(
            value[0] < 3.0 && value[0] > 2.0 && value[1].is_nan(),
            "{name}: {value:?}"
        );
    }
}

/// The quotient by a temperature is rounded relative to the gap to the largest logit.
#[test]
fn a_temperature_keeps_the_gaps_of_large_logits() {
    for test in devices::all() {
        for t in [0.7, 3.0, 10.0] {
            let (high, low) = (1_000.062_5, 1000.0);
            let x = Tensor::<1>::from_floats([high, low], &test.device);
            let options = TsallisOptions::new(1.0).with_temperature(t);
            let log_p = tsallis_log_softargmax(x, options, 0).into_data();
            let odds = ((low - high) / t).exp();
            close(log_p, &[-odds.ln_1p(), odds.ln() - odds.ln_1p()], test.name);
        }
    }
}

/// The gradient in alpha and the reference of an empty batch is zero, also if the logits are constant.
#[test]
fn an_empty_batch_has_a_gradient_in_its_options() {
    for test in devices::all() {
        let device = test.device.clone().autodiff();
        let alpha = Tensor::<2>::from_floats([[0.5]], &device).require_grad();
        let q = Tensor::<2>::from_floats([[1.0, 2.0, 3.0]], &device).require_grad();
        let options =
            TsallisOptions::new(alpha.clone()).with_reference(Reference::Tensor(q.clone()));
        let value = tsallis_value(Tensor::zeros([0, 3], &device), options, 1);
        let gradients = value.sum().backward();
        let got = alpha.grad(&gradients).expect("tracked").into_data();
        close(got, &[0.0], test.name);
        let got = q.grad(&gradients).expect("tracked").into_data();
        close(got, &[0.0; 3], test.name);
    }
}

/// A row with a logit of `+inf` has no result and no gradient, at any temperature.
#[test]
fn an_infinite_logit_has_no_gradient_at_any_temperature() {
    for test in devices::all() {
        for t in [0.5, 1.0, 2.0] {
            let device = test.device.clone().autodiff();
            let x = Tensor::<2>::from_floats([[f32::INFINITY, 1.0], [2.0, 1.0]], &device);
            let x = x.require_grad();
            let options = TsallisOptions::new(0.5).with_temperature(t);
            let y = tsallis_softargmax(x.clone(), options, 1);
            let gradients = y.slice([0..2, 0..1]).backward();
            let gradient = x.grad(&gradients).expect("tracked").into_data();
            let gradient: Vec<f32> = gradient.iter().collect();
            let what = format!("{} t {t}: {gradient:?}", test.name);
            assert!(gradient[..2].iter().all(|g| g.is_nan()), "{what}");
            assert!(gradient[2] > 0.0 && gradient[3] < 0.0, "{what}");
        }
    }
}

/// Burn's gradient of a division by a number has the accuracy of `f32`.
#[test]
fn gradients_at_a_temperature_are_exact_in_f64() {
    for test in devices::all().iter().filter(|test| test.f64) {
        for t in [0.3, 10.0] {
            let device = test.device.clone().autodiff();
            let x = Tensor::<1>::from_data([0.7, 0.0], (&device, DType::F64)).require_grad();
            let options = TsallisOptions::new(1.0).with_temperature(t);
            let p = tsallis_softargmax(x.clone(), options, 0);
            let gradients = p.slice_dim(0, 0..1).backward();
            let gradient: Vec<f64> = x
                .grad(&gradients)
                .expect("tracked")
                .into_data()
                .iter()
                .collect();
            let p = 1.0 / (1.0 + (-0.7_f64 / t).exp());
            let want = p * (1.0 - p) / t;
            let error = (gradient[0] / want - 1.0).abs();
            assert!(error < 1e-13, "{} t {t}: {gradient:?} {want}", test.name);
        }
    }
}

/// The drivers behind wgpu have no exp and ln in f64.
#[test]
fn f64_is_right_on_every_device() {
    for test in devices::all() {
        if !test.device.supports_dtype(DType::F64) {
            continue;
        }
        let device = test.device.clone().autodiff();
        let data = TensorData::from([[2.0_f64, 1.0, 0.1]]);
        let x = Tensor::<2>::from_data(data, (&device, DType::F64)).require_grad();
        let p = tsallis_softargmax(x.clone(), 0.5, 1);
        assert_eq!(p.dtype(), DType::F64, "{}", test.name);
        let row = Row::new(&[2.0, 1.0, 0.1], RowReference::Uniform, 0.5);
        let mut want = [0.0; 3];
        row.softargmax(&row.solve(Solver::Newton), &mut want);
        close(p.clone().into_data(), &want, test.name);
        let gradients = p.slice([0..1, 0..1]).backward();
        let gradient = x.grad(&gradients).expect("tracked");
        assert_eq!(gradient.dtype(), DType::F64, "{}", test.name);
        let sum: f64 = gradient.sum().into_data().iter::<f64>().sum();
        assert!(sum.abs() < 1e-6, "{}", test.name);
    }
}

#[test]
fn an_empty_batch_has_empty_results() {
    for test in devices::all() {
        let x = Tensor::<2>::zeros([0, 3], &test.device);
        let allowed = Tensor::<2, Bool>::from_data([[true, false, true]], &test.device);
        let alpha = Tensor::<2>::from_floats([[0.5]], &test.device);
        let q = Tensor::<2>::from_floats([[0.5, 0.2, 0.3]], &test.device);
        for options in [
            TsallisOptions::new(0.5).with_allowed(allowed.clone()),
            TsallisOptions::new(alpha.clone()),
            TsallisOptions::new(0.5).with_reference(Reference::Tensor(q.clone())),
            TsallisOptions::new(0.5).with_temperature(0.5),
        ] {
            assert_eq!(
                tsallis_softargmax(x.clone(), &options, 1).dims(),
                [0, 3],
                "{}",
                test.name
            );
            assert_eq!(
                tsallis_divergence(x.clone(), &options, 1).dims(),
                [0, 1],
                "{}",
                test.name
            );
        }
        for divergence in [FDivergence::JensenShannon, FDivergence::LeCam] {
            let options = FSoftargmaxOptions::new(divergence).with_allowed(allowed.clone());
            assert_eq!(
                f_softargmax(x.clone(), options, 1).dims(),
                [0, 3],
                "{}",
                test.name
            );
        }
    }
}

/// At a probability of zero the slope of the divergence is infinite up to alpha = 1, and -1 / (alpha - 1) above.
#[test]
fn the_gradient_of_the_divergence_at_zero() {
    for test in devices::all() {
        for (alpha, want) in [
            (0.5, f64::NEG_INFINITY),
            (1.0, f64::NEG_INFINITY),
            (1.5, -2.0),
        ] {
            let device = test.device.clone().autodiff();
            let t = Tensor::<2>::from_floats([[1.0, 0.0]], &device).require_grad();
            let q = Tensor::<2>::from_floats([[0.5, 0.5]], &device);
            let options = TsallisOptions::new(alpha).with_reference(Reference::Tensor(q));
            let divergence = tsallis_divergence_from_probabilities(t.clone(), options, 1);
            let gradient = t.grad(&divergence.backward()).expect("tracked").into_data();
            let gradient: Vec<f64> = gradient.iter().collect();
            assert!(
                gradient[0].is_finite(),
                "{} {alpha}: {gradient:?}",
                test.name
            );
            let same = gradient[1] == want || (gradient[1] - want).abs() < 1e-5;
            assert!(same, "{} {alpha}: {gradient:?}", test.name);
        }
    }
}

/// The derivative `f(u) - u f'(u)` in the reference of a probability of zero: 1 / alpha, infinite up to alpha = 0.
#[test]
fn the_reference_gradient_of_the_divergence_at_zero() {
    for test in devices::all() {
        for (alpha, want) in [(-0.5, f64::INFINITY), (0.0, f64::INFINITY), (0.5, 2.0)] {
            let device = test.device.clone().autodiff();
            let p = Tensor::<2>::from_floats([[1.0, 0.0]], &device);
            let q = Tensor::<2>::from_floats([[0.5, 0.5]], &device).require_grad();
            let options = TsallisOptions::new(alpha).with_reference(Reference::Tensor(q.clone()));
            let divergence = tsallis_divergence_from_probabilities(p, options, 1);
            let gradient = q.grad(&divergence.backward()).expect("tracked").into_data();
            let gradient: Vec<f64> = gradient.iter().collect();
            let same = gradient[1] == want || (gradient[1] - want).abs() < 1e-5;
            assert!(same, "{} {alpha}: {gradient:?}", test.name);
        }
    }
}

/// A large logit whose reference is zero costs the others no digits.
#[test]
fn a_temperature_ignores_entries_without_reference() {
    for test in devices::all() {
        let options = |q: &[f32]| {
            let q = Tensor::<1>::from_floats(q, &test.device);
            TsallisOptions::new(2.0)
                .with_temperature(1.7)
                .with_reference(Reference::Vector(q))
        };
        let x = Tensor::<1>::from_floats([0.0059, 0.0153, -0.0167, 3e4], &test.device);
        let got = tsallis_softargmax(x.clone(), options(&[1.0, 1.0, 1.0, 0.0]), 0);
        let want = tsallis_softargmax(x.slice_dim(0, 0..3), options(&[1.0; 3]), 0);
        let want: Vec<f64> = want.into_data().iter().chain([0.0]).collect();
        close(got.into_data(), &want, test.name);
    }
}

/// Rows on which the kernels were wrong once: a Newton step past the edge of the support, a masked entry in a row at
/// alpha = 1 beside a row at another alpha, and a first step that is short at a very negative alpha, but far too long.
#[test]
fn rows_that_random_calls_found() {
    for test in devices::all() {
        let high = [2, 6, 12, 13, 16];
        let x: [f32; 17] = std::array::from_fn(|i| match i {
            3 => f32::NEG_INFINITY,
            14 => 298.0,
            _ if high.contains(&i) => 302.0,
            _ => 300.0,
        });
        let x = Tensor::<1>::from_floats(x, &test.device);
        let options = TsallisOptions::new(1.497).with_reference(Reference::Ones);
        let p = tsallis_softargmax(x, options, 0).into_data();
        let want: Vec<f64> = (0..17)
            .map(|i| if high.contains(&i) { 0.2 } else { 0.0 })
            .collect();
        close(p, &want, test.name);

        let row = [0.0, f32::NEG_INFINITY, 731.75];
        let x = Tensor::<2>::from_floats([row, row], &test.device);
        let alpha = Tensor::<2>::from_floats([[1.0], [0.9]], &test.device);
        let q = Tensor::<1>::from_floats([0.5, 0.25, 1.5e-8], &test.device);
        let options = TsallisOptions::new(alpha).with_reference(Reference::Vector(q));
        let p = tsallis_softargmax(x, options, 1).slice([0..1, 0..3]);
        close(p.into_data(), &[0.0, 0.0, 1.0], test.name);

        for (alpha, x, q) in [
            (-18.0, [-0.9, -0.88, -0.7, 0.0], [0.19, 0.1, 0.2, 0.07]),
            (-19.25, [0.0, -2.5, -5.75, -1.4], [0.19, 0.07, 0.19, 0.1]),
            (-44.5, [-0.09, -0.18, -0.2, -0.3], [0.4, 0.25, 0.1, 0.05]),
        ] {
            let [wide_x, wide_q] = [x, q].map(|row: [f32; 4]| row.map(f64::from));
            let row = Row::new(&wide_x, RowReference::Values(&wide_q), alpha);
            let mut want = [0.0; 4];
            row.softargmax(&row.solve(Solver::Newton), &mut want);
            let x = Tensor::<1>::from_floats(x, &test.device);
            let q = Tensor::<1>::from_floats(q, &test.device);
            let options = TsallisOptions::new(alpha).with_reference(Reference::Vector(q));
            let p = tsallis_softargmax(x, options, 0).into_data();
            for (p, want) in p.iter::<f64>().zip(want) {
                let name = test.name;
                assert!(
                    (p - want).abs() < 1e-5,
                    "{name} {alpha}: {p} instead of {want}"
                );
            }
        }
    }
}

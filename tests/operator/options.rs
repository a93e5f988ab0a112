//! Tests of each option on every device.

use crate::devices::{self, TestDevice};
use crate::invariants::{matrix, pseudo_random};
use burn::tensor::{Bool, DType, Device, Tensor, TensorData};
use burn_tsallis::{
    EmptyRow, Reference, TsallisError, TsallisOptions, tsallis_divergence,
    tsallis_divergence_from_probabilities, tsallis_log_softargmax, tsallis_softargmax,
    tsallis_softargmax_jvp, tsallis_softargmax_vjp, tsallis_value,
};

const ALPHAS: [f64; 9] = [-1.0, 0.0, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5];

type Output = fn(Tensor<2>, TsallisOptions<2>, isize) -> Tensor<2>;

const OUTPUTS: [(&str, Output); 4] = [
    ("p", tsallis_softargmax),
    ("ln p", tsallis_log_softargmax),
    ("V", tsallis_value),
    ("D", tsallis_divergence),
];

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let same = got == want || (got - want).abs() <= tolerance * want.abs().max(1.0);
        assert!(same, "{what}[{i}]: {got} instead of {want}");
    }
}

/// Checks that two calls agree in every output.
fn agree(
    test: &TestDevice,
    what: &str,
    a: impl Fn(Output) -> Tensor<2>,
    b: impl Fn(Output) -> Tensor<2>,
) {
    for (name, output) in OUTPUTS {
        let what = format!("{} {what} {name}", test.name);
        close(&values(a(output)), &values(b(output)), 4e-6, &what);
    }
}

#[test]
fn an_alpha_for_each_row() {
    for test in devices::all() {
        for columns in [7, 40] {
            let x = pseudo_random(ALPHAS.len() * columns, 3.0);
            let alpha: Vec<f32> = ALPHAS.iter().map(|&a| a as f32).collect();
            let alpha = matrix(&alpha, 1, &test.device);
            for (name, output) in OUTPUTS {
                let rows = output(matrix(&x, columns, &test.device), alpha.clone().into(), 1);
                let width = rows.dims()[1];
                for ((x, got), alpha_of_row) in x
                    .chunks_exact(columns)
                    .zip(values(rows).chunks_exact(width))
                    .zip(ALPHAS)
                {
                    let want = output(matrix(x, columns, &test.device), alpha_of_row.into(), 1);
                    let what = format!("{} {name} alpha {alpha_of_row}", test.name);
                    close(got, &values(want), 4e-6, &what);
                }
            }
        }
    }
}

#[test]
fn an_alpha_broadcasts_along_any_axis() {
    for test in devices::all() {
        let x = Tensor::<3>::from_data(
            TensorData::new(pseudo_random(60, 2.0), [3, 4, 5]),
            &test.device,
        );
        // One alpha for each entry of the last axis. The operator runs along the middle axis.
        let alphas = [0.5, 1.0, 1.5, 2.0, 0.7_f32];
        let alpha =
            Tensor::<3>::from_data(TensorData::new(alphas.to_vec(), [1, 1, 5]), &test.device);
        let p = tsallis_softargmax(x.clone(), alpha, 1);
        for (i, alpha) in alphas.into_iter().enumerate() {
            let slice = |t: Tensor<3>| values(t.slice([0..3, 0..4, i..i + 1]));
            let want = tsallis_softargmax(x.clone(), f64::from(alpha), 1);
            close(&slice(p.clone()), &slice(want), 2e-6, test.name);
        }
    }
}

#[test]
fn an_invalid_alpha_gives_nan_in_its_row_only() {
    for test in devices::all() {
        for columns in [4, 40] {
            let x = matrix(&pseudo_random(5 * columns, 1.0), columns, &test.device);
            let alpha = matrix(&[0.5, f32::NAN, 1.5, 51.0, f32::INFINITY], 1, &test.device);
            for (name, output) in OUTPUTS {
                let y = output(x.clone(), alpha.clone().into(), 1);
                let width = y.dims()[1];
                for (row, bad) in values(y)
                    .chunks_exact(width)
                    .zip([false, true, false, true, true])
                {
                    let what = format!("{} {name}: {row:?}", test.name);
                    assert!(row.iter().all(|y| y.is_nan() == bad), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_reference_for_each_row() {
    for test in devices::all() {
        for columns in [5, 40] {
            let x = matrix(&pseudo_random(3 * columns, 2.0), columns, &test.device);
            let q: Vec<f32> = pseudo_random(3 * columns, 0.4)
                .iter()
                .map(|q| 0.5 + q)
                .collect();
            for alpha in ALPHAS {
                let full = TsallisOptions::new(alpha).with_reference(Reference::Tensor(matrix(
                    &q,
                    columns,
                    &test.device,
                )));
                let p = values(tsallis_softargmax(x.clone(), full, 1));
                for (i, (q, p)) in q
                    .chunks_exact(columns)
                    .zip(p.chunks_exact(columns))
                    .enumerate()
                {
                    let q64: Vec<f64> = q.iter().map(|&q| q.into()).collect();
                    let options = TsallisOptions::new(alpha).with_reference(Reference::Values(q64));
                    let row = x.clone().slice([i..i + 1, 0..columns]);
                    close(
                        p,
                        &values(tsallis_softargmax(row, options, 1)),
                        2e-6,
                        test.name,
                    );
                }
            }
            // A reference of one row broadcasts.
            let one = Tensor::<1>::from_floats(&q[..columns], &test.device);
            let broadcast = matrix(&q[..columns], columns, &test.device);
            agree(
                &test,
                "broadcast",
                |y| {
                    let options = TsallisOptions::new(0.5)
                        .with_reference(Reference::Tensor(broadcast.clone()));
                    y(x.clone(), options, 1)
                },
                |y| {
                    let options =
                        TsallisOptions::new(0.5).with_reference(Reference::Vector(one.clone()));
                    y(x.clone(), options, 1)
                },
            );
        }
    }
}

#[test]
fn a_disallowed_entry_is_a_removed_column() {
    for test in devices::all() {
        let mut x = pseudo_random(2 * 6, 2.0);
        // The logit of a disallowed entry may be any value.
        x[2] = f32::NAN;
        x[8] = f32::INFINITY;
        let kept = |row: usize| [0, 1, 3, 4].map(|i| x[6 * row + i]);
        let kept = [kept(0), kept(1)].concat();
        let allowed =
            Tensor::<2, Bool>::from_data([[true, true, false, true, true, false]], &test.device);
        for alpha in ALPHAS {
            let options = TsallisOptions::new(alpha).with_allowed(allowed.clone());
            let p = values(tsallis_softargmax(
                matrix(&x, 6, &test.device),
                options.clone(),
                1,
            ));
            let want = values(tsallis_softargmax(matrix(&kept, 4, &test.device), alpha, 1));
            for (p, want) in p.chunks_exact(6).zip(want.chunks_exact(4)) {
                assert_eq!((p[2], p[5]), (0.0, 0.0), "{}", test.name);
                close(&[p[0], p[1], p[3], p[4]], want, 1e-6, test.name);
            }
            for (name, output) in &OUTPUTS[2..] {
                let got = values(output(matrix(&x, 6, &test.device), options.clone(), 1));
                let want = values(output(matrix(&kept, 4, &test.device), alpha.into(), 1));
                close(&got, &want, 4e-6, &format!("{} {name}", test.name));
            }
            // A disallowed entry has no gradient.
            let device = test.device.clone().autodiff();
            let x = matrix(&x, 6, &device).require_grad();
            let options = TsallisOptions::new(alpha).with_allowed(Tensor::<2, Bool>::from_data(
                [[true, true, false, true, true, false]],
                &device,
            ));
            let gradients = tsallis_softargmax(x.clone(), options, 1)
                .powi_scalar(2)
                .sum()
                .backward();
            let g = values(x.grad(&gradients).expect("tracked"));
            assert!(
                [2, 5, 8, 11].iter().all(|&i| g[i] == 0.0),
                "{} {g:?}",
                test.name
            );
            assert!(g.iter().all(|g| g.is_finite()), "{} {g:?}", test.name);
        }
    }
}

#[test]
fn temperature_divides_the_logits_and_multiplies_the_value() {
    for test in devices::all() {
        let x = matrix(&pseudo_random(3 * 6, 2.0), 6, &test.device);
        for alpha in ALPHAS {
            let hot = TsallisOptions::new(alpha).with_temperature(2.5);
            let cooled = x.clone() / 2.5;
            for (name, output) in OUTPUTS {
                let got = values(output(x.clone(), hot.clone(), 1));
                let mut want = values(output(cooled.clone(), alpha.into(), 1));
                if name == "V" {
                    want.iter_mut().for_each(|v| *v *= 2.5);
                }
                // The logarithm of a ratio near the edge of the support is sensitive to the rounding of the logits.
                let tolerance = if name == "ln p" { 1e-4 } else { 2e-6 };
                close(
                    &got,
                    &want,
                    tolerance,
                    &format!("{} {name} alpha {alpha}", test.name),
                );
            }
            // dV_t/dt = -D.
            let at = |t: f64| {
                let options = TsallisOptions::new(alpha).with_temperature(t);
                values(tsallis_value(x.clone(), options, 1))
            };
            let d = values(tsallis_divergence(x.clone(), hot, 1));
            for ((up, down), d) in at(2.51).iter().zip(at(2.49)).zip(d) {
                let slope = (up - down) / 0.02;
                assert!(
                    (slope + d).abs() < 2e-3,
                    "{} {alpha}: {slope} {d}",
                    test.name
                );
            }
        }
    }
}

/// Logits in half precision are divided by the temperature in f32, and the value is multiplied by it in f32.
#[test]
fn temperature_is_applied_in_the_arithmetic() {
    for test in devices::all() {
        for (dtype, logits, t, epsilon) in [
            (DType::BF16, [8.0, 7.9375], 0.07, 8e-3),
            (DType::F16, [100.0, 0.0], 1e-3, 1e-3),
            (DType::F16, [8.0, 7.9375], 0.07, 1e-3),
            (DType::F32, [8.0, 7.9375], 0.07, 4e-6),
        ] {
            if !test.device.supports_dtype(dtype) {
                continue;
            }
            let x = Tensor::<2>::from_data([logits], (&test.device, dtype));
            let options = || TsallisOptions::new(1.0).with_temperature(t);
            let p = tsallis_softargmax(x.clone(), options(), 1);
            let v = tsallis_value(x.clone(), options(), 1);
            let unit = Tensor::<2>::from_data([[1.0, 0.0]], (&test.device, dtype));
            let product = tsallis_softargmax_vjp(x.clone(), unit, options(), 1);
            for y in [&p, &v, &product] {
                assert_eq!(y.dtype(), dtype, "{}", test.name);
            }
            let odds = ((logits[1] - logits[0]) / t).exp();
            let want = 1.0 / (1.0 + odds);
            let what = format!("{} {dtype:?} t {t}", test.name);
            let near = |got: f32, want: f64| {
                let error = (f64::from(got) - want).abs();
                assert!(
                    error <= epsilon * want.abs(),
                    "{what}: {got} instead of {want}"
                );
            };
            near(values(p)[0], want);
            near(values(v)[0], logits[0] + t * (odds.ln_1p() - 2_f64.ln()));
            near(values(product)[0], want * (1.0 - want) / t);
            // The gradient is divided by it in f32 as well.
            let device = test.device.clone().autodiff();
            let x = Tensor::<2>::from_data([logits], (&device, dtype)).require_grad();
            let c = Tensor::<2>::from_data([[1.0, 0.0]], (&device, dtype));
            let gradients = (tsallis_softargmax(x.clone(), options(), 1) * c)
                .sum()
                .backward();
            let gradient = x.grad(&gradients).expect("tracked");
            assert_eq!(gradient.dtype(), dtype, "{}", test.name);
            near(values(gradient)[0], want * (1.0 - want) / t);
        }
    }
}

/// A cotangent in another dtype than the logits is converted to theirs.
#[test]
fn a_cotangent_in_another_dtype() {
    for test in devices::all() {
        for (dtype, other) in [
            (DType::F16, DType::F32),
            (DType::F32, DType::F16),
            (DType::F32, DType::F64),
        ] {
            let supported =
                |dtype| test.device.supports_dtype(dtype) && (dtype != DType::F64 || test.f64);
            if !supported(dtype) || !supported(other) {
                continue;
            }
            for columns in [3, 40] {
                let data = |scale| TensorData::new(pseudo_random(2 * columns, scale), [2, columns]);
                let x = Tensor::<2>::from_data(data(2.0), (&test.device, dtype));
                let c = Tensor::<2>::from_data(data(1.0), (&test.device, other));
                let product = |c| tsallis_softargmax_vjp(x.clone(), c, 0.5, 1);
                let (got, want) = (product(c.clone()), product(c.cast(dtype)));
                assert_eq!(got.dtype(), dtype, "{}", test.name);
                assert_eq!(values(got), values(want), "{} {other:?}", test.name);
            }
        }
    }
}

/// A reference of the logits' rank with one row gives the same output and gradient as a vector.
#[test]
fn one_reference_for_every_row() {
    for test in devices::all() {
        let device = test.device.clone().autodiff();
        let q: Vec<f32> = pseudo_random(5, 0.4).iter().map(|q| 0.5 + q).collect();
        let x = Tensor::<3>::from_data(TensorData::new(pseudo_random(30, 2.0), [3, 5, 2]), &device);
        let vector = Tensor::<1>::from_floats(q.as_slice(), &device).require_grad();
        let tensor = Tensor::<3>::from_data(TensorData::new(q, [1, 5, 1]), &device).require_grad();
        let p = |reference| {
            let options = TsallisOptions::new(0.5).with_reference(reference);
            tsallis_softargmax(x.clone(), options, 1)
        };
        let (a, b) = (
            p(Reference::Vector(vector.clone())),
            p(Reference::Tensor(tensor.clone())),
        );
        assert_eq!(values(a.clone()), values(b.clone()), "{}", test.name);
        let (a, b) = (
            a.powi_scalar(2).sum().backward(),
            b.powi_scalar(2).sum().backward(),
        );
        let of_tensor = tensor.grad(&b).expect("tracked");
        assert_eq!(of_tensor.dims(), [1, 5, 1]);
        assert_eq!(
            values(vector.grad(&a).expect("tracked")),
            values(of_tensor),
            "{}",
            test.name
        );
    }
}

#[test]
fn an_empty_row_follows_its_option() {
    for test in devices::all() {
        for columns in [3, 40] {
            let mut x = pseudo_random(3 * columns, 1.0);
            x[columns..2 * columns].fill(f32::NEG_INFINITY);
            for alpha in ALPHAS {
                for (name, output) in OUTPUTS {
                    let empty = match name {
                        "ln p" => f32::NEG_INFINITY,
                        _ => 0.0,
                    };
                    let zero = TsallisOptions::new(alpha).with_empty_row(EmptyRow::Zero);
                    let device = test.device.clone().autodiff();
                    let tracked = matrix(&x, columns, &device).require_grad();
                    let y = output(tracked.clone(), zero, 1);
                    let width = y.dims()[1];
                    let row = &values(y.clone())[width..2 * width];
                    let what = format!("{} {name} alpha {alpha}: {row:?}", test.name);
                    assert!(row.iter().all(|&y| y == empty), "{what}");
                    let g = values(tracked.grad(&y.backward()).expect("tracked"));
                    assert!(
                        g[columns..2 * columns].iter().all(|&g| g == 0.0),
                        "{what} {g:?}"
                    );
                    assert!(g.iter().all(|g| g.is_finite()), "{what} {g:?}");

                    let nan = values(output(matrix(&x, columns, &test.device), alpha.into(), 1));
                    assert!(nan[width..2 * width].iter().all(|y| y.is_nan()), "{what}");
                    assert!(nan[..width].iter().all(|y| !y.is_nan()), "{what}");
                }
            }
        }
        // Tensors without columns.
        for (empty_row, want) in [(EmptyRow::Zero, false), (EmptyRow::NaN, true)] {
            let x = Tensor::<2>::zeros([2, 0], &test.device);
            let options = TsallisOptions::new(0.5).with_empty_row(empty_row);
            for (name, output) in OUTPUTS {
                let y = output(x.clone(), options.clone(), 1);
                let columns = if name == "V" || name == "D" { 1 } else { 0 };
                assert_eq!(y.dims(), [2, columns], "{name}");
                assert!(values(y).iter().all(|y| y.is_nan() == want), "{name}");
            }
            let product = tsallis_softargmax_vjp(x.clone(), x.clone(), options.clone(), 1);
            assert_eq!(product.dims(), [2, 0]);
            // This function uses Burn's own operations on every device.
            let d = tsallis_divergence_from_probabilities(x, options, 1);
            assert_eq!(d.dims(), [2, 1]);
            assert!(
                values(d).iter().all(|d| d.is_nan() == want),
                "{}",
                test.name
            );
        }
        // Tensors without rows.
        for columns in [0, 3] {
            let x = Tensor::<2>::zeros([0, columns], &test.device);
            let d = tsallis_divergence_from_probabilities(x, 0.5, 1);
            assert_eq!(d.dims(), [0, 1]);
        }
    }
}

/// The Jacobian from products with unit vectors. It is symmetric, its rows sum to zero, and both products agree.
#[test]
fn jacobian_products() {
    for test in devices::all() {
        let n = 5;
        let x = pseudo_random(n, 1.5);
        let rows = matrix(&x.repeat(n), n, &test.device);
        let unit = Tensor::<2>::eye(n, &test.device);
        for alpha in ALPHAS {
            let options = TsallisOptions::new(alpha).with_temperature(0.5);
            let j = values(tsallis_softargmax_vjp(
                rows.clone(),
                unit.clone(),
                options.clone(),
                1,
            ));
            let v = values(tsallis_softargmax_jvp(
                rows.clone(),
                unit.clone(),
                options,
                1,
            ));
            assert_eq!(j, v);
            for i in 0..n {
                let sum: f32 = j[i * n..(i + 1) * n].iter().sum();
                assert!(sum.abs() < 2e-6, "{} alpha {alpha}: {sum}", test.name);
                for k in 0..n {
                    let (a, b) = (j[i * n + k], j[k * n + i]);
                    assert!((a - b).abs() < 1e-6, "{} alpha {alpha}: {a} {b}", test.name);
                }
            }
        }
    }
}

/// The divergence of given probabilities equals that of the logits if the operator computed the probabilities.
#[test]
fn the_divergence_of_given_probabilities() {
    for test in devices::all() {
        let x = matrix(&pseudo_random(4 * 6, 1.0), 6, &test.device);
        let q: Vec<f64> = (1..7).map(|i| 0.1 * f64::from(i)).collect();
        for alpha in ALPHAS {
            let options = TsallisOptions::new(alpha).with_reference(Reference::Values(q.clone()));
            let p = tsallis_softargmax(x.clone(), options.clone(), 1);
            let got = values(tsallis_divergence_from_probabilities(p, options.clone(), 1));
            let want = values(tsallis_divergence(x.clone(), options, 1));
            close(&got, &want, 1e-5, &format!("{} alpha {alpha}", test.name));
        }
        // Known values: KL(p || q), and the chi-squared divergence with an entry of zero.
        let p = matrix(&[0.25, 0.75, 0.0, 1.0], 2, &test.device);
        let kl = values(tsallis_divergence_from_probabilities(p.clone(), 1.0, 1));
        let want = 0.25 * 0.5_f32.ln() + 0.75 * 1.5_f32.ln();
        close(&kl, &[want, 2.0_f32.ln()], 1e-6, test.name);
        let chi = values(tsallis_divergence_from_probabilities(p.clone(), 2.0, 1));
        close(&chi, &[0.125, 0.5], 1e-6, test.name);
        let infinite = values(tsallis_divergence_from_probabilities(p, -1.0, 1));
        assert_eq!(infinite[1], f32::INFINITY, "{}", test.name);
    }
}

#[test]
fn host_values_are_checked_when_the_options_are_built() {
    let options = || TsallisOptions::<1>::new(0.5);
    let error = options().try_with_temperature(0.0).expect_err("zero");
    assert_eq!(
        error.to_string(),
        "temperature is 0: it must be a number from 1.1754944e-38 to 3.4028235e38"
    );
    // A device without subnormal numbers would treat a smaller temperature as zero.
    for bad in [f64::NAN, f64::INFINITY, -1.0, 1e-50, 1e-40, 1e39] {
        assert!(options().try_with_temperature(bad).is_err(), "{bad}");
    }
    for good in [f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)] {
        assert!(options().try_with_temperature(good).is_ok(), "{good}");
    }
    let error = options()
        .try_with_reference(Reference::Values(vec![0.1, -0.5]))
        .expect_err("negative");
    assert_eq!(
        error,
        TsallisError::Reference {
            index: 1,
            value: -0.5
        }
    );
    assert_eq!(
        error.to_string(),
        "reference[1] is -0.5: it must be a finite number that is not negative"
    );
}

fn panics(what: &str, run: impl FnOnce() + std::panic::UnwindSafe) {
    let error = std::panic::catch_unwind(run).expect_err("the shapes do not fit");
    let message = error.downcast_ref::<String>().expect("a message");
    assert!(message.contains(what), "{message}");
}

#[test]
fn mismatched_shapes_are_named() {
    let device = Device::default();
    let x = || Tensor::<2>::zeros([2, 3], &Device::default());
    let d = device.clone();
    panics(
        "a reference of 4 entries does not fit logits of shape [2, 3]",
        move || {
            let q = Tensor::<1>::zeros([4], &d);
            let options = TsallisOptions::new(0.5).with_reference(Reference::Vector(q));
            tsallis_softargmax(x(), options, 1);
        },
    );
    let d = device.clone();
    panics(
        "an alpha tensor of shape [2, 3] does not broadcast to [2, 1]",
        move || {
            tsallis_softargmax(x(), Tensor::<2>::ones([2, 3], &d), 1);
        },
    );
    let d = device.clone();
    panics("a mask of allowed entries of shape [1, 2]", move || {
        let allowed = Tensor::<2, Bool>::from_data([[true, true]], &d);
        tsallis_softargmax(x(), TsallisOptions::new(0.5).with_allowed(allowed), 1);
    });
    panics("a reference of shape [2, 1] does not fit", move || {
        let q = Tensor::<2>::ones([2, 1], &device);
        let options = TsallisOptions::new(0.5).with_reference(Reference::Tensor(q));
        tsallis_softargmax(x(), options, 1);
    });
}

/// Alphas and references in another dtype than the logits are converted to the arithmetic of the logits.
#[test]
fn tensors_of_options_in_another_dtype() {
    for test in devices::all() {
        for dtype in [DType::F64, DType::F16] {
            if !test.device.supports_dtype(dtype) || (dtype == DType::F64 && !test.f64) {
                continue;
            }
            let x = Tensor::<2>::from_data([[0.5, 1.0, -0.25]], (&test.device, dtype));
            let alpha = Tensor::<2>::from_data([[0.5]], &test.device);
            let q = Tensor::<1>::from_data([0.5, 0.25, 0.25], &test.device);
            let options = TsallisOptions::new(alpha).with_reference(Reference::Vector(q));
            let p = tsallis_softargmax(x, options, 1);
            assert_eq!(p.dtype(), dtype);
            let sum: f32 = p.into_data().iter::<f32>().sum();
            assert!((sum - 1.0).abs() < 2e-3, "{} {dtype:?} {sum}", test.name);
        }
    }
}

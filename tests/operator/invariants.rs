//! Tests of properties that hold for any logits, on every device.

use crate::devices;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use burn_tsallis::math::{Output, Row, RowGradients, RowReference, Solver};
use burn_tsallis::{
    Reference, TsallisOptions, tsallis_divergence, tsallis_divergence_from_probabilities,
    tsallis_log_softargmax, tsallis_softargmax, tsallis_value,
};

const ALPHAS: [f64; 8] = [-1.0, 0.0, 0.3, 0.5, 0.999, 1.0, 1.5, 2.0];

/// Returns pseudo-random numbers that are the same on every device.
pub fn pseudo_random(count: usize, scale: f32) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            ((state >> 40) as f32 / (1_u32 << 24) as f32 - 0.5) * 2.0 * scale
        })
        .collect()
}

pub fn matrix(values: &[f32], columns: usize, device: &Device) -> Tensor<2> {
    let shape = [values.len() / columns, columns];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn assert_close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (got - want).abs() <= tolerance,
            "{what}[{i}]: {got} instead of {want}"
        );
    }
}

#[test]
fn rows_sum_to_one_and_shifts_change_nothing() {
    for test in devices::all() {
        let x = pseudo_random(7 * 33, 4.0);
        // Multiples of 1 / 1024, so that the shift by 64 is exact in f32.
        let shifted: Vec<f32> = x.iter().map(|x| (x * 1024.0).round() / 1024.0).collect();
        let moved: Vec<f32> = shifted.iter().map(|x| x + 64.0).collect();
        for alpha in ALPHAS {
            let what = format!("{} alpha {alpha}", test.name);
            let p = values(tsallis_softargmax(
                matrix(&shifted, 33, &test.device),
                alpha,
                1,
            ));
            for row in p.chunks_exact(33) {
                let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
                assert!((sum - 1.0).abs() < 2e-6, "{what}: {sum}");
                assert!(row.iter().all(|&p| p >= 0.0), "{what}");
            }
            let moved = values(tsallis_softargmax(
                matrix(&moved, 33, &test.device),
                alpha,
                1,
            ));
            assert_eq!(p, moved, "{what}");
        }
    }
}

#[test]
fn permuting_columns_permutes_probabilities_and_larger_logits_get_more() {
    const ROWS: usize = 5;
    for test in devices::all() {
        // A row of the last length takes several vectors, or a workgroup.
        for columns in [2, 18, 33, 257] {
            let x = pseudo_random(ROWS * columns, 3.0);
            // A permutation, since the factor and the lengths have no common divisor.
            let from = |k: usize| (k * 5 + 1) % columns;
            let moved: Vec<f32> = (0..ROWS * columns)
                .map(|i| x[i / columns * columns + from(i % columns)])
                .collect();
            for alpha in ALPHAS {
                let what = format!("{} {columns} columns, alpha {alpha}", test.name);
                let of = |x: &[f32]| {
                    values(tsallis_softargmax(
                        matrix(x, columns, &test.device),
                        alpha,
                        1,
                    ))
                };
                let (p, moved) = (of(&x), of(&moved));
                let want: Vec<f32> = (0..ROWS * columns)
                    .map(|i| p[i / columns * columns + from(i % columns)])
                    .collect();
                assert_close(&moved, &want, 1e-6, &what);
                for (x, p) in x.chunks_exact(columns).zip(p.chunks_exact(columns)) {
                    let mut permutation: Vec<usize> = (0..columns).collect();
                    permutation.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
                    for pair in permutation.windows(2) {
                        let [less, more] = [p[pair[0]], p[pair[1]]];
                        // The probabilities of very close logits may be out of order by a rounding.
                        assert!(less <= more * (1.0 + 1e-6), "{what}: {less} above {more}");
                    }
                }
            }
        }
    }
}

/// The divergence of the reference itself is zero up to rounding, and rounding must not make it negative.
#[test]
fn the_divergence_of_a_uniform_row_is_not_negative() {
    for test in devices::all() {
        let alphas = ALPHAS.into_iter().chain([0.7, 2.5]);
        for alpha in alphas {
            let lengths = if test.compiles() {
                vec![2, 18, 40]
            } else {
                (2..=64).collect()
            };
            for columns in lengths {
                let x = pseudo_random(3, 20.0)
                    .into_iter()
                    .flat_map(|x| vec![x; columns]);
                let x = matrix(&x.collect::<Vec<_>>(), columns, &test.device);
                let what = format!("{} {columns} columns, alpha {alpha}", test.name);
                let d = values(tsallis_divergence(x.clone(), alpha, 1));
                assert!(d.iter().all(|d| (0.0..4e-6).contains(d)), "{what}: {d:?}");
                let p = tsallis_softargmax(x.clone(), alpha, 1);
                let given = values(tsallis_divergence_from_probabilities(p, alpha, 1));
                assert!(
                    given.iter().all(|d| (0.0..4e-6).contains(d)),
                    "{what}: {given:?}"
                );
                // V = <p, x> - D
                let v = values(tsallis_value(x.clone(), alpha, 1));
                assert_close(&v, &values(x.slice([0..3, 0..1])), 4e-6, &what);
            }
        }
    }
}

/// Equal gaps, whose mean bounds the root without slack, in rows so long that the sum of the gaps is rounded.
#[test]
fn long_rows_of_equal_gaps() {
    const COLUMNS: usize = 131_072;
    for test in devices::all().iter().filter(|test| test.f64) {
        for gap in [0.1_f32, 0.7, 1.3] {
            let mut x = vec![0.0; COLUMNS];
            x[77] = gap;
            for alpha in [0.7, 0.9, 1.2] {
                let p = values(tsallis_softargmax(
                    matrix(&x, COLUMNS, &test.device),
                    alpha,
                    1,
                ));
                let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
                let row = Row::new(&wide, RowReference::Uniform, alpha);
                let mut want = vec![0.0; COLUMNS];
                row.softargmax(&row.solve(Solver::Newton), &mut want);
                for i in [0, 77] {
                    let error = (f64::from(p[i]) / want[i] - 1.0).abs();
                    assert!(
                        error < 2e-6,
                        "{} alpha {alpha}, gap {gap}: {error:e}",
                        test.name
                    );
                }
            }
        }
    }
}

/// No weight dominates the row, so the gradient at the largest one is not minus the sum of the others: their roundings
/// agree, and would add up.
#[test]
fn equal_logits_have_no_gradient_of_their_sum() {
    for test in devices::all() {
        let device = test.device.clone().autodiff();
        for alpha in [-1.0, 0.7, 1.0, 1.5] {
            let x = matrix(&[0.3; 2000], 2000, &device).require_grad();
            let gradients = tsallis_log_softargmax(x.clone(), alpha, 1).sum().backward();
            let gradient = values(x.grad(&gradients).expect("tracked"));
            let largest = gradient.iter().fold(0.0_f32, |m, g| m.max(g.abs()));
            assert!(largest < 2e-5, "{} alpha {alpha}: {largest:e}", test.name);
        }
    }
}

#[test]
fn alpha_one_is_softmax() {
    for test in devices::all() {
        let x = matrix(&pseudo_random(40 * 9, 10.0), 9, &test.device);
        let want = values(activation::softmax(x.clone(), 1));
        assert_close(
            &values(tsallis_softargmax(x.clone(), 1.0, 1)),
            &want,
            1e-6,
            test.name,
        );
        let want = values(activation::log_softmax(x.clone(), 1));
        assert_close(
            &values(tsallis_log_softargmax(x, 1.0, 1)),
            &want,
            2e-5,
            test.name,
        );
    }
}

#[test]
fn alpha_one_among_other_alphas_is_softmax_at_any_gap() {
    for test in devices::all() {
        for gap in [1.0, 1e9, 1e15, 1e30_f32] {
            let x = matrix(&[0.0, -gap, 0.0, -gap], 2, &test.device);
            let alpha = matrix(&[1.0, 0.5], 1, &test.device);
            let log_p = values(tsallis_log_softargmax(x, alpha, 1));
            let log_total = f64::from(-gap).exp().ln_1p();
            for (got, want) in log_p
                .into_iter()
                .zip([-log_total, -f64::from(gap) - log_total])
            {
                assert!(
                    (f64::from(got) - want).abs() <= 3e-6 * want.abs().max(1.0),
                    "{} gap {gap}: {got} instead of {want}",
                    test.name
                );
            }
        }
    }
}

#[test]
fn equal_logits_of_a_long_row_share_the_mass() {
    const EACH: usize = 1366;
    for test in devices::all() {
        for alpha in ALPHAS {
            let logits = [0.0, -1.5, f32::NEG_INFINITY];
            let x: Vec<f32> = (0..3 * EACH).map(|i| logits[i % 3]).collect();
            let p = values(tsallis_softargmax(
                matrix(&x, x.len(), &test.device),
                alpha,
                1,
            ));
            let once = values(tsallis_softargmax(
                matrix(&logits, 3, &test.device),
                alpha,
                1,
            ));
            for (i, p) in p.into_iter().enumerate() {
                let want = once[i % 3] / EACH as f32;
                assert!(
                    (p - want).abs() <= 1e-5 * want,
                    "{} alpha {alpha} entry {i}: {p} instead of {want}",
                    test.name
                );
            }
        }
    }
}

#[test]
fn values_are_continuous_across_alpha_one() {
    for test in devices::all() {
        let x = matrix(&pseudo_random(40 * 9, 10.0), 9, &test.device);
        let at_one = values(tsallis_softargmax(x.clone(), 1.0, 1));
        for alpha in [1.0 - 1e-6, 1.0 - 1e-12, 1.0 + 1e-12, 1.0 + 1e-6] {
            let near = values(tsallis_softargmax(x.clone(), alpha, 1));
            assert_close(
                &near,
                &at_one,
                5e-5,
                &format!("{} alpha {alpha}", test.name),
            );
        }
    }
}

#[test]
fn alpha_two_with_ones_is_the_projection_onto_the_simplex() {
    for test in devices::all() {
        let columns = 11;
        let x = pseudo_random(20 * columns, 1.0);
        let options = TsallisOptions::new(2.0).with_reference(Reference::Ones);
        let got = values(tsallis_softargmax(
            matrix(&x, columns, &test.device),
            options,
            1,
        ));
        for (row, got) in x.chunks_exact(columns).zip(got.chunks_exact(columns)) {
            let mut sorted = row.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let mut sum = 0.0;
            let mut threshold = 0.0;
            for (i, &x) in sorted.iter().enumerate() {
                sum += x;
                let candidate = (sum - 1.0) / (i + 1) as f32;
                if x > candidate {
                    threshold = candidate;
                }
            }
            let want: Vec<f32> = row.iter().map(|x| (x - threshold).max(0.0)).collect();
            assert_close(got, &want, 1e-6, test.name);
        }
    }
}

/// Published values of 1.5-entmax for the logits (2, 1, 0.1).
#[test]
fn alpha_three_halves_with_ones_is_entmax15() {
    for test in devices::all() {
        let x = matrix(&[2.0, 1.0, 0.1], 3, &test.device);
        let options = TsallisOptions::new(1.5).with_reference(Reference::Ones);
        let got = values(tsallis_softargmax(x, options, 1));
        assert_close(&got, &[0.8307, 0.1693, 0.0], 5e-5, test.name);
    }
}

#[test]
fn a_masked_entry_is_a_removed_column() {
    for test in devices::all() {
        let x = pseudo_random(30, 3.0);
        let mut masked = x.clone();
        let dropped = [0, 7, 8, 29];
        for i in dropped {
            masked[i] = f32::NEG_INFINITY;
        }
        let kept: Vec<f32> = (0..30)
            .filter(|i| !dropped.contains(i))
            .map(|i| x[i])
            .collect();
        for alpha in ALPHAS {
            let what = format!("{} alpha {alpha}", test.name);
            let p = values(tsallis_softargmax(
                matrix(&masked, 30, &test.device),
                alpha,
                1,
            ));
            let log_p = values(tsallis_log_softargmax(
                matrix(&masked, 30, &test.device),
                alpha,
                1,
            ));
            for i in dropped {
                assert_eq!((p[i], log_p[i]), (0.0, f32::NEG_INFINITY), "{what}");
            }
            let p: Vec<f32> = (0..30)
                .filter(|i| !dropped.contains(i))
                .map(|i| p[i])
                .collect();
            let want = values(tsallis_softargmax(
                matrix(&kept, 26, &test.device),
                alpha,
                1,
            ));
            assert_close(&p, &want, 1e-6, &what);
        }
    }
}

#[test]
fn a_zero_in_the_reference_is_a_masked_entry() {
    for test in devices::all() {
        let x = pseudo_random(12, 3.0);
        let mut masked = x.clone();
        masked[4] = f32::NEG_INFINITY;
        let mut q = vec![0.25; 12];
        let full = Tensor::<1>::from_floats(q.as_slice(), &test.device);
        q[4] = 0.0;
        let holed = Tensor::<1>::from_floats(q.as_slice(), &test.device);
        for alpha in ALPHAS {
            let options = |q: &Tensor<1>| {
                TsallisOptions::new(alpha).with_reference(Reference::Vector(q.clone()))
            };
            let x = matrix(&x, 12, &test.device);
            let got = values(tsallis_softargmax(x, options(&holed), 1));
            let masked = matrix(&masked, 12, &test.device);
            let want = values(tsallis_softargmax(masked, options(&full), 1));
            assert_eq!(got, want, "{} alpha {alpha}", test.name);
        }
    }
}

/// Each kind of invalid row between two valid rows, forward and backward.
#[test]
fn an_invalid_row_leaves_the_others_untouched() {
    for test in devices::all() {
        let good = pseudo_random(5, 2.0);
        let mut rows = Vec::new();
        let mut bad = Vec::new();
        let mut push = |row: Vec<f32>, is_bad: bool| {
            rows.extend(row);
            bad.push(is_bad);
        };
        for damage in [f32::NAN, f32::INFINITY] {
            for place in [0, 4] {
                let mut row = good.clone();
                row[place] = damage;
                row[2] = f32::NEG_INFINITY;
                push(row, true);
                push(good.clone(), false);
            }
        }
        push(vec![f32::NEG_INFINITY; 5], true);
        push(good.clone(), false);
        let c = matrix(&pseudo_random(rows.len(), 1.0), 5, &test.device);
        for alpha in ALPHAS {
            let device = test.device.clone().autodiff();
            let x = matrix(&rows, 5, &device).require_grad();
            let p = tsallis_softargmax(x.clone(), alpha, 1);
            let log_p = tsallis_log_softargmax(x.clone(), alpha, 1);
            let alone = tsallis_softargmax(matrix(&good, 5, &test.device), alpha, 1);
            let alone = values(alone);
            for (row, &is_bad) in values(p.clone()).chunks_exact(5).zip(&bad) {
                if is_bad {
                    assert!(
                        row.iter().all(|p| p.is_nan()),
                        "{} alpha {alpha}: {row:?}",
                        test.name
                    );
                } else {
                    assert_eq!(row, alone, "{} alpha {alpha}", test.name);
                }
            }
            for (row, &is_bad) in values(log_p).chunks_exact(5).zip(&bad) {
                assert_eq!(
                    row.iter().all(|p| p.is_nan()),
                    is_bad,
                    "{} alpha {alpha}",
                    test.name
                );
            }
            let c = Tensor::<2>::from_inner(c.clone());
            let gradients = (p * c).sum().backward();
            let gradient = values(x.grad(&gradients).expect("tracked"));
            for (row, &is_bad) in gradient.chunks_exact(5).zip(&bad) {
                assert_eq!(
                    row.iter().any(|g| g.is_nan()),
                    is_bad,
                    "{} alpha {alpha}",
                    test.name
                );
            }
        }
    }
}

/// The CPU kernels compute several rows at once. The steps of a row, its outputs and its gradients have the same bits as
/// if it were alone.
#[test]
fn a_row_does_not_depend_on_the_others() {
    const ROWS: usize = 37;
    for test in devices::all().iter().filter(|test| test.f64) {
        for columns in [5, 30, 256, 257, 600, 1024] {
            let mut rows = pseudo_random(ROWS * columns, 1.0);
            for (i, row) in rows.chunks_exact_mut(columns).enumerate() {
                let scale = [0.1, 2.0, 40.0][i % 3];
                row.iter_mut().for_each(|x| *x *= scale);
                match i % 11 {
                    1 => row[columns / 2] = f32::NAN,
                    3 => row.fill(f32::NEG_INFINITY),
                    5 => row[columns - 1] = f32::NEG_INFINITY,
                    6 => row.fill(1.5),
                    8 => row[0] = 1e4,
                    _ => {}
                }
            }
            let cotangent = pseudo_random(ROWS * columns, 1.0);
            let reference: Vec<f32> = cotangent.iter().map(|c| c + 1.01).collect();
            // A short row at 1/2 beside other alphas takes the kernel of any alpha, a long one that of 1/2.
            let other_alpha = if columns > 256 { 0.5 } else { 0.7 };
            for (alpha, other_alpha) in [
                (0.5, 0.5),
                (0.7, 0.7),
                (1.25, 1.25),
                (2.0, 2.0),
                (0.9, other_alpha),
                (0.7, 1.25),
            ] {
                for is_weighed in [false, true] {
                    let compute = |rows: &[f32], cotangent: &[f32], reference: &[f32], first| {
                        let device = test.device.clone().autodiff();
                        let x = matrix(rows, columns, &device).require_grad();
                        let alphas: Vec<f32> = (first..first + rows.len() / columns)
                            .map(|row| if row % 4 == 0 { other_alpha } else { alpha })
                            .collect();
                        let alpha = matrix(&alphas, 1, &device).require_grad();
                        let mut options = TsallisOptions::new(alpha.clone());
                        if is_weighed {
                            let q = matrix(reference, columns, &device);
                            options = options.with_reference(Reference::Tensor(q));
                        }
                        let p = tsallis_softargmax(x.clone(), &options, 1);
                        let log_p = tsallis_log_softargmax(x.clone(), &options, 1);
                        let value = tsallis_value(x.clone(), &options, 1);
                        let divergence = tsallis_divergence(x.clone(), &options, 1);
                        let c = matrix(cotangent, columns, &device);
                        let loss = (p.clone() * c.clone()).sum_dim(1);
                        let loss = loss + value.clone() - divergence.clone();
                        let gradients = loss.sum().backward();
                        [
                            values(p),
                            values(log_p),
                            values(value),
                            values(divergence),
                            values(x.grad(&gradients).expect("tracked")),
                            values(alpha.grad(&gradients).expect("tracked")),
                        ]
                    };
                    let together = compute(&rows, &cotangent, &reference, 0);
                    for row in 0..ROWS {
                        let entries = row * columns..(row + 1) * columns;
                        let [x, c, q] =
                            [&rows, &cotangent, &reference].map(|v| &v[entries.clone()]);
                        for (n, (all, alone)) in
                            together.iter().zip(compute(x, c, q, row)).enumerate()
                        {
                            let width = alone.len();
                            for (got, want) in all[row * width..].iter().zip(&alone) {
                                let same = got.to_bits() == want.to_bits()
                                    || (got.is_nan() && want.is_nan());
                                assert!(
                                    same,
                                    "{} columns {columns} row {row} alpha {alpha} {other_alpha} result {n}: \
                                     {got} beside others, {want} alone",
                                    test.name
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn an_invalid_reference_gives_nan() {
    for test in devices::all() {
        for bad in [-0.1, f32::NAN, f32::INFINITY] {
            let q = Tensor::<1>::from_floats([0.2, bad, 0.3], &test.device);
            let options = TsallisOptions::new(0.5).with_reference(Reference::Vector(q));
            let p = tsallis_softargmax(matrix(&[0.0, 1.0, 2.0], 3, &test.device), options, 1);
            assert!(values(p).iter().all(|p| p.is_nan()), "{} {bad}", test.name);
        }
    }
}

/// A cotangent that is not finite has no effect at an entry that is not allowed.
#[test]
fn masked_entries_have_no_gradient_whatever_their_cotangent() {
    for test in devices::all() {
        for alpha in ALPHAS {
            let device = test.device.clone().autodiff();
            let x = matrix(&[0.3, f32::NEG_INFINITY, 1.0], 3, &device).require_grad();
            let p = tsallis_softargmax(x.clone(), alpha, 1);
            let c = matrix(&[1.0, f32::INFINITY, -2.0], 3, &device);
            // The product is NaN for p = 0 and an infinite c, but its gradient in p is c.
            let gradients = (p * c).sum().backward();
            let gradient = values(x.grad(&gradients).expect("tracked"));
            let what = format!("{} alpha {alpha}: {gradient:?}", test.name);
            assert_eq!(gradient[1], 0.0, "{what}");
            assert!(gradient[0] > 0.0 && gradient[2] < 0.0, "{what}");
        }
    }
}

#[test]
fn extreme_logits_of_a_one_hot_row() {
    for test in devices::all() {
        let x = matrix(&[3e38, -3e38, 0.0, 1e4, -1e4, 0.0], 3, &test.device);
        for alpha in ALPHAS {
            let p = values(tsallis_softargmax(x.clone(), alpha, 1));
            let what = format!("{} alpha {alpha}: {p:?}", test.name);
            assert!(p.iter().all(|p| p.is_finite()), "{what}");
            assert!(p[0] > 0.999 && p[3] > 0.98, "{what}");
            // Finite logits are allowed entries at any distance. Up to alpha = 1, their ln p is finite.
            if alpha <= 1.0 {
                let log_p = values(tsallis_log_softargmax(x.clone(), alpha, 1));
                assert!(log_p.iter().all(|p| p.is_finite()), "{what}: {log_p:?}");
            }
        }
    }
}

#[test]
fn gradients_agree_with_differences_in_f64() {
    for test in devices::all().iter().filter(|test| test.f64) {
        let device = test.device.clone().autodiff();
        let dtype = burn::tensor::DType::F64;
        let x0: Vec<f64> = pseudo_random(6, 1.5).iter().map(|&x| x.into()).collect();
        let q0: Vec<f64> = pseudo_random(6, 0.2)
            .iter()
            .map(|&q| 0.3 + f64::from(q))
            .collect();
        let c0: Vec<f64> = pseudo_random(12, 1.0)[6..]
            .iter()
            .map(|&c| c.into())
            .collect();
        let tensor = |v: &[f64]| {
            Tensor::<1>::from_data(TensorData::new(v.to_vec(), [v.len()]), (&device, dtype))
        };
        for alpha in [-1.0, 0.0, 0.5, 1.0, 1.25] {
            for log in [false, true] {
                let loss = |x: Tensor<1>, q: Tensor<1>| {
                    let options = TsallisOptions::new(alpha).with_reference(Reference::Vector(q));
                    let output = if log {
                        tsallis_log_softargmax(x, options, 0)
                    } else {
                        tsallis_softargmax(x, options, 0)
                    };
                    (output * tensor(&c0)).sum()
                };
                let at = |x: &[f64], q: &[f64]| loss(tensor(x), tensor(q)).into_scalar::<f64>();
                let (x, q) = (tensor(&x0).require_grad(), tensor(&q0).require_grad());
                let gradients = loss(x.clone(), q.clone()).backward();
                for (in_x, tracked) in [(true, &x), (false, &q)] {
                    let got = tracked.grad(&gradients).expect("tracked");
                    for (i, got) in got.into_data().iter::<f64>().enumerate() {
                        let h = 1e-6;
                        let moved = |by: f64| {
                            let (mut x, mut q) = (x0.clone(), q0.clone());
                            if in_x {
                                x[i] += by;
                            } else {
                                q[i] += by;
                            }
                            at(&x, &q)
                        };
                        let want = (moved(h) - moved(-h)) / (2.0 * h);
                        assert!(
                            (got - want).abs() < 2e-8,
                            "{} alpha {alpha} log {log} in_x {in_x} [{i}]: {got} {want}",
                            test.name
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn invalid_host_values_are_named_in_the_error() {
    let error = |alpha| {
        TsallisOptions::<2>::try_new(alpha)
            .expect_err("out of range")
            .to_string()
    };
    assert_eq!(
        error(50.5),
        "alpha is 50.5: it must be a number from -50 to 50"
    );
}

#[test]
#[should_panic(expected = "Dimension, index: 2, bounds: 0..2")]
fn a_dimension_that_does_not_exist_panics() {
    let x = Tensor::<2>::zeros([2, 3], &Device::default());
    let _ = tsallis_softargmax(x, 1.0, 2);
}

/// The log-probability of an action, selected by gather as in a policy gradient.
#[test]
fn the_gradient_flows_through_a_gather() {
    for test in devices::all() {
        let device = test.device.clone().autodiff();
        let x = matrix(&[0.5, -0.5, 1.0, 0.0, 0.2, 3.0], 3, &device).require_grad();
        let index = Tensor::<2, Int>::from_data([[2], [0]], &device);
        let log_p = tsallis_log_softargmax(x.clone(), 0.5, 1).gather(1, index);
        let gradient = values(x.grad(&log_p.sum().backward()).expect("tracked"));
        for (row, chosen) in gradient.chunks_exact(3).zip([2, 0]) {
            assert!(row.iter().sum::<f32>().abs() < 1e-6);
            for (i, g) in row.iter().enumerate() {
                assert_eq!(*g > 0.0, i == chosen, "{} {gradient:?}", test.name);
            }
        }
    }
}

/// A small reference at a negative alpha, where `u^(2 - alpha)` alone overflows `f32`.
#[test]
fn gradients_with_a_tiny_reference() {
    for test in devices::all() {
        let device = test.device.clone().autodiff();
        let x = matrix(&[2.666_666_7, 0.0], 2, &device).require_grad();
        let q = Tensor::<1>::from_floats([1e-12, 1.0], &device).require_grad();
        let options = TsallisOptions::new(-2.0).with_reference(Reference::Vector(q.clone()));
        let p = tsallis_softargmax(x.clone(), options, 1);
        let gradients = (p * matrix(&[1.0, 0.0], 2, &device)).sum().backward();
        let gradient = values(x.grad(&gradients).expect("tracked"));
        let (x64, q64) = (
            [f64::from(2.666_666_7_f32), 0.0],
            [f64::from(1e-12_f32), 1.0],
        );
        let row = Row::new(&x64, RowReference::Values(&q64), -2.0);
        let mut want = [0.0; 2];
        let wanted = RowGradients {
            logits: Some(&mut want),
            ..Default::default()
        };
        row.backward(
            Output::Probabilities,
            &row.solve(Solver::Bisection),
            &[1.0, 0.0],
            wanted,
        );
        for (got, want) in gradient.iter().zip(want) {
            let error = (f64::from(*got) / want - 1.0).abs();
            assert!(
                error < 5e-5,
                "{}: {gradient:?} instead of {want}",
                test.name
            );
        }
    }
}

/// The gradient in the reference of an entry whose own weight `k` underflows.
#[test]
fn reference_gradients_far_down_a_heavy_tail() {
    for test in devices::all() {
        let device = test.device.clone().autodiff();
        let x = matrix(&[1e13, 0.0], 2, &device);
        let q = Tensor::<1>::from_floats([1.0, 1.0], &device).require_grad();
        let options = TsallisOptions::new(0.5).with_reference(Reference::Vector(q.clone()));
        let p = tsallis_softargmax(x, options, 1);
        let gradients = (p * matrix(&[0.0, 1.0], 2, &device)).sum().backward();
        let gradient = values(q.grad(&gradients).expect("tracked"));
        // u = (1 + 1e13 / 2)^-2 to rounding.
        let error = (gradient[1] / 4e-26 - 1.0).abs();
        assert!(error < 5e-5, "{}: {gradient:?}", test.name);
    }
}

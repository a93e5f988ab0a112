use crate::support::{
    close, device, devices, every_device, fewer_if_compiled, pseudo_random, tensor, values,
};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_tsallis::math::{Row, RowReference, Solver, Tsallis};
use burn_tsallis::nn::ReferenceConfig;
use burn_tsallis::nn::loss::{
    FenchelYoungLoss, FenchelYoungLossConfig, Reduction, TsallisDivergenceLossConfig,
};
use burn_tsallis::{TsallisOptions, tsallis_softargmax};

const ALPHAS: [f64; 9] = [-0.5, 0.0, 0.3, 0.9, 1.0, 1.1, 1.5, 2.0, 2.7];

fn classes(of: &[i64], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(of.to_vec(), [of.len()]), device)
}

fn loss(alpha: f64, device: &Device) -> FenchelYoungLoss {
    FenchelYoungLossConfig::new(alpha).init(device)
}

/// Computes `V(x) + D_f(t || q) - <x, t>` in f64 with the scalar layer.
fn oracle(x: &[f64], t: &[f64], q: &[f64], alpha: f64) -> f64 {
    let row = Row::new(x, RowReference::Values(q), alpha);
    let value = row.value(&row.solve(Solver::Newton));
    let f = Tsallis::new(alpha);
    let divergence: f64 = q.iter().zip(t).map(|(q, t)| q * f.value(t / q)).sum();
    let inner: f64 = x.iter().zip(t).map(|(x, t)| x * t).sum();
    value + divergence - inner
}

fn distributions(rows: usize, columns: usize) -> Vec<f64> {
    let mut t = pseudo_random(rows * columns, 1.0);
    for row in t.chunks_mut(columns) {
        let sum: f64 = row.iter().map(|t| t.exp()).sum();
        row.iter_mut().for_each(|t| *t = t.exp() / sum);
    }
    t
}

#[test]
fn the_definition_against_distributions_and_classes() {
    for device in devices() {
        let (rows, columns) = (6, 7);
        let logits = pseudo_random(rows * columns, 3.0);
        let soft = distributions(rows, columns);
        let given = vec![0.5, 1.0, 0.2, 0.3, 2.0, 0.7, 0.1];
        let references = [
            (ReferenceConfig::Ones, vec![1.0; columns]),
            (
                ReferenceConfig::Uniform,
                vec![1.0 / columns as f64; columns],
            ),
            (ReferenceConfig::Values(given.clone()), given),
        ];
        for alpha in ALPHAS {
            for (config, q) in &references {
                let loss = FenchelYoungLossConfig::new(alpha)
                    .with_reference(config.clone())
                    .init(&device);
                let x = Tensor::<2>::from_data(
                    TensorData::new(logits.clone(), [rows, columns]),
                    (&device, DType::F64),
                );
                let t = Tensor::<2>::from_data(
                    TensorData::new(soft.clone(), [rows, columns]),
                    (&device, DType::F64),
                );
                let want: Vec<f64> = logits
                    .chunks(columns)
                    .zip(soft.chunks(columns))
                    .map(|(x, t)| oracle(x, t, q, alpha))
                    .collect();
                let got = values(loss.forward_distribution_no_reduction(x.clone(), t));
                close(&got, &want, 1e-10);

                let targets: Vec<i64> = (0..rows as i64).collect();
                let want: Vec<f64> = logits
                    .chunks(columns)
                    .zip(&targets)
                    .map(|(x, &y)| {
                        let t: Vec<f64> = (0..columns as i64)
                            .map(|i| f64::from(u8::from(i == y)))
                            .collect();
                        oracle(x, &t, q, alpha)
                    })
                    .collect();
                let got = values(loss.forward_no_reduction(x, classes(&targets, &device)));
                close(&got, &want, 1e-10);
            }
        }
    }
}

#[test]
fn never_negative_and_zero_exactly_where_the_softargmax_is_the_target() {
    for device in devices() {
        for alpha in ALPHAS {
            let loss = loss(alpha, &device);
            for (columns, scale) in [(2, 1.0), (5, 3.0), (1000, 2.0), (9, 30.0), (7, 1e6)] {
                let x = tensor([8, columns], scale, &device);
                let options =
                    TsallisOptions::new(alpha).with_reference(burn_tsallis::Reference::Ones);
                let p = tsallis_softargmax(x.clone(), options, -1);
                let at_p = values(loss.forward_distribution_no_reduction(x.clone(), p));
                assert!(
                    at_p.iter().all(|l| (0.0..1e-7).contains(l)),
                    "alpha {alpha}, {columns} columns: {at_p:?}"
                );
                let t = tensor([8, columns], 1.0, &device).abs();
                let t = t.clone() / t.sum_dim(1);
                let away = values(loss.forward_distribution_no_reduction(x, t));
                assert!(away.iter().all(|&l| l > 1e-6), "alpha {alpha}: {away:?}");
            }
        }
        // The loss of a single class is always zero.
        for alpha in ALPHAS {
            let one = tensor([2, 1], 5.0, &device);
            let got = loss(alpha, &device).forward_no_reduction(one, classes(&[0, 0], &device));
            close(&values(got), &[0.0, 0.0], 1e-6);
        }
        // The loss is zero once the target has its margin.
        for (alpha, margin) in [(1.5, 2.0_f32), (2.0, 1.0), (1.25, 4.0)] {
            let x =
                Tensor::<2>::from_data([[margin, 0.0, -0.5], [margin - 0.1, 0.0, 0.0]], &device);
            let got =
                values(loss(alpha, &device).forward_no_reduction(x, classes(&[0, 0], &device)));
            assert_eq!(got[0], 0.0, "alpha {alpha}");
            assert!(got[1] > 1e-9, "alpha {alpha}: {}", got[1]);
        }
    }
}

#[test]
fn f32_keeps_its_digits_with_many_classes() {
    let device = device();
    let columns = 2000;
    let logits: Vec<f64> = pseudo_random(columns, 2.0)
        .iter()
        .map(|&x| f64::from(x as f32))
        .collect();
    let best = (0..columns)
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .expect("some");
    for alpha in [0.3, 0.9, 1.0, 1.5, 2.0] {
        for class in [3, best] {
            let mut t = vec![0.0; columns];
            t[class] = 1.0;
            let want = oracle(&logits, &t, &vec![1.0; columns], alpha);
            let x = Tensor::<2>::from_data(
                TensorData::new(logits.clone(), [1, columns]).convert::<f32>(),
                &device,
            );
            let got = loss(alpha, &device).forward(x, classes(&[class as i64], &device));
            close(&values(got), &[want], 3e-6);
        }
    }
}

#[test]
fn the_gradient_is_p_minus_t() {
    for device in devices() {
        let device = device.autodiff();
        for alpha in ALPHAS {
            let loss = FenchelYoungLossConfig::new(alpha)
                .with_reduction(Reduction::Sum)
                .init(&device);
            let x = tensor([4, 5], 2.0, &device).require_grad();
            let options = TsallisOptions::new(alpha).with_reference(burn_tsallis::Reference::Ones);
            let p = values(tsallis_softargmax(x.clone(), options, -1));

            let gradients = loss
                .forward(x.clone(), classes(&[0, 1, 4, 4], &device))
                .backward();
            let mut want = p.clone();
            for (row, class) in [0, 1, 4, 4].into_iter().enumerate() {
                want[5 * row + class] -= 1.0;
            }
            close(&values(x.grad(&gradients).expect("tracked")), &want, 2e-6);

            let t = distributions(4, 5);
            let targets = Tensor::<2>::from_data(
                TensorData::new(t.clone(), [4, 5]).convert::<f32>(),
                &device,
            );
            let gradients = loss.forward_distribution(x.clone(), targets).backward();
            let want: Vec<f64> = p.iter().zip(&t).map(|(p, t)| p - t).collect();
            close(&values(x.grad(&gradients).expect("tracked")), &want, 2e-6);
        }
    }
}

#[test]
fn cross_entropy_at_one() {
    let device = device().autodiff();
    let weights = vec![1.0, 2.0, 0.5, 3.0, 0.1];
    let targets = classes(&[2, 0, 4, 1, 2, 3], &device);
    let x = tensor([6, 5], 4.0, &device).require_grad();
    let check = |ours: FenchelYoungLossConfig, burns: CrossEntropyLossConfig| {
        let ours = ours.init(&device).forward(x.clone(), targets.clone());
        let burns = burns.init(&device).forward(x.clone(), targets.clone());
        close(&values(ours.clone()), &values(burns.clone()), 2e-6);
        let (ours, burns) = (ours.backward(), burns.backward());
        close(
            &values(x.grad(&ours).expect("tracked")),
            &values(x.grad(&burns).expect("tracked")),
            2e-6,
        );
    };
    let ours = FenchelYoungLossConfig::new(1.0);
    let burns = CrossEntropyLossConfig::new();
    check(ours.clone(), burns.clone());
    check(
        ours.clone().with_weights(Some(weights.clone())),
        burns.clone().with_weights(Some(weights.clone())),
    );
    check(
        ours.clone().with_pad_tokens(Some(vec![2])),
        burns.clone().with_pad_tokens(Some(vec![2])),
    );
    check(
        ours.clone()
            .with_pad_tokens(Some(vec![2]))
            .with_weights(Some(weights.clone())),
        burns
            .clone()
            .with_pad_tokens(Some(vec![2]))
            .with_weights(Some(weights)),
    );
    // With smoothed targets the loss is smaller by their entropy and has the same gradient.
    let smoothing = 0.1_f32;
    let (hit, miss) = (0.9 + 0.02_f64, 0.02_f64);
    let entropy = -hit * hit.ln() - 4.0 * miss * miss.ln();
    let ours = ours
        .with_smoothing(Some(smoothing))
        .init(&device)
        .forward(x.clone(), targets.clone());
    let burns = burns
        .with_smoothing(Some(smoothing))
        .init(&device)
        .forward(x.clone(), targets);
    close(
        &values(ours.clone()),
        &[values(burns.clone())[0] - entropy],
        2e-6,
    );
    close(
        &values(x.grad(&ours.backward()).expect("tracked")),
        &values(x.grad(&burns.backward()).expect("tracked")),
        2e-6,
    );
}

#[test]
fn ignored_samples_may_have_any_target_and_no_gradient() {
    let device = device().autodiff();
    let x = tensor([3, 4], 2.0, &device).require_grad();
    let targets = classes(&[1, -100, 3], &device);
    let config = FenchelYoungLossConfig::new(1.5).with_pad_tokens(Some(vec![-100]));
    let each = values(
        config
            .init(&device)
            .forward_no_reduction(x.clone(), targets.clone()),
    );
    assert_eq!(each[1], 0.0);
    let mean = config.init(&device).forward(x.clone(), targets.clone());
    close(&values(mean.clone()), &[(each[0] + each[2]) / 2.0], 1e-6);
    let gradient = values(x.grad(&mean.backward()).expect("tracked"));
    assert_eq!(gradient[4..8], [0.0; 4]);
    let of = |reduction: Reduction| {
        values(
            config
                .clone()
                .with_reduction(reduction)
                .init(&device)
                .forward(x.clone(), targets.clone()),
        )[0]
    };
    close(&[of(Reduction::Sum)], &[each[0] + each[2]], 1e-6);
    close(
        &[of(Reduction::BatchMean)],
        &[(each[0] + each[2]) / 3.0],
        1e-6,
    );
    close(&[of(Reduction::Auto)], &[(each[0] + each[2]) / 2.0], 1e-6);
}

/// The numbers of the documentation.
#[test]
fn weights_with_smoothing_differ_from_burns_cross_entropy() {
    let device = device();
    let x = Tensor::<2>::from_data([[2.0, 1.0, 0.0]], &device);
    let weights = Some(vec![1.0, 2.0, 3.0]);
    let ours = FenchelYoungLossConfig::new(1.0)
        .with_smoothing(Some(0.3))
        .with_weights(weights.clone())
        .init(&device)
        .forward(x.clone(), classes(&[0], &device));
    close(&values(ours), &[0.707_606 - 0.639_032], 2e-6);
    let burns = CrossEntropyLossConfig::new()
        .with_smoothing(Some(0.3))
        .with_weights(weights)
        .init(&device)
        .forward(x, classes(&[0], &device));
    close(&values(burns), &[1.329_888], 2e-6);
}

#[test]
fn several_targets_are_ignored() {
    let device = device();
    let x = tensor([4, 5], 2.0, &device);
    let targets = classes(&[1, 0, 4, -100], &device);
    let config = FenchelYoungLossConfig::new(1.5);
    let tokens = config.clone().with_pad_tokens(Some(vec![0, -100]));
    let got = tokens.init(&device).forward(x.clone(), targets);
    let rest = x.select(0, Tensor::from_data([0, 2], &device));
    let want = config
        .init(&device)
        .forward(rest, classes(&[1, 4], &device));
    close(&values(got), &values(want), 1e-6);
}

/// Burn's gradient of a division by a number has the accuracy of `f32`.
#[test]
fn the_gradient_of_the_batch_mean_is_exact_in_f64() {
    let device = device().autodiff();
    let x = TensorData::new(pseudo_random(9, 2.0), [3, 3]);
    let x = Tensor::<2>::from_data(x, (&device, DType::F64)).require_grad();
    let t = TensorData::new(distributions(3, 3), [3, 3]);
    let t = Tensor::<2>::from_data(t, (&device, DType::F64));
    let gradient = |loss: Tensor<1>| values(x.grad(&loss.backward()).expect("tracked"));
    let of = |reduction| {
        let config = FenchelYoungLossConfig::new(1.5).with_reduction(reduction);
        config
            .init(&device)
            .forward(x.clone(), classes(&[0, 1, 2], &device))
    };
    let sum = gradient(of(Reduction::Sum));
    let third: Vec<f64> = sum.iter().map(|g| g / 3.0).collect();
    close(&gradient(of(Reduction::BatchMean)), &third, 1e-15);
    let of = |reduction| {
        let p = burn::tensor::activation::softmax(x.clone(), 1);
        let loss = TsallisDivergenceLossConfig::new(0.5).init();
        loss.forward(p, t.clone(), reduction)
    };
    let sum = gradient(of(Reduction::Sum));
    let third: Vec<f64> = sum.iter().map(|g| g / 3.0).collect();
    close(&gradient(of(Reduction::BatchMean)), &third, 1e-15);
}

#[test]
fn ignored_samples_may_have_any_logits() {
    for device in every_device() {
        let device = device.autodiff();
        let data = [[f32::NEG_INFINITY; 3], [1.0, 2.0, 3.0]];
        let x = Tensor::<2>::from_data(data, &device).require_grad();
        let config = FenchelYoungLossConfig::new(1.0).with_pad_tokens(Some(vec![-1]));
        let loss = config
            .init(&device)
            .forward(x.clone(), classes(&[-1, 2], &device));
        close(&values(loss.clone()), &[0.407_606], 1e-5);
        let gradient = values(x.grad(&loss.backward()).expect("tracked"));
        assert_eq!(gradient[..3], [0.0; 3]);
        assert!(gradient[3..].iter().all(|g| g.is_finite() && *g != 0.0));
    }
}

#[test]
#[cfg(feature = "flex")]
#[should_panic(expected = "index 5 out of bounds for dimension of size 3")]
fn smoothing_does_not_accept_a_target_that_is_no_class() {
    let device = device();
    let x = Tensor::<2>::from_data([[1.0, 2.0, 3.0]], &device);
    let config = FenchelYoungLossConfig::new(1.5).with_smoothing(Some(0.1));
    let _ = values(config.init(&device).forward(x, classes(&[5], &device)));
}

#[test]
#[cfg(feature = "flex")]
#[should_panic(expected = "index 5 out of bounds for dimension of size 3")]
fn negative_alpha_does_not_accept_a_target_that_is_no_class() {
    let device = device();
    let x = Tensor::<2>::from_data([[1.0, 2.0, 3.0]], &device);
    let _ = values(loss(-0.5, &device).forward_no_reduction(x, classes(&[5], &device)));
}

/// A GPU does not check indices.
#[cfg(feature = "wgpu")]
#[test]
fn a_target_that_is_no_class_has_no_loss_on_a_gpu() {
    let Some(device) = burn_tsallis::conformance::wgpu_device() else {
        return;
    };
    let x = Tensor::<2>::from_data([[1.0, 2.0, 3.0]], &device);
    for smoothing in [None, Some(0.1)] {
        for target in [5, 3, -1] {
            let config = FenchelYoungLossConfig::new(1.5).with_smoothing(smoothing);
            let loss = config
                .init(&device)
                .forward(x.clone(), classes(&[target], &device));
            assert!(values(loss)[0].is_nan(), "{smoothing:?} {target}");
        }
    }
}

#[test]
fn an_empty_batch_has_a_sum_of_zero() {
    let device = device();
    let x = Tensor::<2>::zeros([0, 3], &device);
    for smoothing in [None, Some(0.1)] {
        for (reduction, is_zero) in [(Reduction::Sum, true), (Reduction::Mean, false)] {
            let loss = FenchelYoungLossConfig::new(1.5)
                .with_smoothing(smoothing)
                .with_reduction(reduction)
                .init(&device)
                .forward(x.clone(), classes(&[], &device));
            let loss = values(loss)[0];
            assert!(if is_zero { loss == 0.0 } else { loss.is_nan() }, "{loss}");
        }
    }
    let divergence = TsallisDivergenceLossConfig::new(1.5).init();
    let sum = divergence.forward(x.clone(), x, Reduction::Sum);
    assert_eq!(values(sum), [0.0]);
}

#[test]
fn the_mean_of_a_batch_divides_by_its_first_dimension() {
    let device = device();
    let x = tensor([4, 3, 5], 2.0, &device);
    let t = Tensor::<3>::full([4, 3, 5], 0.2, &device);
    let p = tsallis_softargmax(x.clone(), 1.0, -1);
    let young = |reduction| {
        let config = FenchelYoungLossConfig::new(1.5).with_reduction(reduction);
        let loss = config.init(&device);
        values(loss.forward_distribution(x.clone(), t.clone()))[0]
    };
    let divergence = |reduction| {
        let loss = TsallisDivergenceLossConfig::new(0.5).init();
        values(loss.forward(p.clone(), t.clone(), reduction))[0]
    };
    for of in [&young as &dyn Fn(Reduction) -> f64, &divergence] {
        let sum = of(Reduction::Sum);
        close(&[of(Reduction::Mean)], &[sum / 12.0], 1e-6);
        close(&[of(Reduction::BatchMean)], &[sum / 4.0], 1e-6);
    }
    // A single row without a batch dimension.
    let config = FenchelYoungLossConfig::new(1.5).with_reduction(Reduction::BatchMean);
    let (x, t) = (
        tensor([5], 2.0, &device),
        Tensor::<1>::full([5], 0.2, &device),
    );
    let loss = config.init(&device);
    close(
        &values(loss.forward_distribution(x.clone(), t.clone())),
        &values(loss.forward_distribution_no_reduction(x, t)),
        1e-6,
    );
}

#[test]
#[cfg(feature = "flex")]
fn half_precision_is_stored_and_not_computed_in() {
    let device = Device::flex();
    let data = TensorData::new(pseudo_random(4000, 2.0), [2, 2000]);
    for (dtype, bound) in [(DType::F16, 6e-4), (DType::BF16, 5e-3)] {
        let half = Tensor::<2>::from_data(data.clone().convert_dtype(dtype), (&device, dtype));
        let full = half.clone().cast(DType::F32);
        let t = Tensor::<2>::full([2, 2000], 1.0 / 2000.0, &device);
        for alpha in [0.3, 1.0, 1.5] {
            let loss = FenchelYoungLossConfig::new(alpha)
                .with_reduction(Reduction::Sum)
                .with_weights(Some(vec![2.0; 2000]))
                .init(&device);
            let targets = classes(&[3, 1999], &device);
            for (got, want) in [
                (
                    loss.forward(half.clone(), targets.clone()),
                    loss.forward(full.clone(), targets),
                ),
                (
                    loss.forward_distribution(half.clone(), t.clone()),
                    loss.forward_distribution(full.clone(), t.clone()),
                ),
            ] {
                assert_eq!(got.dtype(), dtype);
                let (got, want) = (values(got)[0], values(want)[0]);
                assert!((got - want).abs() <= bound * want, "{got}, expected {want}");
            }
        }
    }
}

#[test]
fn class_weights_in_double_precision() {
    let device = device();
    let config =
        FenchelYoungLossConfig::new(1.5).with_weights(Some(vec![1.0, 2.0, 0.5, 3.0, 0.25]));
    let loss = config.init(&device);
    let x = TensorData::new(pseudo_random(10, 2.0), [2, 5]);
    let t = TensorData::new(distributions(2, 5), [2, 5]);
    let [x, t] = [x, t].map(|data| Tensor::<2>::from_data(data, (&device, DType::F64)));
    let targets = classes(&[3, 2], &device);
    let plain = FenchelYoungLossConfig::new(1.5).init(&device);
    let each = values(plain.forward_no_reduction(x.clone(), targets.clone()));
    let want = (3.0 * each[0] + 0.5 * each[1]) / 3.5;
    let got = loss.forward(x.clone(), targets);
    assert_eq!(got.dtype(), DType::F64);
    close(&values(got), &[want], 1e-12);
    let each = values(plain.forward_distribution_no_reduction(x.clone(), t.clone()));
    let got = values(loss.forward_distribution_no_reduction(x, t.clone()));
    let weight = |row: &[f64]| row[0] + 2.0 * row[1] + 0.5 * row[2] + 3.0 * row[3] + 0.25 * row[4];
    let want: Vec<f64> = each
        .iter()
        .zip(values(t).chunks(5))
        .map(|(loss, t)| loss * weight(t))
        .collect();
    close(&got, &want, 1e-12);
}

#[test]
#[should_panic(expected = "weights has 2 entries: the logits have 3 classes")]
fn class_weights_must_be_one_for_each_class() {
    let device = device();
    let config = FenchelYoungLossConfig::new(1.5).with_weights(Some(vec![1.0, 2.0]));
    let loss = config.init(&device);
    loss.forward(tensor([2, 3], 1.0, &device), classes(&[0, 1], &device));
}

#[test]
fn forbidden_classes_leave_the_loss() {
    for device in every_device() {
        let alphas = fewer_if_compiled(&[1.5, 0.4, 1.0, 2.0], &device);
        let device = device.autodiff();
        let none = f32::NEG_INFINITY;
        for &alpha in alphas {
            let with = Tensor::<2>::from_data([[0.3, none, 1.0, -0.2]], &device).require_grad();
            let without = Tensor::<2>::from_data([[0.3, 1.0, -0.2]], &device);
            let loss = loss(alpha, &device);
            let got = loss.forward(with.clone(), classes(&[2], &device));
            let want = loss.forward(without.clone(), classes(&[1], &device));
            close(&values(got.clone()), &values(want), 1e-6);
            let gradient = values(with.grad(&got.backward()).expect("tracked"));
            assert!(gradient.iter().all(|g| g.is_finite()) && gradient[1] == 0.0);
            let soft = Tensor::<2>::from_data([[0.5, 0.0, 0.25, 0.25]], &device);
            let same = Tensor::<2>::from_data([[0.5, 0.25, 0.25]], &device);
            close(
                &values(loss.forward_distribution(with.clone(), soft)),
                &values(loss.forward_distribution(without.clone(), same)),
                1e-6,
            );
            // A class forbidden by its logit or by the reference gets no share of a smoothed target.
            let smoothed = FenchelYoungLossConfig::new(alpha).with_smoothing(Some(0.1));
            let want = values(
                smoothed
                    .init(&device)
                    .forward(without, classes(&[1], &device)),
            );
            let got = smoothed
                .init(&device)
                .forward(with.clone(), classes(&[2], &device));
            close(&values(got.clone()), &want, 1e-6);
            let gradient = values(with.grad(&got.backward()).expect("tracked"));
            assert!(gradient.iter().all(|g| g.is_finite()) && gradient[1] == 0.0);
            let open = Tensor::<2>::from_data([[0.3, 7.0, 1.0, -0.2]], &device);
            let zero = smoothed.with_reference(ReferenceConfig::Values(vec![1.0, 0.0, 1.0, 1.0]));
            let got = zero.init(&device).forward(open, classes(&[2], &device));
            close(&values(got), &want, 1e-6);
            // The loss of a forbidden target is infinite.
            let lost = values(loss.forward(with, classes(&[1], &device)))[0];
            assert_eq!(lost, f64::INFINITY, "alpha {alpha}");
        }
    }
}

#[test]
fn invalid_configurations_are_named_in_the_error() {
    let device = device();
    let words = |config: FenchelYoungLossConfig| {
        config
            .try_init(&device)
            .expect_err("the configuration is invalid")
            .to_string()
    };
    let config = FenchelYoungLossConfig::new(1.5);
    assert_eq!(
        words(config.clone().with_smoothing(Some(1.5))),
        "smoothing is 1.5: it must be a number from 0 to 1"
    );
    assert_eq!(
        words(config.with_weights(Some(vec![1.0, -2.0]))),
        "weights[1] is -2: it must be a finite number that is not negative"
    );
    assert!(words(FenchelYoungLossConfig::new(f64::INFINITY)).contains("alpha is inf"));
}

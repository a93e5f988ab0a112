#[cfg(feature = "flex")]
use crate::support::pseudo_random;
use crate::support::{close, device, devices, every_device, tensor, values};
use burn::tensor::{Bool, Tensor};
#[cfg(feature = "flex")]
use burn::tensor::{DType, Device, TensorData};
use burn_tsallis::nn::TsallisCategorical;
use burn_tsallis::{Reference, TsallisOptions};

const ALPHAS: [f64; 5] = [0.0, 0.5, 1.0, 1.5, 2.0];

#[test]
fn draws_follow_the_probabilities_and_the_seed() {
    for device in devices() {
        for alpha in ALPHAS {
            let options = TsallisOptions::new(alpha).with_reference(Reference::Ones);
            let policy = TsallisCategorical::new(tensor([3, 6], 1.5, &device), options);
            let n = 4000;
            let seeded = || {
                device.seed(11);
                policy.sample(20).into_data()
            };
            // Burn has one generator for each process, so another test may draw in between.
            assert!((0..100).any(|_| seeded() == seeded()), "alpha {alpha}");
            let draws = policy.sample(n);
            assert_ne!(draws.clone().into_data(), policy.sample(n).into_data());

            let draws: Vec<i64> = draws.into_data().iter().collect();
            let p = values(policy.probs());
            for row in 0..3 {
                for category in 0..6 {
                    let of = &draws[row * n..(row + 1) * n];
                    let share =
                        of.iter().filter(|&&d| d == category as i64).count() as f64 / n as f64;
                    let p = p[6 * row + category];
                    // Five standard deviations: zero if the probability is zero.
                    let bound = 5.0 * (p * (1.0 - p) / n as f64).sqrt();
                    assert!(
                        (share - p).abs() <= bound,
                        "alpha {alpha}: {share}, expected {p}"
                    );
                }
            }
        }
    }
}

#[test]
fn only_allowed_categories_are_drawn() {
    for device in every_device() {
        let allowed = Tensor::<2, Bool>::from_data(
            [[false, false, true, false], [false, true, true, false]],
            &device,
        );
        let options = TsallisOptions::new(0.5).with_allowed(allowed);
        let policy = TsallisCategorical::new(tensor([2, 4], 3.0, &device), options);
        let draws: Vec<i64> = policy.sample(500).into_data().iter().collect();
        assert!(draws[..500].iter().all(|&d| d == 2));
        assert!(draws[500..].iter().all(|&d| d == 1 || d == 2));
        let support: Vec<bool> = policy.support().into_data().iter().collect();
        assert_eq!(
            support,
            [false, false, true, false, false, true, true, false]
        );
        assert_eq!(
            policy
                .support_size()
                .into_data()
                .iter::<i64>()
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(values(policy.entropy())[0], 0.0);
    }
}

#[test]
fn entropies_divergences_and_log_probabilities() {
    for device in every_device() {
        for alpha in ALPHAS {
            let a = TsallisCategorical::new(tensor([3, 5], 2.0, &device), alpha);
            let b = TsallisCategorical::new(tensor([3, 5], -1.0, &device), 0.5);
            let (p, r) = (values(a.probs()), values(b.probs()));
            let rows = |of: &dyn Fn(usize) -> f64| -> Vec<f64> {
                (0..3)
                    .map(|row| (5 * row..5 * row + 5).map(of).sum())
                    .collect()
            };
            let entropy = rows(&|i| if p[i] > 0.0 { -p[i] * p[i].ln() } else { 0.0 });
            close(&values(a.entropy()), &entropy, 2e-6);
            let tsallis = if alpha == 1.0 {
                entropy
            } else {
                rows(&|i| {
                    if p[i] > 0.0 {
                        (p[i] - p[i].powf(alpha)) / (alpha - 1.0)
                    } else {
                        0.0
                    }
                })
            };
            close(&values(a.tsallis_entropy()), &tsallis, 5e-6);
            let kl = rows(&|i| {
                if p[i] > 0.0 {
                    p[i] * (p[i] / r[i]).ln()
                } else {
                    0.0
                }
            });
            close(&values(a.kl_divergence(&b)), &kl, 2e-6);
            close(&values(a.kl_divergence(&a)), &[0.0; 3], 1e-6);
            let mode = a.mode();
            let best: Vec<f64> = p
                .chunks(5)
                .map(|p| p.iter().copied().fold(0.0, f64::max))
                .collect();
            close(&values(a.log_prob(mode).exp()), &best, 2e-6);
            // Under the uniform reference: D = 5^(alpha - 1) (S_max - S) / alpha.
            if alpha > 0.0 && alpha != 1.0 {
                let most = (1.0 - 5.0_f64.powf(1.0 - alpha)) / (alpha - 1.0);
                let want: Vec<f64> = tsallis
                    .iter()
                    .map(|s| 5.0_f64.powf(alpha - 1.0) * (most - s) / alpha)
                    .collect();
                close(&values(a.divergence()), &want, 5e-6);
            }
        }
    }
}

#[test]
fn an_alpha_for_each_row_is_continuous_at_one() {
    let device = device().autodiff();
    let alphas = Tensor::<2>::from_data([[0.5], [1.0], [1.0 + 1e-6]], &device).require_grad();
    let x = tensor([1, 4], 2.0, &device).repeat_dim(0, 3).require_grad();
    let policy = TsallisCategorical::new(x.clone(), alphas.clone());
    let entropy = values(policy.tsallis_entropy());
    close(
        &[entropy[1], entropy[2]],
        &values(policy.entropy())[1..],
        1e-5,
    );
    let gradients = (policy.tsallis_entropy().sum() + policy.entropy().sum()).backward();
    for gradient in [x.grad(&gradients), alphas.grad(&gradients)] {
        let gradient = values(gradient.expect("tracked"));
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }
}

#[test]
fn gradients_are_finite_off_the_support() {
    for device in every_device() {
        let device = device.autodiff();
        let x = Tensor::<2>::from_data([[3.0, 0.0, -3.0], [0.0, f32::NEG_INFINITY, 0.1]], &device)
            .require_grad();
        let options = TsallisOptions::new(1.5).with_reference(Reference::Ones);
        let sparse = TsallisCategorical::new(x.clone(), options);
        let dense = TsallisCategorical::new(x.clone(), 0.5);
        let kl = dense.kl_divergence(&sparse);
        assert_eq!(values(kl)[0], f64::INFINITY);
        let sum = sparse.entropy() + sparse.tsallis_entropy() + sparse.kl_divergence(&dense);
        let gradients = sum.sum().backward();
        let gradient = values(x.grad(&gradients).expect("tracked"));
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }
}

#[test]
#[cfg(feature = "flex")]
fn half_precision_is_stored_and_not_computed_in() {
    let device = Device::flex();
    // A sum of 3000 terms far below one: in f16 the terms and their logarithms lose their digits.
    let data = TensorData::new(pseudo_random(3000, 2.0), [1, 3000]);
    for (dtype, bound) in [(DType::F16, 6e-4), (DType::BF16, 5e-3)] {
        let half = Tensor::<2>::from_data(data.clone().convert_dtype(dtype), (&device, dtype));
        let full = half.clone().cast(DType::F32);
        for alpha in [0.5, 1.0, 1.5] {
            let options = TsallisOptions::new(alpha).with_reference(Reference::Ones);
            let got = TsallisCategorical::new(half.clone(), &options);
            let want = TsallisCategorical::new(full.clone(), &options);
            let other = TsallisCategorical::new(half.clone() * 0.5, 0.5);
            let other_full = TsallisCategorical::new((half.clone() * 0.5).cast(DType::F32), 0.5);
            for (got, want) in [
                (got.entropy(), want.entropy()),
                (got.tsallis_entropy(), want.tsallis_entropy()),
                (got.kl_divergence(&other), want.kl_divergence(&other_full)),
            ] {
                assert_eq!(got.dtype(), dtype);
                let (got, want) = (values(got)[0], values(want)[0]);
                assert!((got - want).abs() <= bound * want, "{got}, expected {want}");
            }
        }
    }
}

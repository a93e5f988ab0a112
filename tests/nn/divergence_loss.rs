use crate::support::{close, device, devices, pseudo_random, values};
use burn::nn::loss::KLDivLossConfig;
use burn::tensor::{Tensor, TensorData};
use burn_tsallis::math::Tsallis;
use burn_tsallis::nn::loss::{Reduction, TsallisDivergenceLossConfig};

fn distributions(seed: f64) -> Vec<f64> {
    let mut t: Vec<f64> = pseudo_random(12, 2.0)
        .iter()
        .map(|x| (x * seed).exp())
        .collect();
    for row in t.chunks_mut(4) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|t| *t /= sum);
    }
    t
}

#[test]
fn the_definition_and_its_duality() {
    for device in devices() {
        let device = device.autodiff();
        let (p, t) = (distributions(0.7), distributions(-0.4));
        let tensor = |of: &[f64]| {
            Tensor::<2>::from_data(
                TensorData::new(of.to_vec(), [3, 4]).convert::<f32>(),
                &device,
            )
        };
        for alpha in [-1.0, 0.0, 0.4, 1.0, 1.5, 2.0] {
            let f = Tsallis::new(alpha);
            let want: Vec<f64> = p
                .chunks(4)
                .zip(t.chunks(4))
                .map(|(p, t)| p.iter().zip(t).map(|(p, t)| p * f.value(t / p)).sum())
                .collect();
            let loss = TsallisDivergenceLossConfig::new(alpha).init();
            close(
                &values(loss.forward_no_reduction(tensor(&p), tensor(&t))),
                &want,
                2e-6,
            );
            let dual = TsallisDivergenceLossConfig::new(1.0 - alpha).init();
            close(
                &values(dual.forward_no_reduction(tensor(&t), tensor(&p))),
                &want,
                2e-6,
            );

            let tracked = tensor(&p).require_grad();
            let gradients = loss
                .forward(tracked.clone(), tensor(&t), Reduction::Sum)
                .backward();
            let got = values(tracked.grad(&gradients).expect("tracked"));
            let slopes: Vec<f64> = p
                .iter()
                .zip(&t)
                .map(|(p, t)| f.value(t / p) - t / p * f.derivative(t / p))
                .collect();
            close(&got, &slopes, 2e-5);
        }
        // Burn's loss at alpha = 1.
        let burns = KLDivLossConfig::new().init();
        let loss = TsallisDivergenceLossConfig::new(1.0).init();
        for reduction in [
            Reduction::Mean,
            Reduction::Sum,
            Reduction::BatchMean,
            Reduction::Auto,
        ] {
            let want = values(burns.forward(tensor(&p).log(), tensor(&t), reduction.clone()))[0];
            // Burn's mean is over the entries, not the rows.
            let want = if matches!(reduction, Reduction::Mean) {
                4.0 * want
            } else {
                want
            };
            let got = values(loss.forward(tensor(&p), tensor(&t), reduction));
            close(&got, &[want], 2e-6);
        }
    }
}

#[test]
fn sparse_predictions_and_targets() {
    let device = device();
    let p = Tensor::<2>::from_data([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], &device);
    let t = Tensor::<2>::from_data(
        [[0.25, 0.75, 0.0], [0.5, 0.25, 0.25], [0.0, 0.0, 0.0]],
        &device,
    );
    for alpha in [0.5_f64, 1.0, 1.5] {
        let loss = TsallisDivergenceLossConfig::new(alpha).init();
        let got = values(loss.forward_no_reduction(p.clone(), t.clone()));
        let f = Tsallis::new(alpha);
        let first = 0.5 * (f.value(0.5) + f.value(1.5));
        let second = if alpha < 1.0 {
            f.value(0.5) + 0.5 / (1.0 - alpha)
        } else {
            f64::INFINITY
        };
        close(&got, &[first, second, 0.0], 2e-6);
    }
}

#[test]
fn gradients_in_the_targets_where_nothing_was_predicted() {
    for device in devices() {
        let device = device.autodiff();
        let (p, t) = ([1.0, 0.5, 0.5, 0.0], [0.5, 0.25, 0.75, 0.0]);
        for (alpha, missed) in [(0.5, 2.0), (1.0, 0.0), (1.5, 0.0)] {
            let f = Tsallis::new(alpha);
            let loss = TsallisDivergenceLossConfig::new(alpha).init();
            let predictions = Tensor::<2>::from_data([p, [1.0, 0.0, 0.5, 0.0]], &device);
            let targets = Tensor::<2>::from_data([t, t], &device).require_grad();
            let gradients = loss
                .forward(predictions, targets.clone(), Reduction::Sum)
                .backward();
            let got = values(targets.grad(&gradients).expect("tracked"));
            let of = |p: f64, t: f64| {
                if p == 0.0 {
                    missed
                } else {
                    f.derivative(t / p)
                }
            };
            let mut want: Vec<f64> = p.iter().zip(t).map(|(&p, t)| of(p, t)).collect();
            want.extend([want[0], missed, want[2], missed]);
            close(&got, &want, 2e-6);
        }
    }
}

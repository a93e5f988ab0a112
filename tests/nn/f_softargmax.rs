use crate::support::{close, device, devices, pseudo_random, tensor, values};
use burn::tensor::{Bool, DType, Tensor, TensorData};
use burn_tsallis::math::{
    EmptyRow, FSoftargmax, Hellinger, JensenShannon, KullbackLeibler, LeCam, NeymanChiSquared,
    PearsonChiSquared, ReverseKullbackLeibler,
};
use burn_tsallis::{FDivergence, FSoftargmaxOptions, Reference, f_softargmax};

const ALL: [FDivergence; 7] = [
    FDivergence::KullbackLeibler,
    FDivergence::ReverseKullbackLeibler,
    FDivergence::Hellinger,
    FDivergence::JensenShannon,
    FDivergence::LeCam,
    FDivergence::PearsonChiSquared,
    FDivergence::NeymanChiSquared,
];

fn oracle(divergence: FDivergence, x: &[f64], q: &[f64]) -> FSoftargmax {
    match divergence {
        FDivergence::KullbackLeibler => FSoftargmax::new(&KullbackLeibler, x, q),
        FDivergence::ReverseKullbackLeibler => FSoftargmax::new(&ReverseKullbackLeibler, x, q),
        FDivergence::Hellinger => FSoftargmax::new(&Hellinger, x, q),
        FDivergence::JensenShannon => FSoftargmax::new(&JensenShannon, x, q),
        FDivergence::LeCam => FSoftargmax::new(&LeCam, x, q),
        FDivergence::PearsonChiSquared => FSoftargmax::new(&PearsonChiSquared, x, q),
        FDivergence::NeymanChiSquared => FSoftargmax::new(&NeymanChiSquared, x, q),
    }
    .expect("the row is valid")
}

#[test]
fn published_values() {
    let device = device();
    let x = Tensor::<1>::from_data([0.3, -1.2, 2.0, 0.7], &device);
    let p = |divergence| {
        let options = FSoftargmaxOptions::new(divergence)
            .with_reference(Reference::Values(vec![0.1, 0.4, 0.2, 0.3]));
        values(f_softargmax(x.clone(), options, -1))
    };
    let hellinger = [0.0209730158, 0.0294794411, 0.8552424898, 0.0943050534];
    close(&p(FDivergence::Hellinger), &hellinger, 1e-6);
    let js = [0.0175016687, 0.0137509501, 0.8830417912, 0.0857055901];
    close(&p(FDivergence::JensenShannon), &js, 1e-6);
    let le_cam = [0.0456318364, 0.0347553512, 0.7274166091, 0.1921962034];
    close(&p(FDivergence::LeCam), &le_cam, 1e-6);
}

#[test]
fn every_divergence_is_its_scalar_layer() {
    for device in devices() {
        for divergence in ALL {
            for (columns, scale) in [
                (1, 1.0),
                (2, 3.0),
                (7, 0.01),
                (40, 5.0),
                (1000, 2.0),
                (30, 1e4),
            ] {
                let x = pseudo_random(2 * columns, scale);
                let q: Vec<f64> = pseudo_random(columns, 2.0)
                    .iter()
                    .map(|n| n.exp())
                    .collect();
                for (reference, q) in [
                    (Reference::Uniform, vec![1.0 / columns as f64; columns]),
                    (Reference::Ones, vec![1.0; columns]),
                    (Reference::Values(q.clone()), q),
                ] {
                    // The error of the scalar layer's own root is relative to the logits.
                    let exact = 1e-10 * scale.max(1.0);
                    for (dtype, bound) in [(DType::F64, exact), (DType::F32, 4e-6)] {
                        let data = TensorData::new(x.clone(), [2, columns]).convert_dtype(dtype);
                        let x: Vec<f64> = data.iter::<f64>().collect();
                        let want: Vec<f64> = x
                            .chunks(columns)
                            .flat_map(|x| oracle(divergence, x, &q).probabilities().to_vec())
                            .collect();
                        let x = Tensor::<2>::from_data(data, (&device, dtype));
                        let options =
                            FSoftargmaxOptions::new(divergence).with_reference(reference.clone());
                        let got = values(f_softargmax(x, options, -1));
                        for (got, want) in got.iter().zip(&want) {
                            assert!(
                                (got - want).abs() <= bound,
                                "{divergence:?}, {columns} columns, scale {scale}, {dtype:?}: {got}, expected {want}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn gradients_in_the_logits_and_the_reference() {
    for device in devices() {
        let device = device.autodiff();
        for divergence in ALL {
            let (x, c) = (pseudo_random(5, 2.0), pseudo_random(6, 1.0));
            let q = vec![0.3, 0.2, 0.4, 0.15, 0.6];
            let tensor = |of: &[f64]| {
                let data = TensorData::new(of.to_vec(), [of.len()]);
                Tensor::<1>::from_data(data, (&device, DType::F64))
            };
            let (tx, tq) = (tensor(&x).require_grad(), tensor(&q).require_grad());
            let options =
                FSoftargmaxOptions::new(divergence).with_reference(Reference::Vector(tq.clone()));
            let gradients = (f_softargmax(tx.clone(), options, -1) * tensor(&c[..5]))
                .sum()
                .backward();
            let jacobian = oracle(divergence, &x, &q).jacobian();
            let want: Vec<f64> = (0..5)
                .map(|j| (0..5).map(|i| c[i] * jacobian[i][j]).sum())
                .collect();
            close(&values(tx.grad(&gradients).expect("tracked")), &want, 1e-9);

            let of_reference: Vec<f64> = (0..5)
                .map(|j| {
                    let at = |by: f64| {
                        let mut q = q.clone();
                        q[j] += by;
                        let p = oracle(divergence, &x, &q).probabilities().to_vec();
                        p.iter().zip(&c).map(|(p, c)| p * c).sum::<f64>()
                    };
                    (at(1e-6) - at(-1e-6)) / 2e-6
                })
                .collect();
            close(
                &values(tq.grad(&gradients).expect("tracked")),
                &of_reference,
                1e-7,
            );
        }
    }
}

#[test]
fn masks_temperature_axes_and_invalid_rows() {
    for device in devices() {
        for divergence in [FDivergence::JensenShannon, FDivergence::LeCam] {
            let device = device.clone().autodiff();
            let x = tensor([4, 3], 2.0, &device);
            let allowed = Tensor::<2, Bool>::from_data(
                [
                    [true, true, false],
                    [true, true, true],
                    [true, false, false],
                    [true, false, true],
                ],
                &device,
            );
            let options = FSoftargmaxOptions::new(divergence)
                .with_allowed(allowed)
                .with_temperature(0.5)
                .with_empty_row(EmptyRow::Zero);
            let tracked = x.clone().require_grad();
            let p = f_softargmax(tracked.clone(), options, 0);
            let got = values(p.clone());
            let column = |j: usize| -> Vec<f64> { (0..4).map(|i| got[3 * i + j]).collect() };
            let xs = values(x);
            let at = |rows: &[usize], j: usize| -> Vec<f64> {
                let x: Vec<f64> = rows.iter().map(|i| 2.0 * xs[3 * i + j]).collect();
                let q = vec![1.0 / rows.len() as f64; rows.len()];
                oracle(divergence, &x, &q).probabilities().to_vec()
            };
            close(&column(0), &at(&[0, 1, 2, 3], 0), 2e-6);
            let two = at(&[0, 1], 1);
            close(&column(1), &[two[0], two[1], 0.0, 0.0], 2e-6);
            let gradient = values(
                tracked
                    .grad(&(p.clone() * p).sum().backward())
                    .expect("tracked"),
            );
            assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
            assert_eq!([gradient[2], gradient[7], gradient[10]], [0.0; 3]);

            let (nan, inf) = (f32::NAN, f32::INFINITY);
            let bad = Tensor::<2>::from_data(
                [
                    [nan, 0.0],
                    [inf, 0.0],
                    [-inf, 0.0],
                    [-inf, -inf],
                    [0.5, 0.5],
                ],
                &device,
            );
            let p = values(f_softargmax(bad.clone(), divergence, -1));
            assert!(
                p[0].is_nan() && p[1].is_nan() && p[2].is_nan() && p[3].is_nan(),
                "{p:?}"
            );
            assert_eq!(p[4..6], [0.0, 1.0]);
            assert!(p[6].is_nan() && p[7].is_nan());
            close(&p[8..], &[0.5, 0.5], 1e-7);
            let zero = FSoftargmaxOptions::new(divergence).with_empty_row(EmptyRow::Zero);
            assert_eq!(values(f_softargmax(bad, zero, 1))[6..8], [0.0; 2]);
            let none = Tensor::<2>::zeros([3, 0], &device);
            assert_eq!(f_softargmax(none, divergence, -1).dims(), [3, 0]);
        }
    }
}

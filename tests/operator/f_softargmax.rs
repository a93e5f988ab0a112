//! Tests of invalid rows, for the divergences outside the Tsallis family.

use crate::devices;
use crate::invariants::matrix;
use burn::tensor::Tensor;
use burn_tsallis::math::{FSoftargmax, JensenShannon, LeCam};
use burn_tsallis::{EmptyRow, FDivergence, FSoftargmaxOptions, Reference, f_softargmax};

const DIVERGENCES: [FDivergence; 2] = [FDivergence::JensenShannon, FDivergence::LeCam];

fn values(of: Tensor<2>) -> Vec<f32> {
    of.into_data().iter::<f32>().collect()
}

const GOOD: ([f32; 3], [f32; 3]) = ([0.0, 1.0, 2.0], [0.2, 0.5, 0.6]);

/// Returns the probabilities of the valid row from the scalar layer.
fn want(divergence: FDivergence) -> Vec<f64> {
    let (x, q) = (GOOD.0.map(f64::from), GOOD.1.map(f64::from));
    let solution = match divergence {
        FDivergence::LeCam => FSoftargmax::new(&LeCam, &x, &q),
        _ => FSoftargmax::new(&JensenShannon, &x, &q),
    };
    solution.expect("the row is valid").probabilities().to_vec()
}

/// An invalid number makes its row and the gradient of its row `NaN`. Other rows are unaffected.
#[test]
fn an_invalid_number_affects_only_its_row() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let bad = [
        ([0.0, 1.0, 2.0], [-0.1, 0.5, 0.6]),
        ([0.0, 1.0, 2.0], [inf, 0.5, 0.5]),
        ([0.0, 1.0, 2.0], [0.5, nan, 0.5]),
        ([0.0, nan, 2.0], [0.2, 0.5, 0.6]),
        ([0.0, 1.0, inf], [0.2, 0.5, 0.6]),
        // In an entry that is not allowed.
        ([nan, 1.0, 2.0], [0.0, 0.5, 0.5]),
        ([-inf, 1.0, 2.0], [-0.5, 0.5, 0.5]),
    ];
    let rows: Vec<_> = bad.into_iter().flat_map(|row| [row, GOOD]).collect();
    let x: Vec<f32> = rows.iter().flat_map(|(x, _)| *x).collect();
    let q: Vec<f32> = rows.iter().flat_map(|(_, q)| *q).collect();
    for test in devices::all() {
        let device = test.device.clone().autodiff();
        for divergence in DIVERGENCES {
            let outputs: &[_] = if test.compiles() {
                &[EmptyRow::NaN]
            } else {
                &[EmptyRow::NaN, EmptyRow::Zero]
            };
            for &empty_row in outputs {
                let options = |q: &[f32]| {
                    FSoftargmaxOptions::new(divergence)
                        .with_reference(Reference::Tensor(matrix(q, 3, &device)))
                        .with_empty_row(empty_row)
                };
                let tracked = matrix(&x, 3, &device).require_grad();
                let p = f_softargmax(tracked.clone(), options(&q), 1);
                let alone = f_softargmax(matrix(&GOOD.0, 3, &device), options(&GOOD.1), 1);
                let alone = values(alone);
                for (p, want) in alone.iter().zip(want(divergence)) {
                    let near = (f64::from(*p) - want).abs() < 1e-6;
                    assert!(near, "{} {divergence:?}: {alone:?}", test.name);
                }
                let gradients = p.clone().powi_scalar(2).sum().backward();
                let gradient = values(tracked.grad(&gradients).expect("tracked"));
                let p = values(p);
                for (i, (p, g)) in p.chunks_exact(3).zip(gradient.chunks_exact(3)).enumerate() {
                    let what = format!("{} {divergence:?} row {i}: {p:?} {g:?}", test.name);
                    if i % 2 == 0 {
                        assert!(p.iter().all(|p| p.is_nan()), "{what}");
                        assert!(g.iter().any(|g| g.is_nan()), "{what}");
                    } else {
                        assert_eq!(p, alone, "{what}");
                        assert!(g.iter().all(|g| g.is_finite()), "{what}");
                    }
                }
            }
        }
    }
}

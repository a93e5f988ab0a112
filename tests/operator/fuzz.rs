//! Tests of random shapes, alphas and logits on every device against the scalar layer in f64.

use crate::devices;
use burn::tensor::{Tensor, TensorData};
use burn_tsallis::math::{Row, RowReference, Solver};
use burn_tsallis::{
    Reference, TsallisOptions, tsallis_divergence, tsallis_softargmax, tsallis_value,
};

/// A linear congruential generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 40) as f64 / f64::from(1_u32 << 24)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

#[test]
fn against_the_scalar_layer() {
    for test in devices::all() {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        for round in 0..60 {
            // Every row layout, with rows that fill the tile of a workgroup and rows that do not.
            let columns = if test.compiles() {
                let longest = [8, 32][round / 4 % 2];
                [1 + random.below(longest), 40, 257, 1000][round % 4]
            } else {
                1 + random.below([8, 33, 300, 2500][round % 4])
            };
            let rows = 1 + random.below(if columns < 40 { 150 } else { 4 });
            let alpha = match round % 3 {
                0 => [0.0, 0.5, 2.0 / 3.0, 0.75, 1.0, 1.5, 2.0][random.below(7)],
                1 => 5.0 * random.next() - 2.0,
                _ => 1.0 + 1e-3 * (random.next() - 0.5),
            };
            let scale = [0.01, 1.0, 10.0, 100.0][random.below(4)];
            let x: Vec<f32> = (0..rows * columns)
                .map(|_| {
                    if random.next() < 0.05 {
                        f32::NEG_INFINITY
                    } else {
                        (scale * (random.next() - 0.5)) as f32
                    }
                })
                .collect();
            let q: Vec<f32> = (0..columns)
                .map(|_| (0.05 + random.next()) as f32)
                .collect();
            let ones = round % 2 == 0;
            let reference = || {
                if ones {
                    Reference::Ones
                } else {
                    Reference::Vector(Tensor::from_floats(q.as_slice(), &test.device))
                }
            };
            let tensor = || {
                let data = TensorData::new(x.clone(), [rows, columns]);
                Tensor::<2>::from_data(data, &test.device)
            };
            let options = || TsallisOptions::new(alpha).with_reference(reference());
            let to_vec = |t: Tensor<2>| -> Vec<f64> { t.into_data().iter().collect() };
            let p = to_vec(tsallis_softargmax(tensor(), options(), 1));
            let v = to_vec(tsallis_value(tensor(), options(), 1));
            let d = to_vec(tsallis_divergence(tensor(), options(), 1));
            let q64: Vec<f64> = q.iter().map(|&q| q.into()).collect();
            for (i, (x, p)) in x
                .chunks_exact(columns)
                .zip(p.chunks_exact(columns))
                .enumerate()
            {
                let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
                let reference = if ones {
                    RowReference::Ones
                } else {
                    RowReference::Values(q64.as_slice())
                };
                let row = Row::new(&x, reference, alpha);
                let state = row.solve(Solver::Bisection);
                let mut want = vec![0.0; columns];
                row.softargmax(&state, &mut want);
                let what = format!("{} {rows}x{columns} alpha {alpha} scale {scale}", test.name);
                for (&got, &want) in p.iter().zip(&want) {
                    let bound = if alpha > 1.0 {
                        1e-6
                    } else {
                        2e-6 * want.max(1e-37).ln().abs().max(1.0) * want + 1e-37
                    };
                    let same = (got - want).abs() <= bound || (got.is_nan() && want.is_nan());
                    assert!(same, "{what}: p {got:e} instead of {want:e}");
                }
                for (name, got, want) in [
                    ("V", v[i], row.value(&state)),
                    ("D", d[i], row.divergence(&state)),
                ] {
                    let same = (got - want).abs() <= 4e-6 * want.abs().max(1.0)
                        || (got.is_nan() && want.is_nan());
                    assert!(same, "{what}: {name} {got:e} instead of {want:e}");
                }
            }
        }
    }
}

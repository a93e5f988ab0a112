//! Tests of ranks, axes, strides and sizes on every device. Each row is compared with the scalar layer on the host.

use crate::devices;
use crate::invariants::pseudo_random;
use burn::tensor::{DType, Tensor, TensorData};
use burn_tsallis::math::{Row, RowReference, Solver};
use burn_tsallis::tsallis_softargmax;

const ALPHA: f64 = 0.5;

/// Returns the probabilities of the rows of a contiguous tensor along its last dimension, from the scalar layer.
fn want(x: &[f32], columns: usize) -> Vec<f32> {
    let mut p = vec![0.0; x.len()];
    for (x, p) in x.chunks_exact(columns).zip(p.chunks_exact_mut(columns)) {
        let row = Row::new(x, RowReference::Uniform, ALPHA);
        row.softargmax(&row.solve(Solver::Newton), p);
    }
    p
}

fn check<const D: usize>(x: Tensor<D>, dim: usize, what: &str) {
    let columns = x.dims()[dim];
    let rows: Vec<f32> = x.clone().swap_dims(dim, D - 1).into_data().iter().collect();
    let p = tsallis_softargmax(x.clone(), ALPHA, dim as isize);
    assert_eq!(p.dims(), x.dims(), "{what}");
    let got: Vec<f32> = p.swap_dims(dim, D - 1).into_data().iter().collect();
    for (i, (got, want)) in got.iter().zip(want(&rows, columns)).enumerate() {
        assert!(
            (got - want).abs() <= 4e-6 * want.max(1e-3),
            "{what} [{i}]: {got} {want}"
        );
    }
}

#[test]
fn every_axis_of_every_rank() {
    for test in devices::all() {
        let data = |shape: &[usize]| {
            TensorData::new(pseudo_random(shape.iter().product(), 3.0), shape.to_vec())
        };
        let device = &test.device;
        check(Tensor::<1>::from_data(data(&[9]), device), 0, test.name);
        for dim in 0..2 {
            check(
                Tensor::<2>::from_data(data(&[3, 4]), device),
                dim,
                test.name,
            );
        }
        for dim in 0..3 {
            check(
                Tensor::<3>::from_data(data(&[3, 4, 5]), device),
                dim,
                test.name,
            );
        }
        for dim in 0..6 {
            let x = Tensor::<6>::from_data(data(&[2, 3, 1, 4, 2, 3]), device);
            check(x, dim, test.name);
        }
        let x = Tensor::<2>::from_data(data(&[3, 4]), device);
        let last = tsallis_softargmax(x.clone(), ALPHA, -1).into_data();
        last.assert_eq(&tsallis_softargmax(x, ALPHA, 1).into_data(), true);
    }
}

#[test]
fn every_length_of_a_row() {
    for test in devices::all() {
        for columns in [1, 2, 18, 31, 33, 123, 255, 256, 257, 1000, 4097] {
            let data = TensorData::new(pseudo_random(3 * columns, 5.0), [3, columns]);
            let what = format!("{} {columns} columns", test.name);
            check(Tensor::<2>::from_data(data, &test.device), 1, &what);
        }
        let data = TensorData::new(pseudo_random(131_072, 5.0), [1, 131_072]);
        check(Tensor::<2>::from_data(data, &test.device), 1, test.name);
    }
}

#[test]
fn more_rows_than_one_dimension_of_a_dispatch_holds() {
    for test in devices::all() {
        let data = TensorData::new(pseudo_random(70_001 * 3, 5.0), [70_001, 3]);
        check(Tensor::<2>::from_data(data, &test.device), 1, test.name);
    }
}

#[test]
fn zero_rows_and_zero_columns() {
    for test in devices::all() {
        for shape in [[0, 7], [7, 0], [0, 0]] {
            let device = test.device.clone().autodiff();
            let x = Tensor::<2>::zeros(shape, &device).require_grad();
            let p = tsallis_softargmax(x.clone(), ALPHA, 1);
            assert_eq!(p.dims(), shape, "{}", test.name);
            assert_eq!(p.into_data().num_elements(), 0);
        }
        test.device.sync().expect("no launch failed");
    }
}

#[test]
fn every_stride() {
    for test in devices::all() {
        let x = Tensor::<2>::from_data(
            TensorData::new(pseudo_random(24 * 10, 5.0), [24, 10]),
            &test.device,
        );
        for dim in 0..2 {
            check(x.clone().transpose(), dim, test.name);
            check(x.clone().slice([3..20, 2..9]), dim, test.name);
            check(
                x.clone()
                    .slice([burn::tensor::s![3..20;2], burn::tensor::s![1..9;3]]),
                dim,
                test.name,
            );
            check(x.clone().flip([0, 1]), dim, test.name);
            check(
                x.clone().slice([0..1, 0..10]).expand([6, 10]),
                dim,
                test.name,
            );
            check(
                x.clone().slice([0..24, 0..1]).expand([24, 5]),
                dim,
                test.name,
            );
            // After operations that fusion would combine.
            check((x.clone() + 1.0) * 2.0, dim, test.name);
        }
    }
}

#[test]
fn half_precision_is_one_rounding_from_f32() {
    for test in devices::all() {
        for (dtype, epsilon) in [(DType::F16, 1e-3), (DType::BF16, 8e-3)] {
            if !test.device.supports_dtype(dtype) {
                continue;
            }
            let device = test.device.clone().autodiff();
            let data = TensorData::new(pseudo_random(5 * 40, 4.0), [5, 40]);
            let x = Tensor::<2>::from_data(data, (&device, dtype)).require_grad();
            let exact: Vec<f32> = x.clone().into_data().iter().collect();
            let p = tsallis_softargmax(x.clone(), ALPHA, 1);
            assert_eq!(p.dtype(), dtype);
            let got: Vec<f32> = p.clone().into_data().iter().collect();
            for (got, want) in got.iter().zip(want(&exact, 40)) {
                assert!(
                    (got - want).abs() <= epsilon * want,
                    "{} {dtype:?}: {got} {want}",
                    test.name
                );
            }
            let gradients = p.square().sum().backward();
            let gradient = x.grad(&gradients).expect("tracked");
            assert_eq!(gradient.dtype(), dtype);
            assert!(gradient.into_data().iter::<f32>().all(f32::is_finite));
        }
    }
}

#[test]
fn two_threads_at_once() {
    for test in devices::all() {
        let threads: Vec<_> = (0..2)
            .map(|i| {
                let (device, name) = (test.device.clone(), test.name);
                std::thread::spawn(move || {
                    for columns in [5, 64, 300] {
                        let data = TensorData::new(
                            pseudo_random(40 * columns, 3.0 + i as f32),
                            [40, columns],
                        );
                        check(Tensor::<2>::from_data(data, &device), 1, name);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("the thread's checks hold");
        }
    }
}

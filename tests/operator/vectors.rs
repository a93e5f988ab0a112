//! The files of reference values, on every device, forward and through autodiff.

use crate::devices::{self, TestDevice};
use crate::reference::{self, Bounds, F32, F64, GivenReference};
use crate::scalar::measure;
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_tsallis::math::{Row, Solver};
use burn_tsallis::{Reference, TsallisOptions, tsallis_log_softargmax, tsallis_softargmax};

fn tensor(values: &[f64], device: &Device, dtype: DType) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (device, dtype))
}

fn numbers(tensor: Tensor<1>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Forward and backward of every vector on one device, with the worst case of each quantity checked
/// against its bound.
fn check(test: &TestDevice, dtype: DType, bounds: &Bounds, solver: Solver) {
    let device = test.device.clone().autodiff();
    for vector in reference::read() {
        let exact = &vector.exact;
        let x = tensor(&exact.logits, &device, dtype).require_grad();
        let q = match &vector.reference {
            GivenReference::Vector(q) => Some(tensor(q, &device, dtype).require_grad()),
            _ => None,
        };
        let options = TsallisOptions::new(exact.alpha)
            .with_solver(solver)
            .with_reference(match (&vector.reference, &q) {
                (_, Some(q)) => Reference::Vector(q.clone()),
                (GivenReference::Ones, None) => Reference::Ones,
                _ => Reference::Uniform,
            });
        let cotangent = tensor(&vector.cotangent, &device, dtype);

        let p = tsallis_softargmax(x.clone(), options.clone(), 0);
        assert_eq!(p.dtype(), dtype);
        exact.check_p(&numbers(p.clone()), bounds);
        let gradients = (p * cotangent.clone()).sum().backward();
        let gradient = numbers(x.grad(&gradients).expect("the logits are tracked"));
        exact.check_gradient(
            "dp/dx",
            &gradient,
            &vector.grad_logits,
            &vector.cotangent,
            bounds,
        );
        if let Some(q) = &q {
            let gradient = numbers(q.grad(&gradients).expect("the reference is tracked"));
            exact.check_gradient(
                "dp/dq",
                &gradient,
                &vector.grad_reference,
                &vector.cotangent,
                bounds,
            );
        }

        let log_p = tsallis_log_softargmax(x.clone(), options, 0);
        exact.check_log_p(&numbers(log_p.clone()), bounds);
        // Only where every probability is positive is <c, ln p> a number.
        if exact.p.iter().all(|&p| p > 0.0) {
            let gradients = (log_p * cotangent).sum().backward();
            let gradient = numbers(x.grad(&gradients).expect("the logits are tracked"));
            let row = Row::new(&exact.logits, measure(&vector.reference), exact.alpha);
            let state = row.solve(Solver::Bisection);
            let mut want = vec![0.0; exact.logits.len()];
            row.log_softargmax_backward(&state, &vector.cotangent, &mut want);
            exact.check_gradient("dlnp/dx", &gradient, &want, &vector.cotangent, bounds);
        }
    }
    test.device.sync().expect("no launch failed");
}

#[test]
fn f32_newton() {
    for test in devices::all() {
        check(&test, DType::F32, &F32, Solver::Newton);
    }
}

#[test]
fn f32_bisection() {
    for test in devices::all() {
        check(&test, DType::F32, &F32, Solver::Bisection);
    }
}

#[test]
fn f64_newton() {
    for test in devices::all().iter().filter(|test| test.f64) {
        check(test, DType::F64, &F64, Solver::Newton);
    }
}

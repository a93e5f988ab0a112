//! The files of reference values, on every device, forward and through autodiff.

use crate::bounds::{Bounds, Exact, F32, F64};
use crate::devices::{self, TestDevice};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_tsallis::math::{Measure, Row, Solver};
use burn_tsallis::{Reference, TsallisOptions, tsallis_log_softargmax, tsallis_softargmax};
use serde_json::Value;

/// One line of the file.
pub struct Vector {
    pub exact: Exact,
    pub reference: GivenReference,
    pub cotangent: Vec<f64>,
    pub mu: f64,
    pub value: f64,
    pub divergence: f64,
    pub grad_logits: Vec<f64>,
    pub grad_alpha: f64,
    /// Zero where the entry is not allowed.
    pub grad_reference: Vec<f64>,
}

pub enum GivenReference {
    Uniform,
    Ones,
    Vector(Vec<f64>),
}

impl GivenReference {
    pub fn measure(&self) -> Measure<'_, f64> {
        match self {
            Self::Uniform => Measure::Uniform,
            Self::Ones => Measure::Ones,
            Self::Vector(q) => Measure::Given(q),
        }
    }
}

pub fn read() -> Vec<Vector> {
    include_str!("../vectors/tsallis_softargmax.jsonl")
        .lines()
        .map(|line| parse(&serde_json::from_str(line).expect("a line is a JSON object")))
        .collect()
}

fn parse(line: &Value) -> Vector {
    let number = |name: &str| line[name].as_f64().expect("a number");
    let numbers = |name: &str, null: f64| -> Vec<f64> {
        let list = line[name].as_array().expect("a list");
        list.iter().map(|v| v.as_f64().unwrap_or(null)).collect()
    };
    let logits = numbers("logits", f64::NEG_INFINITY);
    let allowed = logits.iter().filter(|x| x.is_finite()).count();
    let reference = match line["reference"].as_str() {
        Some("uniform") => GivenReference::Uniform,
        Some("ones") => GivenReference::Ones,
        _ => GivenReference::Vector(numbers("reference", f64::NAN)),
    };
    let q = match &reference {
        GivenReference::Uniform => vec![1.0 / allowed as f64; logits.len()],
        GivenReference::Ones => vec![1.0; logits.len()],
        GivenReference::Vector(q) => q.clone(),
    };
    Vector {
        exact: Exact {
            what: format!("vector {} (alpha {})", line["id"], line["alpha"]),
            alpha: number("alpha"),
            logits,
            q,
            p: numbers("p", f64::NAN),
            log_p: numbers("log_p", f64::NEG_INFINITY),
        },
        reference,
        cotangent: numbers("cotangent", f64::NAN),
        mu: number("mu"),
        value: number("value"),
        divergence: number("divergence"),
        grad_logits: numbers("grad_logits", 0.0),
        grad_alpha: number("grad_alpha"),
        grad_reference: numbers("grad_reference", 0.0),
    }
}

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
    for vector in read() {
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
            let row = Row::new(&exact.logits, vector.reference.measure(), exact.alpha);
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

//! Random calls on every device against the scalar layer in `f64`: shapes, strides, masks, dtypes, references,
//! temperatures, alphas and outputs are drawn together, and every output and gradient must be within the bounds of
//! `src/conformance/bounds.rs`.
//!
//! `TSALLIS_FUZZ_ROWS` sets the number of rows and `TSALLIS_FUZZ_SEED` the seed of the first call. Call `n` has the seed
//! of the first call plus `n`, so one call is repeated with its own seed and one row.

mod call;
mod expected;
mod field;
mod random;

use crate::devices::{self, TestDevice};
use burn::tensor::{Bool, DType, Device, Tensor, TensorData};
use burn_tsallis::math::Output;
use burn_tsallis::{
    Alpha, Reference, TsallisOptions, tsallis_divergence, tsallis_log_softargmax,
    tsallis_softargmax, tsallis_softargmax_vjp, tsallis_value,
};
use call::{Call, Cotangent, DrawnAlpha, DrawnReference, Range};
use expected::{Expected, first_error};
use field::Field;
use random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The number of rows of a short test.
const ROWS: usize = 30_000;

/// The number of calls on a device that compiles a kernel for each layout.
const CALLS_THAT_COMPILE: u64 = 60;

/// The number of wrong calls after which the test ends.
const MOST_ERRORS: usize = 20;

/// Returns the number in an environment variable, or the default if it is not set.
fn variable(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}: it must be a whole number")),
        Err(_) => default,
    }
}

#[test]
fn random_calls_agree_with_the_scalar_layer() {
    let (cpus, others): (Vec<_>, Vec<_>) = devices::all()
        .into_iter()
        .partition(|test| !test.compiles());
    let seed = variable("TSALLIS_FUZZ_SEED", 1);
    let count = variable("TSALLIS_FUZZ_ROWS", ROWS as u64) as usize;
    let mut errors = 0;
    let (mut rows, mut calls) = (0, 0);
    while rows < count && !cpus.is_empty() && errors < MOST_ERRORS {
        let call_seed = seed.wrapping_add(calls);
        let call = Call::draw(call_seed, Range::Every);
        errors += check(&call, call_seed, &cpus);
        rows += call.rows().max(1);
        calls += 1;
        if calls.is_multiple_of(10_000) {
            eprintln!("{rows} rows in {calls} calls, {errors} wrong calls");
        }
    }
    eprintln!("{rows} rows in {calls} calls from seed {seed}, {errors} wrong calls");
    for n in 0..CALLS_THAT_COMPILE {
        let call = Call::draw(n, Range::FewKernels);
        errors += check(&call, n, &others);
    }
    assert_eq!(errors, 0, "wrong calls");
}

/// Runs a call on devices and returns the number of those on which it panics or is wrong.
fn check(call: &Call, seed: u64, devices: &[TestDevice]) -> usize {
    if devices.is_empty() {
        return 0;
    }
    let expected = Expected::of(call);
    let wrong = devices.iter().filter(|test| {
        if !test.device.supports_dtype(call.dtype) {
            return false;
        }
        let run = || match call.shape.len() {
            1 => Got::new::<1>(call, seed, test),
            2 => Got::new::<2>(call, seed, test),
            3 => Got::new::<3>(call, seed, test),
            4 => Got::new::<4>(call, seed, test),
            _ => Got::new::<5>(call, seed, test),
        };
        let Ok(got) = catch_unwind(AssertUnwindSafe(run)) else {
            eprintln!("{}, seed {seed}: panics\n{}", test.name, described(call));
            return true;
        };
        let results = [
            ("output", got.output, Some(&expected.output)),
            ("gradient in the logits", got.logits, Some(&expected.logits)),
            ("gradient in alpha", got.alpha, expected.alpha.as_ref()),
            (
                "gradient in the reference",
                got.reference,
                expected.reference.as_ref(),
            ),
        ];
        let error = results
            .into_iter()
            .find_map(|(what, got, want)| first_error(call, what, &got?, want?));
        if let Some(error) = &error {
            eprintln!("{}, seed {seed}: {error}\n{}", test.name, described(call));
        }
        error.is_some()
    });
    wrong.count()
}

/// Describes a call, with its numbers if there are few.
fn described(call: &Call) -> String {
    if call.logits.values.len() <= 64 {
        return format!("{call:?}");
    }
    let alpha = match &call.alpha {
        DrawnAlpha::Number(alpha) => format!("{alpha}"),
        DrawnAlpha::Tensor(alphas) => format!("tensor {:?}", alphas.shape),
    };
    let reference = match &call.reference {
        DrawnReference::Tensor(q) => format!("tensor {:?}", q.shape),
        other => format!("{other:?}").chars().take(60).collect(),
    };
    format!(
        "{:?} of {:?} along {}, {:?}, alpha {alpha}, reference {reference}, temperature {}, mask {}, {:?}, {:?}",
        call.output,
        call.shape,
        call.dim,
        call.dtype,
        call.temperature,
        call.allowed.is_some(),
        call.solver,
        call.cotangent,
    )
}

/// The results of a call on a device. A gradient that was not requested is `None`.
struct Got {
    output: Option<Vec<f64>>,
    logits: Option<Vec<f64>>,
    alpha: Option<Vec<f64>>,
    reference: Option<Vec<f64>>,
}

impl Got {
    fn new<const D: usize>(call: &Call, seed: u64, test: &TestDevice) -> Self {
        // Another sequence than that of the call.
        let mut random = Random::new(!seed);
        let random = &mut random;
        let tracked = !test.compiles() && random.chance(0.8);
        let device = if tracked {
            test.device.clone().autodiff()
        } else {
            test.device.clone()
        };
        let arithmetic = call.arithmetic();
        let shape: [usize; D] = call.shape.clone().try_into().expect("the rank of the call");
        let mut logits = placed::<D>(&call.logits, &device, call.dtype, random, test);
        logits = expanded(logits, shape);
        let mut alpha = match &call.alpha {
            DrawnAlpha::Number(alpha) => Alpha::Number(*alpha),
            DrawnAlpha::Tensor(alphas) => {
                Alpha::Tensor(placed::<D>(alphas, &device, arithmetic, random, test))
            }
        };
        let mut reference = match &call.reference {
            DrawnReference::Uniform => Reference::Uniform,
            DrawnReference::Ones => Reference::Ones,
            DrawnReference::Values(q) => Reference::Values(q.clone()),
            DrawnReference::Vector(q) => {
                let field = Field {
                    shape: vec![q.len()],
                    values: q.clone(),
                };
                let q = placed::<1>(&field, &device, arithmetic, random, test);
                Reference::Vector(q)
            }
            DrawnReference::Tensor(q) => {
                Reference::Tensor(placed::<D>(q, &device, arithmetic, random, test))
            }
        };
        if tracked {
            // Every set of gradients that a backward step may be asked for.
            if random.chance(0.8) {
                logits = logits.require_grad();
            }
            alpha = match alpha {
                Alpha::Tensor(alpha) if random.chance(0.7) => Alpha::Tensor(alpha.require_grad()),
                other => other,
            };
            reference = match reference {
                Reference::Vector(q) if random.chance(0.7) => Reference::Vector(q.require_grad()),
                Reference::Tensor(q) if random.chance(0.7) => Reference::Tensor(q.require_grad()),
                other => other,
            };
        }
        let mut options = TsallisOptions::new(alpha.clone())
            .with_reference(reference.clone())
            .with_temperature(call.temperature)
            .with_empty_row(call.empty_row)
            .with_solver(call.solver);
        if let Some(allowed) = &call.allowed {
            options = options.with_allowed(allowed.place(random, |values, shape| {
                let values: Vec<bool> = values.into_iter().map(|a| a != 0.0).collect();
                Tensor::<D, Bool>::from_data(TensorData::new(values, shape), &device)
            }));
        }
        let cotangent = placed::<D>(&call.cotangents, &device, call.dtype, random, test);
        let x = logits.clone();
        let dim = call.dim as isize;
        if call.cotangent == Cotangent::Vjp && !test.compiles() {
            let gradient = tsallis_softargmax_vjp(x, expanded(cotangent, shape), options, dim);
            return Self {
                output: None,
                logits: Some(numbers(gradient)),
                alpha: None,
                reference: None,
            };
        }
        let y = match call.output {
            Output::Probabilities => tsallis_softargmax(x, options, dim),
            Output::LogProbabilities => tsallis_log_softargmax(x, options, dim),
            Output::Value => tsallis_value(x, options, dim),
            Output::Divergence => tsallis_divergence(x, options, dim),
        };
        let output = Some(numbers(y.clone()));
        // A row without entries has a constant output.
        let is_tracked =
            tracked && shape[call.dim] > 0 && is_any_tracked(&logits, &alpha, &reference);
        if !is_tracked {
            return Self {
                output,
                logits: None,
                alpha: None,
                reference: None,
            };
        }
        let gradients = match call.cotangent {
            Cotangent::Product | Cotangent::Vjp => (y * cotangent).backward(),
            Cotangent::Swapped(i, j) => (y.swap_dims(i, j) * cotangent.swap_dims(i, j)).backward(),
            // `sum_dim` over a size of one panics on some views in burn-flex 0.22.1.
            Cotangent::SumOver(dim) if y.dims()[dim] == 1 => (y * cotangent).backward(),
            Cotangent::SumOver(dim) => (y.sum_dim(dim) * cotangent).backward(),
            Cotangent::Sum => y.sum().backward(),
        };
        Self {
            output,
            logits: logits.grad(&gradients).map(numbers),
            alpha: match alpha {
                Alpha::Tensor(alpha) => alpha.grad(&gradients).map(numbers),
                Alpha::Number(_) => None,
            },
            reference: match reference {
                Reference::Vector(q) => q.grad(&gradients).map(numbers),
                Reference::Tensor(q) => q.grad(&gradients).map(numbers),
                _ => None,
            },
        }
    }
}

fn is_any_tracked<const D: usize>(
    logits: &Tensor<D>,
    alpha: &Alpha<D>,
    reference: &Reference<D>,
) -> bool {
    logits.is_require_grad()
        || matches!(alpha, Alpha::Tensor(alpha) if alpha.is_require_grad())
        || matches!(reference, Reference::Vector(q) if q.is_require_grad())
        || matches!(reference, Reference::Tensor(q) if q.is_require_grad())
}

/// Expands a tensor, also to a shape with a size of zero.
fn expanded<const D: usize>(tensor: Tensor<D>, shape: [usize; D]) -> Tensor<D> {
    if shape.contains(&0) {
        let empty = Tensor::zeros(shape, (&tensor.device(), tensor.dtype()));
        tensor + empty
    } else {
        tensor.expand(shape)
    }
}

fn placed<const D: usize>(
    field: &Field,
    device: &Device,
    dtype: DType,
    random: &mut Random,
    test: &TestDevice,
) -> Tensor<D> {
    let create = |values: Vec<f64>, shape: Vec<usize>| {
        Tensor::from_data(TensorData::new(values, shape), (device, dtype))
    };
    if test.compiles() {
        create(field.values.clone(), field.shape.clone())
    } else {
        field.place(random, create)
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter().collect()
}

//! Tests of gradients in f64 against central differences with the step 1e-5. The error of a difference is 1e-10
//! of the third derivative, and rounding adds 1e-11. The points keep a distance from the edge of the support,
//! where the gradient has a kink.

use crate::devices;
use crate::invariants::pseudo_random;
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_tsallis::{
    Reference, TsallisOptions, tsallis_divergence, tsallis_divergence_from_probabilities,
    tsallis_log_softargmax, tsallis_softargmax, tsallis_value,
};

const ROWS: usize = 2;
const COLUMNS: usize = 4;
const STEP: f64 = 1e-5;

/// The inputs of a function, as numbers on the host.
#[derive(Clone)]
struct Inputs {
    x: Vec<f64>,
    alpha: Vec<f64>,
    q: Vec<f64>,
}

impl Inputs {
    fn part(&mut self, part: usize) -> &mut Vec<f64> {
        match part {
            0 => &mut self.x,
            1 => &mut self.alpha,
            _ => &mut self.q,
        }
    }
}

type Function = fn(Tensor<2>, TsallisOptions<2>, isize) -> Tensor<2>;

fn tensor(values: &[f64], columns: usize, device: &Device) -> Tensor<2> {
    let shape = [values.len() / columns, columns];
    Tensor::from_data(
        TensorData::new(values.to_vec(), shape),
        (device, DType::F64),
    )
}

fn check(name: &str, device: &Device, function: Function, inputs: &Inputs) {
    let device = device.clone().autodiff();
    let loss = |tensors: &[Tensor<2>; 3]| {
        let [x, alpha, q] = tensors.clone();
        let options = TsallisOptions::new(alpha).with_reference(Reference::Tensor(q));
        let y = function(x, options, 1);
        let width = y.dims()[1];
        let weights: Vec<f64> = pseudo_random(ROWS * width, 1.0)
            .iter()
            .map(|&w| w.into())
            .collect();
        (y * tensor(&weights, width, &device)).sum()
    };
    let tensors = |inputs: &Inputs| {
        [
            tensor(&inputs.x, COLUMNS, &device),
            tensor(&inputs.alpha, 1, &device),
            tensor(&inputs.q, COLUMNS, &device),
        ]
    };
    let tracked = tensors(inputs).map(Tensor::require_grad);
    let gradients = loss(&tracked).backward();
    for (part, tracked) in tracked.iter().enumerate() {
        let got = tracked.grad(&gradients).expect("tracked").into_data();
        for (i, got) in got.iter::<f64>().enumerate() {
            let at = |by: f64| {
                let mut moved = inputs.clone();
                moved.part(part)[i] += by;
                loss(&tensors(&moved)).into_scalar::<f64>()
            };
            let want = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            assert!(
                (got - want).abs() <= 2e-8 * want.abs().max(1.0),
                "{name}, alpha {:?}, input {part}[{i}]: {got} instead of {want}",
                inputs.alpha
            );
        }
    }
}

fn inputs(alpha: f64) -> Inputs {
    let wide = |values: Vec<f32>| -> Vec<f64> { values.into_iter().map(f64::from).collect() };
    Inputs {
        // Within the support at every alpha of the tests: no logit is more than 0.5 below the largest.
        x: wide(pseudo_random(ROWS * COLUMNS, 0.25)),
        alpha: vec![alpha, alpha + 0.1],
        q: pseudo_random(ROWS * COLUMNS, 0.1)
            .into_iter()
            .map(|q| 0.25 + f64::from(q))
            .collect(),
    }
}

#[test]
fn of_every_output_in_every_input() {
    for test in devices::all().iter().filter(|test| test.f64) {
        for alpha in [-1.0, -0.4, 0.0, 0.3, 0.5, 0.95, 1.0, 1.3, 1.9, 2.4, 2.9] {
            let inputs = inputs(alpha);
            let outputs: [(&str, Function); 4] = [
                ("p", tsallis_softargmax),
                ("ln p", tsallis_log_softargmax),
                ("V", tsallis_value),
                ("D", tsallis_divergence),
            ];
            for (name, function) in outputs {
                let name = format!("{} {name}", test.name);
                check(&name, &test.device, function, &inputs);
            }
        }
    }
}

#[test]
fn of_the_divergence_of_given_probabilities() {
    for test in devices::all().iter().filter(|test| test.f64) {
        for alpha in [-1.0, 0.0, 0.5, 1.0, 1.7, 2.5] {
            let mut inputs = inputs(alpha);
            inputs.x.iter_mut().for_each(|p| *p = 0.3 + 0.5 * *p);
            let function: Function = tsallis_divergence_from_probabilities;
            check(test.name, &test.device, function, &inputs);
        }
    }
}

/// Off the support, the value and the divergence still depend on the reference and on alpha.
#[test]
fn of_rows_with_entries_off_the_support() {
    for test in devices::all().iter().filter(|test| test.f64) {
        for alpha in [1.5, 2.2] {
            let mut inputs = inputs(alpha);
            inputs.x[1] = -40.0;
            inputs.x[6] = -60.0;
            let outputs: [(&str, Function); 3] = [
                ("p", tsallis_softargmax),
                ("V", tsallis_value),
                ("D", tsallis_divergence),
            ];
            for (name, function) in outputs {
                check(
                    &format!("{} {name}", test.name),
                    &test.device,
                    function,
                    &inputs,
                );
            }
        }
    }
}

/// Only tracked tensors get a gradient, and a broadcast alpha gets the sum over its rows.
#[test]
fn of_a_broadcast_alpha() {
    for test in devices::all().iter().filter(|test| test.f64) {
        let device = test.device.clone().autodiff();
        let x = tensor(&inputs(0.5).x, COLUMNS, &device);
        let c = tensor(&inputs(0.5).q, COLUMNS, &device);
        let gradient = |alpha: Tensor<2>| {
            let alpha = alpha.require_grad();
            let p = tsallis_softargmax(x.clone(), alpha.clone(), 1);
            let gradients = (p * c.clone()).sum().backward();
            assert!(x.grad(&gradients).is_none());
            let g = alpha.grad(&gradients).expect("tracked");
            g.into_data().iter::<f64>().collect::<Vec<_>>()
        };
        let one = gradient(tensor(&[0.7], 1, &device));
        let each = gradient(tensor(&[0.7, 0.7], 1, &device));
        assert!(
            (one[0] - each.iter().sum::<f64>()).abs() < 1e-14,
            "{one:?} {each:?}"
        );
    }
}

/// With gradient checkpointing, the graph recomputes the values that it did not keep. The operator keeps its root.
#[test]
fn under_gradient_checkpointing() {
    for test in devices::all() {
        let run = |device: Device| {
            let x = Tensor::<2>::from_data([[0.5, -0.2, 1.0], [2.0, 0.0, -3.0]], &device);
            let x = x.require_grad();
            let p = tsallis_softargmax(x.clone() * 2.0, 0.5, 1).powi_scalar(2);
            let g = x.grad(&p.sum().backward()).expect("tracked");
            g.into_data().iter::<f32>().collect::<Vec<_>>()
        };
        let plain = run(test.device.clone().autodiff());
        let checkpointed = run(test.device.clone().autodiff().gradient_checkpointing());
        assert_eq!(plain, checkpointed, "{}", test.name);
    }
}

//! Compares the operator with Burn's softmax, forward and forward with backward, on every device of the build.

#![cfg_attr(feature = "ndarray", allow(deprecated))]

use burn::tensor::{Device, Distribution, Tensor, activation};
use burn_tsallis::tsallis_softargmax;
use divan::Bencher;
use divan::counter::BytesCount;

const SHAPES: [[usize; 2]; 5] = [
    [65_536, 2],
    [65_536, 18],
    [4_096, 1_024],
    [256, 32_000],
    [8, 131_072],
];
const OPERATORS: [Operator; 6] = [
    Operator::Softmax,
    Operator::Tsallis(0.5),
    Operator::Tsallis(0.7),
    Operator::Tsallis(1.5),
    Operator::Tsallis(2.0),
    Operator::Learned(0.7),
];

#[derive(Clone, Copy, Debug)]
enum Operator {
    Softmax,
    Tsallis(f64),
    /// One alpha for all rows, in a tensor that requires a gradient.
    Learned(f64),
}

#[derive(Clone, Copy, Debug)]
struct Case {
    device: &'static str,
    shape: [usize; 2],
    operator: Operator,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [rows, columns] = self.shape;
        write!(f, "{} {rows}x{columns} ", self.device)?;
        match self.operator {
            Operator::Softmax => f.write_str("softmax"),
            Operator::Tsallis(alpha) => write!(f, "alpha {alpha}"),
            Operator::Learned(alpha) => write!(f, "learned alpha {alpha}"),
        }
    }
}

impl Case {
    fn device(&self) -> Device {
        match self.device {
            #[cfg(feature = "ndarray")]
            "ndarray" => Device::ndarray(),
            #[cfg(feature = "wgpu")]
            "wgpu" => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
            _ => Device::flex(),
        }
    }

    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        match self.operator {
            Operator::Softmax => activation::softmax(x, 1),
            Operator::Tsallis(alpha) => tsallis_softargmax(x, alpha, 1),
            Operator::Learned(alpha) => {
                let mut alpha = Tensor::<2>::full([1, 1], alpha, &x.device());
                if x.device().is_autodiff() {
                    alpha = alpha.require_grad();
                }
                tsallis_softargmax(x, alpha, 1)
            }
        }
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let devices = [
        "flex",
        #[cfg(feature = "ndarray")]
        "ndarray",
        #[cfg(feature = "wgpu")]
        "wgpu",
    ];
    // The operators of one shape run next to each other, since they are compared.
    devices.into_iter().flat_map(|device| {
        SHAPES.into_iter().flat_map(move |shape| {
            OPERATORS.into_iter().map(move |operator| Case {
                device,
                shape,
                operator,
            })
        })
    })
}

#[divan::bench(args = cases(), sample_count = 10)]
fn forward(bencher: Bencher, case: &Case) {
    let device = case.device();
    let x = Tensor::<2>::random(case.shape, Distribution::Normal(0.0, 2.0), &device);
    // One read and one write of the row.
    bencher
        .counter(BytesCount::new(2 * 4 * case.shape[0] * case.shape[1]))
        .bench_local(|| {
            let p = case.apply(x.clone());
            device.sync().expect("the device can be synchronized");
            p
        });
}

#[divan::bench(args = cases(), sample_count = 10)]
fn forward_backward(bencher: Bencher, case: &Case) {
    let device = case.device().autodiff();
    let x = Tensor::<2>::random(case.shape, Distribution::Normal(0.0, 2.0), &device).require_grad();
    let c = Tensor::<2>::random(case.shape, Distribution::Normal(0.0, 1.0), &device);
    bencher.bench_local(|| {
        let gradients = (case.apply(x.clone()) * c.clone()).sum().backward();
        device.sync().expect("the device can be synchronized");
        x.grad(&gradients)
    });
}

fn main() {
    divan::main();
}

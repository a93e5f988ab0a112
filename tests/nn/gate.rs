use crate::support::{close, device, reloaded, tensor, values};
use burn::tensor::{Bool, Tensor};
#[cfg(feature = "flex")]
use burn::tensor::{DType, Device};
use burn_tsallis::nn::{AlphaConfig, TsallisGateConfig, TsallisGateOutput};

fn sizes<const D: usize>(routes: &TsallisGateOutput<D>) -> Vec<i64> {
    routes.support_size().into_data().iter().collect()
}

#[test]
fn statistics_of_given_weights() {
    let device = device().autodiff();
    let weights = Tensor::<2>::from_data(
        [[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.5, 0.5, 0.0]],
        &device,
    )
    .require_grad();
    let routes = TsallisGateOutput {
        logits: weights.clone(),
        weights: weights.clone(),
    };
    assert_eq!(sizes(&routes), [1, 2, 2]);
    close(&values(routes.load()), &[0.6, 0.4, 0.0], 1e-6);
    close(
        &values(routes.importance()),
        &[1.75 / 3.0, 1.25 / 3.0, 0.0],
        1e-6,
    );
    let loss = routes.balance_loss();
    let importance = [1.75 / 3.0, 1.25 / 3.0];
    let squares: f64 = importance.iter().map(|s| s * s).sum();
    close(&values(loss.clone()), &[3.0 * squares], 1e-6);
    let [first, second] = importance.map(|s| 3.0 * s);
    // Equal weights count for the first of them.
    close(
        &values(routes.switch_balance_loss()),
        &[(2.0 * first + second) / 3.0],
        1e-6,
    );
    // Gradient descent raises the weights of the least used experts most.
    let gradients = loss.backward();
    let gradient = values(weights.grad(&gradients).expect("tracked"));
    assert!(
        gradient[0] > gradient[1] && gradient[1] > gradient[2],
        "{gradient:?}"
    );
}

#[test]
fn even_routing_costs_one_and_padding_is_not_routed() {
    let device = device();
    let even = Tensor::<3>::from_data([[[0.5, 0.5], [0.5, 0.5]]], &device);
    let routes = TsallisGateOutput {
        logits: even.clone(),
        weights: even,
    };
    close(&values(routes.balance_loss()), &[1.0], 1e-6);
    // The softmax of (5, 0, 0) and (4, 0, 0).
    let uneven = Tensor::<2>::from_data([[5.0, 0.0, 0.0], [4.0, 0.0, 0.0]], &device);
    let weights = burn::tensor::activation::softmax(uneven.clone(), 1);
    let routes = TsallisGateOutput {
        logits: uneven,
        weights,
    };
    close(&values(routes.balance_loss()), &[2.856_76], 1e-5);
    close(&values(routes.switch_balance_loss()), &[2.927_05], 1e-5);

    let gate = TsallisGateConfig::new(6, 4)
        .with_temperature(0.3)
        .init(&device);
    let tokens = tensor([2, 3, 6], 3.0, &device);
    let mask = Tensor::<3, Bool>::from_data(
        [[[false], [false], [true]], [[false], [true], [true]]],
        &device,
    );
    let routes = gate.forward_masked(tokens.clone(), mask);
    let size = sizes(&routes);
    assert_eq!([size[2], size[4], size[5]], [0; 3]);
    assert!(
        [size[0], size[1], size[3]]
            .iter()
            .all(|s| (1..=4).contains(s))
    );
    let sums = values(routes.weights.clone().sum_dim(2));
    close(&sums, &[1.0, 1.0, 0.0, 1.0, 0.0, 0.0], 1e-6);
    close(&[values(routes.load()).iter().sum()], &[1.0], 1e-6);
    let nobody = gate.forward(Tensor::<2>::zeros([0, 6], &device));
    assert_eq!(nobody.load().dims(), [4]);
    assert_eq!(nobody.switch_balance_loss().dims(), [1]);
    let mask = Tensor::<2, Bool>::empty([0, 1], &device);
    let nobody = gate.forward_masked(Tensor::<2>::zeros([0, 6], &device), mask);
    assert_eq!(nobody.weights.dims(), [0, 4]);
    let open = values(gate.forward(tokens).weights.sum_dim(2));
    close(&open, &[1.0; 6], 1e-6);
}

#[test]
#[cfg(feature = "flex")]
fn half_precision_counts_more_tokens_than_f16_can_represent() {
    let device = Device::flex();
    for dtype in [DType::F16, DType::BF16] {
        let weights = Tensor::<2>::full([70_000, 2], 0.5, (&device, dtype));
        let routes = TsallisGateOutput {
            logits: weights.clone(),
            weights,
        };
        for (got, want) in [
            (routes.load(), vec![0.5; 2]),
            (routes.importance(), vec![0.5; 2]),
            (routes.balance_loss(), vec![1.0]),
        ] {
            assert_eq!(got.dtype(), dtype);
            assert_eq!(values(got), want);
        }
    }
}

#[test]
fn records_and_invalid_configurations() {
    let device = device();
    let config = TsallisGateConfig::new(6, 4).with_alpha(AlphaConfig::learned(1.8));
    let saved = config.init(&device);
    let tokens = tensor([5, 6], 3.0, &device);
    let want = values(saved.forward(tokens.clone()).weights);
    let fresh = config.with_alpha(AlphaConfig::learned(1.1)).init(&device);
    let loaded = reloaded(saved, fresh);
    assert_eq!(values(loaded.forward(tokens).weights), want);
    let error = TsallisGateConfig::new(6, 0)
        .try_init(&device)
        .expect_err("the configuration has no experts");
    assert_eq!(error.to_string(), "n_experts is 0: it must be at least 1");
    assert!(
        TsallisGateConfig::new(6, 2)
            .with_temperature(-1.0)
            .try_init(&device)
            .is_err()
    );
}

/// Burn's `reshape` takes a size of zero for the present size, and its product of matrices without rows crashes on flex.
#[test]
fn empty_batches_of_any_rank() {
    fn check<const D: usize>(shape: [usize; D]) {
        let device = device().autodiff();
        let gate = TsallisGateConfig::new(6, 4).init(&device);
        let tokens = Tensor::<D>::zeros(shape, &device).require_grad();
        let routes = gate.forward(tokens.clone());
        let mut weights = shape;
        weights[D - 1] = 4;
        assert_eq!(routes.weights.dims(), weights);
        for share in [routes.load(), routes.importance()] {
            assert_eq!(share.dims(), [4]);
        }
        assert!(values(routes.balance_loss())[0].is_nan());
        assert!(values(routes.switch_balance_loss())[0].is_nan());
        let gradients = routes.weights.sum().backward();
        assert_eq!(tokens.grad(&gradients).expect("tracked").dims(), shape);
        let weight = gate.linear.weight.val().grad(&gradients);
        assert!(values(weight.expect("tracked")).iter().all(|&g| g == 0.0));
    }
    check([0, 6]);
    check([0, 3, 6]);
    check([2, 0, 6]);
    check([2, 0, 3, 6]);
}

//! Each module learns a toy problem: its loss falls by at least the stated factor.
#![cfg(feature = "rl")]

use crate::support::{device, tensor, train, values};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Int, Tensor};
use burn_tsallis::nn::attention::{
    TsallisMhaInput, TsallisMultiHeadAttention, TsallisMultiHeadAttentionConfig,
};
use burn_tsallis::nn::loss::{FenchelYoungLossConfig, Reduction, TsallisDivergenceLossConfig};
use burn_tsallis::nn::transformer::{
    TsallisTransformerEncoder, TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
};
use burn_tsallis::nn::{
    AlphaConfig, TsallisGate, TsallisGateConfig, TsallisSoftargmax, TsallisSoftargmaxConfig,
};

#[test]
fn a_softargmax_recovers_the_alpha_of_its_targets() {
    let device = device().autodiff();
    let x = tensor([64, 6], 2.0, &device);
    let made = TsallisSoftargmaxConfig::new(1.7.into())
        .init(&device)
        .forward(x.clone())
        .detach();
    let module = TsallisSoftargmaxConfig::new(AlphaConfig::learned(0.8)).init(&device);
    let (module, first, last) = train(module, 150, 0.05, |module: &TsallisSoftargmax| {
        (module.forward(x.clone()) - made.clone()).square().mean()
    });
    assert!(last < first / 1e3, "{first} to {last}");
    let alpha = values(module.alpha.values(&device))[0];
    assert!((alpha - 1.7).abs() < 0.02, "{alpha}");
}

/// Trains a linear classifier of points by the largest of their three coordinates. Returns the first and the last
/// loss.
fn classified(loss: impl Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>) -> (f32, f32) {
    let device = device().autodiff();
    device.seed(3);
    let x = tensor([128, 3], 1.0, &device);
    let y = x.clone().argmax(1).reshape([128]);
    let model = LinearConfig::new(3, 3).init(&device);
    let (_, first, last) = train(model, 150, 0.1, |model: &Linear| {
        loss(model.forward(x.clone()), y.clone())
    });
    (first, last)
}

#[test]
fn a_classifier_learns_by_fenchel_young_losses() {
    let device = device().autodiff();
    // The losses of heavy-tailed softargmaxes fall more slowly.
    for (alpha, factor) in [(0.5, 3.0), (1.0, 4.0), (1.5, 6.0), (2.0, 6.0)] {
        let loss = FenchelYoungLossConfig::new(alpha).init(&device);
        let (first, last) = classified(|x, y| loss.forward(x, y));
        assert!(last < first / factor, "alpha {alpha}: {first} to {last}");
    }
}

#[test]
fn a_classifier_learns_by_the_divergence() {
    let device = device().autodiff();
    let loss = TsallisDivergenceLossConfig::new(0.5).init();
    let soft = TsallisSoftargmaxConfig::new(1.0.into()).init(&device);
    let (first, last) = classified(|x, y| {
        let targets = y.one_hot::<2>(3).float();
        loss.forward(soft.forward(x), targets, Reduction::Mean)
    });
    assert!(last < first / 4.0, "{first} to {last}");
}

/// Copies the first position of each sequence to every position.
fn copied(x: &Tensor<3>) -> Tensor<3> {
    let length = x.dims()[1];
    x.clone().narrow(1, 0, 1).repeat_dim(1, length)
}

#[test]
fn attention_learns_where_to_look() {
    let device = device().autodiff();
    device.seed(3);
    // A constant marks the first position.
    let x = tensor([16, 6, 8], 1.0, &device);
    let mark = Tensor::<3>::zeros([16, 6, 8], &device).slice_fill([0..16, 0..1, 7..8], 3.0);
    let x = x + mark;
    let module = TsallisMultiHeadAttentionConfig::new(8, 2)
        .with_alpha(AlphaConfig::learned(1.2))
        .with_dropout(0.0)
        .init(&device);
    let start = values(module.alpha.values(&device));
    let (module, first, last) = train(module, 150, 0.02, |module: &TsallisMultiHeadAttention| {
        let seen = module
            .forward(TsallisMhaInput::self_attn(x.clone()))
            .context;
        (seen - copied(&x)).square().mean()
    });
    assert!(last < first / 10.0, "{first} to {last}");
    let learned = values(module.valid().alpha.values(&device));
    assert!(
        start
            .iter()
            .zip(&learned)
            .all(|(a, b)| (a - b).abs() > 1e-3),
        "{learned:?}"
    );
}

#[test]
fn an_encoder_learns() {
    let device = device().autodiff();
    device.seed(3);
    let x = tensor([8, 5, 8], 1.0, &device);
    let module = TsallisTransformerEncoderConfig::new(8, 16, 2, 1)
        .with_dropout(0.0)
        .with_norm_first(true)
        .init(&device);
    let (_, first, last) = train(module, 120, 0.01, |module: &TsallisTransformerEncoder| {
        let y = module.forward(TsallisTransformerEncoderInput::new(x.clone()));
        (y - copied(&x)).square().mean()
    });
    assert!(last < first / 4.0, "{first} to {last}");
}

#[test]
fn a_gate_learns_to_balance_its_load() {
    let device = device().autodiff();
    device.seed(3);
    // The temperature is high enough that every expert gets some tokens.
    let gate = TsallisGateConfig::new(4, 4)
        .with_bias(true)
        .with_temperature(3.0)
        .init(&device);
    // The tokens are off center, so that some experts get most of them at first.
    let tokens = tensor([256, 4], 1.0, &device) + 2.0;
    let (gate, first, last) = train(gate, 150, 0.02, |gate: &TsallisGate| {
        gate.forward(tokens.clone()).balance_loss() - 1.0
    });
    assert!(last < first / 10.0, "{first} to {last}");
    let load = values(gate.forward(tokens.clone()).load());
    assert!(load.iter().all(|l| (l - 0.25).abs() < 0.05), "{load:?}");
}

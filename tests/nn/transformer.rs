use crate::support::{close, device, devices, reloaded, tensor, values};
use burn::module::Module;
use burn::nn::attention::generate_autoregressive_mask;
use burn::nn::transformer::{TransformerEncoderConfig, TransformerEncoderInput};
use burn::tensor::{Bool, Tensor};
use burn_tsallis::nn::AlphaConfig;
use burn_tsallis::nn::transformer::{
    TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
};

#[test]
fn burns_output_at_one_from_burns_record() {
    for device in devices() {
        for (norm_first, quiet) in [(false, false), (true, false), (true, true)] {
            let burns = TransformerEncoderConfig::new(12, 24, 3, 2)
                .with_norm_first(norm_first)
                .with_quiet_softmax(quiet)
                .init(&device);
            let ours = TsallisTransformerEncoderConfig::new(12, 24, 3, 2)
                .with_norm_first(norm_first)
                .with_quiet_softmax(quiet)
                .with_alpha(1.0.into())
                .init(&device)
                .load_record(burns.clone().into_record());
            let x = tensor([2, 5, 12], 2.0, &device);
            let pad = Tensor::<2, Bool>::from_data(
                [[false, false, false, true, true], [false; 5]],
                &device,
            );
            let causal = generate_autoregressive_mask(2, 5, &device);
            let want = burns.forward(
                TransformerEncoderInput::new(x.clone())
                    .mask_pad(pad.clone())
                    .mask_attn(causal.clone()),
            );
            let got = ours.forward(
                TsallisTransformerEncoderInput::new(x)
                    .mask_pad(pad)
                    .mask_attn(causal),
            );
            close(&values(got), &values(want), 1e-5);
        }
    }
}

#[test]
fn token_by_token_is_all_at_once() {
    let device = device();
    for norm_first in [false, true] {
        let encoder = TsallisTransformerEncoderConfig::new(12, 24, 3, 2)
            .with_norm_first(norm_first)
            .init(&device);
        let length = 5;
        let x = tensor([2, length, 12], 2.0, &device);
        let causal = generate_autoregressive_mask(2, length, &device);
        let input = TsallisTransformerEncoderInput::new(x.clone()).mask_attn(causal.clone());
        let want = values(encoder.forward(input));
        let mut cache = encoder.new_autoregressive_cache();
        let mut last = None;
        for n in 1..=length {
            let input = TsallisTransformerEncoderInput::new(x.clone().narrow(1, 0, n))
                .mask_attn(causal.clone().slice([0..2, 0..n, 0..n]));
            last = Some(encoder.forward_autoregressive_inference(input, &mut cache));
        }
        close(&values(last.expect("some")), &want, 1e-5);
    }
}

#[test]
fn records_round_trip() {
    let device = device();
    let config =
        TsallisTransformerEncoderConfig::new(12, 24, 3, 2).with_alpha(AlphaConfig::learnt(1.3));
    let saved = config.init(&device);
    let fresh = config.with_alpha(AlphaConfig::learnt(0.7)).init(&device);
    let input = || TsallisTransformerEncoderInput::new(tensor([1, 4, 12], 1.0, &device));
    let want = values(saved.forward(input()));
    let loaded = reloaded(saved, fresh);
    assert_eq!(values(loaded.forward(input())), want);
    assert!(loaded.to_string().contains("n_layers: 2"));
    assert!(
        TsallisTransformerEncoderConfig::new(10, 24, 3, 2)
            .try_init(&device)
            .is_err()
    );
}

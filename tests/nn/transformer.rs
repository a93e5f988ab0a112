use crate::support::{close, device, devices, reloaded, tensor, values};
use burn::module::Module;
use burn::nn::attention::generate_autoregressive_mask;
use burn::nn::transformer::{
    TransformerDecoderConfig, TransformerDecoderInput, TransformerEncoderConfig,
    TransformerEncoderInput,
};
use burn::tensor::{Bool, Tensor};
use burn_tsallis::nn::AlphaConfig;
use burn_tsallis::nn::transformer::{
    TsallisTransformerDecoderConfig, TsallisTransformerDecoderInput,
    TsallisTransformerEncoderConfig, TsallisTransformerEncoderInput,
};

#[test]
fn matches_burn_at_alpha_one_from_a_burn_record() {
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
fn cached_decoding_matches_the_full_pass() {
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
        close(&values(last.expect("at least one step")), &want, 1e-5);
    }
}

#[test]
fn records_round_trip() {
    let device = device();
    let config =
        TsallisTransformerEncoderConfig::new(12, 24, 3, 2).with_alpha(AlphaConfig::learned(1.3));
    let saved = config.init(&device);
    let fresh = config.with_alpha(AlphaConfig::learned(0.7)).init(&device);
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

#[test]
fn a_decoder_matches_burn_at_alpha_one_from_a_burn_record() {
    for device in devices() {
        for (norm_first, quiet) in [(false, false), (true, false), (true, true)] {
            let burns = TransformerDecoderConfig::new(12, 24, 3, 2)
                .with_norm_first(norm_first)
                .with_quiet_softmax(quiet)
                .init(&device);
            let ours = TsallisTransformerDecoderConfig::new(12, 24, 3, 2)
                .with_norm_first(norm_first)
                .with_quiet_softmax(quiet)
                .with_alpha(1.0.into())
                .init(&device)
                .load_record(burns.clone().into_record());
            let x = tensor([2, 5, 12], 2.0, &device);
            let memory = tensor([2, 4, 12], 1.0, &device);
            let pad = Tensor::<2, Bool>::from_data(
                [[false, false, false, true, true], [false; 5]],
                &device,
            );
            let causal = generate_autoregressive_mask(1, 5, &device);
            let memory_pad =
                Tensor::<2, Bool>::from_data([[false; 4], [false, true, false, true]], &device);
            let memory_attn =
                Tensor::<3, Bool>::from_data([[[true, false, false, false]; 5]], &device);
            let want = burns.forward(
                TransformerDecoderInput::new(x.clone(), memory.clone())
                    .target_mask_pad(pad.clone())
                    .target_mask_attn(causal.clone())
                    .memory_mask_pad(memory_pad.clone())
                    .memory_mask_attn(memory_attn.clone()),
            );
            let got = ours.forward(
                TsallisTransformerDecoderInput::new(x, memory)
                    .target_mask_pad(pad)
                    .target_mask_attn(causal)
                    .memory_mask_pad(memory_pad)
                    .memory_mask_attn(memory_attn),
            );
            close(&values(got), &values(want), 1e-5);
        }
    }
}

#[test]
fn a_decoder_cached_matches_the_full_pass() {
    let device = device();
    for norm_first in [false, true] {
        let decoder = TsallisTransformerDecoderConfig::new(12, 24, 3, 2)
            .with_norm_first(norm_first)
            .init(&device);
        let length = 5;
        let x = tensor([2, length, 12], 2.0, &device);
        let memory = tensor([2, 4, 12], 1.0, &device);
        let input = |n: usize, memory: Tensor<3>| {
            TsallisTransformerDecoderInput::new(x.clone().narrow(1, 0, n), memory)
                .target_mask_attn(generate_autoregressive_mask(1, n, &device))
        };
        let want = values(decoder.forward(input(length, memory.clone())));
        let mut cache = decoder.new_autoregressive_cache();
        let mut last = None;
        for n in 1..=length {
            // Only the memory of the first call is used.
            let memory = if n == 1 {
                memory.clone()
            } else {
                memory.zeros_like()
            };
            last = Some(decoder.forward_autoregressive_inference(input(n, memory), &mut cache));
        }
        close(&values(last.expect("at least one step")), &want, 1e-5);
    }
}

#[test]
fn records_of_a_decoder_round_trip() {
    let device = device();
    let config =
        TsallisTransformerDecoderConfig::new(12, 24, 3, 2).with_alpha(AlphaConfig::learned(1.3));
    let saved = config.init(&device);
    let fresh = config.with_alpha(AlphaConfig::learned(0.7)).init(&device);
    let x = tensor([1, 4, 12], 1.0, &device);
    let input = || TsallisTransformerDecoderInput::new(x.clone(), x.clone() * 0.5);
    let want = values(saved.forward(input()));
    let loaded = reloaded(saved, fresh);
    assert_eq!(values(loaded.forward(input())), want);
    let shown = loaded.to_string();
    assert!(shown.contains("alpha: 3 learned in (0.05, 2.5)"), "{shown}");
    assert!(
        TsallisTransformerDecoderConfig::new(10, 24, 3, 2)
            .try_init(&device)
            .is_err()
    );
}

#[test]
#[should_panic(expected = "the cache must have as many layers as the model")]
fn a_cache_of_another_model() {
    let device = device();
    let [one, two] = [1, 2].map(|n| TsallisTransformerDecoderConfig::new(4, 4, 1, n).init(&device));
    let x = tensor([1, 1, 4], 1.0, &device);
    let input = TsallisTransformerDecoderInput::new(x.clone(), x);
    one.forward_autoregressive_inference(input, &mut two.new_autoregressive_cache());
}

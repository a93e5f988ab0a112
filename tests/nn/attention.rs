use crate::support::{
    close, device, devices, every_device, fewer_if_compiled, pseudo_random, reloaded, tensor,
    values,
};
use burn::module::Module;
use burn::nn::attention::{
    MhaInput, MultiHeadAttention, MultiHeadAttentionConfig, generate_autoregressive_mask,
};
use burn::store::ModuleRecord;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use burn_tsallis::nn::attention::{
    TsallisMhaCache, TsallisMhaInput, TsallisMultiHeadAttention, TsallisMultiHeadAttentionConfig,
    tsallis_attention, tsallis_attention_weights,
};
use burn_tsallis::nn::{AlphaConfig, ModuleConfigError};

const SIZE: usize = 12;
const HEADS: usize = 3;

/// Returns Burn's attention, and the attention of this crate with the same parameters.
fn pair(
    alpha: AlphaConfig,
    quiet: bool,
    device: &Device,
) -> (MultiHeadAttention, TsallisMultiHeadAttention) {
    let burns = MultiHeadAttentionConfig::new(SIZE, HEADS)
        .with_dropout(0.0)
        .with_quiet_softmax(quiet)
        .init(device);
    let bytes = burns
        .clone()
        .into_record()
        .into_bytes()
        .expect("the record is serialized");
    let record = ModuleRecord::from_bytes(bytes).expect("the record is deserialized");
    let ours = TsallisMultiHeadAttentionConfig::new(SIZE, HEADS)
        .with_alpha(alpha)
        .with_dropout(0.0)
        .with_quiet_softmax(quiet)
        .init(device)
        .load_record(record.allow_partial(true));
    (burns, ours)
}

fn pad_mask(device: &Device) -> Tensor<2, Bool> {
    Tensor::from_data([[false, false, true, false, true], [false; 5]], device)
}

#[test]
fn matches_burn_at_alpha_one() {
    for device in every_device() {
        let x = tensor([2, 5, SIZE], 2.0, &device);
        let y = tensor([2, 4, SIZE], 1.5, &device);
        for &quiet in fewer_if_compiled(&[false, true], &device) {
            let alphas = [AlphaConfig::learned(1.0), AlphaConfig::fixed(1.0)];
            for alpha in fewer_if_compiled(&alphas, &device) {
                let (burns, ours) = pair(alpha.clone(), quiet, &device);
                let check = |burn: MhaInput, tsallis: TsallisMhaInput| {
                    let (want, got) = (burns.forward(burn), ours.forward(tsallis));
                    close(&values(got.weights), &values(want.weights), 2e-6);
                    close(&values(got.context), &values(want.context), 2e-6);
                };
                check(
                    MhaInput::self_attn(x.clone()),
                    TsallisMhaInput::self_attn(x.clone()),
                );
                // Cross-attention, with both masks.
                let attn = Tensor::<3, Bool>::from_data(
                    TensorData::new(
                        pseudo_random(40, 1.0)
                            .iter()
                            .map(|&n| n > 0.6)
                            .collect::<Vec<_>>(),
                        [2, 4, 5],
                    ),
                    &device,
                );
                check(
                    MhaInput::new(y.clone(), x.clone(), x.clone())
                        .mask_pad(pad_mask(&device))
                        .mask_attn(attn.clone()),
                    TsallisMhaInput::new(y.clone(), x.clone(), x.clone())
                        .mask_pad(pad_mask(&device))
                        .mask_attn(attn),
                );
                // One causal mask for all sequences with a padding mask for each, and the reverse.
                let causal = generate_autoregressive_mask(1, 5, &device);
                let each = generate_autoregressive_mask(2, 5, &device);
                let one = pad_mask(&device).narrow(0, 0, 1);
                for (attn, pad) in [(causal, pad_mask(&device)), (each, one)] {
                    check(
                        MhaInput::self_attn(x.clone())
                            .mask_pad(pad.clone())
                            .mask_attn(attn.clone()),
                        TsallisMhaInput::self_attn(x.clone())
                            .mask_pad(pad)
                            .mask_attn(attn),
                    );
                }
            }
        }
    }
}

#[test]
fn a_query_without_keys_gets_zeros_and_does_not_affect_others() {
    let device = device().autodiff();
    for (alpha, quiet) in [
        (0.5, false),
        (1.0, false),
        (1.5, false),
        (1.0, true),
        (1.5, true),
    ] {
        let (_, ours) = pair(alpha.into(), quiet, &device);
        let x = tensor([2, 5, SIZE], 2.0, &device).require_grad();
        let mask = Tensor::<2, Bool>::from_data([[true; 5], [false; 5]], &device);
        let output = ours.forward(TsallisMhaInput::self_attn(x.clone()).mask_pad(mask));
        let weights = values(output.weights);
        assert!(weights[..HEADS * 25].iter().all(|&w| w == 0.0));
        let bias = ours
            .output
            .bias
            .as_ref()
            .expect("the output layer has a bias");
        let first = output.context.clone().slice([0..1, 0..1, 0..SIZE]);
        close(&values(first), &values(bias.val()), 1e-7);
        let gradients = output.context.sum().backward();
        let gradient = values(x.grad(&gradients).expect("tracked"));
        assert!(gradient.iter().all(|g| g.is_finite()), "alpha {alpha}");
        assert!(
            gradient[..5 * SIZE].iter().all(|&g| g == 0.0),
            "alpha {alpha}"
        );
        let key = ours.key.weight.val().grad(&gradients).expect("tracked");
        assert!(values(key).iter().all(|g| g.is_finite()));
    }
}

#[test]
fn the_function_is_the_formula() {
    for device in devices() {
        let q = tensor([2, 2, 3, 4], 2.0, &device);
        let k = tensor([2, 2, 5, 4], 1.7, &device);
        let v = tensor([2, 2, 5, 6], 1.0, &device);
        let bias = tensor([1, 2, 3, 5], 0.5, &device);
        for options in [
            AttentionModuleOptions::default(),
            AttentionModuleOptions {
                scale: Some(0.3),
                softcap: Some(2.0),
                is_causal: true,
            },
        ] {
            let mask =
                Tensor::<4, Bool>::from_data([[[[false, true, false, false, false]]]], &device);
            let got = tsallis_attention(
                q.clone(),
                k.clone(),
                v.clone(),
                1.0,
                Some(mask.clone()),
                Some(bias.clone()),
                options,
            );
            let want = burn::tensor::module::attention(
                q.clone(),
                k.clone(),
                v.clone(),
                Some(mask.expand([2, 2, 3, 5])),
                Some(bias.clone().expand([2, 2, 3, 5])),
                options,
            );
            close(&values(got), &values(want), 2e-6);
        }
        // One alpha for each head.
        let alphas = Tensor::<1>::from_data([0.5, 2.0], &device).reshape([1, 2, 1, 1]);
        let options = AttentionModuleOptions::default();
        let both = tsallis_attention_weights(q.clone(), k.clone(), alphas, None, None, options);
        for (head, alpha) in [0.5, 2.0].into_iter().enumerate() {
            let one = tsallis_attention_weights(
                q.clone().narrow(1, head, 1),
                k.clone().narrow(1, head, 1),
                alpha,
                None,
                None,
                options,
            );
            close(&values(both.clone().narrow(1, head, 1)), &values(one), 1e-6);
        }
    }
}

#[test]
fn sparse_above_one_and_each_head_has_its_alpha() {
    let device = device();
    let (_, ours) = pair(AlphaConfig::fixed_each([0.5, 1.0, 2.0]), false, &device);
    // Scores spread enough for sparse rows, but not so far that an exponential underflows.
    let x = tensor([4, 16, SIZE], 4.0, &device);
    let weights = ours.forward(TsallisMhaInput::self_attn(x)).weights;
    let zeros = |head: usize| {
        let of = values(weights.clone().narrow(1, head, 1));
        of.iter().filter(|&&w| w == 0.0).count()
    };
    assert_eq!((zeros(0), zeros(1)), (0, 0));
    assert!(zeros(2) > 4 * 16 * 8, "{}", zeros(2));
    let sums = values(weights.sum_dim(3));
    close(&sums, &vec![1.0; sums.len()], 1e-5);
}

#[test]
fn cached_decoding_matches_the_full_pass() {
    let device = device();
    let (_, ours) = pair(1.5.into(), false, &device);
    let length = 6;
    let x = tensor([2, length, SIZE], 2.0, &device);
    let causal = generate_autoregressive_mask(2, length, &device);
    let want = values(
        ours.forward(TsallisMhaInput::self_attn(x.clone()).mask_attn(causal.clone()))
            .context,
    );
    let mut cache = TsallisMhaCache::autoregressive();
    let mut last = None;
    // One new position, several, and one again.
    for n in [1, 3, 4, length] {
        let so_far = x.clone().narrow(1, 0, n);
        let mask = causal.clone().slice([0..2, 0..n, 0..n]);
        let input = TsallisMhaInput::self_attn(so_far).mask_attn(mask);
        last = Some(ours.forward_cache(input, &mut cache).context);
    }
    close(
        &values(last.take().expect("at least one step")),
        &want,
        2e-6,
    );

    // Cross-attention keeps the keys of the first call.
    let memory = tensor([2, 4, SIZE], 1.0, &device);
    let want = values(
        ours.forward(TsallisMhaInput::new(
            x.clone(),
            memory.clone(),
            memory.clone(),
        ))
        .context,
    );
    let mut cache = TsallisMhaCache::autoregressive_cross_attention();
    for n in 1..=length {
        let so_far = x.clone().narrow(1, 0, n);
        let memory = if n == 1 {
            memory.clone()
        } else {
            memory.zeros_like()
        };
        let input = TsallisMhaInput::new(so_far, memory.clone(), memory);
        last = Some(ours.forward_cache(input, &mut cache).context);
    }
    close(
        &values(last.take().expect("at least one step")),
        &want,
        2e-6,
    );
}

#[test]
fn dropout_in_training_only() {
    let device = device();
    let attention = |device: &Device| {
        TsallisMultiHeadAttentionConfig::new(SIZE, HEADS)
            .with_dropout(0.5)
            .init(device)
    };
    let x = tensor([1, 4, SIZE], 1.0, &device);
    let sums = |module: &TsallisMultiHeadAttention, x: Tensor<3>| {
        values(
            module
                .forward(TsallisMhaInput::self_attn(x))
                .weights
                .sum_dim(3),
        )
    };
    close(&sums(&attention(&device), x.clone()), &[1.0; 12], 1e-5);
    let training = attention(&device.clone().autodiff());
    let x = x.autodiff();
    assert!(
        sums(&training, x.clone())
            .iter()
            .any(|s| (s - 1.0).abs() > 1e-3)
    );
    close(&sums(&training.valid(), x.inner()), &[1.0; 12], 1e-5);
}

#[test]
fn records_and_display() {
    let device = device();
    let config = TsallisMultiHeadAttentionConfig::new(SIZE, HEADS)
        .with_alpha(AlphaConfig::learned_each([0.6, 1.2, 1.9]));
    let saved = config.init(&device);
    let x = tensor([1, 4, SIZE], 1.0, &device);
    let forward = |module: &TsallisMultiHeadAttention| {
        values(
            module
                .forward(TsallisMhaInput::self_attn(x.clone()))
                .context,
        )
    };
    let want = forward(&saved);
    let fresh = config.with_alpha(AlphaConfig::learned(1.0)).init(&device);
    assert_ne!(forward(&fresh), want);
    let loaded = reloaded(saved, fresh);
    assert_eq!(forward(&loaded), want);
    let shown = loaded.to_string();
    assert!(shown.contains("alpha: 3 learned in (0.05, 2.5)"), "{shown}");

    // Burn's attention loads the record as well.
    let burns = MultiHeadAttentionConfig::new(SIZE, HEADS).init(&device);
    let record = loaded.into_record().allow_unused(true);
    assert!(burns.try_load_record(record).is_ok());
}

#[test]
fn invalid_configurations_are_named_in_the_error() {
    let device = device();
    let words = |result: Result<TsallisMultiHeadAttention, ModuleConfigError>| {
        result
            .expect_err("the configuration is invalid")
            .to_string()
    };
    assert_eq!(
        words(TsallisMultiHeadAttentionConfig::new(10, 3).try_init(&device)),
        "d_model is 10 and n_heads is 3: d_model must be a positive multiple of n_heads"
    );
    let config = TsallisMultiHeadAttentionConfig::new(12, 3);
    assert_eq!(
        words(
            config
                .clone()
                .with_alpha(AlphaConfig::fixed_each([1.0, 1.5]))
                .try_init(&device)
        ),
        "alpha has 2 values: it must have 1, or one for each head or row (3)"
    );
    assert_eq!(
        words(config.with_dropout(1.0).try_init(&device)),
        "dropout is 1: it must be a number from 0 to 1, excluding 1"
    );
}

#[test]
fn the_context_without_weights_is_the_same() {
    for device in every_device() {
        let x = tensor([2, 5, SIZE], 2.0, &device);
        for &quiet in fewer_if_compiled(&[false, true], &device) {
            let alpha = AlphaConfig::learned_each([0.7, 1.0, 1.6]);
            let (_, ours) = pair(alpha, quiet, &device);
            let input = || {
                TsallisMhaInput::self_attn(x.clone())
                    .mask_pad(pad_mask(&device))
                    .mask_attn(generate_autoregressive_mask(1, 5, &device))
            };
            let want = values(ours.forward(input()).context);
            close(&values(ours.forward_context(input())), &want, 2e-6);
            let mut cache = TsallisMhaCache::autoregressive();
            let cached = ours.forward_cache_context(input(), &mut cache);
            close(&values(cached), &want, 2e-6);
        }
    }
}

#[test]
fn dropout_acts_on_the_context_without_weights() {
    let device = device().autodiff();
    let attention = TsallisMultiHeadAttentionConfig::new(SIZE, HEADS)
        .with_dropout(0.5)
        .init(&device);
    let x = tensor([1, 16, SIZE], 1.0, &device);
    let context = || values(attention.forward_context(TsallisMhaInput::self_attn(x.clone())));
    assert_ne!(context(), context());
}

/// A key that is padding leaves no trace in the output or in the gradients, with and without weights and dropout.
#[test]
fn padding_that_is_not_finite() {
    for device in devices() {
        let device = device.autodiff();
        for dropout in [0.0, 0.3] {
            let attention = TsallisMultiHeadAttentionConfig::new(SIZE, HEADS)
                .with_dropout(dropout)
                .init(&device);
            let clean = tensor([1, 5, SIZE], 1.0, &device);
            let invalid = clean.clone().slice_dim(1, 4..5).full_like(f64::NAN);
            let keys = clean.clone().slice_assign([0..1, 4..5, 0..SIZE], invalid);
            let mask = Tensor::<2, Bool>::from_data([[false, false, false, false, true]], &device);
            let query = clean.require_grad();
            let input = || {
                TsallisMhaInput::new(query.clone(), keys.clone(), keys.clone())
                    .mask_pad(mask.clone())
            };
            let output = attention.forward(input());
            let context = attention.forward_context(input());
            let gradients = (output.context.clone() + context.clone()).sum().backward();
            let layers = [&attention.query, &attention.key, &attention.value];
            let mut finite = vec![
                output.context,
                context,
                output.weights.mean_dim(1).mean_dim(3).reshape([1, 5, 1]),
            ];
            finite.push(query.grad(&gradients).expect("tracked"));
            for layer in layers {
                let gradient = layer.weight.val().grad(&gradients).expect("tracked");
                finite.push(gradient.unsqueeze());
            }
            for x in finite {
                assert!(values(x).iter().all(|x| x.is_finite()), "dropout {dropout}");
            }
        }
    }
}

#[test]
fn empty_batches_and_sequences() {
    for device in devices() {
        let (_, ours) = pair(1.5.into(), false, &device);
        let zeros = |batch, length| Tensor::<3>::zeros([batch, length, SIZE], &device);
        for [batch, queries, keys] in [[0, 3, 4], [2, 0, 4], [2, 3, 0]] {
            let input = || {
                TsallisMhaInput::new(
                    zeros(batch, queries),
                    zeros(batch, keys),
                    zeros(batch, keys),
                )
            };
            let output = ours.forward(input());
            assert_eq!(output.context.dims(), [batch, queries, SIZE]);
            assert_eq!(output.weights.dims(), [batch, HEADS, queries, keys]);
            let context = ours.forward_context(input());
            assert_eq!(context.dims(), [batch, queries, SIZE]);
            assert_eq!(values(context), values(output.context));
        }
    }
}

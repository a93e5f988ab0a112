//! Gradients, entries without a trace, empty shapes, threads and messages.

use super::*;

#[test]
fn gradients_are_central_differences() {
    for device in devices() {
        let device = device.autodiff();
        for alphas in [[0.5, 1.0], [1.25, 1.6], [0.0, 3.0]] {
            let case = Case {
                bias: Some([1, 2, 5, 7]),
                softcap: Some(3.0),
                ..Case::new(per_head(&alphas))
            };
            let inputs = Inputs::new(&case, &device, DType::F64).tracked();
            let loss = |inputs: &Inputs| {
                let context = case.blocks(inputs);
                (context.clone() * cotangent(&context)).sum()
            };
            let gradients = loss(&inputs).backward();
            for (i, (name, x)) in inputs.tensors().into_iter().enumerate() {
                let gradient = values(x.clone().grad(&gradients).expect("tracked"));
                let shape = x.dims();
                for entry in (0..gradient.len()).step_by(gradient.len().div_ceil(5)) {
                    let step = 1e-5;
                    let shifted = |by: f64| {
                        let mut data = values(x.clone());
                        data[entry] += by;
                        let data = TensorData::new(data, shape);
                        let x = Tensor::<4>::from_data(data, (&device, DType::F64));
                        let mut inputs = inputs.clone();
                        match i {
                            0 => inputs.query = x,
                            1 => inputs.key = x,
                            2 => inputs.value = x,
                            3 => inputs.bias = Some(x),
                            _ => inputs.alpha = Alpha::Tensor(x),
                        }
                        values(loss(&inputs).reshape([1]))[0]
                    };
                    let want = (shifted(step) - shifted(-step)) / (2.0 * step);
                    let got = gradient[entry];
                    assert!(
                        (got - want).abs() <= 1e-6 * want.abs().max(1.0),
                        "alphas {alphas:?}, {name} {entry}: {got}, expected {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn keys_that_every_query_masks_leave_no_trace() {
    for device in devices() {
        let device = device.autodiff();
        for (invalid, by_blocks) in [
            (f64::NAN, false),
            (f64::INFINITY, false),
            (f64::NEG_INFINITY, false),
            (f64::NAN, true),
        ] {
            // The first key is padding, the last query has no key at all.
            let run = |at_masked: f64| {
                let case = Case {
                    mask: None,
                    ..Case::new(1.5)
                };
                let inputs = Inputs::new(&case, &device, DType::F64);
                let (key, value) = (inputs.key.dims(), inputs.value.dims());
                let first = |x: Tensor<4>, shape: [usize; 4]| {
                    let part = [0..shape[0], 0..shape[1], 0..1, 0..shape[3]];
                    let fill = x.clone().slice(part.clone()).full_like(at_masked);
                    x.slice_assign(part, fill)
                };
                let last = [0..2, 0..2, 4..5, 0..3];
                let fill = inputs
                    .query
                    .clone()
                    .slice(last.clone())
                    .full_like(at_masked);
                let inputs = Inputs {
                    query: inputs.query.slice_assign(last, fill),
                    key: first(inputs.key, key),
                    value: first(inputs.value, value),
                    ..inputs
                }
                .tracked();
                let masked = |query: usize, key: usize| query == 4 || key == 0;
                let options = TsallisAttentionOptions::new(1.5);
                let options = if by_blocks {
                    let mask: Vec<_> = (0..14).map(|i| masked(i / 7 * 4, i % 7)).collect();
                    let mask = Tensor::from_data(TensorData::new(mask, [1, 1, 2, 7]), &device);
                    options.with_block_mask(mask, [4, 1])
                } else {
                    let mask: Vec<_> = (0..35).map(|i| masked(i / 7, i % 7)).collect();
                    let mask = Tensor::from_data(TensorData::new(mask, [1, 1, 5, 7]), &device);
                    options.with_mask(mask)
                };
                let Inputs {
                    query, key, value, ..
                } = inputs.clone();
                let context = tsallis_attention_with(query, key, value, &options);
                let gradients = (context.clone() * cotangent(&context)).sum().backward();
                let mut results = vec![values(context)];
                for (_, x) in inputs.tensors() {
                    results.push(values(x.grad(&gradients).expect("tracked")));
                }
                results
            };
            // Rows with an invalid product are computed again, with another rounding.
            for (got, want) in run(invalid).into_iter().zip(run(0.0)) {
                compare(&format!("{invalid}"), &got, &want, 1e-13);
            }
        }
    }
}

#[test]
fn a_value_that_is_not_finite_reaches_the_queries_with_a_weight() {
    for device in devices() {
        // At alpha = 2, the first query gives no weight to the second key, and the second query no weight to the first.
        let query = Tensor::<4>::from_data([[[[2.0], [-2.0]]]], &device);
        let key = Tensor::<4>::from_data([[[[1.0], [-1.0]]]], &device);
        let value = Tensor::<4>::from_data([[[[f32::INFINITY, 5.0], [3.0, 4.0]]]], &device);
        let options = AttentionModuleOptions::default();
        let context = tsallis_attention(query, key, value, 2.0, None, None, options);
        assert_eq!(values(context), [f64::INFINITY, 5.0, 3.0, 4.0]);
    }
}

#[test]
fn the_root_and_the_support_are_those_of_the_weights() {
    for device in devices() {
        for alpha in [0.5, 1.0, 1.5, 2.0, 3.0] {
            let case = Case::full(alpha);
            let inputs = Inputs::new(&case, &device, DType::F64);
            let Inputs {
                query, key, value, ..
            } = inputs.clone();
            let output =
                tsallis_attention_with_statistics(query, key, value, &case.options(&inputs));
            close(&values(output.context), &values(case.plain(&inputs)), 1e-10);
            let weights = values(case.weights(&inputs));
            let roots = values(output.root);
            let sizes: Vec<i64> = output.support_size.into_data().iter().collect();
            // The score of the null key is known, so its weight follows from the root.
            for (row, (weights, root)) in weights.chunks(7).zip(&roots).enumerate() {
                let support = weights.iter().filter(|&&w| w > 0.0).count();
                assert_eq!(sizes[row], support as i64, "alpha {alpha}, row {row}");
                let y = 0.3 - root;
                let null = if alpha == 1.0 {
                    y.exp()
                } else {
                    (1.0 + (alpha - 1.0) * y).max(0.0).powf(1.0 / (alpha - 1.0))
                };
                let sum = weights.iter().sum::<f64>() + null;
                assert!((sum - 1.0).abs() < 1e-9, "alpha {alpha}, row {row}: {sum}");
            }
        }
        let query = Tensor::<4>::zeros([1, 1, 1, 2], &device);
        let key = Tensor::<4>::zeros([1, 1, 3, 2], &device);
        let options = TsallisAttentionOptions::new(1.5).with_key_lengths(vec![0]);
        let output = tsallis_attention_with_statistics(query, key.clone(), key, &options);
        assert_eq!(values(output.root), [f64::NEG_INFINITY]);
        assert_eq!(
            output
                .support_size
                .into_data()
                .iter::<i64>()
                .collect::<Vec<_>>(),
            [0]
        );
    }
}

#[test]
fn empty_shapes_give_zeros() {
    for device in devices() {
        for [batch, heads, queries, keys] in
            [[0, 2, 3, 4], [1, 2, 0, 4], [1, 2, 3, 0], [1, 0, 3, 4]]
        {
            let query = Tensor::<4>::ones([batch, heads, queries, 5], &device);
            let key = Tensor::<4>::ones([batch, heads, keys, 5], &device);
            let value = Tensor::<4>::ones([batch, heads, keys, 6], &device);
            let options = TsallisAttentionOptions::new(1.5);
            let output = tsallis_attention_with_statistics(query, key, value, &options);
            assert_eq!(output.context.dims(), [batch, heads, queries, 6]);
            assert_eq!(output.root.dims(), [batch, heads, queries]);
            assert!(values(output.context).iter().all(|&x| x == 0.0));
        }
    }
}

#[test]
fn empty_shapes_have_gradients_of_zero() {
    for device in devices() {
        let device = device.autodiff();
        for [batch, queries, keys] in [[0, 3, 4], [1, 0, 4], [1, 3, 0]] {
            let tensor = |length| Tensor::<4>::ones([batch, 2, length, 5], &device).require_grad();
            let (query, key, value) = (tensor(queries), tensor(keys), tensor(keys));
            for is_causal in [false, true] {
                let options = AttentionModuleOptions {
                    is_causal,
                    ..Default::default()
                };
                let (q, k) = (query.clone(), key.clone());
                let weights = tsallis_attention_weights(q, k, 1.5, None, None, options);
                assert_eq!(weights.dims(), [batch, 2, queries, keys]);
                let context = tsallis_attention(
                    query.clone(),
                    key.clone(),
                    value.clone(),
                    1.5,
                    None,
                    None,
                    options,
                );
                let gradients = (context.sum() + weights.sum()).backward();
                for x in [&query, &key, &value] {
                    let gradient = x.grad(&gradients).expect("tracked");
                    assert_eq!(gradient.dims(), x.dims());
                    assert!(values(gradient).iter().all(|&g| g == 0.0));
                }
            }
        }
    }
}

#[cfg(feature = "flex")]
#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let device = Device::flex().autodiff();
    let case = Case {
        batch: 1,
        heads: 4,
        queries: 200,
        keys: 260,
        size: 8,
        value_size: 8,
        causal: true,
        bias: Some([1, 1, 200, 260]),
        block_mask: Some(BlockMask {
            batch: 1,
            heads: 1,
            size: [50, 65],
            masked: 0.3,
        }),
        ..Case::new(per_head(&[0.7, 1.0, 1.5, 2.0]))
    };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool of threads").install(|| {
            let inputs = Inputs::new(&case, &device, DType::F32).tracked();
            let context = case.blocks(&inputs);
            let gradients = (context.clone() * cotangent(&context)).sum().backward();
            let gradients = inputs
                .tensors()
                .into_iter()
                .map(|(_, x)| values(x.grad(&gradients).expect("tracked")));
            (values(context), gradients.collect::<Vec<_>>())
        })
    };
    let one = run(1);
    for threads in [2, 3, 7] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn bad_calls_are_named_in_the_message() {
    let device = crate::support::device();
    let zeros = |shape: [usize; 4]| Tensor::<4>::zeros(shape, &device);
    let message = |key: [usize; 4], value: [usize; 4], options: TsallisAttentionOptions| {
        let query = zeros([2, 4, 3, 5]);
        let (key, value) = (zeros(key), zeros(value));
        let run = || tsallis_attention_with(query, key, value, &options);
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        let panic = panic.expect_err("the call is invalid");
        panic.downcast_ref::<String>().map_or_else(
            || (*panic.downcast_ref::<&str>().expect("a message")).to_owned(),
            Clone::clone,
        )
    };
    let options = || TsallisAttentionOptions::new(1.5);
    let blocks = |shape: [usize; 4], size| {
        let mask = Tensor::<4, Bool>::full(shape, false, &device);
        options().with_block_mask(mask, size)
    };
    let (key, value) = ([2, 4, 7, 5], [2, 4, 7, 6]);
    for (got, want) in [
        (
            message([2, 4, 7, 6], value, options()),
            "a key of shape [2, 4, 7, 6] does not fit a query of shape [2, 4, 3, 5]",
        ),
        (
            message(key, [2, 4, 8, 6], options()),
            "a value of shape [2, 4, 8, 6] does not fit a query of shape [2, 4, 3, 5] and a key of shape [2, 4, 7, 5]",
        ),
        (
            message([2, 3, 7, 5], [2, 3, 7, 6], options()),
            "the query has 4 heads and the key has 3",
        ),
        (message(key, value, options().with_window(0)), "window is 0"),
        (
            message(key, value, options().with_key_lengths(vec![7, 8])),
            "key_lengths[1] is 8: it must be at most 7, the number of keys",
        ),
        (
            message(key, value, options().with_key_lengths(vec![7])),
            "key_lengths has 1 numbers: it must have one for each of the 2 sequences",
        ),
        (
            message(key, value, options().with_null_score(f64::NAN)),
            "null_score is NaN",
        ),
        (
            message(key, value, blocks([1, 1, 3, 7], [2, 3])),
            "a block mask of shape [1, 1, 3, 7] does not fit scores of shape [2, 4, 3, 7] in blocks of [2, 3]: it must \
             have shape [2 or 1, 4 or 1, 2, 3]",
        ),
        (
            message(key, value, blocks([1, 1, 2, 3], [2, 0])),
            "the blocks of a block mask have size [2, 0]: both sizes must be at least 1",
        ),
        (
            message(key, value, options().with_bias(zeros([1, 1, 3, 6]))),
            "a bias of shape [1, 1, 3, 6] does not broadcast to [2, 4, 3, 7]",
        ),
    ] {
        assert!(got.contains(want), "{got}");
    }
}

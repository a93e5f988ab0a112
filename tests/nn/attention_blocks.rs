//! Attention by blocks of queries against its plain form: all scores, the operator, and the product with the values.

use crate::support::{close, devices, pseudo_random, values};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, DType, Device, FloatDType, Tensor, TensorData};
use burn_tsallis::nn::attention::{
    TsallisAttentionOptions, tsallis_attention, tsallis_attention_weights, tsallis_attention_with,
    tsallis_attention_with_statistics,
};
use burn_tsallis::{Alpha, EmptyRow, Reference, TsallisOptions, tsallis_softargmax};

/// One call, with the masks of its options also as one explicit mask.
#[derive(Clone)]
struct Case {
    batch: usize,
    heads: usize,
    key_heads: usize,
    queries: usize,
    keys: usize,
    size: usize,
    value_size: usize,
    alpha: Alpha<4>,
    bias: Option<[usize; 4]>,
    mask: Option<[usize; 4]>,
    padding: bool,
    causal: bool,
    softcap: Option<f64>,
    window: Option<usize>,
    lengths: Option<Vec<usize>>,
    block_mask: Option<BlockMask>,
    null_score: Option<f64>,
}

/// A random block mask for some of the batches and heads.
#[derive(Clone, Copy)]
struct BlockMask {
    batch: usize,
    heads: usize,
    size: [usize; 2],
    /// The share of blocks that are masked, roughly.
    masked: f64,
}

impl Case {
    fn new(alpha: impl Into<Alpha<4>>) -> Self {
        Self {
            batch: 2,
            heads: 2,
            key_heads: 2,
            queries: 5,
            keys: 7,
            size: 3,
            value_size: 4,
            alpha: alpha.into(),
            bias: None,
            mask: None,
            padding: false,
            causal: false,
            softcap: None,
            window: None,
            lengths: None,
            block_mask: None,
            null_score: None,
        }
    }

    /// A case with every option.
    fn full(alpha: impl Into<Alpha<4>>) -> Self {
        Self {
            heads: 4,
            bias: Some([1, 4, 5, 7]),
            mask: Some([1, 1, 5, 7]),
            padding: true,
            causal: true,
            softcap: Some(2.0),
            window: Some(4),
            lengths: Some(vec![7, 4]),
            block_mask: Some(BlockMask {
                batch: 1,
                heads: 4,
                size: [2, 3],
                masked: 0.2,
            }),
            null_score: Some(0.3),
            ..Self::new(alpha)
        }
    }

    fn scores(&self) -> [usize; 4] {
        [self.batch, self.heads, self.queries, self.keys]
    }

    fn attention_options(&self) -> AttentionModuleOptions {
        AttentionModuleOptions {
            scale: None,
            softcap: self.softcap,
            is_causal: self.causal,
        }
    }

    fn random_mask(shape: [usize; 4], threshold: f64, device: &Device) -> Tensor<4, Bool> {
        let count = shape.iter().product();
        let masked: Vec<_> = pseudo_random(count, 1.0)
            .into_iter()
            .map(|x| x > threshold)
            .collect();
        Tensor::from_data(TensorData::new(masked, shape), device)
    }

    fn block_mask(&self, blocks: BlockMask) -> TensorData {
        let shape = [
            blocks.batch,
            blocks.heads,
            self.queries.div_ceil(blocks.size[0]),
            self.keys.div_ceil(blocks.size[1]),
        ];
        let masked: Vec<_> = pseudo_random(shape.iter().product(), 0.5)
            .into_iter()
            .map(|x| x + 0.5 < blocks.masked)
            .collect();
        TensorData::new(masked, shape)
    }

    fn options(&self, inputs: &Inputs) -> TsallisAttentionOptions {
        let device = inputs.query.device();
        let mut options = TsallisAttentionOptions::new(inputs.alpha.clone())
            .with_options(self.attention_options());
        if let Some(shape) = self.mask {
            options = options.with_mask(Self::random_mask(shape, 0.5, &device));
        }
        if self.padding {
            let shape = [self.batch, 1, 1, self.keys];
            options = options.with_padding(Self::random_mask(shape, 0.7, &device));
        }
        if let Some(bias) = &inputs.bias {
            options = options.with_bias(bias.clone());
        }
        if let Some(window) = self.window {
            options = options.with_window(window);
        }
        if let Some(lengths) = &self.lengths {
            options = options.with_key_lengths(lengths.clone());
        }
        if let Some(blocks) = self.block_mask {
            let mask = Tensor::from_data(self.block_mask(blocks), &device);
            options = options.with_block_mask(mask, blocks.size);
        }
        if let Some(null_score) = self.null_score {
            options = options.with_null_score(null_score);
        }
        options
    }

    /// The keys that the causal edge, the window and the lengths leave out, entry by entry.
    fn edges(&self, device: &Device) -> Tensor<4, Bool> {
        let mut masked = Vec::new();
        for batch in 0..self.batch {
            for query in 0..self.queries {
                let position = query as i64 + self.keys as i64 - self.queries as i64;
                for key in 0..self.keys {
                    let distance = position - key as i64;
                    let far = self
                        .window
                        .is_some_and(|w| distance.unsigned_abs() >= w as u64);
                    let padded = self.lengths.as_ref().is_some_and(|l| key >= l[batch]);
                    masked.push(self.causal && distance < 0 || far || padded);
                }
            }
        }
        let shape = [self.batch, 1, self.queries, self.keys];
        Tensor::from_data(TensorData::new(masked, shape), device)
    }

    /// The block mask, entry by entry.
    fn masked_blocks(&self, device: &Device) -> Option<Tensor<4, Bool>> {
        let blocks = self.block_mask?;
        let data = self.block_mask(blocks);
        let [_, _, rows, columns] = data.shape().dims();
        let of_blocks: Vec<bool> = data.iter().collect();
        let mut masked = Vec::new();
        for outer in 0..blocks.batch * blocks.heads {
            for query in 0..self.queries {
                let row = (outer * rows + query / blocks.size[0]) * columns;
                masked.extend((0..self.keys).map(|key| of_blocks[row + key / blocks.size[1]]));
            }
        }
        let shape = [blocks.batch, blocks.heads, self.queries, self.keys];
        Some(Tensor::from_data(TensorData::new(masked, shape), device))
    }

    fn blocks(&self, inputs: &Inputs) -> Tensor<4> {
        let Inputs {
            query, key, value, ..
        } = inputs.clone();
        tsallis_attention_with(query, key, value, &self.options(inputs))
    }

    /// The weights of all scores.
    fn weights(&self, inputs: &Inputs) -> Tensor<4> {
        let device = inputs.query.device();
        let key = self.repeated(inputs.key.clone());
        let scale = (self.size as f64).sqrt().recip();
        let mut scores = inputs.query.clone().matmul(key.transpose()) * scale;
        if let Some(cap) = self.softcap {
            scores = (scores / cap).tanh() * cap;
        }
        if let Some(bias) = &inputs.bias {
            scores = scores + bias.clone();
        }
        let mut masks = vec![self.edges(&device)];
        masks.extend(self.masked_blocks(&device));
        masks.extend(
            self.mask
                .map(|shape| Self::random_mask(shape, 0.5, &device)),
        );
        if self.padding {
            masks.push(Self::random_mask(
                [self.batch, 1, 1, self.keys],
                0.7,
                &device,
            ));
        }
        for mask in masks {
            scores = scores.mask_fill(mask.expand(self.scores()), f64::NEG_INFINITY);
        }
        if let Some(null_score) = self.null_score {
            let null = scores.clone().narrow(3, 0, 1).full_like(null_score);
            scores = Tensor::cat(vec![scores, null], 3);
        }
        let options = TsallisOptions::new(inputs.alpha.clone())
            .with_reference(Reference::Ones)
            .with_empty_row(EmptyRow::Zero);
        tsallis_softargmax(scores, options, 3).narrow(3, 0, self.keys)
    }

    fn plain(&self, inputs: &Inputs) -> Tensor<4> {
        let value = self.repeated(inputs.value.clone());
        self.weights(inputs).matmul(value)
    }

    /// Repeats each head of the keys for the heads of the queries that share it.
    fn repeated(&self, keys: Tensor<4>) -> Tensor<4> {
        let [batch, heads, length, size] = keys.dims();
        let group = self.heads / self.key_heads;
        keys.reshape([batch, heads, 1, length, size])
            .expand([batch, heads, group, length, size])
            .reshape([batch, self.heads, length, size])
    }
}

#[derive(Clone)]
struct Inputs {
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
    alpha: Alpha<4>,
}

impl Inputs {
    fn new(case: &Case, device: &Device, dtype: DType) -> Self {
        let random = |shape: [usize; 4], scale: f64, seed: usize| {
            let count: usize = shape.iter().product();
            let values = pseudo_random(count + seed, scale)[seed..].to_vec();
            Tensor::<4>::from_data(TensorData::new(values, shape), (device, dtype))
        };
        Self {
            query: random([case.batch, case.heads, case.queries, case.size], 3.0, 1),
            key: random([case.batch, case.key_heads, case.keys, case.size], 2.0, 2),
            value: random(
                [case.batch, case.key_heads, case.keys, case.value_size],
                1.0,
                3,
            ),
            bias: case.bias.map(|shape| random(shape, 1.0, 4)),
            alpha: match &case.alpha {
                Alpha::Number(alpha) => Alpha::Number(*alpha),
                Alpha::Tensor(alpha) => {
                    let data = alpha.to_data();
                    Alpha::Tensor(Tensor::<4>::from_data(data, (device, DType::F64)).cast(
                        if dtype == DType::F64 {
                            FloatDType::F64
                        } else {
                            FloatDType::F32
                        },
                    ))
                }
            },
        }
    }

    fn tracked(self) -> Self {
        Self {
            query: self.query.require_grad(),
            key: self.key.require_grad(),
            value: self.value.require_grad(),
            bias: self.bias.map(Tensor::require_grad),
            alpha: match self.alpha {
                Alpha::Tensor(alpha) => Alpha::Tensor(alpha.require_grad()),
                number @ Alpha::Number(_) => number,
            },
        }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor<4>)> {
        let mut tensors = vec![
            ("query", self.query.clone()),
            ("key", self.key.clone()),
            ("value", self.value.clone()),
        ];
        tensors.extend(self.bias.clone().map(|bias| ("bias", bias)));
        if let Alpha::Tensor(alpha) = &self.alpha {
            tensors.push(("alpha", alpha.clone()));
        }
        tensors
    }
}

fn cotangent(context: &Tensor<4>) -> Tensor<4> {
    let shape = context.dims();
    let values = pseudo_random(shape.iter().product::<usize>() + 9, 1.0)[9..].to_vec();
    let options = (&context.device(), context.dtype());
    Tensor::from_data(TensorData::new(values, shape), options)
}

/// Compares the context and all gradients with those of the plain form.
fn check(name: &str, case: &Case, device: &Device, dtype: DType, bound: f64) {
    let device = device.clone().autodiff();
    let run = |blocks: bool| {
        let inputs = Inputs::new(case, &device, dtype).tracked();
        let context = if blocks {
            case.blocks(&inputs)
        } else {
            case.plain(&inputs)
        };
        let gradients = (context.clone() * cotangent(&context)).sum().backward();
        let gradients: Vec<_> = inputs
            .tensors()
            .into_iter()
            .map(|(name, x)| (name, values(x.grad(&gradients).expect("tracked"))))
            .collect();
        (context, gradients)
    };
    let ((got, got_gradients), (want, want_gradients)) = (run(true), run(false));
    assert_eq!(got.dims(), want.dims(), "{name}");
    assert_eq!(got.dtype(), want.dtype(), "{name}");
    let (got, want) = (values(got), values(want));
    compare(&format!("{name}: context"), &got, &want, bound);
    for ((input, got), (_, want)) in got_gradients.into_iter().zip(want_gradients) {
        compare(
            &format!("{name}: gradient in the {input}"),
            &got,
            &want,
            bound,
        );
    }
}

fn compare(name: &str, got: &[f64], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len(), "{name}");
    let largest = want.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let same = (got - want).abs() <= bound * largest;
        assert!(same, "{name}, entry {i}: {got}, expected {want}");
    }
}

fn per_head(alphas: &[f64]) -> Tensor<4> {
    let data = TensorData::new(alphas.to_vec(), [1, alphas.len(), 1, 1]);
    Tensor::from_data(data, (&crate::support::device(), DType::F64))
}

const ALPHAS: [f64; 8] = [0.0, 0.5, 0.7, 1.0, 1.25, 1.5, 2.0, 3.0];

#[test]
fn every_alpha_and_option_matches_the_plain_form() {
    for device in devices() {
        for alpha in ALPHAS {
            check("plain", &Case::new(alpha), &device, DType::F64, 1e-10);
            check("full", &Case::full(alpha), &device, DType::F64, 1e-10);
        }
        let alphas = per_head(&[0.5, 1.0, 1.5, 2.5]);
        let case = Case::full(alphas);
        check("alpha of each head", &case, &device, DType::F64, 1e-10);
        let rows = TensorData::new(
            pseudo_random(10, 0.5)
                .iter()
                .map(|x| 1.3 + x)
                .collect::<Vec<_>>(),
            [2, 1, 5, 1],
        );
        let rows = Tensor::<4>::from_data(rows, (&crate::support::device(), DType::F64));
        check(
            "alpha of each row",
            &Case::new(rows),
            &device,
            DType::F64,
            1e-10,
        );
    }
}

#[test]
fn shapes_and_masks_match_the_plain_form() {
    let case = || Case::new(1.5);
    let block_mask = |size, masked| {
        Some(BlockMask {
            batch: 2,
            heads: 2,
            size,
            masked,
        })
    };
    let cases = [
        (
            "one query",
            Case {
                queries: 1,
                ..case()
            },
        ),
        (
            "one key",
            Case {
                keys: 1,
                causal: true,
                ..case()
            },
        ),
        (
            "one key head",
            Case {
                heads: 6,
                key_heads: 1,
                ..case()
            },
        ),
        (
            "grouped heads",
            Case {
                heads: 6,
                key_heads: 3,
                ..case()
            },
        ),
        (
            "several blocks",
            Case {
                queries: 150,
                keys: 40,
                causal: true,
                ..case()
            },
        ),
        (
            "several blocks of grouped heads",
            Case {
                heads: 4,
                queries: 130,
                keys: 140,
                window: Some(9),
                bias: Some([1, 1, 130, 140]),
                ..case()
            },
        ),
        (
            "causal, more queries than keys",
            Case {
                queries: 9,
                keys: 4,
                causal: true,
                ..case()
            },
        ),
        (
            "causal, more keys than queries",
            Case {
                queries: 3,
                keys: 9,
                causal: true,
                ..case()
            },
        ),
        (
            "a window on both sides",
            Case {
                queries: 9,
                keys: 9,
                window: Some(2),
                ..case()
            },
        ),
        (
            "a window of one key",
            Case {
                keys: 5,
                window: Some(1),
                causal: true,
                ..case()
            },
        ),
        (
            "a window beyond the keys",
            Case {
                window: Some(usize::MAX),
                ..case()
            },
        ),
        (
            "an empty sequence",
            Case {
                lengths: Some(vec![0, 7]),
                ..case()
            },
        ),
        (
            "a null score for an empty sequence",
            Case {
                lengths: Some(vec![0, 7]),
                null_score: Some(-0.5),
                ..case()
            },
        ),
        (
            "a block mask",
            Case {
                block_mask: block_mask([3, 2], 0.4),
                ..case()
            },
        ),
        (
            "a block mask of one entry",
            Case {
                block_mask: block_mask([100, usize::MAX], 0.0),
                ..case()
            },
        ),
        (
            "a block mask that masks everything",
            Case {
                block_mask: block_mask([2, 4], 1.0),
                ..case()
            },
        ),
        (
            "a null score beside masked blocks",
            Case {
                block_mask: block_mask([2, 4], 1.0),
                null_score: Some(-0.5),
                ..case()
            },
        ),
        (
            // Several blocks of keys are left out between others.
            "a block mask with gaps",
            Case {
                heads: 4,
                queries: 101,
                keys: 210,
                block_mask: block_mask([37, 41], 0.5).map(|blocks| BlockMask {
                    batch: 1,
                    heads: 4,
                    ..blocks
                }),
                bias: Some([1, 4, 101, 210]),
                null_score: Some(0.1),
                ..case()
            },
        ),
        (
            "a causal block mask with gaps and lengths",
            Case {
                queries: 90,
                keys: 200,
                block_mask: block_mask([8, 33], 0.6),
                causal: true,
                lengths: Some(vec![200, 117]),
                mask: Some([1, 1, 90, 200]),
                softcap: Some(2.0),
                ..case()
            },
        ),
        (
            "odd sizes",
            Case {
                size: 41,
                value_size: 73,
                ..case()
            },
        ),
        (
            "a bias of each key",
            Case {
                bias: Some([1, 2, 1, 7]),
                ..case()
            },
        ),
        (
            "a bias of each query",
            Case {
                bias: Some([2, 1, 5, 1]),
                ..case()
            },
        ),
        (
            "one bias",
            Case {
                bias: Some([1; 4]),
                ..case()
            },
        ),
        (
            "a full bias and mask",
            Case {
                bias: Some([2, 2, 5, 7]),
                mask: Some([2, 2, 5, 7]),
                ..case()
            },
        ),
        (
            "a mask of queries",
            Case {
                mask: Some([2, 1, 5, 1]),
                ..case()
            },
        ),
    ];
    for device in devices() {
        for (name, case) in &cases {
            check(name, case, &device, DType::F64, 1e-10);
            check(name, case, &device, DType::F32, 2e-5);
        }
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_matches_the_plain_form() {
    let Some(device) = burn_tsallis::conformance::wgpu_device() else {
        return;
    };
    check(
        "full",
        &Case::full(per_head(&[0.5, 1.0, 1.5, 2.0])),
        &device,
        DType::F32,
        1e-4,
    );
    check("plain", &Case::new(1.5), &device, DType::F32, 1e-4);
}

#[cfg(feature = "flex")]
#[test]
fn half_precision_is_one_rounding_away() {
    let device = Device::flex().autodiff();
    for (dtype, bound) in [(DType::F16, 2e-3), (DType::BF16, 2e-2)] {
        for case in [Case::new(1.5), Case::full(0.7)] {
            let case = Case { bias: None, ..case };
            let inputs = Inputs::new(&case, &device, dtype);
            let exact = Inputs {
                query: inputs.query.clone().cast(FloatDType::F64),
                key: inputs.key.clone().cast(FloatDType::F64),
                value: inputs.value.clone().cast(FloatDType::F64),
                ..inputs.clone()
            }
            .tracked();
            let inputs = inputs.tracked();
            let (got, want) = (case.blocks(&inputs), case.plain(&exact));
            assert_eq!(got.dtype(), dtype);
            close(&values(got.clone()), &values(want.clone()), bound);
            let cotangent = cotangent(&got);
            let exact_cotangent = cotangent.clone().cast(FloatDType::F64);
            let got = (got * cotangent).sum().backward();
            let want = (want * exact_cotangent).sum().backward();
            for ((name, x), (_, exact)) in inputs.tensors().into_iter().zip(exact.tensors()) {
                let (got, want) = (x.grad(&got), exact.grad(&want));
                let got = got.expect("tracked");
                assert_eq!(got.dtype(), dtype);
                let (got, want) = (values(got), values(want.expect("tracked")));
                compare(&format!("{dtype:?}, {name}"), &got, &want, bound);
            }
        }
    }
}

#[test]
fn every_head_size_matches_the_plain_form() {
    for device in devices() {
        for size in [1, 8, 16, 40, 64, 72, 80, 96, 127, 128] {
            let case = Case {
                batch: 1,
                queries: 3,
                size,
                value_size: size,
                causal: true,
                ..Case::new(1.5)
            };
            check(&format!("size {size}"), &case, &device, DType::F32, 2e-5);
        }
    }
}

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

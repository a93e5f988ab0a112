//! Attention by blocks of queries against its plain form: all scores, the operator, and the product with the values.

mod plain_form;
mod properties;

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
